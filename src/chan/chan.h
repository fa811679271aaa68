/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The channel, as the files of chan/ see it.
 *
 * Invariants, under the lock:
 *  - at most one of recvq and sendq is not empty (a select of the same
 *    goroutine on both sides apart);
 *  - on a buffered channel, count > 0 implies an empty recvq, and
 *    count < capacity implies an empty sendq.
 *
 * Who waits is queued by its waiter record (tz_sudog), first come, first
 * served. Its G has left its stack by the time anybody else gets the lock:
 * the lock is released by the after-switch action. So a partner copies
 * straight into or out of the waiter's memory.
 */
#ifndef TZ_CHAN_H
#define TZ_CHAN_H

#include "sched/sched.h"
#include "tuza/chan.h"

typedef struct tz_waitq {
    tz_sudog *first, *last;
} tz_waitq;

struct tuza_chan {
    tz_spin lock;
    uint32_t elem_size; /* const */
    uint32_t closed;    /* under the lock, peeked by the try forms */
    tz_waitq recvq, sendq;
    size_t count;            /* buffered elements; under the lock, peeked */
    size_t capacity;         /* const */
    size_t recv_at, send_at; /* under the lock: places in the buffer */
    char *buf;               /* const; the elements under the lock */
    uint32_t refs;           /* atomic */
    uint32_t pad;            /* const: what lies before this in malloc's block */
};

TZ_INLINE void tz_waitq_put(tz_waitq *q, tz_sudog *s)
{
    s->next = NULL;
    s->prev = q->last;
    if (q->last)
        q->last->next = s;
    else
        tz_store_relaxed(&q->first, s); /* peeked by tuza_chan_try_recv */
    q->last = s;
}

TZ_INLINE tz_sudog *tz_waitq_get(tz_waitq *q)
{
    tz_sudog *s = q->first;
    if (!s)
        return NULL;
    tz_store_relaxed(&q->first, s->next);
    if (s->next)
        s->next->prev = NULL;
    else
        q->last = NULL;
    return s;
}

#endif /* TZ_CHAN_H */
