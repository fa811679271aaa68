/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One sleeper, one waker, once. The waker's store is its last access to the
 * note: the sleeper may see it at once, return and reuse the memory, so that
 * the futex call after it may wake somebody else's word, who looks again.
 */
#include "lock/lock.h"
#include "os/os.h"

void tz_note_clear(tz_note *n)
{
    tz_store_relaxed(&n->key, 0);
}

void tz_note_wake(tz_note *n)
{
    /* Release pairs with the acquire in sleep: what the waker wrote before is seen after it. */
    tz_store_release(&n->key, 1);
    tz_os_futex_wake(&n->key, 1);
}

void tz_note_sleep(tz_note *n)
{
    while (tz_load_acquire(&n->key) == 0)
        tz_os_futex_wait(&n->key, 0, TZ_OS_FOREVER);
}

bool tz_note_sleep_until(tz_note *n, int64_t deadline)
{
    while (tz_load_acquire(&n->key) == 0) {
        if (deadline != TZ_OS_FOREVER && tz_os_now() >= deadline)
            return tz_load_acquire(&n->key) != 0;
        tz_os_futex_wait(&n->key, 0, deadline);
    }
    return true;
}
