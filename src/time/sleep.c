/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock and the sleep. */
#include "os/os.h"
#include "sched/sched.h"
#include "tuza/time.h"

int64_t tuza_now(void)
{
    return tz_os_now();
}

/*
 * The time travels in the pointer itself: a local whose address is passed on
 * would keep the frame, and with it this function's return after the switch.
 */
_Static_assert(sizeof(void *) == sizeof(int64_t), "the time fits a pointer");

static tz_g *sleep_slow(tz_m *m, void *when, void *unused)
{
    (void)unused;
    return tz_park_until(m, (int64_t)(intptr_t)when);
}

void tuza_sleep(int64_t ns)
{
    if (ns <= 0)
        return;
    int64_t when;
    if (__builtin_add_overflow(tz_os_now(), ns, &when))
        when = INT64_MAX;
    tz_arch_final(tz_enter_movable(), sleep_slow, (void *)(intptr_t)when, NULL);
}
