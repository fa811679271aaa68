/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SY-33: locks and their like allocate nothing, contended or not: the
 * program's malloc counts. It forwards to glibc's, so a sanitizer's is out.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | not asan tsan arm64
#include "tuza.h"
#include "tz_test.h"

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

static long allocations;

void *malloc(size_t n)
{
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_realloc(p, n);
}

static tuza_mutex mu;
static tuza_rwmutex rw;
static tuza_cond cond;
static tuza_once once;
static tuza_semaphore sem = TUZA_SEMAPHORE_INIT(2);
static tuza_waitgroup group, round_over;
static int turn; /* under mu */

static void nothing(void *arg)
{
    (void)arg;
}

static void work(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        tuza_mutex_lock(&mu);
        tuza_gosched();
        tuza_mutex_unlock(&mu);
        tuza_rwmutex_rlock(&rw);
        tuza_gosched();
        tuza_rwmutex_runlock(&rw);
        tuza_rwmutex_lock(&rw);
        tuza_gosched();
        tuza_rwmutex_unlock(&rw);
        tuza_semaphore_acquire(&sem, 1);
        tuza_gosched();
        tuza_semaphore_release(&sem, 1);
        tuza_once_do(&once, nothing, NULL);
        tuza_mutex_lock(&mu);
        turn++;
        tuza_cond_broadcast(&cond);
        if (turn % 8)
            tuza_cond_signal(&cond);
        tuza_mutex_unlock(&mu);
    }
    tuza_mutex_lock(&mu);
    while (turn < 8 * 200)
        tuza_cond_wait(&cond, &mu);
    tuza_mutex_unlock(&mu);
    tuza_waitgroup_done(&round_over);
    tuza_waitgroup_wait(&round_over);
}

static void all_work(void)
{
    turn = 0;
    tuza_waitgroup_add(&round_over, 8);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(tuza_waitgroup_go(&group, work, NULL), 0);
    tuza_waitgroup_wait(&group);
}

TEST(nothing_is_allocated)
{
    void *volatile p = malloc(1);
    free(p);
    CHECK(allocations > 0); /* it counts */
    all_work();             /* threads are there, and their malloc */
    long least = 1;
    for (int i = 0; i < 10 && least; i++) { /* a thread may have started in one or the other */
        long before = __atomic_load_n(&allocations, __ATOMIC_RELAXED);
        all_work();
        long n = __atomic_load_n(&allocations, __ATOMIC_RELAXED) - before;
        least = n < least ? n : least;
    }
    CHECK_EQ(least, 0);
}

TEST_MAIN_TUZA()
