/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lock of hot objects (channels): one word taken by CAS and released by
 * a plain store with release, 4.8 ns a pair where an exchange would make it
 * 9.6.
 *
 * A waiter spins for about a microsecond, then sets the waiter word beside
 * the lock and sleeps on a futex for at most 50 us. The unlocker looks at the
 * waiter word before its store, and never touches the lock after it: with
 * the lock free its object may be freed (by the goroutine whose after-switch
 * action this is, run on by another M). A waiter that sets its word just
 * between that look and the store is missed; its time-out makes up for it,
 * and nothing is lost but the 50 us.
 *
 * Elision: while only one P runs (p->alone, see solo.c) only the M that holds
 * it can touch such an object, and it stays inside the runtime (m->seq is
 * odd, so neither the P nor the privilege can be taken) from before the lock
 * until after the unlock: the word is then not touched at all.
 */
#ifndef TZ_SPIN_H
#define TZ_SPIN_H

#include "base/atomic.h"
#include "lock/lock.h"

typedef struct tz_spin {
    uint32_t word;    /* 0 free, 1 held */
    uint32_t waiters; /* somebody sleeps, or is about to, or did; must follow word (the assembly's unlock) */
} tz_spin;
_Static_assert(offsetof(tz_spin, waiters) == 4, "the after-switch unlock reads it there");

void tz_spin_lock_slow(tz_spin *l);
void tz_spin_unlock_slow(tz_spin *l);

/* acquire */
TZ_INLINE void tz_spin_lock(tz_spin *l, bool alone)
{
    uint32_t free = 0;
    if (!alone && TZ_UNLIKELY(!tz_cas_acquire(&l->word, &free, 1)))
        tz_spin_lock_slow(l);
}

/* For paths without a call: takes the lock where nobody holds it or waits for it. To be released by
 * tz_spin_unlock_quick, which does not look for waiters again: one that came meanwhile has its time-out. */
TZ_INLINE bool tz_spin_lock_quick(tz_spin *l, bool alone)
{
    uint32_t free = 0;
    return alone || TZ_LIKELY(tz_load_relaxed(&l->waiters) == 0 && tz_cas_acquire(&l->word, &free, 1));
}
TZ_INLINE void tz_spin_unlock_quick(tz_spin *l, bool alone)
{
    if (!alone)
        tz_store_release(&l->word, 0);
}

/* release */
TZ_INLINE void tz_spin_unlock(tz_spin *l, bool alone)
{
    if (alone)
        return;
    if (TZ_UNLIKELY(tz_load_relaxed(&l->waiters) != 0))
        tz_spin_unlock_slow(l);
    else
        tz_store_release(&l->word, 0);
}

#endif /* TZ_SPIN_H */
