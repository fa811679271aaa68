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
/* Prints the registers in Go's form. */
void tz_context_print(const void *context);

/* The goroutines of a report, the failing one from where the signal came; and with that the report's end. */
void tz_signal_goroutines(tz_report_kind kind, const void *context);
TZ_NORETURN void tz_signal_end(tz_report_kind kind, const void *context);

/* report.c: the first lines of a signal's report: "SIGSEGV: segmentation violation", "PC=... m=...". */
void tz_signal_print(int sig, const siginfo_t *info, const void *context);
/* "SIGSEGV: segmentation violation" */
const char *tz_signal_text(int sig);

/* The handlers. */
void tz_fault(int sig, siginfo_t *info, void *context);
void tz_quit(int sig, siginfo_t *info, void *context);

#endif /* TZ_HANDLERS_H */
