/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Typed channels: what may be written. What may not is in typed.sh; that it
 * costs nothing, too. The file is also compiled as C++: typed_cxx_test.cc.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4
#include "go/help.h"

struct point {
    int x;
    double y;
};

/* A struct that is incomplete where its channel is a member: an answer of the same kind. */
struct request {
    int n;
    TUZA_CHAN(struct request) back;
};

typedef struct worker {
    TUZA_CHAN(int) in;
    TUZA_CHAN(long) out;
} worker;

static void doubles(void *arg)
{
    worker *w = (worker *)arg;
    for (int n; TUZA_CHAN_RECV(w->in, &n);)
        TUZA_CHAN_SEND(w->out, 2 * n);
    TUZA_CHAN_CLOSE(w->out);
    TUZA_CHAN_UNREF(w->in);
    TUZA_CHAN_UNREF(w->out);
}

/* CH-05, CH-16, CH-23: values go through, then the end. */
TEST(pipeline)
{
    worker w = {TUZA_CHAN_MAKE(int, 0), TUZA_CHAN_MAKE(long, 2)};
    worker copy = {TUZA_CHAN_REF(w.in), TUZA_CHAN_REF(w.out)};
    CHECK_EQ(tuza_go_copy(doubles, &copy, sizeof copy), 0);
    long got, sum = 0;
    for (int i = 0; i < 100; i++) {
        TUZA_CHAN_SEND(w.in, i);
        CHECK(TUZA_CHAN_RECV(w.out, &got));
        sum += got;
    }
    CHECK_EQ(sum, 9900);
    TUZA_CHAN_CLOSE(w.in);
    got = 7;
    CHECK(!TUZA_CHAN_RECV(w.out, &got));
    CHECK_EQ(got, 0);
    TUZA_CHAN_UNREF(w.in);
    TUZA_CHAN_UNREF(w.out);
}

static TUZA_CHAN(struct point) points(size_t capacity)
{
    return TUZA_CHAN_MAKE(struct point, capacity);
}

/* Two TUZA_CHANs of one type are one type; what is sent may be a whole struct, by value or in place. */
TEST(structs)
{
    TUZA_CHAN(struct point) c = points(3);
    const struct point p = {1, 2.5}, q = {3, 4.5};
    TUZA_CHAN_SEND(c, p);
    TUZA_CHAN_SEND_AT(c, &q);
    CHECK(TUZA_CHAN_TRY_SEND_AT(c, &p));
    CHECK(!TUZA_CHAN_TRY_SEND_AT(c, &q));
    CHECK(!TUZA_CHAN_TRY_SEND(c, p));
    CHECK_EQ(TUZA_CHAN_LEN(c), 3);
    CHECK_EQ(TUZA_CHAN_CAP(c), 3);
    struct point got = {0, 0};
    CHECK(TUZA_CHAN_RECV(c, &got) && got.x == 1 && got.y > 2.4);
    bool ok = false;
    CHECK(TUZA_CHAN_TRY_RECV(c, &got, &ok) && ok && got.x == 3);
    CHECK(TUZA_CHAN_TRY_RECV(c, &got, NULL) && got.x == 1);
    CHECK(!TUZA_CHAN_TRY_RECV(c, &got, &ok));
    TUZA_CHAN_UNREF(c);
}

