/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The figures of tuza/debug.h.
 *
 * Nothing is kept for them on the way of a switch: the counts are written by
 * a P's owner, or under sched.lock, where something slow happens anyway.
 * What is kept under sched.lock is copied there, the rest is read as a crash
 * reads it: without a lock, G, M and P being type-stable.
 */
#include "tuza/debug.h"

#include "os/os.h"
#include "sched/proc.h"
#include "sched/sched.h"

_Static_assert(TZ_WAIT_REASONS <= TUZA_STATS_WAITS, "each reason has its place");

/* Its owner writes it as its own: what is read may be a moment old. */
static TZ_NO_SANITIZE TZ_NOINLINE uint32_t racy(const volatile uint32_t *p)
{
    return *p;
}

static TZ_NO_SANITIZE TZ_NOINLINE bool is_foreign(const volatile tz_m *m)
{
    return m->foreign;
}

typedef struct census {
    uint64_t runnable; /* those that run included */
    uint64_t waits[TZ_WAIT_REASONS];
} census;

static bool count_g(tz_stack *s, void *arg)
{
    tz_g *g = (tz_g *)(void *)s;
    census *c = arg;
    uint32_t status = tz_load_relaxed(&g->status);
    if (tz_load_relaxed(&g->goid) == 0) /* dead, or a g0 */
        return true;
    if (status == TZ_G_RUNNABLE) {
        c->runnable++;
    } else if (status == TZ_G_WAITING) {
        uint64_t reason = tz_load_relaxed(&g->wait_reason) & TZ_WAIT_REASON;
        c->waits[reason < TZ_WAIT_REASONS ? reason : TZ_WAIT_NONE]++;
    }
    return true;
}

static void count_start(tz_start *s, void *arg)
{
    (void)s;
    ((census *)arg)->runnable++;
}

static uint64_t count_running(void)
{
    uint64_t n = 0;
    for (tz_m *m = tz_load_acquire(&tz_sched.allm); m; m = tz_load_acquire(&m->alllink)) {
        tz_g *g = tz_load_relaxed(&m->g);
        n += g && tz_load_relaxed(&g->goid) != 0 && !is_foreign(m);
    }
    return n;
}

static void look_at_goroutines(tuza_stats *s)
{
    census c = {0};
    tz_stack_each(count_g, &c);
    tz_starts_each(count_start, &c);
    s->running = count_running();
    s->runnable = c.runnable > s->running ? c.runnable - s->running : 0;
    size_t n = 0;
    for (uint32_t reason = 0; reason < TZ_WAIT_REASONS; reason++) {
        if (!c.waits[reason])
            continue;
        s->waiting += c.waits[reason];
        s->waits[n++] = (tuza_stats_wait){tz_wait_reason_text(reason), c.waits[reason]};
    }
}

static void look_at_threads(tuza_stats *s)
{
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    s->threads = tz_sched.mcount + tz_sched.template_threads;
    s->threads_idle = tz_sched.nmidle;
    s->procs_idle = tz_sched.npidle;
    s->queue = tz_sched.runq_size;
    s->wakes = tz_sched.wakes;
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    s->threads_spinning = tz_load_relaxed(&tz_sched.nmspinning);
    s->threads_stuck = tz_load_relaxed(&tz_sched.npless);
    s->threads_locked = tz_load_relaxed(&tz_sched.nmidlelocked);
    s->polled = tz_load_relaxed(&tz_sched.polled);
}

/* Those beyond GOMAXPROCS too: what they counted stays counted. */
static void look_at_procs(tuza_stats *s)
{
    uint32_t n = tz_load_acquire(&tz_sched.nallp); /* before the array: see grow_allp */
    tz_p **allp = tz_load_acquire(&tz_sched.allp);
    s->procs = tz_load_relaxed(&tz_sched.nprocs);
    for (uint32_t i = 0; i < n; i++) {
        tz_p *p = allp[i];
        s->timers += racy(&p->timers.heap.n);
        s->switches += tz_load_relaxed(&p->switches);
        s->steals += tz_load_relaxed(&p->steals);
        s->stolen += tz_load_relaxed(&p->stolen);
        s->retakes += tz_load_relaxed(&p->retakes);
        s->handoffs += tz_load_relaxed(&p->handoffs);
        s->polled += tz_load_relaxed(&p->polled);
        s->timers_run += tz_load_relaxed(&p->timers.run);
    }
}

void tuza_stats_get(tuza_stats *stats)
{
    *stats = (tuza_stats){.time = tz_os_now()};
    if (tz_load_acquire(&tz_sched.started) != TZ_STARTED_READY)
        return;
    look_at_goroutines(stats);
    look_at_threads(stats);
    look_at_procs(stats);
}

uint32_t tz_runq_len(tz_p *p)
{
    uint32_t head = tz_load_relaxed(&p->runq_head), tail = tz_load_acquire(&p->runq_tail);
    uint32_t n = tail - head;
    return (n <= TZ_RUNQ_SIZE ? n : 0) + (tz_load_relaxed(&p->runnext) != NULL);
}

static void look_at_proc(tuza_stats_proc *s, tz_p *p)
{
    static const tuza_proc_state states[] = {[TZ_P_IDLE] = TUZA_PROC_IDLE,
                                             [TZ_P_READY] = TUZA_PROC_READY,
                                             [TZ_P_RUNNING] = TUZA_PROC_RUNNING,
                                             [TZ_P_STOPPED] = TUZA_PROC_STOPPED,
                                             [TZ_P_DEAD] = TUZA_PROC_IDLE};
    tz_m *m = tz_load_relaxed(&p->m);
    *s = (tuza_stats_proc){
        .state = states[tz_load_relaxed(&p->status)],
        .thread = m ? m->id : -1,
        .queue = tz_runq_len(p),
        .timers = racy(&p->timers.heap.n),
        .switches = tz_load_relaxed(&p->switches),
        .steals = tz_load_relaxed(&p->steals),
        .retakes = tz_load_relaxed(&p->retakes),
        .handoffs = tz_load_relaxed(&p->handoffs),
    };
}

size_t tuza_stats_procs(tuza_stats_proc *procs, size_t size)
{
    if (tz_load_acquire(&tz_sched.started) != TZ_STARTED_READY)
        return 0;
    uint32_t n;
    tz_p **allp = tz_procs(&n);
    for (size_t i = 0; i < n && i < size; i++)
        look_at_proc(&procs[i], allp[i]);
    return n;
}
