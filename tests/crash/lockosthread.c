/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The test programs of Go's change that made a goroutine take its locked
 * thread with it, under their Go names, and each again in the variant that
 * tells threads by pthread_self and sees the end by a key destructor (run.sh
 * reads the //! lines).
 */
#include <pthread.h>

#include "crash/lock.h"

/* What a thread is told by: the kernel's id, or pthread_self. */
typedef struct thread_id {
    pid_t tid;
    pthread_t self;
} thread_id;

static bool by_key; /* the second variant */
static pthread_key_t key;
static thread_id main_thread, sub;
static int destroyed; /* the key's destructor has run on the thread `sub` */
static bool locked_here;

/* A compiler takes pthread_self for a constant, and would keep it across a wait: not across this call. */
static __attribute__((noinline)) thread_id here(void)
{
    __asm__ volatile("" ::: "memory");
    return (thread_id){tid(), pthread_self()};
}

static bool same_thread(thread_id a, thread_id b)
{
    return by_key ? pthread_equal(a.self, b.self) != 0 : a.tid == b.tid;
}

static void destroy(void *value)
{
    (void)value;
    set(&destroyed, 1);
}

static void use_key(void)
{
    if (by_key && pthread_setspecific(key, &key) != 0)
        fail("no thread-specific value");
}

static tuza_chan *ready, *checked;

/* Locked on the main thread, it ends so; elsewhere it lets go of its thread. */
static void exit_on_main_thread(void *unused)
{
    (void)unused;
    tuza_lock_os_thread();
    locked_here = same_thread(here(), main_thread);
    if (locked_here) {
        sub = here();
        use_key();
    } else {
        tuza_unlock_os_thread();
    }
    tuza_chan_send(ready, NULL);
}

/* LK-10, LK-18, LK-22, LK-26, LK-27, LK-30, LK-31: with one P the first goroutine starts on the main
 * thread, which main has just left; it ends locked. The thread stays, runs nothing any more, and main goes
 * on on another one. Only chaos may bring the child to another thread; then it is tried again. */
static int lock_os_thread_main(void)
{
    if (tuza_gomaxprocs(0) != 1 && !getenv("TUZA_CHAOS"))
        fail("requires GOMAXPROCS=1");
    ready = tuza_chan_make(0, 1);
    main_thread = here();
    if (!on_main_thread())
        fail("main did not start on the main thread");
    int64_t end = tuza_now() + 100 * TUZA_SECOND;
    do {
        crash_go(exit_on_main_thread, NULL);
        tuza_chan_recv(ready, NULL);
        if (!locked_here && (!getenv("TUZA_CHAOS") || tuza_now() > end))
            fail("failed to start goroutine on main thread");
    } while (!locked_here);
    for (int i = 0; i < 4; i++) {
        tuza_sleep(TUZA_MILLISECOND / 4);
        if (same_thread(here(), main_thread))
            fail("goroutine migrated to locked thread");
    }
    if (!tid_exists(getpid()))
        fail("the main thread is gone");
    if (get(&destroyed))
        fail("the main thread has run its destructors");
    return ok();
}

//! LockOSThreadMain exit 0 procs 1 loop 200
//1 OK
static int LockOSThreadMain(void)
{
    return lock_os_thread_main();
}

/* LK-24 has nothing to destroy here: the thread has not ended. */
//! LockOSThreadMainKey exit 0 procs 1 loop 200
//1 OK
static int LockOSThreadMainKey(void)
{
    return lock_os_thread_main();
}

static void check_not_on_sub(void *unused)
{
    (void)unused;
    if (same_thread(here(), sub))
        fail("locked thread reused");
    tuza_chan_send(checked, NULL);
}

/* Main is on the main thread, locked, so this is on another; it ends locked. */
static void exit_on_new_thread(void *unused)
{
    (void)unused;
    tuza_lock_os_thread();
    tuza_lock_os_thread();
    sub = here();
    if (same_thread(sub, main_thread))
        fail("a goroutine runs on a thread that is locked");
    use_key();
    crash_go(check_not_on_sub, NULL); /* LK-07 */
    tuza_chan_recv(checked, NULL);
    if (!same_thread(here(), sub))
        fail("a locked goroutine has changed its thread");
    tuza_unlock_os_thread(); /* LK-15: one of two */
    tuza_chan_send(ready, NULL);
}

/* LK-06, LK-07, LK-15, LK-19, LK-20: main, locked before tuza_run, is on the main thread; a goroutine ends
 * locked, once of two times. Its thread goes away, and no goroutine is ever seen on it. Also LK-24: the
 * thread's key destructors run. */
static int lock_os_thread_alt(void)
{
    ready = tuza_chan_make(0, 0);
    checked = tuza_chan_make(0, 0);
    main_thread = here();
    if (!on_main_thread())
        fail("main is not on the main thread");
    crash_go(exit_on_new_thread, NULL);
    tuza_chan_recv(ready, NULL);
    if (!same_thread(here(), main_thread))
        fail("a locked main has changed its thread");
    tuza_unlock_os_thread();
    int64_t end = tuza_now() + 100 * TUZA_SECOND;
    for (;;) {
        /* In this order: as long as it is not seen to be gone, no other thread can have its id. */
        bool reused = same_thread(here(), sub);
        if (by_key ? get(&destroyed) : !tid_exists(sub.tid))
            break;
        if (reused)
            fail("locked thread reused");
        if (tuza_now() > end)
            fail("sub thread still running");
        tuza_sleep(TUZA_MILLISECOND / 4);
    }
    return ok();
}

//! LockOSThreadAlt exit 0 procs 1 procs 2 procs 8 loop 200
//1 OK
static int LockOSThreadAlt(void)
{
    return lock_os_thread_alt();
}

//! LockOSThreadAltKey exit 0 procs 1 procs 2 procs 8 loop 200
//1 OK
static int LockOSThreadAltKey(void)
{
    return lock_os_thread_alt();
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(LockOSThreadMain), CASE(LockOSThreadMainKey), CASE(LockOSThreadAlt), CASE(LockOSThreadAltKey),
    {NULL, NULL},
};

static int app(int argc, char **argv)
{
    return crash_find(cases, argc, argv);
}

int main(int argc, char **argv)
{
    by_key = argc == 2 && strstr(argv[1], "Key");
    if (by_key && pthread_key_create(&key, destroy) != 0)
        return 97;
    if (argc == 2 && strstr(argv[1], "Alt"))
        tuza_lock_os_thread();
    return 100 - tuza_run(app, argc, argv);
}
