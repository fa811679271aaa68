/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ways out of a process, and what happens after the exit hooks (run.sh
 * reads the //! lines).
 */
#include <err.h>
#include <pthread.h>
#include <sys/wait.h>

#include "crash/crash.h"

static void say(void *text)
{
    fputs(text, stdout);
}

static void add(void (*fn)(void *), const char *arg, bool run_on_failure)
{
    if (tuza_exit_hook_add(fn, (void *)(uintptr_t)arg, run_on_failure) != 0)
        _exit(97);
}

static volatile int at_exit_ran;
static void at_exit(void)
{
    puts("atexit");
    __atomic_store_n(&at_exit_ran, 1, __ATOMIC_RELEASE);
}

/* In a hook: until another is in libc's exit. */
static void wait_for_handler(void)
{
    while (!__atomic_load_n(&at_exit_ran, __ATOMIC_ACQUIRE))
        tuza_sleep(TUZA_MILLISECOND);
    tuza_sleep(5 * TUZA_MILLISECOND);
}

static void exit_with(void *code)
{
    tuza_exit((int)(intptr_t)code);
}

static void plain_exit_with(void *code)
{
    exit((int)(intptr_t)code);
}

static void sleepy(void *arg)
{
    (void)arg;
    tuza_sleep(20 * TUZA_MILLISECOND);
}

static void forever(void)
{
    tuza_chan_recv(NULL, NULL);
}

/* XH-30: hooks, then atexit handlers, then stdio's flush. */
//! order exit 0
//1 hook
//1 atexit
static int order(void)
{
    atexit(at_exit);
    add(say, "hook\n", true);
    tuza_exit(0);
}

/* XH-30: a plain exit() from a goroutine. */
//! plain_exit exit 5 loop 50
//1 hook
//1 atexit
static int plain_exit(void)
{
    atexit(at_exit);
    add(say, "hook\n", true);
    add(say, "not said\n", false);
    add(sleepy, NULL, true);
    crash_go(plain_exit_with, (void *)5);
    forever();
    return 0;
}

/* XH-30: and one in an atexit handler, which is libc's. */
static void exits_again(void)
{
    exit(12);
}
//! exit_in_atexit exit 12 loop 50
//1 hook
//1 atexit
static int exit_in_atexit(void)
{
    atexit(at_exit);
    atexit(exits_again);
    add(say, "hook\n", true);
    exit(3);
}

static void tuza_exits_again(void)
{
    tuza_exit(12);
}
//! tuza_exit_in_atexit exit 12
//1 hook
//1 atexit
static int tuza_exit_in_atexit(void)
{
    atexit(at_exit);
    atexit(tuza_exits_again);
    add(say, "hook\n", true);
    return 3;
}

/* Past exit(): libc's own way out, seen by the handler, after what was registered later. */
//! libc_exit exit 6 loop 50
//> exit: bye
//1 atexit
//1 hook
static int libc_exit(void)
{
    atexit(at_exit);
    add(say, "hook\n", true);
    add(sleepy, NULL, true);
    errx(6, "bye");
}

static void errs(void *arg)
{
    errx((int)(intptr_t)arg, "bye");
}
static void starts_errx(void *arg)
{
    (void)arg;
    crash_go(errs, (void *)6);
    wait_for_handler();
}
/* The same while another runs the hooks, on a goroutine: it waits for them, and ends the process with the
 * first caller's code. */
//! libc_exit_meanwhile exit 3 loop 50
//> exit: bye
//1 atexit
//1 hook
static int libc_exit_meanwhile(void)
{
    atexit(at_exit);
    add(say, "hook\n", true);
    add(starts_errx, NULL, true);
    return 3;
}

static void *thread_exits(void *arg)
{
    exit((int)(intptr_t)arg);
}
/* From a thread that is no goroutine. */
//! foreign_exit exit 8 loop 50
//1 hook
//1 atexit
static int foreign_exit(void)
{
    pthread_t t;
    atexit(at_exit);
    add(say, "hook\n", true);
    if (pthread_create(&t, NULL, thread_exits, (void *)8))
        return 90;
    forever();
    return 0;
}

static tuza_chan *numbers;
static void answers(void *arg)
{
    (void)arg;
    tuza_chan_send(numbers, &(int){7});
}
static void works(void *arg)
{
    int n = 0;
    crash_go(answers, NULL);
    tuza_chan_recv(numbers, &n);
    tuza_sleep(TUZA_MILLISECOND);
    if (!arg)
        printf("%d ", n);
}
static void nobody_runs(void);
static void start_counters(void);
/* There, too, hooks and handlers may call tuza. */
//! foreign_hook_works exit 8 loop 50
//1 7 hook
//1 quiet
static int foreign_hook_works(void)
{
    pthread_t t;
    numbers = tuza_chan_make(sizeof(int), 0);
    atexit(nobody_runs);
    start_counters();
    add(say, "hook\n", true);
    add(works, NULL, true);
    if (pthread_create(&t, NULL, thread_exits, (void *)8))
        return 90;
    forever();
    return 0;
}

static void works_and_exits(void *arg)
{
    works(&arg);
    exit(9);
}
/* An exit in a hook is known though the thread has come to have an M meanwhile. */
//! foreign_hook_exits loop 20
//> fatal error: exit hook invoked exit
static int foreign_hook_exits(void)
{
    pthread_t t;
    numbers = tuza_chan_make(sizeof(int), 0);
    add(works_and_exits, NULL, true);
    if (pthread_create(&t, NULL, thread_exits, (void *)8))
        return 90;
    forever();
    return 0;
}

static void *thread_errs(void *arg)
{
    errs(arg);
    return NULL;
}
static void starts_thread(void *arg)
{
    pthread_t t;
    if (pthread_create(&t, NULL, arg ? thread_errs : thread_exits, (void *)9))
        _exit(90);
    if (arg)
        wait_for_handler();
    else
        tuza_sleep(20 * TUZA_MILLISECOND);
}
/* Such a one while hooks run. */
//! foreign_exit_meanwhile exit 2 loop 50
//1 hook
static int foreign_exit_meanwhile(void)
{
    add(say, "hook\n", true);
    add(starts_thread, NULL, true);
    return 2;
}

//! foreign_libc_exit_meanwhile exit 3 loop 50
//> exit: bye
//1 atexit
//1 hook
static int foreign_libc_exit_meanwhile(void)
{
    atexit(at_exit);
    add(say, "hook\n", true);
    add(starts_thread, "errx", true);
    return 3;
}

/* XH-07: _exit, a throw, a fatal error, a panic, a deadlock run no hooks. */
//! raw_exit exit 4
static int raw_exit(void)
{
    add(say, "hook\n", true);
    _exit(4);
}

//! no_hooks_on_fatal
//> fatal error: go of nil func value
static int no_hooks_on_fatal(void)
{
    add(say, "hook\n", true);
    crash_go(NULL, NULL);
    return 0;
}

//! no_hooks_on_panic
//> panic: close of nil channel
static int no_hooks_on_panic(void)
{
    add(say, "hook\n", true);
    tuza_chan_close(NULL);
    return 0;
}

//! no_hooks_on_deadlock
//> fatal error: all goroutines are asleep - deadlock!
static int no_hooks_on_deadlock(void)
{
    add(say, "hook\n", true);
    forever();
    return 0;
}

/* The hooks are the parent's: a child of fork exits without, by whatever call. (Leaks can't be looked for in
 * such a child.) */
static int child_of_fork(void (*leave)(void *), intptr_t code)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        leave((void *)code);
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}
static void returns(void *arg)
{
    (void)arg;
}
//! fork_exit exit 0 loop 50 env ASAN_OPTIONS=detect_leaks=0
//1 11 12 -125 -2
//1 hook
//1 atexit
static int fork_exit(void)
{
    add(say, "hook\n", true);
    int one = child_of_fork(plain_exit_with, 11), two = child_of_fork(exit_with, 12);
    atexit(at_exit);
    pid_t child = fork();
    if (child == 0) {
        printf("%d %d %d %d\n", one, two, tuza_exit_hook_add(returns, NULL, true),
               tuza_exit_hook_remove(say, NULL));
        fflush(stdout);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    return 0;
}

/* A hook forks, and the child exits. */
static void forks(void *arg)
{
    (void)arg;
    printf("%d\n", child_of_fork(plain_exit_with, 13));
}
//! hook_forks exit 0 loop 20 env ASAN_OPTIONS=detect_leaks=0
//1 13
static int hook_forks(void)
{
    add(forks, NULL, true);
    fflush(stdout);
    return 0;
}

#define COUNTERS 5
static volatile int counted;
static void counts(void *arg)
{
    (void)arg;
    for (;;) {
        tuza_gosched();
        __atomic_add_fetch(&counted, 1, __ATOMIC_RELAXED);
    }
}
static void start_counters(void)
{
    for (int i = 0; i < COUNTERS; i++)
        crash_go(counts, NULL);
    while (!__atomic_load_n(&counted, __ATOMIC_RELAXED))
        usleep(100);
}
static void nobody_runs(void)
{
    int before = __atomic_load_n(&counted, __ATOMIC_RELAXED);
    tuza_chan *c = tuza_chan_make(sizeof(int), 1);
    int n = 1;
    tuza_chan_send(c, &n);
    tuza_gosched();
    tuza_sleep(20 * TUZA_MILLISECOND);
    crash_go(counts, NULL);
    tuza_lock_os_thread();
    tuza_sleep(TUZA_MILLISECOND);
    tuza_unlock_os_thread();
    tuza_gomaxprocs(3);
    tuza_chan_recv(c, &n);
    tuza_chan_unref(c);
    /* Those that were between two calls have counted once more. */
    int more = __atomic_load_n(&counted, __ATOMIC_RELAXED) - before;
    puts(before > 0 && more <= COUNTERS ? "quiet" : "busy");
}
/* XH-09's end: once the hooks are through no other goroutine runs, while handlers may call tuza. */
//! quiet_after_hooks exit 0 loop 50
//1 quiet
static int quiet_after_hooks(void)
{
    atexit(nobody_runs);
    start_counters();
    return 0;
}

static pid_t exits_on;
static void same_thread(void)
{
    puts(gettid() == exits_on ? "same thread" : "another thread");
}
static void moves(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        tuza_gosched();
        if (i % 10 == 0)
            tuza_sleep(100 * TUZA_MICROSECOND);
    }
}
static void exits_here(void *arg)
{
    (void)arg;
    exits_on = gettid();
    exit(3);
}
/* exit() stays on its thread, whatever the hooks do. */
//! exit_keeps_thread exit 3 loop 50
//1 same thread
static int exit_keeps_thread(void)
{
    atexit(same_thread);
    add(moves, NULL, true);
    start_counters();
    crash_go(exits_here, NULL);
    forever();
    return 0;
}

