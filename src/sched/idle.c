/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Resting Ms and idle Ps, all under sched.lock.
 *
 * An M that has nothing to run puts its P on the idle list and rests on
 * sched.midle. The M that rested last is the poller: it sleeps only until the
 * next timer of any P. It need not be woken when that role passes to another
 * M; it finds out when its old deadline comes.
 *
 * Ms that wait in place (sched.mwait) are robbed Ms in the middle of a call
 * that may not move to another thread. A P that becomes free goes to them
 * first. One that was robbed for using up its slice waits as long as that
 * before a busy P is given to it.
 */
#include <limits.h>

#include "os/os.h"
#include "sched/proc.h"
#include "sched/retake.h"

#define SPARE_MS 2
#define BUSY_NS  100000

void tz_acquirep(tz_m *m, tz_p *p)
{
    tz_store_relaxed(&m->p, p);
    tz_store_relaxed(&p->m, m);
    if (TZ_UNLIKELY(m->lockedg != NULL))
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
    }
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    if (wake)
        tz_note_wake(&wake->park);
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
    tz_note_wake(&next->park);
    return true;
}

/* The poller's deadline; others sleep until they are reaped. */
static int64_t rest_until(tz_m *m)
{
    if (TZ_UNLIKELY(tz_load_relaxed(&tz_sched.ending) != NULL))
        return TZ_OS_FOREVER; /* nothing of what comes is ours any more */
    int64_t reap = tz_sched.nmidle > SPARE_MS && m != tz_sched.m0 ? m->reap_at : TZ_OS_FOREVER;
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
    if (tz_sched.gcwaiting)
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
            tz_note_wake(&wake->park);
        return true;
    }
    if (TZ_UNLIKELY(tz_sched.stopping)) {
        tz_store_relaxed(&tz_sched.mcount, tz_sched.mcount - 1);
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
        return false;
    }
    midle_push(m);
    m->reap_at = tz_os_now() + tz_load_relaxed(&tz_sched.reap_ns);
    tz_sched.poller = m;
    int dead = tz_checkdead_locked();
    if (dead == TZ_DEAD_BUT_THREADS && tz_sched.sysmon_deep) {
        tz_sched.sysmon_deep = 0; /* to look again */
        tz_note_wake(&tz_sched.sysmon_note);
    }
    int64_t until = rest_until(m);
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    if (wake)
        tz_note_wake(&wake->park);
    if (dead == TZ_DEAD)
        tz_report_deadlock();

    int64_t since = 0;
    if (m->lent_p) {
        m->lent_p = false;
        since = tz_os_now();
        if (tz_spin_for_p(m, since))
            since = 0;
    }
    while (!tz_note_sleep_until(&m->park, until)) {
        tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
        if (!m->idle) { /* taken off the list: the wake is on its way */
            tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
            until = TZ_OS_FOREVER;
            continue;
        }
        p = last_look();
        if (p) {
            midle_remove(m);
            tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
            tz_acquirep(m, p);
            return true;
        }
        if (tz_sched.poller != m && tz_os_now() >= rest_until(m)) {
            midle_remove(m);
            tz_store_relaxed(&tz_sched.mcount, tz_sched.mcount - 1);
            tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
            return false;
        }
        until = rest_until(m);
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    }
    if (since)
        tz_spin_learn(m, since);
    tz_note_clear(&m->park);
    if (TZ_UNLIKELY(!m->nextp)) /* all shall end */
        return false;
    tz_acquirep(m, m->nextp);
    m->spinning = m->wake_spin;
    return true;
}
