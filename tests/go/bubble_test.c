/* SPDX-License-Identifier: BSD-3-Clause */
/* Fake time: bubbles. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=1 TUZA_CHAOS=3 | env GOMAXPROCS=4 TUZA_CHAOS=4
#include <errno.h>
#include <unistd.h>

#include "help.h"

#define MS              TUZA_MILLISECOND
#define HOUR            (3600 * TUZA_SECOND)
#define Y2000           946684800000000000
#define BUBBLE(fn, arg) CHECK_EQ(tuza_bubble_run((fn), (arg)), 0)

static void nothing(void *arg)
{
    (void)arg;
}

/* ---- the clock ---- */

static void look_at_clock(void *arg)
{
    (void)arg;
    CHECK_EQ(tuza_now(), Y2000);
    tuza_sleep(HOUR);
    CHECK_EQ(tuza_now(), Y2000 + HOUR);
    tuza_sleep(0);
    tuza_sleep(-1);
    tuza_gosched();
    CHECK_EQ(tuza_now(), Y2000 + HOUR);
}

/* ST-01: it begins in 2000, and each bubble has its own; outside time goes on as it does. */
TEST(clock)
{
    int64_t before = tuza_now();
    CHECK(before < Y2000);
    BUBBLE(look_at_clock, NULL);
    BUBBLE(look_at_clock, NULL);
    CHECK(tuza_now() >= before && tuza_now() < before + HOUR);
}

static void sleep_hours(void *arg)
{
    for (int i = 1; i <= 24; i++) {
        tuza_sleep(HOUR);
        CHECK_EQ(tuza_now(), Y2000 + i * HOUR);
    }
    *(int *)arg = 1;
}

static void run_bubble(void *arg)
{
    int slept = 0;
    BUBBLE(sleep_hours, &slept);
    CHECK_EQ(slept, 1);
    flag_add((int *)arg, 1);
}

/* ST-01, ST-02: many bubbles at once, of goroutines and of a plain thread. */
TEST(many)
{
    int over = 0;
    for (int i = 0; i < 20; i++)
        GO(run_bubble, &over);
    EVENTUALLY(flag_get(&over) == 20);
}

/* ---- time moves when nothing else does ---- */

typedef struct sleeper {
    int64_t ns, woke;
    int me, *order, *n;
} sleeper;

static void sleep_for(void *arg)
{
    sleeper *s = arg;
    tuza_sleep(s->ns);
    s->woke = tuza_now();
}

static void sleepers(void *arg)
{
    (void)arg;
    enum { N = 1000 };
    static sleeper s[N];
    for (int i = 0; i < N; i++) {
        s[i] = (sleeper){.ns = (i * 7919 % N + 1) * MS};
        GO(sleep_for, &s[i]);
    }
    tuza_sleep(N * MS);
    tuza_bubble_wait();
    for (int i = 0; i < N; i++)
        CHECK_EQ(s[i].woke, Y2000 + s[i].ns);
}

/* ST-02: each wakes at its own moment, to the nanosecond. */
TEST(jumps)
{
    BUBBLE(sleepers, NULL);
}

static void busy(void *arg)
{
    (void)arg;
    int64_t before = tuza_now();
    double end = tz_test_seconds() + 0.02;
    while (tz_test_seconds() < end)
        CHECK_EQ(tuza_now(), before);
}

static void busy_beside_sleep(void *arg)
{
    (void)arg;
    GO(busy, NULL);
    GO(busy, NULL);
    tuza_sleep(1);
    CHECK_EQ(tuza_now(), Y2000 + 1);
}

/* ST-02: while somebody computes, time stands still. */
TEST(stands_still)
{
    BUBBLE(busy_beside_sleep, NULL);
}

/* ---- wait ---- */

static void add_after(void *arg)
{
    tuza_sleep(HOUR);
    flag_add((int *)arg, 1); /* they run at the same time */
}

static void spawn_more(void *arg)
{
    for (int i = 0; i < 10; i++)
        GO(add_after, arg);
}

static void set_plain(void *arg)
{
    int *plain = arg;
    *plain = 1;
    tuza_sleep(1);
    *plain += 1;
}

static void wait_sees(void *arg)
{
    (void)arg;
    int n = 0;
    tuza_bubble_wait();
    for (int i = 0; i < 10; i++)
        GO(spawn_more, &n);
    tuza_bubble_wait();
    CHECK_EQ(n, 0);
    CHECK_EQ(tuza_now(), Y2000);
    tuza_sleep(HOUR - 1);
    tuza_bubble_wait();
    CHECK_EQ(n, 0);
    tuza_bubble_sleep(1);
    CHECK_EQ(n, 100);
    int plain = 0;
    GO(set_plain, &plain);
    tuza_bubble_wait();
    CHECK_EQ(plain, 1);
    plain = 2;
    tuza_bubble_sleep(1);
    CHECK_EQ(plain, 3);
}

