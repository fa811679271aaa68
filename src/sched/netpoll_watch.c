/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Selects that wait for a descriptor, beside those who have the right to wait
 * on a side of it (netpoll.c): any number, since they use nothing up.
 *
 * A watch is told of everything that would send such a waiter on: an event of
 * its side, a deadline, a stop, a kick. It does not touch side->g, neither the
 * latch: what made an event come is found by looking at the descriptor itself,
 * after the watch is on the list, so an event that came before is not missed.
 * Whoever is told looks again, at everything (sched/select.h).
 *
 * Dekker's way here too: the watch is put on pd->watches, then there is a full
 * fence (the select's, when it opens its record), then the descriptor, its
 * deadline, its stop and its registration are looked at. Who changes one of
 * those does that first, then looks at pd->watches, with a full fence between
 * (of events: the kernel's locks, by which the poller learned of them). So of
 * the two one sees the other.
 *
 * In the counts of those that wait a watch is one from the beginning to the
 * end, though its goroutine may be awake in between: then a P is not idle, and
 * nobody looks at them in earnest.
 *
 * The list's lock: who tells has it while it claims the select's record, which
 * may be gone as soon as the select could take its watch off.
 */
#include "sched/netpoll.h"
#include "sched/sched.h"
#include "sched/select.h"

void tz_netpoll_watch(tz_polldesc *pd, tz_pollwatch *w)
{
    tz_m *m = tz_enter();
    tz_lock_acquire(&pd->watch_lock, TZ_RANK_BOTH);
    w->prev = NULL;
    w->next = pd->watches;
    if (w->next)
        w->next->prev = w;
    tz_store_relaxed(&pd->watches, w);
    tz_lock_release(&pd->watch_lock, TZ_RANK_BOTH);
    tz_netpoll_begin(m, pd);
    tz_fence_store_load(); /* pairs with the sweep's end */
    tz_netpoll_need_sweep();
    tz_leave(m);
}

void tz_netpoll_unwatch(tz_polldesc *pd, tz_pollwatch *w)
{
    tz_m *m = tz_enter();
    tz_lock_acquire(&pd->watch_lock, TZ_RANK_BOTH);
    if (w->prev)
        w->prev->next = w->next;
    else
        tz_store_relaxed(&pd->watches, w->next);
    if (w->next)
        w->next->prev = w->prev;
    tz_lock_release(&pd->watch_lock, TZ_RANK_BOTH);
    tz_netpoll_count(m, -1);
    tz_leave(m);
}

uint32_t tz_netpoll_tell_slow(tz_m *m, tz_polldesc *pd, uint32_t sides, tz_workq *out)
{
    uint32_t n = 0;
    tz_lock_acquire(&pd->watch_lock, TZ_RANK_BOTH);
    for (tz_pollwatch *w = pd->watches; w; w = w->next)
        if (w->sides & sides)
            n += tz_netpoll_collect(m, tz_select_report(w->sel, TZ_SELECT_POLLED), out);
    tz_lock_release(&pd->watch_lock, TZ_RANK_BOTH);
    return n;
}

void tz_netpoll_rewatch(tz_m *m)
{
    tz_netpoll_count(m, 1);
}
