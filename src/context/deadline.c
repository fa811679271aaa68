/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Contexts with a deadline. Only one that is earlier than all above it has a
 * timer; the others end with their parents.
 *
 * The timer holds no reference: the last unref takes it off its heap. Where
 * it fires just then, and so may be about to take the tree's lock, the
 * context is left to the fire. The fire cancels on g0; what is for user code,
 * telling nodes and freeing, is done by a goroutine that it starts.
 */
#include <errno.h>

#include "context/cancel.h"
#include "time/timer.h"

static void free_late(void *ctx)
{
    tz_context_free(ctx);
}

/* On g0, without the heap's lock. */
static void fire(tz_timer *timer, void *arg)
{
    tz_m *m = arg;
    tz_cancel *c = TZ_CONTAINER_OF(timer, tz_cancel, timer), *list = NULL;
    tz_cancel_lock(m, c);
    c->armed = false;
    bool dead = c->dead;
    if (!dead && !c->err && timer->when <= tz_now(m)) /* else its bubble is over */
        list = tz_cancel_end_locked(m, c, -ETIMEDOUT, -ETIMEDOUT);
    tz_cancel_unlock(m, c);
    if (dead)
        tz_newproc(m, free_late, &c->ctx, NULL);
    else if (list)
        tz_newproc(m, tz_cancel_tell, list, NULL);
}

void tz_cancel_disarm(tz_cancel *c)
{
    if (c->armed && tz_timer_disarm(&c->timer))
        c->armed = false;
}

tuza_context *tuza_context_with_deadline(tuza_context *parent, int64_t when)
{
    tz_cancel *c = tz_cancel_make(parent);
    if (when == INT64_MAX || (c->deadline && c->deadline <= when))
        return &c->ctx;
    c->deadline = when > 0 ? when : 1;
    c->timer.fire = fire;
    c->timer.unlocked = true;
    c->timer.lasts = true;
    c->timer.home = tz_bubble_home();
    bool over = when <= tz_now(tz_self_m);
    tz_m *m = tz_enter();
    if (!over && tz_pin_threads(&m) < 0)
        tz_throw("newosproc");
    tz_cancel_lock(m, c);
    if (!c->err && over) {
        tz_cancel_end_locked(m, c, -ETIMEDOUT, -ETIMEDOUT); /* nobody watches it yet */
    } else if (!c->err) {
        c->armed = true;
        tz_timer_arm(m, &c->timer, when);
    }
    tz_cancel_unlock(m, c);
    tz_leave(m);
    return &c->ctx;
}

tuza_context *tuza_context_with_timeout(tuza_context *parent, int64_t ns)
{
    return tuza_context_with_deadline(parent, tz_time_after(ns));
}

int64_t tuza_context_deadline(const tuza_context *ctx)
{
    tz_cancel *c = tz_cancel_of(ctx);
    return c ? c->deadline : 0;
}
