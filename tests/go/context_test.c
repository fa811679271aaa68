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

#define CHAIN 300
static tuza_context *chain[CHAIN];

static void look_along(void *arg)
{
    waiter *w = arg;
    for (int i = 0; i < CHAIN;) {
        bool done = is_done(chain[i]);
        if (done && !tuza_context_err(chain[i]))
            flag_add(&w->bad, 1);
        if (!done && tuza_context_err(chain[i]) && !is_done(chain[i]))
            flag_add(&w->bad, 1);
        i += done;
    }
    flag_add(&w->woken, 1);
}

/* CX-10: done closed: there is an err; and the other way round. Looked at while a cancellation goes along. */
TEST(err_and_done)
{
    for (int round = 0; round < 30 / SCALE + 2; round++) {
        waiter w = {.bad = 0};
        for (int i = 0; i < CHAIN; i++) {
            chain[i] = tuza_context_with_cancel(i ? chain[i - 1] : tuza_context_background());
            tuza_context_done(chain[i]);
        }
        for (int i = 0; i < 2; i++)
            GO(look_along, &w);
        tuza_gosched();
        tuza_context_cancel(chain[0]);
        EVENTUALLY(flag_get(&w.woken) == 2);
        CHECK_EQ(w.bad, 0);
        settle(1);
        for (int i = 0; i < CHAIN; i++)
            tuza_context_unref(chain[i]);
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

#define MS   TUZA_MILLISECOND
#define HOUR (3600 * TUZA_SECOND)

/* CX-08: a deadline, in the past too; the parent's where that is earlier; cancelled before. */
TEST(deadlines)
{
    tuza_context *bg = tuza_context_background();
    int64_t before = tuza_now();
    tuza_context *ctx = tuza_context_with_timeout(bg, 3 * MS);
    int64_t when = tuza_context_deadline(ctx);
    CHECK(when >= before + 3 * MS && when <= tuza_now() + 3 * MS);
    CHECK(!tuza_chan_recv(tuza_context_done(ctx), NULL));
    CHECK(tuza_now() >= when);
    check_done(ctx, -ETIMEDOUT);
    CHECK_EQ(tuza_context_cause(ctx), -ETIMEDOUT);
    tuza_context_cancel(ctx);
    check_done(ctx, -ETIMEDOUT);
    tuza_context_unref(ctx);

    const int64_t past[] = {0, -1, 1, INT64_MIN, before};
    for (int i = 0; i < 5; i++) {
        ctx = tuza_context_with_deadline(bg, past[i]);
        check_done(ctx, -ETIMEDOUT);
        tuza_context_unref(ctx);
    }
    ctx = tuza_context_with_timeout(bg, 0);
    check_done(ctx, -ETIMEDOUT);
    tuza_context *child = tuza_context_with_timeout(ctx, HOUR);
    check_done(child, -ETIMEDOUT);
    tuza_context_unref(ctx);
    tuza_context_unref(child);

    ctx = tuza_context_with_timeout(bg, HOUR);
    child = tuza_context_with_timeout(ctx, 2 * HOUR);
    CHECK_EQ(tuza_context_deadline(child), tuza_context_deadline(ctx));
    tuza_context *early = tuza_context_with_timeout(ctx, 2 * MS);
    CHECK(tuza_context_deadline(early) < tuza_context_deadline(ctx));
    tuza_context *value = tuza_context_with_value(early, &ctx, NULL);
    CHECK_EQ(tuza_context_deadline(value), tuza_context_deadline(early));
    tuza_context *below = tuza_context_with_cancel(early);
    CHECK_EQ(tuza_context_deadline(below), tuza_context_deadline(early));
    CHECK(!tuza_chan_recv(tuza_context_done(below), NULL));
    check_done(below, -ETIMEDOUT);
    check_done(early, -ETIMEDOUT);
    check_open(ctx);
    check_open(child);
    tuza_context_cancel(ctx);
    check_done(child, -ECANCELED);
    check_done(below, -ETIMEDOUT);
    tuza_context_unref(below);
    tuza_context_unref(value);
    tuza_context_unref(early);
    tuza_context_unref(child);
    tuza_context_unref(ctx);

    ctx = tuza_context_with_timeout(bg, INT64_MAX); /* never */
    CHECK_EQ(tuza_context_deadline(ctx), 0);
    check_open(ctx);
    child = tuza_context_without_cancel(ctx);
    CHECK_EQ(tuza_context_deadline(child), 0);
    CHECK_EQ(tuza_context_deadline(bg) + tuza_context_deadline(NULL), 0);
    tuza_context_unref(child);
    tuza_context_unref(ctx);
}

/* The last unref stops the timer: also where that is just firing. */
TEST(deadline_unref)
{
    for (int i = 0; i < 3000 / SCALE + 1; i++) {
        tuza_context *ctx = tuza_context_with_timeout(tuza_context_background(), i % 40 * TUZA_MICROSECOND);
        tuza_context *child = tuza_context_with_timeout(ctx, i % 30 * TUZA_MICROSECOND);
        tuza_context_unref(ctx);
        if (i % 3 == 0)
            tuza_sleep(i % 50 * TUZA_MICROSECOND);
        if (i % 5 == 0)
            tuza_context_cancel(child);
        tuza_context_unref(child);
        tuza_context_unref(tuza_context_with_timeout(tuza_context_background(), HOUR));
    }
    settle(1);
}

/* The same for many that are due at the same time, while somebody fires them. */
TEST(deadline_unref_many)
{
    enum { N = 64 };
    for (int round = 0; round < 200 / SCALE + 2; round++) {
        tuza_context *ctx[N];
        int64_t when = tuza_now() + 300 * TUZA_MICROSECOND;
        for (int i = 0; i < N; i++)
            ctx[i] = tuza_context_with_deadline(tuza_context_background(), when);
        if (round % 2)
            tuza_sleep(when - tuza_now() - 20 * TUZA_MICROSECOND);
        SPIN_UNTIL(tuza_now() >= when);
        for (int i = 0; i < N; i++)
            tuza_context_unref(ctx[N - 1 - i]);
    }
    settle(1);
}

static int calls, calls_going, release;
static void count(void *arg)
{
    flag_add((int *)arg, 1);
}
static void hold(void *arg)
{
    flag_add(&calls_going, 1);
    EVENTUALLY(flag_get(&release));
    flag_add((int *)arg, 1);
}

/* CX-12: called once, in a goroutine of its own, after cancel, timeout, or at once; stop's results. */
TEST(after_func)
{
    tuza_context *bg = tuza_context_background();
    tuza_context *ctx = tuza_context_with_cancel(bg);
    calls = calls_going = release = 0;
    tuza_timer *a = tuza_context_after_func(ctx, count, &calls),
               *b = tuza_context_after_func(ctx, count, &calls),
               *c = tuza_context_after_func(ctx, hold, &calls);
    CHECK(tuza_timer_chan(a) == NULL);
    CHECK(tuza_timer_stop(b));
    CHECK(!tuza_timer_stop(b));
    CHECK_EQ(flag_get(&calls), 0);
    tuza_context_cancel(ctx); /* does not wait for what is called */
    EVENTUALLY(flag_get(&calls) == 1 && flag_get(&calls_going) == 1);
    CHECK(!tuza_timer_stop(a));
    CHECK(!tuza_timer_stop(c));
    flag_set(&release, 1);
    CHECK(!tuza_timer_stop_wait(c));
    CHECK_EQ(flag_get(&calls), 2);
    tuza_timer *d = tuza_context_after_func(ctx, count, &calls); /* done already */
    EVENTUALLY(flag_get(&calls) == 3);
    CHECK(!tuza_timer_reset(d, 0)); /* an ordinary one from here on */
    EVENTUALLY(flag_get(&calls) == 4);
    tuza_context_unref(ctx);
    tuza_timer_free(a);
    tuza_timer_free(b);
    tuza_timer_free(c);
    tuza_timer_free(d);

    ctx = tuza_context_with_timeout(bg, MS);
    tuza_timer_detach(tuza_context_after_func(ctx, count, &calls));
    tuza_context_unref(ctx); /* held */
    EVENTUALLY(flag_get(&calls) == 5);

    a = tuza_context_after_func(bg, count, &calls);
    b = tuza_context_after_func(NULL, count, &calls);
    CHECK(tuza_timer_stop(a) && !tuza_timer_stop(a));
    CHECK(tuza_timer_reset(b, 0));
    EVENTUALLY(flag_get(&calls) == 6);
    tuza_timer_free(a);
    tuza_timer_free(b);

    ctx = tuza_context_with_cancel(bg);
    a = tuza_context_after_func(ctx, count, &calls);
    CHECK(tuza_timer_reset(a, HOUR)); /* is not the context's any more */
    tuza_context_cancel(ctx);
    CHECK(tuza_timer_stop_wait(a));
    CHECK_EQ(flag_get(&calls), 6);
    tuza_timer_free(a);
    tuza_context_unref(ctx);
    settle(1);
}

static void cancel_it(void *ctx)
{
    tuza_context_cancel(ctx);
    tuza_context_unref(ctx);
}

/* CX-12: stopped, moved and freed while the context is cancelled. */
TEST(after_func_races)
{
    for (int i = 0; i < 2000 / SCALE + 1; i++) {
        tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
        int *mine = calloc(1, sizeof *mine);
        tuza_timer *t = tuza_context_after_func(ctx, count, mine);
        GO(cancel_it, ctx);
        for (int k = i % 4; k > 0; k--)
            tuza_gosched();
        bool prevented = i % 3 == 0 && tuza_timer_stop(t);
        prevented |= tuza_timer_stop_wait(t);
        CHECK_EQ(flag_get(mine), !prevented);
        tuza_timer_free(t);
        free(mine);
    }
    settle(1);
}

TEST_MAIN_TUZA()
