/* SPDX-License-Identifier: BSD-3-Clause */
/* The mutex, as others in sync/ use it inside the runtime. */
#ifndef TZ_MUTEX_H
#define TZ_MUTEX_H

#include "sync/word.h"

#define TZ_MUTEX_LOCKED 1u

/* Nobody has it, nobody waits: takes it. The acquire pairs with the unlocks' releases. */
TZ_INLINE bool tz_mutex_take(tuza_mutex *mu, bool sole)
{
    uint32_t s = 0;
    if (sole && tz_load_relaxed(&mu->state) != 0)
        return false;
    return tz_word_acquire(&mu->state, &s, TZ_MUTEX_LOCKED, sole);
}

/* Nobody waits: lets it go. */
TZ_INLINE bool tz_mutex_drop(tuza_mutex *mu, bool sole)
{
    uint32_t s = TZ_MUTEX_LOCKED;
    if (sole && tz_load_relaxed(&mu->state) != TZ_MUTEX_LOCKED)
        return false;
    return tz_word_release(&mu->state, &s, 0, sole);
}

/* mutex.c. All of them inside the runtime, with a P. */
/* Waits for it; comes back with the M that it then runs on. */
tz_m *tz_mutex_lock_slow(tz_m *m, tuza_mutex *mu, uint32_t reason);
/* Whether it can be had; waits for nothing but QLOCK. */
bool tz_mutex_try(tz_m *m, tuza_mutex *mu);
/* Lets it go; the G to make runnable, or NULL; *handed: that one has it, and shall run soon. Fatal where it is
 * not locked. */
tz_g *tz_mutex_unlock_slow(tz_m *m, tuza_mutex *mu, bool *handed);

#endif /* TZ_MUTEX_H */
