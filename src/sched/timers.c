/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers: a heap for each P under a lock of its own, and a copy of the first
 * deadline, p->timer_min, that anybody may peek at. The P's owner runs what
 * is due between goroutines; others may run it too, when the owner is stuck
 * or the P idle. A timer's G goes to the queue of the P that runs it.
 *
 * A sleeping goroutine is on the heap before it has left its stack, so the
 * heap's lock stays held until it has (the after-switch action): who fires
 * the timer has that lock.
 *
 * Other timers are armed and disarmed by anybody, at any time; which heap they
 * are in is t->owner, written under that heap's lock. So whoever has the
 * lock of the heap that owner names, and finds that it still does, has the
 * timer; one whose owner is NULL is in no heap, and only who arms it puts it
 * into one, which callers serialise. t->armed may be peeked at: it is what
 * lets a caller leave a timer alone that will fire early enough (netpoll.c).
 *
 * A timer that is due fires under the heap's lock, and may put itself back
 * (tz_timer_again); those with t->unlocked fire when the lock has been
 * released, with no owner: they may wake and start goroutines of any kind,
 * but may be armed anew, and fire again elsewhere, before fire has returned.
 *
 * The order of timer_min: written under the lock, read relaxed. A reader that
 * acts on a stale value looks again: the owner at the next switch, the poller
 * and sysmon at their next look; see proc.c (c).
 */
#include "base/fatal.h"
#include "os/os.h"
#include "sched/proc.h"
#include "sched/sched.h"

static void publish_min(tz_p *p)
{
    tz_timer *first = tz_timerheap_first(&p->timers);
    tz_store_relaxed(&p->timer_min, first ? first->when : 0);
}

static void sleep_fire(tz_timer *t, void *ctx)
{
    tz_m *m = ctx;
    tz_g *g = TZ_CONTAINER_OF(t, tz_g, timer);
    tz_store_relaxed(&g->status, TZ_G_RUNNABLE);
    /* At the tail: many that are due together run in the order of their deadlines. */
    tz_runq_put(m->p, tz_work_of_g(g));
}

static void insert(tz_p *p, tz_timer *t, int64_t when)
{
    t->when = when < INT64_MAX ? when : INT64_MAX - 1; /* INT64_MAX is "no timer" */
    if (tz_timerheap_add(&p->timers, t) < 0)
        tz_throw("out of memory (timers)");
    publish_min(p);
}

static void unlock_timers(tz_m *m, void *arg)
{
    (void)m;
    tz_p *p = arg;
    tz_lock_release(&p->timers_lock, TZ_RANK_TIMERS);
}

bool tz_park_until(tz_m *m, int64_t when)
{
    tz_g *g = m->g;
    tz_p *p = m->p;
    g->timer.fire = sleep_fire;
    tz_lock_acquire(&p->timers_lock, TZ_RANK_TIMERS);
    insert(p, &g->timer, when);
    tz_store_relaxed(&g->status, TZ_G_WAITING);
    tz_store_relaxed(&g->wait_reason, TZ_WAIT_SLEEP);
    m->after_fn = unlock_timers;
    m->after_arg = p;
    return tz_switch_final(m, tz_next(m));
}

static void set_armed(tz_timer *t, tz_p *owner, int64_t armed)
{
    tz_store_relaxed(&t->armed, armed);
    tz_store_release(&t->owner, owner); /* pairs with lock_owner */
}

/* Locks the heap that t is in; NULL: it is in none. */
static tz_p *lock_owner(tz_timer *t)
{
    tz_p *p;
    while ((p = tz_load_acquire(&t->owner)) != NULL) {
        tz_lock_acquire(&p->timers_lock, TZ_RANK_TIMERS);
        if (tz_load_relaxed(&t->owner) == p)
            return p;
        tz_lock_release(&p->timers_lock, TZ_RANK_TIMERS); /* it has fired, or the Ps were rearranged */
    }
    return NULL;
}

bool tz_timer_disarm(tz_timer *t)
{
    tz_p *p = lock_owner(t);
    if (!p)
        return false;
    tz_timerheap_remove(&p->timers, t);
    set_armed(t, NULL, 0);
    publish_min(p);
    tz_lock_release(&p->timers_lock, TZ_RANK_TIMERS);
    return true;
}

void tz_timer_arm(tz_m *m, tz_timer *t, int64_t when)
{
    tz_timer_disarm(t);
    tz_p *p = m->p; /* whose owner is awake: nobody need be told */
    tz_lock_acquire(&p->timers_lock, TZ_RANK_TIMERS);
    insert(p, t, when);
    set_armed(t, p, t->when);
    tz_lock_release(&p->timers_lock, TZ_RANK_TIMERS);
}

void tz_timer_again(tz_timer *t, int64_t when)
{
    tz_p *p = t->owner;
    insert(p, t, when);
    tz_store_relaxed(&t->armed, t->when);
}

void tz_timer_done(tz_timer *t)
{
    set_armed(t, NULL, 0);
}

void tz_timers_run(tz_m *m, tz_p *p, int64_t now)
{
    tz_lock_acquire(&p->timers_lock, TZ_RANK_TIMERS);
    tz_timer *t;
    while ((t = tz_timerheap_first(&p->timers)) != NULL && t->when <= now) {
        tz_timerheap_remove(&p->timers, t);
        tz_store_relaxed(&p->timers_run, p->timers_run + 1);
        if (!t->unlocked) {
            t->fire(t, m);
            continue;
        }
        set_armed(t, NULL, 0);
        publish_min(p);
        tz_lock_release(&p->timers_lock, TZ_RANK_TIMERS);
        t->fire(t, m);
        tz_lock_acquire(&p->timers_lock, TZ_RANK_TIMERS);
    }
    publish_min(p);
    tz_lock_release(&p->timers_lock, TZ_RANK_TIMERS);
}

bool tz_timers_run_all(tz_m *m, int64_t now)
{
    uint32_t n;
    tz_p **allp = tz_procs(&n);
    bool ran = false;
    for (uint32_t i = 0; i < n; i++) {
        int64_t due = tz_load_relaxed(&allp[i]->timer_min);
        if (due && due <= now) {
            tz_timers_run(m, allp[i], now);
            ran = true;
        }
    }
    return ran && !tz_runq_empty(m->p);
}

int64_t tz_timers_next(void)
{
    uint32_t n;
    tz_p **allp = tz_procs(&n);
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < n; i++) {
        int64_t due = tz_load_relaxed(&allp[i]->timer_min);
        if (due && due < next)
            next = due;
    }
    return next;
}

void tz_timers_move(tz_p *from, tz_p *to)
{
    tz_timer *t;
    while ((t = tz_timerheap_first(&from->timers)) != NULL) {
        tz_timerheap_remove(&from->timers, t);
        insert(to, t, t->when);
        if (t->owner)
            tz_store_relaxed(&t->owner, to); /* nobody else looks: who does has a P */
    }
    publish_min(from);
}

void tz_timers_forget(tz_p *p)
{
    bool whole = p->timers_lock.word == 0;
    uint32_t n = p->timers.n;
    p->timers.n = 0;
    p->timers_lock.word = 0;
    for (uint32_t i = 0; i < n; i++) {
        tz_timer *t = p->timers.items[i].timer;
        t->pos = 0;
        if (whole && t->lasts)
            (void)tz_timerheap_add(&p->timers,
                                   t); /* at or before i: there is room, and what is there is seen */
        else
            set_armed(t, NULL, 0);
    }
    publish_min(p);
}
