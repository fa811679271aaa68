/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mutex as a program sees it. What ends the process is in crash/sync.c;
 * modes and the order of waiters are in unit/mutex_test.c.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=1 TUZA_CHAOS=21
// ctest: env GOMAXPROCS=4 TUZA_CHAOS=22 | env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1
#include <pthread.h>
#include <sys/wait.h>

#include "go/help.h"

enum { TASKS = 10, ROUNDS = 1000 };

static tuza_mutex mutex;
static tuza_waitgroup group;
static long counter; /* under the mutex, not atomic */

static void hammer(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 3 == 0) {
            if (!tuza_mutex_trylock(&mutex))
                continue;
        } else {
            tuza_mutex_lock(&mutex);
        }
        long seen = counter;
        if (i % 64 == 1)
            tuza_gosched();
        counter = seen + 1;
        tuza_mutex_unlock(&mutex);
        flag_add((long *)arg, 1);
    }
}

/* SY-04: mutual exclusion, trylock among them. */
TEST(excludes)
{
    static long taken;
    taken = counter = 0;
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(tuza_waitgroup_go(&group, hammer, &taken), 0);
    tuza_waitgroup_wait(&group);
    CHECK_EQ(counter, taken);
    CHECK(counter >= TASKS * (ROUNDS - ROUNDS / 3 - 1));
}

/* SY-05: trylock does not wait. */
TEST(trylock)
{
    tuza_mutex mu = TUZA_MUTEX_INIT;
    CHECK(tuza_mutex_trylock(&mu));
    CHECK(!tuza_mutex_trylock(&mu));
    tuza_mutex_unlock(&mu);
    tuza_mutex_lock(&mu);
    CHECK(!tuza_mutex_trylock(&mu));
    tuza_mutex_unlock(&mu);
    CHECK(tuza_mutex_trylock(&mu));
    tuza_mutex_unlock(&mu);
}

static void unlock_it(void *mu)
{
    tuza_mutex_unlock(mu);
}

/* SY-03: another goroutine may unlock. */
TEST(unlocked_by_another)
{
    for (int i = 0; i < 100; i++) {
        tuza_mutex_lock(&mutex);
        CHECK_EQ(tuza_waitgroup_go(&group, unlock_it, &mutex), 0);
        tuza_mutex_lock(&mutex);
        tuza_mutex_unlock(&mutex);
        tuza_waitgroup_wait(&group);
    }
}

static bool stop;

static void hog(void *arg)
{
    (void)arg;
    while (!flag_get(&stop)) {
        tuza_mutex_lock(&mutex);
        tuza_sleep(TUZA_MILLISECOND / 10);
        tuza_mutex_unlock(&mutex);
    }
}

/* SY-07: one that keeps a mutex nearly all the time does not keep it from others. */
TEST(fair)
{
    stop = false;
    CHECK_EQ(tuza_waitgroup_go(&group, hog, NULL), 0);
    for (int i = 0; i < 10; i++) {
        tuza_sleep(TUZA_MILLISECOND / 10);
        tuza_mutex_lock(&mutex);
        tuza_mutex_unlock(&mutex);
    }
    flag_set(&stop, true);
    tuza_waitgroup_wait(&group);
}

static void spinning_hog(void *arg)
{
    (void)arg;
    while (!flag_get(&stop)) {
        tuza_mutex_lock(&mutex);
        counter++;
        tuza_mutex_unlock(&mutex);
    }
}

/* SY-07, SY-09: nor does one that never pauses. */
TEST(fair_to_a_loop)
{
    stop = false;
    CHECK_EQ(tuza_waitgroup_go(&group, spinning_hog, NULL), 0);
    for (int i = 0; i < 10; i++) {
        tuza_sleep(TUZA_MILLISECOND / 10);
        tuza_mutex_lock(&mutex);
        tuza_mutex_unlock(&mutex);
    }
    flag_set(&stop, true);
    tuza_waitgroup_wait(&group);
}

typedef struct shared {
    tuza_mutex mu;
    int users; /* under mu */
    long pad[4];
} shared;

