/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stopping the world, and changing GOMAXPROCS in it.
 *
 * The world is stopped when no P is held: user code may run on, robbed. The
 * stopper sets gcwaiting under sched.lock, takes the idle Ps, and retakes
 * those of Ms in user code; an M inside the runtime comes past findrunnable
 * or leaves to user code within microseconds, so the stopper looks again. An
 * M that finds gcwaiting hands its own P in.
 *
 * A second stopper does not wait inside the runtime, where its P could never
 * be stopped: it yields until the first is done. At the process's end the
 * world stays stopped (ending.c): whoever gets the right to stop it after
 * that finds so, and gives it back.
 */
#include "base/fatal.h"
#include "os/os.h"
#include "sched/proc.h"
#include "sched/retake.h"
#include "sched/sched.h"
#include "tuza/go.h"

#define LOOK_NS 20000

/* p is stopped; under sched.lock. */
static void stopped_locked(tz_p *p)
{
    tz_store_relaxed(&p->status, TZ_P_STOPPED);
    tz_store_relaxed(&p->m, NULL);
    if (--tz_sched.stopwait == 0)
        tz_note_wake(&tz_sched.stopnote);
}

/* Whoever ends the world publishes that before it gives the right back. */
static bool is_over(void)
{
    if (TZ_LIKELY(!tz_load_relaxed(&tz_sched.ending)))
        return false;
    tz_lock_release(&tz_sched.stw, TZ_RANK_STW);
    return true;
}

bool tz_stw_acquire(void)
{
    tz_lock_acquire(&tz_sched.stw, TZ_RANK_STW);
    return !is_over();
}

bool tz_stw_try(void)
{
    return tz_lock_try(&tz_sched.stw, TZ_RANK_STW) && !is_over();
}

void tz_stw_release(void)
{
    tz_lock_release(&tz_sched.stw, TZ_RANK_STW);
}

void tz_gcstopm(tz_m *m)
{
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    if (tz_sched.gcwaiting && m->p) {
        tz_p *p = m->p;
        tz_store_relaxed(&m->p, NULL);
        stopped_locked(p);
    }
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
}

static void retake_all(tz_m *self)
{
    tz_lock_acquire(&tz_sched.allm_lock, TZ_RANK_ALLM);
    for (tz_m *m = tz_sched.allm; m; m = m->alllink) {
        if (m == self)
            continue;
        tz_p *p = tz_retake(m, 0);
        if (p) {
            tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
            stopped_locked(p);
            tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
        }
    }
    tz_lock_release(&tz_sched.allm_lock, TZ_RANK_ALLM);
}

void tz_stop_the_world(tz_m *m)
{
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_note_clear(&tz_sched.stopnote);
    tz_sched.stopwait = tz_load_relaxed(&tz_sched.nprocs);
    tz_store_relaxed(&tz_sched.gcwaiting, 1);
    if (m) {
        tz_store_relaxed(&m->p->status, TZ_P_STOPPED);
        tz_sched.stopwait--;
    }
    while (tz_sched.npidle || tz_sched.npwork) {
        tz_p *p = tz_pidle_pop_locked();
        tz_store_relaxed(&p->status, TZ_P_STOPPED);
        tz_sched.stopwait--;
    }
    bool wait = tz_sched.stopwait != 0;
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    while (wait) {
        retake_all(m);
        wait = !tz_note_sleep_until(&tz_sched.stopnote, tz_os_now() + LOOK_NS);
    }
}

void tz_start_the_world(tz_m *m, tz_p *keep)
{
    tz_m *wake = NULL;
    if (m)
        tz_acquirep(m, keep);
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_store_relaxed(&tz_sched.gcwaiting, 0);
    if (tz_sched.solo) /* who waits is given a P here, past tz_pidle_get_locked, which would see to that */
        tz_solo_drop_locked(tz_sched.solo);
    if (m)
        tz_store_relaxed(&keep->status, TZ_P_RUNNING);
    for (uint32_t i = tz_load_relaxed(&tz_sched.nprocs); i-- > 0;) {
        tz_p *p = tz_sched.allp[i];
        if (p == keep)
            continue;
        tz_store_relaxed(&p->status, TZ_P_RUNNING); /* unless it is put on the idle list */
        tz_m *w =
            tz_runq_empty(p) || tz_sched.mwait_head ? tz_pidle_put_locked(p) : tz_startm_locked(p, false);
        if (w) {
            w->link = wake;
            wake = w;
        }
    }
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    while (wake) {
        tz_m *next = wake->link;
        tz_wakem(wake);
        wake = next;
    }
    if (tz_load_relaxed(&tz_sched.runq_size))
        tz_wakep();
}

