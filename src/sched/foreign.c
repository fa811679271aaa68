/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads that tuza did not make: any of them may call any function.
 *
 * With its first call that needs a P a foreign thread gets an M and a G, for
 * as long as it lives. What is on its own stack is the G (m->g0_block), and
 * the M's g0 has a stack slot of its own, to wait on. The G is locked to the
 * M by the runtime's count, so all of lockosthread.c holds for it; the
 * program's Lock and Unlock nest inside. It is no goroutine: it is not
 * counted as one, and can't end as one.
 *
 * Between its calls such a thread has no P and owes none: it leaves the
 * runtime by handing its P off (g->leave is never 0, so each way out comes by
 * tz_leave_slow), m->retake says STOLEN, and its entry is that of a robbed
 * M which may not move. Retakers and the count of robbed Ms pass it over.
 *
 * Its Ms are a kind of their own (sched.mextra): they have a g0 with a stack,
 * wait on it in tz_stoplockedm for ever, and are handed on like that to the
 * next thread that comes. They count neither in mcount nor as idle.
 *
 * The thread's end is noticed by the destructor of a pthread key. What other
 * destructors call after that attaches anew, and libc calls ours again. The
 * same destructor sees to threads of ours that pthread_exit or a
 * cancellation ended in the middle of a goroutine: libc has unwound the
 * goroutine's stack and gone back to the thread's own, to its first frame. So
 * the goroutine ends here, without its deferred functions, and the M as if
 * the goroutine had been locked.
 *
 * A signal in the window of attaching finds either no M or a whole one: it is
 * built first, and published by one store of tz_self_m.
 */
#include <errno.h>

#include "base/fatal.h"
#include "os/os.h"
#include "sched/proc.h"
#include "sched/retake.h"
#include "sched/sanitizer.h"
#include "sched/sched.h"

/* On the g0 of a foreign thread's M. */
static void wait_for_ever(void *m)
{
    tz_schedule(m);
    tz_throw("schedule: a foreign thread's M ended");
}

static tz_m *new_extra(void)
{
    tz_m *m = tz_m_alloc();
    tz_stack *s;
    if (!m || tz_stack_carve(0, &s, 1, false) < 1)
        tz_throw("out of memory");
    m->g0 = (tz_g *)(void *)s;
    m->g0->sp = s->hi;
    m->g0->special = 1;
    m->g0->resume = (void *)tz_arch_entry_g0;
    m->g0->fn = wait_for_ever;
    m->foreign = true;
    tz_sanitizer_begin_g(m->g0);
    return m;
}

static tz_m *get_extra(void)
{
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_m *m = tz_sched.mextra;
    if (m)
        tz_sched.mextra = m->link;
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    return m ? m : new_extra();
}

tz_m *tz_attach(void)
{
    if (tz_self_m != &tz_nobody)
        tz_throw("tuza called inside the runtime");
    tz_need_runtime();
    tz_m *m = get_extra();
    tz_g *g = &m->g0_block;
    g->errno_saved = errno;
    g->leave = 1;
    tz_store_relaxed(&m->service, false);
    m->settled = false;
    tz_add_relaxed(&tz_sched.nforeign, 1); /* before it asks for its first P: solo.c */
    g->waiter.g = g;
    tz_store_relaxed(&g->status, TZ_G_RUNNABLE);
    tz_store_relaxed(&g->goid, tz_add_relaxed(&tz_sched.goid_gen, 1) + 1);
    tz_store_relaxed(&g->lockedm, m);
    g->tag = TZ_WORK_LOCKED;
    tz_store_relaxed(&m->lockedg, g);
    tz_store_relaxed(&m->lockedint, 1);
    /* Before a retaker can find m, but by a P's hint from m's last thread. */
    tz_store_relaxed(&m->retake, tz_sched.retake_base | TZ_RETAKE_STOLEN);
    tz_os_sigstack_on(&m->sigstack, true);
    tz_minit(m, g);
    tz_store_release(&m->seq, m->seq + 1); /* in user code */
    return m;
}

void tz_attach_service(void)
{
    tz_store_relaxed(&tz_attach()->service, true);
    tz_sub_relaxed(&tz_sched.nforeign, 1); /* it locks nothing */
}

/* m's thread, a foreign one, in user code, has no more use for m. */
void tz_detach(tz_m *m)
{
    tz_g *g = &m->g0_block;
    tz_entering(m); /* nobody robs it: there is nothing to answer */
    tz_store_relaxed(&g->status, TZ_G_DEAD);
    tz_store_relaxed(&g->goid, 0);
    tz_store_relaxed(&m->lockedg, NULL);
    tz_unlink_m(m);
    if (!m->service)
        tz_sub_release(&tz_sched.nforeign, 1); /* pairs with solo.c's look */
    tz_self_m = &tz_nobody;
    tz_os_sigstack_off(&m->sigstack);
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    m->link = tz_sched.mextra;
    tz_sched.mextra = m;
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
}

void tz_thread_ends(void *arg)
{
    tz_m *m = arg;
    if (tz_self_m != m) /* it has ended in the usual way */
        return;
    int saved = errno;
    if (tz_sched_hooks.g_lost)
        tz_sched_hooks.g_lost(m->g);
    if (m->foreign) {
        tz_detach(m);
    } else {
        m = tz_enter();
        tz_g *g = m->g;
        tz_member *me = g->unwind.member;
        g->unwind.member = NULL;
        tz_end_g(m, me);
        tz_store_relaxed(&m->g, m->g0);
        tz_sanitizer_back_on_thread(m, g);
        if (g != tz_sched.maing)
            tz_gfree_put(m, g);
        m->exiting = true;
        tz_mexit(m);
    }
    errno = saved;
}
