/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Resting Ms and idle Ps, all under sched.lock.
 *
 * An M that has nothing to run puts its P on the idle list and rests on
 * sched.midle. The M that rested last is the poller: it sleeps only until the
 * next timer of any P. It need not be woken when that role passes to another
 * M; it finds out when its old deadline comes.
 *
 * While goroutines wait for descriptors, one resting M, the netpoller, sleeps
 * in epoll_wait in place of its note, until the same deadline; who takes it
 * off the list breaks that (tz_wakem). It needs no P for that, and takes an
 * idle one when it comes back with goroutines. There may be none: where
 * another P runs and looks at the descriptors itself each time it runs dry,
 * every event would cost a wake-up and a fight over the queue. Then it is up
 * to that P, and sysmon looks whether it does. So an M that comes to rest
 * becomes the netpoller if there is none and no running P has looked lately;
 * where the last P becomes idle without an M coming to rest (a hand-off), a
 * resting M is woken for it.
 *
 * Ms that wait in place (sched.mwait) are robbed Ms in the middle of a call
 * that may not move to another thread. A P that becomes free goes to them
 * first. One that was robbed for using up its slice waits as long as that
 * before a busy P is given to it.
 */
#include <limits.h>

#include "os/os.h"
#include "sched/netpoll.h"
#include "sched/proc.h"
#include "sched/retake.h"

#define SPARE_MS 2
#define BUSY_NS  100000
/* A P that runs and has not looked at descriptors for so long may be stuck. */
#define POLLED_NS 1000000

void tz_wakem(tz_m *m)
{
    if (m->wake_break) {
        m->wake_break = false;
        tz_netpoll_break();
    }
    tz_note_wake(&m->park); /* last: m may run, end and be another's M */
}

void tz_acquirep(tz_m *m, tz_p *p)
{
    tz_store_relaxed(&m->p, p);
    tz_store_relaxed(&p->m, m);
    /* Or whoever had it has stepped over fair_at, and not come to where that is made up for. */
    if (TZ_UNLIKELY(m->lockedg != NULL || (int32_t)(p->switches - p->fair_at) > 0))
        tz_lock_fair(m);
}

tz_p *tz_pidle_pop_locked(void)
{
    tz_p *p = tz_sched.pwork;
    if (p) {
        tz_sched.pwork = p->link;
        tz_store_relaxed(&tz_sched.npwork, tz_sched.npwork - 1);
        if (tz_sched.pwork)
            tz_newm_locked(); /* the request for that one's M may have been one with this one's */
    } else {
        p = tz_sched.pidle;
        if (!p)
            return NULL;
        tz_sched.pidle = p->link;
        tz_store_relaxed(&tz_sched.npidle, tz_sched.npidle - 1);
    }
    tz_store_relaxed(&p->status, TZ_P_RUNNING);
    if (tz_sched.sysmon_deep) {
        tz_sched.sysmon_deep = 0;
        tz_note_wake(&tz_sched.sysmon_note);
    }
    return p;
}

tz_p *tz_pidle_get_locked(void)
{
    /* One that waits for an M runs anyway; a further one must find nobody alone. */
    return tz_sched.pwork || tz_solo_end_locked() ? tz_pidle_pop_locked() : NULL;
}

tz_m *tz_pidle_put_locked(tz_p *p)
{
    tz_store_relaxed(&p->m, NULL);
    tz_m *m = tz_sched.mwait_head;
    if (m) {
        tz_sched.mwait_head = m->link;
        tz_store_relaxed(&tz_sched.mwait_due, m->link ? m->link->wait_until : INT64_MAX);
        m->nextp = p;
        tz_store_relaxed(&p->m, m); /* whom to ask, should p be alone */
        return m;
    }
    tz_solo_drop_locked(p);
    tz_store_relaxed(&p->status, TZ_P_IDLE);
    p->link = tz_sched.pidle;
    tz_sched.pidle = p;
    tz_store_relaxed(&tz_sched.npidle, tz_sched.npidle + 1);
    if (TZ_UNLIKELY(tz_sched.stop_wanted)) {
        tz_store_relaxed(&tz_sched.idle_seq, tz_sched.idle_seq + 1);
        tz_os_futex_wake(&tz_sched.idle_seq, INT_MAX);
    }
    return NULL;
}

