/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sysmon: the one thread without a P that watches the others.
 *
 * It retakes Ps from Ms that are stuck in user code, asks for a yield when a
 * slice is used up, pays the debts of wake-ups left out (proc.c), fires
 * timers that nobody sleeps for, and follows the CPU quota. It never
 * allocates, creates threads, or waits for a lock that is held long: where one is taken it
 * looks again soon.
 *
 * An M is blocked when its counter is even and stood still between two looks,
 * its CPU clock stood still as well, and the kernel says that the thread
 * sleeps: a clock that stands still could also mean that the kernel runs
 * something else. An M is a hog when the same stretch of user code lasted a
 * slice. Its P is taken only where somebody needs it.
 *
 * How often it looks: every 50 us for as long as that has been of use lately
 * (it robbed somebody, paid a debt, found a descriptor ready), or there is
 * something to watch closely (a thread that seems blocked and work waiting; a
 * known blocker gone to user code; a timer due); else ever less, down to once
 * a millisecond: where queues are served all the time, as in a busy server,
 * its looks would cost a third of what the work does. Never at all once every
 * P is idle, and after a rest it begins anew.
 */
#include "base/fatal.h"
#include "os/os.h"
#include "sched/netpoll.h"
#include "sched/proc.h"
#include "sched/retake.h"
#include "sched/sched.h"
#include "sched/traceback.h"

#define LOOK_NS          50000
#define LOOK_MAX_NS      1000000
#define QUIET            400      /* looks that were of no use before it looks less often */
#define REST_NS          10000000 /* so long without a busy P, and all is as at the beginning */
#define SLICE_NS         10000000
#define SLICE_MAX_NS     100000000
#define SLICE_IO_NS      1500000 /* while goroutines wait whose descriptors nobody but sysmon has looked at */
#define GRAIN_NS         8000    /* queues that move faster than this serve themselves */
#define QUOTA_NS         1000000000
#define DEAD_LOOK_MAX_NS 10000000000
#define GRACE_NS         20000 /* within which a busy P looks at its own timers */

int64_t tz_sysmon_until;

typedef struct watch {
    int64_t now;
    int64_t next_timer; /* when the first timer needs somebody */
    bool close;         /* something to look at again soon */
    bool alert;         /* what may become that is looked at soon as well */
    bool useful;        /* somebody was helped */
    bool due;           /* that was before now */
    bool waiting;       /* work that no P serves: on the global queue, Ms that wait in place, a timer due */
    int64_t slice;
} watch;

void tz_sysmon_kick(int64_t when)
{
    int64_t until = tz_load_relaxed(&tz_sysmon_until);
    /* sysmon publishes when it will wake; once is enough: whoever lowers it wakes it. */
    while (when < until)
        if (tz_cas_relaxed(&tz_sysmon_until, &until, when)) {
            tz_note_wake(&tz_sched.sysmon_note);
            return;
        }
}

/* Takes m's P for somebody else. Needs an M at hand:
 * one that has to be made first would leave the P lying. */
static bool rob(watch *w, tz_m *m, uint64_t seq, uint32_t why)
{
    tz_m *wake = NULL;
    bool robbed = false;
    if (!tz_lock_try(&tz_sched.lock, TZ_RANK_SCHED))
        return false;
    if (!tz_sched.midle && !tz_sched.mwait_head) {
        tz_newm_locked();
    } else if (!tz_sched.gcwaiting) {
        tz_store_relaxed(&m->robbed, why); /* before: the M may be back at once */
        tz_p *p = tz_retake(m, seq);
        if (!p) {
            tz_store_relaxed(&m->robbed, TZ_ROBBED_NOT);
        } else {
            robbed = w->useful = true;
            if (tz_sched.mwait_head)
                wake = tz_pidle_put_locked(p);
            else
                wake = tz_startm_locked(p, false);
        }
    }
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    if (wake)
        tz_wakem(wake);
    return robbed;
}

