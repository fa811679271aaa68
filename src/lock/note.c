/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One sleeper, one waker, once. The key says whether the sleeper has gone to
 * the kernel: who wakes one that still spins, or has not come yet, makes no
 * system call. The waker's exchange is its last access to the note: the
 * sleeper may see it at once, return and reuse the memory, so that the futex
 * call after it may wake somebody else's word, who looks again.
 */
#include "arch/arch.h"
#include "lock/lock.h"
#include "os/os.h"

enum { CLEAR, WOKEN, SLEEPING };

void tz_note_clear(tz_note *n)
{
    tz_store_relaxed(&n->key, CLEAR);
}

void tz_note_wake(tz_note *n)
{
    /* Release pairs with the acquires below: what the waker wrote before is seen after it. */
    if (tz_xchg_release(&n->key, WOKEN) == SLEEPING)
        tz_os_futex_wake(&n->key, 1);
}

bool tz_note_slept_on(const tz_note *n)
{
    return tz_load_relaxed(&n->key) == SLEEPING;
}

void tz_note_sleep(tz_note *n)
{
    (void)tz_note_sleep_until(n, TZ_OS_FOREVER);
}

bool tz_note_sleep_until(tz_note *n, int64_t deadline)
{
    for (;;) {
        uint32_t key = CLEAR;
        if (!tz_cas_acquire(&n->key, &key, SLEEPING) && key == WOKEN)
            return true;
        if (deadline != TZ_OS_FOREVER && tz_os_now() >= deadline)
            return tz_note_woken(n);
        tz_os_futex_wait(&n->key, SLEEPING, deadline);
    }
}

bool tz_note_spin_until(tz_note *n, int64_t deadline)
{
    do {
        for (int i = 0; i < 10; i++) {
            if (tz_note_woken(n))
                return true;
            tz_arch_pause();
        }
    } while (tz_os_now() < deadline);
    return false;
}
