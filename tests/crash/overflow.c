/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stacks that are too small (run.sh reads the //! lines). Not under
 * ThreadSanitizer: stacks of more frames than its own record of them holds.
 */
#include <signal.h>

#include "crash/faulting.h"

static volatile int sink;
static volatile int first; /* 0; a constant index would let the compiler do without the rest of the array */
NOINLINE static int small_frames(int n)
{
    volatile char frame[100];
    int k = first;
    frame[k] = (char)n;
    return n < 0 ? 0 : small_frames(n + 1) + frame[k];
}

/* Fewer of them for a stack of megabytes. */
NOINLINE static int middling_frames(int n)
{
    volatile char frame[1000];
    int k = first;
    frame[k] = (char)n;
    return n < 0 ? 0 : middling_frames(n + 1) + frame[k];
}

/* A frame that jumps over almost all of the guard, and is touched at its far end only. */
NOINLINE static int large_frames(int n)
{
    volatile char frame[60 << 10];
    int k = first;
    frame[k] = (char)n;
    return n < 0 ? 0 : large_frames(n + 1) + frame[k];
}

static void overflow_small(void *arg)
{
    (void)arg;
    sink = small_frames(0);
}

static void overflow_middling(void *arg)
{
    (void)arg;
    sink = middling_frames(0);
}

static void overflow_large(void *arg)
{
    (void)arg;
    sink = large_frames(0);
}

/* SO-01, SO-03: Go's text with the real size, which call sets it; not by a signal. */
//! overflow
//> runtime: goroutine stack exceeds 19@N@-byte limit
//> runtime: sp=@X@ stack=[@X@, @X@]
//> fatal error: stack overflow
//> goroutine @N@ has 19@N@ bytes: tuza_go_with gives it another stack_size, tuza_options all of them
//>
//> goroutine @N@ gp=@X@ m=@N@ mp=@X@ [running]:
//+ goroutine 1 [chan receive (nil chan)]:
static int overflow(void)
{
    crash_go(overflow_small, NULL);
    tuza_chan_recv(NULL, NULL);
    return 0;
}

/* SO-04: frames that jump. */
//! overflow_jumps
//> runtime: goroutine stack exceeds 19@N@-byte limit
//> runtime: sp=@X@ stack=[@X@, @X@]
//> fatal error: stack overflow
static int overflow_jumps(void)
{
    crash_go(overflow_large, NULL);
    tuza_chan_recv(NULL, NULL);
    return 0;
}

/* SO-03 */
//! overflow_own_size
//> runtime: goroutine stack exceeds 83@N@-byte limit
//> runtime: sp=@X@ stack=[@X@, @X@]
//> fatal error: stack overflow
static int overflow_own_size(void)
{
    tuza_go_options o = {.stack_size = 5 << 20};
    if (tuza_go_with(&o, overflow_middling, NULL))
        return 90;
    tuza_chan_recv(NULL, NULL);
    return 0;
}

//! overflow_smallest
//> runtime: goroutine stack exceeds @N@-byte limit
//> runtime: sp=@X@ stack=[@X@, @X@]
//> fatal error: stack overflow
static int overflow_smallest(void)
{
    tuza_go_options o = {.stack_size = 1};
    if (tuza_go_with(&o, overflow_small, NULL))
        return 90;
    tuza_chan_recv(NULL, NULL);
    return 0;
}

//! overflow_main not tsan
//> runtime: goroutine stack exceeds @N@-byte limit
//> runtime: sp=@X@ stack=[@X@, @X@]
//> fatal error: stack overflow
//> goroutine 1 has @N@ bytes: the process's stack limit (ulimit -s) when tuza_run was called
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
static int overflow_main(void)
{
    overflow_small(NULL);
    return 0;
}

//! overflow_main_jumps not tsan
//> runtime: goroutine stack exceeds @N@-byte limit
static int overflow_main_jumps(void)
{
    overflow_large(NULL);
    return 0;
}

static void overflow_in_handler(int sig)
{
    (void)sig;
    overflow_small(NULL);
}

/* SO-02, TB-15: the scheduler's stack: a handler of the program's, without an alternate stack, runs there. */
//! overflow_g0 not tsan
//> runtime: morestack on g0, stack [@X@ @X@], sp=@X@
//> fatal error: morestack on g0
//>
//> runtime stack:
static int overflow_g0(void)
{
    struct sigaction act = {.sa_handler = overflow_in_handler};
    sigaction(SIGALRM, &act, NULL);
    alarm(1);
    tuza_sleep(100 * TUZA_SECOND); /* its thread, the process's first, has nothing to do */
    return 0;
}

/* The guard is the lowest 64 KiB of the 256 KiB that the stack ends. */
static char *guard_of(char *on_stack)
{
    return (char *)((uintptr_t)on_stack & ~((uintptr_t)(256 << 10) - 1)) + 4096;
}

static void tell(void *arg)
{
    char here;
    nowhere = guard_of(&here);
    tuza_chan_send(arg, NULL);
}

/* SO-04: another's guard is no overflow. */
//! others_guard signal 11
//> SIGSEGV: segmentation violation
//> PC=@X@ m=@N@ sigcode=@N@ addr=@X@
//> unexpected signal in goroutine 1
static int others_guard(void)
{
    tuza_chan *c = tuza_chan_make(0, 0);
    crash_go(tell, c);
    tuza_chan_recv(c, NULL);
    write_nowhere();
    return 0;
}

static void own_guard_in(void *arg)
{
    nowhere = guard_of(arg);
    write_nowhere();
}

/* SO-04: nor is one's own, far below the stack pointer. The argument is on the stack. */
//! own_guard signal 11
//> SIGSEGV: segmentation violation
//> PC=@X@ m=@N@ sigcode=@N@ addr=@X@
//> unexpected signal in goroutine @N@
static int own_guard(void)
{
    if (tuza_go_copy(own_guard_in, "x", 1))
        return 90;
    tuza_chan_recv(NULL, NULL);
    return 0;
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(overflow),          CASE(overflow_jumps),
    CASE(overflow_own_size), CASE(overflow_smallest),
    CASE(overflow_main),     CASE(overflow_main_jumps),
    CASE(overflow_g0),       CASE(others_guard),
    CASE(own_guard),         {NULL, NULL},
};
CRASH_MAIN(cases)
