/* SPDX-License-Identifier: BSD-3-Clause */
/* The variables through which the assembly calls upwards; wired by sched at start. */
#include "arch/arch.h"

tz_arch_hooks_t tz_arch_hooks;
