/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A P's run queue: runnext and a ring of 256.
 *
 * The ring has one producer, the P's owner, and many takers. The owner
 * publishes slots by a release store of runq_tail (pairs with the thieves'
 * acquire load); takers claim slots by CAS of runq_head with release (pairs
 * with the owner's acquire load of head before it reuses a slot: the taker
 * has read the slot by then). While no other P runs there are no thieves:
 * p->alone (solo.c) turns the owner's CASes into plain stores.
 *
 * runnext is what was just readied: it runs next and inherits the time slice.
 * The owner puts into it. A thief may only change it to NULL, hence the owner
 * may fill an empty runnext by a plain store; taking it is a CAS on both
 * sides.
 */
#ifndef TZ_RUNQ_H
#define TZ_RUNQ_H

#include "sched/gmp.h"

/* runq.c: the ring is full: moves half of it and g to the global queue. */
void tz_runq_put_slow(tz_p *p, tz_work *g, uint32_t head, uint32_t tail);

/* Appends g; the owner only. */
TZ_INLINE void tz_runq_put(tz_p *p, tz_work *g)
{
    uint32_t h = tz_load_acquire(&p->runq_head); /* pairs with a taker's CAS */
    uint32_t t = p->runq_tail;
    if (TZ_UNLIKELY(t - h >= TZ_RUNQ_SIZE)) {
        tz_runq_put_slow(p, g, h, t);
        return;
    }
    tz_store_relaxed(&p->runq[t % TZ_RUNQ_SIZE], g);
    tz_store_release(&p->runq_tail, t + 1);
}

/* One more would overflow p's ring. The owner only; others take from it meanwhile. */
TZ_INLINE bool tz_runq_is_full(const tz_p *p)
{
    return p->runq_tail - tz_load_relaxed(&p->runq_head) >= TZ_RUNQ_SIZE;
}

/* runq.c: appends a list by the work's own links, in order, also where it is longer than the ring; the
 * owner only. */
void tz_runq_put_list(tz_p *p, tz_work *head);

/* The oldest, or NULL; the owner only. */
TZ_INLINE tz_work *tz_runq_get(tz_p *p)
{
    uint32_t h = tz_load_relaxed(&p->runq_head);
    for (;;) {
        if (p->runq_tail == h)
            return NULL;
        tz_work *g = tz_load_relaxed(&p->runq[h % TZ_RUNQ_SIZE]);
        if (p->alone) {
            tz_store_relaxed(&p->runq_head, h + 1);
            return g;
        }
        if (TZ_LIKELY(tz_cas_release(&p->runq_head, &h, h + 1)))
            return g;
    }
}

/* g runs next; what was there goes to the ring. The owner only. */
TZ_INLINE void tz_runnext_put(tz_p *p, tz_work *g)
{
    if (TZ_LIKELY(!tz_load_relaxed(&p->runnext))) {
        tz_store_release(&p->runnext, g); /* pairs with a thief's CAS */
        return;
    }
    tz_work *old;
    if (p->alone) {
        old = p->runnext;
        tz_store_relaxed(&p->runnext, g);
    } else {
        old = tz_xchg_release(&p->runnext, g);
    }
    if (old)
        tz_runq_put(p, old);
}

/* Takes runnext, or NULL; the owner only. */
TZ_INLINE tz_work *tz_runnext_get(tz_p *p)
{
    tz_work *g = tz_load_relaxed(&p->runnext);
    if (!g)
        return NULL;
    if (p->alone) {
        tz_store_relaxed(&p->runnext, NULL);
        return g;
    }
    return TZ_LIKELY(tz_cas_relaxed(&p->runnext, &g, NULL)) ? g : NULL;
}

/* Anything queued on p, by anybody's glance.
 * Never false while a G merely moves between runnext and the ring. */
bool tz_runq_empty(tz_p *p);
/* Takes the first work that is locked to a thread off p's queue, or the global one; or NULL. Under
 * sched.lock, on behalf of p, which no M has. What stood before it on the ring goes behind the rest. */
tz_work *tz_runq_take_locked(tz_p *p);
/* Moves half of victim's ring (or, with next, its runnext where the ring is empty) to the ring of p, which is
 * empty; returns one of them to run, or NULL. */
tz_work *tz_runq_steal(tz_p *p, tz_p *victim, bool next);

/*
 * The global queue; all under sched.lock. What yielded, was preempted or
 * found no P is served first come, first served. What overflowed from a ring
 * is a second list, the last batch first: a program that starts goroutines
 * which start goroutines then works on the newest, whose memory is warm, and
 * keeps few of them begun. Nothing starves: the look at every 61st switch
 * takes from the one list and the other in turn.
 */
void tz_globq_put(tz_work *w);
void tz_globq_put_head(tz_work *head, tz_work *tail, uint32_t n);
void tz_globq_put_overflow(tz_work *head, tz_work *tail, uint32_t n);
/* One to run on p, and a fair share of the others to its ring. */
tz_work *tz_globq_get(tz_p *p);
/* One to run, whose turn it is. */
tz_work *tz_globq_get_fair(void);

#endif /* TZ_RUNQ_H */
