/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Panics: raising, unwinding, recovering; Goexit, which is the same but for
 * its end.
 *
 * Unwinding happens on top of the stack: the boundaries, from the innermost
 * on, are emptied of their deferred functions and passed, and nothing below is
 * touched, so the report shows where it began. When a deferred function
 * recovers, the rest of its boundary's functions run there as well, as if the
 * boundary had just ended (a TUZA_DEFER's block and arguments must still be
 * there), and only then is the stack cut back to the boundary.
 *
 * u->panics is a list, since a deferred function may panic anew. The new one
 * goes on with the functions that the old one has not called; the old one's
 * loop is never come back to unless the new one is recovered inside of that
 * deferred function. A recovery drops what began inside its boundary, from the
 * list too; a Goexit among that can't be recovered from: it is taken up again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"
#include "os/os.h"
#include "panic/records.h"
#include "tuza/go.h"

/* Panics that run deferred functions, in the whole process: main's return waits for them for a while.
 * Relaxed: a count that is a moment old is one of that moment. */
static uint32_t running;

#define NIL_TEXT "runtime error: panic called with nil argument"

void tz_panic_forget(tz_g *g)
{
    tz_unwind *u = &g->unwind;
    if (!u->panics->goexit)
        tz_sub_relaxed(&running, 1);
    u->panics = u->panics->up;
}

/* g is over, and nothing of the program's is to run any more. */
static void drop(tz_g *g)
{
    tz_unwind *u = &g->unwind;
    u->boundary = NULL;
    u->defers = NULL;
    while (u->panics)
        tz_panic_forget(g);
    tz_arena_drop(g);
    u->on_fault = false;
    u->used = false;
}

void (*tz_panic_locals)(tz_g *g, bool lost);

/*
 * g's functions are over, and what they have deferred. Left are its abandoned
 * catch blocks and its values, and their destructors are the program's: they
 * may set values, defer, and end the goroutine anew, which then comes here on
 * top of them. Nothing of that is for the next goroutine in this G.
 */
static void clear(tz_g *g, bool lost)
{
    for (;;) {
        if (!tz_panic_is_foreign(g))
            tz_exceptions_cut((tz_exceptions){NULL, 0});
        tz_boundary_run_rest(g, NULL, __builtin_frame_address(0));
        if (!g->unwind.locals)
            break;
        tz_panic_locals(g, lost);
    }
    drop(g);
}

TZ_NORETURN static void end_goroutine(tz_g *g)
{
    tz_unwind *u = &g->unwind;
    clear(g, false);
    tz_member *me = u->member;
    u->member = NULL;
    if (me)
        tz_goexit_member(me);
    tz_goexit();
}

void tz_panic_at_end(tz_member *me)
{
    tz_unwind *u = &tz_self_m->g->unwind;
    u->member = me;
    u->used = true;
}

/* g's thread has ended, its functions with it. */
static void lost(tz_g *g)
{
    drop(g);
    clear(g, true);
}

TZ_NORETURN static void unwind(tz_g *g, tz_panicking *p);

/* One of b's deferred functions has recovered the newest panic. */
TZ_NORETURN static void recovered(tz_g *g, tz_boundary *b)
{
    tz_unwind *u = &g->unwind;
    tz_panicking *before = b ? b->panics : NULL, *goexit = NULL;
    while (u->panics != before) {
        if (u->panics->goexit)
            goexit = u->panics;
        tz_panic_forget(g);
    }
    if (goexit) {
        goexit->up = before;
        u->panics = goexit;
        unwind(g, goexit);
    }
    tz_boundary_run_rest(g, b, __builtin_frame_address(0));
    if (b)
        tz_boundary_resume(g, b);
    if (tz_panic_is_foreign(g))
        tz_throw("tuza: panic recovered outside of a tuza_call, on a thread that runs no goroutine");
    end_goroutine(g);
}

static void unwind(tz_g *g, tz_panicking *p)
{
    tz_unwind *u = &g->unwind;
    for (;;) {
        tz_boundary *b = u->boundary;
        tuza_deferred d;
        if (tz_boundary_next(g, b, __builtin_frame_address(0), &d)) {
            tz_boundary_run(g, &d, p);
            if (p->recovered)
                recovered(g, b);
        } else if (b) {
            u->boundary = b->up;
        } else if (p->goexit) {
            end_goroutine(g);
        } else {
            tz_panic_die(g);
        }
    }
}

static tz_panicking *new_panicking(tz_g *g)
{
    tz_panicking *p = tz_arena_new(g, sizeof *p);
    memset(p, 0, sizeof *p);
    return p;
}

void tz_panic_raise(tz_g *g, tz_panicking *p, const void *frame)
{
    tz_unwind *u = &g->unwind;
    p->frame = frame;
    p->up = u->panics;
    p->same = p->up && p->up->text == p->text;
    u->panics = p;
    tz_add_relaxed(&running, 1);
    unwind(g, p);
}

void tz_panic_text(tz_g *g, const char *text, const void *frame)
{
    tz_boundary_settle(g, frame);
    tz_panicking *p = new_panicking(g);
    p->text = text;
    tz_panic_raise(g, p, frame);
}