/* ST-04, ST-14: it returns when all others are blocked, with what they did before in sight: else
 * ThreadSanitizer would tell. */
TEST(wait)
{
    BUBBLE(wait_sees, NULL);
}

static void forward(void *arg)
{
    tuza_chan **c = arg;
    for (int64_t v; tuza_chan_recv(c[0], &v);)
        tuza_chan_send(c[1], &v);
    tuza_chan_close(c[1]);
}

static void channels(void *arg)
{
    (void)arg;
    tuza_chan *c[2] = {tuza_chan_make(8, 0), tuza_chan_make(8, 3)};
    int64_t v = 0;
    bool ok;
    GO(forward, c);
    for (int64_t i = 0; i < 3; i++)
        tuza_chan_send(c[0], &i);
    tuza_bubble_wait();
    CHECK_EQ(tuza_chan_len(c[1]), 3);
    v = 3;
    tuza_chan_send(c[0], &v);
    tuza_bubble_wait(); /* it is blocked in its send now */
    CHECK(!tuza_chan_try_send(c[0], &v));
    for (int64_t i = 0; i < 4; i++) {
        CHECK(tuza_chan_recv(c[1], &v));
        CHECK_EQ(v, i);
    }
    CHECK(!tuza_chan_try_recv(c[1], &v, &ok));
    tuza_chan_close(c[0]);
    CHECK(!tuza_chan_recv(c[1], &v));
    tuza_bubble_wait();
    tuza_chan_unref(c[0]);
    tuza_chan_unref(c[1]);
}

/* ST-03: sends and receives of the bubble's channels, of any size. */
TEST(durable_channels)
{
    BUBBLE(channels, NULL);
}

/* ---- what is not durable ---- */

static tuza_chan *outside;

static void recv_outside(void *arg)
{
    int64_t v;
    CHECK(tuza_chan_recv(outside, &v));
    *(int64_t *)arg = tuza_now();
}

static void with_outside(void *arg)
{
    (void)arg;
    int64_t woke = 0;
    GO(recv_outside, &woke);
    tuza_sleep(HOUR);
    CHECK_EQ(tuza_now(), Y2000 + HOUR);
    CHECK_EQ(woke, Y2000); /* time did not move before it was through */
}

static void send_late(void *arg)
{
    (void)arg;
    tuza_sleep(2 * MS);
    int64_t v = 1;
    tuza_chan_send(outside, &v);
}

/* ST-03: a channel from outside keeps time where it is, until somebody out there sends. */
TEST(outside_channel)
{
    outside = tuza_chan_make(8, 0);
    GO(send_late, NULL);
    BUBBLE(with_outside, NULL);
    settle(1);
    tuza_chan_unref(outside);
}

static int pipefd[2];

static void read_pipe(void *arg)
{
    char c;
    CHECK_EQ(tuza_read(pipefd[0], &c, 1), 1);
    *(int64_t *)arg = tuza_now();
}

static void with_pipe(void *arg)
{
    (void)arg;
    int64_t woke = 0;
    GO(read_pipe, &woke);
    tuza_sleep(HOUR);
    CHECK_EQ(woke, Y2000);
}

static void write_late(void *arg)
{
    (void)arg;
    tuza_sleep(2 * MS);
    CHECK_EQ(tuza_write(pipefd[1], "x", 1), 1);
}

static void past_deadline(void *arg)
{
    (void)arg;
    char c;
    int64_t real = (int64_t)(tz_test_seconds() * 1e9);
    CHECK_EQ(tuza_set_deadline(pipefd[0], tuza_now() + 5 * MS), 0);
    CHECK_EQ(tuza_read(pipefd[0], &c, 1), -ETIMEDOUT);
    CHECK((int64_t)(tz_test_seconds() * 1e9) >= real + 4 * MS);
    CHECK_EQ(tuza_set_deadline(pipefd[0], tuza_now() - 1), 0);
    CHECK_EQ(tuza_read(pipefd[0], &c, 1), -ETIMEDOUT);
    CHECK_EQ(tuza_set_deadline(pipefd[0], 0), 0);
    CHECK_EQ(tuza_wait_fd(pipefd[0], 1, tuza_now() + 5 * MS), -ETIMEDOUT);
    CHECK_EQ(tuza_now(), Y2000);
}

