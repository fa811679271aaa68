/* SPDX-License-Identifier: BSD-3-Clause */
/* Contexts: what ends them, in which order, and what stays as it was. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4 | env GOMAXPROCS=1 TUZA_CHAOS=5 | env GOMAXPROCS=4 TUZA_CHAOS=6
#include <errno.h>

#include "help.h"

static bool is_done(tuza_context *ctx)
{
    bool ok = true;
    bool closed = tuza_chan_try_recv(tuza_context_done(ctx), NULL, &ok);
    CHECK(!closed || !ok);
    return closed;
}

static void check_open(tuza_context *ctx)
{
    CHECK(!is_done(ctx));
    CHECK_EQ(tuza_context_err(ctx), 0);
    CHECK_EQ(tuza_context_cause(ctx), 0);
}

static void check_done(tuza_context *ctx, int err)
{
    CHECK(is_done(ctx));
    CHECK(!tuza_chan_recv(tuza_context_done(ctx), NULL));
    CHECK_EQ(tuza_context_err(ctx), err);
}

/* CX-02: the background is never done; no context is a NULL one. */
TEST(background)
{
    tuza_context *bg = tuza_context_background();
    CHECK(bg != NULL && bg == tuza_context_background());
    CHECK(tuza_context_ref(bg) == bg);
    tuza_context_unref(bg);
    tuza_context_unref(bg);
    tuza_context_unref(NULL);
    CHECK(tuza_context_done(bg) == NULL && tuza_context_done(NULL) == NULL);
    CHECK(tuza_context_ref(NULL) == NULL);
    CHECK_EQ(tuza_context_err(bg), 0);
    CHECK_EQ(tuza_context_err(NULL), 0);
    CHECK_EQ(tuza_context_cause(NULL), 0);
    CHECK(tuza_context_value(bg, bg) == NULL && tuza_context_value(NULL, bg) == NULL);
}

/* CX-03, CX-06, CX-09: cancel, once and again; its channel is always the same one. */
TEST(with_cancel)
{
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    tuza_chan *done = tuza_context_done(ctx);
    CHECK(done != NULL && done == tuza_context_done(ctx));
    CHECK_EQ(tuza_chan_elem_size(done), 0u);
    CHECK_EQ(tuza_chan_cap(done), 0u);
    check_open(ctx);
    tuza_context_cancel(ctx);
    check_done(ctx, -ECANCELED);
    CHECK_EQ(tuza_context_cause(ctx), -ECANCELED);
    tuza_context_cancel(ctx);
    check_done(ctx, -ECANCELED);
    CHECK(done == tuza_context_done(ctx));
    tuza_context_unref(ctx);
    /* Nobody asked for the channel before. */
    ctx = tuza_context_with_cancel(tuza_context_background());
    tuza_context_cancel(ctx);
    check_done(ctx, -ECANCELED);
    tuza_context_unref(ctx);
}

/* CX-03, CX-07: all that is derived is done when cancel returns, through values too;
 * what is derived later is at once. */
TEST(layers)
{
    static int key;
    tuza_context *ctx[20];
    ctx[0] = tuza_context_with_cancel(tuza_context_background());
    for (int i = 1; i < 20; i++) {
        tuza_context *parent = ctx[i > 10 ? 3 : i - 1];
        ctx[i] =
            i % 3 == 1 ? tuza_context_with_value(parent, &key, &ctx[i]) : tuza_context_with_cancel(parent);
    }
    for (int i = 0; i < 20; i += 2)
        check_open(ctx[i]);
    tuza_context_cancel_cause(ctx[0], 77);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(tuza_context_err(ctx[i]), -ECANCELED);
        CHECK_EQ(tuza_context_cause(ctx[i]), 77);
        check_done(ctx[i], -ECANCELED);
    }
    tuza_context *late = tuza_context_with_cancel(ctx[19]);
    check_done(late, -ECANCELED);
    CHECK_EQ(tuza_context_cause(late), 77);
    tuza_context_unref(late);
    for (int i = 0; i < 20; i++)
        tuza_context_unref(ctx[i]);
}

/* CX-04: to cancel a child leaves the others alone, and takes it off its parent. */
TEST(children_first)
{
    tuza_context *parent = tuza_context_with_cancel(tuza_context_background());
    tuza_context *a = tuza_context_with_cancel(parent), *b = tuza_context_with_cancel(parent),
                 *c = tuza_context_with_cancel(parent);
    tuza_context_cancel_cause(b, 5);
    check_done(b, -ECANCELED);
    check_open(parent);
    check_open(a);
    check_open(c);
    tuza_context_unref(b);
    tuza_context_unref(a); /* does not cancel, nor hang on */
    check_open(parent);
    tuza_context_cancel_cause(parent, 6);
    check_done(c, -ECANCELED);
    CHECK_EQ(tuza_context_cause(c), 6);
    tuza_context_unref(c);
    tuza_context_unref(parent);
}