static tuza_chan *closed_late;
static void wakes_others(void)
{
    tuza_chan_close(closed_late);
    tuza_sleep(TUZA_MILLISECOND);
    puts("slept");
}
static void receives(void *arg)
{
    (void)arg;
    tuza_chan_recv(closed_late, NULL);
    puts("woken");
}
/* Nor one that a handler wakes. */
//! woken_in_atexit exit 0 loop 50
//1 slept
static int woken_in_atexit(void)
{
    closed_late = tuza_chan_make(1, 0);
    for (int i = 0; i < 300; i++)
        crash_go(receives, NULL);
    tuza_sleep(5 * TUZA_MILLISECOND);
    atexit(wakes_others);
    return 0;
}

/* A handler that waits for what never comes is told so. */
//! deadlock_in_atexit loop 20
//> fatal error: all goroutines are asleep - deadlock!
static int deadlock_in_atexit(void)
{
    atexit(forever);
    return 0;
}

static void stops(void)
{
    printf("stop %d\n", tuza_stop(0));
}
/* Embedding: the program keeps its own main, and exits; its goroutines never end. */
//! embed_exit exit 4 loop 20
//1 hook
//1 stop 0
//1 atexit
static int embed_exit(void)
{
    atexit(at_exit);
    if (tuza_start(NULL) < 0)
        return 90;
    atexit(stops);
    add(say, "hook\n", true);
    crash_go(counts, NULL);
    exit(4);
}

