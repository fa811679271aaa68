/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Select where a case is ready at once, or none is and it does not wait. With
 * waiting: select_wait_test.c. Descriptors: select_fd_test.c. What ends the
 * process: crash/select.c.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=1 TUZA_CHAOS=21
// ctest: env GOMAXPROCS=4 TUZA_CHAOS=22 | env GOMAXPROCS=8 TUZA_CHAOS=23
// ctest: env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1
#include "go/select.h"

/* SE-05: of two channels that are always ready each is taken about as often. 10 sigma of half. */
TEST(fairness)
{
    enum { N = 10000 };
    tuza_chan *c[2] = {chan_of(1), chan_of(1)};
    int64_t v, seen[2] = {0, 0};
    put(c[0], 0);
    put(c[1], 0);
    for (int i = 0; i < N; i++) {
        tuza_case cases[] = {TUZA_RECV(c[0], &v), TUZA_RECV(c[1], &v)};
        size_t at = tuza_select(cases, 2);
        CHECK(at < 2);
        CHECK(cases[at].ok);
        CHECK(!cases[1 - at].ok);
        seen[at]++;
        put(c[at], 0);
    }
    for (int i = 0; i < 2; i++) {
        CHECK(seen[i] > N / 2 - 500);
        CHECK(seen[i] < N / 2 + 500);
        tuza_chan_unref(c[i]);
    }
}

/* SE-05: the same with every kind that can be ready at once, for one and for many cases. */
TEST(fairness_of_kinds)
{
    enum { KINDS = 6, N = 12000 };
    tuza_chan *full = chan_of(N), *empty = chan_of(N), *closed = chan_of(0);
    for (int i = 0; i < N; i++)
        put(full, i);
    tuza_chan_close(closed);
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    tuza_context_cancel(ctx);
    int64_t v = 7, got, next = 0, seen[KINDS] = {0};
    for (int i = 0; i < N; i++) {
        tuza_case cases[KINDS] = {TUZA_RECV(full, &got), TUZA_SEND(empty, &v), TUZA_RECV(closed, NULL),
                                  TUZA_TIMEOUT(0),       TUZA_UNTIL(1),        TUZA_DONE(ctx)};
        size_t at = i % 2 ? tuza_select(cases, KINDS) : (size_t)tuza_try_select(cases, KINDS);
        CHECK(at < KINDS);
        seen[at]++;
        if (at == 0)
            CHECK_EQ(got, next++);
        CHECK_EQ(cases[0].ok, at == 0);
    }
    CHECK_EQ(tuza_chan_len(empty), seen[1]);
    CHECK_EQ(tuza_chan_len(full), N - seen[0]);
    for (int i = 0; i < KINDS; i++) { /* sigma is 41 */
        CHECK(seen[i] > N / KINDS - 410);
        CHECK(seen[i] < N / KINDS + 410);
    }
    tuza_context_unref(ctx);
    tuza_chan_unref(full);
    tuza_chan_unref(empty);
    tuza_chan_unref(closed);
}

