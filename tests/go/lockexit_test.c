/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Goroutines that end while they are locked, and their threads with them.
 * What needs a process of its own (the main thread, deadlocks) is in
 * crash/lock*.c.
 */
// ctest: timeout 600 | env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=2 TUZA_CHAOS=11 | env GOMAXPROCS=1 TUZA_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "go/threads.h"

static tuza_chan *ended;

static void exit_by_return(void *arg)
{
    for (intptr_t i = (intptr_t)arg; i >= 0; i--)
        tuza_lock_os_thread();
    report_tid(ended);
}

static TUZA_NORETURN __attribute__((noinline)) void goexit_deep(int depth)
{
    if (depth == 0)
        tuza_goexit();
    goexit_deep(depth - 1);
}

static void exit_by_goexit(void *arg)
{
    for (intptr_t i = (intptr_t)arg; i >= 0; i--)
        tuza_lock_os_thread();
    report_tid(ended);
    goexit_deep(20);
}

static void exit_after_waits(void *arg)
{
    tuza_lock_os_thread();
    wander();
    tuza_lock_os_thread();
    wander();
    tuza_unlock_os_thread();
    exit_by_goexit(arg);
}

/* LK-14, LK-15, LK-19, LK-20: by return and by Goexit, locked once or often, the thread is gone, for good. */
TEST(exit_takes_the_thread)
{
    static void (*const ways[])(void *) = {exit_by_return, exit_by_goexit, exit_after_waits};
    enum { WAYS = 3, EACH = 10 };
    pid_t gone[WAYS * EACH];
    ended = tuza_chan_make(sizeof(pid_t), 0);
    for (int i = 0; i < WAYS * EACH; i++) {
        GO(ways[i % WAYS], (void *)(intptr_t)(i / WAYS % 3));
        CHECK(tuza_chan_recv(ended, &gone[i]));
        CHECK(gone[i] != tid());
        EVENTUALLY(!thread_is_left(gone[i]));
        for (int j = 0; j < i; j++)
            CHECK(gone[j] != gone[i]);
    }
    for (int i = 0; i < 20; i++) {
        pid_t child = tid_of_a_child();
        for (int j = 0; j < WAYS * EACH; j++)
            CHECK(gone[j] != child);
    }
    settle(1);
    tuza_chan_unref(ended);
}

static void exit_unlocked(void *unused)
{
    (void)unused;
    tuza_lock_os_thread();
    tuza_unlock_os_thread();
    report_tid(ended);
}

/* LK-14: who has unlocked as often as locked leaves its thread to others: a thousand of them take few. */
TEST(exit_unlocked_keeps_the_thread)
{
    enum { N = 1000 };
    static pid_t seen[N];
    int different = 0;
    ended = tuza_chan_make(sizeof(pid_t), 0);
    for (int i = 0; i < N; i++) {
        GO(exit_unlocked, NULL);
        CHECK(tuza_chan_recv(ended, &seen[i]));
        int j = 0;
        while (seen[j] != seen[i])
            j++;
        different += i == j;
    }
    CHECK(different < N / 2);
    settle(1);
    tuza_chan_unref(ended);
}

static void exits(int n)
{
    pid_t t;
    for (int i = 0; i < n; i++) {
        GO(i % 2 ? exit_by_return : exit_by_goexit, NULL);
        CHECK(tuza_chan_recv(ended, &t));
    }
    settle(1);
}

/* LK-17, LK-19, LK-21, LK-52: ten thousand, one after another, leave threads and memory where they were. */
TEST(many_exits)
{
    ended = tuza_chan_make(sizeof(pid_t), 0);
    exits(200);
    int threads_before = threads();
    long resident_before = resident_kib();
    exits(10000 / SCALE);
    EVENTUALLY(threads() <= threads_before + 2);
    if (!HELP_ASAN && !HELP_TSAN && !HELP_EMULATED)
        CHECK(resident_kib() < resident_before + 4096);
    tuza_chan_unref(ended);
}

static void end_at_once(void *unused)
{
    (void)unused;
    tuza_lock_os_thread();
    tuza_chan_send(ended, NULL);
}

/* LK-17, LK-18, LK-51: many at once, while GOMAXPROCS changes; no P is lost, as the end shows. */
TEST(exits_at_once)
{
    int was = tuza_gomaxprocs(0);
    enum { AT_ONCE = 50 };
    ended = tuza_chan_make(0, 0);
    for (int round = 0; round < 20 / SCALE + 2; round++) {
        for (int i = 0; i < AT_ONCE; i++)
            GO(end_at_once, NULL);
        tuza_gomaxprocs(1 + round % 4);
        for (int i = 0; i < AT_ONCE; i++)
            CHECK(tuza_chan_recv(ended, NULL));
    }
    settle(1);
    tuza_gomaxprocs(was);
    tuza_chan_unref(ended);
}

