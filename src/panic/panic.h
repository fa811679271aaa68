/* SPDX-License-Identifier: BSD-3-Clause */
/* Panics: bugs of the program. */
#ifndef TZ_PANIC_H
#define TZ_PANIC_H

#include "base/base.h"
#include "sched/sched.h"

/* m has entered the runtime and holds no lock. Prints Go's report of an unrecovered panic and ends the
 * process with exit code 2. */
TZ_NORETURN TZ_COLD void tz_panic(tz_m *m, const char *text);
/* The same where the runtime need not have been entered: by a call that needs no P. */
TZ_NORETURN TZ_COLD void tz_panic_outside(const char *text);

#endif /* TZ_PANIC_H */