/* It returns: what was registered before the start comes after the hooks, and finds nobody running. */
//! embed_return exit 4 loop 20
//1 atexit
//1 hook
//1 quiet
static int embed_return(void)
{
    atexit(nobody_runs);
    if (tuza_start(NULL) < 0)
        return 90;
    atexit(at_exit);
    add(say, "hook\n", true);
    start_counters();
    return 4;
}

/* Without a goroutine the child of fork has hooks of its own, the parent's among them. */
//! embed_fork exit 0
//1 child parent
//1 5 parent
static int embed_fork(void)
{
    int status;
    add(say, "parent\n", true);
    pid_t child = fork();
    if (child == 0) {
        add(say, "child ", true);
        exit(5);
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return 90;
    printf("%d ", WEXITSTATUS(status));
    exit(0);
}

/* A child that a hook of a plain thread has forked runs goroutines, on that thread: it tells them apart. */
static void exits_too(void *arg)
{
    (void)arg;
    tuza_exit(6);
}
static void dawdles(void *arg)
{
    (void)arg;
    crash_go(exits_too, NULL);
    for (int i = 0; i < 100; i++)
        tuza_gosched();
}
static int exits_twice(int argc, char **argv)
{
    (void)argc, (void)argv;
    add(dawdles, NULL, true);
    tuza_exit(6);
}
static void runs_in_child(void *arg)
{
    (void)arg;
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        _exit(100 - tuza_run(exits_twice, 0, NULL));
    waitpid(child, &status, 0);
    printf("%d\n", WEXITSTATUS(status));
}
//! embed_hook_forks exit 0 procs 1 not asan not tsan
//1 6
static int embed_hook_forks(void)
{
    add(runs_in_child, NULL, true);
    exit(0);
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(order),
    CASE(plain_exit),
    CASE(exit_in_atexit),
    CASE(tuza_exit_in_atexit),
    CASE(libc_exit),
    CASE(libc_exit_meanwhile),
    CASE(foreign_exit),
    CASE(foreign_hook_works),
    CASE(foreign_hook_exits),
    CASE(foreign_exit_meanwhile),
    CASE(foreign_libc_exit_meanwhile),
    CASE(raw_exit),
    CASE(no_hooks_on_fatal),
    CASE(no_hooks_on_panic),
    CASE(no_hooks_on_deadlock),
    CASE(fork_exit),
    CASE(hook_forks),
    CASE(quiet_after_hooks),
    CASE(exit_keeps_thread),
    CASE(woken_in_atexit),
    CASE(deadlock_in_atexit),
    {NULL, NULL},
};
static const crash_case cases_without_run[] = {
    CASE(embed_exit), CASE(embed_return), CASE(embed_fork), CASE(embed_hook_forks), {NULL, NULL},
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
