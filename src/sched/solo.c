/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Solo: while one P runs and all others are idle, its owner needs no atomics.
 *
 * A lock of a channel and a CAS on a run queue are there against others with
 * a P. With GOMAXPROCS=1 there are none, ever; with more, most programs still
 * have one busy P most of the time, since proc.c wakes a second one only
 * where that pays. p->alone says that its owner may leave the locks of
 * channels untouched and take from its queue by plain stores.
 *
 * The owner takes the privilege itself, on g0, under sched.lock, when every
 * other P is on the idle list (tz_solo_begin). Before a P leaves that list
 * the privilege must be gone, and not in the middle of an elided lock:
 * tz_solo_end_locked, called by tz_pidle_get_locked. An elided lock is held
 * only inside the runtime, with m->seq odd. So the retake protocol serves
 * (retake.c): request, barrier, seq is even, CAS to LENT in place of STOLEN;
 * the M is then in user code, and its next entry finds LENT or what followed.
 * The lender clears p->alone and takes LENT back. An entry that finds LENT
 * does not wait for that: it clears p->alone itself, the P being its own, and
 * goes on. Both write the same value; nobody can set it anew meanwhile, since
 * the lender holds sched.lock.
 *
 * Where the M was inside the runtime the lender gives up: no idle P is to be
 * had just now. sched.solo_wanted is set, and its request has left a yield
 * request behind (or the M is on g0), so the owner comes by tz_solo_yield
 * within its next entry, or else sysmon at its next look gets what the lender
 * did not. The owner gives the privilege up and wakes an M with an idle
 * P itself. So nothing is lost: what the lender wanted the P for is on a
 * queue, which that M looks at, or waits in place, and is given the P.
 */
#include "sched/proc.h"
#include "sched/retake.h"
#include "sched/sched.h"

static bool sole_locked(void)
{
    return tz_sched.npidle + 1 == tz_load_relaxed(&tz_sched.nprocs) && !tz_sched.npwork &&
           !tz_sched.gcwaiting && !tz_sched.solo && !tz_sched.solo_wanted;
}

void tz_solo_begin(tz_m *m)
{
    /* ThreadSanitizer shall see every lock. */
    if (TZ_TSAN || tz_load_relaxed(&tz_sched.npidle) + 1 != tz_load_relaxed(&tz_sched.nprocs))
        return;
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    if (sole_locked()) {
        tz_sched.solo = m->p;
        tz_store_relaxed(&m->p->alone, true);
    }
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
}

void tz_solo_drop_locked(tz_p *p)
{
    if (tz_sched.solo != p)
        return;
    tz_store_relaxed(&p->alone, false);
    tz_sched.solo = NULL;
    tz_store_relaxed(&tz_sched.solo_wanted, 0);
}

bool tz_solo_end_locked(void)
{
    tz_p *p = tz_sched.solo;
    if (!p)
        return true;
    tz_m *m = tz_load_relaxed(&p->m);
    tz_store_relaxed(&tz_sched.solo_wanted, 1); /* before the request: whoever answers that reads it */
    /* Our own, or nobody's for the moment; else its M must be caught in user code. */
    if (tz_self_m->p == p || p->status != TZ_P_RUNNING || (m && tz_retake_lend(m, p))) {
        tz_solo_drop_locked(p);
        return true;
    }
    return false;
}

void tz_solo_yield(tz_m *m)
{
    tz_m *wake = NULL;
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    bool mine = tz_sched.solo == m->p;
    if (mine) {
        tz_solo_drop_locked(m->p);
        if (tz_sched.mwait_head && tz_sched.pidle)
            wake = tz_pidle_put_locked(tz_pidle_get_locked());
    }
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    if (wake)
        tz_wakem(wake);
    else if (mine)
        tz_wakep();
}
