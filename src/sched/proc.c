/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scheduler: who runs what next, and who is woken for it.
 *
 * Goroutines (G) run on threads (M), and an M needs a P to run one. This file
 * is what an M does on its g0 when its last G gave way and its P had no other
 * at hand (the common case, one G switching to the next, never comes here:
 * tz_next in sched.h).
 *
 * When to wake another M
 *
 * The textbook answer is at once: whoever makes a G runnable wakes an idle P.
 * On a machine where an idle core costs 20 us to wake, while a goroutine
 * switch costs 5 ns, that is wrong nearly always: the woken core arrives
 * after the work is done, drags the cache lines over, and the two then fight
 * over a channel that one of them would have served in a tenth of the time.
 * So readying a goroutine on one's own P wakes nobody. It is a debt of the P:
 *
 *  - The owner cancels it by running the G, most often within microseconds.
 *  - A spinning M takes it, if it finds that the owner's queue moves slowly,
 *    a microsecond or more for each switch (worth_stealing).
 *  - sysmon pays it. It is never in deep sleep while a P is busy, and looks
 *    every 50 us while there is an idle P and work queued. If the owner has
 *    been switching slowly since the last look, or something queued then is
 *    queued still, it wakes an idle P, which steals.
 *
 * Many tiny goroutines thus stay on one core, coarse ones spread out, and the
 * first of a burst waits 50 us longer than it might: the price.
 *
 * Why nothing is lost
 *
 *  (a) A G on a P's ring or runnext: the P is not idle (an M puts its P on the
 *      idle list only with both empty, and only the owner adds to them), so
 *      it is running, and its owner serves the queue, or stuck, and then
 *      sysmon, which is awake while a P is not idle, moves the P; or on
 *      sched.pwork, waiting for the M that the template thread makes.
 *  (b) A G on the global queue: it is put there under sched.lock, and Ps are
 *      put on the idle list under sched.lock, only with the global queue
 *      empty. A robbed M that puts it there, which has no P itself, looks at
 *      the idle list under the same lock hold, so of "idle P" and "queued G"
 *      the later one sees the earlier. Who has a P and puts it there (an
 *      overflow, a yield) leaves a debt, which sysmon pays.
 *  (c) A timer: on the heap of some P. A busy P's owner looks at it at least
 *      every 61 switches, else sysmon finds it due. The M that rested last,
 *      the poller, sleeps until the first timer there was then; where one
 *      was set later by a P that became idle without an M resting (a
 *      hand-off), sched.poll_until shows that the poller sleeps too long,
 *      and sysmon, which looks at both under sched.lock, does not sleep deep.
 *  (d) sysmon's deep sleep: it decides under sched.lock that all Ps are idle,
 *      and whoever takes a P off the idle list, under sched.lock, wakes it.
 *
 * No Dekker-style fences are needed: each decision to rest and each look that
 * must not miss it hold sched.lock, and none of this is on a hot path. The
 * one lock-free part is the ring itself (runq.h).
 *
 * Checked with Spin: tests/models/wakeup.pml.
 */
#include "sched/proc.h"

#include "os/os.h"
#include "sched/netpoll.h"
#include "sched/retake.h"
#include "sched/sched.h"
#include "tuza/go.h"

#define FAIR_EVERY    61
#define POLL_EVERY_NS 50000 /* how often a P that never runs dry looks at descriptors */
#define SPIN_NS       20000 /* about what it costs to wake an idle core */
#define SAMPLE_NS     5000
#define GRAIN_NS      4000

uint32_t tz_rand_order(tz_m *m, uint32_t n)
{
    return (uint32_t)(((tz_rand(m) >> 32) * n) >> 32);
}

void tz_wakep(void)
{
    uint32_t none = 0;
    if (tz_load_relaxed(&tz_sched.npidle) == 0 || tz_load_relaxed(&tz_sched.nmspinning) != 0 ||
        !tz_cas_acq_rel(&tz_sched.nmspinning, &none, 1))
        return;
    tz_m *wake = NULL;
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_p *p = tz_sched.gcwaiting || TZ_UNLIKELY(tz_sched.stopping) ? NULL : tz_pidle_get_locked();
    if (p)
        wake = tz_startm_locked(p, true);
    else
        tz_sub_relaxed(&tz_sched.nmspinning, 1);
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    if (wake)
        tz_wakem(wake);
}

static void stop_spinning(tz_m *m, bool found)
{
    if (!m->spinning)
        return;
    m->spinning = 0;
    /* The last one that looked found something: there may be more. */
    if (tz_sub_acq_rel(&tz_sched.nmspinning, 1) == 1 && found)
        tz_wakep();
}

/* Whether the owner of victim is slow to serve its queue: watches it for a few microseconds. */
static bool worth_stealing(tz_p *victim)
{
    uint32_t s0 = tz_load_relaxed(&victim->switches);
    int64_t t0 = tz_os_now(), t;
    do {
        for (int i = 0; i < 20; i++)
            tz_arch_pause();
        t = tz_os_now();
    } while (t - t0 < SAMPLE_NS);
    uint32_t switched = tz_load_relaxed(&victim->switches) - s0;
    return (int64_t)switched * GRAIN_NS < t - t0 && !tz_runq_empty(victim);
}

