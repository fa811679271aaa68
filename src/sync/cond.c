/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The condition variable: a queue in the order in which waits began, which is
 * before the mutex is let go. A signal may come for a waiter that has not
 * parked yet: then `handed` is all that is set, and it finds that.
 *
 * The queue is touched only with a P, so its lock is elided like a channel's.
 * Whoever signals does not touch the object after releasing the lock, nor a
 * waiter's record but of one that is parked.
 */
#include "panic/panic.h"
#include "sync/word.h"

static void check_copy(tuza_cond *c)
{
    tuza_cond *self = NULL; /* relaxed: the address is all */
    if (tz_load_relaxed(&c->self) != c && !tz_cas_relaxed(&c->self, &self, c) && self != c)
        tz_panic_outside("sync.Cond is copied");
}

static TZ_NOINLINE void enqueue(tuza_cond *c, tz_waiter *w)
{
    tz_m *m = tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(tz_lock_of(c->lock), alone);
    tz_waiters_put(&c->queue, w);
    tz_spin_unlock(tz_lock_of(c->lock), alone);
    tz_leave(m);
}

/* In the final form. */
static TZ_NOINLINE void park(tuza_cond *c, tz_waiter *w)
{
    tz_m *m = tz_enter_movable();
    bool alone = m->p->alone;
    tz_spin_lock(tz_lock_of(c->lock), alone);
    if (w->handed) {
        tz_spin_unlock(tz_lock_of(c->lock), alone);
        tz_leave(m);
        return;
    }
    w->g = m->g;
    tz_park_durably(m);
    tz_park(m, TZ_WAIT_COND, tz_lock_of(c->lock));
}

void tuza_cond_wait(tuza_cond *c, tuza_mutex *mu)
{
    check_copy(c);
    tz_waiter w = {.g = NULL};
    enqueue(c, &w);
    tuza_mutex_unlock(mu);
    park(c, &w);
    tuza_mutex_lock(mu);
}

static TZ_NOINLINE void wake(tuza_cond *c, bool all)
{
    tz_waiter *first = NULL, **end = &first;
    tz_m *m = tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(tz_lock_of(c->lock), alone);
    do {
        tz_waiter *w = tz_waiters_get(&c->queue);
        if (!w)
            break;
        w->handed = true;
        if (w->g) {
            *end = w;
            end = &w->next;
        }
    } while (all);
    *end = NULL;
    tz_spin_unlock(tz_lock_of(c->lock), alone);
    if (all)
        tz_word_ready(m, first);
    else if (first)
        tz_ready(m, first->g);
    tz_leave(m);
}

/* That there is nobody to wake shows without the lock: who began to wait under the mutex, before the caller
 * had that, is seen. */
void tuza_cond_signal(tuza_cond *c)
{
    check_copy(c);
    if (tz_load_relaxed(&c->queue.first))
        wake(c, false);
}

void tuza_cond_broadcast(tuza_cond *c)
{
    check_copy(c);
    if (tz_load_relaxed(&c->queue.first))
        wake(c, true);
}
