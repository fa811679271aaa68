/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which channels want which signals, and the thread that sends to them.
 *
 * Handlers only note down what has come (wanted.c). Sending is done by one
 * thread, tuza-signal, which comes with the first notify and stays: to the
 * scheduler it is a foreign thread that sends without blocking. It does three
 * things besides. It has every wanted signal unblocked, so that one comes in
 * even if all other threads block it. It alone changes what there is, the
 * list of takers, dispositions and its own mask: others ask it, one at a time,
 * and wait for the answer. So nothing here needs a lock, and a channel that
 * was stopped has had its last signal when the answer comes, since what was
 * noted down before is sent before its taker goes. And it outlives goroutines
 * and Ps, so notifications work for plain threads too.
 *
 * The right to ask is `lock`. Without the thread nothing is wanted, and who
 * has the right does for himself what there is to do. The thread starts and
 * ends under the start lock and that right. It takes neither of them, nor
 * anything that a goroutine could hold while it waits here; its sends wait for
 * a P, which sysmon takes from whoever waits for the answer if need be. At the
 * end of the process (sched/ending.c) it may have found its last P: then
 * nobody who still runs may ask.
 */
#include "notify/notify.h"

#include <errno.h>
#include <stdlib.h>

#include "notify/wanted.h"
#include "os/os.h"
#include "panic/panic.h"
#include "sched/sched.h"
#include "signal/signal.h"
#include "tuza/chan.h"
#include "tuza/signal.h"

#define STACK ((size_t)256 << 10) /* a panic's report is written on it: "send on closed channel" */

typedef struct taker {
    struct taker *next;
    tuza_chan *chan; /* with a reference */
    uint64_t signals;
} taker;

enum { NOTIFY, STOP, IGNORE, RESET, END };
typedef struct request {
    int what;
    tuza_chan *chan;
    uint64_t signals;
    taker *fresh; /* NOTIFY: taken (then NULL) if chan has none yet */
    taker *gone;  /* those that want nothing any more, for the asker to free */
} request;

static tz_lock lock;   /* TZ_RANK_NOTIFY: the right to ask */
static bool there;     /* under it: the thread */
static request *asked; /* by who has the right, before `waits`; then the thread's until that is 0 */
static uint32_t waits; /* atomic, a futex: 1: a request is to be answered; each store releases to the other */
static taker *takers;  /* the thread's */

static uint64_t all_wanted(void)
{
    uint64_t set = 0;
    for (const taker *t = takers; t; t = t->next)
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
    tz_os_signals_mask(&mask, NULL);
}

static void deliver(void)
{
    for (uint64_t set = tz_wanted_take(); set; set &= set - 1) {
        int sig = tz_signal_first(set);
        for (const taker *t = takers; t; t = t->next)
            if (t->signals & tz_signal_bit(sig))
                tuza_chan_try_send(t->chan, &sig);
    }
}

static taker *find(const tuza_chan *c)
{
    taker *t = takers;
    while (t && t->chan != c)
        t = t->next;
    return t;
}

