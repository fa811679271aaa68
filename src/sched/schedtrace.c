/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GODEBUG=schedtrace=N,scheddetail=1: every N milliseconds a line on standard
 * error, or a block with a line for each P, M and G. In Go's format, so that
 * what reads that reads ours. A crash prints a block first.
 *
 * A thread of its own prints, which there is only then: standard error may be
 * a pipe that nobody reads, and neither sysmon nor the template thread may
 * stand still in a write. It holds no lock while it writes. What is kept
 * under sched.lock it copies there; the rest it reads as a crash does, without
 * a lock: G, M and P are type-stable, a line that is wrong in a detail does no
 * harm. A crash can't wait for the lock, which its own thread may hold. From
 * the first report on the thread prints no more: nothing of it comes between
 * the crash's block and the report.
 *
 * What the numbers mean where tuza is not like Go: status= of P: 0 idle, 1
 * running, 3 stopped, 4 beyond GOMAXPROCS; of G: 1 runnable, 2 running, 4
 * waiting; the dead are not shown. syscalltick= counts how often the P was
 * taken from, or handed off by, an M in user code. needspinning= counts Ps
 * with work that wait for an M. threads= includes sysmon and its like. What
 * there is no such thing as (mallocing=, locks=...) is 0.
 */
#include "base/fatal.h"
#include "os/os.h"
#include "sched/proc.h"
#include "sched/sched.h"

#define STACK ((size_t)64 << 10)

static int64_t start; /* of the first trace */

/* 1: somebody prints, the thread for one trace, a crash for good. Taken by acquire, given by release. */
static uint32_t printing;

typedef struct out {
    char buf[512];
    size_t n;
} out;

static void flush(out *o)
{
    tz_os_write(2, o->buf, o->n);
    o->n = 0;
}

static void text(out *o, const char *s)
{
    for (; *s; s++) {
        if (o->n == sizeof o->buf)
            flush(o);
        o->buf[o->n++] = *s;
    }
}

static void number(out *o, const char *name, uint64_t v)
{
    char digits[24];
    text(o, name);
    text(o, tz_decimal(digits, v));
}

static void boolean(out *o, const char *name, bool v)
{
    text(o, name);
    text(o, v ? "true" : "false");
}

/* One that may not be there. */
static void id(out *o, const char *name, bool is, uint64_t v)
{
    if (is) {
        number(o, name, v);
    } else {
        text(o, name);
        text(o, "nil");
    }
}

/* Its owner writes it as its own: what is read may be a moment old. */
#if TZ_TSAN
__attribute__((no_sanitize("thread"))) TZ_NOINLINE
#endif
    static uint32_t
    racy(const volatile uint32_t *p)
{
    return *p;
}

typedef struct counts {
    uint32_t procs, pidle, threads, spinning, pwork, midle, runq;
    uint32_t stopwait, midlelocked;
    bool stopping, deep;
} counts;

static counts look(void)
{
    const tz_sched_t *s = &tz_sched;
    return (counts){
        .procs = tz_load_relaxed(&s->nprocs),
        .pidle = tz_load_relaxed(&s->npidle),
        .threads = racy(&s->mcount) + racy(&s->template_threads),
        .spinning = tz_load_relaxed(&s->nmspinning),
        .pwork = tz_load_relaxed(&s->npwork),
        .midle = racy(&s->nmidle),
        .runq = tz_load_relaxed(&s->runq_size),
        .stopwait = racy(&s->stopwait),
        .midlelocked = tz_load_relaxed(&s->nmidlelocked),
        .stopping = tz_load_relaxed(&s->gcwaiting),
        .deep = racy(&s->sysmon_deep),
    };
}

/* What begins a time slice: schedtick, and what comes off the ring. */
static uint32_t ticks(tz_p *p)
{
    return tz_load_relaxed(&p->schedtick) + tz_load_relaxed(&p->runq_head);
}

static void print_summary(out *o)
{
    uint32_t n;
    tz_p **allp = tz_procs(&n);
    text(o, " [ ");
    for (uint32_t i = 0; i < n; i++)
        number(o, i ? " " : "", tz_runq_len(allp[i]));
    text(o, " ] schedticks=[ ");
    for (uint32_t i = 0; i < n; i++) {
        number(o, "", ticks(allp[i]));
        text(o, " ");
    }
    text(o, "]\n");
}

static void print_ps(out *o)
{
    static const unsigned char go_status[] = {
        [TZ_P_IDLE] = 0, [TZ_P_READY] = 0, [TZ_P_RUNNING] = 1, [TZ_P_STOPPED] = 3, [TZ_P_DEAD] = 4};
    uint32_t n;
    tz_p **allp = tz_procs(&n);
    for (uint32_t i = 0; i < n; i++) {
        tz_p *p = allp[i];
        tz_m *m = tz_load_relaxed(&p->m);
        number(o, "  P", i);
        number(o, ": status=", go_status[tz_load_relaxed(&p->status)]);
        number(o, " schedtick=", ticks(p));
        number(o, " syscalltick=", tz_load_relaxed(&p->retakes) + tz_load_relaxed(&p->handoffs));
        id(o, " m=", m != NULL, m ? (uint64_t)m->id : 0);
        number(o, " runqsize=", tz_runq_len(p));
        number(o, " gfreecnt=", racy(&p->ngfree));
        number(o, " timerslen=", racy(&p->timers.heap.n));
        text(o, "\n");
    }
}

/* A G's id; 0 where it is none, or a thread's own stack. */
static uint64_t goid_of(tz_g *g)
{
    return g ? tz_load_relaxed(&g->goid) : 0;
}