static void midle_push(tz_m *m)
{
    m->prev = NULL;
    m->link = tz_sched.midle;
    if (m->link)
        m->link->prev = m;
    tz_sched.midle = m;
    tz_sched.nmidle++;
    m->idle = 1;
}

static void midle_remove(tz_m *m)
{
    if (m->prev)
        m->prev->link = m->link;
    else
        tz_sched.midle = m->link;
    if (m->link)
        m->link->prev = m->prev;
    tz_sched.nmidle--;
    m->idle = 0;
    if (tz_sched.poller == m)
        tz_sched.poller = NULL;
    m->wake_break = tz_sched.netpoller == m;
    if (m->wake_break)
        tz_store_relaxed(&tz_sched.netpoller, NULL);
}

/* m takes itself off. */
static void midle_leave(tz_m *m)
{
    midle_remove(m);
    m->wake_break = false;
}

/* Whether a P whose owner is at work sees to the descriptors. */
static bool polled_by_others(void)
{
    int64_t lately = tz_os_now() - POLLED_NS;
    uint32_t n;
    tz_p **allp = tz_procs(&n);
    if (tz_load_relaxed(&tz_sched.npidle) == n)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (tz_load_relaxed(&allp[i]->status) == TZ_P_RUNNING &&
            tz_load_relaxed(&allp[i]->polled_at) > lately)
            return true;
    return false;
}

bool tz_netpoll_unattended(void)
{
    return !tz_load_relaxed(&tz_sched.netpoller) && tz_netpoll_waiters() != 0 && !polled_by_others();
}

/* A resting M to wake, to be the netpoller, where the last P has become idle and there is none. */
static tz_m *call_netpoller_locked(void)
{
    tz_m *m = tz_sched.midle;
    if (!m || tz_sched.gcwaiting || tz_sched.npidle != tz_load_relaxed(&tz_sched.nprocs) ||
        !tz_netpoll_unattended())
        return NULL;
    midle_remove(m);
    m->nextp = NULL;
    m->wake_poll = true;
    return m;
}

tz_m *tz_midle_take_all_locked(void)
{
    tz_m *all = NULL, *m;
    while ((m = tz_sched.midle) != NULL) {
        midle_remove(m);
        m->nextp = NULL;
        tz_store_relaxed(&tz_sched.mcount, tz_sched.mcount - 1);
        m->link = all;
        all = m;
    }
    return all;
}

tz_m *tz_startm_locked(tz_p *p, bool spinning)
{
    tz_m *m = tz_sched.midle;
    if (m && m == tz_sched.netpoller && m->link)
        m = m->link; /* rather one that need not be broken off */
    if (tz_sched.nmidle <= 1)
        tz_newm_locked(); /* one spare M is always at hand, for those who can't wait for a thread to start */
    if (!m) {
        if (spinning)
            tz_sub_relaxed(&tz_sched.nmspinning, 1);
        /* A thread may be long in coming, at the limit for ever; but a goroutine with a thread of its own
         * needs no other. */
        tz_work *w = tz_runq_take_locked(p);
        if (w) {
            m = tz_work_any_g(w)->lockedm;
            m->nextp = p;
            tz_store_relaxed(&p->m, m);
            return m;
        }
        tz_solo_drop_locked(p);
        tz_store_relaxed(&p->status, TZ_P_READY);
        tz_p **end = &tz_sched.pwork;
        while (*end)
            end = &(*end)->link;
        p->link = NULL;
        *end = p;
        tz_store_relaxed(&tz_sched.npwork, tz_sched.npwork + 1);
        return NULL;
    }
    midle_remove(m);
    m->nextp = p;
    tz_store_relaxed(&p->m, m);
    m->wake_spin = spinning;
    tz_sched.wakes++;
    return m;
}

void tz_handoffp(tz_p *p)
{
    tz_m *wake;
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    if (tz_sched.gcwaiting) {
        tz_store_relaxed(&p->status, TZ_P_STOPPED);
        tz_store_relaxed(&p->m, NULL);
        wake = NULL;
        if (--tz_sched.stopwait == 0)
            tz_note_wake(&tz_sched.stopnote);
    } else if (!tz_sched.mwait_head && (!tz_runq_empty(p) || tz_sched.runq_size)) {
        wake = tz_startm_locked(p, false);
    } else {
        /* To one that waits in place, with all that is queued on it, or idle. */
        wake = tz_pidle_put_locked(p);
        if (!wake)
            wake = call_netpoller_locked();
    }
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    if (wake)
        tz_wakem(wake);
    else
        tz_sysmon_kick(tz_timers_next());
}

