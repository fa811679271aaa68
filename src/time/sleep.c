/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock and the sleep. */
#include "time/timer.h"
#include "tuza/time.h"

int64_t tuza_now(void)
{
    return tz_now(tz_self_m);
}

void tuza_sleep(int64_t ns)
{
    if (ns <= 0)
        return;
    tz_park_until(tz_enter_movable(), tz_time_after(ns));
}
