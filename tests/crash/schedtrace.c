/* SPDX-License-Identifier: BSD-3-Clause */
/* What GODEBUG=schedtrace and scheddetail show; ../schedtrace.py runs these and reads it. */
#include <dirent.h>

#include "crash/crash.h"

static void receives(void *c)
{
    tuza_chan_recv(c, NULL);
}

static void locks(void *c)
{
    tuza_lock_os_thread();
    tuza_chan_recv(c, NULL);
}

static void sleeps(void *arg)
{
    (void)arg;
    tuza_sleep(3600 * TUZA_SECOND);
}

static void blocks(void *arg)
{
    (void)arg;
    for (;;)
        pause();
}

static void wait_for_end_of_input(void)
{
    char c;
    while (read(0, &c, 1) > 0)
        ;
}

/* One goroutine of each kind, until standard input ends. */
static int some(void)
{
    tuza_chan *c = tuza_chan_make(0, 0);
    crash_go(receives, c);
    crash_go(locks, c);
    crash_go(sleeps, NULL);
    crash_go(blocks, NULL);
    tuza_sleep(5 * TUZA_MILLISECOND);
    wait_for_end_of_input();
    return 0;
}

/* All parked, main too, until standard input ends. */
static void waits(void *done)
{
    wait_for_end_of_input();
    tuza_chan_send(done, NULL);
}
static int idle(void)
{
    tuza_chan *done = tuza_chan_make(0, 0);
    crash_go(waits, done);
    tuza_chan_recv(done, NULL);
    return 0;
}

static void pings(void *arg)
{
    tuza_chan **c = arg;
    for (;;) {
        tuza_chan_recv(c[0], NULL);
        tuza_chan_send(c[1], NULL);
    }
}
static void blocks_often(void *done)
{
    for (int i = 0; i < 20; i++)
        usleep(1000);
    tuza_chan_send(done, NULL);
}
/* Nobody reads standard error: work goes on, and more threads are made when they are needed. */
static int unread(void)
{
    static tuza_chan *c[2];
    tuza_chan *done = tuza_chan_make(0, 0), *never = tuza_chan_make(0, 0);
    for (int i = 0; i < 2000; i++)
        crash_go(receives, never);
    c[0] = tuza_chan_make(0, 0);
    c[1] = tuza_chan_make(0, 0);
    crash_go(pings, c);
    tuza_sleep(300 * TUZA_MILLISECOND); /* enough to fill any pipe */
    for (int i = 0; i < 20; i++)
        crash_go(blocks_often, done);
    for (int i = 0; i < 10000; i++) {
        tuza_chan_send(c[0], NULL);
        tuza_chan_recv(c[1], NULL);
    }
    for (int i = 0; i < 20; i++)
        tuza_chan_recv(done, NULL);
    puts("done");
    return 0;
}

/* GM-16 */
static int panics(void)
{
    tuza_chan_close(NULL);
    return 0;
}

/* It is no reason for a deadlock to go unnoticed. */
static int deadlock(void)
{
    tuza_chan_recv(NULL, NULL);
    return 0;
}

static int threads(void)
{
    int n = -2; /* . and .. */
    DIR *d = opendir("/proc/self/task");
    while (d && readdir(d))
        n++;
    closedir(d);
    return n;
}
static void nothing(void *arg)
{
    (void)arg;
}
static int embedded(void)
{
    int before = 0;
    for (int i = 0; i < 3; i++) {
        if (tuza_start(NULL) < 0)
            return 90;
        crash_go(nothing, NULL);
        usleep(20000);
        if (tuza_stop(0) < 0)
            return 91;
        if (i == 0)
            before = threads(); /* a sanitizer has one of its own, from now on at the latest */
    }
    printf("threads left: %d\n", threads() - (before > 2 ? 2 : before));
    return 0;
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(some), CASE(idle), CASE(unread), CASE(panics), CASE(deadlock), {NULL, NULL},
};
static const crash_case cases_without_run[] = {
    CASE(embedded),
    {NULL, NULL},
};

static int app(int argc, char **argv)
{
    return crash_find(cases, argc, argv);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "embedded") == 0)
        return crash_find(cases_without_run, argc, argv);
    return 100 - tuza_run(app, argc, argv);
}
