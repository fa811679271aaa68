/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The netpoller: goroutines wait for descriptors, one epoll descriptor waits
 * for all of them. Go's netpoll.go and netpoll_epoll.go.
 *
 * A descriptor is registered once, edge-triggered, for both directions. An
 * event that finds nobody waiting is latched (TZ_POLL_READY), so readiness
 * that comes between a failed system call and the wait is not lost.
 *
 * side->g is the meeting point, changed by CAS alone:
 *
 *     0 -> READY     an event, nobody waits
 *     READY -> 0     a waiter, or tz_netpoll_take, uses it up
 *     0 -> G         a waiter, from the after-switch action: whoever takes it
 *                    off finds a goroutine that has left its stack
 *     G -> 0         who wins that readies the G: an event (result 1), or a
 *                    deadline, a stop, a kick (result 0: look again)
 *
 * Three more parties must not be missed by a waiter: a deadline that is set
 * or moved while it goes to sleep, its timer, and a stop. Each of them writes
 * its word (deadline, timer.armed, stop), then looks at side->g; the waiter
 * publishes its G, then looks at those words (settled() in commit()). With a
 * full fence between on both sides one of the two sees the other: Dekker's
 * way. Where the waiter sees that something changed it takes its G back, if
 * nobody else has, and looks again from the start.
 *
 * Deadlines cost a timer only where somebody waits, and that timer is not
 * taken off the heap when the wait is over: as long as the deadline is moved
 * ahead all the time, as servers do, it stays, fires at the old time, finds
 * the deadline later and puts itself there, or finds nobody and stays away.
 *
 * A wait for both sides (tz_netpoll_wait_both) is rare: both words are BOTH
 * then, and who finds that settles the matter under both_lock, which the
 * waiter holds until it has left its stack.
 *
 * Stale events. An event's data is the polldesc, which is never freed, and
 * the low bits of pd->seq. tz_netpoll_reset changes that before the
 * number's next owner can be registered, so what is told of an earlier open
 * file (one that lives on under another number, say) is dropped.
 *
 * The sweep. A descriptor that was closed by plain close() is known to epoll no
 * more, and nothing tells us. So who polls looks about once a second whether
 * somebody has been waiting since the last time, and asks the kernel about
 * that descriptor by registering it again: EEXIST is as it should be. Else the
 * waiter is sent back to look. The next questions come ever more seldom.
 * Whether the number was given back and is another's by then shows in pd->seq,
 * which changes before a number is given back.
 *
 * The epoll descriptor may vanish: the program closes every descriptor it
 * finds, or we are a forked child, which shares it with its parent. A new one
 * has a new epoch; each polldesc knows of which epoch its registration is, and
 * whoever waits is sent back to register again.
 *
 * The break. An eventfd would be written to, and after such a close our number
 * may be a file of the program's. So it is a descriptor that is always ready,
 * registered to be told of once: to break is to register it once more.
 *
 * Who polls, and when: idle.c, proc.c, sysmon.c.
 */
#include "sched/netpoll.h"

#include <errno.h>

#include "base/fatal.h"
#include "sched/proc.h"
#include "sched/sched.h"

#define EVENTS   (TZ_OS_IN | TZ_OS_OUT | TZ_OS_RDHUP | TZ_OS_PRI | TZ_OS_EDGE)
#define BATCH    256
#define SEQ_BITS 22
#define SWEEP_NS 1000000000
#define ASK_MAX  64000000000
#define SEQ_MASK (((uint32_t)1 << SEQ_BITS) - 1)

static struct {
    tz_lock lock;     /* TZ_RANK_POLL: making, closing and the list; ep, always, wakes */
    int ep;           /* atomic; valid while epoch is not 0 */
    int always;       /* atomic: a descriptor that is always ready, and told of once for each break */
    uint32_t epoch;   /* atomic: 0 there is none; release, acquire */
    uint32_t last;    /* lock: the last epoch that was used */
    tz_polldesc *all; /* lock: those that were ever registered */
    int64_t waiters;  /* atomic: what those without a P have counted */
    int64_t
        sweep_at; /* atomic: when to sweep next; by CAS: who changes it does it. INT64_MAX: nobody waits */
} poll = {.sweep_at = INT64_MAX};

