/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals sent to channels, as rt/ sees it. */
#ifndef TZ_NOTIFY_H
#define TZ_NOTIFY_H

#include "base/base.h"

/* As tz_signal_handle, with what is being sent to channels taken into account: those of our own handlers that
 * are in the place of signal/'s give way to them. Under the start lock. */
void tz_notify_handle_signals(bool on);

#endif /* TZ_NOTIFY_H */
