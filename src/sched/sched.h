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
 * and where it has to wait, with the object's lock held, as its last act:
 *
 *     ... queue m->g->waiter ...
 *     return tz_park(m, reason, &object->lock);
 */
#ifndef TZ_SCHED_H
#define TZ_SCHED_H

#include "base/fatal.h"
#include "sched/gmp.h"
#include "sched/runq.h"
#include "sched/spin.h"
#include "trace/unwind.h"

/* The M's next random number; xorshift. */
TZ_INLINE uint64_t tz_noise(tz_m *m)
{
    m->rand ^= m->rand << 13;
    m->rand ^= m->rand >> 7;
    m->rand ^= m->rand << 17;
    return m->rand;
}
/* For what the program may come to see, as an order: by TUZA_SCHED_SEED, if set (seed.c). With a P. */
uint64_t tz_seed_rand(void);
TZ_INLINE uint64_t tz_rand(tz_m *m)
{
    return TZ_UNLIKELY(tz_sched.seeded) ? tz_seed_rand() : tz_noise(m);
}

/* proc.c */
/* Wakes a resting M with an idle P to look for work, where there are both and nobody looks already. */
void tz_wakep(void);

/* entry.c: the slow ways in and out. */
tz_m *tz_enter_slow(tz_m *m, bool movable);
bool tz_leave_slow(tz_m *m); /* true */

/*
 * Entering in steps, for functions whose fast path shall need no stack frame:
 *
 *     tz_m *m = tz_self_m;
 *     if (tz_is_outside(m))
 *         return f_outside(...);            which calls tz_attach, then f
 *     tz_entering(m);
 *     if (tz_enters_slow(m))
 *         return f_enter_slow(m, ...);      which begins with tz_enter_slow
 */
TZ_INLINE bool tz_is_outside(tz_m *m)
{
    return TZ_UNLIKELY(m->seq & 1); /* tz_nobody; or inside already, which tz_attach refuses */
}
/* foreign.c: the calling thread, one that tuza did not make, gets an M; in user code on return. Throws where
 * it has one and is inside the runtime. */
TZ_COLD tz_m *tz_attach(void);
/* The same for a thread of ours that calls as a program's does; no report shows it. */
void tz_attach_service(void);
TZ_INLINE void tz_entering(tz_m *m)
{
    tz_store_relaxed(&m->seq, m->seq + 1);
    /* Store, then load: the processor may swap them, the retaker's membarrier makes up for it (retake.c). */
    tz_compiler_barrier();
}
TZ_INLINE bool tz_enters_slow(tz_m *m)
{
    /* The acquire pairs with the release in a CAS to STOLEN. */
    return TZ_UNLIKELY(tz_load_acquire(&m->retake) & (TZ_RETAKE_STATE | TZ_RETAKE_SLOW));
}

/*
 * For words that threads without a P change too, by atomics (sync/), unless
 * p->sole. m is in tz_enters_slow's case. True: it has no P and needs none
 * for that: it is in user code again.
 */
TZ_INLINE bool tz_without_p(tz_m *m)
{
    /* STOLEN is m's own: no look at a request is lost. */
    if ((tz_load_relaxed(&m->retake) & TZ_RETAKE_STATE) != TZ_RETAKE_STOLEN ||
        (m->foreign && (!m->settled || m->service)) || tz_load_relaxed(&tz_sched.ending))
        return false;
    tz_store_release(&m->seq, m->seq + 1);
    return true;
}
/* The same for a thread that has no M: in the child of a process that had goroutines, where there will be
 * none either. */
TZ_INLINE bool tz_without_m(void)
{
    return tz_load_relaxed(&tz_sched.started) == TZ_STARTED_GONE;
}

/*
 * From user code into the runtime. On return m->p is this M's until tz_leave
 * or a park. tz_enter stays on this thread: an M that was robbed of its P
 * waits in place for another. tz_enter_movable is for calls documented as
 * blocking: it may give way to others and come back on another M.
 */
TZ_INLINE tz_m *tz_enter(void)
{
    tz_m *m = tz_self();
    if (tz_is_outside(m))
        m = tz_attach();
    tz_entering(m);
    return tz_enters_slow(m) ? tz_enter_slow(m, false) : m;
}
TZ_INLINE tz_m *tz_enter_movable(void)
{
    tz_m *m = tz_self();
    if (tz_is_outside(m))
        m = tz_attach();
    tz_entering(m);
    return tz_enters_slow(m) ? tz_enter_slow(m, true) : m;
}

