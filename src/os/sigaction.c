/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dispositions of signals, and signals to one thread.
 *
 * Handlers are installed through libc, which knows the way back from them and
 * through which the sanitizers see them. What is done in a handler goes to
 * the kernel itself.
 */
#include <pthread.h>
#include <string.h>

#include "base/atomic.h"
#include "os/os.h"
#include "os/signal.h"
#include "os/sys.h"

/* The kernel's sets are the first word of libc's. */
#define SET_SIZE sizeof(uint64_t)

static void set_mask(const sigset_t *new, sigset_t *old)
{
    (void)tz_sys(SYS_rt_sigprocmask, SIG_SETMASK, new, old, SET_SIZE);
}

void tz_os_signals_mask(const sigset_t *mask)
{
    set_mask(mask, NULL);
}

void tz_os_signal_handle(int sig, tz_os_handler *fn, const sigset_t *mask)
{
    int saved = errno;
    struct sigaction act = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER, .sa_mask = *mask};
    act.sa_sigaction = fn;
    sigaction(sig, &act, NULL);
    errno = saved;
}

tz_os_action tz_os_signal_action(int sig)
{
    int saved = errno;
    struct sigaction act;
    memset(&act, 0, sizeof act);
    sigaction(sig, NULL, &act);
    errno = saved;
    uintptr_t handler = act.sa_flags & SA_SIGINFO ? (uintptr_t)act.sa_sigaction : (uintptr_t)act.sa_handler;
    return (tz_os_action){handler, (unsigned)act.sa_flags, act.sa_mask};
}

void tz_os_signal_restore(int sig, const tz_os_action *action)
{
    int saved = errno;
    struct sigaction act = {.sa_flags = (int)action->flags, .sa_mask = action->mask};
    uintptr_t handler = tz_load_relaxed(&action->handler);
    if (action->flags & SA_SIGINFO)
        act.sa_sigaction = (tz_os_handler *)handler;
    else
        act.sa_handler = (void (*)(int))handler;
    sigaction(sig, &act, NULL);
    errno = saved;
}

bool tz_os_action_is_handler(const tz_os_action *action)
{
    uintptr_t handler = tz_load_relaxed(&action->handler);
    return handler != (uintptr_t)SIG_DFL && handler != (uintptr_t)SIG_IGN;
}

bool tz_os_action_call(tz_os_action *action, int sig, siginfo_t *info, void *context)
{
    uintptr_t handler = tz_load_relaxed(&action->handler);
    do {
        if (handler == (uintptr_t)SIG_DFL || handler == (uintptr_t)SIG_IGN)
            return false;
    } while ((action->flags & SA_RESETHAND) &&
             !tz_cas_relaxed(&action->handler, &handler, (uintptr_t)SIG_DFL));
    /* The mask at the interruption, and what the handler asks for: not what ours asks for. */
    sigset_t mask, ours;
    sigemptyset(&mask);
    memcpy(&mask, &((ucontext_t *)context)->uc_sigmask, SET_SIZE);
    sigorset(&mask, &mask, &action->mask);
    if (!(action->flags & SA_NODEFER))
        sigaddset(&mask, sig);
    set_mask(&mask, &ours);
    if (action->flags & SA_SIGINFO)
        ((tz_os_handler *)handler)(sig, info, context);
    else
        ((void (*)(int))handler)(sig);
    set_mask(&ours, NULL);
    return true;
}

/* The kernel's record of the default action is all zero. */
static void set_default(int sig)
{
    static const uint64_t zero[8];
    (void)tz_sys(SYS_rt_sigaction, sig, zero, NULL, SET_SIZE);
}

void tz_os_signal_die(int sig, siginfo_t *info)
{
    if (getpid() == 1) /* the kernel spares it */
        tz_os_exit_now(128 + sig);
    set_default(sig);
    /* Pending until the handler's end; the mask of the place interrupted, where it was not blocked, is back
     * then. */
    sigset_t mask;
    sigemptyset(&mask);
    set_mask(NULL, &mask);
    sigaddset(&mask, sig);
    set_mask(&mask, NULL);
    tz_os_signal_again(sig, info);
}

void tz_os_signal_again(int sig, siginfo_t *info)
{
    int tid = tz_os_tid();
    if (tz_sys(SYS_rt_tgsigqueueinfo, getpid(), tid, sig, info) != 0)
        (void)tz_os_signal_thread(tid, sig);
}

void tz_os_signal_die_now(int sig)
{
    set_default(sig);
    sigset_t only;
    sigfillset(&only);
    sigdelset(&only, sig);
    set_mask(&only, NULL);
    (void)tz_os_signal_thread(tz_os_tid(), sig);
    tz_os_exit_now(128 + sig);
}

int tz_os_signal_thread(int tid, int sig)
{
    return (int)tz_sys(SYS_tgkill, getpid(), tid, sig);
}