/* What becomes an element without a loss may be sent; CH-03 for a channel that is NULL. */
TEST(conversions)
{
    TUZA_CHAN(long) longs = TUZA_CHAN_MAKE(long, 8);
    short s = 5;
    enum { FEW = 6 };
    TUZA_CHAN_SEND(longs, s);
    TUZA_CHAN_SEND(longs, FEW);
    TUZA_CHAN_SEND(longs, true);
    const struct flags {
        unsigned few : 3;
    } flags = {5};
    TUZA_CHAN_SEND(longs, flags.few);
    long got = 0;
    CHECK(TUZA_CHAN_RECV(longs, &got) && got == 5);
    CHECK(TUZA_CHAN_RECV(longs, NULL));
    CHECK(TUZA_CHAN_RECV(longs, &got) && got == 1);
    CHECK(TUZA_CHAN_RECV(longs, &got) && got == 5);
    TUZA_CHAN_UNREF(longs);

    TUZA_CHAN(uint8_t) bytes = TUZA_CHAN_MAKE(uint8_t, 1);
    TUZA_CHAN_SEND(bytes, 'x');
    uint8_t byte = 0;
    CHECK(TUZA_CHAN_RECV(bytes, &byte) && byte == 'x');
    TUZA_CHAN_UNREF(bytes);

    TUZA_CHAN(double) doubles_of = TUZA_CHAN_MAKE(double, 1);
    TUZA_CHAN_SEND(doubles_of, 3);
    double d = 0;
    CHECK(TUZA_CHAN_RECV(doubles_of, &d) && d > 2.9);
    TUZA_CHAN_UNREF(doubles_of);

    TUZA_CHAN(const char *) texts = TUZA_CHAN_MAKE(const char *, 2);
    char own[] = "own";
    const char *text = NULL;
    TUZA_CHAN_SEND(texts, "constant");
    TUZA_CHAN_SEND(texts, own);
    CHECK(TUZA_CHAN_RECV(texts, &text));
    CHECK_STR(text, "constant");
    CHECK(TUZA_CHAN_RECV(texts, &text) && text == own);

#ifdef __cplusplus
    TUZA_CHAN_SEND(texts, nullptr);
#else
    TUZA_CHAN_SEND(texts, NULL);
#endif
    CHECK(TUZA_CHAN_RECV(texts, &text) && text == NULL);
    TUZA_CHAN_UNREF(texts);

    TUZA_CHAN(void *) any = TUZA_CHAN_MAKE(void *, 1);
    TUZA_CHAN_SEND(any, &d);
    void *p = NULL;
    CHECK(TUZA_CHAN_RECV(any, &p) && p == &d);
    TUZA_CHAN_UNREF(any);

    TUZA_CHAN(int) nil = NULL;
    CHECK_EQ(TUZA_CHAN_LEN(nil), 0);
    CHECK(!TUZA_CHAN_TRY_SEND(nil, 1));
    CHECK(TUZA_CHAN_REF(nil) == NULL);
    TUZA_CHAN_UNREF(nil);
}

/* CH-02: elements without a content: nothing but that they came. */
TEST(empty)
{
    TUZA_CHAN(tuza_empty) c = TUZA_CHAN_MAKE(tuza_empty, 2);
    CHECK_EQ(tuza_chan_elem_size(TUZA_CHAN_UNTYPED(c)), 0);
    TUZA_CHAN_SEND(c, TUZA_EMPTY);
    CHECK(TUZA_CHAN_TRY_SEND(c, TUZA_EMPTY));
    CHECK(!TUZA_CHAN_TRY_SEND(c, TUZA_EMPTY));
    CHECK(TUZA_CHAN_RECV(c, NULL));
    TUZA_CHAN_CLOSE(c);
    bool ok = false;
    CHECK(TUZA_CHAN_TRY_RECV(c, NULL, &ok) && ok);
    CHECK(TUZA_CHAN_TRY_RECV(c, NULL, &ok) && !ok);
    TUZA_CHAN_UNREF(c);
}

static void answers(void *arg)
{
    struct request r = {0, NULL};
    TUZA_CHAN(struct request) c = *(TUZA_CHAN(struct request) *)arg;
    CHECK(TUZA_CHAN_RECV(c, &r));
    struct request answer = {r.n + 1, NULL};
    TUZA_CHAN_SEND(r.back, answer);
}

/* Channels of channels, and of what has a channel of itself. */
TEST(channels_in_elements)
{
    TUZA_CHAN(struct request) c = TUZA_CHAN_MAKE(struct request, 0);
    CHECK_EQ(tuza_go_copy(answers, &c, sizeof c), 0);
    struct request r = {41, TUZA_CHAN_MAKE(struct request, 0)}, got = {0, NULL};
    TUZA_CHAN_SEND_AT(c, &r);
    CHECK(TUZA_CHAN_RECV(r.back, &got));
    CHECK_EQ(got.n, 42);
    settle(1);
    TUZA_CHAN_UNREF(r.back);
    TUZA_CHAN_UNREF(c);

    TUZA_CHAN(TUZA_CHAN(int)) order = TUZA_CHAN_MAKE(TUZA_CHAN(int), 1);
    TUZA_CHAN(int) first = TUZA_CHAN_MAKE(int, 1), same = NULL;
    TUZA_CHAN_SEND(order, first);
    CHECK(TUZA_CHAN_RECV(order, &same) && same == first);
    TUZA_CHAN_UNREF(first);
    TUZA_CHAN_UNREF(order);
}

static int evaluated;
static TUZA_CHAN(int) once(TUZA_CHAN(int) c)
{
    evaluated++;
    return c;
}