/* --- With deferred functions --- */

static void unlock_deferred(void *unused)
{
    (void)unused;
    tuza_unlock_os_thread();
}

static void lock_deferred(void *unused)
{
    (void)unused;
    tuza_lock_os_thread();
}

static void saved_by_return(void *unused)
{
    (void)unused;
    tuza_lock_os_thread();
    tuza_defer(unlock_deferred, NULL);
    report_tid(ended);
}

static void saved_by_goexit(void *unused)
{
    saved_by_return(unused);
    goexit_deep(5);
}

static void recover_deferred(void *unused)
{
    (void)unused;
    CHECK(tuza_recover() != NULL);
}

static void saved_by_panic(void *unused)
{
    tuza_defer(recover_deferred, NULL);
    saved_by_return(unused);
    tuza_panic("on its way out");
}

static void doomed_by_defer(void *unused)
{
    (void)unused;
    tuza_defer(lock_deferred, NULL);
    tuza_lock_os_thread(); /* the send may change threads */
    report_tid(ended);
    tuza_unlock_os_thread();
}

static void doomed_by_panic(void *unused)
{
    (void)unused;
    tuza_defer(recover_deferred, NULL);
    tuza_lock_os_thread();
    report_tid(ended);
    tuza_panic("locked");
}

/* LK-14: deferred functions come first, then the look at the lock: an unlock among them saves the thread,
 * which others have after that; so a thousand take few. */
TEST(deferred_unlock_saves_the_thread)
{
    static void (*const ways[])(void *) = {saved_by_return, saved_by_goexit, saved_by_panic};
    enum { N = 999 };
    static pid_t seen[N];
    int different = 0;
    ended = tuza_chan_make(sizeof(pid_t), 0);
    for (int i = 0; i < N; i++) {
        GO(ways[i % 3], NULL);
        CHECK(tuza_chan_recv(ended, &seen[i]));
        int j = 0;
        while (seen[j] != seen[i])
            j++;
        different += i == j;
    }
    CHECK(different < N / 2);
    settle(1);
    tuza_chan_unref(ended);
}

/* LK-14: and a lock among them dooms it; a panic that is recovered from ends like a return. */
TEST(deferred_lock_dooms_the_thread)
{
    static void (*const ways[])(void *) = {doomed_by_defer, doomed_by_panic};
    ended = tuza_chan_make(sizeof(pid_t), 0);
    for (int i = 0; i < 20; i++) {
        pid_t t;
        GO(ways[i % 2], NULL);
        CHECK(tuza_chan_recv(ended, &t));
        EVENTUALLY(!thread_is_left(t));
    }
    settle(1);
    tuza_chan_unref(ended);
}

/* --- Libc keeps a value for the thread --- */

static pthread_key_t key;
static int destroyed, alive_when_destroyed, on_first;
static _Thread_local int mark;

static void destroy(void *value)
{
    CHECK_EQ(*(int *)value, mark);
    CHECK_EQ(mark, 5);
    flag_add(&alive_when_destroyed, thread_is_left(tid()));
    flag_add(&destroyed, 1);
}

static void end_with_value(void *unused)
{
    tuza_lock_os_thread();
    if (tid() == getpid())
        flag_set(&on_first, 1);
    CHECK_EQ(mark, 0);
    mark = 5;
    CHECK_EQ(pthread_setspecific(key, &mark), 0);
    tuza_sleep(TUZA_MICROSECOND * 200);
    CHECK_EQ(mark, 5);
    end_at_once(unused);
}

/* LK-24, LK-25: the thread's key destructors run, on that thread, with its variables. */
TEST(key_destructors)
{
    enum { N = 100 };
    ended = tuza_chan_make(0, 0);
    CHECK_EQ(pthread_key_create(&key, destroy), 0);
    for (int i = 0; i < N; i++)
        GO(end_with_value, NULL);
    for (int i = 0; i < N; i++)
        CHECK(tuza_chan_recv(ended, NULL));
    EVENTUALLY(flag_get(&destroyed) == N - flag_get(&on_first));
    CHECK_EQ(flag_get(&alive_when_destroyed), N - flag_get(&on_first));
    settle(1);
    CHECK_EQ(pthread_key_delete(key), 0);
    tuza_chan_unref(ended);
}

/* LK-01: main, locked, through all of it. */
TEST(main_locked)
{
    tuza_lock_os_thread();
    pid_t mine = tid();
    ended = tuza_chan_make(sizeof(pid_t), 0);
    exits(50);
    CHECK_EQ(tid(), mine);
    tuza_unlock_os_thread();
    tuza_chan_unref(ended);
}

TEST_MAIN_TUZA()
