/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ways out: tuza_exit, main's return, exit() and what libc does without
 * it. docs/exit.md has the reasons.
 *
 * Whoever exits takes exithook's turn, runs the hooks, and keeps the turn: so
 * it is the first whose code counts, and all others wait for good before libc
 * has seen them. Then it stops the world (sched/ending.c) and calls libc's
 * exit.
 *
 * exit() itself is ours, where the dynamic linker finds our symbol first. An
 * exit that bypasses it (a return from C's main, err(), a program linked
 * statically as a whole, a library loaded with its own copy of tuza) is seen
 * by a handler of libc's exit, too late to stop it: handlers registered after
 * ours have run by then, and its thread is in libc's exit already. It may
 * come to the handler while another runs the hooks. Two threads must not both
 * go on in libc's exit: it is not made for that, and newer glibcs let one
 * wait for ever for the other. So `in_libc` is claimed, once:
 *
 *  - by the handler first: it waits until the hooks are through. Who ran
 *    them finds the claim, leaves its code and waits for good; the handler's
 *    thread goes on in its stead, with that code.
 *  - by who ran the hooks first: the handler's thread goes on with that code,
 *    and the other may find itself waiting for it inside libc.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fatal.h"
#include "exithook/exithook.h"
#include "os/os.h"
#include "panic/panic.h"
#include "rt/exit.h"
#include "sched/sched.h"
#include "tuza/go.h"
#include "tuza/panic.h"

#define THREAD ((uint64_t)1 << 63)

static tz_waitline line; /* for the turn */
static tz_waitline late; /* the thread whose exit bypassed ours, for the turn or the hooks' end */

static uint32_t in_libc; /* atomic, by CAS from 0; acq_rel publishes exit_code */
static uint32_t handed;  /* release: the thread in libc's exit shall go on with exit_code */
static int exit_code;    /* of who ran the hooks; written once */
static bool pinned;      /* with the turn: the goroutine that runs the hooks is locked to its thread for it */
static uint64_t ender;   /* atomic: who goes on in libc's exit; 0: nobody yet */
static uint32_t listening; /* atomic: 1: the handler is registered */

/* This thread runs hooks, or shall, and is no goroutine; it may come to have an M in a hook. */
static __thread bool as_thread __attribute__((tls_model("initial-exec")));
static int bypass_code; /* of the thread whose exit bypassed ours: its own */

/* This thread's exit bypassed ours: until the hooks are through. That is one thread all the time: a goroutine
 * waits for its turn as the thread that it is on (give_way), is locked to that with the turn in hand, and
 * waits for nothing between a hook's end that unlocks it and the next wait. */
static __thread bool bypassed __attribute__((tls_model("initial-exec")));

/* A foreign thread, even one that has an M, waits as what it is. */
static bool is_goroutine(void)
{
    const tz_m *m = tz_self();
    return m != &tz_nobody && !m->foreign;
}

/* The goroutine's id, or the thread's. Not inlined: who asks again may have changed threads. */
static TZ_NOINLINE uint64_t caller(void)
{
    uint64_t id = as_thread ? 0 : tuza_goid();
    return id ? id : THREAD | (uint64_t)tz_os_tid();
}

/* In a child of fork whose parent had goroutines: they, and what the hooks are about, are the parent's. */
static bool forked(void)
{
    return tz_load_relaxed(&tz_sched.started) == TZ_STARTED_GONE;
}

static bool is_late(void)
{
    return tz_exithook_busy() && !tz_load_acquire(&handed);
}

static void pin(void)
{
    if (!is_goroutine())
        return;
    tz_m *m = tz_enter();
    tz_lockosthread_internal(m);
    pinned = true;
    tz_leave(m);
}

static void unpin(void)
{
    if (!pinned)
        return;
    tz_m *m = tz_enter();
    pinned = false;
    tz_unlockosthread_internal(m);
    tz_leave(m);
}

TZ_NORETURN static void go_on_in_libc(int code)
{
    tz_store_relaxed(&ender, caller());
    tz_end_world();
    unpin();
    tz_os_exit(code);
}

static void give_way(void)
{
    if (bypassed) {
        /* As a thread, even on a goroutine: libc's exit goes on where it began. */
        tz_waitline_sleep(&late, is_late);
        if (tz_load_acquire(&handed)) {
            pin();
            go_on_in_libc(exit_code);
        }
    } else if (is_goroutine()) {
        tz_waitline_park(&line, tz_exithook_busy, TZ_WAIT_EXIT);
    } else {
        tz_waitline_sleep(&line, tz_exithook_busy);
    }
}

static void end_in_libc(int code);

/* The turn was given back. One is enough: it gives the turn back in its turn, or ends the process. */
static void turn_is_free(void)
{
    tz_waitline_wake(&late);
    tz_waitline_wake(&line);
}

