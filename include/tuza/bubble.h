/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fake time for tests: bubbles.
 *
 * A bubble is a goroutine, and all that it starts, in a time of their own.
 * Its clock stands still while any of them has something to do, and jumps to
 * the next timer as soon as none has. So a test of a ten minute timeout takes
 * microseconds, and comes out the same every time.
 *
 *     static void test(void *arg)
 *     {
 *         tuza_context *ctx = tuza_context_with_timeout(tuza_context_background(), 5 * TUZA_SECOND);
 *         tuza_sleep(5 * TUZA_SECOND - 1);
 *         tuza_bubble_wait();
 *         assert(tuza_context_err(ctx) == 0);
 *         tuza_bubble_sleep(1);
 *         assert(tuza_context_err(ctx) == -ETIMEDOUT);
 *         tuza_context_unref(ctx);
 *     }
 *     ...
 *     tuza_bubble_run(test, NULL);
 *
 * In a bubble tuza_now, sleeps, timers, tickers and the deadlines of contexts
 * go by its clock, which begins at 2000-01-01 00:00:00 UTC, in nanoseconds
 * since 1970. What a timer or a context calls runs in the bubble as well.
 * Timers that are due at the same moment fire in a random order.
 *
 * "Nothing to do" is: durably blocked, so that nothing but the bubble itself
 * can end it. That is a send or receive on a channel that was made in the
 * bubble, or on NULL; a select of only such; a sleep; tuza_cond_wait; a wait
 * for a waitgroup of the bubble. It is not: a mutex, whoever has it; a
 * descriptor; a blocking call; a channel or a context from outside. While a
 * goroutine of the bubble waits for one of those its clock stands still. A
 * descriptor's deadline is as far away in real time as it is by the bubble's
 * clock when it is set, and runs in real time.
 *
 * The order in which goroutines run stays the scheduler's. To find one in
 * which a program fails, and to have it again, run it with TUZA_SCHED_SEED=n in
 * the environment: it then runs on one processor (whatever GOMAXPROCS says),
 * and all choices of what runs next, of select, and of timers that are due
 * together come from n. What comes from outside, descriptors, signals, other
 * threads, real time, is not in n: tests that keep to bubbles and channels
 * are repeated to the letter.
 *
 * What was made in a bubble, channels, timers and contexts, is to be used by
 * its goroutines alone: send, receive, close, select, stop, reset and cancel
 * from outside end the process with a fatal error. References may be dropped
 * and timers freed anywhere.
 */
#ifndef TUZA_BUBBLE_H
#define TUZA_BUBBLE_H

#include "tuza/base.h"

TUZA_BEGIN_DECLS

/*
 * Runs fn(arg) in a goroutine that is the first of a new bubble, and returns
 * when that and all others of the bubble have ended.
 *
 * Blocks: goroutine. Returns: 0, or -ENOMEM / -EAGAIN: then nothing happened.
 * Panics: "synctest.Run called from within a synctest bubble"; "deadlock: all
 * goroutines in bubble are blocked", where all are and no timer is set;
 * "deadlock: main bubble goroutine has exited but blocked goroutines remain":
 * time ends with fn. Who recovers from those leaves the blocked goroutines
 * where they are.
 * Owns: arg must live until it returns. Callable from: any thread.
 * Order: all that the bubble's goroutines did comes before the return.
 * Go: testing/synctest.Test.
 */
TUZA_API int tuza_bubble_run(void (*fn)(void *arg), void *arg) TUZA_NONNULL(1);

/*
 * Returns when all other goroutines of the caller's bubble are durably
 * blocked, and what is due by now has fired; time does not move.
 *
 * Blocks: goroutine. Panics: "goroutine is not in a bubble"; "wait already in
 * progress", where another goroutine of the bubble does this already.
 * Callable from: a bubble's goroutines.
 * Order: all that the others did until they blocked comes before the return.
 * Go: testing/synctest.Wait.
 */
TUZA_API void tuza_bubble_wait(void);

/*
 * tuza_sleep, then tuza_bubble_wait: ns from now, with all that happens at
 * that moment done.
 *
 * Blocks: goroutine. Panics: as tuza_bubble_wait. Callable from: a bubble's
 * goroutines. Go: testing/synctest.Sleep.
 */
TUZA_API void tuza_bubble_sleep(int64_t ns);

TUZA_END_DECLS

#endif /* TUZA_BUBBLE_H */
