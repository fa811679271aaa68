/* SPDX-License-Identifier: BSD-3-Clause */
/* Bubbles: misuse and deadlocks; the lines that begin with //! say how (run.sh). */
#include "crash/crash.h"

#define HOUR (3600 * TUZA_SECOND)

static tuza_chan *c;
static tuza_timer *t;
static tuza_context *ctx;
static int64_t v;

static void nothing(void *arg)
{
    (void)arg;
}

static void forever(void *arg)
{
    (void)arg;
    tuza_chan_recv(NULL, NULL);
    _exit(97);
}

static void nest(void *arg)
{
    (void)arg;
    tuza_bubble_run(nothing, NULL);
}

static void make(void *arg)
{
    (void)arg;
    c = tuza_chan_make(8, 1);
    t = tuza_timer_new(HOUR);
    ctx = tuza_context_with_cancel(tuza_context_background());
}

static void in_another(void *arg)
{
    (void)arg;
    tuza_chan_send(c, &v);
}

/* ST-05 */
//! nested
//> panic: synctest.Run called from within a synctest bubble
//>
//> goroutine @N@ [running, synctest bubble 1]:
static int nested(void)
{
    return tuza_bubble_run(nest, NULL);
}

/* ST-04 */
//! wait_outside
//> panic: goroutine is not in a bubble
//>
//> goroutine 1 [running]:
static int wait_outside(void)
{
    tuza_bubble_wait();
    return 0;
}

/* ST-04, ST-14 */
//! sleep_outside
//> panic: goroutine is not in a bubble
//>
//> goroutine 1 [running]:
static int sleep_outside(void)
{
    tuza_bubble_sleep(1);
    return 0;
}

static void wait(void *arg)
{
    (void)arg;
    tuza_bubble_wait();
    _exit(97); /* the one that is blocked now is not done with its wait */
}

/* Two waits at once: the second comes while the first waits for it to block. */
static void wait_twice(void *arg)
{
    (void)arg;
    crash_go(wait, NULL);
    while (tuza_num_goroutine() < 3) /* itself, main, the other */
        ;
    for (int i = 0; i < 100; i++) {
        char text[4096];
        tuza_gosched();
        tuza_stack(text, sizeof text, true);
        if (strstr(text, "[synctest.Wait, synctest bubble 1]"))
            break;
        i = 0;
    }
    tuza_bubble_wait();
}

/* ST-04, ST-12 */
//! waits
//> panic: wait already in progress
//>
//> goroutine @N@ [running, synctest bubble 1]:
static int waits(void)
{
    return tuza_bubble_run(wait_twice, NULL);
}

static void deadlocks(void *arg)
{
    (void)arg;
    crash_go(forever, NULL);
    tuza_chan_send(c = tuza_chan_make(8, 0), &v);
    _exit(97);
}

static void sleep_long(void *arg)
{
    (void)arg;
    tuza_sleep(HOUR);
}

/* ST-06, ST-12: the goroutines of that bubble, and no others. */
//! blocked
//> panic: deadlock: all goroutines in bubble are blocked
//>
//> goroutine 1 [running]:
//> blocked(...)
//+ goroutine @N@ [chan send (durable), synctest bubble 1]:
//+ deadlocks(...)
//+ goroutine @N@ [chan receive (nil chan) (durable), synctest bubble 1]:
//+ forever(...)
//- goroutine @N@ [sleep]:
static int blocked(void)
{
    crash_go(sleep_long, NULL);
    tuza_gosched();
    tuza_bubble_run(deadlocks, NULL);
    return 0;
}

static void leave_ticker(void *arg)
{
    (void)arg;
    t = tuza_ticker_new(HOUR);
    for (;;)
        tuza_chan_recv(tuza_timer_chan(t), &v);
}

static void main_ends(void *arg)
{
    (void)arg;
    crash_go(leave_ticker, NULL);
    tuza_sleep(10 * HOUR);
}

/* ST-07: time does not go on without the first. */
//! main_ended
//> panic: deadlock: main bubble goroutine has exited but blocked goroutines remain
//>
//> goroutine 1 [running]:
//+ goroutine @N@ [chan receive (durable), synctest bubble 1]:
static int main_ended(void)
{
    return tuza_bubble_run(main_ends, NULL);
}

static void recovers(void *arg)
{
    (void)arg;
    const char *text = tuza_recover();
    if (text)
        puts(text);
}

static void run_deadlock(void *arg)
{
    TUZA_DEFER(recovers, NULL);
    tuza_bubble_run(deadlocks, arg);
}

static void print_clock(void *arg)
{
    (void)arg;
    tuza_sleep(HOUR);
    printf("%lld\n", (long long)tuza_now());
}

/* ST-06: who recovers goes on, in real time, and may have other bubbles. */
//! recovered
//1 deadlock: all goroutines in bubble are blocked
//1 946688400000000000
//> panic: other
//>
//> goroutine 1 [running]:
//- goroutine @N@ [chan send (durable), synctest bubble 1]:
static int recovered(void)
{
    tuza_call(run_deadlock, NULL);
    if (tuza_now() > 946684800000000000)
        return 97;
    tuza_bubble_run(print_clock, NULL);
    fflush(stdout);
    tuza_panic("other");
}

