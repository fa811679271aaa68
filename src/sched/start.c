/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting the runtime: the order matters, since nothing may run goroutines
 * before the locks' hooks, the retake protocol and the Ps are there, and the
 * two system threads (template, sysmon) are started before the first M runs,
 * while a failure can still be reported as a result.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fatal.h"
#include "os/os.h"
#include "sched/proc.h"
#include "sched/retake.h"
#include "sched/sanitizer.h"
#include "sched/sched.h"
#include "tuza/go.h"

#define SYSMON_STACK ((size_t)256 << 10)
#define MAIN_MAX     ((size_t)64 << 20)

tz_sched_t tz_sched = {.mwait_due = INT64_MAX};

static int start_threads(void)
{
    static int done; /* a failed start can be tried again: what runs already stays */
    int err;
    if (done == 0) {
        err = tz_newm_init();
        if (err < 0)
            return err;
        done = 1;
    }
    if (done == 1) {
        err = tz_os_thread_start(tz_sysmon, NULL, SYSMON_STACK, "tuza-sysmon");
        if (err < 0)
            return err;
        tz_sched.template_threads++;
        done = 2;
    }
    return 0;
}

static tz_g *new_main(void)
{
    size_t size = tz_os_stack_limit();
    int cls = tz_stack_class(size < MAIN_MAX ? size : MAIN_MAX);
    tz_stack *s;
    if (cls < 0 || tz_stack_carve(cls, &s, 1, false) < 1)
        return NULL;
    tz_g *g = (tz_g *)(void *)s;
    tz_sanitizer_begin_g(g);
    return g;
}

int tz_sched_run(void (*fn)(void *), void *arg)
{
    uint32_t no = 0;
    if (!tz_cas_acq_rel(&tz_sched.started, &no, 1))
        return -EALREADY;
    tz_os_thread_mask_save();
    tz_hooks_init();
    tz_godebug_init();
    tz_chaos_init();
    tz_retake_init();
    int err = -ENOMEM;
    static tz_m *m; /* kept where the start fails, for the next try */
    static tz_g *g;
    if (!m)
        m = tz_m_alloc();
    if (!g)
        g = new_main();
    if (m && g)
        err = start_threads();
    if (err < 0) {
        tz_store_relaxed(&tz_sched.started, 0);
        return err;
    }
    tz_minit(m);
    tz_sched.mcount = 1;
    tz_sched.goid_gen = 1;
    tz_sched.ncpu = (uint32_t)tuza_num_cpu();
    tz_procs_init(tz_procs_default(&tz_sched.procs_custom));
    tz_p *p = tz_sched.allp[0];
    tz_store_relaxed(&p->status, TZ_P_RUNNING);
    tz_acquirep(m, p);
    g->sp = g->stack.hi;
    g->special = 1;
    g->resume = (void *)tz_arch_entry;
    g->fn = fn;
    g->arg = arg;
    g->waiter.g = g;
    g->goid = 1;
    g->status = TZ_G_RUNNABLE;
    p->ngo = 1;
    tz_sched.maing = g;
    tz_store_release(&tz_sched.started, 2); /* pairs with sysmon's, and with calls from any thread */
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_newm_locked();
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    tz_note_wake(&tz_sched.sysmon_note);
    tz_ready(m, g);
    tz_schedule(m);
    tz_mexit_first(m);
}
