/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The world is stopped and goes on while a thread that tuza did not make waits
 * for a P: the one that was alone before, and elided its locks, is not alone
 * after that.
 */
// ctest: timeout 900 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=2 TUZA_CHAOS=1
#include <pthread.h>

#include "stress/stress.h"

enum { PARKED = 300 };

static tuza_chan *forever;
static void park(void *arg)
{
    (void)arg;
    tuza_chan_recv(forever, NULL);
}

static void begin(void)
{
    forever = tuza_chan_make(0, 0);
    for (int i = 0; i < PARKED; i++)
        CHECK_EQ(tuza_go(park, NULL), 0);
}

static void end(void)
{
    tuza_chan_close(forever);
    settle_slowly();
    tuza_chan_unref(forever);
}

static void stop_the_world(void)
{
    char text[100];
    tuza_stack(text, sizeof text, true);
}

/* --- A channel --- */

static tuza_chan *c;
static long sent, got;
static int active, over;

static void hammer(int64_t ns)
{
    long s = 0, g = 0, v = 1;
    for (int64_t until = tuza_now() + ns; tuza_now() < until;)
        for (int i = 0; i < 50; i++) {
            s += tuza_chan_try_send(c, &v);
            g += tuza_chan_try_recv(c, &v, NULL);
        }
    flag_add(&sent, s);
    flag_add(&got, g);
}

static void work(void *arg)
{
    (void)arg;
    hammer(3 * TUZA_MILLISECOND);
    flag_set(&active, 0);
}

static void *start_workers(void *arg)
{
    while (!flag_get(&over)) {
        if (!flag_get(&active)) {
            flag_set(&active, 1);
            CHECK_EQ(tuza_go(work, NULL), 0);
        }
        usleep(20);
    }
    return arg;
}

TEST(a_channel)
{
    pthread_t t;
    sent = got = active = over = 0;
    c = tuza_chan_make(sizeof(long), 8);
    begin();
    CHECK_EQ(pthread_create(&t, NULL, start_workers, NULL), 0);
    for (long i = 0; i < stress_amount(1000) + 20; i++) {
        for (int k = 0; k < 3; k++)
            tuza_sleep(50 * TUZA_MICROSECOND);
        stop_the_world();
        hammer(2 * TUZA_MILLISECOND);
    }
    flag_set(&over, 1);
    CHECK_EQ(pthread_join(t, NULL), 0);
    while (flag_get(&active))
        tuza_sleep(TUZA_MILLISECOND);
    CHECK_EQ(sent, got + (long)tuza_chan_len(c));
    tuza_chan_unref(c);
    end();
}

/* --- A mutex --- */

static tuza_mutex mu;
static long count;
static int go, done;

static void bump(long n)
{
    for (long i = 0; i < n; i++) {
        tuza_mutex_lock(&mu);
        count++;
        tuza_mutex_unlock(&mu);
    }
}

static void *bump_from_outside(void *arg)
{
    tuza_mutex other = TUZA_MUTEX_INIT;
    while (!flag_get(&go))
        ;
    usleep(100);
    tuza_mutex_lock(&other); /* attached in the middle of the stop, mostly */
    bump((intptr_t)arg);
    flag_set(&done, 1);
    return NULL;
}

TEST(a_mutex)
{
    enum { EACH = 20000 };
    long mine = 0, rounds = stress_amount(400) + 5;
    count = 0;
    begin();
    for (long i = 0; i < rounds; i++) {
        pthread_t t;
        go = done = 0;
        CHECK_EQ(pthread_create(&t, NULL, bump_from_outside, (void *)(intptr_t)EACH), 0);
        for (int k = 0; k < 5; k++)
            tuza_sleep(100 * TUZA_MICROSECOND);
        flag_set(&go, 1);
        for (stop_the_world(); !flag_get(&done); mine += 100)
            bump(100);
        CHECK_EQ(pthread_join(t, NULL), 0);
    }
    CHECK_EQ(count, mine + rounds * EACH);
    end();
}

TEST_MAIN_TUZA()
