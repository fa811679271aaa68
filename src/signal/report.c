/* SPDX-License-Identifier: BSD-3-Clause */
/* A signal's report: its first lines, in Go's words, and the goroutines. */
#include "base/fatal.h"
#include "os/os.h"
#include "sched/traceback.h"
#include "signal/handlers.h"

static const struct {
    int sig;
    const char *text;
} texts[] = {
    {SIGSEGV, "SIGSEGV: segmentation violation"},
    {SIGBUS, "SIGBUS: bus error"},
    {SIGFPE, "SIGFPE: floating-point exception"},
    {SIGILL, "SIGILL: illegal instruction"},
    {SIGABRT, "SIGABRT: abort"},
    {SIGTRAP, "SIGTRAP: trace trap"},
    {SIGSYS, "SIGSYS: bad system call"},
    {SIGQUIT, "SIGQUIT: quit"},
};

const char *tz_signal_text(int sig)
{
    size_t i = 0;
    while (texts[i].sig != sig)
        i++;
    return texts[i].text;
}

/* Those at the pc, as far as its page goes: the next may not be there. */
static void print_instruction(uintptr_t pc)
{
    size_t n = 16, left = tz_os_page_size() - pc % tz_os_page_size();
    tz_print("instruction bytes:", NULL);
    for (size_t i = 0; i < (n < left ? n : left); i++) {
        char buf[24];
        tz_print(" ", tz_hex(buf, ((const uint8_t *)pc)[i]), NULL);
    }
    tz_print("\n", NULL);
}

void tz_signal_print(int sig, const siginfo_t *info, const void *context)
{
    char pc[24], id[24], code[24], addr[24], goid[24];
    tz_m *m = tz_self_m;
    bool negative = info->si_code < 0;
    bool has_addr = sig == SIGSEGV || sig == SIGBUS;
    tz_print(tz_signal_text(sig), "\nPC=", tz_hex(pc, tz_context_pc(context)),
             " m=", m == &tz_nobody ? "-1" : tz_decimal(id, (uint64_t)m->id),
             negative ? " sigcode=-" : " sigcode=",
             tz_decimal(code, (uint64_t)(negative ? -(int64_t)info->si_code : info->si_code)),
             has_addr ? " addr=" : "", has_addr ? tz_hex(addr, (uintptr_t)info->si_addr) : "", "\n", NULL);
    if (sig != SIGQUIT) {
        if (m->foreign)
            tz_print("unexpected signal on a thread that tuza did not make\n", NULL);
        else if (m->g != m->g0)
            tz_print("unexpected signal in goroutine ", tz_decimal(goid, m->g->goid), "\n", NULL);
        else
            tz_print("unexpected signal outside of goroutines\n", NULL);
    }
    if (sig == SIGILL || sig == SIGFPE)
        print_instruction(tz_context_pc(context));
}

void tz_signal_goroutines(tz_report_kind kind, const void *context)
{
    tz_regs regs;
    tz_regs_signal(&regs, context);
    tz_traceback_regs(kind, &regs);
}

void tz_signal_print_all(const void *context)
{
    tz_signal_goroutines(TZ_REPORT_THROW, context);
    if (tz_gotraceback().level == 0)
        return;
    tz_print("\n", NULL);
    tz_context_print(context);
    if (tz_gotraceback().core)
        tz_asked_print_registers();
}

void tz_signal_end(tz_report_kind kind, const void *context)
{
    tz_signal_goroutines(kind, context);
    tz_report_close();
    tz_report_die();
}
