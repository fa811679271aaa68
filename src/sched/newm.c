/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making Ms. The template thread creates every M's thread: it never runs user
 * code, so no new thread inherits what a goroutine did to its own (signal
 * mask, affinity, namespaces, capabilities), and whoever needs an M only
 * wakes it. Between requests it returns the deep pages of stacks that have
 * not been used for a while.
 */
#include <errno.h>

#include "base/fatal.h"
#include "os/os.h"
#include "sched/proc.h"
#include "sched/retake.h"
#include "sched/sanitizer.h"
#include "sched/sched.h"
#include "sched/traceback.h"

/* The scheduler alone runs on these, and the stack of signal handlers is another. */
#define M_STACK ((size_t)256 << 10)
#define RETRIES 20
#define IDLE_NS 1000000000
#define REAP_NS 5000000000

tz_m tz_nobody = {.seq = 1, .g = &tz_nobody.g0_block, .g0 = &tz_nobody.g0_block};
__thread tz_m *tz_self_m __attribute__((tls_model("initial-exec"))) = &tz_nobody;

static struct {
    tz_lock lock; /* TZ_RANK_MPOOL */
    char *next, *end;
    int64_t next_id;
} pool;

void tz_m_pool_lock(void)
{
    tz_lock_acquire(&pool.lock, TZ_RANK_MPOOL);
}

void tz_m_pool_unlock(void)
{
    tz_lock_release(&pool.lock, TZ_RANK_MPOOL);
}

tz_m *tz_m_alloc(void)
{
    tz_m_pool_lock();
    tz_m *m = NULL;
    size_t size = (sizeof(tz_m) + TZ_NO_SHARING - 1) / TZ_NO_SHARING * TZ_NO_SHARING;
    if (pool.end - pool.next < (ptrdiff_t)size) {
        size_t chunk = 16 * tz_os_page_size();
        char *fresh = tz_os_reserve(chunk);
        if (fresh) {
            pool.next = fresh;
            pool.end = fresh + chunk;
        }
    }
    if (pool.end - pool.next >= (ptrdiff_t)size) {
        m = (tz_m *)(void *)pool.next;
        pool.next += size;
        m->g0 = &m->g0_block;
        m->id = pool.next_id++;
        tz_store_relaxed(&m->retake, tz_sched.retake_base); /* sysmon may come to m by a P's hint */
        m->rand = tz_os_random() | 1;
    }
    tz_m_pool_unlock();
    return m;
}

void tz_minit(tz_m *m, tz_g *g)
{
    /* Another M may have had this memory: sysmon may be peeking. */
    tz_store_relaxed(&m->g, g);
    tz_store_relaxed(&m->seq, m->seq | 1);
    m->errno_addr = &errno;
    m->cxx = tz_sched_hooks.exceptions ? tz_sched_hooks.exceptions() : NULL;
    tz_store_relaxed(&m->tid, tz_os_tid()); /* of another thread before: a report may be peeking */
    m->look_cpu = -1;
    tz_store_relaxed(&m->lockedext, 0); /* of the one that had it before */
    m->exiting = false;
    if (!m->foreign) /* its slack is its own */
        tz_os_precise_timers();
    tz_sanitizer_new_m(m);
    if (!tz_os_thread_on_end(tz_thread_ends, m) && m->foreign)
        tz_throw("out of memory (no pthread key for the end of a foreign thread)");
    tz_self_m = m;
    tz_lock_acquire(&tz_sched.allm_lock, TZ_RANK_ALLM);
    m->allprev = NULL;
    tz_store_relaxed(&m->alllink, tz_sched.allm);
    if (m->alllink)
        m->alllink->allprev = m;
    tz_store_release(&tz_sched.allm, m); /* pairs with a crash's look, which takes no lock */
    tz_lock_release(&tz_sched.allm_lock, TZ_RANK_ALLM);
}

void tz_unlink_m(tz_m *m)
{
    tz_lock_acquire(&tz_sched.allm_lock, TZ_RANK_ALLM);
    if (m->allprev)
        tz_store_relaxed(&m->allprev->alllink, m->alllink);
    else
        tz_store_relaxed(&tz_sched.allm, m->alllink);
    if (m->alllink)
        m->alllink->allprev = m->allprev;
    tz_lock_release(&tz_sched.allm_lock, TZ_RANK_ALLM);
}

/* m runs no goroutine any more: its P goes on without it. One that was reaped has none, and is not counted
 * any more. */
static void retire_m(tz_m *m)
{
    tz_unlink_m(m);
    tz_p *p = m->p;
    if (p) {
        tz_store_relaxed(&m->p, NULL);
        tz_handoffp(p);
    }
    if (m->exiting) {
        tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
        tz_store_relaxed(&tz_sched.mcount, tz_sched.mcount - 1);
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    }
}

/*
 * The end of an M, on its own thread, which is about to return from its
 * function: key destructors and libc's clean-up follow, with all signals
 * blocked, and what they call of tuza comes from a thread without an M.
 * lockedext stays set until here: whatever the P's next M needs, it is not
 * made from this thread.
 */
void tz_mexit(tz_m *m)
{
    tz_os_signals_block();
    tz_os_sigstack_off(&m->sigstack);
    retire_m(m);
    tz_self_m = &tz_nobody;                      /* before others can have m */
    if (!tz_load_relaxed(&tz_sched.trim_wanted)) /* of the template thread: to give this one back */
        tz_store_relaxed(&tz_sched.trim_wanted, 1);
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    m->link = tz_sched.mfree;
    tz_sched.mfree = m;
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    tz_check_deadlock();
}

