/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Channels: send, receive, close and the try forms.
 *
 * The fast paths are inline, and for words: enter, lock, find a waiter or
 * room, copy, ready, unlock, leave; no call but the last. What they don't cope
 * with, a waiter that is a select included, goes on in a function that copes
 * with everything. The blocking ends are final forms (arch.h): the goroutine
 * goes on in user code, with the result that its partner left in g->result.
 */
#include "base/fatal.h"
#include "chan/ops.h"
#include "panic/panic.h"

/* Most elements are a word: their path has no call in it, and so no stack frame. */
#define WORD 8u

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

#define SEND_OUTSIDE  "send on synctest channel from outside bubble"
#define RECV_OUTSIDE  "receive on synctest channel from outside bubble"
#define CLOSE_OUTSIDE "close of synctest channel from outside bubble"

static void park_send(tz_m *m, tuza_chan *c, const void *elem)
{
    tz_sudog *s = &m->g->waiter;
    s->elem = (void *)(uintptr_t)elem;
    tz_waitq_put(&c->sendq, s);
    tz_chan_block(m, c);
    tz_park(m, TZ_WAIT_CHAN_SEND, &c->lock);
}

/* What follows the lock, whatever it is. */
static TZ_NOINLINE void send_locked(tz_m *m, tuza_chan *c, const void *elem)
{
    tz_g *g;
    tz_chan_outcome outcome = tz_chan_send_now(c, elem, &g);
    if (TZ_UNLIKELY(outcome == TZ_CHAN_CLOSED)) {
        unlock_and_panic(m, c);
    } else if (outcome == TZ_CHAN_WAITS) {
        park_send(m, c, elem);
    } else {
        tz_spin_unlock(&c->lock, m->p->alone);
        if (g)
            tz_ready_leave(m, g);
        else
            tz_leave(m);
    }
}

