/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork: the child has the forking thread and nothing else.
 *
 * Where no goroutine had been started, it goes on with a fresh runtime: READY
 * as it was, all Ps idle and empty, no threads; what other foreign threads
 * were in the middle of is dropped with them. The locks are held across the
 * fork, so that the global lists are whole; what belonged to a P may not be,
 * and is forgotten.
 *
 * With goroutines the runtime can't go on: their threads are missing. The
 * child may call what needs no P; anything else throws "tuza after fork". It
 * runs on the goroutine's stack until it executes another program or exits.
 *
 * Handlers of the program's may use the runtime: to lock a mutex, or to stop
 * and start it. libc runs those registered first as the last before a fork,
 * and as the first after it. So ours are registered before the program's
 * constructors run, whatever the first call of ours will be (start.c): between
 * them nobody but us runs. They hold the locks also where nothing is READY
 * yet: another thread may just be about to make it so.
 */
#include "base/fatal.h"
#include "os/os.h"
#include "sched/netpoll.h"
#include "sched/proc.h"
#include "sched/sched.h"
#include "sched/traceback.h"

static void tell(int when)
{
    if (tz_sched_hooks.fork)
        tz_sched_hooks.fork(when);
}

static void prepare(void)
{
    tz_lock_acquire(&tz_sched.start_lock, TZ_RANK_START);
    tell(TZ_FORK_PREPARE);
    tz_lock_acquire(&tz_sched.allm_lock, TZ_RANK_ALLM);
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_lock_acquire(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    tz_m_pool_lock();
    tz_stack_lock();
}

static void release(int when)
{
    tz_stack_unlock();
    tz_m_pool_unlock();
    tz_lock_release(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    tz_lock_release(&tz_sched.allm_lock, TZ_RANK_ALLM);
    tell(when);
    tz_lock_release(&tz_sched.start_lock, TZ_RANK_START);
}

static void parent(void)
{
    release(TZ_FORK_PARENT);
}

static void empty(tz_p *p)
{
    p->runnext = NULL;
    p->runq_head = p->runq_tail = 0;
    tz_solo_clear(p);
    p->gfree = NULL;
    p->starts = NULL;
    p->ngfree = p->nstarts = p->slots = 0;
    p->nbegun = p->nended = 0;
    p->nwaiters = 0;
    p->m = NULL;
    tz_timers_forget(p);
}

static void fresh(void)
{
    tz_sched_t *s = &tz_sched;
    tz_m *self = tz_self_m != &tz_nobody ? tz_self_m : NULL;
    s->runq = s->overflow = (tz_workq){NULL, NULL};
    s->runq_size = 0;
    s->pwork = s->pidle = NULL;
    s->npwork = s->npidle = 0;
    s->solo = NULL;
    s->solo_wanted = 0;
    s->netpolling = 0;
    s->midle = s->mwait_head = s->poller = s->netpoller = NULL;
    s->nmidle = s->nmidlelocked = s->nwaiting = 0;
    s->mwait_due = INT64_MAX;
    s->mcount = s->mwanted = s->mstarting = s->template_threads = 0;
    s->gcwaiting = s->stopwait = 0;
    s->stw.word = 0;
    s->nmspinning = s->npless = 0;
    s->nforeign = self && self->foreign && !self->service;
    s->sysmon_deep = s->stop_wanted = s->stopping = 0;
    s->threads = 0;
    s->procs_wanted = s->trim_wanted = 0;
    tz_note_clear(&s->sysmon_note);
    tz_note_clear(&s->template_note);
    tz_note_clear(&s->trace_note);
    tz_note_clear(&s->blocked_note);
    s->tracing = s->watching = false;
    tz_note_clear(&s->stopnote);
    tz_netpoll_forget();
    s->allm = self;
    if (self) {
        self->alllink = self->allprev = NULL;
        self->tid = tz_os_tid();
    }
    for (uint32_t i = 0; i < s->nallp; i++)
        empty(s->allp[i]);
    for (uint32_t i = s->nprocs; i-- > 0;)
        tz_pidle_put_locked(s->allp[i]);
    if (!s->fence_retake)
        (void)tz_os_membarrier_init();
}

static void child(void)
{
    tz_os_threads_forget();
    tz_symbolizer_forget();
    if (tz_sched.had_goroutines || tz_sched.ending) {
        tz_self_m = &tz_nobody;
        tz_store_relaxed(&tz_sched.started, TZ_STARTED_GONE);
    } else if (tz_sched.started == TZ_STARTED_READY) {
        fresh();
    }
    release(TZ_FORK_CHILD);
}

void tz_fork_init(void)
{
    tz_os_at_fork(prepare, parent, child);
}
