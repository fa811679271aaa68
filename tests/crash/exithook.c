/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Exit hooks and the ways out of a process (run.sh reads the //! lines).
 * simple, goodexit, badexit, callsexit and exit2 are Go's own programs with
 * Go's own texts (testdata/testexithooks).
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

static void at_exit(void)
{
    puts("atexit");
}

static void exit_with(void *code)
{
    tuza_exit((int)(intptr_t)code);
}

static void plain_exit_with(void *code)
{
    exit((int)(intptr_t)code);
}

static void go_exit(intptr_t code)
{
    crash_go(exit_with, (void *)code);
}

static void forever(void)
{
    tuza_chan_recv(NULL, NULL);
}

/* XH-01, XH-06: main's return runs the hooks, the last added first. */
//! simple exit 0 loop 200
//1 bar foo
static int simple(void)
{
    add(say, "foo\n", true);
    add(say, "bar ", false);
    return 0;
}

/* XH-02 */
//! goodexit exit 0 loop 200
//1 orange apple
static int goodexit(void)
{
    add(say, "apple\n", true);
    add(say, "orange ", false);
    tuza_exit(0);
}

/* XH-03: a code that is not 0 */
//! badexit exit 1 loop 200
//1 blub blix
static int badexit(void)
{
    add(say, "blix\n", true);
    add(say, "is not said ", false);
    add(say, "blub ", true);
    add(say, "nor this ", false);
    tuza_exit(1);
}

/* XH-03: main's result counts as a code. */
//! bad_main exit 3
//1 blub blix
static int bad_main(void)
{
    add(say, "blix\n", true);
    add(say, "is not said ", false);
    add(say, "blub ", true);
    return 3;
}

static void in_hook(void *arg)
{
    (void)arg;
    tuza_exit(1);
}

/* XH-13 */
//! callsexit loop 200
//> fatal error: exit hook invoked exit
//>
//> goroutine 1 [running]:
static int callsexit(void)
{
    add(say, "not said\n", true);
    add(in_hook, NULL, true);
    tuza_exit(1);
}

static void plain_in_hook(void *arg)
{
    (void)arg;
    exit(1);
}

/* XH-13: a plain exit too. */
//! calls_plain_exit loop 50
//> fatal error: exit hook invoked exit
static int calls_plain_exit(void)
{
    add(plain_in_hook, NULL, true);
    return 0;
}

/* XH-13: on a goroutine that is not main, from a plain exit. */
//! calls_exit_elsewhere loop 50
//> fatal error: exit hook invoked exit
static int calls_exit_elsewhere(void)
{
    add(in_hook, NULL, true);
    crash_go(plain_exit_with, (void *)1);
    forever();
    return 0;
}

static void sleepy(void *arg)
{
    (void)arg;
    tuza_sleep(20 * TUZA_MILLISECOND);
}

/* XH-08, XH-11, XH-25: ten goroutines and main exit while a hook sleeps; one exit, nothing printed. */
//! exit2 exit 0 loop 200
static int exit2(void)
{
    add(sleepy, NULL, true);
    for (int i = 0; i < 10; i++)
        go_exit(0);
    tuza_exit(0);
}

static void starts_exits(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        go_exit(9);
        crash_go(plain_exit_with, (void *)10);
    }
    tuza_sleep(5 * TUZA_MILLISECOND);
}
/* XH-12, and stronger: the first caller's code is the process's. */
//! first_code_wins exit 7 loop 50
//1 hook
static int first_code_wins(void)
{
    add(say, "hook\n", true);
    add(starts_exits, NULL, true);
    tuza_exit(7);
}

static void waits_for_exit(void *arg)
{
    (void)arg;
    go_exit(0);
    forever();
}
/* XH-15: a hook waits for a goroutine that exits: nobody can go on, and the detector says so. */
//! hook_waits_for_exit loop 50
//> fatal error: all goroutines are asleep - deadlock!
static int hook_waits_for_exit(void)
{
    add(waits_for_exit, NULL, false);
    return 0;
}

static void starts_exit(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++)
        go_exit(5);
    tuza_sleep(5 * TUZA_MILLISECOND);
}
/* XH-14: one that does not wait for it is fine; the code is the runner's. */
//! hook_starts_exit exit 3 loop 50
//1 then this
static int hook_starts_exit(void)
{
    add(say, "then this\n", true);
    add(starts_exit, NULL, true);
    return 3;
}

/* XH-05, XH-21: a hook added by the running one runs next; none twice. */
static void adds(void *arg)
{
    (void)arg;
    fputs("one ", stdout);
    add(say, "three ", false);
    add(say, "two ", false);
}
//! hook_adds exit 0 loop 50
//1 one two three four
static int hook_adds(void)
{
    add(say, "four\n", false);
    add(adds, NULL, false);
    return 0;
}

/* XH-21: on failure only those that are for it. */
//! hook_adds_on_failure exit 4
//1 one four
static int hook_adds_on_failure(void)
{
    add(say, "four\n", true);
    add(adds, NULL, true);
    return 4;
}

static void adder(void *done)
{
    add(say, "never said\n", true);
    puts("added");
    tuza_chan_send(done, NULL);
}
/* XH-22: an add from elsewhere waits while hooks run, for good. */
static void starts_adder(void *arg)
{
    (void)arg;
    crash_go(adder, tuza_chan_make(0, 1));
    tuza_sleep(20 * TUZA_MILLISECOND);
}
//! add_elsewhere_waits exit 0 loop 50
//1 last
static int add_elsewhere_waits(void)
{
    add(say, "last\n", false);
    add(starts_adder, NULL, false);
    return 0;
}

