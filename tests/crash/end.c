/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a process ends: main returns, main calls Goexit, everything sleeps;
 * and calls from where there is no goroutine (run.sh reads the //! lines).
 */
#include <pthread.h>

#include "crash/crash.h"

static void block(void *arg)
{
    tuza_chan_recv(arg, NULL);
}

static void loop(void *arg)
{
    (void)arg;
    for (;;)
        tuza_gosched();
}

static void spin(void *arg)
{
    (void)arg;
    for (volatile int i = 0;; i++)
        ;
}

static void sleep_in_kernel(void *arg)
{
    (void)arg;
    for (;;)
        pause();
}

static void at_exit(void)
{
    puts("atexit");
}

/* GR-09: main's return is the process's end, with its result, whatever the others do;
 * atexit handlers run and stdio is flushed. */
//! main_returns exit 7
//1 not flushed
//1 atexit
static int main_returns(void)
{
    atexit(at_exit);
    printf("not flushed\n");
    crash_go(block, NULL);
    crash_go(loop, NULL);
    crash_go(spin, NULL);
    crash_go(sleep_in_kernel, NULL);
    tuza_sleep(20 * TUZA_MILLISECOND);
    return 7;
}

/* GR-09: at once, and 0 where main says so. */
//! main_returns_at_once exit 0
static int main_returns_at_once(void)
{
    for (int i = 0; i < 1000; i++)
        crash_go(block, NULL);
    return 0;
}

static void call_exit(void *arg)
{
    (void)arg;
    printf("from a goroutine\n");
    exit(5);
}

/* GR-09: exit() from any goroutine. */
//! exit_from_goroutine exit 5
//1 from a goroutine
//1 atexit
static int exit_from_goroutine(void)
{
    atexit(at_exit);
    crash_go(call_exit, NULL);
    tuza_chan_recv(NULL, NULL);
    return 1;
}

/* GR-01 */
//! go_nil
//> fatal error: go of nil func value
//>
//> goroutine 1 [running]:
static int go_nil(void)
{
    crash_go(NULL, NULL);
    return 0;
}

static void go_nil_in(void *arg)
{
    crash_go(NULL, arg);
}

/* GR-01: a fatal error of the starter, not of the started. */
//! go_nil_in_goroutine
//> fatal error: go of nil func value
//>
//> goroutine @N@ [running]:
static int go_nil_in_goroutine(void)
{
    crash_go(go_nil_in, NULL);
    tuza_chan_recv(NULL, NULL);
    return 0;
}

/* GR-11: Goexit in main alone. */
//! goexit_alone
//> fatal error: no goroutines (main called runtime.Goexit) - deadlock!
static int goexit_alone(void)
{
    tuza_goexit();
}

static char still[] = "still";
static void print_some(void *arg)
{
    for (int i = 0; i < 3; i++) {
        tuza_sleep(2 * TUZA_MILLISECOND);
        printf("%s %d\n", (const char *)arg, i);
        fflush(stdout);
    }
}

/* GR-11: Goexit in main: the others go on; when the last has ended, there are no goroutines. */
//! goexit_main
//> fatal error: no goroutines (main called runtime.Goexit) - deadlock!
//1 still 0
//1 still 1
//1 still 2
static int goexit_main(void)
{
    crash_go(print_some, still);
    tuza_goexit();
}

/* GR-12, DL-04: the others are blocked, not gone: another text. */
//! goexit_blocked
//> fatal error: all goroutines are asleep - deadlock!
//1 still 0
//1 still 1
//1 still 2
static int goexit_blocked(void)
{
    crash_go(block, tuza_chan_make(0, 0));
    crash_go(print_some, still);
    tuza_goexit();
}

/* CH-04, GR-12: main waits and nobody is left: each way of waiting for ever. */
//! deadlock_receive
//> fatal error: all goroutines are asleep - deadlock!
static int deadlock_receive(void)
{
    tuza_chan_recv(tuza_chan_make(0, 0), NULL);
    return 0;
}

//! deadlock_send
//> fatal error: all goroutines are asleep - deadlock!
static int deadlock_send(void)
{
    tuza_chan_send(tuza_chan_make(0, 0), NULL);
    return 0;
}

//! deadlock_nil
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [chan receive (nil chan)]:
static int deadlock_nil(void)
{
    tuza_chan_recv(NULL, NULL);
    return 0;
}

//! deadlock_nil_send
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [chan send (nil chan)]:
static int deadlock_nil_send(void)
{
    tuza_chan_send(NULL, NULL);
    return 0;
}

static void stuck_a_while(void *arg)
{
    usleep(30000);
    tuza_chan_recv(arg, NULL);
}

/* GR-12: after blocking calls on many threads, sleeps and ended goroutines, a deadlock is still seen. */
//! deadlock_after_work
//> fatal error: all goroutines are asleep - deadlock!
//1 still 0
//1 still 1
//1 still 2
static int deadlock_after_work(void)
{
    tuza_chan *c = tuza_chan_make(0, 0);
    for (int i = 0; i < 20; i++)
        crash_go(stuck_a_while, c);
    print_some(still);
    tuza_chan_recv(c, NULL);
    return 0;
}

static void *foreign(void *c)
{
    tuza_chan_close(c);
    tuza_chan_close(c);
    return NULL;
}

/* FT-05: a panic on a thread that tuza did not make. */
//! foreign_thread
//> panic: close of closed channel
static int foreign_thread(void)
{
    pthread_t t;
    if (pthread_create(&t, NULL, foreign, tuza_chan_make(0, 1)))
        return 90;
    pthread_join(t, NULL);
    return 0;
}

static void sleep_at_exit(void)
{
    tuza_sleep(60 * TUZA_MILLISECOND);
    puts("slept");
}
static void sleep_a_little(void *arg)
{
    (void)arg;
    tuza_sleep(30 * TUZA_MILLISECOND);
}

/* Many others are due before the only goroutine that still runs. */
//! sleepers_at_exit exit 0
//1 slept
static int sleepers_at_exit(void)
{
    for (int i = 0; i < 600; i++)
        crash_go(sleep_a_little, NULL);
    tuza_sleep(TUZA_MILLISECOND);
    atexit(sleep_at_exit);
    return 0;
}

static int listener, other;
static void accept_on(void *arg)
{
    (void)tuza_accept(*(int *)arg);
}
static void close_listener(void)
{
    printf("%d\n", tuza_close(listener));
}

/* What takes a program apart may close what goroutines still wait for: none of them will run again, and it
 * does not wait for them. */
//! close_at_exit exit 0
//1 0
static int close_at_exit(void)
{
    listener = tuza_listen("tcp", "127.0.0.1:0");
    other = tuza_listen("tcp", "127.0.0.1:0");
    crash_go(accept_on, &listener);
    crash_go(accept_on, &other);
    tuza_sleep(TUZA_MILLISECOND); /* they wait, mostly; it ends well where they do not get to */
    atexit(close_listener);
    return 0;
}

static tuza_timer *called;
static tuza_group begun, waited;
static int stays(void *told)
{
    tuza_chan_send(told, NULL);
    tuza_chan_recv(NULL, NULL);
    return 0;
}
static void stays_in_call(void *told)
{
    stays(told);
}
static void waits_for_group(void *arg)
{
    (void)tuza_group_wait(arg);
}
static void clean_up(void)
{
    tuza_timer_stop_wait(called);
    tuza_timer_free(called);
    tuza_group_close(&begun);
    tuza_group_close(&waited);
    puts("cleaned up");
}

/* Nor does it wait for a timer's call and a group's goroutines that have begun. */
//! clean_up_at_exit exit 0
//1 cleaned up
static int clean_up_at_exit(void)
{
    tuza_chan *told = tuza_chan_make(0, 0);
    called = tuza_after_func(0, stays_in_call, told);
    if (tuza_group_go(&begun, stays, told) < 0 || tuza_group_go(&waited, stays, told) < 0)
        return 90;
    for (int i = 0; i < 3; i++)
        tuza_chan_recv(told, NULL);
    crash_go(waits_for_group, &waited);
    tuza_sleep(TUZA_MILLISECOND); /* it waits, mostly */
    atexit(clean_up);
    return 0;
}

static bool ends;
static void destroy_for_long(void *told)
{
    if (!ends)
        stays(told);
    puts("destroyed");
}
static tuza_pool pool = TUZA_POOL_INIT(NULL, destroy_for_long, NULL);
static void clear_pool(void)
{
    ends = true;
    tuza_pool_clear(&pool);
}

/* And a pool is cleared while a cycle that time has ended is destroying; what that has is its own. (The rest
 * of the pool's memory is left.) */
//! clear_at_exit exit 0 procs 2 env ASAN_OPTIONS=detect_leaks=0
//1 destroyed
static int clear_at_exit(void)
{
    tuza_chan *told = tuza_chan_make(0, 0);
    tuza_pool_put(&pool, told);
    tuza_chan_recv(told, NULL);
    tuza_pool_put(&pool, told);
    atexit(clear_pool);
    return 0;
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(main_returns),
    CASE(main_returns_at_once),
    CASE(close_at_exit),
    CASE(clean_up_at_exit),
    CASE(clear_at_exit),
    CASE(sleepers_at_exit),
    CASE(exit_from_goroutine),
    CASE(go_nil),
    CASE(go_nil_in_goroutine),
    CASE(goexit_alone),
    CASE(goexit_main),
    CASE(goexit_blocked),
    CASE(deadlock_receive),
    CASE(deadlock_send),
    CASE(deadlock_nil),
    CASE(deadlock_nil_send),
    CASE(deadlock_after_work),
    CASE(foreign_thread),
    {NULL, NULL},
};
CRASH_MAIN(cases)
