/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Select as a program sees it: channels, times and contexts. Descriptors are
 * in select_fd_test.c, what ends the process in crash/select.c, the order
 * among waiters in unit/chan_order_test.c.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=1 TUZA_CHAOS=21
// ctest: env GOMAXPROCS=4 TUZA_CHAOS=22 | env GOMAXPROCS=8 TUZA_CHAOS=23
// ctest: env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1
#include <errno.h>

#include "go/help.h"

static tuza_chan *chan_of(size_t capacity)
{
    return tuza_chan_make(sizeof(int64_t), capacity);
}

static void put(tuza_chan *c, int64_t v)
{
    tuza_chan_send(c, &v);
}

static int64_t get(tuza_chan *c)
{
    int64_t v;
    CHECK(tuza_chan_recv(c, &v));
    return v;
}

/* Whether a goroutine waits for that reason. */
static bool any_waits(const char *reason)
{
    static char text[1 << 16];
    tuza_stack(text, sizeof text, true);
    return strstr(text, reason) != NULL;
}

/* ---- ready at once ---- */

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

static const char *caught;

static void note_panic(void *arg)
{
    (void)arg;
    const char *text = tuza_recover();
    static char copy[100];
    snprintf(copy, sizeof copy, "%s", text ? text : "none");
    caught = copy;
}

struct call {
    tuza_case *cases;
    size_t n;
    bool wait;
};

static void select_guarded(void *arg)
{
    struct call *c = arg;
    TUZA_DEFER(note_panic, NULL);
    if (c->wait)
        tuza_select(c->cases, c->n);
    else
        tuza_try_select(c->cases, c->n);
}

static const char *panic_of(tuza_case *cases, size_t n, bool wait)
{
    struct call c = {cases, n, wait};
    caught = NULL;
    tuza_call(select_guarded, &c);
    return caught;
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

/* ---- waiting ---- */

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
enum { FOREVER = 3 }; /* goroutines of that test */

TEST_MAIN_TUZA()
