/* SPDX-License-Identifier: BSD-3-Clause */
/* What reports show of goroutines: which, and what of each. The //! lines say how (run.sh). */
#include <pthread.h>
#include <stdint.h>

#include "crash/crash.h"

#define NOINLINE __attribute__((noinline))
/* Something to do after a call, so that it is none at the function's end. */
#define STAY() __asm__ volatile("" ::: "memory")

static tuza_chan *never;

static NOINLINE void wait_for_ever(void)
{
    tuza_chan_recv(never, NULL);
    STAY();
}

static void waiter(void *arg)
{
    if (arg)
        tuza_lock_os_thread();
    wait_for_ever();
    STAY();
}

static NOINLINE void start_waiter(void *locked)
{
    if (!never)
        never = tuza_chan_make(0, 0);
    if (tuza_go(waiter, locked) < 0) /* not by a wrapper, which would be the creator */
        _exit(99);
    STAY();
}

/* Until so many goroutines wait on `never`. */
static void await_waiters(int n)
{
    static char text[1 << 16];
    int there = 0;
    while (there < n) {
        tuza_sleep(TUZA_MILLISECOND);
        tuza_stack(text, sizeof text, true);
        there = 0;
        for (const char *at = text; (at = strstr(at, " receive]:\nwait_for_ever(")) != NULL; at++)
            there++;
    }
}

static NOINLINE void panic_in_here(void)
{
    tuza_chan_close(NULL);
    STAY();
}

static NOINLINE int panic_beside_waiter(void)
{
    start_waiter(NULL);
    await_waiters(1);
    panic_in_here();
    STAY();
    return 0;
}

/* TB-01, TB-04, TB-06, TB-07, PN-16, GM-01: by default the failing goroutine, with the program's
 * functions. */
//! single
//> panic: close of nil channel
//>
//> goroutine 1 [running]:
//> panic_in_here(...)
//> @P@
//> panic_beside_waiter(...)
//> @P@
//- wait_for_ever
//- tz_
//- tuza_chan_close
//- created by
static int single(void)
{
    int code = panic_beside_waiter();
    STAY();
    return code;
}

/* GM-01: that is "single"; unknown words are level 0 with all goroutines, so none is seen. */
//! single_said env GOTRACEBACK=single
//> panic: close of nil channel
//>
//> goroutine 1 [running]:
//> panic_in_here(...)
//- wait_for_ever
static int single_said(void)
{
    int code = panic_beside_waiter();
    STAY();
    return code;
}

/* TB-18, GM-01: the line only. */
//! none env GOTRACEBACK=none
//> panic: close of nil channel
//- goroutine
static int none(void)
{
    int code = panic_beside_waiter();
    STAY();
    return code;
}

/* TB-18, GM-01: also of a throw. */
//! none_throw env GOTRACEBACK=none
//> fatal error: tuza: unref of a channel in use
//- goroutine
static int none_throw(void)
{
    start_waiter(NULL);
    await_waiters(1);
    tuza_chan_unref(never);
    return 0;
}

/* GM-01 */
//! other_word env GOTRACEBACK=everything
//> panic: close of nil channel
//- goroutine
static int other_word(void)
{
    int code = panic_beside_waiter();
    STAY();
    return code;
}

/* TB-05, TB-06, GM-01, GR-20: all goroutines, and who created them. */
//! all env GOTRACEBACK=all
//> panic: close of nil channel
//>
//> goroutine 1 [running]:
//> panic_in_here(...)
//> @P@
//> panic_beside_waiter(...)
//> @P@
//+
//+ goroutine @N@ [chan receive]:
//+ wait_for_ever(...)
//+ @P@
//+ waiter(...)
//+ @P@
//+ created by start_waiter in goroutine 1
//+ @P@
//- tz_
//- gp=
static int all(void)
{
    int code = panic_beside_waiter();
    STAY();
    return code;
}

/* GM-01: a number is that level, with all. Ours wins over Go's. */
//! one env GOTRACEBACK=none env TUZA_TRACEBACK=1
//> panic: close of nil channel
//>
//> goroutine 1 [running]:
//> panic_in_here(...)
//+ goroutine @N@ [chan receive]:
//- gp=
static int one(void)
{
    int code = panic_beside_waiter();
    STAY();
    return code;
}

/* TB-01, TB-07, GM-01: with the runtime's functions, and where everything is. */
//! system env GOTRACEBACK=system
//> panic: close of nil channel
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
//+ tuza_chan_close(...)
//+ panic_in_here(...)
//+ @P@ fp=@X@ sp=@X@ pc=@X@
//+ panic_beside_waiter(...)
//+ tz_arch_entry(...)
//+
//+ goroutine @N@ gp=@X@ m=nil [chan receive]:
//+ wait_for_ever(...)
//+ tz_arch_entry(...)
//+ created by start_waiter in goroutine 1
static int system_level(void)
{
    int code = panic_beside_waiter();
    STAY();
    return code;
}

/* TB-14, GM-01, DL-16: death by SIGABRT, for a core. */
//! crash signal 6 env GOTRACEBACK=crash
//> panic: close of nil channel
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
//+ panic_in_here(...)
//+ goroutine @N@ gp=@X@ m=nil [chan receive]:
static int crash(void)
{
    int code = panic_beside_waiter();
    STAY();
    return code;
}

