/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bubbles: goroutines in fake time.
 *
 * A goroutine is durably blocked when only its own bubble can wake it. When
 * all of a bubble's are, nothing in it will happen any more until its time
 * moves on; and then it moves on, to the bubble's next timer.
 *
 * So the bubble counts (b->running) who is not durably blocked. The count is
 * exact, and kept by those who change it:
 *
 *  - A goroutine takes itself out just before it parks, under the lock of the
 *    object that it waits on (tz_bubble_block). Whoever wakes it has that lock
 *    later, puts it back in (tz_bubble_unblock), and is counted itself, if it
 *    is not the root: so the count does not reach 0 in between.
 *  - A park without tz_bubble_block stays counted. That is what "not durable"
 *    means: a mutex, a descriptor, a channel from outside.
 *
 * When it reaches 0, one is woken to see to the bubble: the goroutine in
 * tuza_bubble_wait, or else the root, which is the one that called
 * tuza_bubble_run. b->active says that this has happened; it is taken back by
 * who was woken, the waiter when it runs (it is counted by then), the root
 * when it parks again. Only the root moves b->now, and only while active is
 * its own and nothing runs, so everybody else sees a clock that stands still
 * for as long as he looks at it.
 *
 * The goroutine that was last to block has not left its stack when the root
 * is readied, and the root may be running elsewhere at once. It may fire that
 * goroutine's timer, but takes the lock of the timers, or of the channel,
 * first: and that is released only when the stack has been left.
 *
 * Programs without bubbles pay nothing: a goroutine in one is told by a flag
 * that is looked at where leaving the runtime is slow anyway (g->leaves_slow),
 * and by one that lies beside the status that tz_ready writes.
 *
 * What is due at one moment fires in random order: an order that a program
 * comes to count on would not be the one of real time.
 */
#include "sched/bubble.h"

#include <errno.h>

#include "base/fatal.h"
#include "os/os.h"
#include "sched/proc.h"
#include "sched/sched.h"

#define SOON      2                  /* in g->durable: it is counted still */
#define BEGINNING 946684800000000000 /* 2000-01-01 00:00:00 UTC */

uint64_t tz_bubble_reported;

static tz_lock list_lock; /* TZ_RANK_BUBBLE */
static tz_bubble *list;   /* list_lock: the free ones */
static uint64_t last_id;  /* list_lock */

static tz_bubble *make(void)
{
    tz_lock_acquire(&list_lock, TZ_RANK_BUBBLE);
    if (!list) {
        size_t size = tz_os_pages(sizeof(tz_bubble));
        tz_bubble *fresh = tz_os_reserve(size);
        for (size_t i = 0; fresh && i < size / sizeof *fresh; i++) {
            fresh[i].link = list;
            list = &fresh[i];
        }
    }
    tz_bubble *b = list;
    if (b) {
        list = b->link;
        tz_store_relaxed(&b->id, ++last_id);
    }
    tz_lock_release(&list_lock, TZ_RANK_BUBBLE);
    return b;
}

static void unmake(tz_bubble *b)
{
    tz_lock_acquire(&list_lock, TZ_RANK_BUBBLE);
    b->link = list;
    list = b;
    tz_lock_release(&list_lock, TZ_RANK_BUBBLE);
}

static void lock(tz_bubble *b)
{
    tz_lock_acquire(&b->lock, TZ_RANK_BUBBLE);
}

static void unlock(tz_bubble *b)
{
    tz_lock_release(&b->lock, TZ_RANK_BUBBLE);
}

/* Under the lock: who is to be woken, because all are blocked; or NULL. */
static tz_g *idle_locked(tz_bubble *b)
{
    if (b->running || b->active)
        return NULL;
    b->active = 1;
    int64_t next = tz_load_relaxed(&b->timers.min);
    tz_g *waiter = b->waiter;
    if (!waiter || (next && next <= b->now))
        return b->root;
    b->waiter = NULL;
    b->running++;
    return waiter;
}

