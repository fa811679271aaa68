/* SPDX-License-Identifier: BSD-3-Clause */
/* Fake time: selects. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=1 TUZA_CHAOS=3 | env GOMAXPROCS=4 TUZA_CHAOS=4
#include <errno.h>
#include <unistd.h>

#include "help.h"

#define MS              TUZA_MILLISECOND
#define HOUR            (3600 * TUZA_SECOND)
#define Y2000           946684800000000000
#define BUBBLE(fn, arg) CHECK_EQ(tuza_bubble_run((fn), (arg)), 0)

typedef struct sender {
    tuza_chan *c;
    int64_t after;
} sender;

static void send_after(void *arg)
{
    const sender *s = arg;
    tuza_sleep(s->after);
    tuza_chan_send(s->c, &s->after);
}

static void selects(void *arg)
{
    (void)arg;
    int64_t v = 0;
    tuza_chan *a = tuza_chan_make(8, 0), *b = tuza_chan_make(8, 1);
    sender s[2] = {{a, HOUR}, {b, 2 * HOUR}};
    GO(send_after, &s[0]);
    GO(send_after, &s[1]);
    tuza_case k[] = {TUZA_RECV(a, &v), TUZA_RECV(b, &v), TUZA_RECV(NULL, NULL)};
    CHECK_EQ(tuza_select(k, 3), 0);
    CHECK_EQ(tuza_now(), Y2000 + HOUR);
    CHECK_EQ(tuza_select(k, 3), 1);
    CHECK_EQ(tuza_now(), Y2000 + 2 * HOUR);
    CHECK_EQ(tuza_try_select(k, 3), -1);

    tuza_context *ctx = tuza_context_with_timeout(tuza_context_background(), 10 * MS);
    tuza_case mixed[] = {TUZA_RECV(a, &v), TUZA_TIMEOUT(5 * MS), TUZA_DONE(ctx)};
    CHECK_EQ(tuza_select(mixed, 3), 1);
    CHECK_EQ(tuza_now(), Y2000 + 2 * HOUR + 5 * MS);
    mixed[1] = TUZA_TIMEOUT(HOUR);
    CHECK_EQ(tuza_select(mixed, 3), 2);
    CHECK_EQ(tuza_now(), Y2000 + 2 * HOUR + 10 * MS);
    mixed[2] = TUZA_UNTIL(Y2000 + 3 * HOUR);
    CHECK_EQ(tuza_select(mixed, 3), 2);
    CHECK_EQ(tuza_now(), Y2000 + 3 * HOUR);
    mixed[1] = TUZA_UNTIL(Y2000); /* past */
    CHECK_EQ(tuza_try_select(mixed, 2), 1);
    tuza_timer *t = tuza_timer_new(MS), *tick = tuza_ticker_new(2 * MS);
    tuza_case times[] = {TUZA_RECV(tuza_timer_chan(t), &v), TUZA_RECV(tuza_timer_chan(tick), &v)};
    CHECK_EQ(tuza_select(times, 2), 0);
    CHECK_EQ(v, Y2000 + 3 * HOUR + MS);
    for (int i = 1; i < 4; i++) {
        CHECK_EQ(tuza_select(times, 2), 1);
        CHECK_EQ(v, Y2000 + 3 * HOUR + i * 2 * MS);
    }
    tuza_timer_free(t);
    tuza_timer_free(tick);
    tuza_context_unref(ctx);
    tuza_chan_unref(a);
    tuza_chan_unref(b);
}

/* ST-03, SE-15: selects on what is the bubble's. */
TEST(select)
{
    BUBBLE(selects, NULL);
}

enum { RACERS = 40, ROUNDS = 20 };

typedef struct racer {
    tuza_chan *c;
    tuza_context *ctx;
    int64_t send_at, done_at;
} racer;

/* The partner and the time come in an order that the clock decides: to the nanosecond, however the goroutines
 * are run. */
