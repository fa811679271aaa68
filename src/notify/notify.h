/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals sent to channels, as rt/ sees it. */
#ifndef TZ_NOTIFY_H
#define TZ_NOTIFY_H

#include "base/base.h"

/* As tz_signal_handle, while no disposition is changed here. Handlers of ours that are found there give way,
 * with what they had found. Under the start lock. */
void tz_notify_handle_signals(bool on);

#endif /* TZ_NOTIFY_H */
