/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A line of goroutines and plain threads that wait for something rare: an
 * ordinary lock in place of a channel's, which those without a P may not
 * touch. A goroutine's record is its G's waiter, a thread's lies on its stack
 * (g is NULL, elem its note).
 *
 * Nothing is lost: the condition is looked at under the lock, and whoever
 * changes it takes the lock after the change. So either the waiter sees the
 * change or the waker sees the waiter.
 */
#include "sched/proc.h"
#include "sched/sched.h"

static void append(tz_waitline *l, tz_sudog *s)
{
    s->next = NULL;
    s->prev = l->last;
    if (s->prev)
        s->prev->next = s;
    else
        l->first = s;
    l->last = s;
}

static tz_sudog *pop(tz_waitline *l)
{
    tz_lock_acquire(&l->lock, TZ_RANK_CHAN);
    tz_sudog *s = l->first;
    if (s) {
        l->first = s->next;
        if (l->first)
            l->first->prev = NULL;
        else
            l->last = NULL;
    }
    tz_lock_release(&l->lock, TZ_RANK_CHAN);
    return s;
}

/* After-switch action. */
static void unlock_line(tz_m *m, void *lock)
{
    (void)m;
    tz_lock_release(lock, TZ_RANK_CHAN);
}

void tz_waitline_park(tz_waitline *l, bool (*waits)(void), uint32_t reason)
{
    tz_m *m = tz_enter_movable();
    tz_lock_acquire(&l->lock, TZ_RANK_CHAN);
    if (!waits()) {
        tz_lock_release(&l->lock, TZ_RANK_CHAN);
        tz_leave(m);
        return;
    }
    tz_g *g = m->g;
    append(l, &g->waiter);
    tz_store_relaxed(&g->status, TZ_G_WAITING);
    tz_store_relaxed(&g->wait_reason, reason);
    m->after_fn = unlock_line;
    m->after_arg = &l->lock;
    tz_switch_final(m, tz_next(m));
}

void tz_waitline_sleep(tz_waitline *l, bool (*waits)(void))
{
    tz_note note;
    tz_note_clear(&note);
    tz_sudog s = {.elem = &note};
    tz_lock_acquire(&l->lock, TZ_RANK_CHAN);
    bool wait = waits();
    if (wait)
        append(l, &s);
    tz_lock_release(&l->lock, TZ_RANK_CHAN);
    if (wait)
        tz_note_sleep(&note);
}

bool tz_waitline_wake(tz_waitline *l)
{
    tz_m *m = tz_self_m != &tz_nobody ? tz_enter() : NULL;
    tz_sudog *s = pop(l);
    if (s && !s->g)
        tz_note_wake(s->elem);
    else if (s && m)
        tz_ready(m, s->g);
    else if (s)
        tz_ready_anywhere(s->g);
    if (m)
        tz_leave(m);
    return s != NULL;
}
