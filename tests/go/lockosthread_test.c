/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Goroutines locked to their threads, within one process. What needs a
 * process of its own (the main thread, deadlocks) is in crash/lock*.c.
 */
// ctest: timeout 600 | env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=2 TUZA_CHAOS=11 | env GOMAXPROCS=1 TUZA_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "go/threads.h"

/* LK-06, LK-07: as long as it holds. */
static void check_locked(void)
{
    pid_t mine = tid();
    for (int i = 0; i < 10; i++) {
        CHECK(tid_of_a_child() != mine);
        wander();
        CHECK_EQ(tid(), mine);
    }
}

/* Not locked: sooner or later another goroutine is on this thread, or this one on another. */
static void check_free(void)
{
    pid_t mine = tid();
    EVENTUALLY(tid_of_a_child() == mine || tid() != mine);
}

/* LK-01, LK-02, LK-03: only as many unlocks as locks let go, and further ones mean nothing. */
TEST(nesting)
{
    tuza_unlock_os_thread();
    check_free();
    tuza_lock_os_thread();
    check_locked();
    tuza_lock_os_thread();
    tuza_unlock_os_thread();
    check_locked();
    tuza_unlock_os_thread();
    check_free();
    tuza_unlock_os_thread();
    tuza_unlock_os_thread();
    tuza_lock_os_thread(); /* no debt is left of the unlocks */
    check_locked();
    tuza_unlock_os_thread();
    check_free();
    for (int i = 0; i < 100000; i++)
        tuza_lock_os_thread();
    for (int i = 0; i < 99999; i++)
        tuza_unlock_os_thread();
    check_locked();
    tuza_unlock_os_thread();
    check_free();
}

/* --- Who is where --- */

enum { LOCKED = 20, FREE = 20 };
static pid_t taken[LOCKED]; /* atomic: threads that a goroutine is locked to, 0: not now */
static int stop;

static void check_not_taken(int but)
{
    pid_t mine = tid();
    for (int i = 0; i < LOCKED; i++)
        CHECK(i == but || flag_get(&taken[i]) != mine);
}

static void keep_thread(void *arg)
{
    int i = (int)(intptr_t)arg;
    while (!flag_get(&stop)) {
        tuza_lock_os_thread();
        pid_t mine = tid();
        flag_set(&taken[i], mine);
        for (int n = 0; n < 5; n++) {
            check_not_taken(i);
            wander();
            CHECK_EQ(tid(), mine);
        }
        flag_set(&taken[i], 0);
        tuza_unlock_os_thread();
    }
}

static void run_free(void *unused)
{
    (void)unused;
    while (!flag_get(&stop)) {
        for (int n = 0; n < 100; n++)
            check_not_taken(-1);
        wander();
    }
}

static void identity(void)
{
    flag_set(&stop, 0);
    for (int i = 0; i < LOCKED; i++)
        GO(keep_thread, (void *)(intptr_t)i);
    for (int i = 0; i < FREE; i++)
        GO(run_free, NULL);
}

/* LK-06: a locked goroutine stays, and nobody else runs there, locked or not. */
TEST(identity)
{
    identity();
    for (int i = 0; i < 400 / SCALE + 10; i++) {
        check_not_taken(-1);
        tuza_sleep(TUZA_MILLISECOND / 4);
    }
    flag_set(&stop, 1);
    settle(1);
}

/* GM-10, LK-06, LK-51: the same while GOMAXPROCS changes. */
TEST(identity_while_gomaxprocs_changes)
{
    int was = tuza_gomaxprocs(0);
    identity();
    for (int i = 0; i < 500 / SCALE + 10; i++) {
        tuza_gomaxprocs(1 + i % 5);
        check_not_taken(-1);
        tuza_sleep(TUZA_MILLISECOND / 4);
    }
    flag_set(&stop, 1);
    settle(1);
    tuza_gomaxprocs(was);
}

/* --- Handing over --- */

typedef struct player {
    tuza_chan *in, *out;
    long rounds;
    bool locked;
} player;

static void play(void *arg)
{
    const player *p = arg;
    long v;
    if (p->locked)
        tuza_lock_os_thread();
    pid_t mine = tid();
    for (long i = 0; i < p->rounds; i++) {
        CHECK(tuza_chan_recv(p->in, &v));
        v++;
        tuza_chan_send(p->out, &v);
        CHECK(!p->locked || tid() == mine);
    }
    if (p->locked)
        tuza_unlock_os_thread();
}

static void ping_pong(size_t capacity, bool mine, bool others)
{
    player p = {tuza_chan_make(sizeof(long), capacity), tuza_chan_make(sizeof(long), capacity), 2000 / SCALE,
                others};
    CHECK_EQ(tuza_go_copy(play, &p, sizeof p), 0);
    if (mine)
        tuza_lock_os_thread();
    pid_t t = tid();
    long v = 0;
    for (long i = 0; i < p.rounds; i++) {
        tuza_chan_send(p.in, &v);
        CHECK(tuza_chan_recv(p.out, &v));
        CHECK(!mine || tid() == t);
    }
    CHECK_EQ(v, p.rounds);
    if (mine)
        tuza_unlock_os_thread();
    settle(1);
    tuza_chan_unref(p.in);
    tuza_chan_unref(p.out);
}

/* LK-42: one side locked, or both: every message arrives, and each side stays where it is. */
TEST(ping_pong)
{
    for (size_t capacity = 0; capacity < 2; capacity++) {
        ping_pong(capacity, false, false);
        ping_pong(capacity, true, false);
        ping_pong(capacity, false, true);
        ping_pong(capacity, true, true);
    }
}

