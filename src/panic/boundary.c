/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Boundaries: tuza_call, and the call of a deferred function.
 *
 * The record lies in the goroutine's arena, since longjmp may leave the frame
 * without our knowing. tz_arch_call leaves two traces for that: the stack
 * pointer at which it saved the registers, and, in the word there, the
 * record's address. A frame is gone when a call from the program has a stack
 * pointer above it, or when other frames have overwritten the word.
 *
 * What is deferred in a boundary runs inside of its tz_arch_call (body), at
 * the ordinary end too: so a recovery in such a function finds a call that
 * has not returned yet, and makes it return false.
 */
#include "base/fatal.h"
#include "panic/records.h"

#if TZ_ASAN
#include <sanitizer/asan_interface.h>
#endif

/* g runs on its own stack, as a rule. A program that changes stacks by itself is on its own as well: what is
 * on the other stack can't be told. Threads' stacks have no known bounds. */
static bool on_stack(const tz_g *g, const void *p)
{
    return tz_panic_is_foreign(g) ||
           (uintptr_t)p - (uintptr_t)g->stack.lo < (uintptr_t)(g->stack.hi - g->stack.lo);
}

static bool is_gone(const tz_g *g, const void *frame, const void *sp)
{
    return (uintptr_t)frame < (uintptr_t)sp && on_stack(g, frame) && on_stack(g, sp);
}

static bool boundary_is_gone(const tz_g *g, const tz_boundary *b, const void *sp)
{
    if (!on_stack(g, b->context))
        return false;
    return is_gone(g, b->context, sp) || tz_arch_peek(b->context) != (uintptr_t)&b->context;
}

void tz_boundary_settle(tz_g *g, const void *sp)
{
    tz_unwind *u = &g->unwind;
    tz_boundary *b, *last = NULL;
    while (TZ_UNLIKELY((b = u->boundary) && boundary_is_gone(g, b, sp))) {
        u->boundary = b->up;
        u->defers = b->defers;
        last = b;
    }
    while (TZ_UNLIKELY(u->panics && is_gone(g, u->panics->frame, sp)))
        tz_panic_forget(g);
    if (TZ_UNLIKELY(last))
        tz_arena_cut(g, last);
}

bool tz_boundary_next(tz_g *g, tz_boundary *b, const void *live, tuza_deferred *d)
{
    tz_unwind *u = &g->unwind;
    tuza_deferred *first = u->defers;
    if (first == (b ? b->defers : NULL))
        return false;
    if (TZ_UNLIKELY(is_gone(g, first, live) &&
                    !tz_arena_has(g, first))) /* what is in it is anybody's guess */
        tz_throw("tuza: the block of a TUZA_DEFER was left by longjmp, or by a C++ exception\n"
                 "(C code that exceptions pass must be compiled with -fexceptions)");
    *d = *first;
    u->defers = first->next;
    first->next = first; /* has run */
    return true;
}

void tz_boundary_run_rest(tz_g *g, tz_boundary *b, const void *live)
{
    tuza_deferred d;
    while (tz_boundary_next(g, b, live, &d))
        tz_boundary_run(g, &d, NULL);
}

/* By a return or an exception. All frames in it are gone: records of what longjmp left, too. */
static void body_ends(tz_boundary **at)
{
    tz_boundary *b = *at;
    if (TZ_UNLIKELY(b->g->unwind.boundary != b))
        tz_boundary_settle(b->g, b->context);
    tz_boundary_run_rest(b->g, b, b->context);
}

/* The whole of a call. A C++ exception goes through here too. */
static void body(void *record)
{
    tz_boundary *b __attribute__((cleanup(body_ends))) = record;
    b->fn(b->arg);
}

static TZ_NOINLINE bool call(tz_boundary *b)
{
#if TZ_TSAN
    if (setjmp(b->jmp))
        return false;
#endif
    return tz_arch_call(&b->context, body, b);
}

static TZ_NOINLINE void call_barrier(tz_boundary *b)
{
#if TZ_TSAN
    if (setjmp(b->jmp))
        return;
#endif
    tz_arch_call_barrier(&b->context, body, b);
}

static tz_boundary *begin(tz_g *g, void (*fn)(void *), void *arg, tz_panicking *cause)
{
    tz_unwind *u = &g->unwind;
    tz_boundary *b = tz_arena_new(g, sizeof *b);
    b->g = g;
    b->up = u->boundary;
    b->defers = u->defers;
    b->panics = u->panics;
    b->cause = cause;
    b->fn = fn;
    b->arg = arg;
    b->exceptions = *tz_exceptions_of(tz_self_m);
    u->boundary = b;
    return b;
}

/* By a return, an exception, a thread's end. */
static void end(tz_boundary **at)
{
    tz_boundary *b = *at;
    tz_unwind *u = &b->g->unwind;
    u->boundary = b->up;
    u->defers = b->defers;
    while (TZ_UNLIKELY(u->panics != b->panics))
        tz_panic_forget(b->g);
    tz_arena_cut(b->g, b);
}

static void nil_function(void *unused)
{
    (void)unused;
    tz_panic_text(tz_panic_g(), "runtime error: invalid memory address or nil pointer dereference",
                  __builtin_frame_address(0));
}

void tz_boundary_run(tz_g *g, const tuza_deferred *d, tz_panicking *cause)
{
    tz_boundary *b __attribute__((cleanup(end))) = begin(g, d->fn ? d->fn : nil_function, d->arg, cause);
    call_barrier(b);
}

void tz_panic_call(void (*fn)(void *), void *arg)
{
    tz_g *g = tz_panic_need_g();
    tz_boundary_settle(g, __builtin_frame_address(0));
    tz_boundary_run(g, &(tuza_deferred){fn, arg, NULL}, NULL);
}

bool tuza_call(void (*fn)(void *), void *arg)
{
    tz_g *g = tz_panic_need_g();
    tz_boundary_settle(g, __builtin_frame_address(0));
    tz_boundary *b __attribute__((cleanup(end))) = begin(g, fn ? fn : nil_function, arg, NULL);
    return call(b);
}

void tz_boundary_resume(tz_g *g, tz_boundary *b)
{
    tz_exceptions_cut(b->exceptions);
    tz_boundary_run_rest(g, b, __builtin_frame_address(0)); /* what the destructors have deferred */
#if TZ_ASAN
    const char *here = __builtin_frame_address(0);
    if (on_stack(g, here) && here < (char *)b->context) /* frames that are abandoned */
        __asan_unpoison_memory_region(here, (size_t)((char *)b->context - here));
#endif
#if TZ_TSAN
    longjmp(b->jmp, 1);
#else
    tz_arch_unwind(b->context);
#endif
}
