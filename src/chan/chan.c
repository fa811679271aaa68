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

/* Most elements are a word: their path has no call in it, and so no stack frame. */
#define WORD 8u

TZ_INLINE void copy(void *to, const void *from, size_t n)
{
    if (n)
        memcpy(to, from, n);
}

TZ_INLINE char *slot(const tuza_chan *c, size_t i, size_t size)
{
    return c->buf + i * size;
}

/* All zero but for what tells of its memory; one reference. */
static tuza_chan *alloc_chan(size_t bytes)
{
    /* Unbuffered, all that is used shall lie in one cache line;
     * malloc's own aligned forms are ten times as slow. */
    size_t header = (sizeof(tuza_chan) + 15) & ~(size_t)15; /* elements are as aligned as malloc's blocks */
    char *block = malloc(header + bytes + TZ_CACHE_LINE - sizeof(void *));
    if (!block)
        tz_throw("out of memory");
    size_t pad = -(uintptr_t)block % TZ_CACHE_LINE;
    tuza_chan *c = (tuza_chan *)(void *)(block + pad);
    memset(c, 0, sizeof *c);
    c->pad = (uint32_t)pad;
    c->buf = (char *)c + header;
    c->refs = 1;
    return c;
}

tuza_chan *tuza_chan_make(size_t elem_size, size_t capacity)
{
    size_t bytes;
    if (elem_size > ELEM_MAX || __builtin_mul_overflow(elem_size, capacity, &bytes) ||
        bytes > PTRDIFF_MAX - 2 * sizeof(tuza_chan) || capacity > PTRDIFF_MAX)
        tz_panic_outside("makechan: size out of range");
    tuza_chan *c = alloc_chan(bytes);
    c->elem_size = (uint32_t)elem_size;
    c->capacity = capacity;
    return c;
}

tuza_chan *tz_chan_make_owned(size_t elem_size, size_t source_bytes)
{
    tuza_chan *c = alloc_chan(source_bytes);
    c->elem_size = (uint32_t)elem_size | TZ_CHAN_OWNED;
    if (source_bytes)
        memset(c->buf, 0, source_bytes);
    else
        c->buf = NULL;
    return c;
}

tuza_chan *tuza_chan_ref(tuza_chan *c)
{
    if (c)
        tz_add_relaxed(&c->refs, 1); /* the caller is covered by a reference: nothing to order */
    return c;
}

bool tz_chan_drop(tuza_chan *c)
{
    /* acq_rel: all use of the channel under other references is over, and visible, before it is freed */
    return tz_sub_acq_rel(&c->refs, 1) == 1;
}

void tz_chan_free(tuza_chan *c)
{
    if (c->recvq.first || c->sendq.first)
        tz_throw("tuza: unref of a channel in use");
    free((char *)c - c->pad);
}

void tuza_chan_unref(tuza_chan *c)
{
    if (c && tz_chan_drop(c))
        tz_chan_free(c);
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
    return c ? c->elem_size & ~TZ_CHAN_OWNED : 0;
}

/* Not declared as what it is, so that it can be jumped to. */
static TZ_COLD void unlock_and_panic(tz_m *m, tuza_chan *c)
{
    tz_spin_unlock(&c->lock, m->p->alone);
    tz_panic(m, "send on closed channel");
}

static TZ_COLD void leave_and_panic(tz_m *m)
{
    tz_panic(m, "tuza: send on a channel owned by the runtime");
}

/* Where a sender goes that was waiting when the channel was closed: called by the user's code, it seems. */
static void woken_by_close(tz_m *m)
{
    tz_panic(m, "send on closed channel");
}

TZ_INLINE void buf_put(tuza_chan *c, const void *elem, size_t size)
{
    copy(slot(c, c->send_at, size), elem, size);
    if (++c->send_at == c->capacity)
        c->send_at = 0;
    tz_store_relaxed(&c->count, c->count + 1);
}

