/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The channel, as the files of chan/ see it.
 *
 * Invariants, under the lock, for those that wait in earnest:
 *  - at most one of recvq and sendq is not empty (selects that are on both
 *    sides apart);
 *  - on a buffered channel, count > 0 implies an empty recvq, and
 *    count < capacity implies an empty sendq.
 *
 * Who waits is queued by its waiter record (tz_sudog), first come, first
 * served. Its G has left its stack by the time anybody else gets the lock:
 * the lock is released by the after-switch action. So a partner copies
 * straight into or out of the waiter's memory.
 *
 * The record of a select may be left on the queue for a while after the select
 * has got something else: it has to be claimed, and counts as a waiter only
 * where that succeeds (sched/select.h, ops.h).
 *
 * Channels that tuza owns: a context's, which is only ever closed, and a
 * timer's, whose elements come from its source, when one is asked for. They
 * have no buffer. TZ_CHAN_OWNED in elem_size keeps the paths for words, which
 * compare the whole of it, from having to look.
 *
 * And those made in a bubble (sched/bubble.c), TZ_CHAN_BUBBLED likewise: only
 * its goroutines may use them, and so are durably blocked while they wait.
 */
#ifndef TZ_CHAN_H
#define TZ_CHAN_H

#include "sched/sched.h"
#include "tuza/chan.h"

typedef struct tz_waitq {
    tz_sudog *first, *last;
} tz_waitq;

/* Where the elements of a timer's channel come from. All are called inside the runtime with a P, and but for
 * is_due under the channel's lock; wait and leave may take the lock of a timer heap. */
typedef struct tz_chan_source {
    /* Whether there is an element now. Without the lock a moment's view. */
    bool (*is_due)(struct tz_chan_source *s, tz_m *m);
    /* True: there is one, which is *value, and is taken. */
    bool (*take)(struct tz_chan_source *s, tz_m *m, int64_t *value);
    /* A goroutine is about to wait for one, in recvq: it is to be put there (tz_chan_claim). */
    void (*wait)(struct tz_chan_source *s, tz_m *m);
    /* The last one that waited has given up. */
    void (*leave)(struct tz_chan_source *s);
} tz_chan_source;

#define TZ_CHAN_OWNED   ((uint32_t)1 << 31)
#define TZ_CHAN_BUBBLED ((uint32_t)1 << 30)
#define TZ_CHAN_FLAGS   (TZ_CHAN_OWNED | TZ_CHAN_BUBBLED)

struct tuza_chan {
    tz_spin lock;
    uint32_t elem_size; /* const; with TZ_CHAN_OWNED, TZ_CHAN_BUBBLED */
    uint32_t closed;    /* under the lock, peeked by the try forms */
    tz_waitq recvq, sendq;
    size_t count;            /* buffered elements; under the lock, peeked */
    size_t capacity;         /* const */
    size_t recv_at, send_at; /* under the lock: places in the buffer */
    char *buf;               /* const; the elements under the lock. Owned: its source or NULL */
    uint32_t refs;           /* atomic */
    uint32_t pad;            /* const: what lies before this in malloc's block */
    void (*drop)(void *);    /* const: for each element left when the channel goes; or NULL */
    uint64_t bubble;         /* const: the number of the bubble whose it is; 0: none */
};

/* A channel of tuza's own for elements of elem_size (a timer's: 8), with source_bytes for its source, zero
 * (0: there is none), of a bubble, or 0. The caller has the first reference. In user code. */
tuza_chan *tz_chan_make_owned(size_t elem_size, size_t source_bytes, uint64_t bubble);
/* Closes it. Inside the runtime with a P. */
void tz_chan_close_owned(tz_m *m, tuza_chan *c);
/* Under the lock of a timer's channel: takes the first that waits off its queue; NULL: nobody does. Then
 * gives it the value; its G is to be made runnable when the lock is free. */
tz_sudog *tz_chan_claim(tuza_chan *c);
tz_g *tz_chan_give(tz_sudog *s, const int64_t *value);
/* tuza_chan_unref in two parts, for those who may not call the allocator. True: it was the last reference,
 * and tz_chan_free remains to be called, in user code. */
bool tz_chan_drop(tuza_chan *c);
void tz_chan_free(tuza_chan *c);

TZ_INLINE tz_chan_source *tz_chan_source_of(const tuza_chan *c)
{
    return (tz_chan_source *)(void *)c->buf;
}

TZ_INLINE size_t tz_chan_size(const tuza_chan *c)
{
    return c->elem_size & ~TZ_CHAN_FLAGS;
}

/* Whether m's goroutine is not of the bubble that c is of. */
TZ_INLINE bool tz_chan_is_foreign(tz_m *m, const tuza_chan *c)
{
    return TZ_UNLIKELY(c->elem_size & TZ_CHAN_BUBBLED) && c->bubble != tz_bubble_id_of(m);
}

/* m's goroutine is about to wait for c alone; under the lock. */
TZ_INLINE void tz_chan_block(tz_m *m, const tuza_chan *c)
{
    if (TZ_UNLIKELY(c->elem_size & TZ_CHAN_BUBBLED))
        tz_bubble_block(m);
}

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

/* Whether s, which was in q, still is. Who takes a record off by other means than these clears prev. */
TZ_INLINE bool tz_waitq_has(const tz_waitq *q, const tz_sudog *s)
{
    return s->prev || q->first == s;
}

/* s is in q. */
TZ_INLINE void tz_waitq_remove(tz_waitq *q, tz_sudog *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        tz_store_relaxed(&q->first, s->next);
    if (s->next)
        s->next->prev = s->prev;
    else
        q->last = s->prev;
}

#endif /* TZ_CHAN_H */
