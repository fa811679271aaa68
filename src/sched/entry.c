/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The slow ways into and out of the runtime: an M that was robbed of its P,
 * a yield that is due, a goroutine known to block.
 *
 * A robbed goroutine entering needs a P again. An idle one is taken. With
 * none, calls documented as blocking (and gosched) put the goroutine on the
 * global queue and let the M rest: it comes back on whatever M runs it. Any
 * other call may not move its goroutine to another thread (the program may
 * hold a lock that knows its owner), so its M waits in place and is given a P
 * before the global queue is served.
 *
 * Known blockers. A goroutine that was robbed while it was blocked in the
 * kernel will likely block again. g->leave counts this: 1 and 2 arm sysmon to
 * take the P at its first look, from 3 on the P is handed off at once when
 * the goroutine leaves the runtime. A stretch of user code that turns out
 * short takes one off. A foreign thread (foreign.c) hands its P off always.
 */
#include "base/fatal.h"
#include "os/os.h"
#include "sched/proc.h"
#include "sched/retake.h"
#include "sched/sched.h"

#define HANDOFF_FROM 3
#define LEAVE_MAX    8
#define HOG_FOR      4
#define SHORT_NS     20000

/* After-switch action: the G that was left goes to the global queue. */
static void requeue(tz_m *m, void *arg)
{
    (void)m;
    tz_m *wake = NULL;
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_globq_put(tz_work_of_g(arg));
    /* The idle list was empty when this began; it may not be now, and then nobody else would look. */
    tz_p *p = tz_sched.npidle && !tz_sched.gcwaiting ? tz_pidle_get_locked() : NULL;
    if (p)
        wake = tz_startm_locked(p, false);
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    if (wake)
        tz_wakem(wake);
}

void tz_ready_anywhere(tz_g *g)
{
    tz_store_relaxed(&g->status, TZ_G_RUNNABLE);
    requeue(NULL, g);
}

tz_m *tz_yield(tz_m *m)
{
    tz_g *g = m->g;
    m->after_fn = requeue;
    m->after_arg = g;
    return tz_arch_switch(m, m->g0);
}

/* A robbed goroutine is back: was it blocked for long, or a hog? */
static void judge(tz_m *m, tz_g *g)
{
    uint32_t why = tz_load_relaxed(&m->robbed);
    tz_store_relaxed(&m->robbed, TZ_ROBBED_NOT);
    bool blocked = why == TZ_ROBBED_BLOCKED;
    if (g->left_at) {
        blocked = tz_os_now() - g->left_at >= SHORT_NS;
        g->left_at = 0;
        if (!blocked && g->leave)
            g->leave--;
    }
    if (blocked && g->leave < LEAVE_MAX)
        g->leave++;
    if (why == TZ_ROBBED_HOG)
        tz_store_relaxed(&g->hog, HOG_FOR);
    else if (g->hog)
        tz_store_relaxed(&g->hog, g->hog - 1);
}

/* m was robbed, and is inside the runtime again. */
tz_m *tz_regain(tz_m *m, bool movable)
{
    tz_g *g = m->g;
    if (!m->foreign) {
        judge(m, g);
        tz_sub_release(&tz_sched.npless, 1); /* pairs with solo.c's look */
    }
    tz_store_relaxed(&m->p, NULL);
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_p *p = tz_sched.gcwaiting ? NULL : tz_pidle_get_locked();
    if (!p && movable && !g->tag) { /* a locked one comes back here anyway */
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
        tz_retake_clear(m);
        return tz_yield(m);
    }
    if (p) {
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
        tz_acquirep(m, p);
    } else {
        tz_wait_for_p_locked(m);
    }
    m->settled = m->foreign;
    tz_retake_clear(m);
    if (m->p->alone && tz_load_relaxed(&tz_sched.solo_wanted)) /* asked while the P was on its way here */
        tz_solo_yield(m);
    return m;
}

tz_m *tz_enter_slow(tz_m *m, bool movable)
{
    if (TZ_UNLIKELY(m == tz_load_relaxed(&tz_sched.ending)))
        return tz_ending_enter(m);
    switch (tz_retake_answer(m)) {
    case TZ_RETAKE_STOLEN:
        m = tz_regain(m, movable);
        break;
    case TZ_RETAKE_YIELD:
        if (tz_load_relaxed(&tz_sched.solo_wanted))
            tz_solo_yield(m);
        if (movable)
            m = tz_yield(m);
        break;
    default:
        break;
    }
    if (TZ_UNLIKELY(tz_sched.seeded))
        m = tz_seed_entry(m, movable);
    else if (TZ_UNLIKELY(tz_sched.chaos))
        m = tz_chaos_entry(m, movable);
    return m;
}

/* The whole of leaving, for a goroutine whose g->leave is set (and for every one in sanitizer builds). */
bool tz_leave_slow(tz_m *m)
{
    tz_g *g = m->g;
    if (TZ_UNLIKELY(m == tz_load_relaxed(&tz_sched.ending))) {
        tz_store_release(&m->seq, m->seq + 1);
        return true;
    }
    if (m->foreign) { /* who knows when it comes again */
        tz_p *p = m->p;
        tz_retake_self(m);
        tz_handoffp(p);
        tz_store_release(&m->seq, m->seq + 1);
        return true;
    }
    if (g->leave && g->left_at)
        g->leave--; /* the last stretch was over before anybody looked */
    g->left_at = 0;
    if (g->leave >= HANDOFF_FROM) {
        tz_p *p = m->p;
        g->left_at = tz_os_now();
        tz_retake_self(m);
        tz_handoffp(p);
    } else if (g->leave) {
        g->left_at = tz_os_now();
        tz_store_relaxed(&m->armed, 1);
        tz_sysmon_kick(g->left_at + SHORT_NS);
    }
    tz_store_release(&m->seq, m->seq + 1);
    return true;
}

bool tz_ready_leave_slow(tz_m *m, tz_g *g)
{
    tz_ready(m, g);
    return tz_leave(m);
}