/* An event carries a pointer and what fits beside it: user addresses have 48 bits, and 6 are 0 by alignment. */
_Static_assert(_Alignof(tz_polldesc) == 1 << (SEQ_BITS - 16), "bits for the tag");
static uint64_t tag(const tz_polldesc *pd)
{
    return ((uint64_t)(uintptr_t)pd << 16) | (tz_load_relaxed(&pd->seq) & SEQ_MASK);
}
static tz_polldesc *untag(uint64_t data)
{
    return (tz_polldesc *)(uintptr_t)(data >> 16 & ~(uint64_t)63);
}

/* Goroutines that wait; m may be NULL or without a P. */
static void count(tz_m *m, int64_t n)
{
    if (m && m->p)
        tz_store_relaxed(&m->p->nwaiters, m->p->nwaiters + n);
    else
        tz_add_relaxed(&poll.waiters, n);
}

int64_t tz_netpoll_waiters(void)
{
    if (tz_load_relaxed(&poll.epoch) == 0)
        return 0;
    int64_t n = tz_load_relaxed(&poll.waiters);
    uint32_t nallp = tz_load_acquire(&tz_sched.nallp); /* pairs with grow_allp: the array is as long */
    tz_p **allp = tz_load_acquire(&tz_sched.allp);
    for (uint32_t i = 0; i < nallp; i++)
        n += tz_load_relaxed(&allp[i]->nwaiters);
    return n;
}

/* Who waits on this side shall go on, with that result: taken off, or NULL. An event is latched. */
static tz_g *unblock(tz_polldesc *pd, tz_pollside *s, bool event)
{
    uintptr_t old = tz_load_acquire(&s->g);
    for (;;) {
        if (old == TZ_POLL_READY || (old == 0 && !event))
            return NULL;
        if (old == TZ_POLL_BOTH) {
            tz_g *g = NULL;
            tz_lock_acquire(&pd->both_lock, TZ_RANK_BOTH);
            old = tz_load_relaxed(&s->g);
            if (old == TZ_POLL_BOTH) { /* as long as it is, both sides are */
                g = pd->both;
                g->result = event;
                tz_store_relaxed(&pd->side[0].g, 0);
                tz_store_relaxed(&pd->side[1].g, 0);
            }
            tz_lock_release(&pd->both_lock, TZ_RANK_BOTH);
            if (g)
                return g;
            continue;
        }
        tz_g *g = old ? (tz_g *)old : NULL;
        /* Acquire: what the G wrote before it left. Release: the event is before the latch is used up. */
        if (tz_cas_acq_rel(&s->g, &old, g ? 0 : TZ_POLL_READY)) {
            if (g)
                g->result = event;
            return g;
        }
    }
}

static bool is_waiting(const tz_pollside *s)
{
    return tz_load_acquire(&s->g) & ~TZ_POLL_READY;
}

/* g was taken off; m has a P. */
static void ready(tz_m *m, tz_g *g)
{
    if (!g)
        return;
    count(m, -1);
    tz_ready(m, g);
}

/* ---- waiting ---- */

/* m's goroutine is going to wait. */
static void begin_wait(tz_m *m, tz_polldesc *pd)
{
    tz_store_relaxed(&pd->waits, pd->waits + 1);
    if (TZ_UNLIKELY(tz_load_relaxed(&poll.sweep_at) == INT64_MAX))
        tz_store_relaxed(&poll.sweep_at, tz_os_now() + SWEEP_NS);
    count(m, 1);
}

/* When a wait on this side ends at the latest; 0: never. */
static int64_t due(const tz_pollside *s)
{
    int64_t deadline = tz_load_relaxed(&s->deadline), limit = tz_load_relaxed(&s->limit);
    return !limit || (deadline && deadline < limit) ? deadline : limit;
}

/* Whether a timer that is armed for that long will fire in time. */
static bool in_time(const tz_pollside *s, int64_t when)
{
    int64_t armed = tz_load_relaxed(&s->timer.armed);
    return !when || (armed && armed <= when);
}

/* Whether nothing keeps a waiter of this side from sleeping on: each of these words is written before its
 * writer looks at s->g. */
static bool settled(const tz_polldesc *pd, const tz_pollside *s)
{
    return !tz_load_relaxed(&pd->stop) && in_time(s, due(s)) &&
           tz_load_relaxed(&pd->epoch) == tz_load_relaxed(&poll.epoch);
}

/* After-switch action: s->waiter has left its stack. */
static void commit(tz_m *m, void *arg)
{
    tz_pollside *s = arg;
    tz_polldesc *pd = s->pd;
    uintptr_t none = 0;
    /* Release: the G's stack and saved registers. */
    if (!tz_cas_acq_rel(&s->g, &none, (uintptr_t)s->waiter)) {
        tz_store_relaxed(&s->g, 0); /* it was READY, which nobody else changes */
        ready(m, s->waiter);
        return;
    }
    tz_fence_store_load(); /* pairs with those of set_deadline, stop, fire, remake */
    if (!settled(pd, s))
        ready(m, unblock(pd, s, false));
}

