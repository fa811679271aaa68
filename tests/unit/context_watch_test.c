/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is to be told that a context is done: src/context/context.h, from goroutines. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4 | env GOMAXPROCS=4 TUZA_CHAOS=11
#include "context/context.h"

#include <errno.h>

#include "../go/help.h"

typedef struct watcher {
    tz_context_node node;
    tuza_context *ctx;
    int told, err;
    int hold; /* done waits until this is 0 */
    bool again;
} watcher;

static void told(tz_context_node *n)
{
    watcher *w = (watcher *)(void *)n;
    w->err = tuza_context_err(w->ctx);
    if (w->again)
        tz_context_unwatch(w->ctx, n); /* in done itself: returns */
    flag_add(&w->told, 1);
    EVENTUALLY(!flag_get(&w->hold));
}

static watcher *watch(tuza_context *ctx, watcher *w)
{
    *w = (watcher){.node.done = told, .ctx = ctx};
    CHECK(tz_context_watch(ctx, &w->node));
    return w;
}

TEST(told_once)
{
    tuza_context *parent = tuza_context_with_cancel(tuza_context_background());
    tuza_context *ctx = tuza_context_with_cancel(parent);
    watcher w[4];
    for (int i = 0; i < 4; i++)
        watch(i % 2 ? ctx : parent, &w[i]);
    w[2].again = true;
    tz_context_unwatch(ctx, &w[1].node);
    tuza_context_cancel(parent);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(w[i].told, i != 1);
        CHECK_EQ(w[i].err, i != 1 ? -ECANCELED : 0);
    }
    CHECK(!tz_context_watch(ctx, &w[1].node));
    CHECK(!tz_context_unwatch_try(ctx, &w[0].node));
    tz_context_unwatch(ctx, &w[3].node);
    tuza_context_unref(parent);
    tuza_context_unref(ctx);
}

TEST(never_done)
{
    watcher w;
    watch(tuza_context_background(), &w);
    CHECK(tz_context_unwatch_try(tuza_context_background(), &w.node));
    watch(NULL, &w);
    tz_context_unwatch(NULL, &w.node);
}

TEST(unwatch_try)
{
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    watcher w;
    watch(ctx, &w);
    CHECK(tz_context_unwatch_try(ctx, &w.node));
    CHECK(!tz_context_unwatch_try(ctx, &w.node));
    tuza_context_unref(ctx); /* nothing is watched */
    CHECK_EQ(w.told, 0);
}

static void cancel(void *ctx)
{
    tuza_context_cancel(ctx);
    tuza_context_unref(ctx);
}

static int unwatched;
static void unwatch(void *arg)
{
    watcher *w = arg;
    tz_context_unwatch(w->ctx, &w->node);
    CHECK_EQ(flag_get(&w->hold), 0);
    flag_add(&unwatched, 1);
}

/* Who takes a node back waits for its done, and only for that. */
TEST(waits_for_done)
{
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    watcher a, b, c;
    watch(ctx, &a)->hold = 1;
    watch(ctx, &b);
    watch(ctx, &c);
    GO(cancel, tuza_context_ref(ctx));
    EVENTUALLY(flag_get(&a.told));
    unwatched = 0;
    GO(unwatch, &a);
    GO(unwatch, &a);
    tz_context_unwatch(ctx, &b.node); /* behind a, and taken back in time */
    for (int i = 0; i < 20; i++)
        tuza_gosched();
    tuza_sleep(5 * TUZA_MILLISECOND);
    CHECK_EQ(flag_get(&unwatched), 0);
    flag_set(&a.hold, 0);
    EVENTUALLY(flag_get(&unwatched) == 2);
    settle(1);
    CHECK_EQ(b.told, 0);
    CHECK_EQ(c.told, 1);
    tuza_context_unref(ctx);
}

/* By a deadline: in a goroutine. */
TEST(told_by_deadline)
{
    tuza_context *ctx, *child;
    watcher a, b;
    for (int64_t ns = TUZA_MILLISECOND;; ns *= 2) { /* until the machine is fast enough for that */
        ctx = tuza_context_with_timeout(tuza_context_background(), ns);
        child = tuza_context_with_cancel(ctx);
        a = (watcher){.node.done = told, .ctx = ctx, .hold = 1};
        b = (watcher){.node.done = told, .ctx = child};
        if (tz_context_watch(child, &b.node) && tz_context_watch(ctx, &a.node))
            break;
        tz_context_unwatch(child, &b.node);
        tuza_context_unref(child);
        tuza_context_unref(ctx);
    }
    EVENTUALLY(flag_get(&a.told));
    CHECK_EQ(a.err, -ETIMEDOUT);
    flag_set(&a.hold, 0);
    EVENTUALLY(flag_get(&b.told));
    tz_context_unwatch(ctx, &a.node);
    tz_context_unwatch(child, &b.node);
    settle(1);
    tuza_context_unref(child);
    tuza_context_unref(ctx);
}

static int rounds_over;
static void watch_and_unwatch(void *arg)
{
    for (int i = 0; i < 20; i++) {
        watcher w = {.node.done = told, .ctx = arg};
        if (!tz_context_watch(arg, &w.node))
            break;
        if (i % 3)
            tuza_gosched();
        tz_context_unwatch(arg, &w.node);
        memset(&w, 0x55, sizeof w); /* nobody is to look at it any more */
    }
    flag_add(&rounds_over, 1);
}

TEST(races)
{
    for (int i = 0; i < 500 / SCALE + 1; i++) {
        enum { N = 6 };
        rounds_over = 0;
        tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
        for (int k = 0; k < N; k++)
            GO(watch_and_unwatch, ctx);
        for (int k = i % 4; k > 0; k--)
            tuza_gosched();
        tuza_context_cancel(ctx);
        EVENTUALLY(flag_get(&rounds_over) == N);
        tuza_context_unref(ctx);
    }
}

TEST_MAIN_TUZA()
