/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fires that come late: the timer is off its heap, and before the fire has the lock it is stopped, moved or
 * freed. The test takes it off, and then fires itself.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2
#include <errno.h>

#include "../go/help.h"
#include "context/cancel.h"
#include "time/timer.h"

#define HOUR (3600 * TUZA_SECOND)

static int calls;
static void count(void *arg)
{
    flag_add((int *)arg, 1);
}

/* As the owner of the heap does it first; the heap's reference is the fire's from here on. */
static void take_off(tz_timer *t)
{
    tz_m *m = tz_enter();
    CHECK(tz_timer_disarm(t));
    tz_leave(m);
}

static void fire(tz_timer *t)
{
    tz_m *m = tz_enter();
    t->fire(t, m);
    tz_leave(m);
}

TEST(function_stopped)
{
    calls = 0;
    tuza_timer *t = tuza_after_func(HOUR, count, &calls);
    take_off(&t->timer);
    CHECK(tuza_timer_stop(t));
    fire(&t->timer);
    settle(1);
    CHECK_EQ(calls, 0);
    CHECK(!tuza_timer_stop_wait(t));
    tuza_timer_free(t);
}

TEST(function_moved)
{
    calls = 0;
    tuza_timer *t = tuza_after_func(HOUR, count, &calls);
    take_off(&t->timer);
    CHECK(tuza_timer_reset(t, HOUR));
    fire(&t->timer); /* too early for what it is set to now */
    settle(1);
    CHECK_EQ(calls, 0);
    take_off(&t->timer);
    CHECK(tuza_timer_reset(t, 0));
    fire(&t->timer); /* and this one, or that of the heap, does it */
    EVENTUALLY(flag_get(&calls) == 1);
    settle(1);
    CHECK(!tuza_timer_stop_wait(t));
    CHECK_EQ(calls, 1);
    tuza_timer_free(t);
}

TEST(function_freed)
{
    calls = 0;
    tuza_timer *t = tuza_after_func(HOUR, count, &calls);
    take_off(&t->timer);
    tuza_timer_free(t);
    fire(&t->timer); /* it is there still, and goes with this */
    settle(1);
    CHECK_EQ(calls, 0);
}

static int got;
static void receive(void *arg)
{
    CHECK(tuza_chan_recv(arg, NULL));
    flag_add(&got, 1);
}

static tuza_timer *with_receiver(void)
{
    tuza_timer *t = tuza_timer_new(HOUR);
    got = 0;
    GO(receive, tuza_timer_chan(t));
    EVENTUALLY(tz_load_acquire(&t->timer.owner)); /* blocked */
    return t;
}

/* TM-13, TM-27 */
TEST(channel_stopped_and_moved)
{
    tuza_timer *t = with_receiver();
    take_off(&t->timer);
    CHECK(tuza_timer_stop(t));
    fire(&t->timer);
    CHECK(!tz_load_acquire(&t->timer.owner)); /* back in no heap */
    CHECK(!tuza_timer_reset(t, HOUR));
    take_off(&t->timer);
    CHECK(tuza_timer_reset(t, HOUR - TUZA_SECOND));
    fire(&t->timer);
    CHECK(tz_load_acquire(&t->timer.owner));
    CHECK_EQ(flag_get(&got), 0);
    CHECK(tuza_timer_reset(t, 0));
    EVENTUALLY(flag_get(&got) == 1);
    settle(1);
    CHECK(!tz_load_acquire(&t->timer.owner));
    tuza_timer_free(t);
}

/* TM-27: it is in a heap only while somebody waits. */
TEST(channel_heap)
{
    tuza_timer *t = tuza_ticker_new(TUZA_MILLISECOND);
    CHECK(!tz_load_acquire(&t->timer.owner));
    tuza_timer_reset(t, TUZA_MILLISECOND);
    CHECK(!tz_load_acquire(&t->timer.owner));
    CHECK(tuza_chan_recv(tuza_timer_chan(t), NULL));
    CHECK(!tz_load_acquire(&t->timer.owner));
    tuza_timer_free(t);
}

TEST(channel_freed)
{
    tuza_timer *t = with_receiver();
    tuza_chan *c = tuza_chan_ref(tuza_timer_chan(t));
    take_off(&t->timer);
    CHECK(tuza_timer_reset(t, 0));
    EVENTUALLY(flag_get(&got) == 1);
    settle(1);
    tuza_timer_free(t);
    tuza_chan_unref(c);
    fire(&t->timer); /* the last who has it */
    settle(1);
}

static tz_cancel *cancel_of(tuza_context *ctx)
{
    return ctx->cancel;
}

TEST(deadline_cancelled)
{
    tuza_context *ctx = tuza_context_with_timeout(tuza_context_background(), HOUR);
    take_off(&cancel_of(ctx)->timer);
    tuza_context_cancel(ctx);
    fire(&cancel_of(ctx)->timer);
    CHECK_EQ(tuza_context_err(ctx), -ECANCELED);
    tuza_context_unref(ctx);
}

TEST(deadline_freed)
{
    tuza_context *ctx = tuza_context_with_timeout(tuza_context_background(), HOUR);
    tuza_context *child = tuza_context_with_timeout(ctx, HOUR / 2);
    take_off(&cancel_of(child)->timer);
    tuza_context_unref(ctx);
    tuza_context_unref(child);
    fire(&cancel_of(child)->timer); /* frees both */
    settle(1);
}

TEST_MAIN_TUZA()