static tuza_chan *from_hook;
static void answers(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        int n = 0;
        tuza_chan_recv(from_hook, &n);
        printf("%d ", n);
    }
    tuza_chan_send(from_hook, &(int){0});
}
/* XH-08, XH-09: hooks are ordinary goroutine code: they start others, use channels, lock the thread, and what
 * others do meanwhile is seen (XH-28). */
static void works(void *arg)
{
    (void)arg;
    tuza_lock_os_thread();
    from_hook = tuza_chan_make(sizeof(int), 0);
    crash_go(answers, NULL);
    for (int i = 1; i <= 3; i++)
        tuza_chan_send(from_hook, &i);
    tuza_chan_recv(from_hook, NULL);
    puts("done");
}
//! hook_works exit 0 loop 50
//1 1 2 3 done
static int hook_works(void)
{
    add(works, NULL, false);
    return 0;
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
//> exithook: bye
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
    tuza_sleep(20 * TUZA_MILLISECOND);
}
/* The same while another runs the hooks, on a goroutine: it waits for them, and ends the process with the
 * first caller's code. */
//! libc_exit_meanwhile exit 3 loop 50
//> exithook: bye
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
//> exithook: bye
//1 hook
static int foreign_libc_exit_meanwhile(void)
{
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

static volatile int stop_flag;
static void counts(void *arg)
{
    (void)arg;
    for (;;) {
        tuza_gosched();
        __atomic_add_fetch(&stop_flag, 1, __ATOMIC_RELAXED);
    }
}
static void nobody_runs(void)
{
    tuza_sleep(20 * TUZA_MILLISECOND); /* those that were between two calls come to their next */
    int before = __atomic_load_n(&stop_flag, __ATOMIC_RELAXED);
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
    puts(before > 0 && before == __atomic_load_n(&stop_flag, __ATOMIC_RELAXED) ? "quiet" : "busy");
}
/* XH-09's end: once the hooks are through no other goroutine runs, while handlers may call tuza. */
//! quiet_after_hooks exit 0 loop 50
//1 quiet
static int quiet_after_hooks(void)
{
    atexit(nobody_runs);
    for (int i = 0; i < 5; i++)
        crash_go(counts, NULL);
    tuza_sleep(10 * TUZA_MILLISECOND);
    return 0;
}

static void wakes_others(void)
{
    tuza_chan_close(from_hook);
    tuza_sleep(TUZA_MILLISECOND);
    puts("slept");
}
static void receives(void *arg)
{
    (void)arg;
    tuza_chan_recv(from_hook, NULL);
    puts("woken");
}
/* Nor one that a handler wakes. */
//! woken_in_atexit exit 0 loop 50
//1 slept
static int woken_in_atexit(void)
{
    from_hook = tuza_chan_make(1, 0);
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

static void late_add(void)
{
    printf("%d %d\n", tuza_exit_hook_add(say, NULL, true), tuza_exit_hook_remove(say, NULL));
}
/* Too late: -ECANCELED, -ENOENT. */
//! add_in_atexit exit 0
//1 -125 -2
static int add_in_atexit(void)
{
    atexit(late_add);
    return 0;
}

/* Bad input: -EINVAL; remove takes the newest match. */
//! add_remove exit 0
//1 -22 -2 0 0 -2 d c b a
static int add_remove(void)
{
    static char a[] = "a\n", c[] = "c ";
    printf("%d ", tuza_exit_hook_add(NULL, NULL, true));
    add(say, a, true);
    add(say, "b ", true);
    printf("%d ", tuza_exit_hook_remove(say, c));
    add(say, c, true);
    add(say, a, true);
    add(say, "d ", true);
    printf("%d ", tuza_exit_hook_remove(say, a));
    printf("%d ", tuza_exit_hook_remove(returns, NULL) == -2 ? 0 : 1);
    printf("%d ", tuza_exit_hook_remove(returns, NULL));
    tuza_exit_hook_add(say, c, true);
    tuza_exit_hook_remove(say, c);
    return 0;
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(simple),
    CASE(goodexit),
    CASE(badexit),
    CASE(bad_main),
    CASE(callsexit),
    CASE(calls_plain_exit),
    CASE(calls_exit_elsewhere),
    CASE(exit2),
    CASE(first_code_wins),
    CASE(hook_waits_for_exit),
    CASE(hook_starts_exit),
    CASE(hook_adds),
    CASE(hook_adds_on_failure),
    CASE(add_elsewhere_waits),
    CASE(hook_works),
    CASE(order),
    CASE(plain_exit),
    CASE(exit_in_atexit),
    CASE(tuza_exit_in_atexit),
    CASE(libc_exit),
    CASE(libc_exit_meanwhile),
    CASE(foreign_exit),
    CASE(foreign_exit_meanwhile),
    CASE(foreign_libc_exit_meanwhile),
    CASE(raw_exit),
    CASE(no_hooks_on_fatal),
    CASE(no_hooks_on_panic),
    CASE(no_hooks_on_deadlock),
    CASE(fork_exit),
    CASE(hook_forks),
    CASE(quiet_after_hooks),
    CASE(woken_in_atexit),
    CASE(deadlock_in_atexit),
    CASE(add_in_atexit),
    CASE(add_remove),
    {NULL, NULL},
};
CRASH_MAIN(cases)
