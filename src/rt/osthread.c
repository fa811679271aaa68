/* SPDX-License-Identifier: BSD-3-Clause */
/* Locking to the thread, for programs: sched/lockosthread.c has the mechanism, this the panic. */
#include "panic/panic.h"
#include "sched/sched.h"
#include "tuza/go.h"

void tuza_lock_os_thread(void)
{
    tz_m *m = tz_enter();
    if (!tz_lockosthread(m))
        tz_panic(m, "LockOSThread nesting overflow");
    tz_leave(m);
}

void tuza_unlock_os_thread(void)
{
    tz_m *m = tz_enter();
    tz_unlockosthread(m);
    tz_leave(m);
}
