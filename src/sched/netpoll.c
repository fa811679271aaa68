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
 * More parties must not be missed by a waiter: a deadline that is set or moved
 * while it goes to sleep, its timer, a stop, and that the number is another
 * file's. Each of them writes its word (deadline, timer.armed, stop,
 * generation), then looks at side->g; the waiter publishes its G, then looks
 * at those words (settled() in commit()). With a full fence between on both
 * sides one of the two sees the other: Dekker's way. Where the waiter sees
 * that something changed it takes its G back, if nobody else has, and looks
 * again from the start. tests/models/netpoll.pml has all of this.
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
 * Selects wait without the right to: netpoll_watch.c.
 *
 * What tells of events, and who is told: netpoll_epoll.c. Who polls, and when:
 * idle.c, proc.c, sysmon.c.
 */
#include "sched/netpoll.h"

#include <errno.h>

#include "base/fatal.h"
#include "sched/proc.h"
#include "sched/sched.h"

static int64_t waiters; /* atomic: what those without a P have counted */

void tz_netpoll_count(tz_m *m, int64_t n)
{
    if (m && m->p)
        tz_store_relaxed(&m->p->nwaiters, m->p->nwaiters + n);
    else
        tz_add_relaxed(&waiters, n);
}

int64_t tz_netpoll_waiters(void)
{
    if (!tz_load_relaxed(&tz_netpoll_all))
        return 0;
    int64_t n = tz_load_relaxed(&waiters);
    uint32_t nallp = tz_load_acquire(&tz_sched.nallp); /* pairs with grow_allp: the array is as long */
    tz_p **allp = tz_load_acquire(&tz_sched.allp);
    for (uint32_t i = 0; i < nallp; i++)
        n += tz_load_relaxed(&allp[i]->nwaiters);
    return n;
}

