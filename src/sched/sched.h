/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scheduler's surface for the layers above: enter and leave the runtime,
 * park and ready. What is inline here is on the path of every channel
 * operation. Upper layers call these and touch of G and M only what the
 * comments below name.
 *
 * How a public function is written:
 *
 *     tz_m *m = tz_enter();            or tz_enter_movable() where it may block
 *     ... with m->p in hand: objects' locks, tz_ready() ...
 *     tz_leave(m);
 *
 * and where it has to wait, with the object's lock held:
 *
 *     return tz_arch_final(m, slow, a, b);          the last act (arch.h)
 *     static tz_g *slow(m, a, b) { queue m->g->waiter; return tz_park(m, reason, &object->lock); }
 */
#ifndef TZ_SCHED_H
#define TZ_SCHED_H

#include "sched/gmp.h"
#include "sched/runq.h"
#include "sched/spin.h"

/* proc.c */
/* Wakes a resting M with an idle P to look for work, where there are both and nobody looks already. */
void tz_wakep(void);

/* entry.c: the slow ways in and out. */
TZ_NORETURN TZ_COLD void tz_no_goroutine(void);
TZ_NORETURN TZ_COLD void tz_nested_entry(void);
tz_m *tz_enter_slow(tz_m *m, bool movable);
void tz_leave_slow(tz_m *m);

TZ_INLINE tz_m *tz_enter_any(bool movable)
{
    tz_m *m = tz_self_m;
    if (TZ_UNLIKELY(!m))
        tz_no_goroutine();
    uint64_t seq = m->seq;
    if (TZ_UNLIKELY(seq & 1))
        tz_nested_entry();
    tz_store_relaxed(&m->seq, seq + 1);
    /* Store, then load: the processor may swap them, the retaker's membarrier makes up for it (retake.c). The acquire
     * pairs with the release in a CAS to STOLEN. */
    tz_compiler_barrier();
    if (TZ_UNLIKELY(tz_load_acquire(&m->retake) & (TZ_RETAKE_STATE | TZ_RETAKE_SLOW)))
        return tz_enter_slow(m, movable);
    return m;
}

/*
 * From user code into the runtime. On return m->p is this M's until tz_leave
 * or a park. tz_enter stays on this thread: an M that was robbed of its P
 * waits in place for another. tz_enter_movable is for calls documented as
 * blocking: it may give way to others and come back on another M.
 */
TZ_INLINE tz_m *tz_enter(void)
{
    return tz_enter_any(false);
}
TZ_INLINE tz_m *tz_enter_movable(void)
{
    return tz_enter_any(true);
}

/* Back to user code. The release pairs with the retaker's load of seq: all that was done with the P is visible. */
TZ_INLINE void tz_leave(tz_m *m)
{
    if (TZ_UNLIKELY(m->g->leave)) {
        tz_leave_slow(m);
        return;
    }
    tz_store_release(&m->seq, m->seq + 1);
}

/* newproc.c: the G of a goroutine that is to start, from this P's free ones; NULL: there is none at hand. */
tz_g *tz_start_quick(tz_m *m, tz_start *s);

/* The next G of this M's own P, or g0 where it has none, or where g0 shall look around first: at every 61st switch,
 * and when a yield or a stop was asked for. Pops only: allowed under an object's lock. */
TZ_INLINE tz_g *tz_next(tz_m *m)
{
    tz_p *p = m->p;
    uint32_t tick = p->switches;
    tz_store_relaxed(&p->switches, tick + 1);
    if (TZ_UNLIKELY(tick == p->fair_at))
        return m->g0;
    if (TZ_UNLIKELY(tz_load_relaxed(&m->retake) & (TZ_RETAKE_STATE | TZ_RETAKE_SLOW)))
        return m->g0;
    tz_work *w = tz_runnext_get(p);
    if (!w) {
        w = tz_runq_get(p);
        if (!w)
            return m->g0;
        tz_store_relaxed(&p->schedtick, p->schedtick + 1);
    }
    tz_g *g;
    if (tz_work_is_start(w)) {
        g = tz_start_quick(m, tz_work_start(w));
        if (TZ_UNLIKELY(!g)) {
            m->first = w;
            return m->g0;
        }
    } else {
        g = tz_work_g(w);
    }
    tz_store_relaxed(&g->status, TZ_G_RUNNING);
    return g;
}

/*
 * In a slow part: parks m->g, whose record the caller has queued on an object
 * under `lock`; the lock is released when the stack has been left, so a waker
 * that has the lock finds a G that no longer runs. Returns what to switch to.
 */
TZ_INLINE tz_g *tz_park(tz_m *m, uint32_t reason, tz_spin *lock)
{
    tz_g *g = m->g;
    tz_store_relaxed(&g->status, TZ_G_WAITING);
    tz_store_relaxed(&g->wait_reason, reason);
    if (!m->p->alone)
        m->after_unlock = &lock->word;
    return tz_next(m);
}

/* Parks m->g for good (a nil channel). */
tz_g *tz_park_forever(tz_m *m, uint32_t reason);

/*
 * Makes a parked G runnable: next on this P. The caller took it off the queue
 * it waited on, and has written g->result. Nobody is woken: it will run here
 * in a moment; where it does not, that is a debt that sysmon pays (proc.c).
 */
TZ_INLINE void tz_ready(tz_m *m, tz_g *g)
{
    tz_store_relaxed(&g->status, TZ_G_RUNNABLE);
    tz_runnext_put(m->p, tz_work_of_g(g));
}

/* entry.c: makes the final form of a parked G end in fn(m) in place of a return: bad news (a closed channel). */
TZ_INLINE void tz_resume_with(tz_g *g, void (*fn)(tz_m *m))
{
    g->resume_fn = fn;
    g->resume = (void *)tz_arch_resume_call;
}

/* timers.c */
tz_g *tz_park_until(tz_m *m, int64_t when);

/* start.c: starts everything and runs fn(arg) as the main goroutine, first on the calling thread. Returns only a
 * negative errno. */
int tz_sched_run(void (*fn)(void *), void *arg);

/* newproc.c: the end of the calling goroutine, without its deferred functions. */
TZ_NORETURN void tz_goexit(void);

/* traceback.c */
void tz_traceback(bool all);
const char *tz_wait_reason_text(uint32_t reason);

#endif /* TZ_SCHED_H */