/* SE-02, SE-03: nil channels are never chosen, nor is what is not ready; with a default that is -1. */
TEST(none_is_ready)
{
    tuza_chan *empty = chan_of(3), *full = chan_of(1);
    put(full, 1);
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    int64_t v = 42;
    tuza_case cases[] = {TUZA_RECV(NULL, &v),
                         TUZA_SEND(NULL, &v),
                         TUZA_RECV(empty, &v),
                         TUZA_SEND(full, &v),
                         TUZA_DONE(ctx),
                         TUZA_DONE(NULL),
                         TUZA_DONE(tuza_context_background()),
                         TUZA_TIMEOUT(TUZA_SECOND * 1000),
                         TUZA_TIMEOUT(INT64_MAX),
                         TUZA_UNTIL(0),
                         TUZA_UNTIL(INT64_MAX)};
    for (size_t n = 0; n <= sizeof cases / sizeof cases[0]; n++)
        CHECK_EQ(tuza_try_select(cases, n), -1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_EQ(tuza_try_select(&cases[i], 1), -1);
    CHECK_EQ(v, 42);
    CHECK_EQ(tuza_try_select(NULL, 0), -1);
    put(empty, 9);
    CHECK_EQ(tuza_try_select(cases, sizeof cases / sizeof cases[0]), 2);
    CHECK_EQ(v, 9);
    tuza_context_unref(ctx);
    tuza_chan_unref(empty);
    tuza_chan_unref(full);
}

/* SE-04: one case is the plain operation, with or without a default. */
TEST(one_case)
{
    tuza_chan *c = chan_of(1);
    int64_t v = 5, got = 0;
    tuza_case send = TUZA_SEND(c, &v), recv = TUZA_RECV(c, &got);
    CHECK_EQ(tuza_try_select(&recv, 1), -1);
    CHECK_EQ(tuza_select(&send, 1), 0);
    CHECK_EQ(tuza_try_select(&send, 1), -1);
    CHECK_EQ(tuza_select(&recv, 1), 0);
    CHECK(recv.ok);
    CHECK_EQ(got, 5);
    CHECK_EQ(tuza_try_select(&send, 1), 0);
    CHECK_EQ(tuza_try_select(&recv, 1), 0);
    tuza_chan_close(c);
    for (int i = 0; i < 4; i++) {
        got = 1;
        recv.ok = true;
        CHECK_EQ(i % 2 ? (int)tuza_select(&recv, 1) : tuza_try_select(&recv, 1), 0);
        CHECK(!recv.ok);
        CHECK_EQ(got, 0);
    }
    tuza_chan_unref(c);
}

/* SE-09, CH-16: a receive from a closed channel is ready, after what it holds. Sizes beside a word, too. */
TEST(closed_channel)
{
    enum { BYTES = 13 };
    tuza_chan *c = tuza_chan_make(BYTES, 2), *other = chan_of(0);
    char in[BYTES + 1] = "hello, world!", out[BYTES + 1];
    tuza_chan_send(c, in);
    tuza_chan_close(c);
    for (int i = 0; i < 10; i++) {
        memset(out, 'x', sizeof out);
        tuza_case cases[] = {TUZA_RECV(other, NULL), TUZA_RECV(c, i == 5 ? NULL : out)};
        CHECK_EQ(tuza_select(cases, 2), 1);
        CHECK_EQ(cases[1].ok, i == 0);
        CHECK_EQ(out[BYTES], 'x');
        if (i == 0)
            CHECK_EQ(memcmp(in, out, BYTES), 0);
        else if (i != 5)
            for (int j = 0; j < BYTES; j++)
                CHECK_EQ(out[j], 0);
    }
    tuza_chan_unref(c);
    tuza_chan_unref(other);
}

/* SE-09: a send on a closed channel is ready, and panics; on one of the runtime's always. */
TEST(bad_sends)
{
    enum { MANY = 50 };
    tuza_chan *c = chan_of(1), *none = chan_of(0);
    tuza_chan_close(c);
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    int64_t v = 1;
    tuza_case many[MANY];
    for (int i = 0; i < MANY; i++)
        many[i] = TUZA_RECV(none, &v);
    many[MANY / 2] = TUZA_SEND(c, &v);
    for (int wait = 0; wait < 2; wait++) {
        tuza_case one[] = {TUZA_SEND(c, &v)};
        tuza_case two[] = {TUZA_RECV(none, &v), TUZA_SEND(c, &v)};
        tuza_case mixed[] = {TUZA_RECV(none, &v), TUZA_TIMEOUT(TUZA_SECOND * 1000), TUZA_SEND(c, &v)};
        tuza_case owned[] = {TUZA_RECV(none, &v), TUZA_SEND(tuza_context_done(ctx), NULL)};
        tuza_case unknown[] = {TUZA_RECV(none, &v), {0}};
        CHECK_STR(panic_of(one, 1, wait), "send on closed channel");
        CHECK_STR(panic_of(two, 2, wait), "send on closed channel");
        CHECK_STR(panic_of(mixed, 3, wait), "send on closed channel");
        CHECK_STR(panic_of(many, MANY, wait), "send on closed channel");
        CHECK_STR(panic_of(owned, 2, wait), "tuza: send on a channel owned by the runtime");
        CHECK_STR(panic_of(unknown, 2, wait), "tuza: select of an unknown kind of case");
    }
    tuza_context_unref(ctx);
    tuza_chan_unref(c);
    tuza_chan_unref(none);
}

TEST_MAIN_TUZA()
