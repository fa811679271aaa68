/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Selects under load: many of them on overlapping channels, with times,
 * contexts, closes and descriptors among the cases, by goroutines and by
 * plain threads. Nothing may be lost, doubled, come out of order, or be
 * written where it was not chosen.
 */
// ctest: timeout 900 | env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=1 TUZA_CHAOS=1 | env GOMAXPROCS=2 TUZA_CHAOS=2 | env GOMAXPROCS=8 TUZA_CHAOS=3
// ctest: env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1 | env GOMAXPROCS=4 TUZA_CHAOS=4 TUZA_TEST_NO_MEMBARRIER=1
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

#include "stress/stress.h"

enum { CHANS = 6, WORKERS = 14, THREADS = 2, ALL = WORKERS + THREADS, CASES = 8, FDS = 4 };

typedef struct value {
    uint32_t sender, number;
    uint64_t check;
} value;

static value make_value(uint32_t sender, uint32_t number)
{
    return (value){sender, number, ((uint64_t)sender << 32 | number) * 0x2545f4914f6cdd1du};
}

static const value untouched = {~0u, ~0u, 0x5555555555555555u};

/* ---- exchange ---- */

static struct {
    tuza_chan *c[CHANS];
    tuza_context *ctx; /* is done from the start, or after half of the work */
    int fds[FDS][2];
    long rounds;
    uint64_t sent, got, sent_sum, got_sum;
    long at_work;
} ex;

static void check_got(value v, int64_t last[CHANS][ALL], uint32_t c)
{
    value good = make_value(v.sender, v.number);
    CHECK(v.sender < ALL);
    CHECK_EQ(v.check, good.check);
    CHECK((int64_t)v.number > last[c][v.sender]);
    last[c][v.sender] = v.number;
}

/* One select of random cases; at least one of them comes to pass for certain. */
static void exchange_once(stress_random *r, uint32_t me, uint32_t *number, int64_t last[CHANS][ALL])
{
    tuza_case k[CASES];
    value in[CASES], out = make_value(me, *number);
    uint32_t chan[CASES], n = 1 + stress_next(r, CASES - 2);
    for (uint32_t i = 0; i < n; i++) {
        chan[i] = stress_next(r, CHANS);
        in[i] = untouched;
        k[i] = stress_next(r, 2) ? TUZA_RECV(ex.c[chan[i]], &in[i]) : TUZA_SEND(ex.c[chan[i]], &out);
    }
    switch (stress_next(r, 6)) { /* instead of one of the channels */
    case 0:
        k[stress_next(r, n)] = TUZA_READABLE(ex.fds[stress_next(r, FDS)][0]);
        break;
    case 1:
        k[stress_next(r, n)] = TUZA_DONE(ex.ctx);
        break;
    case 2:
        k[stress_next(r, n)] = TUZA_RECV(NULL, NULL);
    }
    uint32_t how = stress_next(r, 8);
    int at;
    if (how == 0) {
        at = tuza_try_select(k, n);
        if (at < 0) {
            tuza_gosched();
            return;
        }
    } else {
        k[n++] = how < 4 ? TUZA_TIMEOUT((int64_t)stress_next(r, 300) * 1000)
                         : TUZA_UNTIL(tuza_now() + (int64_t)stress_next(r, 30000));
        at = (int)tuza_select(k, n);
    }
    CHECK(at >= 0 && (uint32_t)at < n);
    for (uint32_t i = 0; i < n; i++) {
        if (k[i].op != TUZA_CASE_RECV || !k[i].chan || (int)i == at)
            continue;
        CHECK_EQ(memcmp(&in[i], &untouched, sizeof in[i]), 0);
        CHECK(!k[i].ok);
    }
    if (k[at].op == TUZA_CASE_SEND) {
        __atomic_add_fetch(&ex.sent, 1, __ATOMIC_RELAXED);
        __atomic_add_fetch(&ex.sent_sum, *number, __ATOMIC_RELAXED);
        ++*number;
    } else if (k[at].op == TUZA_CASE_RECV) {
        CHECK(k[at].ok);
        check_got(in[at], last, chan[at]);
        __atomic_add_fetch(&ex.got, 1, __ATOMIC_RELAXED);
        __atomic_add_fetch(&ex.got_sum, in[at].number, __ATOMIC_RELAXED);
    } else if (k[at].op == TUZA_CASE_READABLE) {
        char byte;
        recv((int)k[at].arg, &byte, 1, MSG_DONTWAIT);
    }
}

