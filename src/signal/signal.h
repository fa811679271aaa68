/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the runtime does with signals: reports of faults and of SIGQUIT, and
 * the frames of goroutines that run on other threads.
 */
#ifndef TZ_SIGNAL_H
#define TZ_SIGNAL_H

#include "base/base.h"

/* on: installs the handlers, keeping what was there. Else puts that back, where the handlers are still ours.
 * The two alternate, one thread at a time. */
void tz_signal_handle(bool on);

#endif /* TZ_SIGNAL_H */