static void use_and_drop(void *arg)
{
    shared *s = arg;
    tuza_mutex_lock(&s->mu);
    if (s->users % 2)
        tuza_gosched();
    bool last = --s->users == 0;
    tuza_mutex_unlock(&s->mu);
    if (last) {
        memset(s, 0xff, sizeof *s);
        free(s);
    }
}

/* The last to unlock frees the mutex, whatever the others' unlocks are at. */
TEST(freed_by_the_last)
{
    for (int round = 0; round < 2000 / SCALE; round++) {
        shared *s = calloc(1, sizeof *s);
        int users = 2 + round % 4;
        s->users = users;
        for (int i = 0; i < users; i++)
            CHECK_EQ(tuza_waitgroup_go(&group, use_and_drop, s), 0);
        tuza_waitgroup_wait(&group);
    }
}

static void *thread(void *arg)
{
    hammer(arg);
    return NULL;
}

/* Threads that tuza did not make take part. */
TEST(foreign_threads)
{
    static long taken;
    taken = counter = 0;
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, thread, &taken), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(tuza_waitgroup_go(&group, hammer, &taken), 0);
    tuza_waitgroup_wait(&group);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(counter, taken);
}

static int robbed_left;

static void robbed(void *arg)
{
    for (int i = 0; i < 10; i++) {
        double end = tz_test_seconds() + 0.015; /* longer than a slice: the P goes */
        while (tz_test_seconds() < end)
            ;
        for (int j = 0; j < 20000 / SCALE; j++) {
            tuza_mutex_lock(&mutex);
            counter++;
            tuza_mutex_unlock(&mutex);
        }
        flag_add((long *)arg, 20000 / SCALE);
    }
    flag_add(&robbed_left, -1);
}

static void beside_them(void *arg)
{
    while (flag_get(&robbed_left)) {
        for (int j = 0; j < 1000; j++) {
            tuza_mutex_lock(&mutex);
            counter++;
            tuza_mutex_unlock(&mutex);
        }
        flag_add((long *)arg, 1000);
    }
}

/* Goroutines that have lost their P lock and unlock beside those that have one. */
TEST(robbed_goroutines)
{
    static long taken;
    taken = counter = 0;
    robbed_left = 2;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(tuza_waitgroup_go(&group, robbed, &taken), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(tuza_waitgroup_go(&group, beside_them, &taken), 0);
    tuza_waitgroup_wait(&group);
    CHECK_EQ(counter, taken);
}

static void in_child(void)
{
    tuza_mutex mu = TUZA_MUTEX_INIT;
    tuza_rwmutex rw = TUZA_RWMUTEX_INIT;
    tuza_waitgroup wg = TUZA_WAITGROUP_INIT;
    tuza_mutex_lock(&mu);
    if (tuza_mutex_trylock(&mu))
        _exit(11);
    tuza_mutex_unlock(&mu);
    if (!tuza_mutex_trylock(&mu))
        _exit(12);
    tuza_mutex_unlock(&mu);
    tuza_rwmutex_rlock(&rw);
    if (!tuza_rwmutex_tryrlock(&rw) || tuza_rwmutex_trylock(&rw))
        _exit(13);
    tuza_rwmutex_runlock(&rw);
    tuza_rwmutex_runlock(&rw);
    tuza_rwmutex_lock(&rw);
    if (tuza_rwmutex_tryrlock(&rw))
        _exit(14);
    tuza_rwmutex_unlock(&rw);
    if (!tuza_rwmutex_trylock(&rw))
        _exit(15);
    tuza_rwmutex_unlock(&rw);
    tuza_waitgroup_add(&wg, 2);
    tuza_waitgroup_done(&wg);
    tuza_waitgroup_done(&wg);
    tuza_waitgroup_wait(&wg);
    _exit(10);
}

/* In a forked child, where no goroutine can run any more, locks work as far as nobody waits. */
TEST(forked_child)
{
    CHECK_EQ(tuza_waitgroup_go(&group, unlock_it, (tuza_mutex_lock(&mutex), &mutex)), 0);
    tuza_waitgroup_wait(&group); /* there were goroutines */
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        in_child();
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 10);
}

TEST_MAIN_TUZA()
