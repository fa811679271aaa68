/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks taken before tuza_run, on the thread that will call it (run.sh reads the //! lines). */
#include <pthread.h>

#include "crash/lock.h"

static pid_t starter;

static void nothing(void *unused)
{
    (void)unused;
    if (tid() == starter)
        fail("a goroutine runs on main's locked thread");
}

/* Every way to come off a thread, with others to run meanwhile. */
static void wander(void)
{
    for (int i = 0; i < 10; i++) {
        crash_go(nothing, NULL);
        tuza_sleep(TUZA_MILLISECOND / 4);
        tuza_gosched();
        usleep(500);
    }
    while (tuza_num_goroutine() > 1) /* they look at starter */
        tuza_sleep(TUZA_MILLISECOND);
}

/* LK-09: main stays on the thread that called tuza_run, here the process's first. */
//! lock_before_run exit 0 loop 100
//1 OK
static int lock_before_run(void)
{
    wander();
    if (!on_main_thread())
        fail("main has left the main thread");
    return ok();
}

/* LK-02, LK-09: nested before, one unlock after: still locked; the second lets go, a third means nothing. */
//! lock_twice_before_run exit 0 loop 100
//1 OK
static int lock_twice_before_run(void)
{
    tuza_unlock_os_thread();
    wander();
    if (!on_main_thread())
        fail("main has left the main thread");
    tuza_unlock_os_thread();
    tuza_unlock_os_thread();
    starter = 0;
    wander();
    return ok();
}

/* LK-03: unlocked again before tuza_run: not locked. */
//! lock_and_unlock_before_run exit 0 loop 100
//1 OK
static int lock_and_unlock_before_run(void)
{
    starter = 0;
    wander();
    return ok();
}

/* LK-12: "main thread" is who calls tuza_run. The lock keeps main there; the process goes on to its end. */
//! lock_on_another_thread exit 0 loop 100
//1 OK
static int lock_on_another_thread(void)
{
    if (on_main_thread())
        fail("on the process's first thread");
    wander();
    if (tid() != starter)
        fail("main has left the thread that called tuza_run");
    return ok();
}

static void not_on_starter(void *unused)
{
    (void)unused;
    wander();
    exit(ok());
}

/* LK-27: a main that ends locked takes the thread that called tuza_run with it, whichever that is: it ends or
 * rests, and nothing runs on it. */
//! goexit_on_another_thread exit 0 loop 100
//1 OK
static int goexit_on_another_thread(void)
{
    crash_go(not_on_starter, NULL);
    tuza_goexit();
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(lock_before_run),        CASE(lock_twice_before_run),    CASE(lock_and_unlock_before_run),
    CASE(lock_on_another_thread), CASE(goexit_on_another_thread), {NULL, NULL},
};

static int app(int argc, char **argv)
{
    return crash_find(cases, argc, argv);
}

static char **args;

static void *run(void *unused)
{
    (void)unused;
    starter = tid();
    tuza_lock_os_thread();
    if (strstr(args[1], "twice"))
        tuza_lock_os_thread();
    if (strstr(args[1], "and_unlock"))
        tuza_unlock_os_thread();
    _exit(100 - tuza_run(app, 2, args));
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 97;
    args = argv;
    if (!strstr(argv[1], "another_thread"))
        run(NULL);
    pthread_t t;
    if (pthread_create(&t, NULL, run, NULL) != 0)
        return 96;
    pthread_join(t, NULL);
    for (;;)
        pause();
}