void tz_mexit_first(tz_m *m)
{
    if (!tz_os_is_main_thread()) {
        tz_mexit(m);
        tz_os_thread_exit();
    }
    /* Without its first thread a process is a zombie for whoever waits for it, though others run on: so this
     * one stays, for good. It keeps its mask and signal stack, for what is sent to the process. */
    retire_m(m);
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_sched.template_threads++;
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    tz_check_deadlock();
    tz_note_sleep(&m->park);
    tz_throw("locked m0 woke up");
}

/* Whatever of tuza a program links, it links this: a crash before the runtime runs has its text as well. */
static void hang(void)
{
    for (;;)
        tz_os_sleep_until(TZ_OS_FOREVER);
}

static void nap(void)
{
    tz_os_sleep_until(tz_os_now() + 1000000);
}

static bool wants_core(void)
{
    return tz_gotraceback().core;
}

static __attribute__((constructor)) void wire(void)
{
    tz_fatal_hooks.write = tz_os_write;
    tz_fatal_hooks.exit = tz_os_exit_now;
    tz_fatal_hooks.hang = hang;
    tz_fatal_hooks.nap = nap;
    tz_fatal_hooks.begin = tz_schedtrace_crash;
    tz_fatal_hooks.traceback = tz_traceback;
    tz_fatal_hooks.abort = tz_os_abort;
    tz_fatal_hooks.wants_core = wants_core;
    tz_fatal_hooks.reserve = tz_os_reserve;
    tz_gotraceback_init();
}

/* Two things that reports of faults need. g0's bounds are about right: a thread's stack holds other things
 * above its first frame. */
void tz_minit_stacks(tz_m *m, size_t size, bool keep)
{
    tz_os_sigstack_on(&m->sigstack, keep);
    m->g0->stack.hi = __builtin_frame_address(0);
    m->g0->stack.lo = size < (uintptr_t)m->g0->stack.hi ? m->g0->stack.hi - size : NULL;
}

static void mstart(void *arg)
{
    tz_m *m = arg;
    tz_minit(m, m->g0);
    tz_minit_stacks(m, M_STACK, false);
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_store_relaxed(&tz_sched.mstarting, tz_sched.mstarting - 1);
    tz_store_relaxed(&tz_sched.mcount, tz_sched.mcount + 1);
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    tz_schedule(m);
    tz_mexit(m);
}

void tz_newm_locked(void)
{
    if (tz_sched.mwanted || tz_sched.mstarting) /* one at a time: it asks for the next when it is taken */
        return;
    tz_sched.mwanted = 1;
    tz_note_wake(&tz_sched.template_note);
}

/* Once: the process can't have more threads. What is running goes on,
 * what is stuck stays so until a thread ends or comes back. */
static void warn(int err)
{
    static bool warned;
    if (warned)
        return;
    warned = true;
    char have[24], no[24];
    tz_print("runtime: failed to create new OS thread (have ",
             tz_decimal(have, tz_load_relaxed(&tz_sched.mcount) + tz_sched.template_threads),
             " already; errno=", tz_decimal(no, (uint64_t)-err), ")\n",
             err == -EAGAIN ? "runtime: may need to increase max user processes (ulimit -u)\n" : "", NULL);
}

static int newm(void)
{
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    bool limit = tz_sched.mcount >= tz_sched.mlimit;
    tz_m *m = limit ? NULL : tz_sched.mfree;
    if (m)
        tz_sched.mfree = m->link;
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    if (limit)
        return -EAGAIN;
    if (!m)
        m = tz_m_alloc();
    if (!m)
        return -ENOMEM;
    int err = tz_os_thread_start(mstart, m, M_STACK, "tuza");
    if (err < 0) {
        tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
        m->link = tz_sched.mfree;
        tz_sched.mfree = m;
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    }
    return err;
}

static void template_thread(void *unused)
{
    (void)unused;
    int failures = 0;
    bool trim = false;
    for (;;) {
        int64_t until = trim ? tz_os_now() + IDLE_NS : TZ_OS_FOREVER;
        if (!tz_note_sleep_until(&tz_sched.template_note, until)) {
            trim = tz_trim_some();
            trim |= tz_os_threads_reap();
            continue;
        }
        tz_note_clear(&tz_sched.template_note);
        tz_fence_store_load(); /* before the looks at the requests, or a wake could be lost */
        if (TZ_UNLIKELY(tz_load_relaxed(&tz_sched.stopping)))
            return;
        trim = true;
        uint32_t procs = tz_xchg_acquire(&tz_sched.procs_wanted, 0);
        if (procs)
            tz_procs_follow((int)procs);
        tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
        bool wanted = tz_sched.mwanted;
        tz_sched.mwanted = 0;
        tz_store_relaxed(&tz_sched.mstarting, tz_sched.mstarting + wanted);
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
        while (wanted && !tz_load_relaxed(&tz_sched.stopping)) {
            int err = newm();
            if (err == 0) {
                failures = 0;
                wanted = false;
                continue;
            }
            if (++failures >= RETRIES)
                warn(err);
            /* The request stands: it is tried again until it is met, ever more slowly. */
            tz_os_sleep_until(tz_os_now() + (failures < 100 ? failures : 100) * (int64_t)1000000);
        }
        if (wanted) { /* the stop came first: nothing is on its way */
            tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
            tz_store_relaxed(&tz_sched.mstarting, tz_sched.mstarting - 1);
            tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
        }
    }
}

int tz_newm_init(void)
{
    tz_sched.reap_ns = REAP_NS;
    return tz_os_thread_start(template_thread, NULL, M_STACK, "tuza-template");
}