/* Whether somebody would be better off with p than the M that has it. */
static bool wanted(const watch *w, tz_p *p)
{
    return w->waiting || !tz_runq_empty(p) ||
           (w->next_timer < w->now + LOOK_MAX_NS && !tz_load_relaxed(&tz_sched.npidle));
}

static bool is_blocked(tz_m *m)
{
    int64_t before = m->look_cpu;
    m->look_cpu = tz_os_thread_cpu(m->tid);
    if (before < 0 || m->look_cpu != before)
        return false;
    /* Opened each time: a program may close every descriptor it finds, and ours would then be another's. */
    int fd = tz_os_thread_stat_open(m->tid);
    if (fd < 0) /* no descriptor to be had: a clock that stood still for long has to do */
        return tz_os_now() - m->look_since >= LOOK_MAX_NS;
    char s = tz_os_thread_state(fd);
    tz_os_close(fd);
    return s == 'S' || s == 'D';
}

static int64_t slice_of(const watch *w, tz_g *g)
{
    return tz_load_relaxed(&g->hog) && !tz_sched.seeded ? TZ_SLICE_HOG_NS : w->slice;
}

static void look_at_m(watch *w, tz_m *m)
{
    uint64_t seq = tz_load_acquire(&m->seq);
    uint32_t state = tz_load_relaxed(&m->retake) & TZ_RETAKE_STATE;
    tz_p *p = tz_load_relaxed(&m->p);
    bool armed = tz_load_relaxed(&m->armed);
    if ((seq & 1) || state == TZ_RETAKE_STOLEN || !p) {
        m->look_seq = seq;
        return;
    }
    if (armed)
        tz_store_relaxed(&m->armed, 0);
    if (seq != m->look_seq) {
        m->look_seq = seq;
        m->look_since = w->now;
        m->look_cpu = -1;
        m->look_asked = 0;
        if (!armed) {
            if (wanted(w, p)) {
                m->look_cpu = tz_os_thread_cpu(m->tid);
                w->close |= w->alert;
            }
            return;
        }
    }
    if (!wanted(w, p)) {
        m->look_cpu = -1;
        return;
    }
    bool patient = tz_sched.seeded && w->now - m->look_since < TZ_SEED_SLICE_NS;
    if (!patient && (armed || is_blocked(m))) {
        if (!rob(w, m, seq, TZ_ROBBED_BLOCKED))
            w->close = true;
        return;
    }
    tz_g *g = tz_load_relaxed(&m->g);
    if (w->now - m->look_since < slice_of(w, g)) {
        w->close |= w->now - m->look_since < 2 * LOOK_MAX_NS;
        return;
    }
    if (!m->look_asked) {
        m->look_asked = 1;
        tz_retake_yield(m);
    } else {
        rob(w, m, seq, TZ_ROBBED_HOG);
    }
}

static void look_at_ms(watch *w)
{
    if (!tz_lock_try(&tz_sched.allm_lock, TZ_RANK_ALLM)) {
        w->close = true;
        return;
    }
    for (tz_m *m = tz_sched.allm; m; m = m->alllink)
        look_at_m(w, m);
    tz_lock_release(&tz_sched.allm_lock, TZ_RANK_ALLM);
}

/* Time slices. A goroutine that enters the runtime now and then is asked to yield; one that does not heed it,
 * since its calls are of the kind that never moves it, is robbed between two of them. */
static void look_at_slice(watch *w, tz_p *p)
{
    uint32_t tick = tz_load_relaxed(&p->schedtick) + tz_load_relaxed(&p->runq_head);
    if (tick != p->look_tick || p->look_since == 0) {
        p->look_tick = tick;
        p->look_since = w->now;
        p->look_asked = false;
        return;
    }
    tz_m *m = tz_load_relaxed(&p->m);
    if (!m || !(w->waiting || !tz_runq_empty(p)))
        return;
    tz_g *g = tz_load_relaxed(&m->g);
    if (w->now - p->look_since < slice_of(w, g))
        return;
    w->close = true;
    if (!p->look_asked) {
        p->look_asked = true;
        tz_retake_yield(m);
    } else {
        rob(w, m, 0, TZ_ROBBED_HOG);
    }
}

