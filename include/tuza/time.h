/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time: int64_t nanoseconds on the monotonic clock. Sleeping, timers, tickers.
 *
 * A timer is of one of three kinds: a channel gives the time once
 * (tuza_timer_new), or at intervals (tuza_ticker_new), or a function is called
 * once in a goroutine of its own (tuza_after_func).
 *
 *     tuza_timer *t = tuza_ticker_new(TUZA_SECOND);
 *     for (int64_t due; tuza_chan_recv(tuza_timer_chan(t), &due) && work();)
 *         ;
 *     tuza_timer_free(t);
 *
 * A timer's channel has no buffer: its length and capacity are 0. A value is
 * there from the time on that it is, which is the moment when the timer was
 * due, however late it is received. After a stop or a reset no value from
 * before can come. A timer that nobody waits for costs nothing, wakes nobody,
 * and keeps no deadlock from being reported.
 *
 * Times that overflow the clock never come; a time that is not positive is
 * due at once.
 */
#ifndef TUZA_TIME_H
#define TUZA_TIME_H

#include "tuza/base.h"
#include "tuza/chan.h"

TUZA_BEGIN_DECLS

/* A microsecond, a millisecond, a second, in nanoseconds. */
#define TUZA_MICROSECOND ((int64_t)1000)
#define TUZA_MILLISECOND ((int64_t)1000000)
#define TUZA_SECOND      ((int64_t)1000000000)

/*
 * Nanoseconds on the monotonic clock, from an arbitrary start; always > 0.
 * Blocks: never. Callable from: anywhere, signal handlers too.
 * Go: the monotonic part of time.Now.
 */
TUZA_API int64_t tuza_now(void) TUZA_NOEXCEPT;

/*
 * Parks the caller for at least ns nanoseconds. ns <= 0 returns at once,
 * without a yield. A time that overflows the clock is never reached.
 * Blocks: goroutine. Callable from: any thread. Go: time.Sleep.
 */
TUZA_API void tuza_sleep(int64_t ns);

typedef struct tuza_timer tuza_timer;

/*
 * A timer whose channel gives one value, ns from now.
 * Blocks: never. Returns: never NULL; throws "out of memory".
 * Owns: to be freed. Callable from: any thread. Go: time.NewTimer.
 */
TUZA_API tuza_timer *tuza_timer_new(int64_t ns);

/*
 * A timer whose channel gives a value every ns nanoseconds, the first ns from
 * now. What a slow receiver is too late for is left out: it gets the first
 * that it has missed, and then the next to come, on the same grid.
 * Blocks: never. Returns: never NULL; throws "out of memory".
 * Panics: "non-positive interval for NewTicker". Owns: to be freed.
 * Callable from: any thread. Go: time.NewTicker.
 */
TUZA_API tuza_timer *tuza_ticker_new(int64_t ns);

/*
 * Calls fn(arg) in a goroutine of its own, ns from now. A call that takes
 * long holds up no other timer.
 * Blocks: never. Returns: never NULL; throws "out of memory", also where there
 * is none for the goroutine when the time has come.
 * Owns: to be freed; arg must live until fn has returned. tuza_timer_stop_wait
 * tells when that is.
 * Callable from: any thread. Go: time.AfterFunc.
 */
TUZA_API tuza_timer *tuza_after_func(int64_t ns, void (*fn)(void *arg), void *arg) TUZA_NONNULL(2);

/*
 * The timer's channel, for elements of type int64_t; NULL where it calls a
 * function, or t is NULL. Closed by nobody: a receive from a stopped timer
 * blocks for ever, until it is reset.
 * Blocks: never. Owns: borrowed: it lives as long as t. With a reference of
 * its own (tuza_chan_ref) it lives on: stopped by tuza_timer_free, as set
 * after tuza_timer_detach. To send on it or close it panics.
 * Callable from: any thread. Go: t.C.
 */
TUZA_API tuza_chan *tuza_timer_chan(tuza_timer *t);

/*
 * The timer does not fire any more.
 * Blocks: never. Returns: whether that prevented something: true where it was
 * still to come or its value had not been received, and for every ticker that
 * runs; false where it was over or stopped. Of tuza_after_func: false means
 * that the call has started, not that it is through.
 * Panics: "time: Stop called on uninitialized Timer" where t is NULL.
 * Callable from: any thread. Go: t.Stop.
 */
TUZA_API bool tuza_timer_stop(tuza_timer *t);

/*
 * As stop; and a call of tuza_after_func's function that had started has
 * returned, and what it deferred has run. There is no waiting in such a call
 * itself, nor where the process ends, in a handler of exit() or a static
 * object's destructor: no other goroutine runs by then.
 * Blocks: goroutine, while the call runs.
 * Order: what the call did happens before the return. Otherwise as tuza_timer_stop.
 */
TUZA_API bool tuza_timer_stop_wait(tuza_timer *t);

/*
 * The timer fires ns from now, whatever it was set to; a ticker every ns from
 * now on. A function may then run twice at the same time.
 * Blocks: never. Returns: as tuza_timer_stop would have.
 * Panics: "time: Reset called on uninitialized Timer" where t is NULL;
 * "non-positive interval for Ticker.Reset".
 * Callable from: any thread. Go: t.Reset.
 */
TUZA_API bool tuza_timer_reset(tuza_timer *t, int64_t ns);

/*
 * Stops the timer and gives it up: at any time, in its own function too, and
 * while it fires. A call that has started runs on; free does not wait for it.
 * NULL is fine. A goroutine still blocked on the channel is a bug: throws
 * "tuza: unref of a channel in use".
 * Blocks: never. Callable from: any thread.
 */
TUZA_API void tuza_timer_free(tuza_timer *t);

/*
 * Gives the timer up without stopping it: it fires as it is set, then it is
 * gone. NULL is fine.
 * Blocks: never. Callable from: any thread. Go: time.After, whose channel is
 * to be referenced before; a time.AfterFunc that nobody keeps.
 */
TUZA_API void tuza_timer_detach(tuza_timer *t);

TUZA_END_DECLS

#endif /* TUZA_TIME_H */