static void exchange(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg, number = 0;
    stress_random r = stress_start(me);
    int64_t last[CHANS][ALL];
    memset(last, 0xff, sizeof last);
    for (long i = 0; i < ex.rounds; i++) {
        exchange_once(&r, me, &number, last);
        if (me == 0 && i == ex.rounds / 2)
            tuza_context_cancel(ex.ctx);
        if (me < FDS && i % 16 == 0)
            send(ex.fds[me][1], "x", 1, MSG_DONTWAIT);
    }
    flag_add(&ex.at_work, -1);
}

static void *exchange_thread(void *arg)
{
    exchange(arg);
    return NULL;
}

/* SE-03, SE-05, SE-06, SE-07, SE-08, SE-11, SE-12, SE-13, CH-20. */
TEST(exchange)
{
    static const size_t capacity[CHANS] = {0, 0, 0, 1, 3, 50};
    memset(&ex, 0, sizeof ex);
    ex.rounds = stress_amount(30000);
    ex.at_work = ALL;
    ex.ctx = tuza_context_with_cancel(tuza_context_background());
    for (int i = 0; i < CHANS; i++)
        ex.c[i] = tuza_chan_make(sizeof(value), capacity[i]);
    for (int i = 0; i < FDS; i++)
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ex.fds[i]), 0);
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < WORKERS; i++)
        GO(exchange, (void *)i);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, exchange_thread, (void *)(WORKERS + i)), 0);
    while (flag_get(&ex.at_work))
        tuza_sleep(TUZA_MILLISECOND);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    settle_slowly();
    for (int i = 0; i < CHANS; i++) {
        for (value v; try_recv(ex.c[i], &v); ex.got++)
            ex.got_sum += v.number;
        tuza_chan_unref(ex.c[i]); /* throws where a wait was left on it */
    }
    CHECK(ex.sent > 0);
    CHECK_EQ(ex.sent, ex.got);
    CHECK_EQ(ex.sent_sum, ex.got_sum);
    for (int i = 0; i < FDS; i++) {
        CHECK_EQ(tuza_close(ex.fds[i][0]), 0);
        CHECK_EQ(tuza_close(ex.fds[i][1]), 0);
    }
    tuza_context_unref(ex.ctx);
}

/* ---- no time limit: who waits is woken, or the test hangs ---- */

static struct {
    tuza_chan *c[CHANS];
    tuza_chan *stop;
    uint64_t got, got_sum;
    long senders;
    uint32_t each;
} flow;

static void flow_send(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg;
    stress_random r = stress_start(100 + me);
    for (uint32_t i = 0; i < flow.each; i++) {
        value v = make_value(me, i);
        tuza_case k[] = {TUZA_SEND(flow.c[stress_next(&r, CHANS)], &v),
                         TUZA_SEND(flow.c[stress_next(&r, CHANS)], &v),
                         TUZA_SEND(flow.c[stress_next(&r, CHANS)], &v)};
        tuza_select(k, 1 + stress_next(&r, 3));
    }
    if (flag_add(&flow.senders, -1) == 0)
        tuza_chan_close(flow.stop);
}

static void flow_recv(void *arg)
{
    stress_random r = stress_start(200 + (uint32_t)(uintptr_t)arg);
    for (;;) {
        value v[CHANS];
        tuza_case k[CHANS + 1];
        uint32_t shift = stress_next(&r, CHANS);
        for (uint32_t i = 0; i < CHANS; i++)
            k[i] = TUZA_RECV(flow.c[(i + shift) % CHANS], &v[i]);
        k[CHANS] = TUZA_RECV(flow.stop, NULL);
        size_t at = tuza_select(k, CHANS + 1);
        if (at == CHANS) {
            CHECK(!k[at].ok);
            return;
        }
        CHECK(k[at].ok);
        CHECK_EQ(v[at].check, make_value(v[at].sender, v[at].number).check);
        __atomic_add_fetch(&flow.got, 1, __ATOMIC_RELAXED);
        __atomic_add_fetch(&flow.got_sum, v[at].number, __ATOMIC_RELAXED);
    }
}

