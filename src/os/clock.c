/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time. CLOCK_MONOTONIC stands still while the machine is suspended, as Go's
 * timers do on Linux, and the vDSO answers without a system call.
 */
#include <time.h>

#include "os/os.h"
#include "os/sys.h"

int64_t tz_os_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail: the clock exists and ts is ours */
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void tz_os_sleep_until(int64_t deadline)
{
    if (deadline < 0)
        return;
    struct timespec ts = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
    /* The deadline is absolute, so a sleep cut short by a signal is simply begun anew. */
    while (tz_sys(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == -EINTR)
        continue;
}
