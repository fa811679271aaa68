/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sanitizers' view of a switch. In their builds the assembly calls
 * `switching` before it changes the stack pointer and `switched` after, in
 * place of its own after-switch action, so that the release of a lock is an
 * atomic they see.
 *
 * ThreadSanitizer's fibers: the switch itself synchronizes (flag 0), since
 * the scheduler's own state, which belongs to the M and not to a G, passes
 * from one fiber to the next in it. Races between goroutines that ran one
 * after the other on the same M are therefore not reported; those that met
 * on two Ms are.
 */
#include "sched/sanitizer.h"

#if TZ_INSTRUMENTED

#include "sched/sched.h"

#if TZ_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if TZ_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* A fiber for each goroutine, not for each G: the frames that a goexit leaves for good would pile up on its
 * record of calls, and races with the G's last goroutine would be hidden. */
void tz_sanitizer_begin_g(tz_g *g)
{
#if TZ_TSAN
    if (g->fiber)
        __tsan_destroy_fiber(g->fiber);
    g->fiber = __tsan_create_fiber(0);
#else
    (void)g;
#endif
}

void tz_sanitizer_new_m(tz_m *m)
{
#if TZ_TSAN
    m->g0_block.fiber = __tsan_get_current_fiber();
#else
    (void)m;
#endif
}

/* Entered on one fiber and left on another: it must not push and pop ThreadSanitizer's call stack. */
#if defined(__clang__)
__attribute__((disable_sanitizer_instrumentation))
#else
__attribute__((no_sanitize_thread))
#endif
void tz_sanitizer_switching(tz_m *m, tz_g *next)
{
#if TZ_ASAN
    tz_g *old = m->g;
    m->asan_from = old;
    /* A dead G's fake stack is let go of; the thread's own stack's bounds are learnt when it is left. */
    void **save = old->status == TZ_G_DEAD ? NULL : &old->fake_stack;
    const char *lo = next == &m->g0_block ? m->g0_lo : next->stack.lo;
    const char *hi = next == &m->g0_block ? m->g0_hi : next->stack.hi;
    __sanitizer_start_switch_fiber(save, lo, (size_t)(hi - lo));
#endif
#if TZ_TSAN
    __tsan_switch_to_fiber(next->fiber, 0);
#endif
    (void)m;
    (void)next;
}

void tz_sanitizer_back_on_thread(tz_m *m, tz_g *left)
{
#if TZ_ASAN
    __sanitizer_start_switch_fiber(NULL, m->g0_lo, (size_t)(m->g0_hi - m->g0_lo));
    __sanitizer_finish_switch_fiber(m->g0_block.fake_stack, NULL, NULL);
    m->g0_block.fake_stack = NULL;
    __asan_unpoison_memory_region(left->stack.lo, (size_t)(left->stack.hi - left->stack.lo));
#endif
#if TZ_TSAN
    __tsan_switch_to_fiber(m->g0_block.fiber, 0);
#endif
    (void)m;
    (void)left;
}

void tz_sanitizer_switched(tz_m *m)
{
#if TZ_ASAN
    const void *lo;
    size_t n;
    __sanitizer_finish_switch_fiber(m->g->fake_stack, &lo, &n);
    m->g->fake_stack = NULL;
    if (m->asan_from->status == TZ_G_DEAD) /* frames that a goexit abandoned */
        __asan_unpoison_memory_region(m->asan_from->stack.lo,
                                      (size_t)(m->asan_from->stack.hi - m->asan_from->stack.lo));
    if (m->asan_from == &m->g0_block) {
        m->g0_lo = lo;
        m->g0_hi = (const char *)lo + n;
    }
#endif
    void (*fn)(tz_m *, void *) = m->after_fn;
    if (!fn)
        return;
    m->after_fn = NULL;
    if ((uintptr_t)fn == TZ_AFTER_UNLOCK)
        tz_spin_unlock(m->after_arg, false);
    else
        fn(m, m->after_arg);
}

#endif
typedef int tz_sanitizer_c_is_not_empty;