/* Whether p owes a wake-up. */
static bool look_at_p(watch *w, tz_p *p, bool idle)
{
    if (tz_load_relaxed(&p->status) != TZ_P_RUNNING) {
        p->look_queued = false;
        return false;
    }
    look_at_slice(w, p);
    uint32_t switches = tz_load_relaxed(&p->switches);
    bool owes = false;
    bool queued = !tz_runq_empty(p);
    if (idle && queued) {
        w->close |= w->alert;
        int64_t elapsed = w->now - p->look_at;
        bool slow = (int64_t)(switches - p->look_switches) * GRAIN_NS < elapsed;
        bool old = (int32_t)(tz_load_relaxed(&p->runq_head) - p->look_tail) < 0;
        owes = p->look_queued && (slow || old);
    }
    p->look_queued = queued;
    p->look_at = w->now;
    p->look_switches = switches;
    p->look_tail = tz_load_relaxed(&p->runq_tail);
    return owes;
}

/* When the first timer is due that its P's owner will not see to by itself. */
static int64_t next_timer(void)
{
    uint32_t n;
    tz_p **allp = tz_procs(&n);
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < n; i++) {
        int64_t due = tz_load_relaxed(&allp[i]->timers.min);
        if (due && due < INT64_MAX - GRACE_NS && tz_load_relaxed(&allp[i]->status) == TZ_P_RUNNING)
            due += GRACE_NS;
        if (due && due < next)
            next = due;
    }
    return next;
}

/* Whether something that was on the global queue at the last look is there still. */
static bool global_is_old(void)
{
    static uint32_t size, taken;
    uint32_t now = tz_load_relaxed(&tz_sched.runq_taken);
    bool old = size > now - taken;
    size = tz_load_relaxed(&tz_sched.runq_size);
    taken = now;
    return old;
}

static void look_at_ps(watch *w)
{
    uint32_t n;
    tz_p **allp = tz_procs(&n);
    bool idle = tz_load_relaxed(&tz_sched.npidle) != 0;
    bool owes = global_is_old() || w->due || tz_load_relaxed(&tz_sched.mwait_due) <= w->now;
    if (idle && w->waiting)
        w->close = true;
    for (uint32_t i = 0; i < n; i++)
        owes |= look_at_p(w, allp[i], idle);
    if (idle && owes) {
        w->useful = true;
        tz_wakep();
    }
}

/* More hogs than CPUs run without a P: slices grow, so that fewer join them; never without end. */
static int64_t slice(void)
{
    if (TZ_UNLIKELY(tz_sched.seeded))
        return TZ_SEED_SLICE_NS;
    int64_t s = SLICE_NS * (1 + (int64_t)(tz_load_relaxed(&tz_sched.npless) / (4 * tz_sched.ncpu)));
    return s < SLICE_MAX_NS ? s : SLICE_MAX_NS;
}

static void follow_quota(int64_t now)
{
    static int64_t last;
    if (tz_load_relaxed(&tz_sched.procs_custom) || !tz_godebug.updatemaxprocs || now - last < QUOTA_NS)
        return;
    last = now;
    bool custom;
    int n = tz_procs_default(&custom);
    if ((uint32_t)n == tz_load_relaxed(&tz_sched.nprocs))
        return;
    tz_store_relaxed(&tz_sched.procs_wanted, (uint32_t)n);
    tz_note_wake(&tz_sched.template_note);
}

