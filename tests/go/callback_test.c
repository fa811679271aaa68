/* SPDX-License-Identifier: BSD-3-Clause */
/* The ends of calls that timers and contexts make. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 TUZA_CHAOS=37
#include "go/help.h"

static int calls, calls_going;

static void slow_count(void *arg)
{
    tuza_sleep(TUZA_MILLISECOND);
    flag_add((int *)arg, 1);
}

static void defer_count(void *arg)
{
    tuza_defer(slow_count, arg);
    TUZA_DEFER(slow_count, arg);
    flag_add(&calls_going, 1);
}

static void defer_count_and_exit(void *arg)
{
    tuza_defer(slow_count, arg);
    flag_add(&calls_going, 1);
    slow_count(arg);
    tuza_goexit();
}

/* What a call has deferred is part of it. */
TEST(stop_wait_deferred)
{
    for (int i = 0; i < 8; i++) {
        calls = calls_going = 0;
        void (*fn)(void *) = i % 2 ? defer_count : defer_count_and_exit;
        tuza_context *done = tuza_context_with_cancel(tuza_context_background());
        tuza_context_cancel(done);
        tuza_timer *t = i < 4 ? tuza_after_func(0, fn, &calls) : tuza_context_after_func(done, fn, &calls);
        tuza_context_unref(done);
        EVENTUALLY(flag_get(&calls_going) == 1);
        CHECK(!tuza_timer_stop_wait(t));
        CHECK_EQ(flag_get(&calls), 2);
        tuza_timer_free(t);
    }
    settle(1);
}

TEST_MAIN_TUZA()