static void print_ms(out *o)
{
    /* An M that ends and starts anew meanwhile may be met twice, but not without end. */
    uint32_t most = 2 * racy(&tz_sched.mcount) + 100;
    for (tz_m *m = tz_load_acquire(&tz_sched.allm); m && most; m = tz_load_acquire(&m->alllink), most--) {
        tz_p *p = tz_load_relaxed(&m->p);
        uint64_t runs = goid_of(tz_load_relaxed(&m->g)), locked = goid_of(tz_load_relaxed(&m->lockedg));
        bool robbed = (tz_load_relaxed(&m->retake) & TZ_RETAKE_STATE) == TZ_RETAKE_STOLEN;
        number(o, "  M", (uint64_t)m->id);
        id(o, ": p=", p && !robbed, p ? (uint64_t)p->id : 0);
        id(o, " curg=", runs != 0, runs);
        text(o, " mallocing=0 throwing=0 preemptoff= locks=0 dying=0");
        boolean(o, " spinning=", racy(&m->spinning));
        boolean(o, " blocked=", tz_note_slept_on(&m->park));
        id(o, " lockedg=", locked != 0, locked);
        text(o, "\n");
    }
}

static tz_m *m_of(tz_g *g)
{
    uint32_t most = 2 * racy(&tz_sched.mcount) + 100;
    for (tz_m *m = tz_load_acquire(&tz_sched.allm); m && most; m = tz_load_acquire(&m->alllink), most--)
        if (tz_load_relaxed(&m->g) == g)
            return m;
    return NULL;
}

static void print_g(out *o, uint64_t goid, int status, const char *reason, tz_m *m, tz_m *locked)
{
    number(o, "  G", goid);
    number(o, ": status=", (uint64_t)status);
    text(o, "(");
    text(o, reason);
    text(o, ")");
    id(o, " m=", m != NULL, m ? (uint64_t)m->id : 0);
    id(o, " lockedm=", locked != NULL, locked ? (uint64_t)locked->id : 0);
    text(o, "\n");
}

static bool one_g(tz_stack *s, void *arg)
{
    tz_g *g = (tz_g *)(void *)s;
    uint64_t goid = goid_of(g);
    uint32_t status = tz_load_relaxed(&g->status);
    tz_m *locked = tz_load_relaxed(&g->lockedm);
    if (goid == 0) /* dead, or a g0 */
        return true;
    if (status == TZ_G_WAITING) {
        print_g(arg, goid, 4, tz_wait_reason_text(tz_load_relaxed(&g->wait_reason)), NULL, locked);
    } else if (status == TZ_G_RUNNABLE) {
        tz_m *m = m_of(g);
        print_g(arg, goid, m ? 2 : 1, "", m, locked);
    }
    return true;
}

static void one_start(tz_start *s, void *arg)
{
    uint64_t goid = tz_load_relaxed(&s->goid);
    if (goid)
        print_g(arg, goid, 1, "", NULL, NULL);
}

static void trace(const counts *c, bool detailed, int64_t now)
{
    out o = {.n = 0};
    number(&o, "SCHED ", (uint64_t)((now - start) / 1000000));
    number(&o, "ms: gomaxprocs=", c->procs);
    number(&o, " idleprocs=", c->pidle);
    number(&o, " threads=", c->threads);
    number(&o, " spinningthreads=", c->spinning);
    number(&o, " needspinning=", c->pwork);
    number(&o, " idlethreads=", c->midle);
    number(&o, " runqueue=", c->runq);
    if (detailed) {
        boolean(&o, " gcwaiting=", c->stopping);
        number(&o, " nmidlelocked=", c->midlelocked);
        number(&o, " stopwait=", c->stopwait);
        boolean(&o, " sysmonwait=", c->deep);
        text(&o, "\n");
        print_ps(&o);
        print_ms(&o);
        tz_stack_each(one_g, &o);
        tz_starts_each(one_start, &o);
    } else {
        print_summary(&o);
    }
    flush(&o);
}

static void tracer(void *unused)
{
    (void)unused;
    while (!tz_load_relaxed(&tz_sched.stopping)) {
        tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
        counts c = look();
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
        int64_t now = tz_os_now();
        uint32_t nobody = 0;
        if (tz_cas_acquire(&printing, &nobody, 1)) {
            trace(&c, tz_godebug.scheddetail > 0, now);
            tz_store_release(&printing, 0);
        }
        tz_note_sleep_until(&tz_sched.trace_note, now + tz_godebug.schedtrace * (int64_t)1000000);
    }
}

int tz_schedtrace_start(void)
{
    if (!start)
        start = tz_os_now();
    if (!tz_reporting())
        tz_store_relaxed(&printing, 0); /* a parent's thread may have printed at the fork */
    return tz_os_thread_start(tracer, NULL, STACK, "tuza-schedtrace");
}

/* The thread's last trace is waited for, but not for ever: it may be the thread that crashes, or stand still
 * in its write, or not be there, in a child of fork. */
static void stop_tracer(void)
{
    static bool stopped; /* of those that report, one at a time */
    uint32_t nobody = 0;
    for (int naps = 0; !stopped && naps < 1000 && !tz_cas_acquire(&printing, &nobody, 1); naps++) {
        tz_fatal_hooks.nap();
        nobody = 0;
    }
    stopped = true;
}

void tz_schedtrace_crash(void)
{
    if (!tz_godebug.schedtrace && !tz_godebug.scheddetail)
        return;
    stop_tracer();
    int64_t now = tz_os_now();
    if (!start)
        start = now;
    counts c = look();
    trace(&c, true, now);
}
