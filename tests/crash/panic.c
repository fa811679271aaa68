/* SPDX-License-Identifier: BSD-3-Clause */
/* What an unrecovered panic prints, and what else ends a process here (run.sh reads the //! lines). */
#include "crash/crash.h"

static void panic_with(void *text)
{
    tuza_panic("%s", (const char *)text);
}

/* PN-16: the text, an empty line, the goroutine; exit code 2. */
//! plain
//> panic: number 7
//>
//> goroutine 1 [running]:
static int plain(void)
{
    tuza_panic("number %d", 7);
}

/* PN-16, GR-19: a goroutine's panic ends the process. */
//! in_goroutine
//> panic: gone
//>
//> goroutine @N@ [running]:
static int in_goroutine(void)
{
    crash_go(panic_with, "gone");
    tuza_chan_recv(NULL, NULL);
    return 0;
}

/* PN-21, PN-22: lines after the first are behind a tab; any bytes. */
//! lines
//> panic: one
//> @T@two
//> @T@%s@T@three
//>
//> goroutine 1 [running]:
static int lines(void)
{
    tuza_panic("one\ntwo\n%s", "%s\tthree");
}

/* PN-01, PN-16: deferred functions have run by then. */
//! after_deferred
//> panic: x
//>
//1 b
//1 a
static void say(void *text)
{
    puts(text);
    fflush(stdout);
}
static int after_deferred(void)
{
    tuza_defer(say, "a");
    TUZA_DEFER(say, "b");
    tuza_panic("x");
}

/* PN-17: the oldest first. PN-23: the frames from the deferred function down to where it began. */
//! chain
//> panic: hello
//> @T@panic: panic pt2
//> @T@panic: panic pt1
//>
//> goroutine 1 [running]:
//> panic_with(...)
//+ tuza_panic(...)
//+ panic_with(...)
//+ tuza_panic(...)
//+ chain(...)
static int chain(void)
{
    tuza_defer(panic_with, "panic pt1");
    tuza_defer(panic_with, "panic pt2");
    tuza_panic("hello");
}

static void recover_it(void *unused)
{
    (void)unused;
    tuza_recover();
}

static void recovers_inside(void *unused)
{
    (void)unused;
    tuza_defer(recover_it, NULL);
    tuza_panic("second panic");
}

/* PN-18: TestRecursivePanic3: a panic recovered inside the deferred function leaves no trace. */
//! recovered_inside
//> panic: first panic
//>
//> goroutine 1 [running]:
static int recovered_inside(void)
{
    tuza_defer(recovers_inside, NULL);
    tuza_panic("first panic");
}

static void recover_and_panic(void *text)
{
    if (tuza_recover())
        tuza_panic("%s", (const char *)text);
}

/* PN-18: TestRecursivePanic4. */
//! recovered_then_panics
//> panic: first panic [recovered]
//> @T@panic: second panic
//>
//> goroutine 1 [running]:
static int recovered_then_panics(void)
{
    tuza_defer(recover_and_panic, "second panic");
    tuza_panic("first panic");
}

static void panics_first(void *unused)
{
    (void)unused;
    tuza_defer(recover_it, NULL);
    tuza_panic("first panic");
}

/* PN-18: TestRecursivePanic5 in form: one that was recovered before is not mentioned. */
//! recovered_before
//> panic: third panic
//>
//> goroutine 1 [running]:
static int recovered_before(void)
{
    tuza_call(panics_first, NULL);
    tuza_call(recovers_inside, NULL);
    tuza_panic("third panic");
}

static void pass_on(void *unused)
{
    (void)unused;
    const char *text = tuza_recover();
    if (text)
        tuza_panic("%s", text);
}

/* PN-19: the value itself, passed on. */
//! repanicked
//> panic: message [recovered, repanicked]
//>
//> goroutine 1 [running]:
static int repanicked(void)
{
    tuza_defer(pass_on, NULL);
    tuza_panic("message");
}

/* PN-19: any number of times. */
//! repanicked_often
//> panic: message [recovered, repanicked]
//>
//> goroutine 1 [running]:
static int repanicked_often(void)
{
    for (int i = 0; i < 100; i++)
        tuza_defer(pass_on, NULL);
    tuza_panic("%s", "message");
}

/* PN-19: TestRepanickedMiddlePanic. */
//! repanicked_middle
//> panic: inner [recovered]
//> @T@panic: middle [recovered, repanicked]
//> @T@panic: outer
//>
//> goroutine 1 [running]:
static int repanicked_middle(void)
{
    tuza_defer(recover_and_panic, "outer");
    tuza_defer(pass_on, NULL);
    tuza_defer(recover_and_panic, "middle");
    tuza_panic("inner");
}

static const char *outer_text;

static void keep_and_panic(void *text)
{
    outer_text = tuza_recover();
    tuza_panic("%s", (const char *)text);
}

static void panic_kept(void *unused)
{
    (void)unused;
    if (tuza_recover())
        tuza_panic("%s", outer_text);
}

