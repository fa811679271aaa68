/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the runtime does with signals: reports of faults and of SIGQUIT, and
 * the frames of goroutines that run on other threads.
 */
#ifndef TZ_SIGNAL_H
#define TZ_SIGNAL_H

#include "os/signal.h"

/* on: installs the handlers, keeping what was there. Else puts that back, where the handlers are still ours.
 * The two alternate, one thread at a time. */
void tz_signal_handle(bool on);

/* Whether the handler of sig is ours and in its place, and whether it then drops what somebody sends. Not
 * while tz_signal_handle is called. */
bool tz_signal_owns(int sig);
bool tz_signal_drops(int sig);

/* What our handlers block: all but faults. */
void tz_signal_mask(sigset_t *mask);
/* Whether the thread itself has done what the signal is for (a fault), so that it can't just go on. */
bool tz_signal_is_raised(int sig, const siginfo_t *info);

/* Upwards, wired before main; NULL: nobody is there. */
typedef struct tz_signal_hooks_t {
    /* In a handler: whether a signal that was not raised is taken by others, and nothing more shall be done
     * with it. */
    bool (*take)(int sig);
    /* Where the disposition of sig is theirs, what they found in its place. */
    void (*found)(int sig, tz_os_action *action);
} tz_signal_hooks_t;
extern tz_signal_hooks_t tz_signal_hooks;

#endif /* TZ_SIGNAL_H */
