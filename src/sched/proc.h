/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of sched/ share among themselves. */
#ifndef TZ_PROC_H
#define TZ_PROC_H

#include "sched/gmp.h"
#include "sched/runq.h"

/* proc.c: on g0, until the M has rested for so long that it ends. */
void tz_schedule(tz_m *m);
/* tz_rand's, below n, which is not 0. */
uint32_t tz_rand_order(tz_m *m, uint32_t n);

/* seed.c: TUZA_SCHED_SEED, as it is set now; then what tz_sched.seeded is for. The last three with a P. */
bool tz_seed_wanted(void);
void tz_seed_init(void);
/* At an entry: maybe gives way. */
tz_m *tz_seed_entry(tz_m *m, bool movable);
/* What runs next on m; NULL: nothing that is queued. */
tz_work *tz_seed_next(tz_m *m);
#define TZ_SEED_SLICE_NS 1000000000

/* entry.c: m->g goes to the global queue's tail; back with the M that it then runs on. */
tz_m *tz_yield(tz_m *m);
/* Makes a parked g runnable, from any thread and without a P: on the global queue. */
void tz_ready_anywhere(tz_g *g);
/* m was robbed: gets a P again. */
tz_m *tz_regain(tz_m *m, bool movable);

/* idle.c: resting Ms, idle Ps. The _locked ones under sched.lock. */
/* An idle P, one with work waiting for an M first; NULL: none, or none just now (solo.c).
 * The world must not be stopping. */
tz_p *tz_pidle_get_locked(void);
/* The same whatever runs: for stopping the world. */
tz_p *tz_pidle_pop_locked(void);
/* Puts away a P with nothing queued on it: gives it to an M that waits in place, or lists it as idle. Returns
 * an M to wake when the lock is released, or NULL. */
tz_m *tz_pidle_put_locked(tz_p *p);
/* Finds an M for a P that has work; the M to wake when the lock is released, or NULL:
 * the P waits on sched.pwork. */
tz_m *tz_startm_locked(tz_p *p, bool spinning);
/* Wakes an M that was taken off a list to be woken, once the lock is released. */
void tz_wakem(tz_m *m);
/* Goroutines wait for descriptors that nobody looks at. */
bool tz_netpoll_unattended(void);
/* Queues, under sched.lock, what tz_netpoll has told one that has no P. */
void tz_netpoll_put_locked(tz_workq *ready);
/* Where p goes when its M can't run goroutines: to another M if there is work for it, else idle. */
void tz_handoffp(tz_p *p);
/* All resting Ms, a list by m->link, none of which rests any more or lives for the counts. */
tz_m *tz_midle_take_all_locked(void);
/* Ends the M's hold of its P, if it has one, and rests until it has one again (m->p on return). False: it has
 * rested for long and is on no list any more: its thread shall end. */
bool tz_stopm(tz_m *m);
/* Waits in place until given a P, queued before the global queue is served.
 * sched.lock is held, and released. */
void tz_wait_for_p_locked(tz_m *m);
/* What a goroutine that has used up a whole slice before may run and must wait. */
#define TZ_SLICE_HOG_NS 1000000
/* Gives this M's P to an M that waits in place; false where nobody does. */
bool tz_give_p(tz_m *m);
/* m owns p from here on. */
void tz_acquirep(tz_m *m, tz_p *p);

/* solo.c: the one P that runs while all others are idle. m, on g0, makes its P that if it can. */
void tz_solo_begin(tz_m *m);
/* Under sched.lock: no P is alone on return; false: its M is inside the runtime and will see to it soon. */
bool tz_solo_end_locked(void);
/* m, on g0, whose P is alone: is it sole as well by now? */
void tz_solo_look(tz_m *m);
/* p is neither alone nor sole: its owner says so, or who has caught that in user code. */
TZ_INLINE void tz_solo_clear(tz_p *p)
{
    tz_store_relaxed(&p->alone, false);
    tz_store_relaxed(&p->sole, false);
}
/* Under sched.lock: p is not alone any more. Its owner, or nobody, has it. */
void tz_solo_drop_locked(tz_p *p);
/* m's P was asked to give it up: does, and wakes another M on behalf of whoever asked. */
void tz_solo_yield(tz_m *m);