/* TB-07: a throw shows all, and of the goroutine that failed everything. */
//! throw
//> fatal error: tuza: unref of a channel in use
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
//> tz_throw(...)
//> @P@ fp=@X@ sp=@X@ pc=@X@
//+ tuza_chan_unref(...)
//+ @P@ fp=@X@ sp=@X@ pc=@X@
//+ throw(...)
//+ tz_arch_entry(...)
//+
//+ goroutine @N@ [chan receive]:
//+ wait_for_ever(...)
//+ @P@
//+ waiter(...)
//+ @P@
//+ created by start_waiter in goroutine 1
//+ @P@
static int throw(void)
{
    start_waiter(NULL);
    await_waiters(1);
    tuza_chan_unref(never);
    STAY();
    return 0;
}

static NOINLINE void deadlock_here(void)
{
    int unused; /* or the compiler finds this the same as wait_for_ever */
    tuza_chan_recv(never, &unused);
    STAY();
}

/* TB-04, TB-07, DL-01: a deadlock shows all goroutines, with functions, files and lines, and nothing of the
 * thread that noticed. */
//! deadlock
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [chan receive]:
//> deadlock_here(...)
//> @P@
//> deadlock(...)
//> @P@
//+
//+ goroutine @N@ [chan receive]:
//+ wait_for_ever(...)
//+ @P@
//+ waiter(...)
//+ @P@
//+ created by start_waiter in goroutine 1
//+ @P@
//- runtime stack
//- tz_
static int deadlock(void)
{
    start_waiter(NULL);
    deadlock_here();
    STAY();
    return 0;
}

/* TB-04: files and lines, where libdw is there. */
//! lines procs 1
//> fatal error: all goroutines are asleep - deadlock!
//+ deadlock_here(...)
//+ @P@
//- ??
static int lines(void)
{
    static char text[1 << 16];
    never = tuza_chan_make(0, 0);
    tuza_stack(text, sizeof text, false);
    if (!strstr(text, "/tests/crash/traceback.c:")) {
        puts("no libdw");
        return 77;
    }
    deadlock_here();
    return 0;
}

/* LK-08 */
//! locked
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [chan receive]:
//+
//+ goroutine @N@ [chan receive, locked to thread]:
//+ wait_for_ever(...)
static int locked(void)
{
    start_waiter(&never);
    deadlock_here();
    return 0;
}

static NOINLINE int descend(int n)
{
    int below = n ? descend(n - 1) : (panic_in_here(), 0);
    STAY();
    return below + 1;
}

/* TB-09: the first fifty and the last fifty. */
//! elided
//> panic: close of nil channel
//>
//> goroutine 1 [running]:
//> panic_in_here(...)
//> @P@
//> descend(...)
//+ ...@N@ frames elided...
//+ descend(...)
//+ @P@
//+ elided(...)
//+ @P@
static int elided(void)
{
    int depth = descend(1000);
    STAY();
    return depth;
}

/* The return address of wait_for_ever's call, on the goroutine's own stack. */
static uintptr_t *victim;

static NOINLINE void smashed_waiter(void *arg)
{
    (void)arg;
    uintptr_t *at = __builtin_frame_address(0);
    victim = at + 1;
    wait_for_ever();
    STAY();
}

static void smash(void)
{
    never = tuza_chan_make(0, 0);
    crash_go(smashed_waiter, NULL);
    await_waiters(1);
    *victim = 0xbad0bad0;
    start_waiter(NULL);
    await_waiters(2);
}

/* TB-16: a smashed return address: it is told, the stack is shown, and on with the next goroutine. */
//! smashed env GOTRACEBACK=all
//> panic: close of nil channel
//>
//> goroutine 1 [running]:
//+
//+ goroutine @N@ [chan receive]:
//+ wait_for_ever(...)
//+ @P@
//+ smashed_waiter(...)
//+ @P@
//+ runtime: g @N@: unexpected return pc for smashed_waiter called from 0xbad0bad0
//+ stack: frame={sp:@X@, fp:@X@} stack=[@X@,@X@)
//+
//+ goroutine @N@ [chan receive]:
//+ wait_for_ever(...)
static int smashed(void)
{
    smash();
    panic_in_here();
    STAY();
    return 0;
}

/* TB-16: tuza_stack says it too. */
//! smashed_alive exit 0
//1 told
static int smashed_alive(void)
{
    static char text[1 << 16];
    smash();
    tuza_stack(text, sizeof text, true);
    if (strstr(text, ": unexpected return pc for smashed_waiter called from 0xbad0bad0\n"))
        puts("told");
    return 0;
}

static void *in_thread(void *arg)
{
    (void)arg;
    panic_in_here();
    return NULL;
}

/* A thread that tuza did not make is shown as such. */
//! plain_thread
//> panic: close of nil channel
//>
//> thread @N@ [running]:
//> panic_in_here(...)
//> @P@
//> in_thread(...)
//> @P@
static int plain_thread(void)
{
    pthread_t t;
    if (pthread_create(&t, NULL, in_thread, NULL))
        return 90;
    pthread_join(t, NULL);
    return 0;
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(single),
    CASE(single_said),
    CASE(none),
    CASE(none_throw),
    CASE(other_word),
    CASE(all),
    CASE(one),
    CASE(crash),
    CASE(throw),
    CASE(deadlock),
    CASE(lines),
    CASE(locked),
    CASE(elided),
    CASE(smashed),
    CASE(smashed_alive),
    CASE(plain_thread),
    {"system", system_level},
    {NULL, NULL},
};
CRASH_MAIN(cases)
