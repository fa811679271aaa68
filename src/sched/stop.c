/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Embedding: a program or library that keeps its own main says when it wants
 * the runtime (tuza_start), and when every thread of it shall be gone again
 * (tuza_stop). Calls are counted, so that libraries need not know of each
 * other.
 *
 * The last stop waits until nothing is left that could need a thread:
 * goroutines, and foreign threads that are parked in a call. Any of these
 * ends with a P put away as idle, under sched.lock; who does that wakes the
 * stopper (sched.idle_seq), which looks under the same lock. What it sees may
 * be over at once, so it looks again in a stopped world, and closes there
 * (close_if_empty). Then template, sysmon and their like end at their next
 * look, and each M when it comes to rest (sched.stopping), and all of them are
 * joined. The Ps, stacks and Gs stay, nobody's, for the next start. Whoever
 * needs threads meanwhile waits for start_lock, and starts them anew.
 */
#include <errno.h>
#include <limits.h>

#include "base/fatal.h"
#include "os/os.h"
#include "sched/netpoll.h"
#include "sched/proc.h"
#include "sched/sched.h"
#include "sched/traceback.h"
#include "tuza/go.h"

#define MAX_THREADS 10000

static tuza_options in_force; /* lock start */

static int check(const tuza_options *o)
{
    for (size_t i = 0; i < sizeof o->zero / sizeof o->zero[0]; i++)
        if (o->zero[i])
            return -EINVAL;
    if (o->max_procs < 0 || o->max_procs > TZ_PROCS_MAX || o->max_threads < 0 ||
        (o->flags & ~(TUZA_NO_SIGNALS | TUZA_NO_ENV)))
        return -EINVAL;
    int cls = tz_stack_class(o->stack_size);
    return cls < 0 ? cls : 0;
}

static bool same(const tuza_options *a, const tuza_options *b)
{
    return a->stack_size == b->stack_size && a->max_procs == b->max_procs &&
           a->max_threads == b->max_threads && a->flags == b->flags && a->on_crash == b->on_crash &&
           a->arg == b->arg;
}

/* Under start_lock, while no thread of ours runs. */
static void apply(const tuza_options *o)
{
    in_force = *o;
    tz_os_env_ignore(o->flags & TUZA_NO_ENV);
    tz_gotraceback_init();
    tz_fatal_hooks.on_crash_arg = o->arg;
    tz_fatal_hooks.on_crash = o->on_crash;
    if (tz_sched.started == TZ_STARTED_NOT)
        tz_become_ready_locked();
    tz_os_thread_mask_save(); /* of each start anew: it may be another thread's */
    bool custom = o->max_procs > 0;
    int procs = custom && !tz_sched.seeded ? o->max_procs : tz_procs_default(&custom);
    tz_procs_set(procs, custom);
    tz_sched.mlimit = o->max_threads ? (uint32_t)o->max_threads : MAX_THREADS;
    tz_gfree_usual((uint32_t)tz_stack_class(o->stack_size));
}

/* tuza_run installs the handlers for good. */
static bool handles_signals(void)
{
    return !tz_sched.ran && !(in_force.flags & TUZA_NO_SIGNALS);
}

int tz_sched_want_signals(int (*start)(void))
{
    if (start)
        tz_need_runtime();
    tz_lock_acquire(&tz_sched.start_lock, TZ_RANK_START);
    int err = tz_sched.embedded && (in_force.flags & TUZA_NO_SIGNALS) ? -ENOTSUP : 0;
    if (err == 0 && start) {
        err = tz_start_threads_locked();
        if (err == 0)
            err = start();
        if (err == 0)
            tz_store_relaxed(&tz_sched.signalled, 1);
    }
    tz_lock_release(&tz_sched.start_lock, TZ_RANK_START);
    return err;
}

int tz_sched_start(const tuza_options *opts, void (*signals)(bool on))
{
    static const tuza_options defaults;
    const tuza_options *o = opts ? opts : &defaults;
    int err = check(o);
    if (err < 0)
        return err;
    if (tz_load_relaxed(&tz_sched.started) == TZ_STARTED_GONE)
        tz_throw("tuza after fork");
    tz_lock_acquire(&tz_sched.start_lock, TZ_RANK_START);
    /* Where it runs already, by tuza_run or because a goroutine was started, it runs with the defaults. */
    bool runs = tz_sched.embedded || tz_sched.threads;
    if (!runs)
        apply(o);
    else if (!same(o, tz_sched.embedded ? &in_force : &defaults))
        err = -EALREADY;
    if (err == 0 && !runs && tz_timers_next() != INT64_MAX) /* set before the last stop */
        err = tz_start_threads_locked();
    if (err == 0 && ++tz_sched.embedded == 1) {
        in_force = *o;
        if (handles_signals())
            signals(true);
    }
    if (err == 0 && tz_sched.stop_wanted) { /* that is not the last any more */
        tz_store_relaxed(&tz_sched.idle_seq, tz_sched.idle_seq + 1);
        tz_os_futex_wake(&tz_sched.idle_seq, INT_MAX);
    }
    tz_lock_release(&tz_sched.start_lock, TZ_RANK_START);
    return err;
}

static bool is_none(void)
{
    return tuza_num_goroutine() == 0 && tz_load_relaxed(&tz_sched.nwaiting) == 0;
}

/* Whether it looks as if nothing were left; if not, waits until something may have ended, or the deadline.
 * Under start_lock, which it lets go of meanwhile. */