/* LK-42: a ring of locked goroutines with more tokens than Ps. */
TEST(ring)
{
    enum { N = 40, TOKENS = 6 };
    tuza_chan *c[N + 1];
    for (int i = 0; i <= N; i++)
        c[i] = tuza_chan_make(sizeof(long), i == N ? TOKENS : 0);
    long rounds = 600 / SCALE;
    for (int i = 0; i < N; i++) {
        player p = {c[i], c[i + 1], rounds * TOKENS, i % 4 != 3};
        CHECK_EQ(tuza_go_copy(play, &p, sizeof p), 0);
    }
    for (long i = 0; i < TOKENS; i++)
        tuza_chan_send(c[0], &(long){0});
    for (long i = 1; i <= rounds * TOKENS; i++) {
        long v;
        CHECK(tuza_chan_recv(c[N], &v));
        CHECK_EQ(v % N, 0);
        if (i <= (rounds - 1) * TOKENS)
            tuza_chan_send(c[0], &v);
    }
    settle(1);
    for (int i = 0; i <= N; i++)
        tuza_chan_unref(c[i]);
}

/* LK-42 (TestYieldLockedProgress): gosched from a locked goroutine lets the others run, and comes back. */
static long turns;

static void count_turns(void *unused)
{
    (void)unused;
    while (!flag_get(&stop)) {
        flag_add(&turns, 1);
        tuza_gosched();
    }
}

/* GR-15: a locked goroutine's yields let others on, and come back to its thread. */
TEST(yield_progress)
{
    int was = tuza_gomaxprocs(1);
    flag_set(&stop, 0);
    flag_set(&turns, 0);
    GO(count_turns, NULL);
    tuza_lock_os_thread();
    pid_t mine = tid();
    for (int i = 0; i < 10; i++) {
        long before = flag_get(&turns);
        double end = tz_test_seconds() + BOUND_S;
        while (flag_get(&turns) == before) {
            tuza_gosched();
            CHECK(tz_test_seconds() < end);
        }
        CHECK_EQ(tid(), mine);
    }
    flag_set(&stop, 1);
    settle(1);
    tuza_unlock_os_thread();
    tuza_gomaxprocs(was);
}

/* --- Robbed --- */

static int64_t cpu_loop(int64_t ns)
{
    int64_t n = 0;
    for (int64_t end = tuza_now() + ns; tuza_now() < end; n++)
        for (volatile int i = 0; i < 1000; i++)
            ;
    return n;
}

static void rob_me(void *arg)
{
    tuza_chan *c = arg;
    tuza_lock_os_thread();
    pid_t mine = tid();
    for (int i = 0; i < 10; i++) {
        usleep(3000); /* known for it after a few times */
        CHECK_EQ(tid(), mine);
        CHECK(!tuza_chan_try_recv(c, NULL, &(bool){false}));
        CHECK_EQ(tid(), mine);
        cpu_loop(12 * TUZA_MILLISECOND);
        tuza_gosched();
        CHECK_EQ(tid(), mine);
        cpu_loop(3 * TUZA_MILLISECOND);
        tuza_sleep(TUZA_MILLISECOND / 2);
        CHECK_EQ(tid(), mine);
    }
    if (tuza_goid() % 2)
        tuza_unlock_os_thread();
    tuza_chan_unref(c);
}

/* LK-43, PR-08, PR-10: in unannounced blocking calls and loops locked goroutines lose their P like any
 * other, the others run meanwhile, and each comes back on its own thread. */
TEST(robbed)
{
    tuza_chan *c = tuza_chan_make(0, 0);
    flag_set(&stop, 0);
    flag_set(&turns, 0);
    GO(count_turns, NULL);
    for (int i = 0; i < 8; i++)
        GO(rob_me, tuza_chan_ref(c));
    settle(2);
    CHECK(flag_get(&turns) > 10);
    flag_set(&stop, 1);
    settle(1);
    tuza_chan_unref(c);
}

/* A lock that knows its owner, held across waits: what locking is for. */
static void hold_mutex(void *arg)
{
    pthread_mutex_t *m = arg;
    tuza_lock_os_thread();
    CHECK_EQ(pthread_mutex_lock(m), 0);
    for (int i = 0; i < 5; i++)
        wander();
    CHECK_EQ(pthread_mutex_unlock(m), 0); /* EPERM on another thread */
    tuza_unlock_os_thread();
}

/* LK-06, PR-09 */
TEST(pthread_mutex_across_waits)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t m;
    CHECK_EQ(pthread_mutexattr_init(&attr), 0);
    CHECK_EQ(pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK), 0);
    CHECK_EQ(pthread_mutex_init(&m, &attr), 0);
    for (int i = 0; i < 10; i++)
        GO(hold_mutex, &m);
    settle(1);
    CHECK_EQ(pthread_mutex_destroy(&m), 0);
    CHECK_EQ(pthread_mutexattr_destroy(&attr), 0);
}

static void keep_errno(void *arg)
{
    int mine = 1 + (int)(intptr_t)arg;
    if (mine % 2)
        tuza_lock_os_thread();
    errno = mine;
    for (int i = 0; i < 20; i++) {
        tuza_gosched();
        CHECK_EQ(errno, mine);
        tuza_sleep(TUZA_MICROSECOND * 100);
        CHECK_EQ(errno, mine);
    }
    if (mine % 4 == 1)
        tuza_unlock_os_thread();
}

/* errno belongs to the goroutine, locked or not; a new one starts with 0. */
TEST(errno_of_locked)
{
    for (int i = 0; i < 40; i++)
        GO(keep_errno, (void *)(intptr_t)i);
    settle(1);
}

TEST_MAIN_TUZA()
