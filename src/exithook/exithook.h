/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of exit hooks, and the turn to run them.
 *
 * Knows three functions of the runtime, wired at start, and nothing else of
 * it; the runtime below does not know this module. What catches a hook that
 * panics or ends its goroutine is its user's (rt/exit.c): this side is told.
 */
#ifndef TZ_EXITHOOK_H
#define TZ_EXITHOOK_H

#include "base/base.h"

typedef struct tz_exithook_hooks_t {
    /* Lets others go on until tz_exithook_busy may have become false. May return early. */
    void (*gosched)(void);
    /* Who calls: never 0, and the same for as long as a hook runs. */
    uint64_t (*goid)(void);
    /* Ends the process: a fatal error. */
    void (*throw)(const char *text);
} tz_exithook_hooks_t;
extern tz_exithook_hooks_t tz_exithook_hooks;

/* 0, -ENOMEM, -ECANCELED: the hooks are through. Waits while another caller runs hooks; in a hook it does
 * not, and the new one runs next. */
int tz_exithook_add(void (*fn)(void *), void *arg, bool run_on_failure);
/* Takes back the one added last of those with this fn and arg. 0, -ENOENT. Waits as add. */
int tz_exithook_remove(void (*fn)(void *), void *arg);

/* Takes the turn to run hooks. Throws where the caller runs them already. */
void tz_exithook_begin(void);
/* With the turn: has what is on the list called, the last added first; where code is not 0, those with
 * run_on_failure, and the others are dropped. The turn is not given back: who comes later waits for good. */
void tz_exithook_run(int code, void (*call)(void (*fn)(void *), void *arg));
/* Said by `call`, in a deferred function: a hook did not return. It panicked: throws. It ended its
 * goroutine: the turn is free again, what is still on the list waits for the next exit. */
void tz_exithook_left(bool panicked);
/* In a child of fork: nobody has the turn. */
void tz_exithook_forked(void);
/* Whether somebody has the turn. */
bool tz_exithook_busy(void);

#endif /* TZ_EXITHOOK_H */
