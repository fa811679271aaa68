/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of a process that can't go on: text to standard error without
 * malloc, stdio or locks, then exit code 2.
 *
 * throw is for broken invariants of the runtime, fatal for a program's bug
 * that can't be recovered from, panic's report is in panic/.
 */
#ifndef TZ_FATAL_H
#define TZ_FATAL_H

#include "base/base.h"

/* "fatal error: TEXT", then the goroutines, then exit code 2. */
TZ_NORETURN TZ_COLD void tz_throw(const char *text);
TZ_NORETURN TZ_COLD void tz_fatal(const char *text);

/*
 * A report in steps, for what has more to say than a line: begin, tz_print,
 * end. begin takes the report's turn: others print one after the other, and
 * the process ends when the last one is through. False: this thread was
 * printing a report already and failed in it ("panic during panic"): nothing
 * but the end is left to do. A third failure ends the process at once.
 */
bool tz_report_begin(void);
/* What is reported decides which goroutines are shown. */
typedef enum tz_report_kind {
    TZ_REPORT_PANIC, /* the goroutine */
    TZ_REPORT_FATAL, /* the goroutine; the program's bug */
    TZ_REPORT_THROW, /* all; the runtime's bug, or nothing can go on */
} tz_report_kind;
TZ_NORETURN TZ_COLD void tz_report_end(tz_report_kind kind);
/* The same in parts, for who prints more after the goroutines or does not exit: the goroutines; the end of
 * the turn, which returns only to the last report, whose thread has to end the process; that end. */
void tz_report_goroutines(tz_report_kind kind);
void tz_report_close(void);
TZ_NORETURN void tz_report_die(void);
/* Whether some thread is printing a report: it will end the process. */
bool tz_reporting(void);

/* Prints pieces of text, ending with a NULL, to standard error in one write. */
void tz_print(const char *piece, ...) __attribute__((sentinel));
/* The decimal digits of n, in buf. */
const char *tz_decimal(char buf[24], uint64_t n);
/* 0x and the hexadecimal digits. */
const char *tz_hex(char buf[24], uint64_t n);

/* Wired by the layers above. */
typedef struct tz_fatal_hooks_t {
    void (*write)(int fd, const char *text, size_t n);
    void (*exit)(int code);
    void (*hang)(void);          /* sleeps for ever */
    void (*nap)(void);           /* sleeps for a moment */
    void (*begin)(void);         /* before the first line of a report */
    void (*traceback)(bool all); /* the goroutines' headers and frames */
} tz_fatal_hooks_t;
extern tz_fatal_hooks_t tz_fatal_hooks;

#endif /* TZ_FATAL_H */
