/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the objects of sync/ are made of: one word that says all, and a queue
 * of those who wait.
 *
 * The word. Whoever finds no need to wait or to wake makes one change of it
 * by CAS, with a P or without (tz_without_p); where p->sole (sched/solo.c) it
 * is a load and a store. All else is done with a P, and with the word's QLOCK
 * bit: while it is set nobody but its holder changes the word or the queue,
 * and everybody else waits for it to go, which is soon: its holder is inside
 * the runtime, and calls nothing that waits.
 *
 * The end of an object. Go's users have a garbage collector; ours free a
 * mutex when they have unlocked it, being the last, and a waitgroup when
 * they have waited. So each operation's last access to the object is the one
 * store or CAS by which others come to know of it: it releases the QLOCK bit
 * and whatever else there is to release in the same store, and goes on with
 * the waiters that it has taken off the queue, which are in its hands alone.
 *
 * A waiter's record lies on its stack. It queues itself with the QLOCK bit
 * set; the bit is released from the next stack (tz_word_park), so whoever
 * finds the record finds a G that no longer runs.
 *
 * Orders. Taking the bit is an acquire, releasing it a release; a change that
 * lets others in is a release, one by which a caller gets in an acquire. A
 * relaxed CAS in between continues the release sequence; a plain store in
 * between is by a holder of the bit, who acquired what was there before and
 * releases. From a waker to its waiter all goes the way that the G goes.
 */
#ifndef TZ_WORD_H
#define TZ_WORD_H

#include "sched/sched.h"
#include "tuza/sync.h"

#define TZ_WORD_QLOCK 2u /* in each kind of word */

typedef struct tuza_waiter {
    struct tuza_waiter *next, *prev;
    tz_g *g;
    int64_t since; /* when it began to wait */
    uint64_t n;    /* how much it waits for */
    bool handed;   /* what it waits for is its own when it wakes */
} tz_waiter;

typedef struct tuza_waiters tz_waiters;

/* One change of a word: `old` is what was loaded since the caller has entered the runtime, or parked. */
#define tz_word_acquire(p, old, new, sole) \
    (TZ_LIKELY(sole) ? (tz_store_relaxed((p), (new)), true) : tz_cas_acquire((p), (old), (new)))
/* A release in either case: the words of once and wait groups are looked at by threads in no count. */
#define tz_word_release(p, old, new, sole) \
    (TZ_LIKELY(sole) ? (tz_store_release((p), (new)), true) : tz_cas_release((p), (old), (new)))

/* The queue; its first is peeked by tuza_cond_signal. */
TZ_INLINE void tz_waiters_put(tz_waiters *q, tz_waiter *w)
{
    w->next = NULL;
    w->prev = q->last;
    if (q->last)
        q->last->next = w;
    else
        tz_store_relaxed(&q->first, w);
    q->last = w;
}

TZ_INLINE void tz_waiters_put_first(tz_waiters *q, tz_waiter *w)
{
    w->prev = NULL;
    w->next = q->first;
    if (q->first)
        q->first->prev = w;
    else
        q->last = w;
    tz_store_relaxed(&q->first, w);
}

TZ_INLINE void tz_waiters_remove(tz_waiters *q, tz_waiter *w)
{
    if (w->prev)
        w->prev->next = w->next;
    else
        tz_store_relaxed(&q->first, w->next);
    if (w->next)
        w->next->prev = w->prev;
    else
        q->last = w->prev;
}

TZ_INLINE tz_waiter *tz_waiters_get(tz_waiters *q)
{
    tz_waiter *w = q->first;
    if (w)
        tz_waiters_remove(q, w);
    return w;
}

/* All of them, a list by next; the queue is empty. */
TZ_INLINE tz_waiter *tz_waiters_take(tz_waiters *q)
{
    tz_waiter *all = q->first;
    q->first = q->last = NULL;
    return all;
}

/* Some objects have a lock in place of QLOCK, as channels have: all that they do is done with a P. */
TZ_INLINE tz_spin *tz_lock_of(uint32_t lock[2])
{
    return (tz_spin *)(void *)lock;
}
_Static_assert(sizeof(((tuza_cond *)NULL)->lock) == sizeof(tz_spin), "the lock in the public types");

/* word.c */
/* QLOCK is set, for the *tries-th look: waits a moment. */
void tz_word_wait(unsigned *tries);
/* Parks m->g, whose record w is queued, with the QLOCK bit set; then *word becomes `value`: the bit goes.
 * Comes back with the M that it then runs on, inside the runtime. */
tz_m *tz_word_park(tz_m *m, uint32_t reason, tz_waiter *w, uint32_t *word, uint32_t value);
tz_m *tz_word_park64(tz_m *m, uint32_t reason, tz_waiter *w, uint64_t *word, uint64_t value);
/* Makes all of a list runnable, the first of it first. */
void tz_word_ready(tz_m *m, tz_waiter *list);

#endif /* TZ_WORD_H */