/* Back to user code. The release pairs with the retaker's load of seq: all that was done with the P is
 * visible. Always true, so that a function can end in it: `return tz_leave(m)`. */
TZ_INLINE bool tz_leave(tz_m *m)
{
    if (TZ_UNLIKELY(m->g->leaves_slow))
        return tz_leave_slow(m);
    tz_store_release(&m->seq, m->seq + 1);
    return true;
}

/* The same where m->g->leaves_slow was looked at already. */
TZ_INLINE void tz_leave_quick(tz_m *m)
{
    tz_store_release(&m->seq, m->seq + 1);
}

/* newproc.c: the G of a goroutine that is to start, from this P's free ones; NULL: there is none at hand. */
tz_g *tz_start_quick(tz_m *m, tz_start *s);
/* proc.c: the final form's switch to tagged work. */
bool tz_switch_to_tagged(tz_m *m, tz_work *w);

/* The next of this M's own P, or NULL; also at every 61st switch, for g0 to look around. A yield or a stop
 * that is asked for just now is seen at the next entry. Pops only: allowed under an object's lock. */
TZ_INLINE tz_work *tz_next(tz_m *m)
{
    tz_p *p = m->p;
    uint32_t tick = p->switches;
    tz_store_relaxed(&p->switches, tick + 1);
    if (TZ_UNLIKELY(tick == p->fair_at))
        return NULL;
    tz_work *w = tz_runnext_get(p);
    return w ? w : tz_runq_get(p);
}

/* The G to switch to when m->g is left in another than the final form: the next of this P, or g0, which finds
 * in m->first what it has to see to. */
TZ_INLINE tz_g *tz_next_g(tz_m *m)
{
    tz_work *w = tz_next(m);
    if (!w)
        return m->g0;
    if (!tz_work_is_tagged(w))
        return tz_work_g(w);
    tz_g *g = tz_work_is_start(w) ? tz_start_quick(m, tz_work_start(w)) : NULL;
    if (TZ_LIKELY(g != NULL))
        return g;
    m->first = w;
    return m->g0;
}

/* The last act of a final form: m->g is left for w (NULL: for g0, which finds something). */
TZ_INLINE bool tz_switch_final(tz_m *m, tz_work *w)
{
    if (!w)
        return tz_arch_final(m, m->g0);
    if (tz_work_is_tagged(w))
        return tz_switch_to_tagged(m, w);
    return tz_arch_final(m, tz_work_g(w));
}

/*
 * The last act of a call that waits: parks m->g, whose record the caller has
 * queued on an object under `lock`; the lock is released when the stack has
 * been left, so a waker that has the lock finds a G that no longer runs.
 * Returns what the waker stored in g->result.
 */
TZ_INLINE bool tz_park(tz_m *m, uint32_t reason, tz_spin *lock)
{
    tz_g *g = m->g;
    tz_store_relaxed(&g->status, TZ_G_WAITING);
    tz_store_relaxed(&g->wait_reason, reason);
    if (!m->p->alone) {
        m->after_fn = (void (*)(tz_m *, void *))(uintptr_t)TZ_AFTER_UNLOCK;
        m->after_arg = lock;
    }
    return tz_switch_final(m, tz_next(m));
}

/*
 * bubble.c. m->g is about to be parked on an object of its bubble: nobody but
 * the bubble's goroutines and timers will wake it. Under the object's lock,
 * by which a waker comes after this; before a tz_park. It may ready another G.
 * Who wakes it does so by tz_ready or tz_ready_behind; by tz_ready_leave only
 * where the waker is certain to be in the same bubble.
 */
void tz_bubble_block(tz_m *m);
void tz_bubble_unblock(tz_m *m, tz_g *g);
/*
 * The same where a waker may come before the park, without a lock that tells
 * which was first: soon, before anybody can; then block_if, in the
 * after-switch action, with what decides whether the park holds. That is also
 * the result: false, and the caller readies g.
 */