/* Takes the oldest element; a waiting sender's, if there is one, gets its place. Returns that sender. */
TZ_INLINE tz_sudog *buf_get(tuza_chan *c, void *elem, size_t size)
{
    if (elem)
        copy(elem, slot(c, c->recv_at, size), size);
    tz_sudog *s = tz_waitq_get(&c->sendq);
    if (TZ_UNLIKELY(s != NULL)) {
        copy(slot(c, c->recv_at, size), s->elem, size); /* full: the place freed is the tail */
        if (++c->send_at == c->capacity)
            c->send_at = 0;
    } else {
        tz_store_relaxed(&c->count, c->count - 1);
    }
    if (++c->recv_at == c->capacity)
        c->recv_at = 0;
    return s;
}

/* What of a send and a receive follows the lock. Inlined twice: `quick` has no call but the last, and words
 * for elements, the other copes with everything. */
typedef struct how {
    bool quick;
    bool alone;
    size_t size;
} how;

TZ_INLINE void unlock(tuza_chan *c, how h)
{
    if (h.quick)
        tz_spin_unlock_quick(&c->lock, h.alone);
    else
        tz_spin_unlock(&c->lock, h.alone);
}

TZ_INLINE void send_locked(tz_m *m, tuza_chan *c, const void *elem, how h)
{
    if (TZ_UNLIKELY(c->closed)) {
        unlock_and_panic(m, c);
        return;
    }
    tz_sudog *s = tz_waitq_get(&c->recvq);
    if (s) {
        if (s->elem)
            copy(s->elem, elem, h.size);
        unlock(c, h);
        s->g->result = true;
        tz_ready_leave(m, s->g);
    } else if (c->count < c->capacity) {
        buf_put(c, elem, h.size);
        unlock(c, h);
        tz_leave(m);
    } else {
        s = &m->g->waiter;
        s->elem = (void *)(uintptr_t)elem;
        tz_waitq_put(&c->sendq, s);
        tz_park(m, TZ_WAIT_CHAN_SEND, &c->lock);
    }
}

/* Every way to send but the most frequent one. */
static TZ_NOINLINE void send_any(tz_m *m, tuza_chan *c, const void *elem)
{
    if (!c) {
        tz_park_forever(m, TZ_WAIT_CHAN_SEND_NIL);
        return;
    }
    if (TZ_UNLIKELY(c->elem_size & TZ_CHAN_OWNED)) {
        leave_and_panic(m);
        return;
    }
    bool alone = m->p->alone;
    tz_spin_lock(&c->lock, alone);
    send_locked(m, c, elem, (how){false, alone, c->elem_size});
}

static TZ_NOINLINE void send_enter_slow(tz_m *m, tuza_chan *c, const void *elem)
{
    send_any(tz_enter_slow(m, true), c, elem);
}

static TZ_COLD void send_outside(tuza_chan *c, const void *elem)
{
    tz_attach();
    tuza_chan_send(c, elem);
}

void tuza_chan_send(tuza_chan *c, const void *elem)
{
    tz_m *m = tz_self_m;
    if (tz_is_outside(m)) {
        send_outside(c, elem);
        return;
    }
    tz_entering(m);
    if (tz_enters_slow(m))
        send_enter_slow(m, c, elem);
    else if (TZ_UNLIKELY(!c || c->elem_size != WORD || !tz_spin_lock_quick(&c->lock, m->p->alone)))
        send_any(m, c, elem);
    else
        send_locked(m, c, elem, (how){true, m->p->alone, WORD});
}

static TZ_NOINLINE bool recv_closed(tz_m *m, tuza_chan *c, void *elem)
{
    tz_spin_unlock(&c->lock, m->p->alone);
    if (elem)
        memset(elem, 0, c->elem_size);
    tz_leave(m);
    return false;
}

