/* SPDX-License-Identifier: BSD-3-Clause */
/* The slow halves of spin.h: contention. */
#include "sched/spin.h"

#include "arch/arch.h"
#include "os/os.h"

#define SPINS  40
#define NAP_NS 50000

void tz_spin_lock_slow(tz_spin *l)
{
    /* Test, then test-and-set, backing off: whoever holds the lock keeps the line and gets work done in a
     * batch. */
    for (int i = 1; i <= SPINS; i++) {
        uint32_t free = 0;
        if (tz_load_relaxed(&l->word) == 0 && tz_cas_acquire(&l->word, &free, 1))
            return;
        for (int j = 0; j < i; j++)
            tz_arch_pause();
    }
    for (;;) {
        tz_store_relaxed(&l->waiters, 1);
        tz_os_futex_wait(&l->word, 1, tz_os_now() + NAP_NS);
        uint32_t free = 0;
        if (tz_cas_acquire(&l->word, &free, 1)) {
            tz_store_relaxed(&l->waiters, 1); /* others may sleep as well: the next unlock looks after them */
            return;
        }
    }
}

void tz_spin_unlock_slow(tz_spin *l)
{
    tz_store_relaxed(&l->waiters, 0);
    tz_store_release(&l->word, 0);
    tz_os_futex_wake(&l->word, 1); /* an address, not an access: the object may be gone */
}