/* Every P idle, nothing to fire: sleep until somebody takes a P. Returns until when, 0: don't. */
static int64_t deep_until(int64_t now)
{
    static int64_t patience = LOOK_MAX_NS;
    int64_t until = 0;
    int dead = TZ_ALIVE;
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    if (tz_sched.npidle == tz_load_relaxed(&tz_sched.nprocs) && !tz_sched.mwait_head && !tz_sched.gcwaiting &&
        !tz_netpoll_unattended() &&
        (tz_timers_next() == INT64_MAX || (tz_sched.poller && tz_sched.poll_until <= tz_timers_next()))) {
        dead = tz_checkdead_locked();
        /* As Go, which prints from here: who reads the traces sees sysmon awake. */
        tz_sched.sysmon_deep = !tz_godebug.schedtrace;
        until = tz_sched.sysmon_deep ? TZ_OS_FOREVER : now + LOOK_MAX_NS;
    }
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    if (dead == TZ_DEAD)
        tz_report_deadlock();
    if (dead == TZ_ALIVE) {
        patience = LOOK_MAX_NS;
        return until;
    }
    if (patience < DEAD_LOOK_MAX_NS)
        patience *= 2;
    return now + patience;
}

/* Looks at descriptors where nobody else does: the Ms that have Ps are stuck. */
static void poll_for_others(watch *w)
{
    static bool found; /* some, that wait still */
    found = found && tz_load_relaxed(&tz_sched.runq_size);
    if (found && w->slice > SLICE_IO_NS && !tz_sched.seeded)
        w->slice = SLICE_IO_NS;
    if (!tz_netpoll_unattended() || tz_load_relaxed(&tz_sched.ending))
        return;
    tz_workq ready = {NULL, NULL};
    if (tz_netpoll(NULL, 0, &ready) == 0)
        return;
    found = true;
    w->close = w->waiting = w->useful = true;
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_netpoll_put_locked(&ready);
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    tz_wakep();
}

void tz_sysmon(void *unused)
{
    (void)unused;
    tz_os_precise_timers();
    int64_t delay = LOOK_NS;
    int quiet = 0;
    for (;;) {
        /* From here on a kick is a note that ends the next sleep at once. */
        tz_note_clear(&tz_sched.sysmon_note);
        tz_store_relaxed(&tz_sysmon_until, TZ_OS_FOREVER);
        tz_fence_store_load(); /* before the looks; the next look makes up for a kick missed all the same */
        if (TZ_UNLIKELY(tz_load_relaxed(&tz_sched.stopping)))
            return;
        watch w = {.now = tz_os_now(), .next_timer = next_timer(), .slice = slice(), .alert = quiet <= QUIET};
        w.due = w.next_timer <= w.now;
        w.waiting =
            tz_load_relaxed(&tz_sched.runq_size) || tz_load_relaxed(&tz_sched.mwait_due) <= w.now || w.due;
        poll_for_others(&w);
        look_at_ms(&w);
        look_at_ps(&w);
        follow_quota(w.now);
        int64_t deep =
            tz_load_relaxed(&tz_sched.npidle) == tz_load_relaxed(&tz_sched.nprocs) ? deep_until(w.now) : 0;
        tz_waits_want(w.now); /* after that decision: whatever waits by then is seen */
        if (deep) {
            if (tz_load_relaxed(&tz_sched.trim_wanted)) {
                tz_store_relaxed(&tz_sched.trim_wanted, 0);
                tz_note_wake(&tz_sched.template_note);
            }
            tz_note_sleep_until(&tz_sched.sysmon_note, deep);
            if (tz_os_now() - w.now >= REST_NS)
                quiet = 0;
            continue;
        }
        quiet = w.useful || w.due ? 0 : quiet + (quiet <= QUIET);
        if (quiet <= QUIET)
            delay = LOOK_NS;
        else if (delay < LOOK_MAX_NS)
            delay = 2 * delay < LOOK_MAX_NS ? 2 * delay : LOOK_MAX_NS;
        int64_t until = w.now + (w.close ? LOOK_NS : delay);
        if (w.next_timer > w.now && w.next_timer < until)
            until = w.next_timer;
        /* A look that took long must not be followed by the next at once. */
        int64_t soonest = tz_os_now() + LOOK_NS / 2;
        until = until > soonest ? until : soonest;
        tz_store_relaxed(&tz_sysmon_until, until);
        tz_note_sleep_until(&tz_sched.sysmon_note, until);
    }
}