/* SE-07, SE-11, SE-17: all that is sent arrives, without anything to wake those that were forgotten. */
TEST(flow)
{
    memset(&flow, 0, sizeof flow);
    flow.each = (uint32_t)stress_amount(60000) + 1;
    flow.senders = WORKERS;
    flow.stop = tuza_chan_make(0, 0);
    for (int i = 0; i < CHANS; i++)
        flow.c[i] = tuza_chan_make(sizeof(value), 0);
    for (uintptr_t i = 0; i < WORKERS; i++) {
        GO(flow_send, (void *)i);
        GO(flow_recv, (void *)i);
    }
    settle_slowly();
    CHECK_EQ(flow.got, (uint64_t)WORKERS * flow.each);
    CHECK_EQ(flow.got_sum, (uint64_t)WORKERS * flow.each * (flow.each - 1) / 2);
    for (int i = 0; i < CHANS; i++)
        tuza_chan_unref(flow.c[i]);
    tuza_chan_unref(flow.stop);
}

/* ---- closes ---- */

static struct {
    tuza_chan *c[2];
    tuza_context *ctx;
    long ended, panics;
} end;

static void recovered(void *arg)
{
    (void)arg;
    const char *text = tuza_recover();
    if (text) {
        CHECK_STR(text, "send on closed channel");
        flag_add(&end.panics, 1);
    }
    flag_add(&end.ended, 1);
}

static void select_until_end(void *arg)
{
    uintptr_t kind = (uintptr_t)arg;
    TUZA_DEFER(recovered, NULL);
    for (;;) {
        value v = make_value(1, 1), got;
        tuza_case k[] = {kind & 1 ? TUZA_SEND(end.c[0], &v) : TUZA_RECV(end.c[0], &got),
                         kind & 2 ? TUZA_SEND(end.c[1], &v) : TUZA_RECV(end.c[1], &got), TUZA_DONE(end.ctx)};
        size_t at = tuza_select(k, kind & 4 ? 3 : 2);
        if (at == 2 || (k[at].op == TUZA_CASE_RECV && !k[at].ok))
            return;
    }
}

/* SE-09, SE-10, CH-15, CH-17: closing and cancelling ends every select that is on it, whichever is first. */
TEST(closes)
{
    stress_random r = stress_start(7);
    long rounds = stress_amount(6000), panics = 0;
    for (long i = 0; i < rounds; i++) {
        memset(&end, 0, sizeof end);
        end.ctx = tuza_context_with_cancel(tuza_context_background());
        for (int j = 0; j < 2; j++)
            end.c[j] = tuza_chan_make(sizeof(value), stress_next(&r, 2));
        long n = 1 + stress_next(&r, 8);
        for (long j = 0; j < n; j++)
            GO(select_until_end, (void *)(uintptr_t)stress_next(&r, 8));
        if (stress_next(&r, 2))
            tuza_gosched();
        if (stress_next(&r, 2))
            tuza_context_cancel(end.ctx);
        tuza_chan_close(end.c[stress_next(&r, 2) ? 1 : 0]);
        EVENTUALLY(flag_get(&end.ended) == n);
        settle(1);
        panics += end.panics;
        for (int j = 0; j < 2; j++)
            tuza_chan_unref(end.c[j]);
        tuza_context_unref(end.ctx);
    }
    CHECK(panics > 0);
}

/* ---- descriptors ---- */

static struct {
    int fds[FDS][2];
    tuza_chan *stop;
    uint64_t got;
    long writers;
    long each;
} io;

