/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Selects that wait: for channels, times and contexts.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=1 TUZA_CHAOS=21
// ctest: env GOMAXPROCS=4 TUZA_CHAOS=22 | env GOMAXPROCS=8 TUZA_CHAOS=23
// ctest: env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1
#include <errno.h>
#include <pthread.h>

#include "go/select.h"

static struct {
    tuza_chan *c[3];
    tuza_context *ctx;
    size_t at;
    bool ok;
    int64_t got;
    int done;
} stage;

static void stage_begin(void)
{
    memset(&stage, 0, sizeof stage);
    for (int i = 0; i < 3; i++)
        stage.c[i] = chan_of(0);
    stage.ctx = tuza_context_with_cancel(tuza_context_background());
}

static void stage_end(void)
{
    settle(1);
    for (int i = 0; i < 3; i++)
        tuza_chan_unref(stage.c[i]);
    tuza_context_unref(stage.ctx);
}

static void select_staged(void *arg)
{
    (void)arg;
    int64_t out = 33;
    tuza_case cases[] = {TUZA_RECV(stage.c[0], &stage.got),
                         TUZA_SEND(stage.c[1], &out),
                         TUZA_RECV(stage.c[2], &stage.got),
                         TUZA_RECV(NULL, NULL),
                         TUZA_DONE(stage.ctx),
                         TUZA_TIMEOUT(TUZA_SECOND * 100000)};
    stage.at = tuza_select(cases, 6);
    stage.ok = cases[0].ok || cases[2].ok;
    flag_set(&stage.done, 1);
}

static void stage_wait(void)
{
    GO(select_staged, NULL);
    EVENTUALLY(any_waits("[select]"));
}

/* SE-11: each of several cases wakes a select that waits, which is then on no queue any more: the others'
 * partners find nobody. */
TEST(each_case_wakes)
{
    for (int which = 0; which < 4; which++) {
        stage_begin();
        stage_wait();
        int64_t v = 11;
        switch (which) {
        case 0:
            put(stage.c[0], 11);
            break;
        case 1:
            CHECK_EQ(get(stage.c[1]), 33);
            break;
        case 2:
            tuza_chan_close(stage.c[2]);
            break;
        case 3:
            tuza_context_cancel(stage.ctx);
        }
        EVENTUALLY(flag_get(&stage.done));
        CHECK_EQ(stage.at, which == 3 ? 4 : which);
        CHECK_EQ(stage.ok, which == 0);
        CHECK_EQ(stage.got, which == 0 ? 11 : 0);
        CHECK(!tuza_chan_try_send(stage.c[0], &v));
        CHECK(!try_recv(stage.c[1], &v));
        stage_end();
    }
}

/* SE-13: a select that waits is met by partners that don't: the try forms and selects with a default. */
TEST(partners_that_do_not_wait)
{
    for (int how = 0; how < 4; how++) {
        stage_begin();
        stage_wait();
        int64_t v = 11;
        tuza_case send = TUZA_SEND(stage.c[0], &v), recv = TUZA_RECV(stage.c[1], &v);
        EVENTUALLY(how == 0   ? tuza_chan_try_send(stage.c[0], &v)
                   : how == 1 ? try_recv(stage.c[1], &v)
                   : how == 2 ? tuza_try_select(&send, 1) == 0
                              : tuza_try_select(&recv, 1) == 0);
        EVENTUALLY(flag_get(&stage.done));
        CHECK_EQ(stage.at, how % 2);
        CHECK_EQ(v, how % 2 ? 33 : 11);
        stage_end();
    }
}

static void select_send_guarded(void *arg)
{
    tuza_case *cases = arg;
    CHECK_STR(panic_of(cases, 3, true), "send on closed channel");
    flag_set(&stage.done, 1);
}

/* SE-10: a select that waits to send panics when that channel is closed, and is off the other queues. */
TEST(closed_while_sending)
{
    for (int others = 0; others < 2; others++) {
        stage_begin();
        int64_t v = 1;
        tuza_case cases[] = {TUZA_RECV(stage.c[0], &v), TUZA_SEND(stage.c[1], &v),
                             others ? TUZA_DONE(stage.ctx) : TUZA_RECV(stage.c[2], &v)};
        GO(select_send_guarded, cases);
        EVENTUALLY(any_waits("[select]"));
        tuza_chan_close(stage.c[1]);
        EVENTUALLY(flag_get(&stage.done));
        CHECK(!tuza_chan_try_send(stage.c[0], &v));
        stage_end();
    }
}