void tz_wait_for_p_locked(tz_m *m)
{
    m->wait_until = tz_os_now() + (tz_load_relaxed(&m->g->hog) ? TZ_SLICE_HOG_NS : 0);
    tz_m **at = &tz_sched.mwait_head;
    while (*at && (*at)->wait_until <= m->wait_until)
        at = &(*at)->link;
    m->link = *at;
    *at = m;
    tz_store_relaxed(&tz_sched.mwait_due, tz_sched.mwait_head->wait_until);
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    tz_sysmon_kick(m->wait_until);
    tz_note_sleep(&m->park);
    tz_note_clear(&m->park);
    tz_acquirep(m, m->nextp);
}

bool tz_give_p(tz_m *m)
{
    tz_p *p = m->p;
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    if (!tz_sched.mwait_head) {
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
        return false;
    }
    tz_store_relaxed(&m->p, NULL);
    tz_m *next = tz_pidle_put_locked(p);
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    tz_wakem(next);
    return true;
}

/* The poller's deadline; others sleep until they are reaped. */
static int64_t rest_until(tz_m *m)
{
    if (TZ_UNLIKELY(tz_load_relaxed(&tz_sched.ending) != NULL))
        return TZ_OS_FOREVER; /* nothing of what comes is ours any more */
    /* The netpoller does not end either, or it would come back at once for ever. */
    bool reaped = tz_sched.nmidle > SPARE_MS && m != tz_sched.m0 && m != tz_sched.netpoller;
    int64_t reap = reaped ? m->reap_at : TZ_OS_FOREVER;
    if (tz_sched.poller != m)
        return reap;
    int64_t timer = tz_timers_next();
    /* Due, but there was no P to be had: the owners of the busy ones and sysmon see to it. */
    if (timer <= tz_os_now())
        timer = tz_os_now() + BUSY_NS;
    tz_sched.poll_until = timer; /* sysmon sleeps deep only if this is not too late for any timer */
    if (reap <= tz_os_now())     /* the poller does not end, but it may not stay the poller */
        reap = tz_os_now() + tz_load_relaxed(&tz_sched.reap_ns);
    return timer < reap ? timer : reap;
}

/* Under sched.lock: what keeps m from resting. Returns a P for m. */
static tz_p *last_look(void)
{
    if (tz_sched.gcwaiting || TZ_UNLIKELY(tz_sched.stopping))
        return NULL;
    if (tz_sched.npwork || (tz_sched.npidle && (tz_sched.runq_size || tz_timers_next() <= tz_os_now())))
        return tz_pidle_get_locked();
    return NULL;
}

/* Puts m's P away; false where something turned up and m keeps it. */
static bool put_p_locked(tz_m *m, tz_m **wake)
{
    *wake = NULL;
    if (!m->p)
        return true;
    if (tz_sched.gcwaiting || tz_sched.runq_size)
        return false;
    tz_p *p = m->p;
    tz_store_relaxed(&m->p, NULL);
    *wake = tz_pidle_put_locked(p);
    return true;
}

/* Under sched.lock, for m, which is on the list: whether it shall wait for descriptors. */
static bool to_poll(tz_m *m)
{
    if (tz_sched.netpoller == m) {
        tz_store_relaxed(&tz_sched.netpolling, 1);
        return true;
    }
    /* One that has been taken off the list may be in there still: the break that it waits for would be
     * ours. */
    if (tz_load_relaxed(&tz_sched.netpolling) || tz_load_relaxed(&tz_sched.ending) ||
        !tz_netpoll_unattended())
        return false;
    tz_store_relaxed(&tz_sched.netpoller, m);
    tz_store_relaxed(&tz_sched.netpolling, 1);
    return true;
}

/* Rests until the deadline, or there is a reason to look around: true, m's note was woken. */
static bool rest(tz_m *m, int64_t until, bool polls, tz_workq *ready)
{
    if (!polls)
        return tz_note_sleep_until(&m->park, until);
    tz_netpoll(m, until, ready);
    tz_store_relaxed(&tz_sched.netpolling, 0);
    return tz_note_woken(&m->park);
}

