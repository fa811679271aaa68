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

/* "fatal error: TEXT", then what the traceback hook prints, then exit code 2. */
TZ_NORETURN TZ_COLD void tz_throw(const char *text);
TZ_NORETURN TZ_COLD void tz_fatal(const char *text);

/* What these and panics share: KIND TEXT, the traceback, exit code 2. The first report wins: other threads
 * that come here meanwhile wait for the end, a failure inside the report ends the process at once. */
TZ_NORETURN TZ_COLD void tz_report(const char *kind, const char *text, bool all);

/* Prints pieces of text, ending with a NULL, to standard error in one write. */
void tz_print(const char *piece, ...) __attribute__((sentinel));
/* The decimal digits of n, in buf. */
const char *tz_decimal(char buf[24], uint64_t n);

/* Wired by the layers above. */
typedef struct tz_fatal_hooks_t {
    void (*write)(int fd, const char *text, size_t n);
    void (*exit)(int code);
    void (*hang)(void);          /* sleeps for ever */
    void (*traceback)(bool all); /* the goroutines' headers and frames */
} tz_fatal_hooks_t;
extern tz_fatal_hooks_t tz_fatal_hooks;

#endif /* TZ_FATAL_H */
