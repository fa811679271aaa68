/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of signal/ share. */
#ifndef TZ_HANDLERS_H
#define TZ_HANDLERS_H

#include "os/signal.h"
#include "sched/sched.h"

/* handlers.c: what was there before ours. */
tz_os_action *tz_signal_earlier(int sig);

/* context.c: what the kernel saved where the signal came. */
uintptr_t tz_context_pc(const void *context);
uintptr_t tz_context_sp(const void *context);
/* Whether p is on the thread's alternate stack. */
bool tz_context_on_signal_stack(const void *context, const void *p);
/* The registers, in Go's order. */
#if defined(__x86_64__)
#define TZ_REGISTERS 21
#else
#define TZ_REGISTERS 34
#endif
typedef struct tz_registers {
    uint64_t value[TZ_REGISTERS];
} tz_registers;
void tz_context_registers(const void *context, tz_registers *out);
uintptr_t tz_registers_pc(const tz_registers *r);
/* Prints them in Go's form. */
void tz_registers_print(const tz_registers *r);
void tz_context_print(const void *context);

/* report.c: the goroutines of a report, the failing one from where the signal came; and with that the
 * report's end. */
void tz_signal_goroutines(tz_report_kind kind, const void *context);
/* All goroutines and the registers: what a signal's own report ends with. */
void tz_signal_print_all(const void *context);
TZ_NORETURN void tz_signal_end(tz_report_kind kind, const void *context);

/* The first lines of a signal's report: "SIGSEGV: segmentation violation", "PC=... m=...". */
void tz_signal_print(int sig, const siginfo_t *info, const void *context);
/* "SIGSEGV: segmentation violation" */
const char *tz_signal_text(int sig);

/* The handlers. */
void tz_fault(int sig, siginfo_t *info, void *context);
void tz_quit(int sig, siginfo_t *info, void *context);
void tz_asked(int sig, siginfo_t *info, void *context);

/* running.c: other threads are asked for their goroutines' frames, while handlers are installed. */
void tz_asked_init(bool on);
/* Where GOTRACEBACK asks for a core: the registers of the other threads that run goroutines. */
void tz_asked_print_registers(void);

#endif /* TZ_HANDLERS_H */
