/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The report of a panic that nothing recovers: the text, the goroutine, exit
 * code 2.
 */
#include "panic/panic.h"

#include "base/fatal.h"

void tz_panic_outside(const char *text)
{
    if (tz_report_begin())
        tz_print("panic: ", text, "\n", NULL);
    tz_report_end(TZ_REPORT_PANIC);
}

void tz_panic(tz_m *m, const char *text)
{
    (void)m; /* the P stays ours: nothing else runs on it meanwhile */
    tz_panic_outside(text);
}