static tz_p *newp(int32_t id)
{
    size_t page = tz_os_page_size();
    tz_p *p = tz_os_reserve((sizeof *p + page - 1) / page * page);
    if (!p || tz_timerheap_reserve(&p->timers.heap) < 0)
        tz_throw("out of memory (GOMAXPROCS)");
    p->id = id;
    p->status = TZ_P_STOPPED;
    p->fair_at = 61;
    return p;
}

/* The array of Ps has room for n; old arrays stay, somebody may be reading them. */
static void grow_allp(uint32_t n)
{
    uint32_t have = tz_sched.nallp;
    if (n <= have)
        return;
    size_t page = tz_os_page_size();
    tz_p **allp = tz_os_reserve((n * sizeof *allp + page - 1) / page * page);
    if (!allp)
        tz_throw("out of memory (GOMAXPROCS)");
    for (uint32_t i = 0; i < n; i++)
        allp[i] = i < have ? tz_sched.allp[i] : newp((int32_t)i);
    tz_store_release(&tz_sched.allp, allp);
    tz_store_release(&tz_sched.nallp, n); /* pairs with tuza_num_goroutine */
}

/* p is not to be used any more: what it has goes to the global queue's head, in order, and to `heir`. */
static void retire(tz_p *p, tz_p *heir)
{
    tz_work *next = tz_runnext_get(p);
    tz_work *head = next, *tail = next, *w;
    uint32_t n = next ? 1 : 0;
    while ((w = tz_runq_get(p)) != NULL) {
        if (tail)
            *tz_work_link(tail) = w;
        else
            head = w;
        tail = w;
        n++;
    }
    if (n) { /* robbed Ms, which need no P for it, may be queueing there just now */
        tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
        tz_globq_put_head(head, tail, n);
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    }
    tz_timers_move(p, heir);
    tz_gfree_flush(p);
    tz_store_relaxed(&p->status, TZ_P_DEAD);
}

/* In a stopped world. */
static void resize(uint32_t n)
{
    uint32_t old = tz_load_relaxed(&tz_sched.nprocs);
    grow_allp(n);
    for (uint32_t i = n; i < old; i++)
        retire(tz_sched.allp[i], tz_sched.allp[0]);
    tz_store_release(&tz_sched.nprocs, n); /* after the array; pairs with tz_procs */
    for (uint32_t i = 0; i < n; i++) {
        tz_store_relaxed(&tz_sched.allp[i]->status, TZ_P_STOPPED);
    }
}

void tz_procs_init(int n)
{
    grow_allp((uint32_t)n);
    resize((uint32_t)n);
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    for (uint32_t i = tz_load_relaxed(&tz_sched.nprocs); i-- > 0;)
        tz_pidle_put_locked(tz_sched.allp[i]);
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
}

/* Under sched.stw. */
static void change(tz_m *m, uint32_t n)
{
    if (n == tz_load_relaxed(&tz_sched.nprocs))
        return;
    tz_stop_the_world(m);
    tz_p *mine = m ? m->p : NULL;
    resize(n);
    tz_start_the_world(m, mine && mine->id < (int32_t)n ? mine : m ? tz_sched.allp[0] : NULL);
}

/* Not inlined: it may switch, and its caller's loop must not keep tz_self_m's address across that. */
static TZ_NOINLINE bool try_change(uint32_t n, int *old)
{
    tz_m *m = tz_enter_movable();
    if (tz_load_relaxed(&tz_sched.ending)) { /* no P but this one is needed any more */
        tz_leave(m);
        return true;
    }
    bool mine = tz_stw_try();
    if (mine) {
        *old = (int)tz_load_relaxed(&tz_sched.nprocs);
        tz_store_relaxed(&tz_sched.procs_custom, true);
        change(m, n);
        tz_stw_release();
    }
    tz_leave(m);
    return mine;
}

int tuza_gomaxprocs(int n)
{
    if (tz_load_acquire(&tz_sched.started) != TZ_STARTED_READY)
        return tz_procs_before_start(n);
    int old = (int)tz_load_relaxed(&tz_sched.nprocs);
    if (n <= 0 || tz_sched.seeded)
        return old;
    while (!try_change((uint32_t)(n < TZ_PROCS_MAX ? n : TZ_PROCS_MAX), &old))
        tuza_gosched();
    return old;
}

void tz_procs_set(int n, bool custom)
{
    if (!tz_stw_acquire())
        return;
    tz_store_relaxed(&tz_sched.procs_custom, custom);
    change(NULL, (uint32_t)n);
    tz_stw_release();
}

void tz_procs_follow(int n)
{
    if (!tz_stw_acquire())
        return;
    if (!tz_load_relaxed(&tz_sched.procs_custom))
        change(NULL, (uint32_t)n);
    tz_stw_release();
}
