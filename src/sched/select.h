/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A goroutine that waits for one of several things, and the protocol by which
 * exactly one of them gets it (Go's select). What those things are is the
 * business of others: chan/select.h queues it on channels, select/ has the
 * rest.
 *
 * sel->state is the meeting point, changed by CAS where others have the
 * record:
 *
 *     OPEN -> PARKED    the goroutine has left its stack: from the
 *                       after-switch action, or before it leaves where nobody
 *                       can have the record until then
 *     PARKED -> TAKEN   the partner of one of its waits on a channel, under
 *                       that channel's lock. sel->won is that wait, the
 *                       goroutine the partner's: it stores g->result, copies
 *                       the element, and readies it
 *     OPEN -> AGAIN     something else is ready: the goroutine is not to sleep
 *     PARKED -> AGAIN   the same; whoever did it readies the goroutine
 *     PARKED -> POLLED  the same by the netpoller, in whose counts it is
 *                       waiting no more
 *
 * AGAIN and POLLED say nothing but that it is worth to look: the goroutine
 * looks at all of its cases anew. So who reports need not know which case it
 * reports, nor undo it where a channel was faster.
 *
 * How long the record lives: whoever has it got it from a queue or list under
 * a lock, and the goroutine takes its waits off all of those, under their
 * locks, before its select returns. The exception is the queue from which
 * won was taken, where the claim was the last use of the record.
 *
 * Checked with Spin: tests/models/select.pml.
 */
#ifndef TZ_SCHED_SELECT_H
#define TZ_SCHED_SELECT_H

#include "base/atomic.h"
#include "sched/gmp.h"

enum { TZ_SELECT_OPEN = 0, TZ_SELECT_PARKED, TZ_SELECT_TAKEN, TZ_SELECT_AGAIN, TZ_SELECT_POLLED };

typedef struct tz_select {
    uint32_t state; /* atomic */
    tz_g *g;        /* const while others have the record */
    tz_sudog *won;  /* TAKEN: written by who did that; the goroutine reads it when it has been readied */
} tz_select;

/* s, just taken off a channel's queue under its lock: whether its goroutine is the caller's now. */
TZ_INLINE bool tz_select_claim(tz_sudog *s)
{
    tz_select *sel = s->select;
    uint32_t parked = TZ_SELECT_PARKED;
    /* Acquire: the goroutine has left its stack. Release: nothing of the caller's, which readies it. */
    if (!tz_cas_acquire(&sel->state, &parked, TZ_SELECT_TAKEN))
        return false;
    sel->won = s;
    return true;
}

/* There is something to look at. The goroutine, which is the caller's to ready, or NULL: it is awake, or
 * somebody else's already. how: AGAIN, or the netpoller's POLLED. */
TZ_INLINE tz_g *tz_select_report(tz_select *sel, uint32_t how)
{
    tz_g *g = sel->g;
    tz_fence_store_load(); /* pairs with that of who opens the record, then looks */
    uint32_t old = tz_load_relaxed(&sel->state);
    while (old <= TZ_SELECT_PARKED) {
        /* Release: what is ready is seen by who looks again. Acquire: as above. */
        if (tz_cas_acq_rel(&sel->state, &old, old == TZ_SELECT_PARKED ? how : (uint32_t)TZ_SELECT_AGAIN))
            return old == TZ_SELECT_PARKED ? g : NULL;
    }
    return NULL;
}

/* In an after-switch action, where others can have the record already. False: there is something to look at,
 * and the goroutine is the caller's to ready. */
TZ_INLINE bool tz_select_parked(tz_select *sel)
{
    uint32_t open = TZ_SELECT_OPEN;
    return tz_cas_acq_rel(&sel->state, &open, TZ_SELECT_PARKED);
}

#endif /* TZ_SCHED_SELECT_H */
