/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of the process, as far as goroutines go: the exit hooks are
 * through, and what follows (atexit handlers, C++ destructors, stdio) shall
 * find nobody at work on what it takes apart.
 *
 * The world is stopped and stays so (stw.c): gcwaiting is never cleared, and
 * nobody who would stop or start it gets the right to any more. Goroutines
 * in user code run on until their next call, where they queue for a P that
 * never comes. The one that exits keeps its P, since handlers may call tuza
 * too: unlock, close, start, even sleep. Whom it wakes or starts must not
 * run, so
 *
 *  - it never hands the P off (tz_leave_slow), and nobody robs it;
 *  - every entry of its M takes the slow way (the SLOW bit), which empties
 *    the P's queue of what the last call put there;
 *  - its P's next switch is always the one at which tz_next finds nothing
 *    (fair_at), so that where it parks it comes to its g0;
 *  - on g0, findrunnable (tz_stoplockedm, where the goroutine is locked to
 *    its thread) finds this M to be sched.ending: tz_ending_next runs timers,
 *    the only thing that can still wake it, until its own goroutine is
 *    runnable. If no timer is left, then it never will be: a deadlock.
 *
 * What is queued is not freed: it is the process's end.
 */
#include "os/os.h"
#include "sched/netpoll.h"
#include "sched/proc.h"
#include "sched/retake.h"
#include "sched/sched.h"
#include "tuza/go.h"

/* No other M has a P: nobody steals. */
static void drop_queue(tz_p *p)
{
    tz_store_relaxed(&p->runnext, NULL);
    tz_store_relaxed(&p->runq_head, p->runq_tail);
    p->fair_at = p->switches;
}

tz_m *tz_ending_enter(tz_m *m)
{
    tz_retake_answer(m);
    tz_retake_clear(m); /* a wish that it give way */
    drop_queue(m->p);
    return m;
}

tz_work *tz_ending_next(tz_m *m)
{
    tz_g *g = tz_sched.ending_g;
    for (;;) {
        drop_queue(m->p); /* nobody else empties it: there shall be room for what timers make runnable */
        tz_timers_run_all(m, tz_os_now());
        if (tz_load_relaxed(&g->status) == TZ_G_RUNNABLE)
            break;
        int64_t due = tz_timers_next();
        bool polls = tz_netpoll_waiters() != 0; /* for it, or for one that will not run again */
        if ((due == INT64_MAX && !polls) || tz_load_relaxed(&g->status) != TZ_G_WAITING)
            tz_report_deadlock();
        tz_workq ready = {NULL, NULL};
        if (polls)
            tz_netpoll(m, due, &ready);
        else
            tz_os_sleep_until(due);
    }
    drop_queue(m->p);
    return tz_work_of_g(g);
}

static void stay_slow(tz_m *m)
{
    uint32_t w = tz_load_relaxed(&m->retake);
    while (!tz_cas_acq_rel(&m->retake, &w, w | TZ_RETAKE_SLOW))
        ;
}

static bool try_end(void)
{
    tz_m *m = tz_enter();
    bool mine = tz_stw_try();
    if (mine) {
        tz_stop_the_world(m);
        tz_sched.ending_g = m->g;
        stay_slow(m);
        tz_store_release(&tz_sched.ending, m); /* pairs with the looks of Ms that rest or come to */
        tz_netpoll_break();                    /* what comes is for m alone */
        tz_stw_release();
    }
    tz_leave(m);
    return mine;
}

void tz_end_world(void)
{
    if (tz_load_acquire(&tz_sched.started) == TZ_STARTED_GONE)
        return; /* nothing to stop */
    if (tz_load_relaxed(&tz_sched.started) == TZ_STARTED_NOT) {
        if (tz_os_thread_count() == 1)
            return;
        tz_need_runtime(); /* or another thread would bring it to life behind our back */
    }
    if (tz_self_m == &tz_nobody)
        tz_attach();
    while (!try_end())
        tuza_gosched();
}
