/* SPDX-License-Identifier: BSD-3-Clause */
/* Channel misuse that ends the process; the lines that begin with //! say how (run.sh). */
#include "crash/crash.h"

static long v;

/* CH-14, CH-18, GR-05: send on a closed channel, unbuffered; main has the id 1. */
//! send_closed
//> panic: send on closed channel
//>
//> goroutine 1 [running]:
static int send_closed(void)
{
    tuza_chan *c = tuza_chan_make(sizeof v, 0);
    tuza_chan_close(c);
    tuza_chan_send(c, &v);
    return 0;
}

/* CH-14: also with space in the buffer. */
//! send_closed_with_space
//> panic: send on closed channel
//>
//> goroutine 1 [running]:
static int send_closed_with_space(void)
{
    tuza_chan *c = tuza_chan_make(sizeof v, 4);
    tuza_chan_send(c, &v);
    tuza_chan_close(c);
    tuza_chan_send(c, &v);
    return 0;
}

/* CH-14: also where it would not have waited. */
//! try_send_closed
//> panic: send on closed channel
//>
//> goroutine 1 [running]:
static int try_send_closed(void)
{
    tuza_chan *c = tuza_chan_make(sizeof v, 0);
    tuza_chan_close(c);
    tuza_chan_try_send(c, &v);
    return 0;
}

/* CH-14: also with a full buffer, where an open channel would say no. */
//! try_send_closed_full
//> panic: send on closed channel
//>
//> goroutine 1 [running]:
static int try_send_closed_full(void)
{
    tuza_chan *c = tuza_chan_make(sizeof v, 1);
    tuza_chan_send(c, &v);
    tuza_chan_close(c);
    tuza_chan_try_send(c, &v);
    return 0;
}

static void send_then(void *arg)
{
    tuza_chan_send(arg, &v);
    _exit(97); /* the send has returned */
}

static void receive_for_ever(void *arg)
{
    tuza_chan_recv(arg, NULL);
}

/* CH-15, CH-18: a sender that waits when the channel is closed panics, in its own goroutine;
 * who closed goes on. */
//! close_under_sender
//> panic: send on closed channel
//>
//> goroutine @N@ [running]:
//1 closed
static int close_under_sender(void)
{
    tuza_chan *c = tuza_chan_make(sizeof v, 0);
    if (tuza_goid() != 1)
        return 96;
    crash_go(send_then, c);
    for (int i = 0; i < 20; i++) {
        tuza_gosched();
        tuza_sleep(5 * TUZA_MILLISECOND);
    }
    puts("closed");
    fflush(stdout);
    tuza_chan_close(c);
    tuza_chan_recv(NULL, NULL);
    return 0;
}

/* CH-15: also on a full buffered channel. */
//! close_under_buffered_sender
//> panic: send on closed channel
//>
//> goroutine @N@ [running]:
static int close_under_buffered_sender(void)
{
    tuza_chan *c = tuza_chan_make(sizeof v, 1);
    tuza_chan_send(c, &v);
    crash_go(send_then, c);
    for (int i = 0; i < 20; i++) {
        tuza_gosched();
        tuza_sleep(5 * TUZA_MILLISECOND);
    }
    tuza_chan_close(c);
    tuza_chan_recv(NULL, NULL);
    return 0;
}

/* CH-12, CH-18 */
//! close_nil
//> panic: close of nil channel
//>
//> goroutine 1 [running]:
static int close_nil(void)
{
    tuza_chan_close(NULL);
    return 0;
}

/* CH-13, CH-18 */
//! close_closed
//> panic: close of closed channel
//>
//> goroutine 1 [running]:
static int close_closed(void)
{
    tuza_chan *c = tuza_chan_make(0, 0);
    tuza_chan_close(c);
    tuza_chan_close(c);
    return 0;
}

/* CH-01 */
//! make_overflow
//> panic: makechan: size out of range
//>
//> goroutine 1 [running]:
static int make_overflow(void)
{
    tuza_chan_make(16, SIZE_MAX / 8);
    return 0;
}

/* CH-01: the product fits, the address space does not. */
//! make_too_large
//> panic: makechan: size out of range
//>
//> goroutine 1 [running]:
static int make_too_large(void)
{
    tuza_chan_make(2, SIZE_MAX / 4 + 1);
    return 0;
}

/* CH-01: a negative capacity, also of elements without size. */
//! make_negative
//> panic: makechan: size out of range
//>
//> goroutine 1 [running]:
static int make_negative(void)
{
    tuza_chan_make(0, (size_t)-1);
    return 0;
}

/* CH-02: elements are of at most 65,535 bytes. */
//! make_large_element
//> panic: makechan: size out of range
//>
//> goroutine 1 [running]:
static int make_large_element(void)
{
    tuza_chan_make(65536, 1);
    return 0;
}

/* CH-04: the last reference of a channel that a receiver waits on. */
//! unref_with_receiver
//> fatal error: tuza: unref of a channel in use
static int unref_with_receiver(void)
{
    tuza_chan *c = tuza_chan_make(sizeof v, 0);
    crash_go(receive_for_ever, c);
    for (int i = 0; i < 20; i++) {
        tuza_gosched();
        tuza_sleep(5 * TUZA_MILLISECOND);
    }
    tuza_chan_unref(c);
    return 0;
}

/* CH-04: or a sender. */
//! unref_with_sender
//> fatal error: tuza: unref of a channel in use
static int unref_with_sender(void)
{
    tuza_chan *c = tuza_chan_make(sizeof v, 0);
    crash_go(send_then, c);
    for (int i = 0; i < 20; i++) {
        tuza_gosched();
        tuza_sleep(5 * TUZA_MILLISECOND);
    }
    tuza_chan_unref(c);
    return 0;
}

static void send_on_closed(void *arg)
{
    tuza_chan_send(arg, &v);
}

/* CH-14, GR-19: many goroutines panic at once: one report, whole, and exit code 2. */
//! panics_at_once procs 4
//> panic: send on closed channel
//>
//> goroutine @N@ [running]:
static int panics_at_once(void)
{
    tuza_chan *c = tuza_chan_make(sizeof v, 0);
    tuza_chan_close(c);
    for (int i = 0; i < 100; i++)
        crash_go(send_on_closed, c);
    tuza_chan_recv(NULL, NULL);
    return 0;
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(send_closed),         CASE(send_closed_with_space),
    CASE(try_send_closed),     CASE(try_send_closed_full),
    CASE(close_under_sender),  CASE(close_under_buffered_sender),
    CASE(close_nil),           CASE(close_closed),
    CASE(make_overflow),       CASE(make_too_large),
    CASE(make_negative),       CASE(make_large_element),
    CASE(unref_with_receiver), CASE(unref_with_sender),
    CASE(panics_at_once),      {NULL, NULL},
};
CRASH_MAIN(cases)
