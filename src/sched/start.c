/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting the runtime, in two steps.
 *
 * READY: what any call needs that uses a P: the Ps themselves, the retake
 * protocol, what the environment says. It comes with the first such call, of
 * any thread, and never goes again.
 *
 * The threads: template, symbolizer and sysmon, and the Ms that are made. They come
 * with the first goroutine or the first wait, so a program that has made
 * channels, and even sent something, may still fork; tuza_stop ends them, and
 * the next need starts them again. Who only passes through needs none of
 * them: a foreign thread hands its P off with each call (foreign.c), to
 * others that wait in place for it.
 *
 * A failure to start the threads is reported to the caller, and what runs
 * already stays, for the next try.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fatal.h"
#include "os/os.h"
#include "sched/proc.h"
#include "sched/retake.h"
#include "sched/sanitizer.h"
#include "sched/sched.h"
#include "sched/traceback.h"
#include "tuza/go.h"

#define SYSMON_STACK ((size_t)256 << 10)
#define MAIN_MAX     ((size_t)64 << 20)
#define LOOK_NS      1000000

tz_sched_t tz_sched = {.mwait_due = INT64_MAX, .goid_gen = 1, .mlimit = 10000, .usual = 1};

/*
 * Before any constructor of the program, which may register handlers that use
 * the runtime (fork.c). But after an allocator, whose locks are taken under
 * start_lock, where threads are made: one that registers its handlers with the
 * first allocation is brought to do so now.
 */
static __attribute__((constructor(101))) void wire(void)
{
    void *volatile first = malloc(1);
    free(first);
    tz_fork_init();
}

static void count_copy(const char *file, void *arg)
{
    const char **first = arg;
    file = *file ? file : "the program";
    if (*first) {
        tz_print("runtime: tuza is in ", *first, " and in ", file, "\n", NULL);
        tz_throw("tuza: a second copy of the runtime in this process");
    }
    *first = file;
}

void tz_become_ready_locked(void)
{
    /* Two would not know of each other's threads, forks and signals. */
    const char *first = NULL;
    tz_os_objects_with_note("tuza", count_copy, &first);
    tz_os_thread_mask_save();
    tz_hooks_init();
    tz_godebug_init();
    tz_blocked_init();
    tz_chaos_init();
    tz_seed_init();
    tz_retake_init();
    tz_sched.ncpu = (uint32_t)tuza_num_cpu();
    tz_procs_init(tz_procs_default(&tz_sched.procs_custom));
    tz_store_release(&tz_sched.started, TZ_STARTED_READY); /* pairs with calls from any thread */
}

void tz_need_runtime(void)
{
    if (tz_load_acquire(&tz_sched.started) == TZ_STARTED_READY)
        return;
    if (tz_load_relaxed(&tz_sched.started) == TZ_STARTED_GONE)
        tz_throw("tuza after fork");
    tz_lock_acquire(&tz_sched.start_lock, TZ_RANK_START);
    if (tz_sched.started == TZ_STARTED_NOT)
        tz_become_ready_locked();
    tz_lock_release(&tz_sched.start_lock, TZ_RANK_START);
}

static void count_system_threads(uint32_t n)
{
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_sched.template_threads += n;
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
}

static int start_watcher(void)
{
    int err = tz_blocked_start_locked();
    if (err < 0)
        return err;
    count_system_threads((uint32_t)err);
    return 0;
}

int tz_start_threads_locked(void)
{
    if (tz_sched.threads == 2)
        return start_watcher();
    if (tz_sched.threads == 0) {
        int err = tz_newm_init();
        if (err < 0)
            return err;
        count_system_threads(1);
        tz_store_relaxed(&tz_sched.threads, 1);
    }
    if (tz_godebug.schedtrace && !tz_sched.tracing) {
        int err = tz_schedtrace_start();
        if (err < 0)
            return err;
        count_system_threads(1);
        tz_sched.tracing = true;
    }
    int err = start_watcher();
    if (err < 0)
        return err;
    err = tz_symbolizer_start();
    if (err < 0)
        return err;
    count_system_threads((uint32_t)err);
    err = tz_os_thread_start(tz_sysmon, NULL, SYSMON_STACK, "tuza-sysmon");
    if (err < 0)
        return err;
    count_system_threads(1);
    tz_store_release(&tz_sched.threads, 2); /* pairs with whoever asks whether there is a need */
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_newm_locked();
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    return 0;
}

