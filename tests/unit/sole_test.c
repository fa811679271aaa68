/* SPDX-License-Identifier: BSD-3-Clause */
/* When a P is sole (sched/solo.c): never while a thread without a P is in user code. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | not tsan
#include <pthread.h>

#include "sched/sched.h"
#include "tuza.h"
#include "tz_test.h"

static tuza_waitgroup group;
static int stage;
static bool seen;

static bool sole(void)
{
    tz_m *m = tz_enter();
    bool yes = m->p->sole;
    tz_leave(m);
    return yes;
}

/* Comes past g0 until it is so; sysmon may have reasons of its own to take P and privilege for a while. */
static void until_sole(bool wanted)
{
    double end = tz_test_seconds() + 60;
    while (sole() != wanted) {
        CHECK(tz_test_seconds() < end);
        tuza_sleep(TUZA_MILLISECOND / 10);
    }
}

static void *foreign(void *arg)
{
    (void)arg;
    tuza_mutex mu = TUZA_MUTEX_INIT;
    while (__atomic_load_n(&stage, __ATOMIC_ACQUIRE) == 0)
        sched_yield();
    tuza_mutex_lock(&mu); /* attaches */
    __atomic_store_n(&stage, 2, __ATOMIC_RELEASE);
    while (__atomic_load_n(&stage, __ATOMIC_ACQUIRE) == 2)
        sched_yield();
    tuza_mutex_unlock(&mu);
    return NULL;
}

TEST(foreign_threads)
{
    pthread_t thread;
    stage = 0;
    until_sole(true);
    CHECK_EQ(pthread_create(&thread, NULL, foreign, NULL), 0);
    tuza_sleep(TUZA_MILLISECOND);
    until_sole(true); /* it has not called anything */
    __atomic_store_n(&stage, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&stage, __ATOMIC_ACQUIRE) != 2)
        tuza_sleep(TUZA_MILLISECOND / 10);
    for (int i = 0; i < 50; i++) {
        CHECK(!sole());
        tuza_sleep(TUZA_MILLISECOND / 20);
    }
    __atomic_store_n(&stage, 3, __ATOMIC_RELEASE);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    until_sole(true);
}

static void hog(void *arg)
{
    (void)arg;
    __atomic_store_n(&stage, 1, __ATOMIC_RELEASE);
    double end = tz_test_seconds() + 60;
    while (__atomic_load_n(&stage, __ATOMIC_ACQUIRE) != 2)
        CHECK(tz_test_seconds() < end);
    seen = true;
}

/* One that is robbed in a loop goes on without a P: with one P main runs only when it has lost that. */
TEST(robbed_goroutines)
{
    if (tuza_gomaxprocs(0) != 1)
        SKIP("with more, it keeps its P");
    stage = 0;
    seen = false;
    CHECK_EQ(tuza_waitgroup_go(&group, hog, NULL), 0);
    while (__atomic_load_n(&stage, __ATOMIC_ACQUIRE) != 1)
        tuza_sleep(TUZA_MILLISECOND / 10);
    for (int i = 0; i < 50; i++) {
        CHECK(!sole());
        tuza_sleep(TUZA_MILLISECOND / 20);
    }
    CHECK(!seen);
    __atomic_store_n(&stage, 2, __ATOMIC_RELEASE);
    tuza_waitgroup_wait(&group);
    until_sole(true);
}

TEST_MAIN_TUZA()