static bool looks_empty(int64_t deadline)
{
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    bool none = is_none();
    uint32_t seq = tz_load_relaxed(&tz_sched.idle_seq);
    tz_sched.stop_wanted += !none;
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    if (none)
        return true;
    tz_lock_release(&tz_sched.start_lock, TZ_RANK_START);
    tz_os_futex_wait(&tz_sched.idle_seq, seq, deadline);
    tz_lock_acquire(&tz_sched.start_lock, TZ_RANK_START);
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_sched.stop_wanted--;
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    return false;
}

static void flush_ps(void)
{
    uint32_t n;
    tz_p **allp = tz_procs(&n);
    for (uint32_t i = 0; i < n; i++)
        tz_gfree_flush(allp[i]);
}

/*
 * Under start_lock: if nothing is left, nothing begins any more until the
 * threads are started anew (tests/models/stop.pml). That is found out and said
 * while no P is held:
 *
 *  - a goroutine begins with a P held, and only where sched.threads is 2, so
 *    it has begun before this or asks for the threads: the call finds
 *    had_goroutines unset and nothing cached, a timer's is left for later
 *    (tz_timers_run);
 *  - a foreign thread that parks has mostly counted itself before it gave its
 *    P up. One that lost it first counts itself, and then looks whether there
 *    are threads (tz_stoplockedm); we take them away and then look whether it
 *    has. With a fence between the two on both sides, one sees the other.
 */
static bool close_if_empty(void)
{
    if (tz_sched.threads == 0)
        return true;
    if (!tz_stw_acquire())
        return false;
    tz_stop_the_world(NULL);
    tz_store_relaxed(&tz_sched.threads, 1);
    tz_fence_store_load();
    bool none = is_none();
    if (none) {
        tz_store_relaxed(&tz_sched.had_goroutines, 0);
        flush_ps();
        tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
        tz_store_relaxed(&tz_sched.stopping, 1);
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    } else {
        tz_store_release(&tz_sched.threads, 2);
    }
    tz_start_the_world(NULL, NULL);
    tz_stw_release();
    return none;
}

/* Not where another thread may be in the middle of using it. One who began to wait for a descriptor while the
 * threads ended goes on when they are there again. */
static void close_netpoll(void)
{
    uint32_t self = tz_self_m != &tz_nobody;
    if (!tz_stw_acquire())
        return;
    tz_stop_the_world(NULL);
    if (tz_netpoll_waiters() == 0 && tz_load_relaxed(&tz_sched.nforeign) == self)
        tz_netpoll_close();
    tz_start_the_world(NULL, NULL);
    tz_stw_release();
}

/* Under start_lock, closed. */
static void end_threads(void)
{
    if (tz_sched.threads == 0)
        return;
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_m *m = tz_midle_take_all_locked();
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    while (m) {
        tz_m *next = m->link;
        tz_wakem(m); /* without a P: the end */
        m = next;
    }
    tz_note_wake(&tz_sched.template_note);
    tz_note_wake(&tz_sched.sysmon_note);
    tz_note_wake(&tz_sched.trace_note);
    tz_note_wake(&tz_sched.blocked_note);
    tz_symbolizer_stop();
    tz_os_threads_join();
    close_netpoll();
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_store_relaxed(&tz_sched.stopping, 0);
    tz_sched.template_threads = 0;
    tz_sched.mwanted = 0;
    tz_sched.sysmon_deep = 0;
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    tz_note_clear(&tz_sched.template_note);
    tz_note_clear(&tz_sched.sysmon_note);
    tz_note_clear(&tz_sched.trace_note);
    tz_note_clear(&tz_sched.blocked_note);
    tz_sched.tracing = tz_sched.watching = false;
    tz_store_relaxed(&tz_sched.threads, 0);
}

/* Under start_lock: the last stop, as long as it is. 0, or -ETIMEDOUT. */
static int stop_all(int64_t deadline)
{
    while (tz_sched.embedded == 1 && !tz_load_relaxed(&tz_sched.ending)) {
        if (looks_empty(deadline)) {
            if (tz_sched_hooks.last_stop)
                tz_sched_hooks.last_stop(); /* may still start something */
            if (close_if_empty()) {
                end_threads();
                return 0;
            }
        } else if (deadline != TZ_OS_FOREVER && tz_os_now() >= deadline && !is_none()) {
            return tz_sched.embedded == 1 ? -ETIMEDOUT : 0;
        }
    }
    return 0;
}

int tz_sched_stop(int64_t when, void (*signals)(bool on))
{
    if (when < 0)
        return -EINVAL;
    if (tz_self_m != &tz_nobody && !tz_self_m->foreign)
        return -EDEADLK; /* a goroutine: it would wait for itself */
    if (tz_load_relaxed(&tz_sched.ending))
        return 0; /* the process ends with them */
    int err = 0;
    tz_lock_acquire(&tz_sched.start_lock, TZ_RANK_START);
    if (tz_sched.embedded == 0) {
        err = -EINVAL;
    } else if (!tz_sched.ran) {
        err = stop_all(when ? when : TZ_OS_FOREVER);
    }
    if (err == 0 && tz_sched.embedded && --tz_sched.embedded == 0 && handles_signals())
        signals(false);
    tz_lock_release(&tz_sched.start_lock, TZ_RANK_START);
    return err;
}
