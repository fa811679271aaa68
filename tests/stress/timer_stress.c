/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers and contexts under load, against a model.
 *
 * Functions: workers set, move, stop, free and make timers anew at random,
 * each timer under a lock of its own. Every set is one call, unless a stop or
 * a reset says that it prevented it: the three counts must come out even when
 * nothing is left to come. No call comes before the earliest time that it
 * can be for.
 *
 * Channels: the same with receivers that wait for the values. A worker that
 * receives itself, with nobody else there, knows what it must find.
 *
 * Contexts: goroutines derive from each other's contexts, let them end in
 * every way, and check that what is below is done too. Functions of contexts
 * are counted as those of timers.
 */
// ctest: timeout 900 | env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=1 TUZA_CHAOS=1 | env GOMAXPROCS=2 TUZA_CHAOS=2 | env GOMAXPROCS=8 TUZA_CHAOS=3
#include <errno.h>

#include "stress/stress.h"

#define US   TUZA_MICROSECOND
#define HOUR (3600 * TUZA_SECOND)

enum { WORKERS = 6, TIMERS = 64 };

/* A lock: the token is in the channel while nobody has it. */
static tuza_chan *make_lock(void)
{
    tuza_chan *c = tuza_chan_make(0, 1);
    tuza_chan_send(c, NULL);
    return c;
}

static int64_t random_ns(stress_random *r)
{
    static const int64_t from[] = {-1, 0, US, 20 * US, 200 * US, 2000 * US, HOUR, INT64_MAX};
    int64_t ns = from[stress_next(r, 8)];
    return ns > 0 && ns < HOUR ? ns + stress_next(r, (uint32_t)ns) : ns;
}

static int64_t due_after(int64_t now, int64_t ns)
{
    int64_t due;
    return ns <= 0 ? now : __builtin_add_overflow(now, ns, &due) ? INT64_MAX : due;
}

static long ops, over;

typedef struct func {
    tuza_chan *lock;
    tuza_timer *t;
    long sets, prevented, calls;
    int64_t earliest; /* of the sets whose calls may be to come */
} func;
static func funcs[TIMERS];

static void call(void *arg)
{
    func *f = arg;
    CHECK(tuza_now() >= flag_get(&f->earliest));
    flag_add(&f->calls, 1);
}

/* Before the set: its call may come at once. */
static void will_be_due(func *f, int64_t ns)
{
    int64_t due = due_after(tuza_now(), ns);
    if (due < f->earliest)
        flag_set(&f->earliest, due);
    f->sets++;
}

/* When it has returned no call is to come. */
static void stop_and_look(func *f)
{
    f->prevented += tuza_timer_stop_wait(f->t);
    CHECK_EQ(flag_get(&f->calls) + f->prevented, f->sets);
    flag_set(&f->earliest, INT64_MAX);
}

static void use_func(func *f, stress_random *r)
{
    int64_t ns = random_ns(r);
    switch (stress_next(r, 8)) {
    case 0:
        stop_and_look(f);
        break;
    case 1:
        f->prevented += tuza_timer_stop(f->t);
        break;
    case 2:
        stop_and_look(f);
        tuza_timer_free(f->t);
        will_be_due(f, ns);
        f->t = tuza_after_func(ns, call, f);
        break;
    default:
        will_be_due(f, ns);
        f->prevented += tuza_timer_reset(f->t, ns);
    }
}

static void func_worker(void *arg)
{
    stress_random r = stress_start((uint64_t)(uintptr_t)arg);
    for (long i = 0; i < ops; i++) {
        func *f = &funcs[stress_next(&r, TIMERS)];
        tuza_chan_recv(f->lock, NULL);
        use_func(f, &r);
        tuza_chan_send(f->lock, NULL);
        if (stress_next(&r, 50) == 0)
            tuza_sleep(stress_next(&r, 100) * US);
    }
    flag_add(&over, 1);
}

TEST(functions)
{
    ops = stress_amount(200000);
    for (int i = 0; i < TIMERS; i++) {
        funcs[i] = (func){.lock = make_lock(), .earliest = INT64_MAX, .sets = 1};
        funcs[i].t = tuza_after_func(HOUR, call, &funcs[i]);
    }
    over = 0;
    for (int i = 0; i < WORKERS; i++)
        GO(func_worker, (void *)(intptr_t)(i + 1));
    settle_slowly();
    CHECK_EQ(over, WORKERS);
    for (int i = 0; i < TIMERS; i++) {
        stop_and_look(&funcs[i]);
        tuza_timer_free(funcs[i].t);
        tuza_chan_unref(funcs[i].lock);
    }
}

