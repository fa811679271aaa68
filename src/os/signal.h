/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals: the stacks that handlers run on, dispositions, signals to one
 * thread. The rules of os.h hold; all but the calls that say otherwise are
 * async-signal-safe.
 */
#ifndef TZ_OS_SIGNAL_H
#define TZ_OS_SIGNAL_H

#include <signal.h>

#include "base/base.h"

/*
 * sigstack.c: an alternate signal stack. Its memory is made once and kept by
 * whoever keeps the record; all-zero is one that has none yet. Below it is a
 * guard, above it room for what handlers write down.
 */
#define TZ_OS_SIGSTACK_ABOVE ((size_t)12 << 10)
typedef struct tz_os_sigstack {
    char *lo;
    size_t size;
    void *above;  /* atomic: from NULL once; zero at first; aligned to the page */
    void *old_lo; /* what the thread had before */
    size_t old_size;
    int old_flags;
    bool on;
} tz_os_sigstack;

/* The calling thread's handlers run on s, unless keep is set and it has an alternate stack already. Without
 * memory for one (lo and above are NULL) nothing changes: they run where the signal finds the thread. */
void tz_os_sigstack_on(tz_os_sigstack *s, bool keep);
/* The calling thread, which is not on s, has what it had before; s can be another thread's. A stack that the
 * program has put in the place of s stays. */
void tz_os_sigstack_off(tz_os_sigstack *s);

/* sigaction.c */
typedef void tz_os_handler(int sig, siginfo_t *info, void *context);

/* A disposition that was found: what a handler is asked for beside. */
typedef struct tz_os_action {
    uintptr_t handler; /* SIG_DFL, SIG_IGN or a function's address; atomic, since SA_RESETHAND clears it */
    unsigned flags;
    sigset_t mask;
} tz_os_action;

/* fn handles sig from here on, on the alternate stack, calls being restarted, with the signals of mask
 * blocked meanwhile, not sig itself unless it is one of them. */
void tz_os_signal_handle(int sig, tz_os_handler *fn, const sigset_t *mask);
/* The disposition of sig; flags include SA_SIGINFO for a handler of tz_os_handler's form. */
tz_os_action tz_os_signal_action(int sig);
/* Puts a disposition back. */
void tz_os_signal_restore(int sig, const tz_os_action *action);
/* Whether a handler is there, neither the default nor ignored. */
bool tz_os_action_is_handler(const tz_os_action *action);
/* In a handler: calls another as the kernel would have, with its mask, and once only where SA_RESETHAND
 * says so. False: there is none (any more). */
bool tz_os_action_call(tz_os_action *action, int sig, siginfo_t *info, void *context);

/*
 * In a handler of sig: the process dies of it, with a core, as soon as the
 * handler has returned, where the thread was when the signal came, and the
 * core says what the kernel said. What a handler can't survive (an init
 * process) ends it at once, exit code 128 + sig.
 */
void tz_os_signal_die(int sig, siginfo_t *info);
/* Dies of sig at once. */
TZ_NORETURN void tz_os_signal_die_now(int sig);

/* In a handler: the same signal comes once more, to this thread, when the handler has returned. */
void tz_os_signal_again(int sig, siginfo_t *info);

/* The calling thread has these blocked, and no others. */
void tz_os_signals_mask(const sigset_t *mask);

/* Sends sig to a thread of this process; 0 or a negative errno (-ESRCH: it has ended). */
int tz_os_signal_thread(int tid, int sig);

#endif /* TZ_OS_SIGNAL_H */
