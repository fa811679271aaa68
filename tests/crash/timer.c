/* SPDX-License-Identifier: BSD-3-Clause */
/* Misuse of timers and contexts that ends the process; the lines that begin with //! say how (run.sh). */
#include "crash/crash.h"

#define HOUR (3600 * TUZA_SECOND)

static int64_t v;

/* TM-17 */
//! ticker_zero
//> panic: non-positive interval for NewTicker
//>
//> goroutine 1 [running]:
static int ticker_zero(void)
{
    tuza_ticker_new(0);
    return 0;
}

/* TM-17 */
//! ticker_reset_negative
//> panic: non-positive interval for Ticker.Reset
//>
//> goroutine 1 [running]:
static int ticker_reset_negative(void)
{
    tuza_timer_reset(tuza_ticker_new(HOUR), -1);
    return 0;
}

/* TM-16 */
//! stop_null
//> panic: time: Stop called on uninitialized Timer
//>
//> goroutine 1 [running]:
static int stop_null(void)
{
    tuza_timer_stop(NULL);
    return 0;
}

/* TM-16 */
//! stop_wait_null
//> panic: time: Stop called on uninitialized Timer
//>
//> goroutine 1 [running]:
static int stop_wait_null(void)
{
    tuza_timer_stop_wait(NULL);
    return 0;
}

/* TM-16 */
//! reset_null
//> panic: time: Reset called on uninitialized Timer
//>
//> goroutine 1 [running]:
static int reset_null(void)
{
    tuza_timer_reset(NULL, 1);
    return 0;
}

/* A timer's channel is tuza's. */
//! send_timer
//> panic: tuza: send on a channel owned by the runtime
//>
//> goroutine 1 [running]:
static int send_timer(void)
{
    tuza_chan_send(tuza_timer_chan(tuza_timer_new(HOUR)), &v);
    return 0;
}

//! try_send_timer
//> panic: tuza: send on a channel owned by the runtime
//>
//> goroutine 1 [running]:
static int try_send_timer(void)
{
    tuza_chan_try_send(tuza_timer_chan(tuza_timer_new(HOUR)), &v);
    return 0;
}

//! close_timer
//> panic: tuza: close of a channel owned by the runtime
//>
//> goroutine 1 [running]:
static int close_timer(void)
{
    tuza_chan_close(tuza_timer_chan(tuza_timer_new(HOUR)));
    return 0;
}

static void receive(void *arg)
{
    tuza_chan_recv(arg, NULL);
}

static void let_it_wait(void)
{
    for (int i = 0; i < 20; i++) {
        tuza_gosched();
        tuza_sleep(5 * TUZA_MILLISECOND);
    }
}

/* CH-04: freed while a goroutine waits for it. */
//! free_with_receiver
//> fatal error: tuza: unref of a channel in use
static int free_with_receiver(void)
{
    tuza_timer *t = tuza_timer_new(HOUR);
    crash_go(receive, tuza_timer_chan(t));
    let_it_wait();
    tuza_timer_free(t);
    return 0;
}

/* TM-27, DL-08: a timer that nobody waits for hides no deadlock. */
//! deadlock_with_timer
//> fatal error: all goroutines are asleep - deadlock!
static int deadlock_with_timer(void)
{
    tuza_timer_new(HOUR);
    tuza_ticker_new(HOUR);
    tuza_chan_recv(tuza_chan_make(0, 0), NULL);
    return 0;
}

/* TM-27: nor one that is stopped under whoever waits. */
//! deadlock_stopped
//> fatal error: all goroutines are asleep - deadlock!
static int deadlock_stopped(void)
{
    tuza_timer *t = tuza_timer_new(HOUR);
    crash_go(receive, tuza_timer_chan(t));
    let_it_wait();
    tuza_timer_stop(t);
    tuza_chan_recv(tuza_timer_chan(t), NULL);
    return 0;
}

static void panics(void *arg)
{
    (void)arg;
    tuza_panic("in the call");
}

/* A call is a goroutine: its panic is one. */
//! after_func_panic
//> panic: in the call
//>
//> goroutine @N@ [running]:
//+ created by after_func_panic
static int after_func_panic(void)
{
    tuza_after_func(1, panics, NULL);
    tuza_sleep(HOUR);
    return 0;
}

/* CX-14 */
//! nil_parent
//> panic: cannot create context from nil parent
//>
//> goroutine 1 [running]:
static int nil_parent(void)
{
    tuza_context_with_cancel(NULL);
    return 0;
}

/* CX-14 */
//! value_nil_parent
//> panic: cannot create context from nil parent
//>
//> goroutine 1 [running]:
static int value_nil_parent(void)
{
    tuza_context_with_value(NULL, NULL, NULL);
    return 0;
}

/* CX-14 */
//! nil_key
//> panic: nil key
//>
//> goroutine 1 [running]:
static int nil_key(void)
{
    tuza_context_with_value(tuza_context_background(), NULL, &v);
    return 0;
}

//! cancel_background
//> panic: tuza: cancel of a context that can't be cancelled
//>
//> goroutine 1 [running]:
static int cancel_background(void)
{
    tuza_context_cancel(tuza_context_background());
    return 0;
}

//! send_done
//> panic: tuza: send on a channel owned by the runtime
//>
//> goroutine 1 [running]:
static int send_done(void)
{
    tuza_chan_send(tuza_context_done(tuza_context_with_cancel(tuza_context_background())), NULL);
    return 0;
}

//! close_done
//> panic: tuza: close of a channel owned by the runtime
//>
//> goroutine 1 [running]:
static int close_done(void)
{
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    tuza_context_cancel(ctx); /* closed or not */
    tuza_chan_close(tuza_context_done(ctx));
    return 0;
}

/* CH-04: the last reference to a context whose end is waited for. */
//! unref_with_receiver
//> fatal error: tuza: unref of a channel in use
static int unref_with_receiver(void)
{
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    crash_go(receive, tuza_context_done(ctx));
    let_it_wait();
    tuza_context_unref(ctx);
    return 0;
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(ticker_zero),
    CASE(ticker_reset_negative),
    CASE(stop_null),
    CASE(stop_wait_null),
    CASE(reset_null),
    CASE(send_timer),
    CASE(try_send_timer),
    CASE(close_timer),
    CASE(free_with_receiver),
    CASE(deadlock_with_timer),
    CASE(deadlock_stopped),
    CASE(after_func_panic),
    CASE(nil_parent),
    CASE(value_nil_parent),
    CASE(nil_key),
    CASE(cancel_background),
    CASE(send_done),
    CASE(close_done),
    CASE(unref_with_receiver),
    {NULL, NULL},
};
CRASH_MAIN(cases)