void tz_bubble_block_soon(tz_m *m);
bool tz_bubble_block_if(tz_m *m, tz_g *g, bool (*parks)(void *arg), void *arg);
TZ_INLINE void tz_park_durably(tz_m *m)
{
    if (TZ_UNLIKELY(m->g->bubbled))
        tz_bubble_block(m);
}
/* The bubble of m's goroutine, by its number; 0: none. And of the caller's. */
uint64_t tz_bubble_id_of(tz_m *m);
uint64_t tz_bubble_id(void);
/* Which heap its timers belong to: a tz_timer's home. */
void *tz_bubble_home(void);
/* The clock of m's goroutine: its bubble's, or the monotonic one. In user code too. */
int64_t tz_now(tz_m *m);
/* A moment on the caller's clock, told by the monotonic one: as far away. 0 is 0. */
int64_t tz_real_time(int64_t when);

/* proc.c: parks m->g in the returning form: comes back with the M it then runs on, inside the runtime.
 * `after` is the after-switch action that lets others find it. */
tz_m *tz_park_back(tz_m *m, uint32_t reason, void (*after)(tz_m *m, void *arg), void *arg);

/* As the last act: m->g goes behind what is runnable on this P, and the next of that runs (Go's goyield). */
void tz_goyield(tz_m *m);

/* Parks m->g for good (a nil channel). */
bool tz_park_forever(tz_m *m, uint32_t reason);

/*
 * Makes a parked G runnable: next on this P. The caller took it off the queue
 * it waited on, and has written g->result. Nobody is woken: it will run here
 * in a moment; where it does not, that is a debt that sysmon pays (proc.c).
 */
TZ_INLINE void tz_ready(tz_m *m, tz_g *g)
{
    if (TZ_UNLIKELY(g->durable))
        tz_bubble_unblock(m, g);
    tz_store_relaxed(&g->status, TZ_G_RUNNABLE);
    tz_runnext_put(m->p, tz_work_of_g(g));
}

/* The same behind what is runnable on this P: for many at once, which then run in their order. */
TZ_INLINE void tz_ready_behind(tz_m *m, tz_g *g)
{
    if (TZ_UNLIKELY(g->durable))
        tz_bubble_unblock(m, g);
    tz_store_relaxed(&g->status, TZ_G_RUNNABLE);
    tz_runq_put(m->p, tz_work_of_g(g));
}

/* newproc.c: starts a goroutine from inside the runtime, g0 too, behind what is runnable on this P. pc: where
 * it was asked for, or NULL. Throws "out of memory". The runtime's threads are there: in a timer's fire, and
 * after tz_pin_threads. */
void tz_newproc(tz_m *m, void (*fn)(void *), void *arg, const void *pc);
/* Inside the runtime, in and out of it: the threads are there, until m's P is let go. 0, or a negative errno:
 * then m has left the runtime. */
int tz_pin_threads(tz_m **m);

/* tuza_go_copy on behalf of the caller at pc. */
int tz_go_copy(void (*fn)(void *), const void *arg, size_t size, const void *pc);
bool tz_go_copies(const void *arg, size_t size); /* else it is -EINVAL */

/* tz_ready and tz_leave, as the last act of a function that returns true (or nothing). */
bool tz_ready_leave_slow(tz_m *m, tz_g *g);
TZ_INLINE bool tz_ready_leave(tz_m *m, tz_g *g)
{
    tz_p *p = m->p;
    if (TZ_UNLIKELY(tz_load_relaxed(&p->runnext) || m->g->leaves_slow))
        return tz_ready_leave_slow(m, g);
    tz_store_relaxed(&g->status, TZ_G_RUNNABLE);
    tz_store_release(&p->runnext, tz_work_of_g(g)); /* as tz_runnext_put */
    tz_store_release(&m->seq, m->seq + 1);
    return true;
}

/* entry.c: makes the final form of a parked G end in fn(m) in place of a return:
 * bad news (a closed channel). */
TZ_INLINE void tz_resume_with(tz_g *g, void (*fn)(tz_m *m))
{
    g->resume_fn = fn;
    g->special = 1;
    g->resume = (void *)tz_arch_resume_call;
}

/* timers.c: as tz_park, until the time comes. */
bool tz_park_until(tz_m *m, int64_t when);
/* t fires at `when`, whatever was said before. Inside the runtime; who arms and disarms the same timer is
 * serialised by a lock of the caller's. All-zero but for fire and unlocked is ready to use. */
void tz_timer_arm(tz_m *m, tz_timer *t, int64_t when);
/* True: it will not fire. False: it was not armed, or fires just now. */
bool tz_timer_disarm(tz_timer *t);
/* For a fire under the heap's lock, which ends with one of these: */
void tz_timer_again(tz_timer *t, int64_t when);
void tz_timer_done(tz_timer *t);

