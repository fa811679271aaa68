/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers: a heap for each P under a lock of its own, and a copy of the first
 * deadline, p->timers.min, that anybody may peek at. The P's owner runs what
 * is due between goroutines; others may run it too, when the owner is stuck
 * or the P idle. A timer's G goes to the queue of the P that runs it. A bubble
 * has a heap as well, which nobody looks at but its root (bubble.c): what is
 * armed by t->home stays there.
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
 * The order of min: written under the lock, read relaxed. A reader that
 * acts on a stale value looks again: the owner at the next switch, the poller
 * and sysmon at their next look; see proc.c (c).
 */
#include <string.h>

#include "base/fatal.h"
#include "os/os.h"
#include "sched/bubble.h"
#include "sched/proc.h"
#include "sched/sched.h"

#define DUE ((uint32_t)1 << 31) /* in a timer's pos: the rest is its place in ts->due */

static void publish_min(tz_timers *ts)
{
    tz_timer *first = tz_timerheap_first(&ts->heap);
    tz_store_relaxed(&ts->min, first ? first->when : 0);
}

static void sleep_fire(tz_timer *t, void *ctx)
{
    tz_g *g = TZ_CONTAINER_OF(t, tz_g, timer);
    /* At the tail: many that are due together run in the order of their deadlines. */
    __builtin_prefetch(g->sp, 1); /* it may have slept for long, and will run in a moment */
    tz_ready_behind(ctx, g);
}

static void insert(tz_timers *ts, tz_timer *t, int64_t when)
{
    t->when = when < INT64_MAX ? when : INT64_MAX - 1; /* INT64_MAX is "no timer" */
    if (tz_timerheap_add(&ts->heap, t) < 0)
        tz_throw("out of memory (timers)");
    publish_min(ts);
}

static void unlock_timers(tz_m *m, void *arg)
{
    (void)m;
    tz_timers *ts = arg;
    tz_lock_release(&ts->lock, TZ_RANK_TIMERS);
}

bool tz_park_until(tz_m *m, int64_t when)
{
    tz_g *g = m->g;
    tz_timers *ts = TZ_UNLIKELY(g->bubbled) ? &g->bubble->timers : &m->p->timers;
    g->timer.fire = sleep_fire;
    g->timer.stays = true;
    tz_lock_acquire(&ts->lock, TZ_RANK_TIMERS);
    insert(ts, &g->timer, when);
    tz_park_durably(m);
    tz_store_relaxed(&g->status, TZ_G_WAITING);
    tz_store_relaxed(&g->wait_reason, TZ_WAIT_SLEEP);
    m->after_fn = unlock_timers;
    m->after_arg = ts;
    return tz_switch_final(m, tz_next(m));
}

static void set_armed(tz_timer *t, tz_timers *owner, int64_t armed)
{
    tz_store_relaxed(&t->armed, armed);
    tz_store_release(&t->owner, owner); /* pairs with lock_owner */
}

/* Locks the heap that t is in; NULL: it is in none. */
static tz_timers *lock_owner(tz_timer *t)
{
    tz_timers *ts;
    while ((ts = tz_load_acquire(&t->owner)) != NULL) {
        tz_lock_acquire(&ts->lock, TZ_RANK_TIMERS);
        if (tz_load_relaxed(&t->owner) == ts)
            return ts;
        tz_lock_release(&ts->lock, TZ_RANK_TIMERS); /* it has fired, or the Ps were rearranged */
    }
    return NULL;
}

bool tz_timer_disarm(tz_timer *t)
{
    tz_timers *ts = lock_owner(t);
    if (!ts)
        return false;
    if (TZ_UNLIKELY(t->pos & DUE)) {
        ts->due[t->pos & ~DUE] = NULL; /* it was not its turn yet */
        t->pos = 0;
    } else {
        tz_timerheap_remove(&ts->heap, t);
    }
    set_armed(t, NULL, 0);
    publish_min(ts);
    tz_lock_release(&ts->lock, TZ_RANK_TIMERS);
    return true;
}

void tz_timer_arm(tz_m *m, tz_timer *t, int64_t when)
{
    tz_timer_disarm(t);
    /* The P's owner is awake, and a bubble's time stands still: nobody need be told. */
    tz_timers *ts = t->home ? t->home : &m->p->timers;
    tz_lock_acquire(&ts->lock, TZ_RANK_TIMERS);
    insert(ts, t, when);
    set_armed(t, ts, t->when);
    tz_lock_release(&ts->lock, TZ_RANK_TIMERS);
}

void tz_timer_again(tz_timer *t, int64_t when)
{
    tz_timers *ts = t->owner;
    insert(ts, t, when);
    tz_store_relaxed(&t->armed, t->when);
}

void tz_timer_done(tz_timer *t)
{
    set_armed(t, NULL, 0);
}

/* The first timer, where it is due, out of its heap. Under the lock. */
static tz_timer *take_due(tz_timers *ts, int64_t now)
{
    tz_timer *t = tz_timerheap_first(&ts->heap);
    if (!t || t->when > now)
        return NULL;
    tz_timerheap_remove(&ts->heap, t);
    tz_store_relaxed(&ts->run, ts->run + 1);
    return t;
}