void tz_bubble_block(tz_m *m)
{
    tz_g *g = m->g;
    tz_bubble *b = g->bubble;
    lock(b);
    tz_store_relaxed(&g->durable, 1);
    b->running--;
    tz_g *wake = idle_locked(b);
    unlock(b);
    if (wake)
        tz_ready(m, wake);
}

void tz_bubble_block_soon(tz_m *m)
{
    tz_store_relaxed(&m->g->durable, SOON);
}

bool tz_bubble_block_if(tz_m *m, tz_g *g, bool (*parks)(void *arg), void *arg)
{
    tz_bubble *b = g->bubble;
    tz_g *wake = NULL;
    lock(b); /* whoever finds it parked, by what parks() does, waits for us in tz_bubble_unblock */
    bool parked = parks(arg);
    tz_store_relaxed(&g->durable, parked);
    if (parked) {
        b->running--;
        wake = idle_locked(b);
    }
    unlock(b);
    if (wake)
        tz_ready_behind(m, wake);
    return parked;
}

void tz_bubble_unblock(tz_m *m, tz_g *g)
{
    tz_bubble *b = g->bubble;
    if (m->g->bubble != b)
        tz_fatal("semaphore wake of synctest goroutine from outside bubble");
    lock(b);
    tz_store_relaxed(&g->durable, 0);
    b->running++;
    unlock(b);
}

void tz_bubble_join(tz_m *m, tz_g *g)
{
    tz_bubble *b = m->g->bubble;
    tz_store_relaxed(&g->bubble, b);
    g->bubbled = 1;
    lock(b);
    b->total++;
    b->running++;
    if (!b->main)
        b->main = g->goid;
    unlock(b);
}

void tz_bubble_end(tz_m *m)
{
    tz_g *g = m->g;
    tz_bubble *b = g->bubble;
    tz_store_relaxed(&g->bubble, NULL);
    g->bubbled = 0;
    lock(b);
    b->total--;
    b->running--;
    b->done |= g->goid == b->main;
    tz_g *wake = idle_locked(b);
    unlock(b);
    if (wake)
        tz_ready(m, wake);
}

/* The after-switch action of both that are woken when all are blocked; they are not in the count. */
static void parked(tz_m *m, void *arg)
{
    tz_bubble *b = arg;
    lock(b);
    tz_g *wake = idle_locked(b);
    unlock(b);
    if (wake)
        tz_ready_behind(m, wake);
}

static void parked_waiter(tz_m *m, void *arg)
{
    tz_g *g = arg;
    tz_bubble *b = g->bubble;
    lock(b);
    b->waiter = g;
    b->running--;
    unlock(b);
    parked(m, b); /* g may have been woken, and have ended */
}

static void parked_root(tz_m *m, void *arg)
{
    tz_bubble *b = arg;
    lock(b);
    b->active = 0;
    unlock(b);
    parked(m, b);
}

bool tz_bubble_wait(void)
{
    tz_m *m = tz_enter_movable();
    tz_bubble *b = m->g->bubble;
    lock(b);
    bool first = !b->waiting;
    b->waiting = true;
    unlock(b);
    if (!first) {
        tz_leave(m);
        return false;
    }
    m = tz_park_back(m, TZ_WAIT_BUBBLE_WAIT, parked_waiter, m->g);
    lock(b);
    b->active = 0;
    b->waiting = false;
    unlock(b);
    return tz_leave(m);
}

/* ---- the root ---- */

