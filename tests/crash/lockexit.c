/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Goroutines that end locked, beside everything that a dying thread can get
 * in the way of: a stopped world, caches of the thread, signals, a thread
 * that wants to be started (run.sh reads the //! lines). What main itself
 * locks before tuza_run is in lockfirst.c.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/random.h>

#include "crash/lock.h"

static tuza_chan *ready, *gate;
static int wrong, stop, there;

/* --- Nothing of an altered thread is inherited --- */

static char home[4096];

static bool at_home(void)
{
    char now[sizeof home];
    return getcwd(now, sizeof now) && strcmp(now, home) == 0;
}

static bool mask_has(int sig)
{
    sigset_t now;
    sigemptyset(&now);
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    return sigismember(&now, sig) == 1;
}

/* Locked, so that each needs a thread of its own. */
static void look_around(void *unused)
{
    (void)unused;
    tuza_lock_os_thread();
    if (!at_home())
        set(&wrong, 1);
    if (mask_has(SIGUSR1) || !mask_has(SIGUSR2))
        set(&wrong, 2);
    add(&there, 1);
    tuza_chan_recv(gate, NULL);
}

enum { AROUND = 8 };

/* A folder and a signal mask that are this thread's alone; threads are asked for while it has them, by
 * it, and by its end. */
static void alter(void *unused)
{
    (void)unused;
    tuza_lock_os_thread();
    if (unshare(CLONE_FS) != 0) {
        puts("unshare not permitted");
        fflush(stdout);
        _exit(77);
    }
    if (chdir("/") != 0 || at_home())
        fail("no folder of its own");
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    for (int i = 0; i < AROUND; i++)
        crash_go(look_around, NULL);
    AWAIT(get(&there) == AROUND); /* blocks: its P starts them */
    if (at_home())
        fail("not on its own thread");
    for (int i = 0; i < AROUND; i++)
        crash_go(look_around, NULL);
    tuza_chan_send(ready, NULL); /* and ends, with work left on its P */
}

/* LK-34, LK-35, LK-36, LK-39: a goroutine that has altered its thread, and ends with it: no other thread
 * has the new folder or signal mask, whoever asked for it; they have the mask of who called tuza_run. */
//! LockOSThreadAvoidsStatePropagation exit 0 procs 1 procs 4 loop 200
//1 OK
static int LockOSThreadAvoidsStatePropagation(void)
{
    if (chdir("/proc") != 0 || !getcwd(home, sizeof home))
        fail("no folder");
    ready = tuza_chan_make(0, 1);
    gate = tuza_chan_make(0, 0);
    crash_go(alter, NULL);
    tuza_chan_recv(ready, NULL);
    AWAIT(get(&there) == 2 * AROUND);
    tuza_chan_close(gate);
    AWAIT(tuza_num_goroutine() == 1);
    crash_go(look_around, NULL);
    AWAIT(tuza_num_goroutine() == 1);
    if (!at_home() || get(&wrong) == 1)
        fail("bad cwd");
    if (get(&wrong) == 2)
        fail("bad signal mask");
    return ok();
}

/* --- A world that is stopped meanwhile --- */

static void lock_when_told(void *unused)
{
    (void)unused;
    add(&there, 1);
    while (!get(&stop))
        ;
    tuza_lock_os_thread();
    tuza_chan_send(ready, NULL);
}

/* LK-33, LK-38: the first locks of the process, two at once, while the world is stopped over and over. */
//! LockOSThreadTemplateThreadRace exit 0 procs 2 procs 4 loop 200
//1 OK
static int LockOSThreadTemplateThreadRace(void)
{
    ready = tuza_chan_make(0, 0);
    int procs = tuza_gomaxprocs(0);
    for (int i = 0; i < 2; i++)
        crash_go(lock_when_told, NULL);
    AWAIT(get(&there) == 2);
    set(&stop, 1);
    for (int i = 0; i < 20; i++)
        tuza_gomaxprocs(procs + (i & 1));
    for (int i = 0; i < 2; i++)
        tuza_chan_recv(ready, NULL);
    return ok();
}

static void busy(void *unused)
{
    (void)unused;
    for (volatile int i = 0; !get(&stop); i++)
        ;
}

static void exit_locked(void *unused)
{
    (void)unused;
    tuza_lock_os_thread();
    tuza_chan_send(ready, NULL);
}

/* LK-21, LK-51: a thread that dies while the world is stopped: neither is the stopper kept waiting, nor
 * does the dead thread get a P back. */
//! MexitSTW exit 0 procs 4 loop 200
//1 OK
static int MexitSTW(void)
{
    ready = tuza_chan_make(0, 1);
    tuza_gomaxprocs(4);
    for (int i = 0; i < 2; i++)
        crash_go(busy, NULL);
    for (int i = 0; i < 100; i++) {
        crash_go(exit_locked, NULL);
        tuza_chan_recv(ready, NULL);
        tuza_gomaxprocs(3 + (i & 1));
    }
    set(&stop, 1);
    return ok();
}

/* --- What a thread keeps for itself --- */

static pthread_key_t key;
static int destroyed, on_first; /* on_first: one was on the main thread, which stays */
static _Thread_local int mine;

static void destroy(void *value)
{
    if (*(int *)value != 7) /* thread-local variables are still there */
        set(&wrong, 1);
    add(&destroyed, 1);
}

static void fill_caches(void *unused)
{
    (void)unused;
    tuza_lock_os_thread();
    unsigned char bytes[64];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        set(&wrong, 1);
    void *kept[32];
    for (int i = 0; i < 32; i++)
        kept[i] = malloc((size_t)(1 + bytes[i]));
    for (int i = 0; i < 32; i++)
        free(kept[i]);
    if (mine)
        set(&wrong, 1); /* a thread that another goroutine had locked */
    if (on_main_thread())
        set(&on_first, 1);
    mine = 7;
    if (pthread_setspecific(key, &mine) != 0)
        set(&wrong, 1);
    tuza_chan_send(ready, NULL);
}

/* LK-52, LK-24: a thousand threads end with their goroutines, a hundred at a time; what libc keeps for a
 * thread is given back once for each, and never touched after. */
//! LockOSThreadVgetrandom exit 0 procs 1 procs 4 loop 20
//1 OK
static int LockOSThreadVgetrandom(void)
{
    enum { ROUNDS = 10, AT_ONCE = 100 };
    if (pthread_key_create(&key, destroy) != 0)
        return 97;
    ready = tuza_chan_make(0, 0);
    for (int r = 0; r < ROUNDS; r++) {
        for (int i = 0; i < AT_ONCE; i++)
            crash_go(fill_caches, NULL);
        for (int i = 0; i < AT_ONCE; i++)
            tuza_chan_recv(ready, NULL);
    }
    AWAIT(get(&destroyed) == ROUNDS * AT_ONCE - get(&on_first));
    if (get(&wrong))
        fail("not a thread of its own");
    return ok();
}

/* --- Main, locked --- */

static void print_some(void *unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++) {
        tuza_sleep(TUZA_MILLISECOND);
        if (on_main_thread())
            fail("goroutine migrated to locked thread");
        printf("still %d\n", i);
        fflush(stdout);
    }
}

