/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Deferred functions: one list for each goroutine, the newest first. The
 * records of tuza_defer are in the arena, those of TUZA_DEFER in their blocks.
 * A block ends in the middle of the list where tuza_defer was called in it.
 */
#include "base/fatal.h"
#include "panic/records.h"

void tuza_defer(void (*fn)(void *), void *arg)
{
    tz_g *g = tz_panic_need_g();
    tz_boundary_settle(g, __builtin_frame_address(0));
    if (TZ_UNLIKELY(!g->unwind.boundary && tz_panic_is_foreign(g)))
        tz_panic_outside("tuza: tuza_defer outside of a tuza_call, on a thread that runs no goroutine");
    tuza_deferred *d = tz_arena_new(g, sizeof *d);
    d->fn = fn;
    d->arg = arg;
    d->next = g->unwind.defers;
    g->unwind.defers = d;
}

void tuza_deferred_enter(tuza_deferred *d)
{
    tz_g *g = tz_panic_need_g();
    tz_boundary_settle(g, __builtin_frame_address(0));
    d->next = g->unwind.defers;
    g->unwind.defers = d;
}

/* Takes d off the list. Newer ones still on it are of tuza_defer, in memory that is there. */
static void take(tz_g *g, tuza_deferred *d)
{
    tuza_deferred **at = &g->unwind.defers, *end = g->unwind.boundary ? g->unwind.boundary->defers : NULL;
    while (*at != d) {
        if (TZ_UNLIKELY(*at == end))
            tz_throw("tuza: the blocks of TUZA_DEFERs were not left in order");
        at = &(*at)->next;
    }
    *at = d->next;
    d->next = d;
}

void tuza_deferred_leave(tuza_deferred *d)
{
    if (d->next == d) /* a panic has run it, and now the thread is unwound */
        return;
    tz_g *g = tz_panic_need_g();
    tz_boundary_settle(g, __builtin_frame_address(0));
    take(g, d);
    tz_boundary_run(g, d, NULL);
}