/* s->timer shall fire in time for a wait. */
static void arm(tz_m *m, tz_pollside *s)
{
    if (in_time(s, due(s)))
        return;
    tz_lock_acquire(&s->lock, TZ_RANK_POLL);
    int64_t when = due(s);
    if (!in_time(s, when))
        tz_timer_arm(m, &s->timer, when);
    tz_lock_release(&s->lock, TZ_RANK_POLL);
}

int tz_netpoll_check_slow(tz_polldesc *pd, int side)
{
    int stop = tz_load_acquire(&pd->stop);
    if (stop)
        return stop;
    int64_t when = due(&pd->side[side]);
    return when && when <= tz_os_now() ? -ETIMEDOUT : 0;
}

bool tz_netpoll_take(tz_polldesc *pd, int side)
{
    tz_pollside *s = &pd->side[side];
    uintptr_t old = TZ_POLL_READY;
    if (tz_load_relaxed(&s->g) != TZ_POLL_READY || !tz_cas_acq_rel(&s->g, &old, 0))
        return false;
    /* The system call that comes next is after this: whoever finds READY still, and so says nothing, knows of
     * an event that the call will see. */
    tz_fence_store_load();
    return true;
}

int tz_netpoll_wait(tz_polldesc *pd, int side)
{
    tz_pollside *s = &pd->side[side];
    int err = tz_netpoll_check(pd, side);
    if (err < 0)
        return err;
    tz_m *m = tz_enter_movable();
    if (tz_netpoll_take(pd, side)) {
        tz_leave(m);
        return 0;
    }
    arm(m, s);
    begin_wait(m, pd);
    tz_g *g = m->g;
    g->result = 0;
    s->waiter = g;
    m = tz_park_back(m, TZ_WAIT_IO, commit, s);
    tz_leave(m);
    return g->result ? 0 : tz_netpoll_check(pd, side);
}

/* After-switch action. */
static void unlock_both(tz_m *m, void *arg)
{
    (void)m;
    tz_polldesc *pd = arg;
    tz_lock_release(&pd->both_lock, TZ_RANK_BOTH);
}

/* Under both_lock: both sides are BOTH; or neither, and there was an event, or a reason to look again.
 * Whoever meets BOTH meanwhile waits for our lock and then looks again. */
static bool publish_both(tz_polldesc *pd)
{
    for (int i = 0; i < 2; i++) {
        uintptr_t none = 0;
        if (!tz_cas_acq_rel(&pd->side[i].g, &none, TZ_POLL_BOTH)) {
            tz_store_relaxed(&pd->side[i].g, 0);
            if (i)
                tz_store_relaxed(&pd->side[0].g, 0);
            return false;
        }
    }
    tz_fence_store_load();
    if (settled(pd, &pd->side[0]) && settled(pd, &pd->side[1]))
        return true;
    tz_store_relaxed(&pd->side[0].g, 0);
    tz_store_relaxed(&pd->side[1].g, 0);
    return false;
}

int tz_netpoll_wait_both(tz_polldesc *pd)
{
    int err = tz_netpoll_check(pd, TZ_POLL_READ);
    if (err == 0)
        err = tz_netpoll_check(pd, TZ_POLL_WRITE);
    if (err < 0)
        return err;
    tz_m *m = tz_enter_movable();
    arm(m, &pd->side[0]);
    arm(m, &pd->side[1]);
    tz_lock_acquire(&pd->both_lock, TZ_RANK_BOTH);
    pd->both = m->g;
    if (!publish_both(pd)) {
        tz_lock_release(&pd->both_lock, TZ_RANK_BOTH);
        tz_leave(m);
        return 0;
    }
    begin_wait(m, pd);
    m = tz_park_back(m, TZ_WAIT_IO, unlock_both, pd);
    tz_leave(m);
    return 0;
}

/* ---- deadlines, stops ---- */

