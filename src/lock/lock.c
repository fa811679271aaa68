/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lock's word says who must be woken: 0 free, 1 held, 2 held and somebody
 * may sleep. A thread that has waited takes the lock as 2, not knowing whether
 * others still sleep: at worst its release makes one needless call. So no
 * sleeper is forgotten, and a lock nobody contends never enters the kernel.
 *
 * Before it sleeps a thread looks on for about as long as these locks are
 * usually held. It takes no turn in a queue: who comes first, gets it.
 */
#include "lock/lock.h"
#include "os/os.h"

#define LOOKS 100

void tz_lock_slow(tz_lock *l)
{
    for (int i = 0; i < LOOKS; i++) {
        uint32_t word = tz_load_relaxed(&l->word);
        if (word == 0 && tz_cas_acquire(&l->word, &word, 1))
            return;
        if (word == 2)
            break; /* others sleep already: it is held long */
    }
    /* Acquire pairs with the release exchange in tz_lock_release. */
    while (tz_xchg_acquire(&l->word, 2) != 0)
        tz_os_futex_wait(&l->word, 2, TZ_OS_FOREVER);
}

void tz_unlock_slow(tz_lock *l)
{
    tz_os_futex_wake(&l->word, 1);
}