/* CX-05, CX-06: the first one wins, for err and cause; the nearest explicit cause. */
TEST(causes)
{
    tuza_context *parent = tuza_context_with_cancel(tuza_context_background());
    tuza_context *child = tuza_context_with_cancel(parent);
    tuza_context_cancel_cause(child, -EPIPE);
    tuza_context_cancel_cause(parent, -EIO);
    tuza_context_cancel_cause(child, 1);
    tuza_context_cancel(parent);
    CHECK_EQ(tuza_context_cause(child), -EPIPE);
    CHECK_EQ(tuza_context_cause(parent), -EIO);
    tuza_context_unref(child);
    tuza_context_unref(parent);
}

/* A derived context holds its parent, which may be let go of first: 100,000 levels of both kinds
 * are ended and freed without recursion. */
TEST(deep)
{
    static int key;
    tuza_context *top = tuza_context_with_cancel(tuza_context_background()), *ctx = tuza_context_ref(top);
    for (int i = 0; i < 100000 / SCALE; i++) {
        tuza_context *next = i % 2 ? tuza_context_with_cancel(ctx) : tuza_context_with_value(ctx, &key, &key);
        tuza_context_unref(ctx);
        ctx = next;
    }
    CHECK(tuza_context_value(ctx, &top) == NULL);
    check_open(ctx);
    tuza_context_cancel(top);
    check_done(ctx, -ECANCELED);
    tuza_context_unref(top);
    tuza_context_unref(ctx);
}

static int freed[3];
static void free_value(void *value)
{
    (*(int *)value)++;
}

/* CX-11: values, the nearest one of a key; freed with the last reference, children included. */
TEST(values)
{
    static int a, b, c;
    tuza_context *one = tuza_context_with_value_free(tuza_context_background(), &a, &freed[0], free_value);
    tuza_context *two = tuza_context_with_value_free(one, &b, &freed[1], free_value);
    tuza_context *three = tuza_context_with_value_free(two, &a, &freed[2], free_value);
    tuza_context *four = tuza_context_with_value(three, &b, NULL);
    CHECK(tuza_context_value(one, &a) == &freed[0] && tuza_context_value(one, &b) == NULL);
    CHECK(tuza_context_value(two, &a) == &freed[0] && tuza_context_value(two, &b) == &freed[1]);
    CHECK(tuza_context_value(three, &a) == &freed[2] && tuza_context_value(three, &b) == &freed[1]);
    CHECK(tuza_context_value(four, &b) == NULL); /* it hides the other */
    CHECK(tuza_context_value(four, &c) == NULL && tuza_context_value(four, NULL) == NULL);
    CHECK(tuza_context_done(four) == NULL); /* nothing above it can end */
    CHECK_EQ(tuza_context_err(four), 0);
    tuza_context_unref(one);
    tuza_context_unref(two);
    tuza_context_unref(three);
    CHECK_EQ(freed[0] + freed[1] + freed[2], 0);
    tuza_context *copy = tuza_context_ref(four);
    tuza_context_unref(four);
    CHECK_EQ(freed[2], 0);
    tuza_context_unref(copy);
    CHECK_EQ(freed[0], 1);
    CHECK_EQ(freed[1], 1);
    CHECK_EQ(freed[2], 1);
}

/* A value's context is done with its parent, and cancels it. */
TEST(value_cancels)
{
    static int key;
    tuza_context *parent = tuza_context_with_cancel(tuza_context_background());
    tuza_context *ctx = tuza_context_with_value(parent, &key, &key);
    CHECK(tuza_context_done(ctx) == tuza_context_done(parent));
    tuza_context_unref(parent);
    tuza_context_cancel(ctx);
    check_done(ctx, -ECANCELED);
    tuza_context_unref(ctx);
}

/* CX-11 */
TEST(without_cancel)
{
    static int key;
    tuza_context *parent = tuza_context_with_cancel(tuza_context_background());
    tuza_context *with = tuza_context_with_value(parent, &key, &key);
    tuza_context *ctx = tuza_context_without_cancel(with);
    tuza_context *child = tuza_context_with_cancel(ctx);
    tuza_context_cancel(parent);
    CHECK(tuza_context_done(ctx) == NULL);
    CHECK_EQ(tuza_context_err(ctx), 0);
    check_open(child);
    CHECK(tuza_context_value(child, &key) == &key);
    tuza_context_cancel(child);
    check_done(child, -ECANCELED);
    tuza_context_unref(parent);
    tuza_context_unref(with);
    tuza_context_unref(ctx);
    tuza_context_unref(child);
}