static void io_read(void *arg)
{
    stress_random r = stress_start(300 + (uint32_t)(uintptr_t)arg);
    for (;;) {
        tuza_case k[FDS + 2];
        for (int i = 0; i < FDS; i++)
            k[i] = TUZA_READABLE(io.fds[i][0]);
        k[FDS] = TUZA_RECV(io.stop, NULL);
        size_t n = FDS + 1;
        if (stress_next(&r, 4) == 0)
            k[n++] = TUZA_TIMEOUT((int64_t)stress_next(&r, 100) * 1000);
        size_t at = tuza_select(k, n);
        if (at == FDS)
            return;
        char buf[64];
        ssize_t got = at < FDS ? recv(io.fds[at][0], buf, 1 + stress_next(&r, 60), MSG_DONTWAIT) : 0;
        CHECK(got >= 0 || errno == EAGAIN);
        if (got > 0 &&
            __atomic_add_fetch(&io.got, (uint64_t)got, __ATOMIC_RELAXED) == (uint64_t)(io.each * FDS))
            tuza_chan_close(io.stop);
    }
}

static void io_write(void *arg)
{
    int fd = io.fds[(uintptr_t)arg][1];
    stress_random r = stress_start(400 + (uint32_t)(uintptr_t)arg);
    for (long left = io.each; left > 0;) {
        char buf[32] = {0};
        tuza_case k[] = {TUZA_WRITABLE(fd)};
        tuza_select(k, 1);
        uint32_t want = 1 + stress_next(&r, 31);
        ssize_t n = send(fd, buf, left < (long)want ? (size_t)left : want, MSG_DONTWAIT);
        CHECK(n > 0 || errno == EAGAIN);
        if (n > 0)
            left -= n;
        if (stress_next(&r, 8) == 0) /* ends waits early, or late: both are only worth a look */
            tuza_set_read_deadline(io.fds[(uintptr_t)arg][0],
                                   stress_next(&r, 2) ? tuza_now() + (int64_t)stress_next(&r, 50000) : 0);
        if (stress_next(&r, 4) == 0)
            tuza_gosched();
    }
}

/* Every byte is found by somebody who waits for it, however many wait. */
TEST(descriptors)
{
    memset(&io, 0, sizeof io);
    io.each = stress_amount(400000);
    io.stop = tuza_chan_make(0, 0);
    for (int i = 0; i < FDS; i++)
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, io.fds[i]), 0);
    for (uintptr_t i = 0; i < 5; i++)
        GO(io_read, (void *)i);
    for (uintptr_t i = 0; i < FDS; i++)
        GO(io_write, (void *)i);
    settle_slowly();
    CHECK_EQ(io.got, io.each * FDS);
    for (int i = 0; i < FDS; i++) {
        CHECK_EQ(tuza_close(io.fds[i][0]), 0);
        CHECK_EQ(tuza_close(io.fds[i][1]), 0);
    }
    tuza_chan_unref(io.stop);
}

static void wait_for_close(void *arg)
{
    int fd = (int)(intptr_t)arg;
    tuza_case k[] = {TUZA_READABLE(fd), TUZA_TIMEOUT(INT64_MAX), TUZA_READABLE(fd)};
    CHECK(tuza_select(k, 3) != 1);
}

/* tuza_close, tuza_cancel and the other side's end race with selects that come to wait. */
TEST(closed_descriptors)
{
    stress_random r = stress_start(9);
    long rounds = stress_amount(6000);
    for (long i = 0; i < rounds; i++) {
        int s[2];
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
        uint32_t n = 1 + stress_next(&r, 3);
        for (uint32_t j = 0; j < n; j++)
            GO(wait_for_close, (void *)(intptr_t)s[0]);
        if (stress_next(&r, 2))
            tuza_gosched();
        uint32_t how = stress_next(&r, 3);
        if (how == 0)
            CHECK_EQ(tuza_cancel(s[0]), 0);
        else if (how == 1)
            CHECK_EQ(shutdown(s[1], SHUT_RDWR), 0);
        if (how < 2)
            settle(1);
        CHECK_EQ(tuza_close(s[0]), 0);
        settle(1); /* the number is not opened anew before */
        CHECK_EQ(tuza_close(s[1]), 0);
    }
}

TEST_MAIN_TUZA()