static void self_select(void *arg)
{
    tuza_chan *c = stage.c[0];
    int64_t id = (intptr_t)arg;
    for (int i = 0; i < 1000; i++) {
        int64_t got = -1;
        tuza_case cases[] = {TUZA_SEND(c, &id), TUZA_RECV(c, &got)};
        if (i % 2) { /* the other way round */
            tuza_case first = cases[0];
            cases[0] = cases[1];
            cases[1] = first;
        }
        size_t at = tuza_select(cases, 2);
        if (cases[at].op == TUZA_CASE_RECV)
            CHECK(got != id);
        else
            CHECK_EQ(got, -1);
    }
    flag_add(&stage.done, 1);
}

/* SE-06, Go's TestSelfSelect: two goroutines that select on both directions of a channel get each other's. */
TEST(self_select)
{
    stage_begin();
    GO(self_select, (void *)0);
    GO(self_select, (void *)1);
    EVENTUALLY(flag_get(&stage.done) == 2);
    stage_end();
}

static void duplicate_select(void *arg)
{
    int64_t *got = arg;
    tuza_case cases[] = {TUZA_RECV(stage.c[0], got), TUZA_RECV(stage.c[0], got), TUZA_RECV(stage.c[1], got)};
    tuza_select(cases, 3);
}

/* SE-06, SE-12, Go's TestSelectDuplicateChannel: a select that leaves the middle of a queue leaves the
 * others' order alone. */
TEST(duplicate_channel)
{
    stage_begin();
    int64_t got[3] = {0, 0, 0};
    for (int i = 0; i < 3; i++) {
        GO(duplicate_select, &got[i]);
        EVENTUALLY(any_waits("[select]"));
        tuza_sleep(TUZA_MILLISECOND);
    }
    put(stage.c[1], 8);
    for (int i = 0; i < 2; i++)
        put(stage.c[0], 6 + i);
    settle(1);
    CHECK_EQ(got[0] + got[1] + got[2], 21);
    stage_end();
}

/* SE-14: any number of cases, more than have room in the frame; the locks in order, each once. */
TEST(many_cases)
{
    enum { CHANNELS = 300 };
    static tuza_case cases[70000];
    tuza_chan *c[CHANNELS];
    int64_t got = 0;
    for (int i = 0; i < CHANNELS; i++)
        c[i] = chan_of(1);
    for (size_t n = 1; n <= sizeof cases / sizeof cases[0]; n = n < 40 ? n + 1 : n * 3 / 2) {
        for (size_t i = 0; i < n; i++)
            cases[i] = TUZA_RECV(c[i * 7919 % CHANNELS], &got); /* in no order, and many times */
        CHECK_EQ(tuza_try_select(cases, n), -1);
        size_t which = n / 2 * 7919 % CHANNELS;
        for (int wait = 0; wait < 2; wait++) {
            put(c[which], (int64_t)n);
            size_t at = wait ? tuza_select(cases, n) : (size_t)tuza_try_select(cases, n);
            CHECK(at < n);
            CHECK_EQ(at * 7919 % CHANNELS, which);
            CHECK_EQ(got, n);
        }
    }
    for (int i = 0; i < CHANNELS; i++)
        tuza_chan_unref(c[i]);
}

static void select_many(void *arg)
{
    enum { N = 1000 };
    static tuza_case cases[N];
    (void)arg;
    for (size_t i = 0; i < N; i++)
        cases[i] = TUZA_RECV(stage.c[(i + i / 3) % 3], &stage.got);
    cases[N / 2] = TUZA_TIMEOUT(TUZA_SECOND * 100000);
    stage.at = tuza_select(cases, N);
    stage.ok = cases[stage.at].ok;
    flag_set(&stage.done, 1);
}

/* SE-14, SE-12: the same where it waits: nothing is left on any queue. */
TEST(many_cases_wait)
{
    for (int i = 0; i < 3; i++) {
        stage_begin();
        GO(select_many, NULL);
        EVENTUALLY(any_waits("[select]"));
        put(stage.c[i], 5);
        EVENTUALLY(flag_get(&stage.done));
        CHECK(stage.ok);
        CHECK_EQ((stage.at + stage.at / 3) % 3, i);
        int64_t v = 0;
        for (int j = 0; j < 3; j++)
            CHECK(!tuza_chan_try_send(stage.c[j], &v));
        stage_end();
    }
}

