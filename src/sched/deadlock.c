/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The deadlock check: nothing runs, nothing will ever run. It is made when an
 * M goes to rest or ends, under sched.lock, so the counts agree with each
 * other: every M that lives rests, or waits for the goroutine that is locked
 * to it (one in user code does neither, however blocked), none is being made,
 * every P is idle, no timer is set, and nobody waits for a descriptor.
 *
 * Only in a program that tuza runs: one that embeds it may always come again.
 * Nor once signals were sent to channels, for one may always come (Go's rule):
 * sysmon need not look again.
 * A thread that tuza did not make could still call in; with one in the
 * process nothing is reported. It may be one of ours that is just ending, so
 * sysmon looks again, ever more slowly.
 */
#include "base/fatal.h"
#include "os/os.h"
#include "sched/netpoll.h"
#include "sched/proc.h"
#include "sched/sched.h"
#include "tuza/go.h"

/* Threads that are no goroutines' doing: a sanitizer's own. */
#define HELPERS (TZ_TSAN ? 1 : 0)

int tz_checkdead_locked(void)
{
    if (!tz_load_relaxed(&tz_sched.ran) || tz_load_relaxed(&tz_sched.signalled) || tz_reporting() ||
        tz_sched.nmidle + tz_load_relaxed(&tz_sched.nmidlelocked) != tz_sched.mcount || tz_sched.mwanted ||
        tz_sched.mstarting || tz_sched.gcwaiting || tz_sched.npidle != tz_load_relaxed(&tz_sched.nprocs) ||
        tz_timers_next() != INT64_MAX || tz_netpoll_waiters() != 0)
        return TZ_ALIVE;
    return tz_os_thread_count() == (int)(tz_sched.mcount + tz_sched.template_threads + HELPERS)
               ? TZ_DEAD
               : TZ_DEAD_BUT_THREADS;
}

void tz_report_deadlock(void)
{
    static uint32_t reported; /* an M that goes to rest and sysmon may find it both */
    if (tz_xchg_relaxed(&reported, 1))
        for (;;)
            tz_fatal_hooks.hang();
    bool none = tz_load_relaxed(&tz_sched.main_exited) && tuza_num_goroutine() == 0;
    if (tz_report_begin())
        tz_print("fatal error: ",
                 none ? "no goroutines (main called runtime.Goexit)" : "all goroutines are asleep",
                 " - deadlock!\n", NULL);
    tz_report_end(TZ_REPORT_DEADLOCK);
}
