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
#include <sys/time.h>
#include <time.h>

#include "base/atomic.h"
#include "os/os.h"
#include "os/sys.h"

#if TZ_TSAN
/*
 * ThreadSanitizer keeps a signal back until its thread next calls libc, which
 * one that sleeps here does not; nor is the sleep over, since the kernel
 * restarts it. So where signals are awaited no sleep is long, and a call of
 * libc follows it.
 */
#define SLICE 20000000

static uint32_t awaited;

void tz_os_signals_awaited(void)
{
    tz_store_relaxed(&awaited, 1);
}

static int64_t before(int64_t deadline)
{
    int64_t end = tz_os_now() + SLICE;
    return tz_load_relaxed(&awaited) && end < deadline ? end : deadline;
}

void tz_os_signals_let_in(void)
{
    struct timeval tv;
    if (tz_load_relaxed(&awaited))
        gettimeofday(&tv, NULL);
}
#else
static int64_t before(int64_t deadline)
{
    return deadline;
}
#endif

void tz_os_futex_wait(const uint32_t *addr, uint32_t val, int64_t deadline)
{
    struct timespec ts, *until = NULL;
    deadline = before(deadline);
    if (deadline != TZ_OS_FOREVER) {
        if (deadline < 0)
            deadline = 0;
        ts.tv_sec = deadline / 1000000000;
        ts.tv_nsec = deadline % 1000000000;
        until = &ts;
    }
    (void)tz_sys(SYS_futex, addr, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, val, until, NULL,
                 FUTEX_BITSET_MATCH_ANY);
    tz_os_signals_let_in();
}

void tz_os_futex_wake(const uint32_t *addr, int n)
{
    (void)tz_sys(SYS_futex, addr, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n, NULL, NULL, 0);
}