TZ_INLINE bool recv_locked(tz_m *m, tuza_chan *c, void *elem, how h)
{
    tz_sudog *s;
    if (c->count) {
        s = buf_get(c, elem, h.size);
        unlock(c, h);
        return s ? tz_ready_leave(m, s->g) : tz_leave(m);
    }
    s = tz_waitq_get(&c->sendq);
    if (s) { /* unbuffered: straight from the sender's memory */
        if (elem)
            copy(elem, s->elem, h.size);
        unlock(c, h);
        return tz_ready_leave(m, s->g);
    }
    if (TZ_UNLIKELY(c->closed))
        return recv_closed(m, c, elem);
    s = &m->g->waiter;
    s->elem = elem;
    tz_waitq_put(&c->recvq, s);
    return tz_park(m, TZ_WAIT_CHAN_RECV, &c->lock);
}

/* Of a channel that tuza owns: its elements, if there are any, are words. An element of size 0 that never
 * comes leaves nothing to be zeroed. Under the lock, which it releases. */
TZ_INLINE bool take_owned(tz_m *m, tuza_chan *c, void *elem, bool alone)
{
    tz_chan_source *source = tz_chan_source_of(c);
    int64_t value;
    if (!source || !source->take(source, m, &value))
        return false;
    tz_spin_unlock(&c->lock, alone);
    copy(elem ? elem : &value, &value, sizeof value);
    tz_leave(m);
    return true;
}

static TZ_NOINLINE bool recv_owned(tz_m *m, tuza_chan *c, void *elem)
{
    bool alone = m->p->alone;
    tz_spin_lock(&c->lock, alone);
    if (c->closed) {
        tz_spin_unlock(&c->lock, alone);
        tz_leave(m);
        return false;
    }
    if (take_owned(m, c, elem, alone))
        return true;
    tz_sudog *s = &m->g->waiter;
    s->elem = elem;
    tz_chan_source *source = tz_chan_source_of(c);
    if (source)
        source->wait(source, m);
    tz_waitq_put(&c->recvq, s);
    return tz_park(m, TZ_WAIT_CHAN_RECV, &c->lock);
}

static TZ_NOINLINE bool try_recv_owned(tuza_chan *c, void *elem, bool *ok)
{
    if (!tz_chan_source_of(c)) { /* the acquire pairs with the close, as in the plain form */
        if (!tz_load_acquire(&c->closed))
            return false;
        if (ok)
            *ok = false;
        return ok != NULL;
    }
    tz_m *m = tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(&c->lock, alone);
    if (take_owned(m, c, elem, alone)) {
        if (ok)
            *ok = true;
        return true;
    }
    tz_spin_unlock(&c->lock, alone);
    tz_leave(m);
    return false;
}

static TZ_NOINLINE bool recv_any(tz_m *m, tuza_chan *c, void *elem)
{
    if (!c)
        return tz_park_forever(m, TZ_WAIT_CHAN_RECV_NIL);
    if (TZ_UNLIKELY(c->elem_size & TZ_CHAN_OWNED))
        return recv_owned(m, c, elem);
    bool alone = m->p->alone;
    tz_spin_lock(&c->lock, alone);
    return recv_locked(m, c, elem, (how){false, alone, c->elem_size});
}

static TZ_NOINLINE bool recv_enter_slow(tz_m *m, tuza_chan *c, void *elem)
{
    return recv_any(tz_enter_slow(m, true), c, elem);
}

static TZ_COLD bool recv_outside(tuza_chan *c, void *elem)
{
    tz_attach();
    return tuza_chan_recv(c, elem);
}

