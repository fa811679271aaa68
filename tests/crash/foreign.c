/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that tuza did not make, and how the process ends with them about (run.sh reads the //! lines). */
#include <pthread.h>

#include "crash/lock.h"

static tuza_chan *c;

static void start(void *(*fn)(void *))
{
    pthread_t t;
    c = tuza_chan_make(0, 0);
    if (pthread_create(&t, NULL, fn, NULL) != 0 || pthread_detach(t) != 0)
        fail("no thread");
}

static void *send_late(void *unused)
{
    usleep(150000);
    tuza_chan_send(c, NULL);
    return unused;
}

/* FT-15, DL-11: all goroutines wait, but a thread may still do something: no deadlock. */
//! thread_may_wake_main exit 0 loop 10
//1 OK
static int thread_may_wake_main(void)
{
    start(send_late);
    tuza_chan_recv(c, NULL);
    return ok();
}

static void *call_and_leave(void *unused)
{
    tuza_gosched();
    usleep(30000);
    return unused;
}

/* FT-03, FT-15, DL-11: the thread has ended: now it is one, and what the thread had counts for nothing. */
//! deadlock_after_thread
//> fatal error: all goroutines are asleep - deadlock!
static int deadlock_after_thread(void)
{
    start(call_and_leave);
    tuza_chan_recv(c, NULL);
    return 0;
}

static void *close_nil(void *unused)
{
    tuza_gosched();
    tuza_chan_close(NULL);
    return unused;
}

/* FT-05: a panic on such a thread. */
//! panic_on_thread
//> panic: close of nil channel
static int panic_on_thread(void)
{
    start(close_nil);
    tuza_chan_recv(c, NULL);
    return 0;
}

static void *call_goexit(void *unused)
{
    (void)unused;
    tuza_gosched();
    tuza_goexit();
}

/* FT-07, LK-16: there is no goroutine of tuza's to end. */
//! goexit_on_thread
//> runtime: mp.lockedInt = 1
//> fatal error: runtime.Goexit called in a thread that was not created by the Go runtime
static int goexit_on_thread(void)
{
    start(call_goexit);
    tuza_chan_recv(c, NULL);
    return 0;
}

static void *call_exit(void *unused)
{
    (void)unused;
    tuza_gosched();
    exit(9);
}

/* GR-09: exit() on such a thread is the process's end. */
//! exit_on_thread exit 9 loop 50
static int exit_on_thread(void)
{
    start(call_exit);
    tuza_chan_recv(c, NULL);
    return 0;
}

static void at_exit(void)
{
    if (!tuza_chan_try_send(c, NULL) || !tuza_chan_recv(c, NULL))
        fail("no channel");
    puts("called back");
}

/* FT-10: back in while the process ends. */
//! call_at_exit exit 4
//1 called back
static int call_at_exit(void)
{
    c = tuza_chan_make(0, 1);
    atexit(at_exit);
    return 4;
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(thread_may_wake_main), CASE(deadlock_after_thread), CASE(panic_on_thread), CASE(goexit_on_thread),
    CASE(exit_on_thread),       CASE(call_at_exit),          {NULL, NULL},
};
CRASH_MAIN(cases)
