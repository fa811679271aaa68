/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The runtime is started and stopped again and again, by a thread that does
 * nothing else, while others, that know nothing of it, start goroutines,
 * sleep, read, and cancel contexts: whatever they ask for still comes, and
 * when a stop returns nothing is left of what was started before it.
 */
// ctest: timeout 900 | plain | env GOMAXPROCS=1 | env GOMAXPROCS=8 | env GOMAXPROCS=2 TUZA_CHAOS=1
// ctest: env GOMAXPROCS=4 TUZA_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "stress/stress.h"

static int over;
static long asked, done;

static void count(void *arg)
{
    (void)arg;
    flag_add(&done, 1);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void *start_goroutines(void *arg)
{
    (void)arg;
    while (!flag_get(&over)) {
        CHECK_EQ(tuza_go(count, NULL), 0);
        flag_add(&asked, 1);
        SPIN_UNTIL(flag_get(&done) == flag_get(&asked));
    }
    return NULL;
}

static void *sleep_often(void *arg)
{
    (void)arg;
    while (!flag_get(&over)) {
        tuza_sleep(20 * TUZA_MICROSECOND);
        flag_add(&done, 1);
    }
    return NULL;
}

static int ends[2];

static void *write_often(void *arg)
{
    while (write(ends[1], "x", 1) == 1 && !flag_get(&over))
        usleep(50);
    close(ends[1]);
    return arg;
}

static void *read_often(void *arg)
{
    pthread_t writer;
    char byte;
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(pthread_create(&writer, NULL, write_often, NULL), 0);
    while (tuza_read(ends[0], &byte, 1) == 1)
        flag_add(&done, 1);
    CHECK_EQ(pthread_join(writer, NULL), 0);
    CHECK_EQ(tuza_close(ends[0]), 0);
    return arg;
}

static void *cancel_often(void *arg)
{
    while (!flag_get(&over)) {
        tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
        tuza_timer *t = tuza_context_after_func(ctx, count, NULL);
        usleep((unsigned)(stress_seed % 50)); /* a stop or two comes between */
        tuza_context_cancel(ctx);
        flag_add(&asked, 1);
        SPIN_UNTIL(flag_get(&done) == flag_get(&asked));
        tuza_timer_free(t);
        tuza_context_unref(ctx);
    }
    return arg;
}

/* Starts and stops beside it, with a goroutine of its own now and then. */
static void beside(void *(*what)(void *))
{
    pthread_t t;
    stress_random r = stress_start(1);
    long cycles = stress_amount(1000) + 10;
    asked = done = 0;
    flag_set(&over, 0);
    CHECK_EQ(pthread_create(&t, NULL, what, NULL), 0);
    for (long i = 0; i < cycles; i++) {
        CHECK_EQ(tuza_start(NULL), 0);
        if (stress_next(&r, 2))
            GO(nothing, NULL);
        CHECK_EQ(tuza_stop(0), 0);
        if (stress_next(&r, 2))
            usleep(stress_next(&r, 500));
    }
    long before = flag_get(&done); /* and it goes on after the last stop */
    SPIN_UNTIL(flag_get(&done) > before);
    flag_set(&over, 1);
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK_EQ(tuza_start(NULL), 0);
    CHECK_EQ(tuza_stop(0), 0);
}

TEST(goroutines)
{
    beside(start_goroutines);
}

TEST(sleeps)
{
    beside(sleep_often);
}

TEST(reads)
{
    beside(read_often);
}

TEST(cancels)
{
    beside(cancel_often);
}

static bool locks;

static void sleep_a_little(void *arg)
{
    if (locks)
        tuza_lock_os_thread();
    flag_add((long *)arg, 1);
    tuza_sleep(200 * TUZA_MICROSECOND);
    flag_add((long *)arg, -1);
}

/* A timer may fire at any moment of a stop: what it starts is waited for, or begins after the next start. */
static void timers(void)
{
    enum { TIMERS = 4 };
    long live = 0;
    for (long i = 0; i < stress_amount(1000) + 10; i++) {
        tuza_timer *t[TIMERS];
        CHECK_EQ(tuza_start(NULL), 0);
        for (int k = 0; k < TIMERS; k++)
            t[k] = tuza_after_func((100 + k * 60) * TUZA_MICROSECOND, sleep_a_little, &live);
        GO(nothing, NULL);
        usleep((unsigned)(i * 7 % 200));
        CHECK_EQ(tuza_stop(0), 0);
        CHECK_EQ(tuza_num_goroutine(), 0);
        CHECK_EQ(flag_get(&live), 0);
        for (int k = 0; k < TIMERS; k++)
            tuza_timer_free(t[k]);
    }
}

TEST(timers_of_goroutines)
{
    locks = false;
    timers();
}

TEST(timers_of_locked_goroutines)
{
    locks = true;
    timers();
}

TEST_MAIN()