/* The side's timer, under its heap's lock. */
static void fire(tz_timer *t, void *ctx)
{
    tz_m *m = ctx;
    tz_pollside *s = TZ_CONTAINER_OF(t, tz_pollside, timer);
    int64_t now = tz_os_now();
    tz_store_relaxed(&t->armed, 0);
    tz_fence_store_load(); /* pairs with commit's: it sees that nothing is armed, or we see that it waits */
    int64_t when = due(s);
    if (!when || !is_waiting(s)) {
        tz_timer_done(t);
    } else if (when > now) {
        tz_timer_again(t, when);
    } else {
        tz_g *g = unblock(s->pd, s, false);
        tz_timer_done(t);
        if (!g)
            return;
        count(m, -1);
        tz_store_relaxed(&g->status, TZ_G_RUNNABLE);
        tz_runq_put(m->p, tz_work_of_g(g)); /* at the tail, as sleepers: in the order of their deadlines */
    }
}

void tz_netpoll_set_deadline(tz_polldesc *pd, int side, int64_t when)
{
    tz_pollside *s = &pd->side[side];
    tz_m *m = tz_enter();
    tz_lock_acquire(&s->lock, TZ_RANK_POLL);
    tz_store_relaxed(&s->deadline, when);
    tz_fence_store_load(); /* pairs with commit's */
    tz_g *g = NULL;
    if (when && is_waiting(s)) {
        if (when <= tz_os_now())
            g = unblock(pd, s, false);
        else if (!in_time(s, when))
            tz_timer_arm(m, &s->timer, when);
    }
    tz_lock_release(&s->lock, TZ_RANK_POLL);
    ready(m, g);
    tz_leave(m);
}

void tz_netpoll_limit(tz_polldesc *pd, int side, int64_t when)
{
    tz_store_relaxed(&pd->side[side].limit, when); /* nobody waits: the caller is the only one who may */
}

static void kick(tz_m *m, tz_polldesc *pd)
{
    ready(m, unblock(pd, &pd->side[TZ_POLL_READ], false));
    ready(m, unblock(pd, &pd->side[TZ_POLL_WRITE], false));
}

void tz_netpoll_kick(tz_polldesc *pd)
{
    tz_m *m = tz_enter();
    kick(m, pd);
    tz_leave(m);
}

void tz_netpoll_set_stop(tz_m *m, tz_polldesc *pd, int err)
{
    tz_store_release(&pd->stop, err);
    tz_fence_store_load(); /* pairs with commit's */
    if (err)
        kick(m, pd);
}

void tz_netpoll_stop(tz_polldesc *pd, int err)
{
    tz_m *m = tz_enter();
    tz_netpoll_set_stop(m, pd, err);
    tz_leave(m);
}

/* ---- epoll ---- */

/* Under poll.lock. 0 or a negative errno. */
static int make_locked(void)
{
    if (poll.epoch)
        return 0;
    int ep = tz_os_epoll_create();
    if (ep < 0)
        return ep;
    int always = tz_os_eventfd(1);
    int err = always < 0 ? always : tz_os_epoll_add(ep, always, TZ_OS_ONCE, 0);
    if (err < 0) {
        if (always >= 0)
            tz_os_close(always);
        tz_os_close(ep);
        return err;
    }
    tz_store_relaxed(&poll.ep, ep);
    tz_store_relaxed(&poll.always, always);
    if (++poll.last == 0)
        poll.last = 1;
    tz_store_release(&poll.epoch, poll.last); /* pairs with current() */
    return 0;
}

static int make(void)
{
    tz_lock_acquire(&poll.lock, TZ_RANK_POLL);
    int err = make_locked();
    tz_lock_release(&poll.lock, TZ_RANK_POLL);
    return err;
}

/* The epoll descriptor of an epoch that is not over; *epoch is 0 where there is none. */
static int current(uint32_t *epoch)
{
    *epoch = tz_load_acquire(&poll.epoch);
    return tz_load_relaxed(&poll.ep);
}

/* g, if there is one, is runnable and goes to the list. Who has no P counts it when it is queued. */
static uint32_t take(tz_m *m, tz_g *g, tz_workq *out)
{
    if (!g)
        return 0;
    if (m && m->p)
        count(m, -1);
    tz_store_relaxed(&g->status, TZ_G_RUNNABLE);
    tz_work *w = tz_work_of_g(g);
    *tz_work_link(w) = NULL;
    if (out->tail)
        *tz_work_link(out->tail) = w;
    else
        out->head = w;
    out->tail = w;
    return 1;
}

/* The descriptor of that epoch does not work any more. What is left of it is not closed: the number may be
 * another's. All that wait look again; m may be NULL. */
