/* SPDX-License-Identifier: BSD-3-Clause */
/* See fatal.h. The hooks are wired at start; before that the compiler's trap has to do. */
#include "base/fatal.h"

#include <stdarg.h>
#include <string.h>

#include "base/atomic.h"

tz_fatal_hooks_t tz_fatal_hooks;

const char *tz_decimal(char buf[24], uint64_t n)
{
    char *p = buf + 23;
    *p = 0;
    do {
        *--p = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    return p;
}

const char *tz_hex(char buf[24], uint64_t n)
{
    char *p = buf + 23;
    *p = 0;
    do {
        *--p = "0123456789abcdef"[n % 16];
        n /= 16;
    } while (n);
    *--p = 'x';
    *--p = '0';
    return p;
}

void tz_print(const char *piece, ...)
{
    char buf[512];
    size_t n = 0;
    va_list ap;
    va_start(ap, piece);
    for (const char *s = piece; s; s = va_arg(ap, const char *)) {
        size_t len = strlen(s);
        if (len > sizeof buf - n) { /* longer than usual: in more than one write */
            if (tz_fatal_hooks.write)
                tz_fatal_hooks.write(2, buf, n);
            n = 0;
        }
        if (len > sizeof buf) {
            if (tz_fatal_hooks.write)
                tz_fatal_hooks.write(2, s, len);
            continue;
        }
        memcpy(buf + n, s, len);
        n += len;
    }
    va_end(ap);
    if (tz_fatal_hooks.write)
        tz_fatal_hooks.write(2, buf, n);
}

/* How many threads report or wait for their turn; the last one to be through ends the process. */
static uint32_t reporters;
static uint32_t turn; /* 1: a report is being printed; taken by acquire, given by release */
static __thread uint8_t level __attribute__((tls_model("initial-exec"))); /* of this thread's failures */

bool tz_reporting(void)
{
    return tz_load_relaxed(&reporters) != 0;
}

TZ_NORETURN static void leave(int code)
{
    if (tz_fatal_hooks.exit)
        tz_fatal_hooks.exit(code);
    __builtin_trap();
}

bool tz_report_begin(void)
{
    switch (level++) {
    case 0: {
        tz_add_relaxed(&reporters, 1);
        uint32_t free = 0;
        while (!tz_cas_acquire(&turn, &free, 1)) {
            if (tz_fatal_hooks.nap)
                tz_fatal_hooks.nap();
            free = 0;
        }
        if (tz_fatal_hooks.begin)
            tz_fatal_hooks.begin();
        return true;
    }
    case 1:
        tz_print("panic during panic\n", NULL);
        return false;
    case 2:
        tz_print("stack trace unavailable\n", NULL);
        leave(4);
    default:
        leave(5);
    }
}

void tz_report_goroutines(tz_report_kind kind)
{
    if (tz_fatal_hooks.traceback)
        tz_fatal_hooks.traceback(kind == TZ_REPORT_THROW);
}

void tz_report_close(void)
{
    uint32_t left = tz_sub_acq_rel(&reporters, 1); /* pairs with the others': their texts are out */
    tz_store_release(&turn, 0);
    if (left != 1 && tz_fatal_hooks.hang)
        tz_fatal_hooks.hang(); /* another report is waiting, and ends the process when it is printed */
}

void tz_report_die(void)
{
    leave(2);
}

void tz_report_end(tz_report_kind kind)
{
    tz_report_goroutines(kind);
    tz_report_close();
    tz_report_die();
}

static TZ_NORETURN void report(tz_report_kind kind, const char *text)
{
    if (tz_report_begin())
        tz_print("fatal error: ", text, "\n", NULL);
    tz_report_end(kind);
}

void tz_throw(const char *text)
{
    report(TZ_REPORT_THROW, text);
}

void tz_fatal(const char *text)
{
    report(TZ_REPORT_FATAL, text);
}