/* The same for a word, the lock taken by tz_spin_lock_quick. */
TZ_INLINE void send_word(tz_m *m, tuza_chan *c, const void *elem)
{
    if (TZ_UNLIKELY(c->closed)) {
        unlock_and_panic(m, c);
        return;
    }
    tz_sudog *s = c->recvq.first;
    if (s) {
        if (TZ_UNLIKELY(s->select != NULL)) {
            send_locked(m, c, elem);
            return;
        }
        tz_waitq_get(&c->recvq);
        if (s->elem)
            tz_chan_copy(s->elem, elem, WORD);
        tz_spin_unlock_quick(&c->lock, m->p->alone);
        s->g->result = true;
        tz_ready_leave(m, s->g);
    } else if (c->count < c->capacity) {
        tz_chan_buf_put(c, elem, WORD);
        tz_spin_unlock_quick(&c->lock, m->p->alone);
        tz_leave(m);
    } else {
        park_send(m, c, elem);
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
    if (tz_chan_is_foreign(m, c))
        tz_fatal(SEND_OUTSIDE);
    tz_spin_lock(&c->lock, m->p->alone);
    send_locked(m, c, elem);
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
        send_word(m, c, elem);
}

static TZ_NOINLINE bool recv_closed(tz_m *m, tuza_chan *c, void *elem)
{
    tz_spin_unlock(&c->lock, m->p->alone);
    if (elem)
        memset(elem, 0, tz_chan_size(c));
    tz_leave(m);
    return false;
}

TZ_INLINE bool park_recv(tz_m *m, tuza_chan *c, void *elem)
{
    tz_sudog *s = &m->g->waiter;
    s->elem = elem;
    tz_waitq_put(&c->recvq, s);
    tz_chan_block(m, c);
    return tz_park(m, TZ_WAIT_CHAN_RECV, &c->lock);
}

/* What follows the lock, whatever it is. */
static TZ_NOINLINE bool recv_locked(tz_m *m, tuza_chan *c, void *elem)
{
    tz_g *g;
    tz_chan_outcome outcome = tz_chan_recv_now(c, elem, &g);
    if (outcome == TZ_CHAN_WAITS)
        return park_recv(m, c, elem);
    if (outcome == TZ_CHAN_CLOSED)
        return recv_closed(m, c, elem);
    tz_spin_unlock(&c->lock, m->p->alone);
    return g ? tz_ready_leave(m, g) : tz_leave(m);
}

/* The same for a word, the lock taken by tz_spin_lock_quick. */
TZ_INLINE bool recv_word(tz_m *m, tuza_chan *c, void *elem)
{
    tz_sudog *s = c->sendq.first;
    if (TZ_UNLIKELY(s && s->select))
        return recv_locked(m, c, elem);
    if (c->count) {
        tz_chan_buf_get(c, elem, WORD, tz_waitq_get(&c->sendq));
        tz_spin_unlock_quick(&c->lock, m->p->alone);
        return s ? tz_ready_leave(m, s->g) : tz_leave(m);
    }
    if (s) {
        tz_waitq_get(&c->sendq);
        if (elem)
            tz_chan_copy(elem, s->elem, WORD);
        tz_spin_unlock_quick(&c->lock, m->p->alone);
        return tz_ready_leave(m, s->g);
    }
    if (TZ_UNLIKELY(c->closed))
        return recv_closed(m, c, elem);
    return park_recv(m, c, elem);
}

static TZ_NOINLINE bool recv_owned(tz_m *m, tuza_chan *c, void *elem)
{
    tz_spin_lock(&c->lock, m->p->alone);
    tz_chan_outcome outcome = tz_chan_recv_owned_now(m, c, elem);
    if (outcome == TZ_CHAN_CLOSED)
        return recv_closed(m, c, elem);
    if (outcome == TZ_CHAN_DONE) {
        tz_spin_unlock(&c->lock, m->p->alone);
        return tz_leave(m);
    }
    tz_chan_source *source = tz_chan_source_of(c);
    if (source)
        source->wait(source, m);
    return park_recv(m, c, elem);
}

static TZ_NOINLINE bool recv_any(tz_m *m, tuza_chan *c, void *elem)
{
    if (!c)
        return tz_park_forever(m, TZ_WAIT_CHAN_RECV_NIL);
    if (tz_chan_is_foreign(m, c))
        tz_fatal(RECV_OUTSIDE);
    if (TZ_UNLIKELY(c->elem_size & TZ_CHAN_OWNED))
        return recv_owned(m, c, elem);
    tz_spin_lock(&c->lock, m->p->alone);
    return recv_locked(m, c, elem);
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
    return recv_word(m, c, elem);
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
    if (tz_chan_is_foreign(tz_self_m, c))
        tz_fatal(SEND_OUTSIDE);
    if (!tz_load_acquire(&c->closed) && c->capacity && tz_load_relaxed(&c->count) == c->capacity)
        return false;
    tz_m *m = tz_enter();
    tz_g *g;
    tz_spin_lock(&c->lock, m->p->alone);
    tz_chan_outcome outcome = tz_chan_send_now(c, elem, &g);
    if (TZ_UNLIKELY(outcome == TZ_CHAN_CLOSED))
        unlock_and_panic(m, c);
    tz_spin_unlock(&c->lock, m->p->alone);
    if (g)
        tz_ready(m, g);
    tz_leave(m);
    return outcome == TZ_CHAN_DONE;
}

bool tuza_chan_try_recv(tuza_chan *c, void *elem, bool *ok)
{
    if (!c)
        return false;
    if (tz_chan_is_foreign(tz_self_m, c))
        tz_fatal(RECV_OUTSIDE);
    /* Empty first, then closed: what was open at the second look was open at the first. */
    bool owned = c->elem_size & TZ_CHAN_OWNED;
    if (!tz_load_acquire(&c->count) && !tz_load_acquire(&c->sendq.first) && !tz_load_acquire(&c->closed) &&
        !(owned && tz_chan_source_of(c)))
        return false;
    tz_m *m = tz_enter();
    tz_g *g = NULL;
    tz_spin_lock(&c->lock, m->p->alone);
    tz_chan_outcome outcome =
        TZ_UNLIKELY(owned) ? tz_chan_recv_owned_now(m, c, elem) : tz_chan_recv_now(c, elem, &g);
    if (outcome == TZ_CHAN_CLOSED) {
        recv_closed(m, c, elem);
        if (ok)
            *ok = false;
        return ok != NULL;
    }
    tz_spin_unlock(&c->lock, m->p->alone);
    if (g)
        tz_ready(m, g);
    tz_leave(m);
    if (outcome == TZ_CHAN_DONE && ok)
        *ok = true;
    return outcome == TZ_CHAN_DONE;
}

/* All that are on q, taken off: a list by next. Of selects only those that have got nothing else; the others
 * find themselves off the queue, and may be gone when the lock is free. */
static tz_sudog *claim_all(tz_waitq *q)
{
    tz_sudog *list = NULL, **end = &list;
    for (tz_sudog *s = q->first, *next; s; s = next) {
        next = s->next;
        s->prev = NULL;
        if (s->select && !tz_select_claim(s))
            continue;
        *end = s;
        end = &s->next;
    }
    *end = NULL;
    tz_store_relaxed(&q->first, NULL);
    q->last = NULL;
    return list;
}

/* c is open, and its lock held; both are over on return. */
static void close_locked(tz_m *m, tuza_chan *c, bool alone)
{
    size_t size = tz_chan_size(c);
    tz_store_release(&c->closed, 1); /* pairs with the try forms' look */
    tz_sudog *receivers = claim_all(&c->recvq), *senders = claim_all(&c->sendq);
    for (tz_sudog *s = receivers; s; s = s->next) {
        if (s->elem)
            memset(s->elem, 0, size);
        s->g->result = false;
    }
    for (tz_sudog *s = senders; s; s = s->next) {
        if (s->select)
            s->g->result = false;
        else
            tz_resume_with(s->g, woken_by_close);
    }
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
    if (tz_chan_is_foreign(tz_self_m, c))
        tz_fatal(CLOSE_OUTSIDE);
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

tz_sudog *tz_chan_claim(tuza_chan *c)
{
    return tz_waitq_claim(&c->recvq);
}

tz_g *tz_chan_give(tz_sudog *s, const int64_t *value)
{
    if (s->elem)
        tz_chan_copy(s->elem, value, sizeof *value);
    s->g->result = true;
    return s->g;
}