void tz_netpoll_put_locked(tz_workq *ready)
{
    uint32_t n = 0;
    for (; ready->head; n++) {
        tz_work *w = ready->head;
        ready->head = *tz_work_link(w);
        tz_globq_put(w);
    }
    ready->tail = NULL;
    tz_netpoll_queued(n);
}

/* The same where m has a P now. */
static void put_ready(tz_p *p, const tz_workq *ready)
{
    uint32_t n = 0;
    for (tz_work *w = ready->head; w; w = *tz_work_link(w))
        n++;
    if (n)
        tz_store_relaxed(&p->polled_at, tz_os_now());
    tz_runq_put_list(p, ready->head);
    tz_netpoll_queued(n);
}

/* m comes to rest on the list, and looks whether anything is left to come. Under sched.lock; *until, and
 * whether to poll. */
static bool lie_down(tz_m *m, int64_t *until, int *dead)
{
    midle_push(m);
    m->reap_at = tz_os_now() + tz_load_relaxed(&tz_sched.reap_ns);
    tz_sched.poller = m;
    *dead = tz_checkdead_locked();
    if (*dead == TZ_DEAD_BUT_THREADS && tz_sched.sysmon_deep) {
        tz_sched.sysmon_deep = 0; /* to look again */
        tz_note_wake(&tz_sched.sysmon_note);
    }
    *until = rest_until(m);
    return to_poll(m);
}

/* A P for m where there is one and something to do for it: m is on the list no more. */
static tz_p *get_up_locked(tz_m *m, const tz_workq *ready)
{
    tz_p *p;
    if (ready->head)
        p = tz_sched.gcwaiting ? NULL : tz_pidle_get_locked();
    else
        p = last_look();
    if (p)
        midle_leave(m);
    return p;
}

bool tz_stopm(tz_m *m)
{
    tz_m *wake;
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    if (!put_p_locked(m, &wake)) {
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
        return true;
    }
    tz_p *p = last_look();
    if (p) {
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
        tz_acquirep(m, p);
        if (wake)
            tz_wakem(wake);
        return true;
    }
    if (TZ_UNLIKELY(tz_sched.stopping)) {
        tz_store_relaxed(&tz_sched.mcount, tz_sched.mcount - 1);
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
        if (wake)
            tz_wakem(wake);
        return false;
    }
    int dead;
    int64_t until;
    bool polls = lie_down(m, &until, &dead);
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    if (wake)
        tz_wakem(wake);
    if (dead == TZ_DEAD)
        tz_report_deadlock();

    int64_t since = 0;
    if (m->lent_p) {
        m->lent_p = false;
        since = tz_os_now();
        if (tz_spin_for_p(m, since))
            since = 0;
    }
    tz_workq ready = {NULL, NULL};
    while (!rest(m, until, polls, &ready)) {
        tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
        if (!m->idle) { /* taken off the list: the wake is on its way */
            tz_netpoll_put_locked(&ready);
            tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
            until = TZ_OS_FOREVER;
            polls = false;
            continue;
        }
        p = get_up_locked(m, &ready);
        if (p) {
            tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
            tz_acquirep(m, p);
            put_ready(p, &ready);
            return true;
        }
        tz_netpoll_put_locked(&ready);
        if (tz_sched.poller != m && tz_sched.netpoller != m && tz_os_now() >= rest_until(m)) {
            midle_leave(m);
            tz_store_relaxed(&tz_sched.mcount, tz_sched.mcount - 1);
            tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
            return false;
        }
        until = rest_until(m);
        polls = to_poll(m);
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    }
    if (ready.head) { /* woken in the moment in which it was told of them */
        tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
        tz_netpoll_put_locked(&ready);
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    }
    if (since)
        tz_spin_learn(m, since);
    tz_note_clear(&m->park);
    if (TZ_UNLIKELY(!m->nextp)) { /* all shall end, or there are descriptors to be seen to */
        bool polls_next = m->wake_poll;
        m->wake_poll = false;
        return polls_next;
    }
    tz_acquirep(m, m->nextp);
    m->spinning = m->wake_spin;
    return true;
}