static uint32_t lost(tz_m *m, uint32_t epoch, tz_workq *out)
{
    uint32_t n = 0;
    tz_lock_acquire(&poll.lock, TZ_RANK_POLL);
    if (poll.epoch == epoch) {
        tz_store_relaxed(&poll.epoch, 0);
        tz_fence_store_load(); /* pairs with commit's */
        for (tz_polldesc *pd = poll.all; pd; pd = pd->link)
            for (int i = 0; i < 2; i++)
                n += take(m, unblock(pd, &pd->side[i], true), out);
    }
    tz_lock_release(&poll.lock, TZ_RANK_POLL);
    return n;
}

static bool is_broken(int err)
{
    return err == -EBADF || err == -EINVAL;
}

void tz_netpoll_reset(tz_polldesc *pd)
{
    tz_store_relaxed(&pd->seq, pd->seq + 1); /* before it is registered again: told of the old, dropped */
    tz_store_relaxed(&pd->epoch, 0);
    tz_store_relaxed(&pd->moved, 0);
    tz_store_relaxed(&pd->stop, 0);
    for (int i = 0; i < 2; i++)
        tz_store_relaxed(&pd->side[i].deadline, 0); /* a timer that is armed finds nobody */
    if (is_waiting(&pd->side[TZ_POLL_READ]) || is_waiting(&pd->side[TZ_POLL_WRITE]))
        tz_netpoll_kick(pd);
    tz_netpoll_take(pd, TZ_POLL_READ);
    tz_netpoll_take(pd, TZ_POLL_WRITE);
}

static void list(tz_polldesc *pd)
{
    tz_lock_acquire(&poll.lock, TZ_RANK_POLL);
    if (!pd->side[0].pd) {
        for (int i = 0; i < 2; i++) {
            pd->side[i].pd = pd;
            pd->side[i].timer.fire = fire;
        }
        pd->link = poll.all;
        tz_store_release(&poll.all, pd); /* pairs with the sweep */
    }
    tz_lock_release(&poll.lock, TZ_RANK_POLL);
}

/* Whether it is our descriptor, and not fd, that is broken; then it is given up. */
static bool was_lost(int err, uint32_t epoch)
{
    tz_os_event none;
    if (!is_broken(err) || !is_broken(tz_os_epoll_wait(tz_load_relaxed(&poll.ep), &none, 1, 0)))
        return false;
    tz_m *m = tz_enter();
    tz_workq out = {NULL, NULL};
    lost(m, epoch, &out);
    tz_runq_put_list(m->p, out.head);
    tz_leave(m);
    return true;
}

int tz_netpoll_add(tz_polldesc *pd, int fd)
{
    if (TZ_UNLIKELY(!pd->side[0].pd))
        list(pd);
    tz_store_relaxed(&pd->fd, fd);
    for (;;) {
        uint32_t epoch;
        int ep = current(&epoch);
        if (TZ_UNLIKELY(epoch == 0)) {
            int err = make();
            if (err < 0)
                return err;
            continue;
        }
        int err = tz_os_epoll_add(ep, fd, EVENTS, tag(pd));
        if (err == -EEXIST && tz_load_relaxed(&pd->epoch) != epoch) {
            /* We did not know: the file was there under an earlier tag. */
            err = tz_os_epoll_mod(ep, fd, EVENTS, tag(pd));
        }
        if (err == 0 || err == -EEXIST) {
            tz_store_relaxed(&pd->epoch, epoch);
            return err ? 1 : 0;
        }
        if (!was_lost(err, epoch))
            return err;
    }
}

void tz_netpoll_del(tz_polldesc *pd, int fd)
{
    uint32_t epoch;
    int ep = current(&epoch);
    if (epoch && tz_load_relaxed(&pd->epoch) == epoch)
        (void)tz_os_epoll_del(ep, fd);
    tz_store_relaxed(&pd->epoch, 0);
}

bool tz_netpoll_has(const tz_polldesc *pd)
{
    uint32_t epoch = tz_load_relaxed(&pd->epoch);
    return epoch && epoch == tz_load_relaxed(&poll.epoch) && !tz_load_relaxed(&pd->moved);
}

bool tz_netpoll_moved(tz_polldesc *pd)
{
    return tz_load_relaxed(&pd->moved) && tz_xchg_relaxed(&pd->moved, 0);
}

void tz_netpoll_break(void)
{
    uint32_t epoch;
    int ep = current(&epoch);
    if (epoch)
        (void)tz_os_epoll_mod(ep, tz_load_relaxed(&poll.always), TZ_OS_ONCE, 0);
}

