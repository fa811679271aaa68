/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals as values on channels: Go's os/signal.
 *
 *     int stop[] = {SIGINT, SIGTERM};
 *     tuza_chan *c = tuza_chan_make(sizeof(int), 1);
 *     tuza_signal_notify(c, stop, 2);
 *     int sig;
 *     tuza_chan_recv(c, &sig);
 *
 * A signal that somebody has asked for does nothing else: no default action,
 * no report by SIGQUIT, no call of a handler that the program had set. It is
 * sent to all that asked for it, without blocking: a channel that is full at
 * that moment does not get it. With room for one, a receiver always learns
 * that the signal came since it last received. Signals of one number that
 * come in quick succession may be sent once, real-time signals too.
 *
 * Faults are no such signals: where the processor raises SIGSEGV, SIGBUS,
 * SIGFPE, SIGILL, SIGTRAP or SIGSYS, the process has its report and dies.
 * They are sent only where another process or thread has sent them.
 *
 * Where a call takes signals and n, an n of 0 (signals may be NULL) stands
 * for all that can be handled: not SIGKILL and SIGSTOP, nor the numbers
 * below SIGRTMIN that libc keeps for itself.
 *
 * Order: what came before the last of these calls that let it happen, or
 * before raise() in the same thread, happens before the receive.
 */
#ifndef TUZA_SIGNAL_H
#define TUZA_SIGNAL_H

#include <signal.h>

#include "tuza/base.h"
#include "tuza/chan.h"

TUZA_BEGIN_DECLS

/*
 * From here on the signals are sent to c, whose elements are int; further
 * calls add to what c gets. Handlers that the program has set, or SIG_IGN, are
 * kept until nobody asks for the signal any more. If all threads of the
 * program block a signal it is sent still: one of tuza's does not.
 *
 * The first call starts a thread. After it no deadlock is reported.
 *
 * Blocks: thread, some microseconds. Panics: "os/signal: Notify using nil
 * channel"; "tuza: elements of a channel for signals must be int". A signal
 * that is sent to a channel that has been closed is a panic that nothing
 * recovers from: stop first, then close.
 * Returns: 0, or a negative errno, and then nothing has changed: -EINVAL (not
 * a number of a signal that can be handled), -ENOTSUP (tuza_start was given
 * TUZA_NO_SIGNALS), -ENOMEM, -EAGAIN (no thread to be had), -ECANCELED (the
 * process has run its exit hooks).
 * Owns: c is referenced until it is stopped. The last tuza_stop stops all.
 * Callable from: any thread. Go: signal.Notify.
 */
TUZA_API int tuza_signal_notify(tuza_chan *c, const int *signals, size_t n);

/*
 * Nothing is sent to c any more when this returns. What came before has been
 * sent. Where nobody else asks for a signal its former disposition is back,
 * and one that is on its way takes that; none is lost. NULL, and a channel
 * that gets no signals, are fine.
 *
 * Blocks: thread, some microseconds. Callable from: any thread.
 * Go: signal.Stop.
 */
TUZA_API void tuza_signal_stop(tuza_chan *c);

/*
 * The signals are ignored, and sent to no channel any more. As with SIG_IGN
 * programs that this one executes ignore them too, except for those that have
 * tuza's handlers (docs/signals.md).
 *
 * Blocks: as tuza_signal_stop. Returns: 0, or -EINVAL, -ENOTSUP, -ECANCELED as
 * tuza_signal_notify, and then nothing has changed. Callable from: any thread.
 * Go: signal.Ignore.
 */
TUZA_API int tuza_signal_ignore(const int *signals, size_t n);

/*
 * Takes back all that tuza_signal_notify and tuza_signal_ignore have done
 * about these signals: they are sent to no channel, and their former
 * disposition is back.
 *
 * Blocks: as tuza_signal_stop. Returns: 0, or -EINVAL, -ECANCELED as
 * tuza_signal_notify, and then nothing has changed. Callable from: any thread.
 * Go: signal.Reset, which leaves alone what signal.Ignore has done.
 */
TUZA_API int tuza_signal_reset(const int *signals, size_t n);

/*
 * Whether the signal is ignored: by tuza_signal_ignore, or since the process
 * began so (nohup), and nobody asked for it. False for what is no signal.
 * Blocks: as tuza_signal_stop. Callable from: any thread. Go: signal.Ignored.
 */
TUZA_API bool tuza_signal_ignored(int sig);

TUZA_END_DECLS

#endif /* TUZA_SIGNAL_H */
