/* SPDX-License-Identifier: BSD-3-Clause */
#include "chan/select.h"

/* Without the lock a moment's view, and maybe of a select that is no waiter any more. One test of all words
 * that could say that it is ready, or that there is more to ask. */
TZ_INLINE bool can_recv(tz_m *m, const tuza_chan *c)
{
    uintptr_t any = tz_load_relaxed(&c->count) | (uintptr_t)tz_load_relaxed(&c->sendq.first) |
                    tz_load_relaxed(&c->closed);
    uint32_t flags = c->elem_size & TZ_CHAN_FLAGS;
    if (TZ_LIKELY(!(any | flags)))
        return false;
    if (any || !(flags & TZ_CHAN_OWNED) || !tz_chan_source_of(c))
        return any != 0;
    return tz_chan_source_of(c)->is_due(tz_chan_source_of(c), m);
}

TZ_INLINE bool can_send(const tuza_chan *c)
{
    return (uintptr_t)tz_load_relaxed(&c->recvq.first) | tz_load_relaxed(&c->closed) |
           (tz_load_relaxed(&c->count) < c->capacity);
}

int tz_select_peek(tz_m *m, const tuza_case *cases, size_t n, tz_pick *p)
{
    int what = 0;
    for (size_t i = 0; i < n; i++) {
        const tuza_chan *c = cases[i].chan;
        if (c && TZ_UNLIKELY(c->elem_size & TZ_CHAN_BUBBLED) && tz_chan_is_foreign(m, c))
            tz_fatal("select on synctest channel from outside bubble");
        if (cases[i].op == TUZA_CASE_RECV) {
            if (c && can_recv(m, c))
                tz_pick_add(m, p, i);
        } else if (cases[i].op == TUZA_CASE_SEND) {
            if (c && TZ_UNLIKELY(c->elem_size & TZ_CHAN_OWNED))
                what |= TZ_SELECT_OWNED;
            else if (c && can_send(c))
                tz_pick_add(m, p, i);
        } else {
            what |= TZ_SELECT_OTHERS;
        }
    }
    return what;
}

/* Under the lock of its channel. */
TZ_INLINE tz_chan_outcome do_now(tz_m *m, tuza_case *k, tz_g **wake)
{
    tuza_chan *c = k->chan;
    if (k->op == TUZA_CASE_SEND)
        return tz_chan_send_now(c, k->elem, wake);
    tz_chan_outcome outcome;
    if (TZ_UNLIKELY(c->elem_size & TZ_CHAN_OWNED)) {
        *wake = NULL;
        outcome = tz_chan_recv_owned_now(m, c, k->elem);
    } else {
        outcome = tz_chan_recv_now(c, k->elem, wake);
    }
    if (outcome == TZ_CHAN_WAITS)
        return outcome;
    k->ok = outcome == TZ_CHAN_DONE;
    if (!k->ok && k->elem)
        memset(k->elem, 0, tz_chan_size(c));
    return TZ_CHAN_DONE;
}

tz_chan_outcome tz_select_do(tz_m *m, tuza_case *k)
{
    bool alone = m->p->alone;
    tz_g *wake;
    tz_spin_lock(&k->chan->lock, alone);
    tz_chan_outcome outcome = do_now(m, k, &wake);
    tz_spin_unlock(&k->chan->lock, alone);
    if (wake)
        tz_select_ready(m, k, wake);
    return outcome;
}

tz_chan_outcome tz_select_do_locked(tz_m *m, tz_selection *s, size_t *at, tz_g **wake)
{
    for (;;) {
        tz_pick p = {0};
        tz_select_peek(m, s->cases, s->n, &p);
        if (!p.seen)
            return TZ_CHAN_WAITS;
        *at = p.at;
        tz_chan_outcome outcome = do_now(m, &s->cases[p.at], wake);
        if (outcome != TZ_CHAN_WAITS)
            return outcome;
        /* Only selects were waiting there, which are none any more: their records are off the queue now. */
    }
}

/* ---- the locks ---- */

/* Below this insertion is faster, and channels are often in order. */
#define FEW 24

/* Puts c where it belongs among the first n, in order of address; the new number. */
TZ_INLINE size_t insert(tz_selwait *w, size_t n, tuza_chan *c)
{
    size_t at = n;
    while (at && (uintptr_t)w[at - 1].lock > (uintptr_t)c)
        at--;
    if (at && w[at - 1].lock == c)
        return n;
    for (size_t i = n; i > at; i--)
        w[i].lock = w[i - 1].lock;
    w[at].lock = c;
    return n + 1;
}

static void sift(tz_selwait *w, size_t at, size_t n)
{
    tuza_chan *moved = w[at].lock;
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && (uintptr_t)w[child + 1].lock > (uintptr_t)w[child].lock)
            child++;
        if ((uintptr_t)w[child].lock <= (uintptr_t)moved)
            break;
        w[at].lock = w[child].lock;
    }
    w[at].lock = moved;
}

/* Heapsort: in place. Then each once; how many they are. */
static size_t sort(tz_selwait *w, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(w, i, n);
    for (size_t end = n; end-- > 1;) {
        tuza_chan *last = w[end].lock;
        w[end].lock = w[0].lock;
        w[0].lock = last;
        sift(w, 0, end);
    }
    size_t out = 0;
    for (size_t i = 0; i < n; i++)
        if (out == 0 || w[i].lock != w[out - 1].lock)
            w[out++].lock = w[i].lock;
    return out;
}