/* Somebody waits for pd all the time since it was seen last: is it still what it was? */
static uint32_t ask(tz_m *m, tz_polldesc *pd, int64_t now, tz_workq *out)
{
    uint32_t epoch, seq = tz_load_acquire(&pd->seq);
    int ep = current(&epoch);
    pd->ask_gap = pd->ask_gap < ASK_MAX ? 4 * pd->ask_gap : ASK_MAX;
    pd->ask_at = now + pd->ask_gap;
    if (tz_load_relaxed(&pd->epoch) != epoch ||
        tz_os_epoll_add(ep, tz_load_relaxed(&pd->fd), EVENTS, tag(pd)) == -EEXIST ||
        tz_load_acquire(&pd->seq) != seq)
        return 0;
    tz_store_relaxed(&pd->moved, 1);
    return take(m, unblock(pd, &pd->side[0], true), out) + take(m, unblock(pd, &pd->side[1], true), out);
}

static uint32_t sweep(tz_m *m, int64_t now, tz_workq *out)
{
    uint32_t taken = 0;
    bool any = false;
    for (tz_polldesc *pd = tz_load_acquire(&poll.all); pd; pd = pd->link) {
        if (!is_waiting(&pd->side[0]) && !is_waiting(&pd->side[1]))
            continue;
        any = true;
        uint32_t waits = tz_load_relaxed(&pd->waits);
        if (waits != pd->seen) {
            pd->seen = waits;
            pd->ask_at = 0;
            pd->ask_gap = SWEEP_NS;
        } else if (now >= pd->ask_at) {
            taken += ask(m, pd, now, out);
        }
    }
    tz_store_relaxed(&poll.sweep_at, any ? now + SWEEP_NS : INT64_MAX);
    return taken;
}

/* Where it is time for that, and nobody else does it. */
static uint32_t try_sweep(tz_m *m, tz_workq *out)
{
    int64_t at = tz_load_relaxed(&poll.sweep_at), now;
    if (at == INT64_MAX || at > (now = tz_os_now()) || !tz_cas_acquire(&poll.sweep_at, &at, now + ASK_MAX))
        return 0;
    return sweep(m, now, out);
}

uint32_t tz_netpoll(tz_m *m, int64_t deadline, tz_workq *out)
{
    tz_os_event events[BATCH];
    uint32_t epoch;
    int ep = current(&epoch);
    if (epoch == 0)
        return 0;
    int64_t sweep_at = tz_load_relaxed(&poll.sweep_at);
    int n = tz_os_epoll_wait(ep, events, BATCH, deadline < sweep_at ? deadline : sweep_at);
    if (n < 0)
        return is_broken(n) ? lost(m, epoch, out) : 0;
    uint32_t taken = try_sweep(m, out);
    for (int i = 0; i < n; i++) {
        uint32_t what = events[i].events;
        tz_polldesc *pd = untag(events[i].data);
        if (!pd) { /* the break, for the M that waits in here; if that is not the caller, once more */
            if (deadline == 0 && tz_load_relaxed(&tz_sched.netpolling))
                tz_netpoll_break();
            continue;
        }
        if (tag(pd) != events[i].data) /* of an earlier file */
            continue;
        if (what & (TZ_OS_IN | TZ_OS_PRI | TZ_OS_RDHUP | TZ_OS_HUP | TZ_OS_ERR))
            taken += take(m, unblock(pd, &pd->side[TZ_POLL_READ], true), out);
        if (what & (TZ_OS_OUT | TZ_OS_HUP | TZ_OS_ERR))
            taken += take(m, unblock(pd, &pd->side[TZ_POLL_WRITE], true), out);
    }
    return taken;
}

void tz_netpoll_queued(uint32_t n)
{
    (void)tz_sub_relaxed(&poll.waiters, n);
}

void tz_netpoll_close(void)
{
    if (poll.epoch == 0)
        return;
    tz_store_relaxed(&poll.epoch, 0);
    tz_os_close(poll.always);
    tz_os_close(poll.ep);
}

void tz_netpoll_forget(void)
{
    tz_netpoll_close();
    poll.lock.word = 0;
    poll.waiters = 0;
    poll.sweep_at = INT64_MAX;
    for (tz_polldesc *pd = poll.all; pd; pd = pd->link) {
        pd->both_lock.word = 0;
        for (int i = 0; i < 2; i++) {
            pd->side[i].g &= TZ_POLL_READY;
            pd->side[i].limit = 0;
            pd->side[i].lock.word = 0;
        }
    }
}