/* A time limit comes when it is due and not before, the earliest first; UNTIL is on tuza_now's clock. */
TEST(time_limits)
{
    tuza_chan *c = chan_of(0);
    int64_t start = tuza_now(), v;
    tuza_case cases[] = {TUZA_TIMEOUT(TUZA_SECOND * 1000), TUZA_RECV(c, &v),
                         TUZA_TIMEOUT(3 * TUZA_MILLISECOND), TUZA_UNTIL(start + TUZA_SECOND * 1000)};
    CHECK_EQ(tuza_select(cases, 4), 2);
    CHECK(tuza_now() - start >= 3 * TUZA_MILLISECOND);
    start = tuza_now();
    tuza_case until[] = {TUZA_UNTIL(start + 2 * TUZA_MILLISECOND)};
    CHECK_EQ(tuza_select(until, 1), 0);
    CHECK(tuza_now() - start >= 2 * TUZA_MILLISECOND);
    CHECK_EQ(tuza_select(until, 1), 0); /* over is over */
    tuza_case negative[] = {TUZA_RECV(c, &v), TUZA_TIMEOUT(INT64_MIN)};
    CHECK_EQ(tuza_select(negative, 2), 1);
    negative[1] = TUZA_UNTIL(INT64_MIN);
    CHECK_EQ(tuza_select(negative, 2), 1);
    tuza_chan_unref(c);
}

/* SE-16, TM-09: timers' channels among the cases; a select that has given up on one lets it go, and one that
 * was stopped gives nothing stale. */
TEST(timer_channels)
{
    tuza_timer *slow = tuza_timer_new(TUZA_SECOND * 1000), *tick = tuza_ticker_new(TUZA_MILLISECOND);
    int64_t due = 0, last = 0;
    for (int i = 0; i < 20; i++) {
        tuza_case cases[] = {TUZA_RECV(tuza_timer_chan(slow), &due), TUZA_RECV(tuza_timer_chan(tick), &due),
                             TUZA_RECV(tuza_timer_chan(tick), &due)};
        CHECK(tuza_select(cases, 3) != 0);
        CHECK(due > last);
        CHECK(due <= tuza_now());
        last = due;
    }
    tuza_timer_stop(tick);
    tuza_case stopped[] = {TUZA_RECV(tuza_timer_chan(tick), &due), TUZA_RECV(tuza_timer_chan(slow), &due)};
    CHECK_EQ(tuza_try_select(stopped, 2), -1);
    tuza_timer_reset(slow, 2 * TUZA_MILLISECOND);
    CHECK_EQ(tuza_select(stopped, 2), 1);
    CHECK_EQ(tuza_try_select(stopped, 2), -1);
    tuza_timer_reset(slow, 0);
    CHECK_EQ(tuza_try_select(stopped, 2), 1);
    tuza_timer_free(slow);
    tuza_timer_free(tick);
}

static void select_on_timer(void *arg)
{
    int64_t due;
    tuza_case cases[] = {TUZA_RECV(tuza_timer_chan(arg), &due), TUZA_RECV(stage.c[0], NULL)};
    stage.at = tuza_select(cases, 2);
    flag_set(&stage.done, 1);
}

/* SE-16: a reset while a select waits is heeded, whichever way; a waiter that gives up leaves the others'. */
TEST(timer_reset_while_waiting)
{
    for (int i = 0; i < 3; i++) {
        stage_begin();
        tuza_timer *t = tuza_timer_new(i == 0 ? TUZA_SECOND * 1000 : TUZA_MILLISECOND * 20);
        if (i == 1)
            tuza_timer_stop(t);
        GO(select_on_timer, t);
        EVENTUALLY(any_waits("[select]") || flag_get(&stage.done));
        if (i < 2)
            tuza_timer_reset(t, TUZA_MILLISECOND);
        EVENTUALLY(flag_get(&stage.done));
        CHECK_EQ(stage.at, 0);
        tuza_timer_free(t);
        stage_end();
    }
}

static void double_select(void *arg)
{
    int64_t n = (int64_t)(intptr_t)arg;
    for (int64_t i = 0; i < n; i++) {
        tuza_case first[] = {TUZA_SEND(stage.c[0], &i), TUZA_SEND(stage.c[1], &i)};
        tuza_select(first, 2);
    }
    tuza_chan_close(stage.c[0]);
    tuza_chan_close(stage.c[1]);
}

static void double_relay(void *arg)
{
    int64_t v, last = -1;
    for (tuza_chan *in = arg; tuza_chan_recv(in, &v); last = v) {
        CHECK(v > last);
        tuza_chan_send(stage.c[2], &v);
    }
    flag_add(&stage.done, 1);
}

/* SE-17, CH-24, Go's doubleselect: what one select spreads over two channels comes out of each in order, and
 * all of it, once. */
TEST(doubleselect)
{
    int64_t n = 20000 / SCALE;
    stage_begin();
    unsigned char *seen = calloc((size_t)n, 1);
    GO(double_select, (void *)(intptr_t)n);
    GO(double_relay, stage.c[0]);
    GO(double_relay, stage.c[1]);
    for (int64_t i = 0; i < n; i++) {
        int64_t v = get(stage.c[2]);
        CHECK(v >= 0 && v < n && !seen[v]);
        seen[v] = 1;
    }
    EVENTUALLY(flag_get(&stage.done) == 2);
    free(seen);
    stage_end();
}

