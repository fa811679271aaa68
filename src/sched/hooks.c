/* SPDX-License-Identifier: BSD-3-Clause */
/* Wires what the assembly calls upwards, but for the goroutine's end, which is the business of panic/. */
#include "sched/proc.h"
#include "sched/sanitizer.h"
#include "sched/sched.h"

static void unlock_slow(tz_m *m, void *lock)
{
    (void)m;
    tz_spin_unlock_slow(lock);
}

void tz_hooks_init(void)
{
    tz_arch_hooks.unlock_slow = unlock_slow;
    tz_arch_hooks.leave = tz_leave_slow;
#if TZ_INSTRUMENTED
    tz_arch_hooks.switching = tz_sanitizer_switching;
    tz_arch_hooks.switched = tz_sanitizer_switched;
#endif
}
