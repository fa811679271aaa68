/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Goroutines that are locked to their thread.
 *
 * m->lockedg and g->lockedm name each other, as long as one of the M's two
 * counts is not 0: the program's (lockedext) or the runtime's (lockedint).
 * Such a G runs on no other M, and no other G on its M.
 *
 * How the scheduler is kept from its usual ways. A locked G is queued with a
 * tag (g->tag, tz_work_of_g): who takes tagged work off a queue does not
 * switch to it but goes to its g0, and there gives its P to the G's own M
 * (tz_startlockedm). And a locked G that gives way must not be switched from
 * to the next G on its P, but to its g0 too: tz_next finds nothing at the
 * switch number p->fair_at, so whenever a locked M gets a P, or a G locks
 * itself, that is set to the switch that comes next (tz_lock_fair). The hot
 * paths need no look of their own.
 *
 * Passing the P. The M of a parked locked G waits in tz_stoplockedm for a P
 * in m->nextp. Only who took the G off a queue writes that, its M, or whoever
 * finds no M for a P with work (tz_startm_locked), and a queued G is on one
 * queue: there is one giver. It needs no lock: the note's
 * wake orders it. The note may be woken before its M comes to sleep on it
 * (the G was readied, and picked up, while its M was still on its way to
 * g0); the M then passes on the P that it still has and takes the other.
 *
 * A thread to wake costs 20 us, and back again 20 more. Where a core is free
 * the waiting M therefore spins for a while before it sleeps, and so does the
 * M that gave its P away, for as long as that has paid lately. An M that
 * gives up its P with another locked G next on it hands the P to that G's M
 * straight away: three threads are not needed where two will do.
 *
 * sched.nmidlelocked counts the Ms that wait here. It is raised before the P
 * may become idle, and lowered while one is held, and all Ps idle is a
 * condition for a deadlock (deadlock.c): so its relaxed order suffices.
 *
 * The end. A G that returns or calls Goexit while locked takes the thread
 * with it (tz_lockedexit, then tz_schedule ends): who knows what it did to
 * it. lockedext stays as it is until the thread is gone. New threads are made
 * by the template thread always, so nothing of the dying one is inherited.
 */
#include "base/fatal.h"
#include "os/os.h"
#include "sched/proc.h"
#include "sched/retake.h"
#include "sched/sched.h"

#define SPIN_MIN_NS 1000
#define SPIN_MAX_NS 20000
#define WOKEN_NS    60000 /* a wait so short would have been worth a spin: most of it was the waking */

static void bind(tz_m *m)
{
    tz_g *g = m->g;
    tz_store_relaxed(&g->lockedm, m);
    g->tag = TZ_WORK_LOCKED;
    tz_store_relaxed(&m->lockedg, g);
    tz_lock_fair(m);
}

static void unbind(tz_m *m)
{
    tz_g *g = m->lockedg;
    g->tag = 0;
    tz_store_relaxed(&g->lockedm, NULL);
    tz_store_relaxed(&m->lockedg, NULL);
}

bool tz_lockosthread(tz_m *m)
{
    if (m->lockedext == UINT32_MAX)
        return false;
    tz_store_relaxed(&m->lockedext, m->lockedext + 1);
    bind(m);
    return true;
}

void tz_unlockosthread(tz_m *m)
{
    if (m->lockedext == 0)
        return;
    tz_store_relaxed(&m->lockedext, m->lockedext - 1);
    if (m->lockedext == 0 && m->lockedint == 0)
        unbind(m);
}

void tz_lockosthread_internal(tz_m *m)
{
    tz_store_relaxed(&m->lockedint, m->lockedint + 1);
    bind(m);
}

void tz_unlockosthread_internal(tz_m *m)
{
    if (m->lockedint == 0)
        tz_throw("runtime: internal error: misuse of lockOSThread/unlockOSThread");
    tz_store_relaxed(&m->lockedint, m->lockedint - 1);
    if (m->lockedext == 0 && m->lockedint == 0)
        unbind(m);
}

/* Whether a spinning thread takes nobody's core, as far as we can know. */
static bool core_is_free(void)
{
    uint32_t busy = tz_load_relaxed(&tz_sched.nprocs) - tz_load_relaxed(&tz_sched.npidle);
    return busy + tz_load_relaxed(&tz_sched.nmspinning) < tz_sched.ncpu;
}

bool tz_spin_for_p(tz_m *m, int64_t now)
{
    if (!core_is_free() || !tz_note_spin_until(&m->park, now + m->park_spin)) {
        m->park_spin = m->park_spin > 2 * SPIN_MIN_NS ? m->park_spin / 2 : SPIN_MIN_NS;
        return false;
    }
    m->park_spin = SPIN_MAX_NS;
    return true;
}

