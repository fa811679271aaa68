/* SPDX-License-Identifier: BSD-3-Clause */
/* What is a deadlock, and what only looks like one; the lines that begin with //! say how (run.sh). */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "crash/crash.h"

#define MS TUZA_MILLISECOND

static tuza_chan *c;
static int fds[2];
static int64_t v;

static int ok(void)
{
    puts("OK");
    return 0;
}

static void block(void *arg)
{
    (void)arg;
    tuza_chan_recv(NULL, NULL);
    _exit(97);
}

/* DL-01: the whole of the text; no frames of the runtime. */
//! only_main
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [chan receive]:
//> only_main(...)
static int only_main(void)
{
    tuza_chan_recv(tuza_chan_make(8, 0), &v);
    return 97;
}

/* DL-01: every goroutine is shown. */
//! several
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [chan send]:
//> several(...)
//+ goroutine 2 [chan receive (nil chan)]:
//+ block(...)
//+ goroutine 3 [chan receive (nil chan)]:
//+ block(...)
static int several(void)
{
    crash_go(block, NULL);
    crash_go(block, NULL);
    tuza_chan_send(tuza_chan_make(8, 0), &v);
    return 97;
}

/* DL-05: the runtime's own threads are no sign of life, however many are asked for. */
//! service_threads env TUZA_DEBUG=blocked=3600000,schedtrace=3600000
//+ fatal error: all goroutines are asleep - deadlock!
static int service_threads(void)
{
    tuza_chan_recv(NULL, NULL);
    return 97;
}

static void write_later(void)
{
    pid_t pid = fork(); /* before there is a goroutine; it is another process that writes */
    if (pid == 0) {
        usleep(100000);
        if (write(fds[1], "x", 1) != 1)
            _exit(1);
        _exit(0);
    }
}

static void read_one(void *arg)
{
    char byte;
    (void)arg;
    if (tuza_read(fds[0], &byte, 1) != 1)
        _exit(96);
    tuza_chan_send(c, &v);
}

static int await_descriptor(void)
{
    c = tuza_chan_make(8, 0);
    crash_go(read_one, NULL);
    tuza_chan_recv(c, &v);
    return ok();
}

static void block_soon(void *arg)
{
    char byte;
    (void)arg;
    if (tuza_read(fds[0], &byte, 1) != 1)
        _exit(96);
}

static int descriptor_then_none(void)
{
    crash_go(block_soon, NULL);
    tuza_chan_recv(NULL, NULL);
    return 97;
}

static void sleep_and_send(void *arg)
{
    (void)arg;
    tuza_sleep(50 * MS);
    tuza_chan_send(c, &v);
}

/* DL-06: a sleep will end. */
//! sleeping exit 0
//1 OK
static int sleeping(void)
{
    c = tuza_chan_make(8, 0);
    crash_go(sleep_and_send, NULL);
    tuza_chan_recv(c, &v);
    return ok();
}

static void call_and_send(void *arg)
{
    (void)arg;
    usleep(100000);
    tuza_chan_send(c, &v);
}

/* DL-09: so will a blocking call, for all that one knows. */
//! in_call exit 0
//1 OK
static int in_call(void)
{
    c = tuza_chan_make(8, 0);
    crash_go(call_and_send, NULL);
    tuza_chan_recv(c, &v);
    return ok();
}

static void panics(void *arg)
{
    (void)arg;
    tuza_panic("the end");
}

/* DL-13: while a report is made all are blocked but the one that makes it. */
//! in_report
//> panic: the end
//- fatal error: all goroutines are asleep - deadlock!
static int in_report(void)
{
    crash_go(block, NULL);
    crash_go(panics, NULL);
    tuza_chan_recv(NULL, NULL);
    return 97;
}

/* DL-14: some are blocked for good, and nobody is told. */
//! partial exit 0
//1 OK
static int partial(void)
{
    c = tuza_chan_make(8, 0);
    for (int i = 0; i < 10; i++)
        crash_go(block, NULL);
    crash_go(call_and_send, NULL);
    tuza_chan_recv(c, &v);
    return ok();
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(only_main), CASE(several),          CASE(service_threads),
    CASE(sleeping),  CASE(in_call),          CASE(in_report),
    CASE(partial),   CASE(await_descriptor), CASE(descriptor_then_none),
    {NULL, NULL},
};

static int app(int argc, char **argv)
{
    return crash_find(cases, argc, argv);
}

static void *wait_for_ever(void *unused)
{
    tuza_chan_recv(NULL, NULL);
    return unused;
}

/* DL-02, DL-12: without tuza_run there may always come a call: nothing is said. */
//! embedded signal 14
static int embedded(void)
{
    pthread_t t;
    if (tuza_start(NULL) != 0 || pthread_create(&t, NULL, wait_for_ever, NULL) != 0)
        return 90;
    crash_go(block, NULL);
    alarm(1);
    tuza_chan_recv(NULL, NULL);
    return 97;
}

/* DL-07: a goroutine that waits for a descriptor may be woken; and it is the last that can. */
//! await_descriptor exit 0
//1 OK
//! descriptor_then_none
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [chan receive (nil chan)]:
int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "embedded") == 0)
        return embedded();
    if (argc == 2 && strstr(argv[1], "descriptor")) {
        if (pipe(fds) != 0)
            return 90;
        write_later();
    }
    return 100 - tuza_run(app, argc, argv);
}
