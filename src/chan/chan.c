/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Channels: send, receive, close and the try forms.
 *
 * The fast paths are inline: enter, lock, find a waiter or room, copy, ready,
 * unlock, leave; no call but the copy of odd sizes. The blocking ends are
 * final forms (arch.h): the goroutine goes on in user code, with the result
 * that its partner left in g->result.
 */
#include "chan/chan.h"

#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"
#include "panic/panic.h"

#define ELEM_MAX 65535u

/* Most elements are a word: a copy without a call. */
TZ_INLINE void copy(void *to, const void *from, size_t n)
{
    if (TZ_LIKELY(n == 8))
        memcpy(to, from, 8);
    else if (n)
        memcpy(to, from, n);
}

TZ_INLINE char *slot(const tuza_chan *c, size_t i)
{
    return c->buf + i * c->elem_size;
}

tuza_chan *tuza_chan_make(size_t elem_size, size_t capacity)
{
    size_t bytes;
    if (elem_size > ELEM_MAX || __builtin_mul_overflow(elem_size, capacity, &bytes) || bytes > PTRDIFF_MAX - sizeof(tuza_chan) ||
        capacity > PTRDIFF_MAX)
        tz_panic_outside("makechan: size out of range");
    /* The element size rounds the header: every element is as aligned as malloc makes the block. */
    size_t header = (sizeof(tuza_chan) + 15) & ~(size_t)15;
    tuza_chan *c = malloc(header + bytes);
    if (!c)
        tz_throw("out of memory");
    memset(c, 0, sizeof *c);
    c->elem_size = (uint32_t)elem_size;
    c->capacity = capacity;
    c->buf = (char *)c + header;
    c->refs = 1;
    return c;
}

tuza_chan *tuza_chan_ref(tuza_chan *c)
{
    if (c)
        tz_add_relaxed(&c->refs, 1); /* the caller is covered by a reference: nothing to order */
    return c;
}

void tuza_chan_unref(tuza_chan *c)
{
    /* acq_rel: all use of the channel under other references is over, and visible, before it is freed */
    if (!c || tz_sub_acq_rel(&c->refs, 1) != 1)
        return;
    if (c->recvq.first || c->sendq.first)
        tz_throw("tuza: unref of a channel in use");
    free(c);
}

size_t tuza_chan_len(const tuza_chan *c)
{
    return c ? tz_load_relaxed(&c->count) : 0;
}

size_t tuza_chan_cap(const tuza_chan *c)
{
    return c ? c->capacity : 0;
}

size_t tuza_chan_elem_size(const tuza_chan *c)
{
    return c ? c->elem_size : 0;
}

static TZ_NORETURN TZ_COLD void unlock_and_panic(tz_m *m, tuza_chan *c, const char *text)
{
    tz_spin_unlock(&c->lock, m->p->alone);
    tz_panic(m, text);
}

/* Where a sender goes that was waiting when the channel was closed: called by the user's code, it seems. */
static void woken_by_close(tz_m *m)
{
    tz_panic(m, "send on closed channel");
}

TZ_INLINE void buf_put(tuza_chan *c, const void *elem)
{
    copy(slot(c, c->send_at), elem, c->elem_size);
    if (++c->send_at == c->capacity)
        c->send_at = 0;
    tz_store_relaxed(&c->count, c->count + 1);
}

/* Takes the oldest element; a waiting sender's, if there is one, gets its place. Returns that sender. */
TZ_INLINE tz_sudog *buf_get(tuza_chan *c, void *elem)
{
    if (elem)
        copy(elem, slot(c, c->recv_at), c->elem_size);
    tz_sudog *s = tz_waitq_get(&c->sendq);
    if (TZ_UNLIKELY(s != NULL)) {
        copy(slot(c, c->recv_at), s->elem, c->elem_size); /* full: the place freed is the tail */
        if (++c->send_at == c->capacity)
            c->send_at = 0;
    } else {
        tz_store_relaxed(&c->count, c->count - 1);
    }
    if (++c->recv_at == c->capacity)
        c->recv_at = 0;
    return s;
}

static tz_g *send_slow(tz_m *m, void *chan, void *elem)
{
    tuza_chan *c = chan;
    if (!c)
        return tz_park_forever(m, TZ_WAIT_CHAN_SEND_NIL);
    tz_sudog *s = &m->g->waiter;
    s->elem = elem;
    tz_waitq_put(&c->sendq, s);
    return tz_park(m, TZ_WAIT_CHAN_SEND, &c->lock);
}

void tuza_chan_send(tuza_chan *c, const void *elem)
{
    tz_m *m = tz_enter_movable();
    if (TZ_LIKELY(c != NULL)) {
        bool alone = m->p->alone;
        tz_spin_lock(&c->lock, alone);
        if (TZ_UNLIKELY(c->closed))
            unlock_and_panic(m, c, "send on closed channel");
        tz_sudog *s = tz_waitq_get(&c->recvq);
        if (s) {
            if (s->elem)
                copy(s->elem, elem, c->elem_size);
            tz_spin_unlock(&c->lock, alone);
            s->g->result = true;
            tz_ready(m, s->g);
            tz_leave(m);
            return;
        }
        if (c->count < c->capacity) {
            buf_put(c, elem);
            tz_spin_unlock(&c->lock, alone);
            tz_leave(m);
            return;
        }
    }
    tz_arch_final(m, send_slow, c, (void *)(uintptr_t)elem);
}