void tz_select_lock(tz_m *m, tz_selection *s)
{
    s->locks = 0;
    if (m->p->alone)
        return;
    tz_selwait *w = s->waits;
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        tuza_chan *c = tz_case_chan(&s->cases[i]);
        if (!c)
            continue;
        if (s->n <= FEW)
            n = insert(w, n, c);
        else
            w[n++].lock = c;
    }
    if (s->n > FEW)
        n = sort(w, n);
    for (size_t i = 0; i < n; i++)
        tz_spin_lock(&w[i].lock->lock, false);
    s->locks = n;
}

/* The goroutine may run on as soon as the last one is free, and the array is then no more. With any of them
 * in hand it can't come to its end: to take its waits off it has to lock each, but the one whose partner took
 * it off, and that is not one in our hands. */
static void unlock_all(tz_selwait *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tz_spin_unlock(&w[i].lock->lock, false);
}

void tz_select_unlock(tz_selection *s)
{
    unlock_all(s->waits, s->locks);
}

/* ---- waiting ---- */

/* Whether only m's bubble can end the wait. */
static bool is_durable(tz_m *m, const tz_selection *s)
{
    if (TZ_LIKELY(!m->g->bubbled) || s->outside)
        return false;
    for (size_t i = 0; i < s->n; i++)
        if (s->cases[i].chan && !(s->cases[i].chan->elem_size & TZ_CHAN_BUBBLED))
            return false;
    return true;
}

/* After-switch actions. */
static void unlock_after(tz_m *m, void *arg)
{
    (void)m;
    tz_selection *s = arg;
    unlock_all(s->waits, s->locks);
}

static bool parks(void *sel)
{
    return tz_select_parked(sel);
}

static void commit(tz_m *m, void *arg)
{
    tz_selection *s = arg;
    tz_selwait *w = s->waits;
    size_t locks = s->locks;
    tz_g *g = s->sel.g;
    /* Without a lock in hand the record may be gone after that. */
    bool sleeps = TZ_UNLIKELY(s->durable) ? tz_bubble_block_if(m, g, parks, &s->sel) : parks(&s->sel);
    unlock_all(w, locks);
    if (!sleeps)
        tz_ready(m, g);
}

/* Under all locks. */
static void put_on_queues(tz_m *m, tz_selection *s)
{
    for (size_t i = 0; i < s->n; i++) {
        tuza_case *k = &s->cases[i];
        tuza_chan *c = tz_case_chan(k);
        if (!c)
            continue;
        tz_sudog *wait = &s->waits[i].s;
        wait->g = m->g;
        wait->elem = k->elem;
        wait->select = &s->sel;
        if (k->op == TUZA_CASE_SEND) {
            tz_waitq_put(&c->sendq, wait);
            continue;
        }
        tz_chan_source *source = TZ_UNLIKELY(c->elem_size & TZ_CHAN_OWNED) ? tz_chan_source_of(c) : NULL;
        if (source)
            source->wait(source, m);
        tz_waitq_put(&c->recvq, wait);
    }
}

static void take_off(tuza_chan *c, int op, tz_sudog *wait)
{
    tz_waitq *q = op == TUZA_CASE_SEND ? &c->sendq : &c->recvq;
    if (!tz_waitq_has(q, wait))
        return;
    tz_waitq_remove(q, wait);
    if (TZ_UNLIKELY(c->elem_size & TZ_CHAN_OWNED) && tz_chan_source_of(c) && !q->first)
        tz_chan_source_of(c)->leave(tz_chan_source_of(c));
}

/* One lock at a time: nothing is decided here any more. */
static void take_off_queues(tz_m *m, tz_selection *s)
{
    bool alone = m->p->alone;
    /* Final, but others may still try to claim the waits that are on queues. */
    const tz_sudog *won = tz_load_relaxed(&s->sel.state) == TZ_SELECT_TAKEN ? s->sel.won : NULL;
    for (size_t i = 0; i < s->n; i++) {
        tuza_chan *c = tz_case_chan(&s->cases[i]);
        if (!c || &s->waits[i].s == won)
            continue;
        tz_spin_lock(&c->lock, alone);
        take_off(c, s->cases[i].op, &s->waits[i].s);
        tz_spin_unlock(&c->lock, alone);
    }
}

tz_m *tz_select_park(tz_m *m, tz_selection *s)
{
    put_on_queues(m, s);
    m->g->result = true; /* of a send: closing says otherwise */
    s->durable = is_durable(m, s);
    if (TZ_UNLIKELY(s->durable) && !s->shared)
        tz_bubble_block(m);
    else if (TZ_UNLIKELY(s->durable))
        tz_bubble_block_soon(m);
    void (*after)(tz_m * m, void *arg) = s->shared ? commit : s->locks ? unlock_after : NULL;
    if (!s->shared)
        tz_store_relaxed(
            &s->sel.state,
            TZ_SELECT_PARKED); /* nobody has it before the locks are free, or the P is another's */
    m = tz_park_back(m, TZ_WAIT_SELECT, after, s);
    take_off_queues(m, s);
    return m;
}

tz_chan_outcome tz_select_taken(tz_m *m, tz_selection *s, size_t *at)
{
    *at = (size_t)(TZ_CONTAINER_OF(s->sel.won, tz_selwait, s) - s->waits);
    tuza_case *k = &s->cases[*at];
    bool result = m->g->result;
    if (k->op == TUZA_CASE_SEND)
        return result ? TZ_CHAN_DONE : TZ_CHAN_CLOSED;
    k->ok = result;
    return TZ_CHAN_DONE;
}
