/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults: what the processor could not do, and signals of the same kind that
 * somebody sent.
 *
 *   where                                  what becomes of it
 *   the guard below a goroutine's stack    throw: stack overflow
 *   below the end of the scheduler's stack throw: morestack on g0
 *   a goroutine inside the runtime         throw: unexpected signal during ...
 *   a goroutine that asked for it          a panic
 *   a thread that is none of ours          the earlier handler's, if there is one
 *   all other                              the report, the earlier handler, death by the signal
 *
 * The report calls nothing of the program and no hooks: libc's locks may be
 * held by the very code that faulted.
 */
#include "base/fatal.h"
#include "os/os.h"
#include "panic/panic.h"
#include "signal/handlers.h"

/* How far below its stack pointer an instruction may touch the stack: a red zone, a store that moves the
 * pointer only when it succeeds. */
#define BELOW_SP 4096u

/* The signal this process is dying of; written in the report's turn. */
static int dying;

static void print_bounds(const void *context, const tz_g *g)
{
    char sp[24], lo[24], hi[24];
    tz_print("runtime: sp=", tz_hex(sp, tz_context_sp(context)), " stack=[",
             tz_hex(lo, (uintptr_t)g->stack.lo), ", ", tz_hex(hi, (uintptr_t)g->stack.hi), "]\n", NULL);
}

TZ_NORETURN static void stack_overflow(const void *context, const tz_g *g)
{
    char size[24], id[24];
    if (tz_report_begin()) {
        const char *bytes = tz_decimal(size, (uintptr_t)(g->stack.hi - g->stack.lo));
        tz_print("runtime: goroutine stack exceeds ", bytes, "-byte limit\n", NULL);
        print_bounds(context, g);
        tz_print("fatal error: stack overflow\ngoroutine ", tz_decimal(id, g->goid), " has ", bytes,
                 g == tz_sched.maing
                     ? " bytes: the process's stack limit (ulimit -s) when tuza_run was called\n"
                     : " bytes: tuza_go_with gives it another stack_size, "
                       "tuza_options all of them\n",
                 NULL);
    }
    tz_signal_end(TZ_REPORT_THROW, context);
}

TZ_NORETURN static void g0_overflow(const void *context, const tz_m *m)
{
    char sp[24], lo[24], hi[24];
    if (tz_report_begin())
        tz_print("runtime: morestack on g0, stack [", tz_hex(lo, (uintptr_t)m->g0->stack.lo), " ",
                 tz_hex(hi, (uintptr_t)m->g0->stack.hi), "], sp=", tz_hex(sp, tz_context_sp(context)),
                 "\nfatal error: morestack on g0\n", NULL);
    tz_signal_end(TZ_REPORT_THROW, context);
}

/* Whether the instruction touched memory at the end of the stack it runs on. */
static bool near_sp(const void *context, uintptr_t addr)
{
    uintptr_t sp = tz_context_sp(context);
    return addr >= sp - BELOW_SP && addr - (sp - BELOW_SP) < BELOW_SP + TZ_STACK_GUARD;
}

static void check_overflow(int sig, const siginfo_t *info, const void *context, tz_m *m)
{
    uintptr_t addr = (uintptr_t)info->si_addr;
    bool guard = false;
    if (sig != SIGSEGV || !near_sp(context, addr))
        return;
    if (m->g == m->g0) {
        if (addr < (uintptr_t)m->g0->stack.hi)
            g0_overflow(context, m);
    } else if (tz_stack_find(info->si_addr, &guard) == &m->g->stack && guard) {
        stack_overflow(context, m->g);
    }
}

TZ_NORETURN static void in_runtime(int sig, const siginfo_t *info, const void *context)
{
    char code[24], addr[24], pc[24];
    if (tz_report_begin())
        tz_print("fatal error: unexpected signal during runtime execution\n[signal ", tz_signal_text(sig),
                 " code=", tz_hex(code, (uint64_t)info->si_code),
                 " addr=", tz_hex(addr, (uintptr_t)info->si_addr), " pc=", tz_hex(pc, tz_context_pc(context)),
                 "]\n", NULL);
    tz_signal_end(TZ_REPORT_THROW, context);
}

/* Whether the code that faulted may be made to go on elsewhere: it is no handler, and this one is not on its
 * stack. */
static bool may_panic(const void *context)
{
    return !tz_context_on_signal_stack(context, (const void *)tz_context_sp(context)) &&
           tz_context_on_signal_stack(context, __builtin_frame_address(0));
}

static void report(int sig, siginfo_t *info, void *context)
{
    if (!tz_report_begin()) {
        tz_report_flush();
        if (dying)
            tz_os_signal_die_now(dying);
        tz_signal_end(TZ_REPORT_PANIC, context);
    }
    dying = sig;
    tz_signal_print(sig, info, context);
    tz_signal_print_all(context);
    tz_report_close();
    tz_os_action_call(tz_signal_earlier(sig), sig, info, context);
    tz_os_signal_die(sig, info);
}

void tz_fault(int sig, siginfo_t *info, void *context)
{
    bool raised = info->si_code > 0; /* by the processor; else somebody sent it */
    tz_m *m = tz_self_m;
    tz_os_action *earlier = tz_signal_earlier(sig);
    if (!raised && tz_load_relaxed(&earlier->handler) == (uintptr_t)SIG_IGN)
        return;
    if (raised && m != &tz_nobody) {
        check_overflow(sig, info, context, m);
        if (m->g != m->g0 && (m->seq & 1))
            in_runtime(sig, info, context);
        if (may_panic(context) && tz_panic_take_fault(sig, tz_signal_text(sig), info, context))
            return;
    }
    if ((m == &tz_nobody || m->foreign) && tz_os_action_call(earlier, sig, info, context))
        return;
    report(sig, info, context);
}
