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
 * stopper (sched.idle_seq), which looks under the same lock. Then template,
 * sysmon and their like end at their next look, and each M when it comes to rest
 * (sched.stopping), and all of them are joined. The Ps, stacks and Gs stay,
 * nobody's, for the next start.
 */
#include <errno.h>

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
    int procs = custom ? o->max_procs : tz_procs_default(&custom);
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
    if (err == 0)
        tz_sched.embedded++;
    if (err == 0 && tz_sched.embedded == 1) {
        in_force = *o;
        if (handles_signals())
            signals(true);
    }
    tz_lock_release(&tz_sched.start_lock, TZ_RANK_START);
    return err;
}

/* Waits until nothing is left, or the deadline; under start_lock, which it lets go of meanwhile. */
static bool wait_for_none(int64_t deadline)
{
    for (;;) {
        tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
        bool none = tuza_num_goroutine() == 0 && tz_load_relaxed(&tz_sched.nwaiting) == 0;
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
        if (tz_sched.embedded != 1) /* another start came, or another stop was faster */
            return true;
        if (deadline != TZ_OS_FOREVER && tz_os_now() >= deadline)
            return tuza_num_goroutine() == 0 && tz_load_relaxed(&tz_sched.nwaiting) == 0;
    }
}

/* Under start_lock, with nothing left. */
static void end_threads(void)
{
    if (tz_sched.threads == 0)
        return;
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_store_relaxed(&tz_sched.stopping, 1);
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
    tz_netpoll_close();
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
    tz_store_relaxed(&tz_sched.had_goroutines, 0);
    tz_store_relaxed(&tz_sched.threads, 0);
    tz_procs_flush(); /* the next goroutine asks for threads where it finds nothing cached */
}

static void end_all(void)
{
    if (tz_sched_hooks.last_stop)
        tz_sched_hooks.last_stop();
    end_threads();
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
    } else if (tz_sched.embedded == 1 && !tz_sched.ran) {
        if (!wait_for_none(when ? when : TZ_OS_FOREVER))
            err = -ETIMEDOUT;
        else if (tz_sched.embedded == 1)
            end_all();
    }
    if (err == 0 && tz_sched.embedded && --tz_sched.embedded == 0 && handles_signals())
        signals(false);
    tz_lock_release(&tz_sched.start_lock, TZ_RANK_START);
    return err;
}
