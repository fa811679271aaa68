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
 *
 * Sole: alone, and nobody is in user code without a P. The words of mutexes
 * and their like (sync/) are changed by those too, by CAS, where nothing has
 * to wait or be woken; so their elision needs more than being alone.
 * p->sole is set by its owner on g0, where p->alone is set and both counts are
 * 0: sched.npless, of robbed Ms, and sched.nforeign, of foreign threads.
 *
 *  - While p is alone no M can be robbed but its owner, and who takes p clears
 *    p->sole and counts the robbed M before it hands p on: the next owner
 *    sees the count. It goes down, by release, when the robbed M asks for a P
 *    again, and is read with acquire: what that one did by CAS is visible.
 *  - A foreign thread counts itself when it is attached, and touches nothing
 *    without a P before it has had one (m->settled). To get one it ends the
 *    privilege, like anybody; or it gets p itself, and clears p->sole when
 *    it lets go of that. An owner that read nforeign before, and sets p->sole
 *    after, does both while it has p: that is over by then.
 *
 * An elided operation is made inside the runtime, like an elided lock, so it
 * is over when p or the privilege is taken.
 */
#include "sched/proc.h"
#include "sched/retake.h"
#include "sched/sched.h"

static bool sole_locked(void)
{
    return tz_sched.npidle + 1 == tz_load_relaxed(&tz_sched.nprocs) && !tz_sched.npwork &&
           !tz_sched.gcwaiting && !tz_sched.solo && !tz_sched.solo_wanted;
}

static bool nobody_without_p(void)
{
    /* The acquires pair with the releases by who is robbed or attached no more. */
    return tz_load_acquire(&tz_sched.npless) == 0 && tz_load_acquire(&tz_sched.nforeign) == 0;
}

void tz_solo_look(tz_m *m)
{
    if (nobody_without_p())
        tz_store_relaxed(&m->p->sole, true);
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
        tz_store_relaxed(&m->p->sole, nobody_without_p());
    }
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
}

void tz_solo_drop_locked(tz_p *p)
{
    if (tz_sched.solo != p)
        return;
    tz_solo_clear(p);
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