void tz_timers_run(tz_m *m, tz_p *p, int64_t now)
{
    /* What they start could not run; they are due still when there are threads, which stay as long as m's P
     * is held. The one that exits sleeps itself. */
    if (TZ_UNLIKELY(tz_load_relaxed(&tz_sched.threads) != 2) && !tz_load_relaxed(&tz_sched.ending))
        return;
    tz_timers *ts = &p->timers;
    tz_lock_acquire(&ts->lock, TZ_RANK_TIMERS);
    /* One, and as many as there is room for. Whoever is left would wait behind them anyway, and those
     * taken out run while they are in the cache; with each that runs there is room again. */
    bool some = false; /* a ring of goroutines that only yield is full at each look */
    for (tz_timer *t; (!some || !tz_runq_is_full(m->p)) && (t = take_due(ts, now)) != NULL;) {
        some = true;
        if (!t->unlocked) {
            t->fire(t, m);
            continue;
        }
        set_armed(t, NULL, 0);
        publish_min(ts);
        tz_lock_release(&ts->lock, TZ_RANK_TIMERS);
        t->fire(t, m);
        tz_lock_acquire(&ts->lock, TZ_RANK_TIMERS);
    }
    publish_min(ts);
    tz_lock_release(&ts->lock, TZ_RANK_TIMERS);
}

/* t, not in the heap any more, is the i-th of those that fire now. */
static void put_due(tz_timers *ts, uint32_t i, tz_timer *t)
{
    ts->due[i] = t;
    if (!t->stays)
        t->pos = DUE | i;
}

static void more_due(tz_timers *ts)
{
    uint32_t cap = ts->due_cap ? 2 * ts->due_cap : (uint32_t)(tz_os_page_size() / sizeof(tz_timer *));
    tz_timer **due = tz_os_reserve(tz_os_pages(cap * sizeof *due));
    if (!due)
        tz_throw("out of memory (timers)");
    if (ts->due) {
        memcpy(due, ts->due, ts->ndue * sizeof *due);
        tz_os_release(ts->due, tz_os_pages(ts->due_cap * sizeof *due));
    }
    ts->due = due;
    ts->due_cap = cap;
}

/* Under the lock: all that are due are in ts->due, each anywhere among its equals. */
static void collect_due(tz_m *m, tz_timers *ts, int64_t now)
{
    uint32_t same = 0; /* where the last moment begins */
    int64_t when = 0;
    ts->ndue = 0;
    for (tz_timer *t; (t = take_due(ts, now)) != NULL; ts->ndue++) {
        if (ts->ndue == ts->due_cap)
            more_due(ts);
        if (t->when != when)
            same = ts->ndue;
        when = t->when;
        uint32_t at = same + tz_rand_order(m, ts->ndue - same + 1);
        if (at != ts->ndue)
            put_due(ts, ts->ndue, ts->due[at]);
        put_due(ts, at, t);
    }
    publish_min(ts);
}

void tz_timers_run_shuffled(tz_m *m, tz_timers *ts, int64_t now)
{
    tz_lock_acquire(&ts->lock, TZ_RANK_TIMERS);
    collect_due(m, ts, now);
    for (uint32_t i = 0; i < ts->ndue; i++) {
        tz_timer *t = ts->due[i];
        if (!t)
            continue;
        ts->due[i] = NULL;
        t->pos = 0;
        if (!t->unlocked) {
            t->fire(t, m);
            continue;
        }
        set_armed(t, NULL, 0);
        tz_lock_release(&ts->lock, TZ_RANK_TIMERS);
        t->fire(t, m);
        tz_lock_acquire(&ts->lock, TZ_RANK_TIMERS);
    }
    tz_lock_release(&ts->lock, TZ_RANK_TIMERS);
}

bool tz_timers_run_all(tz_m *m, int64_t now)
{
    uint32_t n;
    tz_p **allp = tz_procs(&n);
    bool ran = false;
    for (uint32_t i = 0; i < n; i++) {
        int64_t due = tz_load_relaxed(&allp[i]->timers.min);
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
        int64_t due = tz_load_relaxed(&allp[i]->timers.min);
        if (due && due < next)
            next = due;
    }
    return next;
}

void tz_timers_move(tz_p *from, tz_p *to)
{
    tz_timer *t;
    while ((t = tz_timerheap_first(&from->timers.heap)) != NULL) {
        tz_timerheap_remove(&from->timers.heap, t);
        insert(&to->timers, t, t->when);
        if (t->owner)
            tz_store_relaxed(&t->owner, &to->timers); /* nobody else looks: who does has a P */
    }
    publish_min(&from->timers);
}

void tz_timers_forget(tz_p *p)
{
    tz_timers *ts = &p->timers;
    bool whole = ts->lock.word == 0;
    uint32_t n = ts->heap.n;
    ts->heap.n = 0;
    ts->lock.word = 0;
    for (uint32_t i = 0; i < n; i++) {
        tz_timer *t = tz_timerheap_item_timer(&ts->heap.items[i]);
        t->pos = 0;
        if (whole && t->lasts)
            (void)tz_timerheap_add(&ts->heap,
                                   t); /* at or before i: there is room, and what is there is seen */
        else
            set_armed(t, NULL, 0);
    }
    publish_min(ts);
}
