/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is served first. A look into the channel tells when a goroutine waits,
 * which the public interface does not.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | not tsan
#include "chan/chan.h"
#include "tuza.h"
#include "tz_test.h"

enum { N = 20 };
static tuza_chan *c, *done;
static int64_t got[N];

static size_t waiting(const tz_waitq *q)
{
    size_t n = 0;
    for (tz_sudog *s = tz_load_relaxed(&q->first); s; s = s->next)
        n++;
    return n;
}

/* Starts fn(i), and waits until it waits in q. */
static void start_waiting(void (*fn)(void *), intptr_t i, const tz_waitq *q)
{
    size_t before = waiting(q);
    CHECK_EQ(tuza_go(fn, (void *)i), 0);
    while (waiting(q) == before)
        tuza_sleep(TUZA_MILLISECOND / 10);
    /* Its lock is free again once it has left its stack: nobody else uses the channel now. */
    while (tz_load_acquire(&c->lock.word))
        tuza_gosched();
}

static void receive_one(void *i)
{
    CHECK(tuza_chan_recv(c, &got[(intptr_t)i]));
    tuza_chan_send(done, NULL);
}

/* CH-07: receivers that wait are served first come, first served. */
TEST(receivers_in_order)
{
    c = tuza_chan_make(8, 0);
    done = tuza_chan_make(0, N);
    for (intptr_t i = 0; i < N; i++)
        start_waiting(receive_one, i, &c->recvq);
    for (int64_t v = 0; v < N; v++)
        tuza_chan_send(c, &v);
    for (int i = 0; i < N; i++)
        tuza_chan_recv(done, NULL);
    for (int i = 0; i < N; i++)
        CHECK_EQ(got[i], i);
    tuza_chan_unref(c);
    tuza_chan_unref(done);
}

static void send_one(void *i)
{
    int64_t v = (intptr_t)i;
    tuza_chan_send(c, &v);
}

/* CH-07, CH-08: senders that wait are served in order, behind what is buffered. */
static void senders_in_order(size_t capacity)
{
    c = tuza_chan_make(8, capacity);
    int64_t next = 0;
    for (; next < (int64_t)capacity; next++)
        tuza_chan_send(c, &next);
    for (; next < (int64_t)capacity + N; next++)
        start_waiting(send_one, (intptr_t)next, &c->sendq);
    CHECK_EQ(tuza_chan_len(c), capacity);
    for (int64_t v = 0, is; v < next; v++) {
        CHECK(tuza_chan_recv(c, &is));
        CHECK_EQ(is, v);
    }
    tuza_chan_unref(c);
}
TEST(senders_in_order_unbuffered)
{
    senders_in_order(0);
}
TEST(senders_in_order_buffered)
{
    senders_in_order(7);
}

static tuza_chan *leave;
static void select_one(void *i)
{
    tuza_case cases[] = {TUZA_RECV(c, &got[(intptr_t)i]), TUZA_RECV(leave, NULL)};
    if (tuza_select(cases, 2) == 0)
        tuza_chan_send(done, NULL);
}

/* SE-12, CH-07: selects that leave the queue, from its middle and its ends, keep the others' order; those
 * that stay have their turn in it. */
TEST(selects_in_order)
{
    enum { GIVE_UP = 4 };
    c = tuza_chan_make(8, 0);
    leave = tuza_chan_make(0, 0);
    done = tuza_chan_make(0, N);
    for (intptr_t i = 0; i < N; i++)
        start_waiting(i % 3 ? receive_one : select_one, i, &c->recvq);
    for (int i = 0; i < GIVE_UP; i++) { /* the first that waits for that, which is the first select */
        size_t before = waiting(&c->recvq);
        tuza_chan_send(leave, NULL);
        while (waiting(&c->recvq) == before)
            tuza_sleep(TUZA_MILLISECOND / 10);
    }
    int64_t left = (int64_t)waiting(&c->recvq), stay = 0;
    for (int64_t v = 0; v < left; v++)
        tuza_chan_send(c, &v);
    for (int64_t i = 0; i < left; i++)
        tuza_chan_recv(done, NULL);
    for (int i = 0; i < N; i++)
        if (i % 3 || i / 3 >= GIVE_UP)
            CHECK_EQ(got[i], stay++);
    CHECK_EQ(stay, left);
    tuza_chan_unref(c);
    tuza_chan_unref(leave);
    tuza_chan_unref(done);
}

static int64_t order[N + 1];
static int ran;
static void note_turn(void *i)
{
    order[ran++] = (intptr_t)i;
}
static void woken(void *i)
{
    CHECK(tuza_chan_recv(c, NULL));
    note_turn(i);
}

/* CH-10: who is woken runs next, before those that were runnable already.
 * GR-03: so does what was started last. */
TEST(woken_runs_next)
{
    if (tuza_gomaxprocs(0) != 1)
        SKIP("the order of one P");
    c = tuza_chan_make(8, 0);
    start_waiting(woken, N, &c->recvq);
    ran = 0;
    for (intptr_t i = 0; i < N; i++)
        CHECK_EQ(tuza_go(note_turn, (void *)i), 0);
    int64_t v = 0;
    tuza_chan_send(c, &v);
    while (ran <= N)
        tuza_gosched();
    CHECK_EQ(order[0], N);
    for (int i = 1; i <= N; i++)
        CHECK_EQ(order[i], i - 1);
    tuza_chan_unref(c);
}

TEST_MAIN_TUZA()
