/* SPDX-License-Identifier: BSD-3-Clause */
/* Fake time: contexts. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=1 TUZA_CHAOS=3 | env GOMAXPROCS=4 TUZA_CHAOS=4
#include <errno.h>

#include "help.h"

#define MS              TUZA_MILLISECOND
#define HOUR            (3600 * TUZA_SECOND)
#define Y2000           946684800000000000
#define BUBBLE(fn, arg) CHECK_EQ(tuza_bubble_run((fn), (arg)), 0)

typedef struct called {
    int n;
    int64_t at;
} called;

static void call(void *arg)
{
    called *c = arg;
    c->n++;
    c->at = tuza_now();
}

static void wait_done(void *arg)
{
    tuza_context *ctx = arg;
    CHECK(!tuza_chan_recv(tuza_context_done(ctx), NULL));
}

static void contexts(void *arg)
{
    (void)arg;
    tuza_context *ctx = tuza_context_with_timeout(tuza_context_background(), 5 * TUZA_SECOND);
    tuza_context *child = tuza_context_with_cancel(ctx);
    CHECK_EQ(tuza_context_deadline(child), Y2000 + 5 * TUZA_SECOND);
    called c = {0};
    tuza_timer *t = tuza_context_after_func(child, call, &c);
    GO(wait_done, child);
    tuza_sleep(5 * TUZA_SECOND - 1);
    tuza_bubble_wait();
    CHECK_EQ(tuza_context_err(ctx), 0);
    CHECK_EQ(c.n, 0);
    tuza_bubble_sleep(1);
    CHECK_EQ(tuza_context_err(ctx), -ETIMEDOUT);
    CHECK_EQ(tuza_context_err(child), -ETIMEDOUT);
    CHECK_EQ(c.n, 1);
    CHECK_EQ(c.at, Y2000 + 5 * TUZA_SECOND);
    tuza_timer_free(t);
    tuza_context_unref(child);
    tuza_context_unref(ctx);

    ctx = tuza_context_with_deadline(tuza_context_background(), Y2000 + HOUR);
    int64_t before = tuza_now();
    CHECK_EQ(tuza_context_sleep(ctx, TUZA_SECOND), 0);
    CHECK_EQ(tuza_now(), before + TUZA_SECOND);
    CHECK_EQ(tuza_context_sleep(ctx, 2 * HOUR), -ETIMEDOUT);
    CHECK_EQ(tuza_now(), Y2000 + HOUR);
    tuza_context_unref(ctx);
    ctx = tuza_context_with_deadline(tuza_context_background(), Y2000);
    CHECK_EQ(tuza_context_err(ctx), -ETIMEDOUT);
    tuza_context_unref(ctx);
}

/* ST-02, ST-03: the deadlines of contexts, and who waits for them. */
TEST(deadlines)
{
    BUBBLE(contexts, NULL);
}

static void under_outside_context(void *arg)
{
    tuza_context *ctx = tuza_context_with_timeout(arg, HOUR);
    CHECK_EQ(tuza_context_deadline(ctx), Y2000 + HOUR); /* not the one above, which is on another clock */
    CHECK_EQ(tuza_context_sleep(ctx, 10 * HOUR), -ECANCELED);
    CHECK_EQ(tuza_now(), Y2000);
    tuza_context_unref(ctx);
}

static void cancel_late(void *ctx)
{
    tuza_sleep(2 * MS);
    tuza_context_cancel(ctx);
}

/* ST-03: below a context from outside: it may be cancelled there, so time waits for that. */
TEST(outside_context)
{
    tuza_context *ctx = tuza_context_with_timeout(tuza_context_background(), HOUR);
    GO(cancel_late, ctx);
    BUBBLE(under_outside_context, ctx);
    settle(1);
    tuza_context_unref(ctx);
}

TEST_MAIN_TUZA()
