/* SPDX-License-Identifier: BSD-3-Clause */
/* SIGQUIT: all goroutines, the registers, exit code 2, or a core where GOTRACEBACK asks for one. */
#include "base/fatal.h"
#include "signal/handlers.h"

void tz_quit(int sig, siginfo_t *info, void *context)
{
    /* A report that is being printed ends the process, and may be waiting for this very thread. */
    if (tz_reporting() || !tz_report_begin())
        return;
    tz_signal_print(sig, info, context);
    tz_signal_print_all(context);
    tz_report_close();
    tz_report_die();
}