/* ST-03: nor does a descriptor; its deadlines are told by the bubble's clock, and run in real time. */
TEST(descriptors)
{
    CHECK_EQ(pipe(pipefd), 0);
    GO(write_late, NULL);
    BUBBLE(with_pipe, NULL);
    BUBBLE(past_deadline, NULL);
    settle(1);
    tuza_close(pipefd[0]);
    tuza_close(pipefd[1]);
}

/* ---- timers ---- */

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

static void after_funcs(void *arg)
{
    (void)arg;
    called soon = {0}, late = {0}, never = {0};
    tuza_timer *a = tuza_after_func(0, call, &soon), *b = tuza_after_func(HOUR, call, &late);
    tuza_timer *c = tuza_after_func(HOUR, call, &never);
    tuza_bubble_wait();
    CHECK_EQ(soon.n, 1); /* without any time going by */
    CHECK_EQ(soon.at, Y2000);
    tuza_sleep(HOUR - 1);
    CHECK(tuza_timer_stop(c));
    tuza_bubble_wait();
    CHECK_EQ(late.n, 0);
    tuza_bubble_sleep(1);
    CHECK_EQ(late.n, 1);
    CHECK_EQ(late.at, Y2000 + HOUR);
    CHECK(!tuza_timer_stop(b));
    CHECK(!tuza_timer_reset(b, 0)); /* again, at once */
    tuza_bubble_wait();
    CHECK_EQ(late.n, 2);
    CHECK(!tuza_timer_reset(b, -HOUR));
    CHECK(!tuza_timer_stop_wait(b) || late.n == 2);
    CHECK_EQ(never.n, 0);
    tuza_timer_free(a);
    tuza_timer_free(b);
    tuza_timer_free(c);
}

/* ST-10, ST-11: functions run in the bubble, at their time; those without delay run without time moving. */
TEST(functions)
{
    BUBBLE(after_funcs, NULL);
}

static void timer_channels(void *arg)
{
    (void)arg;
    tuza_timer *t = tuza_timer_new(HOUR), *tick = tuza_ticker_new(10 * MS);
    int64_t v;
    for (int i = 1; i <= 5; i++) {
        CHECK(tuza_chan_recv(tuza_timer_chan(tick), &v));
        CHECK_EQ(v, Y2000 + i * 10 * MS);
        CHECK_EQ(tuza_now(), v);
    }
    tuza_timer_stop(tick);
    CHECK(!tuza_chan_try_recv(tuza_timer_chan(t), &v, NULL));
    CHECK(tuza_chan_recv(tuza_timer_chan(t), &v));
    CHECK_EQ(v, Y2000 + HOUR);
    CHECK_EQ(tuza_now(), v);
    CHECK(!tuza_timer_reset(t, MS));
    tuza_sleep(MS - 1);
    CHECK(!tuza_chan_try_recv(tuza_timer_chan(t), &v, NULL));
    tuza_sleep(1);
    CHECK(tuza_chan_try_recv(tuza_timer_chan(t), &v, NULL));
    CHECK(!tuza_timer_reset(t, 0));
    CHECK(tuza_chan_recv(tuza_timer_chan(t), &v));
    tuza_timer_free(t);
    tuza_timer_free(tick);
}

/* ST-02: timers' and tickers' channels. */
TEST(timers)
{
    BUBBLE(timer_channels, NULL);
}

enum { RIVALS = 12 };
static struct rival {
    tuza_timer *t;
    int ran, stopped;
} rivals[RIVALS];

static void stop_others(void *arg)
{
    struct rival *me = arg;
    flag_add(&me->ran, 1);
    for (int i = 0; i < RIVALS; i++)
        if (&rivals[i] != me && tuza_timer_stop(rivals[i].t))
            flag_add(&rivals[i].stopped, 1);
}

static void rivalry(void *arg)
{
    (void)arg;
    for (int i = 0; i < RIVALS; i++)
        rivals[i] = (struct rival){.t = tuza_after_func(MS, stop_others, &rivals[i])};
    tuza_bubble_sleep(MS);
    for (int i = 0; i < RIVALS; i++) {
        CHECK_EQ(rivals[i].ran + rivals[i].stopped, 1);
        tuza_timer_free(rivals[i].t);
    }
}

/* ST-11, TM-11: of many that are due at one moment each is fired or stopped, never both. */
TEST(stopped_when_due)
{
    for (int i = 0; i < 2000 / SCALE; i++)
        BUBBLE(rivalry, NULL);
}

enum { SAME = 6 };