typedef struct channel {
    tuza_chan *lock;
    tuza_timer *t;
    bool shared; /* receivers wait for it */
    bool set;
    int64_t due_min, due_max;
    long sets, prevented, got;
} channel;
static channel channels[TIMERS];
static long receivers_end;

static void set_channel(channel *c, int64_t ns)
{
    c->sets++;
    c->due_min = due_after(tuza_now(), ns);
    bool was = tuza_timer_reset(c->t, ns);
    c->due_max = due_after(tuza_now(), ns);
    c->prevented += was;
    CHECK(c->shared || was == c->set);
    c->set = true;
}

static void stop_channel(channel *c)
{
    bool was = tuza_timer_stop(c->t);
    c->prevented += was;
    CHECK(c->shared || was == c->set);
    c->set = false;
}

/* By a worker that has the timer for itself. */
static void receive(channel *c, bool wait)
{
    int64_t v = 0, before = tuza_now();
    bool got = wait && c->set && c->due_max < before + 10000 * US ? tuza_chan_recv(tuza_timer_chan(c->t), &v)
                                                                  : try_recv(tuza_timer_chan(c->t), &v);
    int64_t now = tuza_now();
    if (got) {
        CHECK(c->set);
        CHECK(v >= c->due_min && v <= c->due_max && v <= now);
        c->set = false;
        c->got++;
    } else {
        CHECK(!c->set || c->due_max > before);
    }
}

static void channel_worker(void *arg)
{
    stress_random r = stress_start((uint64_t)(uintptr_t)arg);
    for (long i = 0; i < ops; i++) {
        channel *c = &channels[stress_next(&r, TIMERS)];
        tuza_chan_recv(c->lock, NULL);
        uint32_t what = stress_next(&r, 8);
        if (what == 0)
            stop_channel(c);
        else if (what < 4 && !c->shared)
            receive(c, what == 1);
        else
            set_channel(c, random_ns(&r));
        if (!c->shared && stress_next(&r, 8) == 0) {
            stop_channel(c);
            tuza_timer_free(c->t);
            c->t = tuza_timer_new(HOUR);
            c->sets++;
            c->set = true;
            c->due_min = c->due_max = tuza_now() + HOUR - US; /* not to be seen */
        }
        tuza_chan_send(c->lock, NULL);
        if (stress_next(&r, 50) == 0)
            tuza_sleep(stress_next(&r, 100) * US);
    }
    flag_add(&over, 1);
}

static void receiver(void *arg)
{
    channel *c = arg;
    while (!flag_get(&receivers_end)) {
        int64_t v;
        CHECK(tuza_chan_recv(tuza_timer_chan(c->t), &v));
        CHECK(v <= tuza_now());
        flag_add(&c->got, 1);
    }
    flag_add(&over, 1);
}

TEST(channels_and_receivers)
{
    ops = stress_amount(60000);
    over = receivers_end = 0;
    for (int i = 0; i < TIMERS; i++) {
        channels[i] = (channel){.lock = make_lock(), .t = tuza_timer_new(HOUR), .sets = 1, .set = true};
        channels[i].due_min = channels[i].due_max = INT64_MAX;
        channels[i].shared = i % 2;
        for (int k = 0; k < 2 && channels[i].shared; k++)
            GO(receiver, &channels[i]);
    }
    for (int i = 0; i < WORKERS; i++)
        GO(channel_worker, (void *)(intptr_t)(i + 1));
    double end = tz_test_seconds() + 800;
    while (flag_get(&over) < WORKERS) {
        CHECK(tz_test_seconds() < end);
        tuza_sleep(TUZA_MILLISECOND);
    }
    for (int i = 0; i < TIMERS; i++) {
        stop_channel(&channels[i]);
        EVENTUALLY(flag_get(&channels[i].got) + channels[i].prevented == channels[i].sets);
        CHECK(!try_recv(tuza_timer_chan(channels[i].t), NULL));
    }
    flag_set(&receivers_end, 1);
    while (tuza_num_goroutine() > 1) {
        CHECK(tz_test_seconds() < end);
        for (int i = 1; i < TIMERS; i += 2)
            tuza_timer_reset(channels[i].t, 0);
        tuza_sleep(TUZA_MILLISECOND);
    }
    for (int i = 0; i < TIMERS; i++) {
        tuza_timer_free(channels[i].t);
        tuza_chan_unref(channels[i].lock);
    }
}

static tuza_timer *ticker;
static int64_t period;
static void tick(void *arg)
{
    (void)arg;
    int64_t v, last = 0;
    while (!flag_get(&receivers_end)) {
        CHECK(tuza_chan_recv(tuza_timer_chan(ticker), &v));
        CHECK(v > last && v <= tuza_now());
        last = v;
    }
}