/*
 * waitline.c: a line of goroutines and plain threads, for what is rare. waits() is called under the line's
 * lock, and says whether the wait is for something still; who makes it false calls wake afterwards. Waking
 * may be early: the caller looks again.
 */
typedef struct tz_waitline {
    tz_lock lock; /* TZ_RANK_CHAN */
    tz_sudog *first, *last;
} tz_waitline;
/* Of a goroutine; comes back on any thread. */
void tz_waitline_park(tz_waitline *l, bool (*waits)(void), uint32_t reason);
/* Of a thread: one without a goroutine, or one that is not to change. */
void tz_waitline_sleep(tz_waitline *l, bool (*waits)(void));
/* Wakes the first, from any thread; false: nobody waits. */
bool tz_waitline_wake(tz_waitline *l);

/* ending.c: no goroutine but the caller's runs again; from any thread, outside of the runtime, once. */
void tz_end_world(void);

/* start.c. The runtime is READY; throws where memory is too short for that, or after fork. */
void tz_need_runtime(void);
/* And its threads run: for whoever starts a goroutine or waits. In user code. 0 or a negative errno. */
int tz_need_threads(void);
/* The same for a timer that is to fire while nobody waits; throws where there can be none. */
void tz_need_fire(void);
/* Starts everything and runs fn(arg) as the main goroutine, first on the calling thread.
 * Returns only a negative errno. signals(true) installs the handlers once nothing can fail. */
int tz_sched_run(void (*fn)(void *), void *arg, void (*signals)(bool on));
/* stop.c: tuza_start and tuza_stop; signals(false) puts back what was there before the handlers. */
struct tuza_options;
int tz_sched_start(const struct tuza_options *opts, void (*signals)(bool on));
int tz_sched_stop(int64_t when, void (*signals)(bool on));

/* For whoever wants signals, or other dispositions: -ENOTSUP where tuza_start was told TUZA_NO_SIGNALS. With
 * start, as tz_need_threads, and then its result; it is called under the start lock. From there on no
 * deadlock is reported: a signal may always come. */
int tz_sched_want_signals(int (*start)(void));

/* lockosthread.c: m->g and m's thread belong to each other, as often as it is said.
 * Inside the runtime, with a P. False: too often. The internal count is the runtime's own. */
bool tz_lockosthread(tz_m *m);
void tz_unlockosthread(tz_m *m);
void tz_lockosthread_internal(tz_m *m);
void tz_unlockosthread_internal(tz_m *m);

/* hooks.c: upwards; wired at start, NULL where nothing is there to be told. */
typedef struct tz_sched_hooks_t {
    /* Where the C++ runtime keeps this thread's exceptions; NULL: none of the switch's business. */
    tz_exceptions *(*exceptions)(void);
    void (*g_lost)(tz_g *g); /* its thread has ended under it; on that thread, in user code */
    /* Under the start lock: around a fork; and in the last tuza_stop, before threads are joined. */
    void (*fork)(int when);
    void (*last_stop)(void);
} tz_sched_hooks_t;
extern tz_sched_hooks_t tz_sched_hooks;
enum { TZ_FORK_PREPARE, TZ_FORK_PARENT, TZ_FORK_CHILD };

/* newproc.c: the end of the calling goroutine, without its deferred functions. */
TZ_NORETURN void tz_goexit(void);
TZ_NORETURN void tz_goexit_member(tz_member *me); /* for whom it is counted */

/* traceback.c: the part of a report that shows goroutines; only for the thread whose report it is. */
/* From the caller's caller on that the call returning to pc was made in; NULL: from here. */
void tz_traceback(tz_report_kind kind, const void *pc);
/* The failing one from regs on: those of a signal's context, on whatever stack its handler runs. */
void tz_traceback_regs(tz_report_kind kind, const tz_regs *regs);
/* Has the thread of m, another one, write down the stack of g, which it runs; false: it did not within 10 ms.
 * Writes to t only before it returns. NULL: there is no such way. Wired by who handles signals. */
extern bool (*tz_walk_other)(tz_m *m, tz_g *g, tz_trace *t);

/* gview.c */
const char *tz_wait_reason_text(uint64_t reason); /* of a g->wait_reason */

#endif /* TZ_SCHED_H */
