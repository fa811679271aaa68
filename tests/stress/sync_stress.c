/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks and their like under load. Goroutines and plain threads take locks of
 * several kinds from a set in random order, one at a time, keep them for
 * nothing, a yield, a sleep or a stretch of processor time that costs the P,
 * and check what the lock is for: two plain words that only its holder
 * writes. A condition variable passes tokens round among those who come.
 */
// ctest: timeout 900 | env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=1 TUZA_CHAOS=1 | env GOMAXPROCS=2 TUZA_CHAOS=2 | env GOMAXPROCS=8 TUZA_CHAOS=3
// ctest: env GOMAXPROCS=1 TUZA_TEST_NO_MEMBARRIER=1 | env GOMAXPROCS=4 TUZA_CHAOS=4 TUZA_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "stress/stress.h"

enum { OBJECTS = 3, GOROUTINES = 20, THREADS = 3 };

typedef struct guarded {
    tuza_mutex mu;
    tuza_rwmutex rw;
    tuza_semaphore sem; /* 1: a mutex of another kind */
    tuza_cond tokens_come;
    int tokens;
    long by_mu[2], by_rw[2], by_sem[2];
} guarded;

static guarded objects[OBJECTS] = {
    {.sem = TUZA_SEMAPHORE_INIT(1)}, {.sem = TUZA_SEMAPHORE_INIT(1)}, {.sem = TUZA_SEMAPHORE_INIT(1)}};
static long rounds, counts[3]; /* counts: atomic */

static void keep(stress_random *r)
{
    switch (stress_next(r, 200)) {
    case 0:
        tuza_sleep(TUZA_MILLISECOND / 50);
        break;
    case 1: {
        double end = tz_test_seconds() + (stress_next(r, 50) ? 0.0001 : 0.012);
        while (tz_test_seconds() < end)
            ;
        break;
    }
    case 2:
    case 3:
    case 4:
    case 5:
        tuza_gosched();
        break;
    default:
        break;
    }
}

static void change(stress_random *r, long *words, int kind)
{
    long seen = words[0];
    CHECK_EQ(words[1], seen);
    words[0] = seen + 1;
    keep(r);
    CHECK_EQ(words[0], seen + 1);
    words[1] = seen + 1;
    flag_add(&counts[kind], 1);
}

static void read_words(stress_random *r, const long *words)
{
    long seen = words[0];
    keep(r);
    CHECK_EQ(words[0], seen);
    CHECK_EQ(words[1], seen);
}

static void some(uint64_t stream)
{
    stress_random r = stress_start(stream);
    for (long i = 0; i < rounds; i++) {
        guarded *g = &objects[stress_next(&r, OBJECTS)];
        switch (stress_next(&r, 9)) {
        case 0:
        case 1:
            tuza_mutex_lock(&g->mu);
            change(&r, g->by_mu, 0);
            tuza_mutex_unlock(&g->mu);
            break;
        case 2:
            if (!tuza_mutex_trylock(&g->mu))
                break;
            change(&r, g->by_mu, 0);
            tuza_mutex_unlock(&g->mu);
            break;
        case 3:
        case 4:
            tuza_rwmutex_rlock(&g->rw);
            read_words(&r, g->by_rw);
            tuza_rwmutex_runlock(&g->rw);
            break;
        case 5:
            if (!tuza_rwmutex_tryrlock(&g->rw))
                break;
            read_words(&r, g->by_rw);
            tuza_rwmutex_runlock(&g->rw);
            break;
        case 6:
            if (stress_next(&r, 2))
                tuza_rwmutex_lock(&g->rw);
            else if (!tuza_rwmutex_trylock(&g->rw))
                break;
            change(&r, g->by_rw, 1);
            tuza_rwmutex_unlock(&g->rw);
            break;
        case 7:
            tuza_semaphore_acquire(&g->sem, 1);
            change(&r, g->by_sem, 2);
            tuza_semaphore_release(&g->sem, 1);
            break;
        default: /* brings one token, and takes one of whatever may be there */
            tuza_mutex_lock(&g->mu);
            g->tokens++;
            if (stress_next(&r, 4))
                tuza_cond_signal(&g->tokens_come);
            else
                tuza_cond_broadcast(&g->tokens_come);
            tuza_mutex_unlock(&g->mu);
            tuza_mutex_lock(&g->mu);
            while (!g->tokens)
                tuza_cond_wait(&g->tokens_come, &g->mu);
            g->tokens--;
            tuza_mutex_unlock(&g->mu);
            break;
        }
    }
}

static void run(void *arg)
{
    some((uintptr_t)arg);
}

static void *run_thread(void *arg)
{
    some((uintptr_t)arg);
    return NULL;
}

TEST(all_kinds)
{
    rounds = stress_amount(20000);
    tuza_waitgroup group = TUZA_WAITGROUP_INIT;
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < GOROUTINES; i++)
        CHECK_EQ(tuza_waitgroup_go(&group, run, (void *)(i + 1)), 0);
    tuza_waitgroup_wait(&group); /* without threads first: locks are elided then */
    for (uintptr_t i = 0; i < GOROUTINES; i++)
        CHECK_EQ(tuza_waitgroup_go(&group, run, (void *)(i + 101)), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_thread, (void *)(i + 201)), 0);
    tuza_waitgroup_wait(&group);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    long sums[3] = {0};
    for (int i = 0; i < OBJECTS; i++) {
        guarded *g = &objects[i];
        CHECK_EQ(g->tokens, 0);
        sums[0] += g->by_mu[0];
        sums[1] += g->by_rw[0];
        sums[2] += g->by_sem[0];
        CHECK_EQ(g->mu.state, 0);
        CHECK_EQ((long)g->rw.state, 0);
        CHECK_EQ(g->rw.writers.state, 0);
    }
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sums[i], counts[i]);
    CHECK(sums[0] && sums[1] && sums[2]);
}

TEST_MAIN_TUZA()
