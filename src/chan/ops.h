/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is done to a channel under its lock, without waiting: inline pieces for
 * the calls on one channel (chan.c) and on several (select.c).
 */
#ifndef TZ_CHAN_OPS_H
#define TZ_CHAN_OPS_H

#include <string.h>

#include "chan/chan.h"
#include "sched/select.h"

TZ_INLINE void tz_chan_copy(void *to, const void *from, size_t n)
{
    if (n == sizeof(uint64_t)) /* most are a word */
        memcpy(to, from, sizeof(uint64_t));
    else if (n)
        memcpy(to, from, n);
}

TZ_INLINE char *tz_chan_slot(const tuza_chan *c, size_t i, size_t size)
{
    return c->buf + i * size;
}

/* The first that waits, taken off: the caller's, to be served and readied. Passes over selects that have got
 * something else, which finds them off the queue. */
TZ_INLINE tz_sudog *tz_waitq_claim(tz_waitq *q)
{
    for (;;) {
        tz_sudog *s = tz_waitq_get(q);
        if (!s || !s->select || tz_select_claim(s))
            return s;
    }
}

TZ_INLINE void tz_chan_buf_put(tuza_chan *c, const void *elem, size_t size)
{
    tz_chan_copy(tz_chan_slot(c, c->send_at, size), elem, size);
    if (++c->send_at == c->capacity)
        c->send_at = 0;
    tz_store_relaxed(&c->count, c->count + 1);
}

/* Takes the oldest element; its place goes to that of s, a sender that waited, where that is not NULL. */
TZ_INLINE void tz_chan_buf_get(tuza_chan *c, void *elem, size_t size, tz_sudog *s)
{
    if (elem)
        tz_chan_copy(elem, tz_chan_slot(c, c->recv_at, size), size);
    if (TZ_UNLIKELY(s != NULL)) {
        tz_chan_copy(tz_chan_slot(c, c->recv_at, size), s->elem,
                     size); /* full: the place freed is the tail */
        if (++c->send_at == c->capacity)
            c->send_at = 0;
    } else {
        tz_store_relaxed(&c->count, c->count - 1);
    }
    if (++c->recv_at == c->capacity)
        c->recv_at = 0;
}

/* What came of trying. With DONE, *wake is the partner, or NULL: to be readied when the lock is free. */
typedef enum tz_chan_outcome { TZ_CHAN_WAITS, TZ_CHAN_DONE, TZ_CHAN_CLOSED } tz_chan_outcome;

TZ_INLINE tz_chan_outcome tz_chan_send_now(tuza_chan *c, const void *elem, tz_g **wake)
{
    size_t size = tz_chan_size(c);
    *wake = NULL;
    if (TZ_UNLIKELY(c->closed))
        return TZ_CHAN_CLOSED;
    tz_sudog *s = tz_waitq_claim(&c->recvq);
    if (s) {
        if (s->elem)
            tz_chan_copy(s->elem, elem, size);
        s->g->result = true;
        *wake = s->g;
        return TZ_CHAN_DONE;
    }
    if (c->count == c->capacity)
        return TZ_CHAN_WAITS;
    tz_chan_buf_put(c, elem, size);
    return TZ_CHAN_DONE;
}

/* CLOSED: and drained; elem is the caller's to zero. */
TZ_INLINE tz_chan_outcome tz_chan_recv_now(tuza_chan *c, void *elem, tz_g **wake)
{
    size_t size = tz_chan_size(c);
    tz_sudog *s = tz_waitq_claim(&c->sendq);
    *wake = s ? s->g : NULL;
    if (c->count) {
        tz_chan_buf_get(c, elem, size, s);
        return TZ_CHAN_DONE;
    }
    if (s) { /* unbuffered: straight from the sender's memory */
        if (elem)
            tz_chan_copy(elem, s->elem, size);
        return TZ_CHAN_DONE;
    }
    return TZ_UNLIKELY(c->closed) ? TZ_CHAN_CLOSED : TZ_CHAN_WAITS;
}

/* Of a channel that tuza owns: its elements, if there are any, are words. */
TZ_INLINE tz_chan_outcome tz_chan_recv_owned_now(tz_m *m, tuza_chan *c, void *elem)
{
    tz_chan_source *source = tz_chan_source_of(c);
    int64_t value;
    if (source && source->take(source, m, &value)) {
        tz_chan_copy(elem ? elem : &value, &value, sizeof value);
        return TZ_CHAN_DONE;
    }
    return c->closed ? TZ_CHAN_CLOSED : TZ_CHAN_WAITS;
}

#endif /* TZ_CHAN_OPS_H */
