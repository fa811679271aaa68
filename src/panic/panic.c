/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The report of a panic that nothing recovers: the text, the goroutine, exit
 * code 2. Concurrent panics: the first one reports, later ones wait for the
 * end of the process.
 */
#include "panic/panic.h"

#include "base/fatal.h"

void tz_panic_outside(const char *text)
{
    tz_report("panic: ", text, false);
}

void tz_panic(tz_m *m, const char *text)
{
    (void)m; /* the P stays ours: nothing else runs on it meanwhile */
    tz_panic_outside(text);
}