static void notify(request *r)
{
    taker *t = find(r->chan);
    if (!t) {
        t = r->fresh;
        r->fresh = NULL;
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

static void drop(request *r, const tuza_chan *only, uint64_t signals)
{
    for (taker **at = &takers, *t; (t = *at);) {
        if (!only || t->chan == only)
            t->signals &= ~signals;
        if (t->signals) {
            at = &t->next;
        } else {
            *at = t->next;
            t->next = r->gone;
            r->gone = t;
        }
    }
}

static void stop(request *r)
{
    const taker *t = find(r->chan);
    if (!t)
        return;
    uint64_t others = 0;
    for (const taker *o = takers; o; o = o->next)
        others |= o != t ? o->signals : 0;
    end(t->signals & ~others, false);
    drop(r, r->chan, t->signals);
}

static void carry_out(request *r)
{
    switch (r->what) {
    case NOTIFY:
        notify(r);
        break;
    case STOP:
        stop(r);
        break;
    case IGNORE:
    case RESET:
    case END:
        end(r->signals, r->what == IGNORE);
        drop(r, NULL, r->signals);
        break;
    }
}

static void loop(void *unused)
{
    (void)unused;
    unblock(0);
    tz_attach_service();
    for (;;) {
        uint32_t kicks = tz_load_acquire(&tz_wanted_kicks); /* before the looks: a later one ends the sleep */
        deliver();
        if (!tz_load_acquire(&waits)) {
            tz_os_futex_wait(&tz_wanted_kicks, kicks, TZ_OS_FOREVER);
            continue;
        }
        bool last = asked->what == END;
        carry_out(asked);
        tz_store_release(&waits, 0);
        tz_os_futex_wake(&waits, 1);
        if (last)
            return;
    }
}

/* With the right to ask. */
static void ask(request *r)
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

static void acquire(void)
{
    tz_lock_acquire(&lock, TZ_RANK_NOTIFY);
}

static void release(void)
{
    tz_lock_release(&lock, TZ_RANK_NOTIFY);
}

/* Whether this is the process's end, with the thread in nobody knows what state. */
static bool is_over(void)
{
    return tz_load_relaxed(&tz_sched.ending) != NULL;
}

static void forget(taker *t)
{
    for (taker *next; t; t = next) {
        next = t->next;
        tuza_chan_unref(t->chan);
        free(t);
    }
}

/* In the last tuza_stop. */
static void stop_all(void)
{
    request r = {.what = END, .signals = tz_wanted_possible()};
    acquire();
    ask(&r);
    there = false;
    release();
    forget(r.gone);
}

/*
 * A fork: between it and what the child makes of the dispositions no handler
 * of ours may run there. The forking thread takes its signals afterwards, all
 * others as ever. The child has no takers; references to their channels stay,
 * since there is nobody to wait for who uses them.
 */
static void fork_hook(int when)
{
    static sigset_t mask;
    static bool held;
    if (when == TZ_FORK_PREPARE) {
        held = !is_over();
        if (held)
            acquire();
        sigset_t all;
        sigfillset(&all);
        tz_os_signals_mask(&all, &mask);
        return;
    }
    if (when == TZ_FORK_CHILD) {
        tz_wanted_forked();
        for (taker *t = takers, *next; t; t = next) {
            next = t->next;
            free(t);
        }
        takers = NULL;
        there = false;
        waits = 0;
    }
    if (held)
        release();
    tz_os_signals_mask(&mask, NULL);
}

/* Under the start lock. */
static int start(void)
{
    tz_os_signals_awaited();
    tz_sched_hooks.fork = fork_hook;
    tz_sched_hooks.last_stop = stop_all;
    acquire();
    int err = there ? 0 : tz_os_thread_start(loop, NULL, STACK, "tuza-signal");
    there |= err == 0;
    release();
    return err;
}

/* The set that (signals, n) stands for; false: a number is no signal that could be had. */
static bool set_of(const int *signals, size_t n, uint64_t *set)
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

int tuza_signal_notify(tuza_chan *c, const int *signals, size_t n)
{
    request r = {.what = NOTIFY, .chan = c};
    if (!c)
        tz_panic_outside("os/signal: Notify using nil channel");
    if (tuza_chan_elem_size(c) != sizeof(int))
        tz_panic_outside("tuza: elements of a channel for signals must be int");
    if (!set_of(signals, n, &r.signals))
        return -EINVAL;
    if (is_over())
        return -ECANCELED;
    int saved = errno;
    r.fresh = malloc(sizeof *r.fresh);
    errno = saved;
    if (!r.fresh)
        return -ENOMEM;
    *r.fresh = (taker){.chan = tuza_chan_ref(c)};
    int err;
    for (;;) {
        err = tz_sched_want_signals(start);
        if (err < 0)
            break;
        acquire();
        bool runs = there; /* else a tuza_stop was faster */
        if (runs)
            ask(&r);
        release();
        if (runs)
            break;
    }
    forget(r.fresh);
    return err;
}

void tuza_signal_stop(tuza_chan *c)
{
    request r = {.what = STOP, .chan = c};
    if (!c || is_over())
        return;
    acquire();
    ask(&r);
    release();
    forget(r.gone);
}

static int change(int what, const int *signals, size_t n)
{
    request r = {.what = what};
    if (!set_of(signals, n, &r.signals))
        return -EINVAL;
    if (is_over())
        return -ECANCELED;
    acquire();
    ask(&r);
    release();
    forget(r.gone);
    return 0;
}

int tuza_signal_ignore(const int *signals, size_t n)
{
    int err = tz_sched_want_signals(NULL);
    return err < 0 ? err : change(IGNORE, signals, n);
}

int tuza_signal_reset(const int *signals, size_t n)
{
    return change(RESET, signals, n);
}

bool tuza_signal_ignored(int sig)
{
    uint64_t set;
    if (!set_of(&sig, 1, &set))
        return false;
    bool over = is_over();
    if (!over)
        acquire();
    bool ignored = tz_wanted_ignored(sig);
    if (!over)
        release();
    return ignored;
}

void tz_notify_handle_signals(bool on)
{
    acquire();
    tz_signal_handle(on);
    if (on)
        tz_wanted_adopt();
    release();
}
