/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals that end a process without a fault (run.sh reads the //! lines). */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include "crash/crash.h"

static void wait_for_ever(void *arg)
{
    tuza_chan_recv(arg, NULL);
}

static void spin(void *arg)
{
    __atomic_store_n((int *)arg, 1, __ATOMIC_RELEASE);
    for (volatile int i = 0;; i++)
        ;
}

/* SG-03: all goroutines, the registers, exit code 2. */
//! quit not tsan
//> SIGQUIT: quit
//> PC=@X@ m=@N@ sigcode=0
//>
//+ goroutine @N@ [chan receive]:
//+ rip    @X@
static int quit(void)
{
    static int spins;
    crash_go(wait_for_ever, tuza_chan_make(0, 0));
    crash_go(spin, &spins);
    while (!__atomic_load_n(&spins, __ATOMIC_ACQUIRE))
        tuza_sleep(TUZA_MILLISECOND);
    kill(getpid(), SIGQUIT);
    tuza_chan_recv(NULL, NULL);
    return 0;
}

__attribute__((noinline)) static void all_threads_loop(void *arg)
{
    __atomic_fetch_add((int *)arg, 1, __ATOMIC_ACQ_REL);
    for (volatile int i = 0;; i++)
        ;
}

static void spin_four(void)
{
    static int spins;
    for (int i = 0; i < 4; i++)
        crash_go(all_threads_loop, &spins);
    while (__atomic_load_n(&spins, __ATOMIC_ACQUIRE) < 4)
        tuza_sleep(TUZA_MILLISECOND);
}

/* SG-05: GOTRACEBACK=crash: each of them shows its frames, and which signal the others got; then SIGABRT. */
//! quit_crash signal 6 env GOTRACEBACK=crash not tsan
//> SIGQUIT: quit
//> PC=@X@ m=@N@ sigcode=0
//>
//+ all_threads_loop(...)
//+ all_threads_loop(...)
//+ all_threads_loop(...)
//+ all_threads_loop(...)
//+ rip    @X@
//+
//+ -----
//+
//+ SIGQUIT: quit
//+ PC=@X@ m=@N@ sigcode=0
//+ goroutine @N@
//+ rip    @X@
static int quit_crash(void)
{
    spin_four();
    kill(getpid(), SIGQUIT);
    tuza_chan_recv(NULL, NULL);
    return 0;
}

static void quit_on_g0(int sig)
{
    (void)sig;
    raise(SIGQUIT);
}

/* SG-06: and where a thread that runs no goroutine takes the signal. */
//! quit_crash_on_g0 signal 6 env GOTRACEBACK=crash not tsan
//> SIGQUIT: quit
//> PC=@X@ m=@N@ sigcode=-6
//>
//> runtime stack:
//+ all_threads_loop(...)
//+ all_threads_loop(...)
//+ all_threads_loop(...)
//+ all_threads_loop(...)
static int quit_crash_on_g0(void)
{
    tuza_lock_os_thread(); /* the first thread has nothing else to do, and gets the signal */
    spin_four();
    struct sigaction act = {.sa_handler = quit_on_g0};
    sigaction(SIGALRM, &act, NULL);
    alarm(1);
    tuza_sleep(100 * TUZA_SECOND);
    return 0;
}

/* TB-18: GOTRACEBACK=none: the signal's lines and no more. */
//! quit_none env GOTRACEBACK=none not tsan
//> SIGQUIT: quit
//> PC=@X@ m=@N@ sigcode=@N@
static int quit_none(void)
{
    raise(SIGQUIT);
    return 0;
}

static void block_quit(void *arg)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGQUIT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    __atomic_fetch_add((int *)arg, 1, __ATOMIC_ACQ_REL);
    for (volatile int i = 0;; i++)
        ;
}

/* SG-20: goroutines can block it on their threads: a thread of the runtime's own still takes it. */
//! quit_blocked
//> SIGQUIT: quit
static int quit_blocked(void)
{
    static int blocked;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGQUIT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 20; i++)
        crash_go(block_quit, &blocked);
    while (__atomic_load_n(&blocked, __ATOMIC_ACQUIRE) < 20)
        tuza_sleep(TUZA_MILLISECOND);
    kill(getpid(), SIGQUIT);
    for (volatile int i = 1; i; i = 1)
        ;
    return 0;
}

static void quit_first_thread(void *arg)
{
    (void)arg;
    /* Its stack is left by now, or will be in a moment; the signal finds it anyhow. */
    tuza_sleep(50 * TUZA_MILLISECOND);
    syscall(SYS_tgkill, getpid(), getpid(), SIGQUIT);
    tuza_sleep(100 * TUZA_SECOND); /* else all would be asleep for good */
}

/* LK-28: the process's first thread, parked for good since its locked goroutine ended, takes signals
 * still. */
//! quit_first_thread_parked not tsan
//> SIGQUIT: quit
//> PC=@X@ m=0 sigcode=-6
//>
//> runtime stack:
static int quit_first_thread_parked(void)
{
    tuza_lock_os_thread();
    crash_go(quit_first_thread, NULL);
    tuza_goexit();
    return 0;
}

/* SG-01: what has no handler has its default. */
//! term signal 15
static int term(void)
{
    crash_go(wait_for_ever, NULL);
    kill(getpid(), SIGTERM);
    tuza_sleep(100 * TUZA_SECOND);
    return 0;
}

//! hup signal 1
static int hup(void)
{
    kill(getpid(), SIGHUP);
    tuza_sleep(100 * TUZA_SECOND);
    return 0;
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(quit),      CASE(quit_crash),   CASE(quit_crash_on_g0),
    CASE(quit_none), CASE(quit_blocked), CASE(quit_first_thread_parked),
    CASE(term),      CASE(hup),          {NULL, NULL},
};
CRASH_MAIN(cases)