/* One round over the other Ps from a random start. */
static tz_work *steal(tz_m *m)
{
    uint32_t n;
    tz_p **allp = tz_procs(&n);
    uint32_t start = (uint32_t)(tz_noise(m) >> 32) % n;
    for (uint32_t i = 0; i < n; i++) {
        tz_p *victim = allp[(start + i) % n];
        if (victim == m->p || tz_runq_empty(victim) || !worth_stealing(victim))
            continue;
        tz_work *w = tz_runq_steal(m->p, victim, true);
        if (w)
            return w;
    }
    return NULL;
}

/* Looks for work elsewhere for a while. NULL: there was none, or something has to be seen to first. */
static tz_work *spin(tz_m *m)
{
    if (!m->spinning) {
        uint32_t busy = tz_load_relaxed(&tz_sched.nprocs) - tz_load_relaxed(&tz_sched.npidle);
        if (2 * tz_load_relaxed(&tz_sched.nmspinning) >= busy)
            return NULL;
        m->spinning = 1;
        tz_add_relaxed(&tz_sched.nmspinning, 1);
    }
    int64_t end = 0;
    for (;;) {
        if (tz_load_relaxed(&tz_sched.gcwaiting) || tz_load_relaxed(&tz_sched.mwait_due) != INT64_MAX ||
            tz_load_relaxed(&tz_sched.runq_size) || tz_load_relaxed(&tz_sched.npwork))
            return NULL;
        tz_work *w = steal(m);
        if (w)
            return w;
        int64_t now = tz_os_now();
        if (tz_timers_run_all(m, now) && !tz_runq_empty(m->p))
            return NULL;
        if (end == 0)
            end = now + SPIN_NS;
        /* With every other P idle there is nobody to watch. */
        if (now >= end || tz_load_relaxed(&tz_sched.npidle) + 1 >= tz_load_relaxed(&tz_sched.nprocs))
            return NULL;
        for (int i = 0; i < 20; i++)
            tz_arch_pause();
    }
}

static tz_work *global(tz_m *m, bool fair)
{
    if (tz_load_relaxed(&tz_sched.runq_size) == 0)
        return NULL;
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_work *w = fair ? tz_globq_get_fair() : tz_globq_get(m->p);
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    return w;
}

static void runq_put_after(tz_m *m, void *arg)
{
    tz_runq_put(m->p, tz_work_of_g(arg));
}

static void globq_put_after(tz_m *m, void *arg)
{
    (void)m;
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_globq_put(tz_work_of_g(arg));
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
}

bool tz_switch_to_tagged(tz_m *m, tz_work *w)
{
    tz_g *g = tz_work_is_start(w) ? tz_start_quick(m, tz_work_start(w)) : NULL;
    if (TZ_UNLIKELY(!g)) {
        m->first = w;
        return tz_arch_final(m, m->g0);
    }
    return tz_arch_final(m, g);
}

/*
 * The G is queued after it has left its stack, or else a thief could run it
 * on two Ms. Where g0 has to look around first, the G goes to the global
 * queue.
 */
void tz_goyield(tz_m *m)
{
    tz_work *w = tz_next(m);
    m->after_fn = w ? runq_put_after : globq_put_after;
    m->after_arg = m->g;
    tz_switch_final(m, w);
}

/* Behind everything runnable on this P. */
static TZ_NOINLINE void gosched_any(tz_m *m)
{
    tz_p *p = m->p;
    if (!tz_load_relaxed(&p->runnext) && tz_load_relaxed(&p->runq_head) == p->runq_tail &&
        !tz_load_relaxed(&tz_sched.runq_size) && !tz_load_relaxed(&p->timers.min) &&
        tz_load_relaxed(&tz_sched.mwait_due) == INT64_MAX) { /* nothing that could run, now or soon */
        tz_leave(m);
        return;
    }
    tz_goyield(m);
}

static TZ_NOINLINE void gosched_enter_slow(tz_m *m)
{
    gosched_any(tz_enter_slow(m, true));
}

static TZ_COLD void gosched_outside(void)
{
    tz_attach();
    tuza_gosched();
}

void tuza_gosched(void)
{
    tz_m *m = tz_self_m;
    if (tz_is_outside(m)) {
        gosched_outside();
        return;
    }
    tz_entering(m);
    if (tz_enters_slow(m)) {
        gosched_enter_slow(m);
        return;
    }
    /* The usual case with GOMAXPROCS=1, where nobody can steal: the ring turns by one. */
    tz_p *p = m->p;
    uint32_t head = tz_load_relaxed(&p->runq_head), tail = p->runq_tail, tick = p->switches;
    tz_work *w = tz_load_relaxed(&p->runq[head % TZ_RUNQ_SIZE]);
    if (TZ_LIKELY(p->alone && !tz_load_relaxed(&p->runnext) && head != tail && tick != p->fair_at &&
                  !tz_work_is_tagged(w))) {
        tz_store_relaxed(&p->runq[tail % TZ_RUNQ_SIZE], tz_work_of_g(m->g));
        tz_store_relaxed(&p->runq_head, head + 1);
        tz_store_relaxed(&p->runq_tail, tail + 1);
        tz_store_relaxed(&p->switches, tick + 1);
        tz_arch_final(m, tz_work_g(w));
        return;
    }
    gosched_any(m);
}