tz_g *tz_netpoll_unblock(tz_pollside *s, bool event)
{
    uintptr_t old = tz_load_acquire(&s->g);
    for (;;) {
        if (old == TZ_POLL_READY || (old == 0 && !event))
            return NULL;
        if (old == TZ_POLL_BOTH) {
            tz_g *g = NULL;
            tz_polldesc *pd = s->pd;
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

/* g was taken off; m has a P. */
static void ready(tz_m *m, tz_g *g)
{
    if (!g)
        return;
    tz_netpoll_count(m, -1);
    tz_ready(m, g);
}

/* ---- waiting ---- */

void tz_netpoll_begin(tz_m *m, tz_polldesc *pd)
{
    tz_store_relaxed(&pd->waits, tz_load_relaxed(&pd->waits) + 1); /* of both sides at once one may be lost */
    tz_netpoll_count(m, 1);
}

void tz_netpoll_need_sweep(void)
{
    if (TZ_UNLIKELY(tz_load_relaxed(&tz_netpoll_sweep_at) == INT64_MAX))
        tz_store_relaxed(&tz_netpoll_sweep_at, tz_os_now() + TZ_POLL_SWEEP_NS);
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
    return !tz_load_relaxed(&pd->stop) && in_time(s, due(s)) && tz_load_relaxed(&pd->epoch) &&
           tz_load_relaxed(&pd->epoch) == tz_load_relaxed(&tz_netpoll_epoch) &&
           tz_load_relaxed(&pd->generation) == tz_load_relaxed(&s->generation);
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
        tz_fence_store_load();      /* as in tz_netpoll_take */
        ready(m, s->waiter);
        return;
    }
    tz_fence_store_load(); /* pairs with those of set_deadline, kick, fire, lost, sweep */
    tz_netpoll_need_sweep();
    if (!settled(pd, s))
        ready(m, tz_netpoll_unblock(s, false));
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

int tz_netpoll_wait(tz_polldesc *pd, int side, uint32_t generation)
{
    tz_pollside *s = &pd->side[side];
    tz_store_relaxed(&s->generation, generation);
    int err = tz_netpoll_check(pd, side);
    if (err < 0)
        return err;
    tz_m *m = tz_enter_movable();
    if (tz_netpoll_take(pd, side)) {
        tz_leave(m);
        return 0;
    }
    arm(m, s);
    tz_netpoll_begin(m, pd);
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
            tz_fence_store_load(); /* as in tz_netpoll_take */
            return false;
        }
    }
    tz_fence_store_load(); /* as in commit */
    tz_netpoll_need_sweep();
    if (settled(pd, &pd->side[0]) && settled(pd, &pd->side[1]))
        return true;
    tz_store_relaxed(&pd->side[0].g, 0);
    tz_store_relaxed(&pd->side[1].g, 0);
    return false;
}

int tz_netpoll_wait_both(tz_polldesc *pd, uint32_t generation)
{
    for (int i = 0; i < 2; i++)
        tz_store_relaxed(&pd->side[i].generation, generation);
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
    tz_netpoll_begin(m, pd);
    m = tz_park_back(m, TZ_WAIT_IO, unlock_both, pd);
    tz_leave(m);
    return 0;
}

/* ---- deadlines, stops ---- */

/* Whoever watches one of these sides goes on. */
static void tell(tz_m *m, tz_polldesc *pd, uint32_t sides)
{
    tz_workq out = {NULL, NULL};
    tz_netpoll_tell(m, pd, sides, &out);
    tz_runq_put_list(m->p, out.head);
}

/* The side's timer, under its heap's lock. */
static void fire(tz_timer *t, void *ctx)
{
    tz_m *m = ctx;
    tz_pollside *s = TZ_CONTAINER_OF(t, tz_pollside, timer);
    int64_t now = tz_os_now();
    tz_store_relaxed(&t->armed, 0);
    tz_fence_store_load(); /* pairs with commit's: it sees that nothing is armed, or we see that it waits */
    int64_t when = due(s);
    if (!when || !tz_netpoll_is_waiting(s)) {
        tz_timer_done(t);
    } else if (when > now) {
        tz_timer_again(t, when);
    } else {
        tz_g *g = tz_netpoll_unblock(s, false);
        tz_timer_done(t);
        if (!g)
            return;
        tz_netpoll_count(m, -1);
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
    tz_fence_store_load(); /* pairs with commit's, and a select's */
    tz_g *g = NULL;
    if (when && tz_netpoll_is_waiting(s)) {
        if (when <= tz_os_now())
            g = tz_netpoll_unblock(s, false);
        else if (!in_time(s, when))
            tz_timer_arm(m, &s->timer, when);
    }
    tz_lock_release(&s->lock, TZ_RANK_POLL);
    ready(m, g);
    if (when)
        tell(m, pd, TZ_POLL_SIDE(side));
    tz_leave(m);
}

int64_t tz_netpoll_deadline(const tz_polldesc *pd, int side)
{
    return tz_load_relaxed(&pd->side[side].deadline);
}

void tz_netpoll_limit(tz_polldesc *pd, int side, int64_t when)
{
    tz_store_relaxed(&pd->side[side].limit, when); /* nobody waits: the caller is the only one who may */
}

static void kick(tz_m *m, tz_polldesc *pd)
{
    tz_fence_store_load(); /* what it is about was written; pairs with commit's, and a select's */
    ready(m, tz_netpoll_unblock(&pd->side[TZ_POLL_READ], false));
    ready(m, tz_netpoll_unblock(&pd->side[TZ_POLL_WRITE], false));
    tell(m, pd, TZ_POLL_SIDES);
}

void tz_netpoll_renew(tz_m *m, tz_polldesc *pd)
{
    tz_store_release(&pd->generation, pd->generation + 1);
    for (int i = 0; i < 2; i++) {
        tz_pollside *s = &pd->side[i];
        if (!tz_load_relaxed(&s->deadline))
            continue;
        tz_lock_acquire(&s->lock, TZ_RANK_POLL);
        tz_store_relaxed(&s->deadline, 0); /* a timer that is armed finds nobody, or nothing due */
        tz_lock_release(&s->lock, TZ_RANK_POLL);
    }
    kick(m, pd);
}

void tz_netpoll_set_stop(tz_m *m, tz_polldesc *pd, int err)
{
    tz_store_release(&pd->stop, err);
    if (err)
        kick(m, pd);
}

void tz_netpoll_stop(tz_polldesc *pd, int err)
{
    tz_m *m = tz_enter();
    tz_netpoll_set_stop(m, pd, err);
    tz_leave(m);
}

void tz_netpoll_init(tz_polldesc *pd)
{
    for (int i = 1; i >= 0; i--) {
        pd->side[i].timer.fire = fire;
        tz_store_release(&pd->side[i].pd, pd); /* that of the first last: tz_netpoll_add goes by it */
    }
}

void tz_netpoll_reset(tz_polldesc *pd)
{
    tz_store_relaxed(&pd->seq, pd->seq + 1); /* before it is registered again: told of the old, dropped */
    tz_store_relaxed(&pd->epoch, 0);
    tz_store_relaxed(&pd->ended, 0);
    tz_store_relaxed(&pd->moved, 0);
    tz_netpoll_take(pd, TZ_POLL_READ);
    tz_netpoll_take(pd, TZ_POLL_WRITE);
}

void tz_netpoll_queued(uint32_t n)
{
    (void)tz_sub_relaxed(&waiters, n);
}

void tz_netpoll_forget(void)
{
    tz_netpoll_close_forked();
    waiters = 0;
    for (tz_polldesc *pd = tz_netpoll_all; pd; pd = pd->link) {
        pd->asking.word = pd->both_lock.word = pd->watch_lock.word = 0;
        pd->watches = NULL;
        for (int i = 0; i < 2; i++) {
            pd->side[i].g &= TZ_POLL_READY;
            pd->side[i].limit = 0;
            pd->side[i].lock.word = 0;
        }
    }
}