void tz_spin_learn(tz_m *m, int64_t since)
{
    if (tz_os_now() - since < WOKEN_NS)
        m->park_spin = SPIN_MAX_NS;
}

static void give(tz_m *to, tz_p *p)
{
    to->nextp = p;
    tz_store_relaxed(&p->m, to); /* whom to ask, should p be alone */
    tz_note_wake(&to->park);
}

void tz_startlockedm(tz_m *m, tz_g *g)
{
    tz_p *p = m->p;
    tz_store_relaxed(&m->p, NULL);
    m->lent_p = true;
    give(g->lockedm, p);
}

/* m waits, or does so no more. Foreign threads are apart: their Ms are in no count of the deadlock check. */
static void count_waiting(tz_m *m, uint32_t n)
{
    tz_add_relaxed(m->foreign ? &tz_sched.nwaiting : &tz_sched.nmidlelocked, n);
}

/*
 * Where m's P goes: to the M of the locked G that is next on it, else where
 * any P goes. True: that G is m's own, which keeps it. What else wants a P
 * looked at, a timer, the global queue, goes the usual way: two locked
 * goroutines that talk to each other must not keep it from that for ever.
 */
static bool pass_p(tz_m *m)
{
    tz_p *p = m->p;
    tz_work *w = NULL;
    int64_t due = tz_load_relaxed(&p->timers.min);
    if (!tz_load_relaxed(&tz_sched.gcwaiting) && !tz_load_relaxed(&tz_sched.runq_size) &&
        tz_load_relaxed(&tz_sched.mwait_due) == INT64_MAX && !(due && due <= tz_os_now())) {
        w = tz_runnext_get(p);
        if (!w)
            w = tz_runq_get(p);
    }
    if (w && tz_work_is_locked(w) && tz_work_any_g(w) == m->lockedg)
        return true;
    count_waiting(m, 1);
    tz_store_relaxed(&m->p, NULL);
    if (w && tz_work_is_locked(w)) {
        give(tz_work_any_g(w)->lockedm, p);
        return false;
    }
    if (w)
        tz_runnext_put(p, w); /* back to where it is next: nobody else puts there */
    tz_handoffp(p);
    return false;
}

void tz_check_deadlock(void)
{
    if (tz_load_relaxed(&tz_sched.npidle) != tz_load_relaxed(&tz_sched.nprocs))
        return;
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    int dead = tz_checkdead_locked();
    if (dead == TZ_DEAD_BUT_THREADS && tz_sched.sysmon_deep) {
        tz_sched.sysmon_deep = 0; /* to look again */
        tz_note_wake(&tz_sched.sysmon_note);
    }
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    if (dead == TZ_DEAD)
        tz_report_deadlock();
}

/* A foreign thread that waits needs those of ours, which nobody may have asked for yet.
 * As in user code: libc allocates for threads. */
static TZ_COLD void need_threads(tz_m *m)
{
    tz_retake_self(m);
    tz_store_release(&m->seq, m->seq + 1);
    if (tz_need_threads_or(&m->park) < 0)
        tz_throw("newosproc");
    tz_entering(m);
}

void tz_stoplockedm(tz_m *m)
{
    if (TZ_UNLIKELY(m == tz_load_relaxed(&tz_sched.ending))) {
        tz_ending_next(m); /* which is m's own goroutine */
        return;
    }
    if (m->p) {
        if (pass_p(m)) {
            tz_lock_fair(m);
            tz_retake_clear(m);
            return;
        }
    } else {
        count_waiting(m, 1);
    }
    if (m->foreign) {
        tz_fence_store_load(); /* it is counted; pairs with close_if_empty's */
        if (TZ_UNLIKELY(tz_load_acquire(&tz_sched.threads) != 2))
            need_threads(m);
    }
    tz_check_deadlock();
    int64_t since = tz_os_now();
    if (!tz_spin_for_p(m, since)) {
        tz_note_sleep(&m->park);
        tz_spin_learn(m, since);
    }
    tz_note_clear(&m->park);
    tz_acquirep(m, m->nextp);
    count_waiting(m, -1u);
    tz_retake_clear(m);
    if (m->p->alone && tz_load_relaxed(&tz_sched.solo_wanted)) /* asked while the P was on its way here */
        tz_solo_yield(m);
}

void tz_lockedexit(tz_m *m)
{
    if (m->lockedint) {
        char n[24];
        tz_print("runtime: mp.lockedInt = ", tz_decimal(n, m->lockedint), "\n", NULL);
        tz_throw(m->foreign ? "runtime.Goexit called in a thread that was not created by the Go runtime"
                            : "exited a goroutine internally locked to the OS thread");
    }
    unbind(m);
    m->exiting = true;
}