typedef struct waiter {
    tuza_context *ctx;
    int woken;
    int bad;
} waiter;

static void wait_done(void *arg)
{
    waiter *w = arg;
    if (tuza_chan_recv(tuza_context_done(w->ctx), NULL) || tuza_context_err(w->ctx) != -ECANCELED)
        flag_add(&w->bad, 1);
    flag_add(&w->woken, 1);
}

/* CX-03: goroutines blocked on done are woken, each finds its err (CX-10). */
TEST(wakes_waiters)
{
    enum { N = 50 };
    tuza_context *parent = tuza_context_with_cancel(tuza_context_background());
    tuza_context *child = tuza_context_with_cancel(parent);
    waiter w[2] = {{.ctx = parent}, {.ctx = child}};
    for (int i = 0; i < N; i++)
        GO(wait_done, &w[i % 2]);
    tuza_gosched();
    tuza_context_cancel(parent);
    EVENTUALLY(flag_get(&w[0].woken) + flag_get(&w[1].woken) == N);
    CHECK_EQ(w[0].bad + w[1].bad, 0);
    settle(1);
    tuza_context_unref(parent);
    tuza_context_unref(child);
}

static tuza_context *many[40];
static int go, over, wrong;

static void cancel_one(void *arg)
{
    int i = (int)(intptr_t)arg;
    SPIN_UNTIL(flag_get(&go));
    tuza_context_cancel_cause(many[i % 4], i + 1);
    for (int k = i % 4; k < 40; k++) /* all below it, whoever has cancelled it */
        if (tuza_context_err(many[k]) != -ECANCELED || !is_done(many[k]))
            flag_add(&wrong, 1);
    flag_add(&over, 1);
}

/* CX-03, CX-05, CX-09: cancelled from many goroutines at once: whoever returns finds all of it done. */
TEST(simultaneous)
{
    for (int round = 0; round < 100 / SCALE + 2; round++) {
        enum { N = 8 };
        go = over = 0;
        for (int i = 0; i < 40; i++)
            many[i] = tuza_context_with_cancel(i ? many[i - 1] : tuza_context_background());
        for (int i = 0; i < N; i++)
            GO(cancel_one, (void *)(intptr_t)i);
        flag_set(&go, 1);
        EVENTUALLY(flag_get(&over) == N);
        CHECK_EQ(wrong, 0);
        int cause = tuza_context_cause(many[0]);
        CHECK(cause > 0 && cause <= N && cause % 4 == 1);
        for (int i = 0; i < 40; i++)
            tuza_context_unref(many[i]);
        settle(1);
    }
}

static void race_done_err(void *arg)
{
    waiter *w = arg;
    while (!is_done(w->ctx)) {
        if (tuza_context_err(w->ctx) && !is_done(w->ctx)) /* err before done was closed */
            flag_add(&w->bad, 1);
    }
    if (!tuza_context_err(w->ctx))
        flag_add(&w->bad, 1);
    flag_add(&w->woken, 1);
}

/* CX-10: done closed: there is an err; and the other way round. */
TEST(err_and_done)
{
    for (int round = 0; round < 30 / SCALE + 2; round++) {
        waiter w = {.ctx = tuza_context_with_cancel(tuza_context_background())};
        tuza_context_done(w.ctx);
        for (int i = 0; i < 3; i++)
            GO(race_done_err, &w);
        tuza_gosched();
        tuza_context_cancel(w.ctx);
        EVENTUALLY(flag_get(&w.woken) == 3);
        CHECK_EQ(w.bad, 0);
        settle(1);
        tuza_context_unref(w.ctx);
    }
}

static tuza_context *shared;
static void derive(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000 / SCALE; i++) {
        tuza_context *ctx = tuza_context_with_cancel(shared);
        tuza_context *below = tuza_context_with_cancel(ctx);
        tuza_context_done(below);
        tuza_context_unref(ctx);
        if (i % 3 == 0)
            tuza_context_cancel(ctx = below);
        tuza_context_unref(below);
    }
    flag_add(&over, 1);
}

/* CX-04, CX-09: derived, cancelled and let go of while the one above is cancelled. */
TEST(churn)
{
    over = 0;
    shared = tuza_context_with_cancel(tuza_context_background());
    for (int i = 0; i < 4; i++)
        GO(derive, NULL);
    tuza_sleep(2 * TUZA_MILLISECOND);
    tuza_context_cancel(shared);
    EVENTUALLY(flag_get(&over) == 4);
    settle(1);
    tuza_context_unref(shared);
}

TEST_MAIN_TUZA()