int tz_need_threads(void)
{
    tz_lock_acquire(&tz_sched.start_lock, TZ_RANK_START);
    int err = tz_start_threads_locked();
    tz_lock_release(&tz_sched.start_lock, TZ_RANK_START);
    return err;
}

int tz_need_threads_or(tz_note *come)
{
    /* Who has the lock may be stopping the world, which waits for a P that is on its way to the caller. */
    while (!tz_lock_try(&tz_sched.start_lock, TZ_RANK_START))
        if (tz_note_sleep_until(come, tz_os_now() + LOOK_NS))
            return 0;
    int err = tz_start_threads_locked();
    tz_lock_release(&tz_sched.start_lock, TZ_RANK_START);
    return err;
}

void tz_need_fire(void)
{
    tz_need_runtime();
    if (TZ_UNLIKELY(tz_load_acquire(&tz_sched.threads) != 2) && tz_need_threads() < 0)
        tz_throw("newosproc");
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

/* A P for m, which has none and is inside the runtime. */
static void first_p(tz_m *m)
{
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_store_relaxed(&tz_sched.mcount, tz_sched.mcount + 1);
    tz_p *p = tz_sched.gcwaiting ? NULL : tz_pidle_get_locked();
    if (p) {
        tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
        tz_acquirep(m, p);
    } else {
        tz_wait_for_p_locked(m);
    }
}

/* What tuza_run needs, under start_lock. */
static int prepare_run(tz_m **m, tz_g **g)
{
    static tz_m *first; /* kept where the start fails, for the next try */
    static tz_g *main_g;
    if (tz_sched.ran || tz_sched.embedded || tz_sched.started == TZ_STARTED_GONE)
        return -EALREADY;
    if (tz_self_m != &tz_nobody && !tz_self_m->foreign) /* by a goroutine */
        return -EALREADY;
    if (tz_sched.started == TZ_STARTED_NOT)
        tz_become_ready_locked();
    if (!first)
        first = tz_m_alloc();
    if (!main_g)
        main_g = new_main();
    if (!first || !main_g)
        return -ENOMEM;
    int err = tz_start_threads_locked();
    if (err < 0)
        return err;
    tz_store_relaxed(&tz_sched.ran, 1);
    tz_store_relaxed(&tz_sched.had_goroutines, 1);
    *m = tz_sched.m0 = first;
    *g = tz_sched.maing = main_g;
    return 0;
}

int tz_sched_run(void (*fn)(void *), void *arg, void (*signals)(bool on))
{
    tz_m *m;
    tz_g *g;
    tz_lock_acquire(&tz_sched.start_lock, TZ_RANK_START);
    int err = prepare_run(&m, &g);
    if (err == 0)
        signals(true);
    tz_lock_release(&tz_sched.start_lock, TZ_RANK_START);
    if (err < 0)
        return err;
    /* A thread that has called before is foreign no more; but if it has locked itself, main stays on it. */
    uint32_t locks = 0;
    if (tz_self_m != &tz_nobody) {
        locks = tz_self_m->lockedext;
        tz_detach(tz_self_m);
    }
    tz_minit(m, m->g0);
    tz_minit_stacks(m, tz_os_stack_limit(),
                    !TZ_INSTRUMENTED); /* a sanitizer's is too small for our reports */
    first_p(m);
    g->sp = g->stack.hi;
    g->special = 1;
    g->resume = (void *)tz_arch_entry;
    g->fn = fn;
    g->arg = arg;
    g->waiter.g = g;
    tz_store_relaxed(&g->goid, 1);
    if (locks) {
        tz_store_relaxed(&g->lockedm, m);
        g->tag = TZ_WORK_LOCKED;
        tz_store_relaxed(&m->lockedg, g);
        tz_store_relaxed(&m->lockedext, locks);
        tz_lock_fair(m);
    }
    tz_store_relaxed(&m->p->nbegun, m->p->nbegun + 1);
    tz_ready(m, g);
    tz_schedule(m);
    tz_mexit_first(m);
}