static void race(void *arg)
{
    racer *r = arg;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t v, before = tuza_now();
        r->send_at = (int64_t)((uintptr_t)r / 64 * 7 + (uintptr_t)i * 13) % 9 + 1;
        r->done_at = 10 - r->send_at;
        if (r->done_at == r->send_at)
            r->done_at++;
        sender s = {r->c, r->send_at};
        GO(send_after, &s);
        tuza_case k[] = {TUZA_RECV(r->c, &v), TUZA_TIMEOUT(r->done_at), TUZA_DONE(r->ctx)};
        size_t at = tuza_select(k, 3);
        if (r->send_at < r->done_at) {
            CHECK_EQ(at, 0);
            CHECK_EQ(v, r->send_at);
            CHECK_EQ(tuza_now(), before + r->send_at);
        } else {
            CHECK_EQ(at, 1);
            CHECK_EQ(tuza_now(), before + r->done_at);
            CHECK(tuza_chan_recv(r->c, &v));
            CHECK_EQ(tuza_now(), before + r->send_at);
        }
    }
}

static void races(void *arg)
{
    (void)arg;
    static racer r[RACERS];
    tuza_waitgroup wg = TUZA_WAITGROUP_INIT;
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    for (int i = 0; i < RACERS; i++) {
        r[i] = (racer){.c = tuza_chan_make(8, 0), .ctx = ctx};
        CHECK_EQ(tuza_waitgroup_go(&wg, race, &r[i]), 0);
    }
    tuza_waitgroup_wait(&wg);
    for (int i = 0; i < RACERS; i++)
        tuza_chan_unref(r[i].c);
    tuza_context_unref(ctx);
}

/* ST-02, ST-03: many at once; time must not move while one of them has been told and not run yet. */
TEST(select_races)
{
    for (int i = 0; i < 40 / SCALE + 2; i++)
        BUBBLE(races, NULL);
}

static int pipefd[2];

static void select_pipe(void *arg)
{
    tuza_case k[] = {TUZA_TIMEOUT(HOUR), TUZA_READABLE(pipefd[0])};
    CHECK_EQ(tuza_select(k, 2), 1);
    *(int64_t *)arg = tuza_now();
    CHECK_EQ(tuza_set_read_deadline(pipefd[0], tuza_now() + 5 * MS), 0);
    char c;
    CHECK_EQ(tuza_read(pipefd[0], &c, 1), 1);
    CHECK_EQ(tuza_select(k, 2), 1); /* its deadline, which runs in real time */
    CHECK_EQ(tuza_read(pipefd[0], &c, 1), -ETIMEDOUT);
}

static void with_pipe(void *arg)
{
    (void)arg;
    int64_t at = 0;
    GO(select_pipe, &at);
    tuza_sleep(2 * HOUR);
    CHECK_EQ(at, Y2000);
}

static void write_late(void *arg)
{
    (void)arg;
    tuza_sleep(3 * MS);
    CHECK_EQ(tuza_write(pipefd[1], "x", 1), 1);
}

/* ST-03: nor is a select that has a descriptor among its cases. */
TEST(select_descriptor)
{
    CHECK_EQ(pipe(pipefd), 0);
    GO(write_late, NULL);
    BUBBLE(with_pipe, NULL);
    settle(1);
    tuza_close(pipefd[0]);
    tuza_close(pipefd[1]);
}

static int64_t dropped;

static void add_dropped(void *elem)
{
    dropped += *(int64_t *)elem;
}

static void leave_elements(void *arg)
{
    (void)arg;
    tuza_chan *c = tuza_chan_make_drop(sizeof(int64_t), 4, add_dropped);
    for (int64_t v = 1; v <= 4; v++)
        tuza_chan_send(c, &v);
    tuza_chan_unref(c);
}

/* What is left in a channel of a bubble is dropped as any other's. */
TEST(dropped_elements)
{
    BUBBLE(leave_elements, NULL);
    CHECK_EQ(dropped, 1 + 2 + 3 + 4);
}

TEST_MAIN_TUZA()