static void throw_text(const char *text)
{
    tz_throw(text);
}

static void in_child(void);

/* Before any constructor of the program, which may add a hook, or register handlers of forks. */
static __attribute__((constructor(101))) void wire(void)
{
    tz_os_at_fork(NULL, NULL, in_child);
    tz_exithook_hooks = (tz_exithook_hooks_t){.gosched = give_way, .goid = caller, .throw = throw_text};
}

/* A hook may panic, and there is nobody to whom that matters: throw on top of its frames. Or it ends its
 * goroutine, and what is left of the list is the next one's. */
static void hook_left(void *returned)
{
    if (*(bool *)returned)
        return;
    unpin();
    tz_exithook_left(tuza_recover() != NULL);
    turn_is_free();
    if (bypassed) { /* libc's exit can't be left: only the hook ends */
        end_in_libc(bypass_code);
        tz_os_exit(bypass_code);
    }
}

static void call_hook(void (*fn)(void *), void *arg)
{
    bool returned = false;
    TUZA_DEFER(hook_left, &returned);
    tz_panic_call(fn, arg);
    returned = true;
}

static void run_hooks(int code, bool on_this_thread)
{
    as_thread |= !is_goroutine();
    tz_exithook_begin();
    /* After the wait, which would cost each of a thousand goroutines that exit a thread of its own. */
    if (on_this_thread)
        pin();
    tz_exithook_run(code, call_hook);
}

TZ_NORETURN static void wait_for_good(void)
{
    if (is_goroutine())
        tz_park_forever(tz_enter_movable(), TZ_WAIT_EXIT);
    for (;;)
        tz_os_sleep_until(TZ_OS_FOREVER);
}

TZ_NORETURN static void end(int code, bool on_this_thread)
{
    if (forked() || tz_load_relaxed(&ender) == caller()) /* or in a handler of libc's exit */
        tz_os_exit(code);
    run_hooks(code, on_this_thread);
    exit_code = code;
    uint32_t free = 0;
    if (tz_cas_acq_rel(&in_libc, &free, 1))
        go_on_in_libc(code);
    unpin();
    tz_store_release(&handed, 1); /* pairs with the look under the line's lock, and after it */
    tz_waitline_wake(&late);
    wait_for_good();
}

static bool inside_the_runtime(void)
{
    tz_m *m = tz_self_m;
    return m != &tz_nobody && ((m->seq & 1) || m->g == m->g0);
}

/* The thread is in libc's exit; when this returns, that may go on. */
static void end_in_libc(int code)
{
    bypassed = true;
    bypass_code = code;
    run_hooks(code, true);
    bypassed = false;
    tz_store_relaxed(&ender, caller());
    tz_end_world();
    unpin();
}

/* Called by libc's exit, whoever called that. */
static void at_libc_exit(int code, void *unused)
{
    (void)unused;
    if (forked() || inside_the_runtime() || tz_load_relaxed(&ender) == caller())
        return;
    uint32_t free = 0;
    if (!tz_cas_acq_rel(&in_libc, &free, 1))
        tz_os_exit(exit_code);
    end_in_libc(code);
}

/* Whoever exits or waited is in the parent. */
static void in_child(void)
{
    line = late = (tz_waitline){.first = NULL};
    in_libc = handed = 0;
    ender = 0;
    pinned = as_thread = bypassed = false;
    tz_exithook_forked();
}

int tz_exit_listen(void)
{
    uint32_t no = 0;
    if (!tz_cas_acq_rel(&listening, &no, 1))
        return 0;
    int err = tz_os_at_exit(at_libc_exit);
    if (err < 0)
        tz_store_relaxed(&listening, 0);
    return err;
}

void tz_exit_main(int code)
{
    end(code, false);
}

void tuza_exit(int code)
{
    if (inside_the_runtime())
        tz_attach(); /* throws */
    end(code, false);
}

/* Weak: where libc is linked statically its own has the name, and the handler has to do. Where a signal has
 * interrupted the runtime and its handler exits, no hook can run. */
__attribute__((weak, visibility("default"))) void exit(int code)
{
    if (inside_the_runtime())
        tz_os_exit(code);
    end(code, true);
}

int tuza_exit_hook_add(void (*fn)(void *), void *arg, bool run_on_failure)
{
    if (!fn)
        return -EINVAL;
    if (forked())
        return -ECANCELED;
    int err = tz_exit_listen();
    if (err == 0) {
        err = tz_exithook_add(fn, arg, run_on_failure);
        turn_is_free();
    }
    return err;
}

int tuza_exit_hook_remove(void (*fn)(void *), void *arg)
{
    if (forked())
        return -ENOENT;
    int err = tz_exithook_remove(fn, arg);
    turn_is_free();
    return err;
}