/* lockosthread.c. On g0: waits until m->lockedg can run and m has a P for it. */
void tz_stoplockedm(tz_m *m);
/* On g0: g, taken off a queue by m, is locked to another M: that gets m's P. */
void tz_startlockedm(tz_m *m, tz_g *g);
/* The calling goroutine has ended while it was locked: m shall end with it. */
void tz_lockedexit(tz_m *m);
/* The next switch on m's P goes to g0: m's G is locked. */
TZ_INLINE void tz_lock_fair(tz_m *m)
{
    m->p->fair_at = m->p->switches;
}
/* Spins for m->park_spin while it waits for a P; true: it has come. */
bool tz_spin_for_p(tz_m *m, int64_t now);
/* It had to sleep since then: would a spin have been better? */
void tz_spin_learn(tz_m *m, int64_t since);
/* An M is gone or rests for its locked G: is that a deadlock? */
void tz_check_deadlock(void);
/* start.c: tz_need_threads for an M that waits for a P, by its note: not if that comes first. */
int tz_need_threads_or(tz_note *come);

/* newm.c: Ms and their threads. */
/* Asks the template thread for an M. Under sched.lock. */
void tz_newm_locked(void);
int tz_newm_init(void);
tz_m *tz_m_alloc(void);
/* For fork.c, which holds every lock. */
void tz_m_pool_lock(void);
void tz_m_pool_unlock(void);
/* Makes the calling thread, on which g runs, m's: its TLS, errno, tid, all-M list. */
void tz_minit(tz_m *m, tz_g *g);
/* And its g0's bounds, and an alternate signal stack; a thread that was there before may keep its own. */
void tz_minit_stacks(tz_m *m, size_t size, bool keep);
/* From here on no retaker looks at m. */
void tz_unlink_m(tz_m *m);
/* m's thread, which is m's own function's or a key destructor's, is about to end. */
void tz_mexit(tz_m *m);
/* The first M's locked goroutine has ended. */
TZ_NORETURN void tz_mexit_first(tz_m *m);

/* foreign.c: the calling thread, in user code, is foreign no more. */
void tz_detach(tz_m *m);
/* The destructor of the key by which the end of a thread is noticed. */
void tz_thread_ends(void *m);

/* start.c: under start_lock, while it is not. */
void tz_become_ready_locked(void);
/* The threads run; under start_lock. 0 or a negative errno. */
int tz_start_threads_locked(void);

/* fork.c */
void tz_fork_init(void);

/* newproc.c: what the end of m's goroutine, inside the runtime, means for the counts and its G. */
void tz_end_g(tz_m *m, tz_member *me);
/* As tz_start_quick, on g0: carves where it must. NULL: no slot can be had just now;
 * the start is queued again. */
tz_g *tz_start_now(tz_m *m, tz_start *s);

/* gfree.c: free Gs, free starts, and the slots that starts count on. */
/* A free G of the class; NULL: no memory. */
tz_g *tz_gfree_get(tz_p *p, uint32_t cls, bool promised);
/* After-switch action: the G that ended is free. */
void tz_gfree_put(tz_m *m, void *g);
/* p->slots is not 0 then; and p->starts is not empty. False: no memory. */
bool tz_slots_refill(tz_p *p);
bool tz_starts_refill(tz_p *p);
void tz_starts_spill(tz_p *p, uint32_t keep);
void tz_starts_each(void (*fn)(tz_start *s, void *arg), void *arg);
/* The class of stacks where none is asked for. While nothing is cached, and there are no goroutines. */
void tz_gfree_usual(uint32_t cls);
/* All that p caches goes to the global lists. */
void tz_gfree_flush(tz_p *p);
/* Gives the deep pages of unused stacks back; the template thread,
 * about once a second while it says that there is more. */
bool tz_trim_some(void);
#define TZ_STARTS_MAX  128u
#define TZ_STARTS_KEEP 64u

