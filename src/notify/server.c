/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread that sends signals, tuza-signal, and the list of those who want
 * some.
 *
 * Handlers only note down what has come (wanted.c). Sending is done by one
 * thread, which comes with the first that wants a signal, and stays: to the
 * scheduler it is a foreign thread that sends without blocking, or cancels a
 * context. It does two things besides. It has every wanted signal unblocked,
 * so that one comes in even if all other threads block it. And it alone
 * changes what there is, the list of takers, dispositions and its own mask:
 * others ask it, one at a time, and wait for the answer. So nothing here
 * needs a lock, and a channel that was stopped has had its last signal when
 * the answer comes, since what was noted down before is sent before its taker
 * goes. It outlives goroutines and Ps: plain threads get their signals too.
 *
 * The right to ask is `lock`. Without the thread nothing is wanted, and who
 * has the right does for himself what there is to do. The thread starts and
 * ends under the start lock and that right. It takes neither of them, nor
 * anything that a goroutine could hold while it waits here; its sends wait for
 * a P, which sysmon takes from whoever waits for the answer if need be. At the
 * end of the process (sched/ending.c) it may wait for one that never comes:
 * then nobody who still runs may ask.
 *
 * A context that is cancelled here may drop last references, with functions of
 * the program's that make requests: these are carried out at once, in the
 * middle of whatever this thread does. So deliver marks what is due first and
 * keeps nothing in hand across such a call, and nobody who calls deliver does.
 */
#include "notify/server.h"

#include <errno.h>
#include <stdlib.h>

#include "notify/wanted.h"
#include "os/os.h"
#include "sched/sched.h"
#include "signal/signal.h"

#define STACK ((size_t)256 << 10) /* a panic's report is written on it: "send on closed channel" */

static tz_lock lock;      /* TZ_RANK_NOTIFY: the right to ask */
static bool there;        /* under it: the thread */
static tz_m *server;      /* atomic: its M; set and cleared by itself */
static tz_request *asked; /* by who has the right, before `waits`; then the thread's until that is 0 */
static uint32_t waits; /* atomic, a futex: 1: a request is to be answered; each store releases to the other */
static tz_taker *takers; /* the thread's */

static uint64_t all_wanted(void)
{
    uint64_t set = 0;
    for (const tz_taker *t = takers; t; t = t->next)
        set |= t->signals;
    return set;
}

/* Everything but faults is blocked on this thread, and what is wanted. */
static void unblock(uint64_t set)
{
    sigset_t mask;
    tz_signal_mask(&mask);
    for (; set; set &= set - 1)
        sigdelset(&mask, tz_signal_first(set));
    tz_os_signals_mask(&mask);
}

/* One of those that are due; false: there is none. */
static bool deliver_one(void)
{
    tz_taker *t = takers;
    while (t && !t->due)
        t = t->next;
    if (!t)
        return false;
    int sig = tz_signal_first(t->due);
    t->due &= t->due - 1;
    if (t->chan) {
        tuza_chan_try_send(t->chan, &sig);
    } else {
        tuza_context *ctx = tuza_context_ref(t->ctx);
        tuza_context_cancel_cause(ctx, sig);
        tuza_context_unref(ctx);
    }
    return true;
}

static void deliver(void)
{
    uint64_t set = tz_wanted_take();
    if (!set)
        return;
    for (tz_taker *t = takers; t; t = t->next)
        t->due |= set & t->signals;
    while (deliver_one())
        ;
}

static void notify(tz_request *r)
{
    tz_taker *t = takers;
    while (t && !(t->chan && t->chan == r->taker->chan))
        t = t->next;
    if (!t) {
        t = r->taker;
        r->taker = NULL;
        t->next = takers;
        takers = t;
    }
    t->signals |= r->signals;
    tz_wanted_begin(r->signals);
    unblock(all_wanted());
}

/* The signals of `lost` are to be wanted no more. What has come is sent to all that wanted it so far; on this
 * thread they are blocked before their disposition is the program's business again. */
static void end(uint64_t lost, bool ignore)
{
    if (there)
        unblock(all_wanted() & ~lost);
    tz_wanted_end(lost, ignore);
    deliver();
}

static bool is_meant(const tz_request *r, const tz_taker *t)
{
    return r->what != TZ_ASK_STOP || (r->chan ? t->chan == r->chan : t == r->taker);
}

/* Those that are meant want these no more. */
static void drop(tz_request *r, uint64_t signals)
{
    for (tz_taker **at = &takers, *t; (t = *at);) {
        if (is_meant(r, t)) {
            t->signals &= ~signals;
            t->due &= ~signals;
        }
        if (t->signals) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        if (t->chan) {
            t->next = r->gone;
            r->gone = t;
        }
    }
}

static void stop(tz_request *r)
{
    uint64_t own = 0, others = 0;
    for (const tz_taker *t = takers; t; t = t->next)
        *(is_meant(r, t) ? &own : &others) |= t->signals;
    if (!own)
        return;
    end(own & ~others, false);
    drop(r, ~(uint64_t)0);
}

