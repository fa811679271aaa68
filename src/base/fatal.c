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

void tz_report(const char *kind, const char *text, bool all)
{
    static uint32_t dying;
    static __thread bool here __attribute__((tls_model("initial-exec")));
    if (tz_xchg_relaxed(&dying, 1) == 0) {
        here = true;
        tz_print(kind, text, "\n", NULL);
        if (tz_fatal_hooks.traceback)
            tz_fatal_hooks.traceback(all);
    } else if (!here && tz_fatal_hooks.hang) {
        tz_fatal_hooks.hang(); /* another thread is reporting, and ends the process when it is done */
    }
    if (tz_fatal_hooks.exit)
        tz_fatal_hooks.exit(2);
    __builtin_trap();
}

void tz_throw(const char *text)
{
    tz_report("fatal error: ", text, true);
}

void tz_fatal(const char *text)
{
    tz_report("fatal error: ", text, false);
}