/* LK-26, LK-30, LK-32: main ends by Goexit on its locked thread: the others go on, elsewhere; that nobody
 * is left is Go's text. */
//! GoexitInLockedMain loop 200
//> fatal error: no goroutines (main called runtime.Goexit) - deadlock!
//1 still 0
//1 still 1
//1 still 2
static int GoexitInLockedMain(void)
{
    if (!on_main_thread())
        fail("main is not on the main thread");
    crash_go(print_some, NULL);
    tuza_goexit();
}

static void exit_with_7(void *unused)
{
    (void)unused;
    tuza_sleep(TUZA_MILLISECOND);
    exit(7);
}

/* LK-30: with the main thread put away, the process ends like any other. */
//! ExitAfterGoexitInLockedMain exit 7 loop 200
static int ExitAfterGoexitInLockedMain(void)
{
    tuza_lock_os_thread();
    crash_go(exit_with_7, NULL);
    tuza_goexit();
}

/* LK-32, LK-45: alone. */
//! GoexitInLockedMainAlone loop 200
//> fatal error: no goroutines (main called runtime.Goexit) - deadlock!
static int GoexitInLockedMainAlone(void)
{
    tuza_goexit();
}

/* LK-32: main's return ends the process, locked or not. */
//! ReturnFromLockedMain exit 3 loop 200
static int ReturnFromLockedMain(void)
{
    tuza_lock_os_thread();
    tuza_gosched();
    return 3;
}