/* One ticker, many who wait, and one who moves it about (TM-26). */
TEST(ticker_many)
{
    stress_random r = stress_start(99);
    receivers_end = 0;
    ticker = tuza_ticker_new(50 * US);
    for (int i = 0; i < 8; i++)
        GO(tick, NULL);
    for (long i = 0; i < stress_amount(2000) + 10; i++) {
        period = 1 + stress_next(&r, 100000);
        if (stress_next(&r, 4) == 0)
            tuza_timer_stop(ticker);
        tuza_timer_reset(ticker, period);
        tuza_sleep(stress_next(&r, 200) * US);
    }
    flag_set(&receivers_end, 1);
    tuza_timer_reset(ticker, US);
    settle_slowly();
    tuza_timer_free(ticker);
}

enum { SHARED = 12 };
static struct {
    tuza_chan *lock;
    tuza_context *ctx;
} shared[SHARED];
static long called, hooked, stopped;

static void count_call(void *arg)
{
    (void)arg;
    flag_add(&called, 1);
}

/* A reference to one of the shared contexts; now and then another takes its place. */
static tuza_context *pick(stress_random *r)
{
    uint32_t i = stress_next(r, SHARED);
    tuza_chan_recv(shared[i].lock, NULL);
    tuza_context *ctx = tuza_context_ref(shared[i].ctx);
    tuza_chan_send(shared[i].lock, NULL);
    return ctx;
}

static void put(stress_random *r, tuza_context *ctx)
{
    uint32_t i = stress_next(r, SHARED);
    tuza_chan_recv(shared[i].lock, NULL);
    tuza_context *old = shared[i].ctx;
    shared[i].ctx = tuza_context_ref(ctx);
    tuza_chan_send(shared[i].lock, NULL);
    tuza_context_unref(old);
}

static void replace(stress_random *r)
{
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    put(r, ctx);
    tuza_context_unref(ctx);
}

static tuza_context *derive(stress_random *r, tuza_context *parent)
{
    switch (stress_next(r, 5)) {
    case 0:
        return tuza_context_with_value(parent, r, r);
    case 1:
        return tuza_context_with_timeout(parent, random_ns(r));
    case 2:
        return tuza_context_with_deadline(parent, tuza_now() + stress_next(r, 300) * US);
    default:
        return tuza_context_with_cancel(parent);
    }
}

static void context_worker(void *arg)
{
    stress_random r = stress_start((uint64_t)(uintptr_t)arg);
    for (long i = 0; i < ops; i++) {
        tuza_context *parent = pick(&r), *ctx = derive(&r, parent);
        tuza_timer *t = NULL;
        if (stress_next(&r, 2)) {
            flag_add(&hooked, 1);
            t = tuza_context_after_func(ctx, count_call, NULL);
        }
        if (tuza_context_err(parent)) /* then what is below is done as well */
            CHECK(tuza_context_err(ctx) != 0);
        switch (stress_next(&r, 6)) {
        case 0:
            tuza_context_done(ctx);
            tuza_context_cancel_cause(parent, 5);
            CHECK(tuza_context_err(ctx) != 0);
            CHECK(tuza_context_cause(ctx) != 0);
            CHECK(!tuza_chan_recv(tuza_context_done(ctx), NULL));
            break;
        case 1:
            tuza_context_sleep(ctx, stress_next(&r, 100) * US);
            break;
        case 2:
            tuza_gosched();
            break;
        default:
            break;
        }
        int err = tuza_context_err(ctx);
        CHECK(err == 0 || err == -ECANCELED || err == -ETIMEDOUT);
        if (t) {
            if (tuza_timer_stop(t))
                flag_add(&stopped, 1);
            tuza_timer_free(t);
        }
        if (!tuza_context_err(parent))
            put(&r, ctx);
        else if (stress_next(&r, 4) == 0)
            replace(&r);
        tuza_context_unref(ctx);
        tuza_context_unref(parent);
    }
    flag_add(&over, 1);
}

TEST(contexts)
{
    ops = stress_amount(30000);
    over = called = hooked = stopped = 0;
    for (int i = 0; i < SHARED; i++) {
        shared[i].lock = make_lock();
        shared[i].ctx = tuza_context_with_cancel(tuza_context_background());
    }
    for (int i = 0; i < WORKERS; i++)
        GO(context_worker, (void *)(intptr_t)(i + 1));
    settle_slowly();
    CHECK_EQ(over, WORKERS);
    CHECK_EQ(called + stopped, hooked);
    for (int i = 0; i < SHARED; i++) {
        tuza_context_unref(shared[i].ctx);
        tuza_chan_unref(shared[i].lock);
    }
}

TEST_MAIN_TUZA()
