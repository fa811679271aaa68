/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The records of panic/, private to the folder: boundaries, panics, and the
 * memory they lie in.
 *
 * Only the goroutine itself touches them, in user code (m->seq even), so
 * nothing here needs a P or an atomic. A G does not change while its
 * functions run, whatever M it is on; m may, and is not kept.
 */
#ifndef TZ_RECORDS_H
#define TZ_RECORDS_H

#include <stdarg.h>

#include "panic/panic.h"
#include "tuza/panic.h"

#if TZ_TSAN
#include <setjmp.h>
#endif

typedef struct tz_panicking tz_panicking;
typedef struct tz_boundary tz_boundary;

/* A tuza_call, or a deferred function, while it runs. */
struct tz_boundary {
    void *context; /* tz_arch_call's */
    tz_g *g;
    tz_boundary *up;       /* the one around it; NULL: the goroutine's own function */
    tuza_deferred *defers; /* what was deferred when it began: only newer ones are its own */
    tz_panicking *panics;  /* what was under way when it began */
    tz_panicking *cause; /* a deferred function's: on whose behalf it runs; NULL: a block or call just ends */
    void (*fn)(void *arg);
    void *arg;
    tz_exceptions exceptions; /* when it began */
#if TZ_TSAN
    jmp_buf jmp;
#endif
};
#if !TZ_TSAN
_Static_assert(sizeof(tz_boundary) + sizeof(tuza_deferred) <= TZ_UNWIND_FIRST, "one lies in the G itself");
#endif

/* A panic, or a Goexit, that runs deferred functions. */
struct tz_panicking {
    tz_panicking *up;  /* the one before it, in whose deferred function this one began */
    const void *frame; /* where on the stack it began */
    const char *text;
    bool goexit;
    bool recovered;
    bool same;          /* its value is the one of `up` */
    const char *stack;  /* where it comes from another goroutine: a traceback of that, as text; or NULL */
    const char *signal; /* a fault's; NULL: none */
    int code;
    uintptr_t addr, pc;
};

/*
 * arena.c: memory that is given back in the reverse order. _new throws where
 * there is none. _cut gives back the block at mark and all newer ones.
 */
void *tz_arena_grow(tz_g *g, size_t n);
void tz_arena_cut_chunks(tz_g *g, const void *mark);
/* Whether p is in it: where a stack's bounds are not known that can't be told by the address. */
bool tz_arena_has(const tz_g *g, const void *p);
void tz_arena_drop(tz_g *g);

TZ_INLINE void *tz_arena_new(tz_g *g, size_t n)
{
    tz_unwind *u = &g->unwind;
    n = (n + 7) & ~(size_t)7;
    if (TZ_UNLIKELY(n > (size_t)(u->end - u->top)))
        return tz_arena_grow(g, n);
    void *p = u->top;
    u->top += n;
    return p;
}

TZ_INLINE void tz_arena_cut(tz_g *g, void *mark)
{
    tz_unwind *u = &g->unwind;
    uintptr_t base = u->chunk ? (uintptr_t)u->chunk : (uintptr_t)u->first;
    if (TZ_LIKELY((uintptr_t)mark - base < (uintptr_t)u->top - base))
        u->top = mark;
    else
        tz_arena_cut_chunks(g, mark);
}

/* boundary.c */

/* The calling goroutine, or the G of an attached thread; NULL on a thread that has none. */
TZ_INLINE tz_g *tz_panic_g(void)
{
    tz_m *m = tz_self_m;
    return m == &tz_nobody ? NULL : m->g;
}
/* The same for calls that need one. */
TZ_INLINE tz_g *tz_panic_need_g(void)
{
    tz_m *m = tz_self_m;
    if (tz_is_outside(m))
        m = tz_attach();
    return m->g;
}
/* Whether g is the G of a thread that tuza did not make: its stack is not ours, and it does not end as a
 * goroutine does. */
TZ_INLINE bool tz_panic_is_foreign(const tz_g *g)
{
    return !g->stack.hi;
}

/* Drops the records of frames that a longjmp has left: those below sp, the frame of a call that the program
 * makes now. Every public function does that first. */
void tz_boundary_settle(tz_g *g, const void *sp);

/* Takes the newest deferred function of b (NULL: of the goroutine's own) off the list; false: there is none
 * left. Frames below `live` are gone: a block among them was left in a way that it must not be, and that
 * throws. */
bool tz_boundary_next(tz_g *g, tz_boundary *b, const void *live, tuza_deferred *d);
/* Calls a deferred function: a boundary, from which no exception comes. */
void tz_boundary_run(tz_g *g, const tuza_deferred *d, tz_panicking *cause);
/* Calls all that is deferred in b, as at its ordinary end. */
void tz_boundary_run_rest(tz_g *g, tz_boundary *b, const void *live);
/* b's call returns false. */
TZ_NORETURN void tz_boundary_resume(tz_g *g, tz_boundary *b);

/* panic.c */

/* Begins a panic; frame is its caller's. */
TZ_NORETURN void tz_panic_raise(tz_g *g, tz_panicking *p, const void *frame);
/* Begins a panic with a text of ours. */
TZ_NORETURN void tz_panic_text(tz_g *g, const char *text, const void *frame);
/* The same for a fault's. */
TZ_NORETURN void tz_panic_fault(tz_g *g, const char *text, const tz_arch_fault *f, const void *frame);
/* Drops the newest panic or Goexit from the list. */
void tz_panic_forget(tz_g *g);

/* report.c */

/* A formatted text of any length. Long ones are on the heap, for its user to free, or in memory of their own,
 * for good. */
typedef struct tz_text {
    const char *text;
    size_t len;
    char *heap;
    char room[512];
} tz_text;
void tz_text_format(tz_text *t, bool heap, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

/* Before a fatal error's text: the panics under way; whether there are any. */
bool tz_panic_print_fatal(void);
TZ_NORETURN void tz_panic_die(tz_g *g);
/* A panic where no goroutine's code can go on: on another thread, inside the runtime. */
TZ_NORETURN void tz_panic_refused(const char *text);

/* exceptions.c */

/* Those of m's goroutine or thread. Asked anew after each switch. */
tz_exceptions *tz_exceptions_of(const tz_m *m);
/* Abandoned catch blocks end: things are again as they were. */
void tz_exceptions_cut(tz_exceptions were);

#endif /* TZ_RECORDS_H */