tz_m *tz_park_back(tz_m *m, uint32_t reason, void (*after)(tz_m *m, void *arg), void *arg)
{
    tz_store_relaxed(&m->g->status, TZ_G_WAITING);
    tz_store_relaxed(&m->g->wait_reason, reason);
    m->after_fn = after;
    m->after_arg = arg;
    return tz_arch_switch(m, tz_next_g(m));
}

bool tz_park_forever(tz_m *m, uint32_t reason)
{
    tz_park_durably(m);
    tz_store_relaxed(&m->g->status, TZ_G_WAITING);
    tz_store_relaxed(&m->g->wait_reason, reason);
    return tz_switch_final(m, tz_next(m));
}

/* m, with a P, looks which descriptors are ready; whether any goroutine is runnable by that. Not where the
 * netpoller is there to be told. */
static bool poll_now(tz_m *m)
{
    if (tz_load_relaxed(&tz_sched.netpoller) || tz_netpoll_waiters() == 0)
        return false;
    tz_workq ready = {NULL, NULL};
    tz_netpoll(m, 0, &ready);
    tz_store_relaxed(&m->p->polled_at, tz_os_now());
    tz_runq_put_list(m->p, ready.head);
    return ready.head != NULL;
}

/* What to run next on m, whose P is m->p on return; rests while there is none. NULL: m shall end. */
static tz_work *findrunnable(tz_m *m)
{
    for (;;) {
        if (!m->p) {
            if (!tz_stopm(m))
                return NULL;
            continue;
        }
        tz_p *p = m->p;
        tz_work *w = m->first;
        if (w) {
            m->first = NULL;
            return w;
        }
        if (TZ_UNLIKELY(p->nstarts > TZ_STARTS_MAX))
            tz_starts_spill(p, TZ_STARTS_KEEP);
        if (TZ_UNLIKELY(tz_load_relaxed(&tz_sched.gfree_short)))
            tz_gfree_flush(p);
        if (TZ_UNLIKELY(tz_load_relaxed(&tz_sched.gcwaiting))) {
            stop_spinning(m, false);
            if (m == tz_load_relaxed(&tz_sched.ending))
                return tz_ending_next(m);
            tz_gcstopm(m);
            continue;
        }
        tz_retake_clear(m);
        if (!p->alone)
            tz_solo_begin(m);
        else if (TZ_UNLIKELY(tz_load_relaxed(&tz_sched.solo_wanted)))
            tz_solo_yield(m);
        else if (!p->sole)
            tz_solo_look(m);
        if (TZ_UNLIKELY(tz_load_relaxed(&tz_sched.mwait_due) != INT64_MAX) &&
            tz_load_relaxed(&tz_sched.mwait_due) <= tz_os_now() && tz_give_p(m)) {
            stop_spinning(m, false);
            continue;
        }
        int64_t due = tz_load_relaxed(&p->timers.min);
        if (due) {
            int64_t now = tz_os_now();
            if (due <= now)
                tz_timers_run(m, p, now);
        }
        if (TZ_UNLIKELY(tz_sched.seeded) && (w = tz_seed_next(m)) != NULL) {
            stop_spinning(m, true);
            return w;
        }
        bool fair = (int32_t)(p->switches - p->fair_at) > 0; /* tz_next stepped over fair_at */
        if (fair) {
            p->fair_at = p->switches + FAIR_EVERY;
            if (tz_os_now() - p->polled_at >= POLL_EVERY_NS)
                poll_now(m);
        }
        w = fair ? global(m, true) : NULL;
        if (!w)
            w = tz_runnext_get(p);
        if (!w) {
            w = tz_runq_get(p);
            if (!w && (w = global(m, false)))
                tz_store_relaxed(&p->schedtick, p->schedtick + 1);
        }
        if (w) {
            stop_spinning(m, true);
            return w;
        }
        if (tz_timers_run_all(m, tz_os_now()))
            continue;
        if (poll_now(m))
            continue;
        w = spin(m);
        stop_spinning(m, w != NULL);
        if (w) {
            tz_store_relaxed(&p->schedtick, p->schedtick + 1);
            return w;
        }
        if (!tz_runq_empty(p))
            continue;
        if (!tz_stopm(m))
            return NULL;
    }
}

void tz_schedule(tz_m *m)
{
    while (!m->exiting) {
        tz_g *g = m->lockedg;
        if (TZ_UNLIKELY(g != NULL)) {
            tz_stoplockedm(m);
        } else {
            tz_work *w = findrunnable(m);
            if (!w)
                return;
            if (tz_work_is_locked(w)) {
                tz_startlockedm(m, tz_work_any_g(w));
                continue;
            }
            g = tz_work_is_start(w) ? tz_start_now(m, tz_work_start(w)) : tz_work_g(w);
            if (!g)
                continue;
        }
        tz_arch_switch(m, g);
    }
}
