/* SPDX-License-Identifier: BSD-3-Clause */
/* Panics on other threads, at the same time, in exit hooks; faults that are panics (run.sh reads the //!
 * lines). */
#include <pthread.h>
#include <setjmp.h>

#include "crash/faulting.h"

static void panic_with(void *text)
{
    tuza_panic("%s", (const char *)text);
}

static void say(void *text)
{
    puts(text);
    fflush(stdout);
}

static void goexits(void *unused)
{
    (void)unused;
    tuza_goexit();
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

/* A panic on a thread without a goroutine ends the process; so does one that nothing recovers in its call. */
//! on_thread
//> panic: from outside
static void *panics_on_thread(void *unused)
{
    (void)unused;
    tuza_panic("from %s", "outside");
}
static int on_thread(void)
{
    pthread_t t;
    pthread_create(&t, NULL, panics_on_thread, NULL);
    pthread_join(t, NULL);
    return 0;
}

//! in_call_on_thread
//> panic: from a call
//>
static void *calls_on_thread(void *unused)
{
    (void)unused;
    tuza_call(panic_with, "from a call");
    return NULL;
}
static int in_call_on_thread(void)
{
    pthread_t t;
    pthread_create(&t, NULL, calls_on_thread, NULL);
    pthread_join(t, NULL);
    return 0;
}

/* What is deferred on such a thread belongs to a tuza_call. */
//! defer_on_thread
//> panic: tuza: tuza_defer outside of a tuza_call, on a thread that runs no goroutine
//>
static void *defers_on_thread(void *unused)
{
    (void)unused;
    tuza_defer(say, "never");
    return NULL;
}
static int defer_on_thread(void)
{
    pthread_t t;
    pthread_create(&t, NULL, defers_on_thread, NULL);
    pthread_join(t, NULL);
    return 0;
}

//! recover_on_thread
//> fatal error: tuza: panic recovered outside of a tuza_call, on a thread that runs no goroutine
static void *recovers_on_thread(void *unused)
{
    (void)unused;
    TUZA_DEFER(recover_it, NULL);
    tuza_panic("x");
}
static int recover_on_thread(void)
{
    pthread_t t;
    pthread_create(&t, NULL, recovers_on_thread, NULL);
    pthread_join(t, NULL);
    return 0;
}

/* PN-25: panics at the same time are printed one after the other, and all of those that had begun. */
//! concurrent procs 4
//> panic: one of them
//>
//> goroutine @N@ [running]:
static int go_now;
static void panic_together(void *unused)
{
    (void)unused;
    while (!__atomic_load_n(&go_now, __ATOMIC_ACQUIRE))
        ;
    tuza_panic("one of them");
}
static int concurrent(void)
{
    for (int i = 0; i < 4; i++)
        crash_go(panic_together, NULL);
    tuza_sleep(20 * TUZA_MILLISECOND);
    __atomic_store_n(&go_now, 1, __ATOMIC_RELEASE);
    tuza_chan_recv(NULL, NULL);
    return 0;
}

/* PN-25, PN-26, XH-26: TestPanicRace. Main's return lets a panic that runs deferred functions come to its
 * end, and the report through. */
//! main_returns procs 2 procs 4
//> panic: crash
static void tell_and_linger(void *c)
{
    tuza_chan_send(c, NULL);
    for (int i = 0; i < 10; i++)
        tuza_gosched();
}
static void crashes(void *c)
{
    tuza_defer(tell_and_linger, c);
    tuza_panic("crash\n%03000000d", 0); /* long, so that it takes time to print */
}
static int main_returns(void)
{
    tuza_chan *c = tuza_chan_make(0, 0);
    crash_go(crashes, c);
    tuza_chan_recv(c, NULL);
    return 0;
}

/* PN-29: others hold up nothing: they loop, yield, block. */
//! among_others
//> panic: among others
//>
static void yield_for_ever(void *unused)
{
    (void)unused;
    for (;;)
        tuza_gosched();
}
static void loop_for_ever(void *unused)
{
    (void)unused;
    for (volatile int i = 0;; i++)
        ;
}
static int among_others(void)
{
    crash_go(yield_for_ever, NULL);
    crash_go(yield_for_ever, NULL);
    crash_go(loop_for_ever, NULL);
    crash_go(panic_with, "among others");
    tuza_chan_recv(NULL, NULL);
    return 0;
}

/* XH-16 to XH-18: a hook that panics: no panic's line; those before it have run, those after it do not. */
//! hook_panics exit 2
//> fatal error: exit hook invoked panic
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
//+ tuza_panic(...)
//+ panic_with(...)
//1 ok
static int hook_panics(void)
{
    tuza_exit_hook_add(say, "never", true);
    tuza_exit_hook_add(panic_with, "x", true);
    tuza_exit_hook_add(say, "ok", true);
    return 0;
}

/* Also where a plain thread exits. */
//! hook_panics_on_thread exit 2
//> fatal error: exit hook invoked panic
static void *exits(void *unused)
{
    (void)unused;
    exit(3);
}
static int hook_panics_on_thread(void)
{
    tuza_exit_hook_add(panic_with, "x", true);
    pthread_t t;
    pthread_create(&t, NULL, exits, NULL);
    pthread_join(t, NULL);
    return 0;
}

/* XH-19 */
//! hook_recovers exit 5
//1 ok
static int hook_recovers(void)
{
    tuza_exit_hook_add(say, "ok", true);
    tuza_exit_hook_add(recovers_inside, NULL, true);
    tuza_exit(5);
}

/* XH-20: a hook that ends its goroutine: no exit, the rest waits for the next. */
//! hook_goexits exit 6
//1 first
//1 second
static void exit_with_5(void *unused)
{
    (void)unused;
    tuza_exit(5);
}
static int hook_goexits(void)
{
    tuza_exit_hook_add(say, "second", true);
    tuza_exit_hook_add(goexits, NULL, true);
    tuza_exit_hook_add(say, "first", true);
    crash_go(exit_with_5, NULL);
    while (tuza_num_goroutine() > 1)
        tuza_sleep(TUZA_MILLISECOND);
    return 6;
}

/* tuza_set_panic_on_fault, PN-30: the panic, the signal, and the goroutine. */
//! fault
//> panic: runtime error: invalid memory address or nil pointer dereference
//> [signal SIGSEGV: segmentation violation code=0x1 addr=0x10 pc=@X@]
//>
//> goroutine 1 [running]:
static int fault(void)
{
    tuza_set_panic_on_fault(true);
    write_nowhere();
    return 0;
}

/* In libc a fault is none: its locks may be held. */
//! fault_in_libc signal 11 not asan not tsan
//> SIGSEGV: segmentation violation
static int fault_in_libc(void)
{
    tuza_set_panic_on_fault(true);
    return fputs(nowhere, stdout); /* which calls others of libc's, with a lock held */
}

/* A goroutine's setting is its own. */
//! fault_in_another signal 11
//> SIGSEGV: segmentation violation
static void write_nowhere_in(void *unused)
{
    (void)unused;
    write_nowhere();
}
static int fault_in_another(void)
{
    tuza_set_panic_on_fault(true);
    crash_go(write_nowhere_in, NULL);
    tuza_chan_recv(NULL, NULL);
    return 0;
}

/* A block that longjmp has left can't be told from what lies there now. */
//! longjmp_over_block
//> fatal error: tuza: the block of a TUZA_DEFER was left by longjmp, or by a C++ exception
static jmp_buf away;
static void jump(void)
{
    TUZA_DEFER(say, "never");
    longjmp(away, 1);
}
static int longjmp_over_block(void)
{
    if (setjmp(away) == 0)
        jump();
    return 0;
}

static void defer_without_end(void *arg)
{
    tuza_chan_close(arg);
    tuza_chan_recv(NULL, NULL);
}
static void crashes_for_ever(void *arg)
{
    tuza_defer(defer_without_end, arg);
    tuza_panic("crash");
}
/* XH-27: an exit waits for no panic. */
//! exit_amid_panic exit 5
static int exit_amid_panic(void)
{
    tuza_chan *c = tuza_chan_make(0, 0);
    crash_go(crashes_for_ever, c);
    tuza_chan_recv(c, NULL);
    tuza_exit(5);
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(on_thread),
    CASE(in_call_on_thread),
    CASE(defer_on_thread),
    CASE(recover_on_thread),
    CASE(concurrent),
    CASE(main_returns),
    CASE(among_others),
    CASE(hook_panics),
    CASE(hook_panics_on_thread),
    CASE(hook_recovers),
    CASE(hook_goexits),
    CASE(fault),
    CASE(fault_in_libc),
    CASE(fault_in_another),
    CASE(longjmp_over_block),
    CASE(exit_amid_panic),
    {NULL, NULL},
};

CRASH_MAIN(cases)
