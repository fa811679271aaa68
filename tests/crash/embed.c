/* SPDX-License-Identifier: BSD-3-Clause */
/* How a program ends that keeps its own main (run.sh reads the //! lines). */
#include <pthread.h>

#include "crash/lock.h"

static tuza_chan *c;
static char told[] = "told";

/* May be in a signal handler: write(2) alone. */
static void on_crash(const char *report, size_t n, void *arg)
{
    static const char begin[] = "panic: close of nil channel\n\n";
    const char *text = "another report\n";
    if (arg == told && n == strlen(report) && strncmp(report, begin, sizeof begin - 1) == 0)
        text = "the report, once\n";
    if (write(1, text, strlen(text)) < 0)
        _exit(95);
}

static void close_nil(void *unused)
{
    (void)unused;
    tuza_chan_close(NULL);
}

/* The report is also for the function in the options, whole. */
//! on_crash_goroutine
//> panic: close of nil channel
//>
//> goroutine @N@ [running]:
//1 the report, once
static int on_crash_goroutine(void)
{
    tuza_options o = {.on_crash = on_crash, .arg = told};
    c = tuza_chan_make(0, 0);
    if (tuza_start(&o) != 0)
        return 90;
    crash_go(close_nil, NULL);
    tuza_chan_recv(c, NULL);
    return 0;
}

/* On a thread of the program's own, without handlers of ours for faults: no signal brings it. */
//! on_crash_host
//> panic: close of nil channel
//>
//1 the report, once
static int on_crash_host(void)
{
    tuza_options o = {.on_crash = on_crash, .arg = told, .flags = TUZA_NO_SIGNALS};
    if (tuza_start(&o) != 0)
        return 90;
    tuza_gosched();
    tuza_chan_close(NULL);
    return 0;
}

static void block(void *unused)
{
    (void)unused;
    tuza_chan_recv(c, NULL);
}

/* main's return ends the process, whatever goroutines there are. */
//! return_with_goroutines exit 6 loop 50
static int return_with_goroutines(void)
{
    c = tuza_chan_make(0, 0);
    if (tuza_start(NULL) != 0)
        return 90;
    for (int i = 0; i < 20; i++)
        crash_go(block, NULL);
    return 6;
}

static void *send_later(void *unused)
{
    usleep(100000);
    tuza_chan_send(c, NULL);
    tuza_chan_send(c, NULL); /* one for the goroutine, one for the host */
    return unused;
}

/* No deadlock is reported where main is the program's own: the host waits for its own thread, which knows
 * nothing of goroutines yet. */
//! host_waits exit 0
//1 OK
static int host_waits(void)
{
    pthread_t t;
    c = tuza_chan_make(0, 0);
    if (tuza_start(NULL) != 0 || pthread_create(&t, NULL, send_later, NULL) != 0)
        return 90;
    crash_go(block, NULL);
    tuza_chan_recv(c, NULL);
    pthread_join(t, NULL);
    return ok();
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(on_crash_goroutine), CASE(on_crash_host), CASE(return_with_goroutines),
    CASE(host_waits),         {NULL, NULL},
};

int main(int argc, char **argv)
{
    return crash_find(cases, argc, argv);
}
