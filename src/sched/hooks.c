/* SPDX-License-Identifier: BSD-3-Clause */
/* Wires what the assembly calls upwards, and has the hooks of the layers above. */
#include "sched/proc.h"
#include "sched/sanitizer.h"
#include "sched/sched.h"

tz_sched_hooks_t tz_sched_hooks;

static void unlock_slow(tz_m *m, void *lock)
{
    (void)m;
    tz_spin_unlock_slow(lock);
}

void tz_hooks_init(void)
{
    if (!tz_arch_hooks.ended) /* with deferred functions it is panic/'s business */
        tz_arch_hooks.ended = tz_goexit;
    tz_arch_hooks.unlock_slow = unlock_slow;
    tz_arch_hooks.leave = tz_leave_slow;
#if TZ_INSTRUMENTED
    tz_arch_hooks.switching = tz_sanitizer_switching;
    tz_arch_hooks.switched = tz_sanitizer_switched;
#endif
}