bool tuza_chan_recv(tuza_chan *c, void *elem)
{
    tz_m *m = tz_self_m;
    if (tz_is_outside(m))
        return recv_outside(c, elem);
    tz_entering(m);
    if (tz_enters_slow(m))
        return recv_enter_slow(m, c, elem);
    if (TZ_UNLIKELY(!c || c->elem_size != WORD || !tz_spin_lock_quick(&c->lock, m->p->alone)))
        return recv_any(m, c, elem);
    return recv_locked(m, c, elem, (how){true, m->p->alone, WORD});
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
    if (TZ_UNLIKELY(c->elem_size & TZ_CHAN_OWNED))
        tz_panic_outside("tuza: send on a channel owned by the runtime");
    if (!tz_load_acquire(&c->closed) && c->capacity && tz_load_relaxed(&c->count) == c->capacity)
        return false;
    tz_m *m = tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(&c->lock, alone);
    if (c->closed || c->recvq.first || c->count < c->capacity) { /* will not park */
        send_locked(m, c, elem, (how){false, alone, c->elem_size});
        return true;
    }
    tz_spin_unlock(&c->lock, alone);
    tz_leave(m);
    return false;
}

bool tuza_chan_try_recv(tuza_chan *c, void *elem, bool *ok)
{
    if (!c)
        return false;
    if (TZ_UNLIKELY(c->elem_size & TZ_CHAN_OWNED))
        return try_recv_owned(c, elem, ok);
    /* Empty first, then closed: what was open at the second look was open at the first. */
    if (!tz_load_acquire(&c->count) && !tz_load_acquire(&c->sendq.first) && !tz_load_acquire(&c->closed))
        return false;
    tz_m *m = tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(&c->lock, alone);
    if (c->count || c->sendq.first || c->closed) { /* will not park */
        bool got = recv_locked(m, c, elem, (how){false, alone, c->elem_size});
        if (ok)
            *ok = got;
        return got || ok;
    }
    tz_spin_unlock(&c->lock, alone);
    tz_leave(m);
    return false;
}

/* c is open, and its lock held; both are over on return. */
static void close_locked(tz_m *m, tuza_chan *c, bool alone)
{
    size_t size = c->elem_size & ~TZ_CHAN_OWNED;
    tz_store_release(&c->closed, 1); /* pairs with the try forms' look */
    tz_sudog *receivers = c->recvq.first, *senders = c->sendq.first;
    tz_store_relaxed(&c->recvq.first, NULL);
    tz_store_relaxed(&c->sendq.first, NULL);
    c->recvq.last = c->sendq.last = NULL;
    for (tz_sudog *s = receivers; s; s = s->next) {
        if (s->elem)
            memset(s->elem, 0, size);
        s->g->result = false;
    }
    for (tz_sudog *s = senders; s; s = s->next)
        tz_resume_with(s->g, woken_by_close);
    tz_spin_unlock(&c->lock, alone);
    /* All receivers, then all senders, now that the lock is free. s->next is read first:
     * a G that runs reuses it. */
    for (tz_sudog *s = receivers, *next; s; s = next) {
        next = s->next;
        tz_ready(m, s->g);
    }
    for (tz_sudog *s = senders, *next; s; s = next) {
        next = s->next;
        tz_ready(m, s->g);
    }
}

void tuza_chan_close(tuza_chan *c)
{
    if (!c)
        tz_panic_outside("close of nil channel");
    if (TZ_UNLIKELY(c->elem_size & TZ_CHAN_OWNED))
        tz_panic_outside("tuza: close of a channel owned by the runtime");
    tz_m *m = tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(&c->lock, alone);
    if (c->closed) {
        tz_spin_unlock(&c->lock, alone);
        tz_panic(m, "close of closed channel");
    }
    close_locked(m, c, alone);
    tz_leave(m);
}

void tz_chan_close_owned(tz_m *m, tuza_chan *c)
{
    bool alone = m->p->alone;
    tz_spin_lock(&c->lock, alone);
    close_locked(m, c, alone);
}

tz_g *tz_chan_give(tuza_chan *c, const int64_t *value)
{
    tz_sudog *s = tz_waitq_get(&c->recvq);
    if (s->elem)
        copy(s->elem, value, sizeof *value);
    s->g->result = true;
    return s->g;
}
