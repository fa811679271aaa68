/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers and contexts in a program that has its own main, from before the runtime's first thread to after its
 * last. */
#include <errno.h>
#include <sys/wait.h>

#include "help.h"

static int calls;
static void count(void *arg)
{
    flag_add((int *)arg, 1);
}

/* Making and stopping timers with a channel, and contexts, starts nothing: the process may still fork. */
TEST(before_the_start)
{
    tuza_timer *t = tuza_timer_new(0);
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    CHECK(try_recv(tuza_timer_chan(t), NULL));
    tuza_timer_reset(t, TUZA_MILLISECOND);
    tuza_context_cancel(ctx);
    CHECK(!tuza_chan_recv(tuza_context_done(ctx), NULL));
    pid_t child = HELP_TSAN ? -1 : fork(); /* ThreadSanitizer has a thread of its own: no forks then */
    if (child == 0) {
        int n = 0;
        tuza_timer *f = tuza_after_func(TUZA_MILLISECOND, count, &n);
        bool ok = tuza_chan_recv(tuza_timer_chan(t), NULL);
        SPIN_UNTIL(flag_get(&n) == 1);
        tuza_timer_free(f);
        _exit(ok ? 0 : 1);
    }
    int status;
    CHECK(HELP_TSAN || (waitpid(child, &status, 0) == child && status == 0));
    CHECK(tuza_chan_recv(tuza_timer_chan(t), NULL)); /* the first wait starts the threads */
    tuza_timer_free(t);
    tuza_context_unref(ctx);
}

/* What was set before a fork comes in the child as well; a context's end is no exception. */
TEST(a_timeout_crosses_a_fork)
{
    tuza_context *ctx = tuza_context_with_timeout(tuza_context_background(), 50 * TUZA_MILLISECOND);
    pid_t child = HELP_FORKS ? fork() : -1;
    if (child == 0) {
        bool ok = tuza_context_sleep(ctx, 3600 * TUZA_SECOND) == -ETIMEDOUT;
        tuza_context_unref(ctx);
        _exit(ok ? 0 : 1);
    }
    int status;
    CHECK(!HELP_FORKS || (waitpid(child, &status, 0) == child && status == 0));
    CHECK_EQ(tuza_context_sleep(ctx, 3600 * TUZA_SECOND), -ETIMEDOUT);
    tuza_context_unref(ctx);
}

/* Nobody waits in tuza: the threads come with the timer. */
TEST(fires_on_its_own)
{
    CHECK_EQ(tuza_start(NULL), 0);
    CHECK_EQ(tuza_stop(0), 0); /* none is left of the test before */
    calls = 0;
    tuza_timer *f = tuza_after_func(TUZA_MILLISECOND, count, &calls);
    SPIN_UNTIL(flag_get(&calls) == 1);
    tuza_timer_free(f);
    CHECK_EQ(tuza_start(NULL), 0);
    CHECK_EQ(tuza_stop(0), 0);
    tuza_context *ctx = tuza_context_with_timeout(tuza_context_background(), TUZA_MILLISECOND);
    SPIN_UNTIL(tuza_context_err(ctx) == -ETIMEDOUT);
    tuza_context_unref(ctx);
}

/* What is set when the runtime stops does not hold that up; it may be freed meanwhile, and fires after the
 * next start. */
TEST(across_a_stop)
{
    calls = 0;
    CHECK_EQ(tuza_start(NULL), 0);
    tuza_timer *f = tuza_after_func(3600 * TUZA_SECOND, count, &calls);
    tuza_timer *g = tuza_after_func(50 * TUZA_MILLISECOND, count, &calls);
    tuza_context *ctx = tuza_context_with_timeout(tuza_context_background(), 3600 * TUZA_SECOND);
    CHECK_EQ(tuza_stop(0), 0);
    CHECK(tuza_timer_stop(f));
    tuza_timer_free(f);
    tuza_context_unref(ctx);
    CHECK_EQ(tuza_start(NULL), 0);
    tuza_timer *t = tuza_timer_new(60 * TUZA_MILLISECOND);
    CHECK(tuza_chan_recv(tuza_timer_chan(t), NULL));
    SPIN_UNTIL(flag_get(&calls) == 1);
    tuza_timer_free(t);
    tuza_timer_free(g);
    CHECK_EQ(tuza_stop(0), 0);
}

/* Timers that are set, or set anew, after a start fire without another call. */
TEST(after_a_start)
{
    calls = 0;
    CHECK_EQ(tuza_start(NULL), 0);
    tuza_timer *pending = tuza_after_func(100 * TUZA_MILLISECOND, count, &calls);
    tuza_timer *f = tuza_after_func(3600 * TUZA_SECOND, count, &calls);
    CHECK_EQ(tuza_stop(0), 0);
    CHECK_EQ(tuza_start(NULL), 0);
    SPIN_UNTIL(flag_get(&calls) == 1);
    tuza_timer_free(pending);
    CHECK(tuza_timer_stop(f));
    CHECK_EQ(tuza_stop(0), 0);
    CHECK_EQ(tuza_start(NULL), 0);
    tuza_timer_reset(f, TUZA_MILLISECOND);
    SPIN_UNTIL(flag_get(&calls) == 2);
    tuza_timer_free(f);
    CHECK_EQ(tuza_stop(0), 0);
}

TEST_MAIN()