static void note_order(void *arg)
{
    sleeper *s = arg;
    tuza_sleep(s->ns);
    s->order[__atomic_fetch_add(s->n, 1, __ATOMIC_RELAXED)] = s->me;
}

typedef struct same {
    sleeper s[SAME];
    int order[SAME], n;
} same;

static void sleep_in_step(void *arg)
{
    same *x = arg;
    sleeper *s = x->s;
    for (int i = 0; i < SAME; i++) {
        s[i] = (sleeper){.ns = MS, .me = i, .order = x->order, .n = &x->n};
        GO(note_order, &s[i]);
        tuza_bubble_wait();
    }
    tuza_bubble_sleep(MS);
}

/* ST-11: of those that are due at one moment each may be the first. */
TEST(random_order)
{
    static same x;
    unsigned first = 0;
    for (int tries = 0; first != (1u << SAME) - 1; tries++) {
        CHECK(tries < 10000);
        x.n = 0;
        BUBBLE(sleep_in_step, &x);
        CHECK_EQ(x.n, SAME);
        first |= 1u << x.order[0];
    }
}

static void left_over(void *arg)
{
    tuza_timer **t = arg;
    t[0] = tuza_timer_new(HOUR);
    t[1] = tuza_ticker_new(HOUR);
    t[2] = tuza_after_func(HOUR, call, &t[4]);
    tuza_timer_detach(tuza_after_func(HOUR, call, &t[4]));
    tuza_timer_detach(tuza_timer_new(HOUR));
    t[3] = (void *)tuza_context_with_timeout(tuza_context_background(), HOUR);
}

/* ST-07, ST-15: with the last goroutine time is over; timers that are set then never fire, and may be freed
 * outside. */
TEST(timers_left)
{
    tuza_timer *t[5] = {NULL};
    BUBBLE(left_over, t);
    CHECK(!t[4]);
    for (int i = 0; i < 3; i++)
        tuza_timer_free(t[i]);
    tuza_context_unref((tuza_context *)(void *)t[3]);
}

/* ---- beginning and end ---- */

static void set_late(void *arg)
{
    tuza_sleep(HOUR);
    tuza_gosched();
    *(int *)arg = 1;
}

static void leave_child(void *arg)
{
    GO(set_late, arg);
    tuza_sleep(HOUR);
}

static void leave_computing(void *arg)
{
    GO(busy, NULL);
    CHECK_EQ(tuza_go_copy(busy, &arg, sizeof arg), 0);
    CHECK_EQ(tuza_go_with(&(tuza_go_options){.name = "b"}, nothing, NULL), 0);
}

/* ST-15: it returns when all have ended, and what they did is seen. */
TEST(end)
{
    int done = 0;
    BUBBLE(nothing, NULL);
    BUBBLE(leave_child, &done);
    CHECK_EQ(done, 1);
    BUBBLE(leave_computing, NULL);
    CHECK_EQ(tuza_num_goroutine(), 1);
}

static void leave_by_goexit(void *arg)
{
    *(int *)arg = 1;
    tuza_goexit();
}

static void locked(void *arg)
{
    tuza_lock_os_thread();
    tuza_sleep(HOUR);
    flag_add((int *)arg, 1);
}

static void locked_ones(void *arg)
{
    for (int i = 0; i < 3; i++)
        GO(locked, arg);
    locked(arg);
    tuza_bubble_wait();
}

/* ST-15: by tuza_goexit too; and goroutines that are locked to a thread. */
TEST(goexit_and_locks)
{
    int n = 0;
    BUBBLE(leave_by_goexit, &n);
    CHECK_EQ(n, 1);
    BUBBLE(locked_ones, &n);
    CHECK_EQ(n, 5);
}

/* --- Timers from outside --- */

static void receive_in_bubble(void *arg)
{
    tuza_chan_recv(tuza_timer_chan(arg), NULL);
}

/* What was made outside keeps its time, which is real. */
TEST(timer_from_outside)
{
    int64_t start = tuza_now();
    tuza_timer *t = tuza_timer_new(30 * TUZA_MILLISECOND), *ticker = tuza_ticker_new(10 * TUZA_MILLISECOND);
    BUBBLE(receive_in_bubble, t);
    CHECK(tuza_now() - start >= 30 * TUZA_MILLISECOND);
    for (int i = 0; i < 3; i++) {
        BUBBLE(receive_in_bubble, ticker);
        CHECK(tuza_chan_recv(tuza_timer_chan(ticker), NULL));
    }
    tuza_timer_free(t);
    tuza_timer_free(ticker);
}

TEST_MAIN_TUZA()
