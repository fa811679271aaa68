/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sleep that a context ends. Its record is on the sleeper's stack, and
 * both the timer's fire and the context's node may be about to use it: so
 * whichever woke the sleeper, it waits for the other, if that is under way.
 */
#include "context/context.h"
#include "time/timer.h"

typedef struct sleeper {
    tz_context_node node;
    tz_timer timer;
    tz_spin lock;
    /* Under the lock: */
    tz_g *g;   /* is parked; who takes it out makes it runnable */
    bool over; /* the context is done */
    bool fired;
    bool durable; /* const: the context too is the bubble's */
} sleeper;

static tz_g *take(sleeper *s)
{
    tz_g *g = s->g;
    s->g = NULL;
    return g;
}

/* On g0, without the heap's lock. */
static void fire(tz_timer *timer, void *arg)
{
    tz_m *m = arg;
    sleeper *s = TZ_CONTAINER_OF(timer, sleeper, timer);
    tz_spin_lock(&s->lock, m->p->alone);
    s->fired = true;
    tz_g *g = take(s);
    tz_spin_unlock(&s->lock, m->p->alone);
    if (g)
        tz_ready_behind(m, g);
}

static void done(tz_context_node *n)
{
    sleeper *s = TZ_CONTAINER_OF(n, sleeper, node);
    tz_m *m = tz_enter();
    tz_spin_lock(&s->lock, m->p->alone);
    s->over = true;
    tz_g *g = take(s);
    tz_spin_unlock(&s->lock, m->p->alone);
    if (g)
        tz_ready(m, g);
    tz_leave(m);
}

/* In the final form: back in user code, on any thread, with one of the two come. */
static TZ_NOINLINE void sleep_until(sleeper *s, int64_t when)
{
    tz_m *m = tz_enter_movable();
    tz_spin_lock(&s->lock, m->p->alone);
    if (s->over) {
        s->fired = true; /* it will not */
        tz_spin_unlock(&s->lock, m->p->alone);
        tz_leave(m);
        return;
    }
    s->g = m->g;
    tz_timer_arm(m, &s->timer, when);
    if (s->durable)
        tz_park_durably(m);
    tz_park(m, TZ_WAIT_SLEEP, &s->lock);
}

/* The timer does not fire any more: takes it off, or waits until it has. False: woken too early. */
static TZ_NOINLINE bool end_timer(sleeper *s)
{
    tz_m *m = tz_enter_movable();
    tz_spin_lock(&s->lock, m->p->alone);
    if (s->fired || tz_timer_disarm(&s->timer)) {
        tz_spin_unlock(&s->lock, m->p->alone);
        return tz_leave(m);
    }
    s->g = m->g;
    m->g->result = false;
    return tz_park(m, TZ_WAIT_SLEEP, &s->lock);
}

int tuza_context_sleep(tuza_context *ctx, int64_t ns)
{
    int err = tuza_context_err(ctx);
    if (err || ns <= 0)
        return err;
    if (!tz_context_ends(ctx)) {
        tuza_sleep(ns);
        return 0;
    }
    sleeper s = {.node.done = done, .timer = {.fire = fire, .unlocked = true, .home = tz_bubble_home()}};
    int64_t when = tz_time_after(ns);
    s.durable = tz_context_bubble(ctx) != 0 && tz_context_bubble(ctx) == tz_bubble_id();
    if (tz_context_watch(ctx, &s.node)) {
        sleep_until(&s, when);
        while (!end_timer(&s))
            ;
        tz_context_unwatch(ctx, &s.node);
        if (!s.over)
            return 0;
    }
    return tuza_context_err(ctx);
}
