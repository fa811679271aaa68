/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Goroutines locked to their threads, within one process. What needs a
 * process of its own (the main thread, deadlocks) is in crash/lock*.c.
 */
// ctest: timeout 600 | env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=2 TUZA_CHAOS=11
// ctest: env GOMAXPROCS=1 TUZA_TEST_NO_MEMBARRIER=1
#include <dirent.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "go/help.h"

static pid_t tid(void)
{
    return (pid_t)syscall(SYS_gettid);
}

/* The process's first thread can't end; it is as good as gone where a goroutine has ended on it locked. */
static bool thread_is_left(pid_t t)
{
    if (t == getpid())
        return false;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d", (int)t);
    return access(path, F_OK) == 0;
}

static int threads(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void nothing(void *unused)
{
    (void)unused;
}

/* Waits for others in each way there is; a goroutine that may move has every reason to. */
static void wander(void)
{
    GO(nothing, NULL);
    tuza_gosched();
    tuza_sleep(TUZA_MILLISECOND / 5);
    usleep(300);
    tuza_gosched();
}

static void report_tid(void *c)
{
    pid_t t = tid();
    tuza_chan_send(c, &t);
}

static void be_child(void *c)
{
    report_tid(c);
    tuza_chan_unref(c);
}

static pid_t tid_of_a_child(void)
{
    tuza_chan *c = tuza_chan_make(sizeof(pid_t), 0);
    pid_t t;
    GO(be_child, tuza_chan_ref(c));
    CHECK(tuza_chan_recv(c, &t));
    tuza_chan_unref(c);
    return t;
}

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

/* LK-43, PR-08, PR-10: in unannounced blocking calls and loops locked goroutines lose their P like any other, the others
 * run meanwhile, and each comes back on its own thread. */
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

/* --- Ends --- */

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

static long resident_kib(void)
{
    long size, pages;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f != NULL);
    CHECK_EQ(fscanf(f, "%ld %ld", &size, &pages), 2);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
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
    if (!HELP_ASAN && !HELP_TSAN)
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
