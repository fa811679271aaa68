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
#include "base/print.h"

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
    TZ_REPORT_PANIC,    /* the goroutine */
    TZ_REPORT_FATAL,    /* the goroutine; the program's bug */
    TZ_REPORT_DEADLOCK, /* all but the one that noticed */
    TZ_REPORT_THROW,    /* all, and the failing one with the runtime's frames; the runtime's bug, or nothing
                        can go on */
} tz_report_kind;
TZ_NORETURN TZ_COLD void tz_report_end(tz_report_kind kind);

/* Parts of end, for a report whose goroutines are shown otherwise (tz_traceback_regs): close, with all that
 * there is to print printed, does not return where another report waits and will end the process; die is exit
 * code 2, or by SIGABRT where GOTRACEBACK asks for a core. */
void tz_report_close(void);
TZ_NORETURN void tz_report_die(void);

/* Whether some thread is printing a report: it will end the process. */
bool tz_reporting(void);
/* How deep the calling thread is in failures: 0 not reporting, 1 in a report, 2 in one about a failure in
 * that. */
int tz_report_depth(void);

/* Where the report goes: text is gathered, and written when the piece is full, at the end, or by flush:
 * before anything that may take long or fail. Only for the thread whose turn it is. */
tz_sink *tz_report_sink(void);
void tz_report_flush(void);

/* Prints pieces of text, ending with a NULL: to the report, if this thread is making one, else to standard
 * error in one write. */
void tz_print(const char *piece, ...) __attribute__((sentinel));

/* Wired by the layers above. */
typedef struct tz_fatal_hooks_t {
    void (*write)(int fd, const char *text, size_t n);
    void (*exit)(int code);
    void (*abort)(void);
    void (*hang)(void);   /* sleeps for ever */
    void (*nap)(void);    /* sleeps for a moment */
    void (*begin)(void);  /* before the first line of a report */
    bool (*panics)(void); /* prints the panics of this goroutine; whether there are any */
    /* The goroutines' headers and frames. pc: the report was asked for by the call that returns there. */
    void (*traceback)(tz_report_kind kind, const void *pc);
    bool (*wants_core)(void);
    void *(*reserve)(size_t n); /* n bytes (a power of two, of some pages) of memory, or NULL */
    /* Gets the whole report besides standard error, once it is complete; NULL: nobody does. Set before
     * anything can fail, by who starts the runtime. */
    void (*on_crash)(const char *report, size_t n, void *arg);
    void *on_crash_arg;
} tz_fatal_hooks_t;
extern tz_fatal_hooks_t tz_fatal_hooks;

#endif /* TZ_FATAL_H */
