/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Exit hooks and the ways out of a process (run.sh reads the //! lines).
 * simple, goodexit, badexit, callsexit and exit2 are Go's own programs with
 * Go's own texts (testdata/testexithooks).
 */
#include <err.h>
#include <pthread.h>

#include "crash/crash.h"

static void say(void *text)
{
    fputs(text, stdout);
}

/* For those that die. */
static void flushes(void *text)
{
    say(text);
    fflush(stdout);
}

static void add(void (*fn)(void *), const char *arg, bool run_on_failure)
{
    if (tuza_exit_hook_add(fn, (void *)(uintptr_t)arg, run_on_failure) != 0)
        _exit(97);
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
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
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

static void returns(void *arg)
{
    (void)arg;
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

static void hook_panics(void *arg)
{
    (void)arg;
    tuza_panic("BADBADBAD");
}
/* XH-16, XH-17, XH-18: later hooks do not run, earlier ones have; the panic's own line is not printed. */
//! panics loop 200
//> fatal error: exit hook invoked panic
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
//+ hook_panics(...)
//1 good
static int panics(void)
{
    add(say, "ok\n", true);
    add(hook_panics, NULL, true);
    add(flushes, "good\n", true);
    tuza_exit(0);
}

/* XH-16: the same from main's return, exit(), and another goroutine. */
//! panics_in_main exit 2
//> fatal error: exit hook invoked panic
static int panics_in_main(void)
{
    add(hook_panics, NULL, true);
    return 0;
}

//! panics_elsewhere exit 2 loop 50
//> fatal error: exit hook invoked panic
static int panics_elsewhere(void)
{
    add(hook_panics, NULL, true);
    crash_go(plain_exit_with, (void *)1);
    forever();
    return 0;
}

/* XH-16: in the middle of deferred functions of the program that would recover. */
static void recovers(void *arg)
{
    (void)arg;
    if (tuza_recover())
        puts("recovered");
}
static void exits_under_recover(void *arg)
{
    (void)arg;
    tuza_defer(recovers, NULL);
    tuza_exit(0);
}
//! panics_under_recover loop 50
//> fatal error: exit hook invoked panic
static int panics_under_recover(void)
{
    add(hook_panics, NULL, true);
    tuza_call(exits_under_recover, NULL);
    return 3;
}

static void panics_and_recovers(void *arg)
{
    tuza_defer(recovers, NULL);
    hook_panics(arg);
}
static void *panics_in_thread(void *code)
{
    exit((int)(intptr_t)code);
}
/* On a thread that is no goroutine. */
//! panics_foreign loop 50
//> fatal error: exit hook invoked panic
static int panics_foreign(void)
{
    pthread_t t;
    add(hook_panics, NULL, true);
    if (pthread_create(&t, NULL, panics_in_thread, (void *)1))
        return 90;
    forever();
    return 0;
}

/* XH-19: a hook is a boundary: one that recovers is fine, and the rest run. What it defers runs at its
 * end. */
//! panics_and_is_fine exit 0 loop 50
//1 recovered
//1 deferred rest
static void defers(void *arg)
{
    (void)arg;
    tuza_defer(say, "deferred ");
}
static int panics_and_is_fine(void)
{
    add(say, "rest\n", true);
    add(defers, NULL, true);
    add(panics_and_recovers, NULL, true);
    tuza_exit(0);
}

static void ends_goroutine(void *arg)
{
    tuza_defer(say, "ends ");
    (void)arg;
    tuza_goexit();
}
static void closes(void *c)
{
    tuza_chan_close(c);
}
static void exits_and_closes(void *c)
{
    tuza_defer(closes, c);
    tuza_exit(5);
}
/* XH-20: a hook that ends its goroutine: the process goes on, the rest is for the next exit. */
//! goexit_in_hook exit 6 loop 200
//1 first ends main rest
static int goexit_in_hook(void)
{
    add(say, "rest\n", true);
    add(ends_goroutine, NULL, true);
    add(say, "first ", true);
    tuza_chan *ended = tuza_chan_make(0, 0);
    crash_go(exits_and_closes, ended);
    tuza_chan_recv(ended, NULL);
    fputs("main ", stdout);
    return 6;
}

/* XH-20: with others waiting: one of them takes over. */
//! goexit_in_hook_with_waiters exit 5 loop 50
//1 ends rest
static int goexit_in_hook_with_waiters(void)
{
    add(say, "rest\n", true);
    add(ends_goroutine, NULL, true);
    add(sleepy, NULL, true);
    for (int i = 0; i < 10; i++) {
        go_exit(5);
        crash_go(plain_exit_with, (void *)5);
    }
    forever();
    return 0;
}

static void goexits(void *arg)
{
    (void)arg;
    tuza_goexit();
}
/* XH-20: main, and nothing is left. */
//! goexit_in_hook_of_main
//> fatal error: no goroutines (main called runtime.Goexit) - deadlock!
static int goexit_in_hook_of_main(void)
{
    add(goexits, NULL, true);
    tuza_exit(0);
}

/* XH-20: where libc's exit has begun it can't be left: only the hook ends. */
//! goexit_in_libc_exit exit 6 loop 20
//> exithook: bye
//1 ends rest
static int goexit_in_libc_exit(void)
{
    add(say, "rest\n", true);
    add(ends_goroutine, NULL, true);
    errx(6, "bye");
}

/* XH-10: exit runs no deferred functions; main's return has run its own. */
static void exits_with_defer(void *arg)
{
    tuza_defer(say, "deferred\n");
    (void)arg;
    tuza_exit(3);
}
//! exit_runs_no_defers exit 3
//1 hook
static int exit_runs_no_defers(void)
{
    add(say, "hook\n", true);
    TUZA_DEFER(say, "deferred\n");
    tuza_call(exits_with_defer, NULL);
    return 0;
}

//! main_runs_defers exit 3
//1 deferred hook
static int main_runs_defers(void)
{
    add(say, "hook\n", true);
    tuza_defer(say, "deferred ");
    return 3;
}

static void slow_defer(void *arg)
{
    (void)arg;
    tuza_chan_close(arg);
    tuza_gosched();
}
static void crashes(void *arg)
{
    tuza_defer(slow_defer, arg);
    tuza_panic("crash");
}
/* XH-26: main's return lets a panic that runs deferred functions come to its report, which decides the
 * code. For a thousand yields: a thread that runs nowhere for longer is too slow. */
//! panic_race loop 50 not tsan not asan
//> panic: crash
static int panic_race(void)
{
    tuza_chan *c = tuza_chan_make(0, 0);
    add(say, "hook\n", true);
    crash_go(crashes, c);
    tuza_chan_recv(c, NULL);
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
    CASE(add_in_atexit),
    CASE(add_remove),
    CASE(panics),
    CASE(panics_in_main),
    CASE(panics_elsewhere),
    CASE(panics_under_recover),
    CASE(panics_foreign),
    CASE(panics_and_is_fine),
    CASE(goexit_in_hook),
    CASE(goexit_in_hook_with_waiters),
    CASE(goexit_in_hook_of_main),
    CASE(goexit_in_libc_exit),
    CASE(exit_runs_no_defers),
    CASE(main_runs_defers),
    CASE(panic_race),
    {NULL, NULL},
};
CRASH_MAIN(cases)
