/* SPDX-License-Identifier: BSD-3-Clause */
/* The process's end, as rt/ sees it. */
#ifndef TZ_RT_EXIT_H
#define TZ_RT_EXIT_H

#include "base/base.h"

/* Has libc's exit tell us; once. 0, -ENOMEM. */
int tz_exit_listen(void);
/* Main has returned. */
TZ_NORETURN void tz_exit_main(int code);

#endif /* TZ_RT_EXIT_H */
