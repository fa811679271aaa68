/* SPDX-License-Identifier: BSD-3-Clause */
/* What programs that fault share. */
#ifndef FAULTING_H
#define FAULTING_H

#include "crash/crash.h"

#define NOINLINE __attribute__((noinline))
/* What faults does so as written, and not in a sanitizer's check. */
#define RAW __attribute__((noinline, no_sanitize("address", "undefined", "thread")))

static char *volatile nowhere = (char *)16;

RAW static void write_nowhere(void)
{
    *nowhere = 1;
}

#endif /* FAULTING_H */
