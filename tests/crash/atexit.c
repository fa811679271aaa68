/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls in handlers of libc's exit, and beside them: the world has ended (run.sh reads the //! lines). */
#include <pthread.h>
#include <sys/socket.h>

#include "crash/crash.h"

static void returns(void *arg)
{
    (void)arg;
}

/* The world has ended, and calls that would stop it for a moment know. */
static void asks_for_all(void)
{
    char text[10000];
    printf("%d\n", tuza_stack(text, sizeof text, true) > 0);
}
//! asks_for_all_stacks exit 0
//1 1
static int asks_for_all_stacks(void)
{
    atexit(asks_for_all);
    return 0;
}
static void starts(void)
{
    int started = tuza_start(NULL);
    printf("%d %d\n", started, tuza_stop(0));
}
//! embed_starts exit 0
//1 0 0
static int embed_starts(void)
{
    atexit(starts);
    if (tuza_start(NULL) < 0)
        return 90;
    crash_go(returns, NULL);
    if (tuza_stop(0) < 0)
        return 91;
    exit(0);
}

static int at_exit, calls;
static void called(void *arg)
{
    __atomic_add_fetch((int *)arg, 1, __ATOMIC_RELEASE);
}
static void *calls_late(void *arg)
{
    while (!__atomic_load_n(&at_exit, __ATOMIC_ACQUIRE))
        ;
    __atomic_store_n(&calls, 1, __ATOMIC_RELEASE);
    crash_go(called, &calls);
    return arg;
}
static void lets_it_call(void)
{
    __atomic_store_n(&at_exit, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&calls, __ATOMIC_ACQUIRE))
        ;
    usleep(50000); /* in which it would run, mostly */
    printf("%d\n", __atomic_load_n(&calls, __ATOMIC_ACQUIRE) - 1);
}
/* No goroutine begins where the first to call does so at the exit. */
//! embed_first_call exit 0
//1 0
static int embed_first_call(void)
{
    pthread_t t;
    atexit(lets_it_call);
    if (pthread_create(&t, NULL, calls_late, NULL) != 0)
        return 90;
    exit(0);
}

static int ends[2];
static char much[8 << 20];
static void writes(void *arg)
{
    (void)arg;
    tuza_write(ends[0], much, sizeof much);
}
static void reads(void)
{
    char byte;
    close(ends[1]);
    printf("%d\n", tuza_read(ends[0], &byte, 1) <= 0 && tuza_read(ends[0], &byte, 1) <= 0);
}
/* The goroutine that is in the middle of a write does not run again; nobody is in line behind it. */
//! reads_while_written exit 0
//1 1
static int reads_while_written(void)
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        return 90;
    crash_go(writes, NULL);
    tuza_sleep(20 * TUZA_MILLISECOND); /* mostly it waits by then */
    atexit(reads);
    return 0;
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(asks_for_all_stacks),
    CASE(reads_while_written),
    {NULL, NULL},
};
static const crash_case cases_without_run[] = {
    CASE(embed_starts),
    CASE(embed_first_call),
    {NULL, NULL},
};

static int app(int argc, char **argv)
{
    return crash_find(cases, argc, argv);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strncmp(argv[1], "embed_", 6) == 0)
        return crash_find(cases_without_run, argc, argv);
    return 100 - tuza_run(app, argc, argv);
}