/* SE-08: channel, value and target are evaluated once. */
TEST(evaluated_once)
{
    TUZA_CHAN(int) c = TUZA_CHAN_MAKE(int, 4);
    int n = 0, got[2] = {0, 0}, *at = got;
    TUZA_CHAN_SEND(once(c), n++);
    CHECK(TUZA_CHAN_TRY_SEND(once(c), n++));
    CHECK(TUZA_CHAN_RECV(once(c), at++));
    CHECK(TUZA_CHAN_TRY_RECV(once(c), at++, NULL));
    CHECK_EQ(evaluated, 4);
    CHECK_EQ(n, 2);
    CHECK_EQ(at - got, 2);
    CHECK_EQ(got[0], 0);
    CHECK_EQ(got[1], 1);
    TUZA_CHAN_UNREF(c);
}

static void mistyped(void *arg)
{
    CHECK(TUZA_CHAN_TYPED(char, (tuza_chan *)arg) == NULL);
}
static void recovered(void *arg)
{
    *(bool *)arg = true;
    CHECK_STR(tuza_recover(), "tuza: elements of 1 bytes in a channel of 8");
}
static void guarded(void *arg)
{
    bool *seen = (bool *)arg;
    tuza_defer(recovered, seen);
    tuza_timer *t = tuza_timer_new(TUZA_SECOND);
    TUZA_DEFER((void (*)(void *))tuza_timer_free, t);
    mistyped(tuza_timer_chan(t));
}

/* To and from the untyped ones: sizes are compared when a type is given. */
TEST(typed_and_untyped)
{
    tuza_chan *raw = tuza_chan_make(sizeof(int), 1);
    TUZA_CHAN(int) c = TUZA_CHAN_TYPED(int, raw);
    CHECK(TUZA_CHAN_UNTYPED(c) == raw);
    TUZA_CHAN_SEND(c, 3);
    int got = 0;
    CHECK(tuza_chan_recv(raw, &got) && got == 3);
    TUZA_CHAN_UNREF(c);
    CHECK(TUZA_CHAN_TYPED(int, (tuza_chan *)NULL) == NULL);

    bool seen = false;
    CHECK(!tuza_call(guarded, &seen));
    CHECK(seen);

    tuza_timer *t = tuza_timer_new(1);
    TUZA_CHAN(int64_t) ticks = TUZA_TIMER_CHAN(t);
    int64_t due = 0;
    CHECK(TUZA_CHAN_RECV(ticks, &due) && due > 0);
    tuza_timer_free(t);
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    TUZA_CHAN(tuza_empty) done = TUZA_CONTEXT_DONE(ctx);
    tuza_context_cancel(ctx);
    CHECK(!TUZA_CHAN_RECV(done, NULL));
    tuza_context_unref(ctx);
}

static int dropped;
static void drop(void *elem)
{
    dropped += *(int *)elem;
}

/* SE-04, CX-10: select, contexts, and elements that are dropped. */
TEST(select_and_contexts)
{
    TUZA_CHAN(int) c = TUZA_CHAN_MAKE_DROP(int, 2, drop);
    TUZA_CHAN(double) d = TUZA_CHAN_MAKE(double, 1);
    int n = 7, got = 0;
    double x = 0;
    tuza_case cases[] = {TUZA_RECV_FROM(c, &got), TUZA_RECV_FROM(d, &x), TUZA_SEND_TO(c, &n)};
    CHECK_EQ(tuza_select(cases, 3), 2);
    CHECK_EQ(tuza_select(cases, 2), 0);
    CHECK(cases[0].ok && got == 7);
    CHECK_EQ(tuza_try_select(cases, 2), -1);

    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    CHECK_EQ(TUZA_CHAN_SEND_CONTEXT(c, 3, ctx), 0);
    CHECK_EQ(TUZA_CHAN_SEND_AT_CONTEXT(c, &n, ctx), 0);
    CHECK_EQ(TUZA_CHAN_RECV_CONTEXT(c, &got, ctx), 1);
    CHECK_EQ(got, 3);
    tuza_context_cancel(ctx);
    CHECK_EQ(TUZA_CHAN_RECV_CONTEXT(d, &x, ctx), -ECANCELED);
    tuza_context_unref(ctx);
    TUZA_CHAN_UNREF(d);
    TUZA_CHAN_UNREF(c);
    CHECK_EQ(dropped, 7);
}

TEST_MAIN_TUZA()