/* Until nothing can happen any more. Comes back on any thread, inside the runtime. */
static int see_to(tz_m **at, tz_bubble *b)
{
    tz_m *m = *at;
    for (;;) {
        tz_timers_run_shuffled(m, &b->timers, b->now);
        m = tz_park_back(m, TZ_WAIT_BUBBLE_RUN, parked_root, b);
        int64_t next = tz_load_relaxed(&b->timers.min);
        lock(b);
        uint32_t total = b->total;
        bool done = b->done;
        unlock(b);
        if (next && next <= b->now)
            continue;
        if (total == 0 && next) {
            /* Timers that nobody waits for. They fire before their time, and so find nothing to do but let
             * go of what they hold; which may take a goroutine. */
            tz_timers_run_shuffled(m, &b->timers, INT64_MAX);
        } else if (total == 0 || done || !next) {
            *at = m;
            return total == 0 ? 0 : done ? TZ_BUBBLE_REMAIN : TZ_BUBBLE_BLOCKED;
        } else {
            tz_store_relaxed(&b->now, next);
        }
    }
}

int tz_bubble_run(void (*fn)(void *), void *arg, const void *pc)
{
    int err = tz_need_threads();
    if (err < 0)
        return err;
    tz_bubble *b = make();
    if (!b)
        return -ENOMEM;
    tz_m *m = tz_enter();
    tz_g *g = m->g;
    b->root = g;
    b->main = 0;
    b->total = b->running = 0;
    b->active = 1; /* the root, until it parks */
    b->done = b->waiting = false;
    b->waiter = NULL;
    tz_store_relaxed(&b->now, BEGINNING);
    tz_store_relaxed(&g->bubble, b);
    g->bubbled = 1;
    tz_leave(m);

    err = tz_start_in_bubble(fn, arg, pc);
    m = tz_enter();
    if (err == 0)
        err = see_to(&m, b);
    tz_store_relaxed(&g->bubble, NULL);
    g->bubbled = 0;
    g->deadlocked = err > 0 ? b->id : 0;
    tz_leave(m);
    if (err <= 0)
        unmake(b); /* with goroutines left in it, it stays theirs */
    return err;
}

const char *tz_bubble_deadlock(int result)
{
    return result == TZ_BUBBLE_REMAIN
               ? "deadlock: main bubble goroutine has exited but blocked goroutines remain"
               : "deadlock: all goroutines in bubble are blocked";
}

void tz_bubble_died(const tz_g *g, const char *text)
{
    if (text == tz_bubble_deadlock(TZ_BUBBLE_BLOCKED) || text == tz_bubble_deadlock(TZ_BUBBLE_REMAIN))
        tz_bubble_reported = g->deadlocked;
}

/* ---- time ---- */

uint16_t tz_bubble_step_out(void)
{
    tz_m *m = tz_enter();
    uint16_t was = m->g->bubbled;
    m->g->bubbled = 0;
    tz_leave(m);
    return was;
}

void tz_bubble_step_in(uint16_t was)
{
    tz_m *m = tz_enter();
    m->g->bubbled = was;
    tz_leave(m);
}

uint64_t tz_bubble_of(const tz_g *g)
{
    const tz_bubble *b = tz_load_relaxed(&g->bubble);
    return b ? tz_load_relaxed(&b->id) : 0;
}

uint64_t tz_bubble_id_of(tz_m *m)
{
    const tz_g *g = m->g;
    return TZ_UNLIKELY(g->bubbled) ? g->bubble->id : 0;
}

uint64_t tz_bubble_id(void)
{
    return tz_bubble_id_of(tz_self_m);
}

void *tz_bubble_home(void)
{
    const tz_g *g = tz_self_m->g;
    return TZ_UNLIKELY(g->bubbled) ? &g->bubble->timers : NULL;
}

int64_t tz_now(tz_m *m)
{
    const tz_g *g = m->g;
    return TZ_UNLIKELY(g->bubbled) ? tz_load_relaxed(&g->bubble->now) : tz_os_now();
}

int64_t tz_real_time(int64_t when)
{
    const tz_g *g = tz_self_m->g;
    if (TZ_LIKELY(!g->bubbled) || when == 0)
        return when;
    int64_t away, real;
    if (__builtin_sub_overflow(when, g->bubble->now, &away) ||
        __builtin_add_overflow(tz_os_now(), away, &real))
        return when > g->bubble->now ? INT64_MAX : 1;
    return real > 0 ? real : 1;
}
