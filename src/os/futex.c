/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sleeping on a word. FUTEX_WAIT_BITSET, since its deadline is absolute: a
 * wait begun again after a signal does not grow longer.
 *
 * A wake may name memory that is another's by now (a note's sleeper can have
 * returned and gone): the kernel does not read the word for it, and whoever
 * sleeps there looks again, as every caller of wait must.
 */
#include <limits.h>
#include <linux/futex.h>
#include <time.h>

#include "os/os.h"
#include "os/sys.h"

void tz_os_futex_wait(const uint32_t *addr, uint32_t val, int64_t deadline)
{
    struct timespec ts, *until = NULL;
    if (deadline != TZ_OS_FOREVER) {
        if (deadline < 0)
            deadline = 0;
        ts.tv_sec = deadline / 1000000000;
        ts.tv_nsec = deadline % 1000000000;
        until = &ts;
    }
    (void)tz_sys(SYS_futex, addr, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, val, until, NULL,
                 FUTEX_BITSET_MATCH_ANY);
}

void tz_os_futex_wake(const uint32_t *addr, int n)
{
    (void)tz_sys(SYS_futex, addr, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n, NULL, NULL, 0);
}