/* timers.c */
void tz_timers_run(tz_m *m, tz_p *p, int64_t now);
/* The same of a bubble's, for its root: those of one moment in a random order. */
void tz_timers_run_shuffled(tz_m *m, tz_timers *ts, int64_t now);
/* Runs what is due on any P; whether something was. */
bool tz_timers_run_all(tz_m *m, int64_t now);
/* When the first timer of all Ps is due; INT64_MAX: none. */
int64_t tz_timers_next(void);
void tz_timers_move(tz_p *from, tz_p *to); /* the world is stopped */
void tz_timers_forget(tz_p *p);            /* in a forked child: those that waiters left */

/* All Ps in use, for a glance: *n of them. Pairs with resize in stw.c, which publishes the array,
 * then the number. */
TZ_INLINE tz_p **tz_procs(uint32_t *n)
{
    *n = tz_load_acquire(&tz_sched.nprocs);
    return tz_load_acquire(&tz_sched.allp);
}

/* stw.c */
/* The right to stop the world. False: it is stopped for good, the process ends. The first is for threads
 * without a P. */
bool tz_stw_acquire(void);
bool tz_stw_try(void); /* false, too: somebody has it */
void tz_stw_release(void);
/* With that right. m is the caller's M, whose P is among the stopped on return (m->p still names it), or NULL
 * on a thread that has none. */
void tz_stop_the_world(tz_m *m);
/* All Ps go where they are needed; m, if there is one, keeps `keep`. Wakes Ms for those that have work. */
void tz_start_the_world(tz_m *m, tz_p *keep);
void tz_procs_init(int n); /* before the first M runs */
/* The world is stopping: m gives its P up, if it has one. */
void tz_gcstopm(tz_m *m);
/* These on a thread without a P. Sets GOMAXPROCS, by the program's wish or not. */
void tz_procs_set(int n, bool custom);
/* Sets GOMAXPROCS unless the program did. */
void tz_procs_follow(int n);

/* ending.c */
/* An entry of the M that has the stopped world for itself. */
tz_m *tz_ending_enter(tz_m *m);
/* On its g0: waits until its goroutine can go on. */
tz_work *tz_ending_next(tz_m *m);

/* procs.c: how many there should be; at most TZ_PROCS_MAX. */
#define TZ_PROCS_MAX 65536
int tz_procs_default(bool *custom); /* the environment, else affinity and quota */
int tz_procs_before_start(int n);   /* tuza_gomaxprocs before the runtime runs */
int tz_procs_by_quota(int cpus, int64_t quota_milli);

/* godebug.c: TUZA_DEBUG or GODEBUG. */
typedef struct tz_godebug_t {
    int containermaxprocs; /* 0: the cgroup's quota is not looked at */
    int updatemaxprocs;    /* 0: nor is it followed */
    int schedtrace;        /* a line of scheduler state on standard error every so many ms; 0: none */
    int scheddetail;       /* not 0: a block, with all Ps, Ms and Gs */
    int blocked;           /* ms after which a blocked goroutine is reported; 0: never */
} tz_godebug_t;
extern tz_godebug_t tz_godebug; /* const once running */
void tz_godebug_init(void);

/* schedtrace.c */
/* Starts the thread that prints it. 0 or a negative errno. */
int tz_schedtrace_start(void);
/* In a report: a block, where any of it is on. */
void tz_schedtrace_crash(void);

/* blocked.c */
void tz_blocked_init(void);
/* Under start_lock: starts the thread that looks, where it is wanted and not there: 1, or 0, or a negative
 * errno. */
int tz_blocked_start_locked(void);

/* stats.c: how much is queued on p, by anybody's glance. */
uint32_t tz_runq_len(tz_p *p);

/* sysmon.c */
void tz_sysmon(void *unused);
/* Wakes sysmon early if it sleeps past `when`. */
void tz_sysmon_kick(int64_t when);
extern int64_t tz_sysmon_until; /* atomic: when sysmon looks next */

/* deadlock.c: whether everything sleeps for ever; under sched.lock. */
enum { TZ_ALIVE, TZ_DEAD_BUT_THREADS, TZ_DEAD };
int tz_checkdead_locked(void);
TZ_NORETURN void tz_report_deadlock(void);

/* chaos.c */
void tz_chaos_init(void);
tz_m *tz_chaos_entry(tz_m *m, bool movable);

/* hooks.c: what the assembly calls. */
void tz_hooks_init(void);

#endif /* TZ_PROC_H */
