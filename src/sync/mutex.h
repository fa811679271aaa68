/* SPDX-License-Identifier: BSD-3-Clause */
/* The mutex, as others in sync/ use it inside the runtime. */
#ifndef TZ_MUTEX_H
#define TZ_MUTEX_H

#include "sync/word.h"

/* mutex.c says what they mean. */
#define TZ_MUTEX_LOCKED   1u
#define TZ_MUTEX_WAITERS  4u
#define TZ_MUTEX_WOKEN    8u
#define TZ_MUTEX_STARVING 16u

/* Takes it where nobody has it. The acquire pairs with the unlocks' releases. */
TZ_INLINE bool tz_mutex_take(tuza_mutex *mu, bool sole)
{
    uint32_t s = 0;
    if (sole)
        s = tz_load_relaxed(&mu->state);
    else if (tz_cas_acquire(&mu->state, &s, TZ_MUTEX_LOCKED)) /* no load before: the line comes but once */
        return true;
    return !(s & (TZ_MUTEX_LOCKED | TZ_WORD_QLOCK)) &&
           tz_word_acquire(&mu->state, &s, s | TZ_MUTEX_LOCKED, sole);
}

/* Lets it go where nobody is to be woken. */
TZ_INLINE bool tz_mutex_drop(tuza_mutex *mu, bool sole)
{
    uint32_t s = tz_load_relaxed(&mu->state);
    bool simple = s == TZ_MUTEX_LOCKED || ((s & (TZ_MUTEX_LOCKED | TZ_WORD_QLOCK)) == TZ_MUTEX_LOCKED &&
                                           (!(s & TZ_MUTEX_WAITERS) || (s & TZ_MUTEX_WOKEN)));
    return TZ_LIKELY(simple) && tz_word_release(&mu->state, &s, s & ~TZ_MUTEX_LOCKED, sole);
}

/* mutex.c. All of them inside the runtime, with a P. */
/* Waits for it; comes back with the M that it then runs on. */
tz_m *tz_mutex_lock_slow(tz_m *m, tuza_mutex *mu, uint32_t reason);
/* Whether it can be had; waits for nothing but QLOCK. */
bool tz_mutex_try(tz_m *m, tuza_mutex *mu);
/* Lets it go; the G to make runnable, or NULL; *handed: that one has it, and shall run soon. Fatal where it
 * is not locked. */
tz_g *tz_mutex_unlock_slow(tz_m *m, tuza_mutex *mu, bool *handed);

#endif /* TZ_MUTEX_H */