static void carry_out(tz_request *r)
{
    switch (r->what) {
    case TZ_ASK_NOTIFY:
        notify(r);
        break;
    case TZ_ASK_STOP:
        stop(r);
        break;
    case TZ_ASK_IGNORE:
    case TZ_ASK_RESET:
    case TZ_ASK_END:
        end(r->signals, r->what == TZ_ASK_IGNORE);
        drop(r, r->signals);
        break;
    }
}

static void loop(void *unused)
{
    (void)unused;
    unblock(0);
    tz_attach_service();
    tz_store_relaxed(&server, tz_self_m);
    for (;;) {
        uint32_t kicks = tz_load_acquire(&tz_wanted_kicks); /* before the looks: a later one ends the sleep */
        deliver();
        if (!tz_load_acquire(&waits)) {
            tz_os_futex_wait(&tz_wanted_kicks, kicks, TZ_OS_FOREVER);
            continue;
        }
        bool last = asked->what == TZ_ASK_END;
        carry_out(asked);
        if (last)
            tz_store_relaxed(&server, NULL); /* the M may become another thread's */
        tz_store_release(&waits, 0);
        tz_os_futex_wake(&waits, 1);
        if (last)
            return;
    }
}

/* With the right to ask. */
static void ask(tz_request *r)
{
    if (!there) {
        carry_out(r);
        return;
    }
    asked = r;
    tz_store_release(&waits, 1);
    tz_wanted_kick();
    while (tz_load_acquire(&waits))
        tz_os_futex_wait(&waits, 1, TZ_OS_FOREVER);
}

/* A function of the program's that was called by the thread. */
static bool is_server(void)
{
    return tz_self_m != &tz_nobody && tz_self_m == tz_load_relaxed(&server);
}

bool tz_server_lock(void)
{
    /* At the process's end the thread is in nobody knows what state. */
    if (is_server() || tz_load_relaxed(&tz_sched.ending))
        return false;
    tz_lock_acquire(&lock, TZ_RANK_NOTIFY);
    return true;
}

void tz_server_unlock(void)
{
    tz_lock_release(&lock, TZ_RANK_NOTIFY);
}

int tz_server_ask(tz_request *r)
{
    if (is_server()) {
        carry_out(r);
        return 0;
    }
    if (!tz_server_lock())
        return -ECANCELED;
    int err = r->what == TZ_ASK_NOTIFY && !there ? -EAGAIN : 0;
    if (err == 0)
        ask(r);
    tz_server_unlock();
    return err;
}

void tz_server_forget(tz_taker *t)
{
    for (tz_taker *next; t; t = next) {
        next = t->next;
        tuza_chan_unref(t->chan);
        free(t);
    }
}

/* In the last tuza_stop. */
static void stop_all(void)
{
    tz_request r = {.what = TZ_ASK_END, .signals = tz_wanted_possible()};
    tz_lock_acquire(&lock, TZ_RANK_NOTIFY);
    ask(&r);
    there = false;
    tz_server_unlock();
    tz_server_forget(r.gone);
}

/* The child has no takers. References to channels stay: who used them may have been in the middle of it. */
static void forget_all(void)
{
    for (tz_taker *t = takers, *next; t; t = next) {
        next = t->next;
        if (t->chan)
            free(t);
    }
    takers = NULL;
    server = NULL;
    there = false;
    waits = 0;
}

/* Around a fork. A signal that comes to the child before it is here finds a handler that knows itself to be
 * in another process (wanted.c). */
static void fork_hook(int when)
{
    static bool locked;
    if (when == TZ_FORK_PREPARE) {
        locked = tz_server_lock();
        return;
    }
    if (when == TZ_FORK_CHILD) {
        tz_wanted_forked();
        forget_all();
    }
    if (locked)
        tz_server_unlock();
}

/* Under the start lock. */
static int start(void)
{
    tz_os_signals_awaited();
    tz_sched_hooks.fork = fork_hook;
    tz_sched_hooks.last_stop = stop_all;
    tz_lock_acquire(&lock, TZ_RANK_NOTIFY);
    int err = there ? 0 : tz_os_thread_start(loop, NULL, STACK, "tuza-signal");
    there |= err == 0;
    tz_server_unlock();
    return err;
}

int tz_server_start(void)
{
    if (is_server())
        return 0;
    return tz_load_relaxed(&tz_sched.ending) ? -ECANCELED : tz_sched_want_signals(start);
}

bool tz_server_set(const int *signals, size_t n, uint64_t *set)
{
    uint64_t possible = tz_wanted_possible();
    *set = n ? 0 : possible;
    for (size_t i = 0; i < n; i++) {
        if (!signals || signals[i] < 1 || signals[i] > TZ_SIGNALS || !(possible & tz_signal_bit(signals[i])))
            return false;
        *set |= tz_signal_bit(signals[i]);
    }
    return true;
}