static size_t heap_pages(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    size_t size = 0, resident = 0;
    CHECK(f && fscanf(f, "%zu %zu", &size, &resident) == 2);
    fclose(f);
    return resident;
}

static void send_rounds(void *arg)
{
    for (int64_t i = (int64_t)(intptr_t)arg; i > 0; i--) {
        tuza_case cases[] = {TUZA_SEND(stage.c[0], &i), TUZA_RECV(stage.c[2], NULL)};
        CHECK_EQ(tuza_select(cases, 2), 0);
    }
}

/* SE-18, Go's select2: 100,000 rounds on channels of which some are never ready leave nothing behind. */
TEST(memory_does_not_grow)
{
    stage_begin();
    size_t before = 0;
    for (int round = 0; round < 2; round++) {
        int64_t n = 100000 / SCALE, v;
        GO(send_rounds, (void *)(intptr_t)n);
        for (int64_t i = n; i > 0; i--) {
            tuza_case cases[] = {TUZA_RECV(stage.c[1], &v), TUZA_RECV(stage.c[0], &v), TUZA_SEND(NULL, &v),
                                 TUZA_TIMEOUT(TUZA_SECOND * 100000)};
            CHECK_EQ(tuza_select(cases, 4), 1);
            CHECK_EQ(v, i);
        }
        if (round == 0)
            before = heap_pages();
    }
    CHECK(heap_pages() < before + 256);
    stage_end();
}

static void *select_on_thread(void *arg)
{
    select_staged(arg);
    return NULL;
}

/* From a thread that tuza did not make. */
TEST(plain_thread)
{
    for (int which = 0; which < 2; which++) {
        stage_begin();
        pthread_t t;
        CHECK_EQ(pthread_create(&t, NULL, select_on_thread, NULL), 0);
        if (which == 0)
            put(stage.c[0], 4);
        else
            tuza_context_cancel(stage.ctx);
        EVENTUALLY(flag_get(&stage.done));
        CHECK_EQ(pthread_join(t, NULL), 0);
        CHECK_EQ(stage.at, which == 0 ? 0 : 4);
        CHECK_EQ(stage.got, which == 0 ? 4 : 0);
        stage_end();
    }
}

static void lazily_cancelled(void *arg)
{
    tuza_context *ctx = arg;
    tuza_case cases[] = {TUZA_DONE(ctx), TUZA_RECV(stage.c[0], NULL), TUZA_DONE(ctx)};
    size_t at = tuza_select(cases, 3);
    CHECK(at == 0 || at == 2);
    CHECK(tuza_context_err(ctx) < 0);
    flag_add(&stage.done, 1);
    tuza_context_unref(ctx);
}

/* Contexts that time out, are derived, or are waited for by many; after DONE err tells why. */
TEST(contexts)
{
    enum { N = 30 };
    stage_begin();
    tuza_context *parent = tuza_context_with_timeout(tuza_context_background(), 5 * TUZA_MILLISECOND);
    for (int i = 0; i < N; i++)
        GO(lazily_cancelled, i % 2 ? tuza_context_with_cancel(parent) : tuza_context_ref(parent));
    EVENTUALLY(flag_get(&stage.done) == N);
    tuza_case k = TUZA_DONE(parent);
    CHECK_EQ(tuza_select(&k, 1), 0);
    CHECK_EQ(tuza_context_err(parent), -ETIMEDOUT);
    tuza_context_unref(parent);
    stage_end();
}

/* SE-04: a single case waits under the plain operation's name. SE-01, SE-02: none, and all nil. */
static void wait_forever(void *arg)
{
    tuza_case cases[] = {TUZA_RECV(NULL, NULL), TUZA_SEND(NULL, NULL)};
    tuza_select(cases, (size_t)(intptr_t)arg);
    tz_test_fail(__FILE__, __LINE__, "this select has returned, which");
}

static void wait_alone(void *arg)
{
    (void)arg;
    tuza_case k = TUZA_RECV(stage.c[0], NULL);
    tuza_select(&k, 1);
}

/* The last test: they stay. */
TEST(wait_reasons)
{
    stage_begin();
    GO(wait_alone, NULL);
    EVENTUALLY(any_waits("[chan receive]"));
    tuza_chan_close(stage.c[0]);
    stage_end();
    GO(wait_forever, (void *)0);
    EVENTUALLY(any_waits("[select (no cases)]"));
    GO(wait_forever, (void *)1);
    EVENTUALLY(any_waits("[chan receive (nil chan)]"));
    GO(wait_forever, (void *)2);
    EVENTUALLY(any_waits("[select]"));
}
TEST_MAIN_TUZA()
