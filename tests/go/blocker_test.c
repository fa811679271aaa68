/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Goroutines known to block, which hand their P off as they leave: what they
 * leave behind must still be looked after.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=4 TUZA_TEST_NO_MEMBARRIER=1 | not tsan
#include <pthread.h>

#include "go/help.h"

enum { WAVES = 2, BLOCKERS = 75 };
static tuza_chan *start, *ended;
static int gate[2];
static int learnt, begun;

static void nothing(void *arg)
{
    (void)arg;
}

/* Work is waiting for this P while its goroutine blocks: it is robbed, and known for it after a few times. */
static void become_known(void)
{
    for (int i = 0; i < 8; i++) {
        GO(nothing, NULL);
        usleep(3000);
    }
}

static void blocker(void *arg)
{
    (void)arg;
    become_known();
    flag_add(&learnt, 1);
    int64_t v;
    while (tuza_chan_recv(start, &v)) { /* leaves by a hand-off */
        flag_add(&begun, 1);
        char c;
        CHECK_EQ(read(gate[0], &c, 1), 1);
        tuza_chan_send(ended, &v);
    }
}

static void sleeper(void *arg)
{
    (void)arg;
    tuza_sleep(20 * TUZA_MILLISECOND);
    CHECK_EQ(write(gate[1], "x", 1), 1);
}

/* TM-28, TM-29 for sleeps: the timer of a P that a blocker left behind fires, though nobody went to rest
 * with it. The blocker ends only when it has. */
TEST(timer_left_behind)
{
    start = tuza_chan_make(8, 0);
    ended = tuza_chan_make(8, 1);
    CHECK_EQ(pipe(gate), 0);
    flag_set(&learnt, 0);
    flag_set(&begun, 0);
    GO(blocker, NULL);
    EVENTUALLY(flag_get(&learnt) == 1);
    for (int64_t i = 0; i < 20; i++) {
        usleep(2000); /* main's own M is robbed now and then, too */
        tuza_chan_send(start, &i);
        GO(sleeper, NULL);
        int64_t v;
        CHECK(tuza_chan_recv(ended, &v));
        CHECK_EQ(v, i);
    }
    tuza_chan_close(start);
    settle(1);
    close(gate[0]);
    close(gate[1]);
    tuza_chan_unref(start);
    tuza_chan_unref(ended);
}

static tuza_chan *waves[2];
static int64_t at;

static void wave_blocker(void *wave)
{
    become_known();
    flag_add(&learnt, 1);
    CHECK(!tuza_chan_recv(wave, NULL)); /* leaves by a hand-off */
    flag_add(&begun, 1);
    char c;
    CHECK_EQ(read(gate[0], &c, 1), 1);
    tuza_chan_send(ended, &at);
}

static void close_at(tuza_chan *wave)
{
    while (tuza_now() < flag_get(&at))
        ;
    tuza_chan_close(wave);
}

static void closer(void *wave)
{
    flag_set(&at, tuza_now() + 3 * TUZA_MILLISECOND);
    close_at(wave);
}

static void *open_gate(void *unused)
{
    (void)unused;
    SPIN_UNTIL(flag_get(&begun) == WAVES * BLOCKERS);
    for (int i = 0; i < WAVES * BLOCKERS; i++)
        CHECK_EQ(write(gate[1], "x", 1), 1);
    return NULL;
}

/* PR-08, PR-12: two Ps, each with a queue of known blockers that use up the threads at hand one by one: every
 * one begins, though nobody else comes by. */
TEST(waves_of_blockers)
{
    int was = tuza_gomaxprocs(2);
    ended = tuza_chan_make(8, WAVES * BLOCKERS);
    CHECK_EQ(pipe(gate), 0);
    flag_set(&learnt, 0);
    flag_set(&begun, 0);
    flag_set(&at, 0);
    for (int w = 0; w < WAVES; w++)
        waves[w] = tuza_chan_make(8, 0);
    for (int i = 0; i < WAVES * BLOCKERS; i++) {
        GO(wave_blocker, waves[i % WAVES]);
        EVENTUALLY(flag_get(&learnt) > i);
    }
    pthread_t watcher;
    CHECK_EQ(pthread_create(&watcher, NULL, open_gate, NULL), 0);
    GO(closer, waves[1]);
    SPIN_UNTIL(flag_get(&at) != 0);
    close_at(waves[0]);
    for (int i = 0; i < WAVES * BLOCKERS; i++)
        CHECK(tuza_chan_recv(ended, NULL));
    CHECK_EQ(pthread_join(watcher, NULL), 0);
    settle(1);
    close(gate[0]);
    close(gate[1]);
    for (int w = 0; w < WAVES; w++)
        tuza_chan_unref(waves[w]);
    tuza_chan_unref(ended);
    tuza_gomaxprocs(was);
}

TEST_MAIN_TUZA()
