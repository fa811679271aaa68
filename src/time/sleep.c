/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock and the sleep. */
#include "os/os.h"
#include "sched/sched.h"
#include "tuza/time.h"

int64_t tuza_now(void)
{
    return tz_os_now();
}

void tuza_sleep(int64_t ns)
{
    if (ns <= 0)
        return;
    int64_t when;
    if (__builtin_add_overflow(tz_os_now(), ns, &when))
        when = INT64_MAX;
    tz_park_until(tz_enter_movable(), when);
}
