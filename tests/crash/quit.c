/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals that end a process without a fault (run.sh reads the //! lines). */
#include <pthread.h>
#include <signal.h>

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
    CASE(quit), CASE(quit_blocked), CASE(term), CASE(hup), {NULL, NULL},
};
CRASH_MAIN(cases)
