/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SY-33: locks and their like allocate nothing, contended or not; nor do
 * sends, receives, selects and sleeps: the program's malloc counts. It
 * forwards to glibc's, so a sanitizer's is out.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | not asan tsan arm64
#include <unistd.h>

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

/* --- Channels, selects, sleeps --- */

enum { ROUNDS = 200 };
static tuza_chan *there, *back, *never;
static tuza_context *ctx;
static int pipe_fds[2];

static void answer(void *arg)
{
    (void)arg;
    long v;
    for (int i = 0; i < ROUNDS; i++) {
        tuza_case cases[] = {TUZA_RECV(there, &v), TUZA_RECV(never, NULL), TUZA_DONE(ctx),
                             TUZA_TIMEOUT(3600 * TUZA_SECOND), TUZA_READABLE(pipe_fds[0])};
        CHECK_EQ(tuza_select(cases, 5), 0);
        tuza_sleep(1);
        CHECK_EQ(tuza_chan_send_context(back, &v, ctx), 0);
    }
}

static void ask(void *arg)
{
    (void)arg;
    for (long i = 0; i < ROUNDS; i++) {
        long v = i;
        tuza_case cases[] = {TUZA_SEND(there, &v), TUZA_TIMEOUT(3600 * TUZA_SECOND)};
        CHECK_EQ(tuza_select(cases, 2), 0);
        CHECK(tuza_chan_recv(back, &v));
        CHECK_EQ(v, i);
        tuza_case later[] = {TUZA_RECV(never, NULL), TUZA_TIMEOUT(1000)};
        CHECK_EQ(tuza_select(later, 2), 1);
    }
}

static void all_talk(void)
{
    CHECK_EQ(tuza_waitgroup_go(&group, answer, NULL), 0);
    CHECK_EQ(tuza_waitgroup_go(&group, ask, NULL), 0);
    tuza_waitgroup_wait(&group);
}

/* The least of ten times: a thread may have started in one or the other. */
static long allocated_by(void (*fn)(void))
{
    long least = 1;
    fn(); /* threads are there, and their malloc */
    for (int i = 0; i < 10 && least; i++) {
        long before = __atomic_load_n(&allocations, __ATOMIC_RELAXED);
        fn();
        long n = __atomic_load_n(&allocations, __ATOMIC_RELAXED) - before;
        least = n < least ? n : least;
    }
    return least;
}

TEST(nothing_is_allocated)
{
    void *volatile p = malloc(1);
    free(p);
    CHECK(allocations > 0); /* it counts */
    CHECK_EQ(allocated_by(all_work), 0);
    there = tuza_chan_make(sizeof(long), 0);
    back = tuza_chan_make(sizeof(long), 1);
    never = tuza_chan_make(0, 0);
    ctx = tuza_context_with_cancel(tuza_context_background());
    CHECK_EQ(pipe(pipe_fds), 0);
    CHECK_EQ(allocated_by(all_talk), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(tuza_close(pipe_fds[i]), 0);
    tuza_context_unref(ctx);
    tuza_chan_unref(there);
    tuza_chan_unref(back);
    tuza_chan_unref(never);
}

TEST_MAIN_TUZA()
