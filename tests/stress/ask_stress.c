/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Goroutines that run are asked for their frames all the time, by several at
 * once, while they and their threads come and go; some threads block the
 * signal, some sit in the kernel.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4 | env GOMAXPROCS=4 TUZA_CHAOS=5 | timeout 900
#include "stress/stress.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#define NOINLINE __attribute__((noinline))

static int stop, seen_deep, asked, ended;

NOINLINE static long busy_deep(int n)
{
    if (n > 0)
        return busy_deep(n - 1) + 1;
    long sum = 0;
    for (int i = 0; i < 2000000 && !flag_get(&stop); i++)
        sum += i & *(volatile int *)&n;
    return sum;
}

static void busy(void *arg)
{
    (void)arg;
    while (!flag_get(&stop)) {
        busy_deep(20);
        tuza_gosched();
    }
}

static void ends_locked(void *arg)
{
    (void)arg;
    tuza_lock_os_thread();
    busy_deep(0);
    flag_add(&ended, 1);
}

static void blocks_signals(void *arg)
{
    sigset_t all, old;
    (void)arg;
    tuza_lock_os_thread();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (!flag_get(&stop))
        usleep(2000);
    pthread_sigmask(SIG_SETMASK, &old, NULL); /* what was asked in vain arrives now */
    tuza_unlock_os_thread();
}

static void sits_in_kernel(void *arg)
{
    (void)arg;
    while (!flag_get(&stop))
        usleep(5000);
}

static void asks(void *arg)
{
    static char texts[4][1 << 20];
    char *text = texts[(intptr_t)arg];
    while (!flag_get(&stop)) {
        size_t n = tuza_stack(text, sizeof texts[0], true);
        CHECK(n > 0);
        CHECK(strncmp(text, "goroutine ", 10) == 0 || strncmp(text, "thread ", 7) == 0);
        const char *deep = strstr(text, "busy_deep(");
        if (deep)
            flag_add(&seen_deep, 1);
        flag_add(&asked, 1);
        tuza_gosched();
    }
}

static void *thread_asks(void *arg)
{
    asks(arg);
    return NULL;
}

TEST(asked_all_the_time)
{
    for (int i = 0; i < 3; i++)
        GO(busy, NULL);
    GO(blocks_signals, NULL);
    for (int i = 0; i < 3; i++)
        GO(sits_in_kernel, NULL);
    for (intptr_t i = 0; i < 3; i++)
        GO(asks, (void *)i);
    pthread_t t;
    CHECK_EQ(pthread_create(&t, NULL, thread_asks, (void *)(intptr_t)3), 0);
    long want = stress_amount(200);
    double end = tz_test_seconds() + 600;
    while (flag_get(&asked) < want || flag_get(&ended) < want || (!flag_get(&seen_deep) && !HELP_TSAN)) {
        CHECK(tz_test_seconds() < end);
        GO(ends_locked, NULL);
        tuza_sleep(2 * TUZA_MILLISECOND);
    }
    flag_set(&stop, 1);
    settle_slowly();
    pthread_join(t, NULL);
    printf("%d asked, %d times with a running one's frames; ", asked, seen_deep);
}

TEST_MAIN_TUZA()