/* --- Deadlocks --- */

/* LK-44, DL-03: all blocked, one of them locked. */
//! LockedDeadlock loop 200
//> fatal error: all goroutines are asleep - deadlock!
static int LockedDeadlock(void)
{
    tuza_lock_os_thread();
    tuza_chan_recv(NULL, NULL);
    return 0;
}

static void lock_and_block(void *unused)
{
    (void)unused;
    tuza_lock_os_thread();
    tuza_chan_recv(NULL, NULL);
}

/* LK-44, DL-03: the locked one is not main. */
//! LockedDeadlock2 loop 200
//> fatal error: all goroutines are asleep - deadlock!
static int LockedDeadlock2(void)
{
    crash_go(lock_and_block, NULL);
    tuza_sleep(TUZA_MILLISECOND);
    tuza_chan_recv(NULL, NULL);
    return 0;
}

/* LK-44, LK-45: a deadlock after threads have died: each is counted once as gone. */
//! DeadlockAfterLockedExits loop 100
//> fatal error: all goroutines are asleep - deadlock!
static int DeadlockAfterLockedExits(void)
{
    ready = tuza_chan_make(0, 1);
    for (int i = 0; i < 20; i++) {
        crash_go(exit_locked, NULL);
        tuza_chan_recv(ready, NULL);
    }
    for (int i = 0; i < 5; i++)
        crash_go(lock_and_block, NULL);
    tuza_chan_recv(NULL, NULL);
    return 0;
}

/* --- Signals --- */

static int signals;

static void count_signal(int sig)
{
    (void)sig;
    add(&signals, 1);
}

static void sleep_locked(void *unused)
{
    (void)unused;
    tuza_lock_os_thread();
    for (int i = 0; i < 10; i++)
        tuza_sleep(TUZA_MILLISECOND);
    add(&there, 1);
}

/* LK-46, LK-47: many locked sleepers with many Ps under signals: no false deadlock, no hang. */
//! SignalDeadlock exit 0 procs 100 loop 20
//1 OK
static int SignalDeadlock(void)
{
    enum { SLEEPERS = 128 };
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    tuza_gomaxprocs(100);
    for (int i = 0; i < SLEEPERS; i++)
        crash_go(sleep_locked, NULL);
    int64_t end = tuza_now() + 100 * TUZA_SECOND;
    while (get(&there) < SLEEPERS) {
        if (tuza_now() > end)
            fail("a sleeper has not woken");
        kill(getpid(), SIGUSR1);
        tuza_sleep(TUZA_MILLISECOND / 10);
    }
    if (get(&signals) == 0)
        fail("no signal came");
    return ok();
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(LockOSThreadAvoidsStatePropagation),
    CASE(LockOSThreadTemplateThreadRace),
    CASE(MexitSTW),
    CASE(LockOSThreadVgetrandom),
    CASE(GoexitInLockedMain),
    CASE(ExitAfterGoexitInLockedMain),
    CASE(GoexitInLockedMainAlone),
    CASE(ReturnFromLockedMain),
    CASE(LockedDeadlock),
    CASE(LockedDeadlock2),
    CASE(DeadlockAfterLockedExits),
    CASE(SignalDeadlock),
    {NULL, NULL},
};

static int app(int argc, char **argv)
{
    return crash_find(cases, argc, argv);
}

/* What tuza_run's caller has blocked, all threads have. */
int main(int argc, char **argv)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    if (argc == 2 && strncmp(argv[1], "Goexit", 6) == 0)
        tuza_lock_os_thread();
    return 100 - tuza_run(app, argc, argv);
}