static tz_g *recv_slow(tz_m *m, void *chan, void *elem)
{
    tuza_chan *c = chan;
    if (!c)
        return tz_park_forever(m, TZ_WAIT_CHAN_RECV_NIL);
    tz_sudog *s = &m->g->waiter;
    s->elem = elem;
    tz_waitq_put(&c->recvq, s);
    return tz_park(m, TZ_WAIT_CHAN_RECV, &c->lock);
}

/* A sender waits on an unbuffered channel: straight from its memory. */
TZ_INLINE void recv_direct(tz_m *m, tuza_chan *c, tz_sudog *s, void *elem, bool alone)
{
    if (elem)
        copy(elem, s->elem, c->elem_size);
    tz_spin_unlock(&c->lock, alone);
    tz_ready(m, s->g);
}

static TZ_NOINLINE void closed_recv(tz_m *m, tuza_chan *c, void *elem)
{
    tz_spin_unlock(&c->lock, m->p->alone);
    if (elem)
        memset(elem, 0, c->elem_size);
    tz_leave(m);
}

bool tuza_chan_recv(tuza_chan *c, void *elem)
{
    tz_m *m = tz_enter_movable();
    if (TZ_LIKELY(c != NULL)) {
        bool alone = m->p->alone;
        tz_spin_lock(&c->lock, alone);
        if (c->count) {
            tz_sudog *s = buf_get(c, elem);
            tz_spin_unlock(&c->lock, alone);
            if (s)
                tz_ready(m, s->g);
            tz_leave(m);
            return true;
        }
        if (TZ_UNLIKELY(c->closed)) {
            closed_recv(m, c, elem);
            return false;
        }
        tz_sudog *s = tz_waitq_get(&c->sendq);
        if (s) {
            recv_direct(m, c, s, elem, alone);
            tz_leave(m);
            return true;
        }
    }
    return tz_arch_final(m, recv_slow, c, elem);
}

/*
 * The try forms look before they lock: a loop that polls must not take the
 * lock from those who work. What they see without the lock may be old, but
 * not wrong: "full" or "empty" was true at a moment of this call, provided
 * that closed is read first (a close seen later is a later close). The
 * acquire pairs with the release of the lock by whoever closed.
 */
bool tuza_chan_try_send(tuza_chan *c, const void *elem)
{
    if (!c)
        return false;
    if (!tz_load_acquire(&c->closed) && c->capacity && tz_load_relaxed(&c->count) == c->capacity)
        return false;
    tz_m *m = tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(&c->lock, alone);
    if (TZ_UNLIKELY(c->closed))
        unlock_and_panic(m, c, "send on closed channel");
    tz_sudog *s = tz_waitq_get(&c->recvq);
    bool sent = true;
    if (s && s->elem)
        copy(s->elem, elem, c->elem_size);
    else if (!s && c->count < c->capacity)
        buf_put(c, elem);
    else
        sent = s != NULL;
    tz_spin_unlock(&c->lock, alone);
    if (s) {
        s->g->result = true;
        tz_ready(m, s->g);
    }
    tz_leave(m);
    return sent;
}

bool tuza_chan_try_recv(tuza_chan *c, void *elem, bool *ok)
{
    if (!c)
        return false;
    tz_m *m = tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(&c->lock, alone);
    if (c->count) {
        tz_sudog *s = buf_get(c, elem);
        tz_spin_unlock(&c->lock, alone);
        if (s)
            tz_ready(m, s->g);
    } else if (c->closed) {
        closed_recv(m, c, elem);
        if (ok)
            *ok = false;
        return ok != NULL;
    } else {
        tz_sudog *s = tz_waitq_get(&c->sendq);
        if (!s) {
            tz_spin_unlock(&c->lock, alone);
            tz_leave(m);
            return false;
        }
        recv_direct(m, c, s, elem, alone);
    }
    tz_leave(m);
    if (ok)
        *ok = true;
    return true;
}

void tuza_chan_close(tuza_chan *c)
{
    if (!c)
        tz_panic_outside("close of nil channel");
    tz_m *m = tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(&c->lock, alone);
    if (c->closed)
        unlock_and_panic(m, c, "close of closed channel");
    tz_store_release(&c->closed, 1); /* pairs with the try forms' look */
    tz_sudog *receivers = c->recvq.first, *senders = c->sendq.first;
    c->recvq = (tz_waitq){NULL, NULL};
    c->sendq = (tz_waitq){NULL, NULL};
    for (tz_sudog *s = receivers; s; s = s->next) {
        if (s->elem)
            memset(s->elem, 0, c->elem_size);
        s->g->result = false;
    }
    for (tz_sudog *s = senders; s; s = s->next)
        tz_resume_with(s->g, woken_by_close);
    tz_spin_unlock(&c->lock, alone);
    /* All receivers, then all senders, now that the lock is free. s->next is read first: a G that runs reuses it. */
    for (tz_sudog *s = receivers, *next; s; s = next) {
        next = s->next;
        tz_ready(m, s->g);
    }
    for (tz_sudog *s = senders, *next; s; s = next) {
        next = s->next;
        tz_ready(m, s->g);
    }
    tz_leave(m);
}