void tz_panic_fault(tz_g *g, const char *text, const tz_arch_fault *f, const void *frame)
{
    tz_boundary_settle(g, frame);
    tz_panicking *p = new_panicking(g);
    p->text = text;
    p->signal = f->name;
    p->code = f->code;
    p->addr = f->addr;
    p->pc = f->pc;
    tz_panic_raise(g, p, frame);
}

void tz_panic_outside(const char *text)
{
    tz_m *m = tz_self_m;
    if (m->seq & 1)
        tz_panic_refused(text);
    tz_panic_text(m->g, text, __builtin_frame_address(0));
}

void tz_panic(tz_m *m, const char *text)
{
    tz_g *g = m->g;
    tz_leave(m);
    tz_panic_text(g, text, __builtin_frame_address(0));
}

/*
 * The value that was recovered last, passed on, is the same value: "%s" and
 * its text, or the text as the format. Else the text is formatted, and copied
 * only then: it may be made of a text whose memory has just been given back.
 */
static const char *value(tz_g *g, const char *fmt, va_list ap)
{
    if (!fmt)
        return NIL_TEXT;
    const tz_panicking *last = g->unwind.panics;
    if (last && last->text == fmt)
        return fmt;
    if (last && strcmp(fmt, "%s") == 0) {
        va_list peek;
        va_copy(peek, ap);
        bool same = va_arg(peek, const char *) == last->text;
        va_end(peek);
        if (same)
            return last->text;
    }
    tz_text t;
    tz_text_format(&t, true, fmt, ap);
    char *copy = tz_arena_new(g, t.len + 1);
    memcpy(copy, t.text, t.len + 1);
    free(t.heap);
    return copy;
}

void tuza_panic(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    tz_m *m = tz_self_m;
    if (TZ_UNLIKELY(m->seq & 1)) {
        tz_text t;
        tz_text_format(&t, false, fmt ? fmt : NIL_TEXT, ap);
        tz_panic_refused(t.text);
    }
    const void *frame = __builtin_frame_address(0);
    tz_g *g = m->g;
    tz_boundary_settle(g, frame);
    const char *text = value(g, fmt, ap);
    va_end(ap);
    tz_panicking *p = new_panicking(g);
    p->text = text;
    tz_panic_raise(g, p, frame);
}

static const char *keep(tz_g *g, const char *text)
{
    size_t n = strlen(text) + 1;
    return memcpy(tz_arena_new(g, n), text, n);
}

void tz_panic_again(const char *text, const char *stack)
{
    const void *frame = __builtin_frame_address(0);
    tz_g *g = tz_panic_need_g();
    tz_boundary_settle(g, frame);
    text = keep(g, text);
    stack = stack ? keep(g, stack) : NULL;
    tz_panicking *p = new_panicking(g);
    p->text = text;
    p->stack = stack;
    tz_panic_raise(g, p, frame);
}

const char *tuza_recover(void)
{
    tz_g *g = tz_panic_g();
    if (!g)
        return NULL;
    tz_boundary_settle(g, __builtin_frame_address(0));
    tz_boundary *b = g->unwind.boundary;
    tz_panicking *p = b ? b->cause : NULL;
    if (!p || p->goexit || p->recovered)
        return NULL;
    p->recovered = true;
    return p->text;
}

void tuza_goexit(void)
{
    tz_g *g = tz_panic_need_g();
    const tz_exceptions *e = tz_exceptions_of(tz_self());
    if (!g->unwind.used && !g->unwind.defers && !e->caught && !e->uncaught)
        tz_goexit();
    const void *frame = __builtin_frame_address(0);
    tz_boundary_settle(g, frame);
    tz_panicking *p = new_panicking(g);
    p->goexit = true;
    p->frame = frame;
    p->up = g->unwind.panics;
    g->unwind.panics = p;
    unwind(g, p);
}

/* A goroutine's function has returned and left something: what it deferred itself, memory. */
TZ_NORETURN static TZ_NOINLINE void ended_used(tz_g *g)
{
    tz_boundary_settle(g, g->stack.hi - 1);
    tz_boundary_run_rest(g, NULL, g->stack.hi - 1);
    end_goroutine(g);
}

static void ended(void)
{
    tz_g *g = tz_self_m->g;
    if (TZ_UNLIKELY(g->unwind.used))
        ended_used(g);
    tz_goexit();
}

/* Whatever of panic/ a program links, it links this. */
static __attribute__((constructor)) void wire(void)
{
    tz_arch_hooks.ended = ended;
    tz_sched_hooks.g_lost = lost;
    tz_fatal_hooks.panics = tz_panic_print_fatal;
}

#define FINISH_YIELDS 1000

void tz_panic_let_finish(void)
{
    for (int i = 0; i < FINISH_YIELDS && tz_load_relaxed(&running) && !tz_reporting(); i++) {
        tuza_gosched();
        tz_os_yield();
    }
    if (tz_reporting())
        tz_park_forever(tz_enter_movable(), TZ_WAIT_PANIC);
}