/* ST-08 */
//! send_outside
//> fatal error: send on synctest channel from outside bubble
//>
//> goroutine 1 [running]:
static int send_outside(void)
{
    tuza_bubble_run(make, NULL);
    tuza_chan_send(c, &v);
    return 0;
}

/* ST-08 */
//! try_send_outside
//> fatal error: send on synctest channel from outside bubble
static int try_send_outside(void)
{
    tuza_bubble_run(make, NULL);
    tuza_chan_try_send(c, &v);
    return 0;
}

/* ST-08: nor from another bubble. */
//! send_elsewhere
//> fatal error: send on synctest channel from outside bubble
//>
//> goroutine @N@ [running, synctest bubble 2]:
static int send_elsewhere(void)
{
    tuza_bubble_run(make, NULL);
    tuza_bubble_run(in_another, NULL);
    return 0;
}

/* ST-08 */
//! recv_outside
//> fatal error: receive on synctest channel from outside bubble
static int recv_outside(void)
{
    tuza_bubble_run(make, NULL);
    tuza_chan_recv(c, &v);
    return 0;
}

/* ST-08 */
//! try_recv_outside
//> fatal error: receive on synctest channel from outside bubble
static int try_recv_outside(void)
{
    tuza_bubble_run(make, NULL);
    tuza_chan_try_recv(c, &v, NULL);
    return 0;
}

/* ST-08: a timer's channel is one too. */
//! recv_timer_outside
//> fatal error: receive on synctest channel from outside bubble
static int recv_timer_outside(void)
{
    tuza_bubble_run(make, NULL);
    tuza_chan_recv(tuza_timer_chan(t), &v);
    return 0;
}

/* ST-08 */
//! close_outside
//> fatal error: close of synctest channel from outside bubble
static int close_outside(void)
{
    tuza_bubble_run(make, NULL);
    tuza_chan_close(c);
    return 0;
}

/* ST-08 */
//! cancel_outside
//> fatal error: close of synctest channel from outside bubble
static int cancel_outside(void)
{
    tuza_bubble_run(make, NULL);
    tuza_context_cancel(ctx);
    return 0;
}

/* ST-08 */
//! stop_outside
//> fatal error: stop of synctest timer from outside bubble
static int stop_outside(void)
{
    tuza_bubble_run(make, NULL);
    tuza_timer_stop(t);
    return 0;
}

/* ST-08 */
//! reset_outside
//> fatal error: reset of synctest timer from outside bubble
static int reset_outside(void)
{
    tuza_bubble_run(make, NULL);
    tuza_timer_reset(t, 1);
    return 0;
}

/* ST-08, SE-15 */
//! select_outside
//> fatal error: select on synctest channel from outside bubble
static int select_outside(void)
{
    tuza_bubble_run(make, NULL);
    tuza_case k[] = {TUZA_RECV(c, &v), TUZA_RECV(NULL, NULL)};
    tuza_select(k, 2);
    return 0;
}

static tuza_mutex mu;
static tuza_cond cond;
static int waiting;

static void wait_cond(void *arg)
{
    (void)arg;
    tuza_mutex_lock(&mu);
    __atomic_store_n(&waiting, 1, __ATOMIC_RELEASE);
    for (;;)
        tuza_cond_wait(&cond, &mu);
}

static void keep_open(void *arg)
{
    crash_go(wait_cond, NULL);
    tuza_chan_recv(arg, &v); /* from outside: the bubble is not blocked for good */
}

static void run_keep_open(void *arg)
{
    tuza_bubble_run(keep_open, arg);
}

/* ST-08 */
//! signal_outside
//> fatal error: semaphore wake of synctest goroutine from outside bubble
//>
//> goroutine 1 [running]:
static int signal_outside(void)
{
    crash_go(run_keep_open, tuza_chan_make(8, 0));
    while (!__atomic_load_n(&waiting, __ATOMIC_ACQUIRE))
        tuza_gosched();
    for (int i = 0; i < 100000; i++) {
        tuza_mutex_lock(&mu); /* it waits by now, and soon is parked */
        tuza_cond_signal(&cond);
        tuza_mutex_unlock(&mu);
        tuza_gosched();
    }
    return 97;
}

static void recv_and_report(void *arg)
{
    (void)arg;
    crash_go(forever, NULL);
    tuza_chan_recv(arg, &v);
}

/* ST-03, DL-01: a bubble that is not durably blocked has no deadlock of its own; the program has. */
//! real_deadlock
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [synctest.Run, synctest bubble 1]:
//+ goroutine @N@ [chan receive, synctest bubble 1]:
//+ goroutine @N@ [chan receive (nil chan) (durable), synctest bubble 1]:
static int real_deadlock(void)
{
    return tuza_bubble_run(recv_and_report, tuza_chan_make(8, 0));
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(nested),
    CASE(wait_outside),
    CASE(sleep_outside),
    CASE(waits),
    CASE(blocked),
    CASE(main_ended),
    CASE(recovered),
    CASE(send_outside),
    CASE(try_send_outside),
    CASE(send_elsewhere),
    CASE(recv_outside),
    CASE(try_recv_outside),
    CASE(recv_timer_outside),
    CASE(close_outside),
    CASE(cancel_outside),
    CASE(stop_outside),
    CASE(reset_outside),
    CASE(select_outside),
    CASE(signal_outside),
    CASE(real_deadlock),
    {NULL, NULL},
};
CRASH_MAIN(cases)
