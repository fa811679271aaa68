/* SPDX-License-Identifier: BSD-3-Clause */
/* Selects that end the process; the lines that begin with //! say how (run.sh). */
#include "crash/crash.h"

static long v;

/* SE-01, DL-01: a select without cases waits for good. */
//! no_cases
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [select (no cases)]:
static int no_cases(void)
{
    tuza_select(NULL, 0);
    return 0;
}

/* SE-02: so does one of nil channels. */
//! nil_channels
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [select]:
static int nil_channels(void)
{
    tuza_case cases[] = {TUZA_RECV(NULL, &v), TUZA_SEND(NULL, &v)};
    tuza_select(cases, 2);
    return 0;
}

/* SE-04: one case waits as the plain operation. */
//! one_nil_channel
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [chan send (nil chan)]:
static int one_nil_channel(void)
{
    tuza_case k = TUZA_SEND(NULL, &v);
    tuza_select(&k, 1);
    return 0;
}

/* DL-01: nobody can wake it, and times that never come, or contexts that nobody can end, don't count. */
//! never
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [select]:
static int never(void)
{
    tuza_chan *c = tuza_chan_make(sizeof v, 0);
    tuza_timer *stopped = tuza_timer_new(TUZA_SECOND);
    tuza_timer_stop(stopped);
    tuza_case cases[] = {TUZA_RECV(c, &v), TUZA_UNTIL(0), TUZA_DONE(tuza_context_background()),
                         TUZA_DONE(tuza_context_with_cancel(tuza_context_background())),
                         TUZA_RECV(tuza_timer_chan(stopped), NULL)};
    tuza_select(cases, 5);
    return 0;
}

static void send_later(void *c)
{
    tuza_chan_send(c, &v);
}

/* SE-16, DL-01: a select that got something else has let go of the timer, which then keeps nothing alive; so
 * has one of the time limit that it did not need. */
//! let_go
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [chan receive]:
static int let_go(void)
{
    tuza_chan *c = tuza_chan_make(sizeof v, 0);
    tuza_timer *hour = tuza_timer_new(TUZA_SECOND * 3600);
    tuza_case cases[] = {TUZA_RECV(tuza_timer_chan(hour), NULL), TUZA_RECV(c, &v),
                         TUZA_RECV(tuza_timer_chan(hour), NULL), TUZA_TIMEOUT(TUZA_SECOND * 3600)};
    crash_go(send_later, c);
    tuza_select(cases, 3);
    crash_go(send_later, c);
    tuza_select(cases, 4);
    tuza_chan_recv(c, &v);
    return 0;
}

/* A time limit keeps the deadlock from being reported. */
//! limited exit 7
//1 3
static int limited(void)
{
    tuza_chan *c = tuza_chan_make(sizeof v, 0);
    tuza_case cases[] = {TUZA_RECV(c, &v), TUZA_SEND(c, &v), TUZA_RECV(NULL, NULL),
                         TUZA_TIMEOUT(20 * TUZA_MILLISECOND)};
    printf("%zu\n", tuza_select(cases, 4));
    return 7;
}

/* So does a descriptor, though what makes it ready is out of sight: SIGALRM's default action here. */
//! descriptor signal 14
static int descriptor(void)
{
    int p[2];
    if (pipe(p) < 0)
        return 1;
    alarm(1);
    tuza_case cases[] = {TUZA_READABLE(p[0]), TUZA_RECV(NULL, NULL)};
    tuza_select(cases, 2);
    return 0;
}

/* SE-09: a send on a closed channel is ready. */
//! send_closed
//> panic: send on closed channel
//>
//> goroutine 1 [running]:
static int send_closed(void)
{
    tuza_chan *c = tuza_chan_make(sizeof v, 1), *other = tuza_chan_make(sizeof v, 0);
    tuza_chan_close(c);
    tuza_case cases[] = {TUZA_RECV(other, &v), TUZA_SEND(c, &v)};
    tuza_select(cases, 2);
    return 0;
}

static void close_it(void *c)
{
    tuza_chan_close(c);
}

/* SE-10: closed while it waits. */
//! closed_while_waiting
//> panic: send on closed channel
//>
//> goroutine 1 [running]:
static int closed_while_waiting(void)
{
    tuza_chan *c = tuza_chan_make(sizeof v, 0), *other = tuza_chan_make(sizeof v, 0);
    crash_go(close_it, c);
    tuza_case cases[] = {TUZA_RECV(other, &v), TUZA_SEND(c, &v), TUZA_RECV(other, &v)};
    tuza_select(cases, 3);
    return 0;
}

//! send_owned
//> panic: tuza: send on a channel owned by the runtime
//>
//> goroutine 1 [running]:
static int send_owned(void)
{
    tuza_case cases[] = {TUZA_RECV(NULL, &v), TUZA_SEND(tuza_timer_chan(tuza_timer_new(1)), &v)};
    tuza_select(cases, 2);
    return 0;
}

//! unknown
//> panic: tuza: select of an unknown kind of case
//>
//> goroutine 1 [running]:
static int unknown(void)
{
    tuza_case cases[] = {{0}, TUZA_RECV(NULL, &v)};
    tuza_select(cases, 2);
    return 0;
}

static void select_on(void *c)
{
    tuza_case cases[] = {TUZA_RECV(c, &v), TUZA_RECV(NULL, &v)};
    tuza_select(cases, 2);
}

/* The last reference goes while a select waits on the channel. */
//! unref_with_select
//> fatal error: tuza: unref of a channel in use
static int unref_with_select(void)
{
    tuza_chan *c = tuza_chan_make(sizeof v, 0);
    crash_go(select_on, c);
    for (int i = 0; i < 100; i++)
        tuza_sleep(TUZA_MILLISECOND / 10);
    tuza_chan_unref(c);
    return 0;
}

static const crash_case cases[] = {{"no_cases", no_cases},
                                   {"nil_channels", nil_channels},
                                   {"one_nil_channel", one_nil_channel},
                                   {"never", never},
                                   {"let_go", let_go},
                                   {"limited", limited},
                                   {"descriptor", descriptor},
                                   {"send_closed", send_closed},
                                   {"closed_while_waiting", closed_while_waiting},
                                   {"send_owned", send_owned},
                                   {"unknown", unknown},
                                   {"unref_with_select", unref_with_select},
                                   {NULL, NULL}};

CRASH_MAIN(cases)