/* PN-19: TestRepanickedPanicSandwich: another value in between. */
//! repanicked_sandwich
//> panic: outer [recovered]
//> @T@panic: inner [recovered]
//> @T@panic: outer
//>
//> goroutine 1 [running]:
static int repanicked_sandwich(void)
{
    tuza_defer(panic_kept, NULL);
    tuza_defer(keep_and_panic, "inner");
    tuza_panic("outer");
}

/* PN-19: an equal text is not the same value. */
//! equal_text
//> panic: message [recovered]
//> @T@panic: message
//>
//> goroutine 1 [running]:
static int equal_text(void)
{
    tuza_defer(recover_and_panic, "message");
    tuza_panic("message");
}

/* PN-13: Goexit in a deferred call abandons the panic. */
//! goexit_in_panic
//> fatal error: no goroutines (main called runtime.Goexit) - deadlock!
static void goexits(void *unused)
{
    (void)unused;
    tuza_goexit();
}
static int goexit_in_panic(void)
{
    tuza_defer(goexits, NULL);
    tuza_panic("never printed");
}

/* PN-14: TestPanicAfterGoexit: no tab behind a Goexit. */
//! panic_in_goexit
//> panic: hello
//>
//> goroutine 1 [running]:
static int panic_in_goexit(void)
{
    tuza_defer(panic_with, "hello");
    tuza_goexit();
}

/* PN-14, PN-17 */
//! panics_around_goexit
//> panic: one
//> panic: two
//> @T@panic: three
//>
//> goroutine 1 [running]:
static int panics_around_goexit(void)
{
    tuza_defer(panic_with, "three");
    tuza_defer(panic_with, "two");
    tuza_defer(goexits, NULL);
    tuza_panic("one");
}

/* PN-15, GR-11: TestRecoveredPanicAfterGoexit: the Goexit goes on. */
//! recovered_in_goexit
//> fatal error: no goroutines (main called runtime.Goexit) - deadlock!
static int recovered_in_goexit(void)
{
    tuza_defer(recover_it, NULL);
    tuza_defer(panic_with, "hello");
    tuza_goexit();
}

/* GR-11, GR-10: deferred functions run, then main is no more. */
//! goexit_of_main
//> fatal error: no goroutines (main called runtime.Goexit) - deadlock!
//1 deferred
static int goexit_of_main(void)
{
    tuza_defer(say, "deferred");
    tuza_goexit();
}

/* PN-07: main's own panic, recovered: main has returned. */
//! recovered_in_main exit 0
//1 deferred
static int recovered_in_main(void)
{
    tuza_defer(say, "deferred");
    tuza_defer(recover_it, NULL);
    tuza_panic("x");
}

/* PN-02 */
//! nil_deferred
//> panic: runtime error: invalid memory address or nil pointer dereference
//>
//> goroutine 1 [running]:
//1 other
static int nil_deferred(void)
{
    tuza_defer(say, "other");
    tuza_defer(NULL, NULL);
    return 0;
}

/* PN-12 */
//! nil_panic
//> panic: runtime error: panic called with nil argument
//>
//> goroutine 1 [running]:
static const char *volatile no_text;
static int nil_panic(void)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    tuza_panic(no_text);
#pragma GCC diagnostic pop
}

/* A throw: no deferred function, no panic, every goroutine. */
//! throws
//> fatal error: no more of 3
//> @T@these
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
static int throws(void)
{
    tuza_defer(say, "never");
    tuza_throw("no more of %d\nthese", 3);
}

/* PN-24: a throw prints no chain. */
//! throw_in_panic
//> fatal error: enough
//>
static void throws_enough(void *unused)
{
    (void)unused;
    tuza_throw("enough");
}
static int throw_in_panic(void)
{
    tuza_defer(throws_enough, NULL);
    tuza_panic("x");
}

/* PN-24: a fatal error prints it. */
//! fatal_in_panic
//> panic: x
//> @T@panic: y
//> @T@fatal error: go of nil func value
//>
static void fatal(void *unused)
{
    (void)unused;
    void (*volatile none)(void *) = NULL;
    crash_go(none, NULL);
}
static int fatal_in_panic(void)
{
    tuza_defer(fatal, NULL);
    tuza_defer(panic_with, "y");
    tuza_panic("x");
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(plain),
    CASE(in_goroutine),
    CASE(lines),
    CASE(after_deferred),
    CASE(chain),
    CASE(recovered_inside),
    CASE(recovered_then_panics),
    CASE(recovered_before),
    CASE(repanicked),
    CASE(repanicked_often),
    CASE(repanicked_middle),
    CASE(repanicked_sandwich),
    CASE(equal_text),
    CASE(goexit_in_panic),
    CASE(panic_in_goexit),
    CASE(panics_around_goexit),
    CASE(recovered_in_goexit),
    CASE(goexit_of_main),
    CASE(recovered_in_main),
    CASE(nil_deferred),
    CASE(nil_panic),
    CASE(throws),
    CASE(throw_in_panic),
    CASE(fatal_in_panic),
    {NULL, NULL},
};

CRASH_MAIN(cases)
