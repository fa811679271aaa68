/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Contexts: when to give up, and values that go with a request.
 *
 * A context is done when it is cancelled, when its time is over, or when its
 * parent is done; then it stays so. Whoever does work on behalf of a request
 * is given its context, waits for tuza_context_done beside other events, or
 * asks tuza_context_err now and then, and derives a context of its own where
 * a part of the work has to end earlier.
 *
 *     tuza_context *ctx = tuza_context_with_timeout(parent, 5 * TUZA_SECOND);
 *     int err = fetch(ctx, name);                     -ETIMEDOUT after 5 s
 *     tuza_context_cancel(ctx);                       whatever it has started may end
 *     tuza_context_unref(ctx);
 *
 * Contexts are reference-counted: what derives one returns its first
 * reference; whoever uses a context must be covered by a reference of its own
 * or of a caller's. A derived context holds its parent. The last unref stops
 * the context's timer, and does not cancel: nobody is left to be told. A NULL
 * context is one that is never done and has no values, but nothing can be
 * derived from it.
 *
 * Order: a cancellation happens before the receive from done that it ends,
 * and before a tuza_context_err that reports it.
 */
#ifndef TUZA_CONTEXT_H
#define TUZA_CONTEXT_H

#include "tuza/base.h"
#include "tuza/chan.h"
#include "tuza/time.h"

TUZA_BEGIN_DECLS

typedef struct tuza_context tuza_context;

/*
 * The context that is never done and has no values: the root of others. It
 * is always the same one, and need not be unref'd.
 * Blocks: never. Callable from: any thread. Go: context.Background.
 */
TUZA_API tuza_context *tuza_context_background(void);

/*
 * A context that is done when tuza_context_cancel says so, or when parent is
 * done; at once where it is already.
 * Blocks: never. Returns: never NULL; throws "out of memory".
 * Panics: "cannot create context from nil parent".
 * Owns: the caller has the first reference. Callable from: any thread.
 * Go: context.WithCancel.
 */
TUZA_API tuza_context *tuza_context_with_cancel(tuza_context *parent);

/*
 * As with_cancel, and done with -ETIMEDOUT at the time `when` on tuza_now's
 * clock, or ns from now: at once where that is past. Where parent has an
 * earlier deadline, that one holds. A time that overflows never comes.
 * Blocks: never. Returns: never NULL; throws "out of memory".
 * Panics: "cannot create context from nil parent".
 * Owns: the caller has the first reference. Callable from: any thread.
 * Go: context.WithDeadline, context.WithTimeout.
 */
TUZA_API tuza_context *tuza_context_with_deadline(tuza_context *parent, int64_t when);
TUZA_API tuza_context *tuza_context_with_timeout(tuza_context *parent, int64_t ns);

/*
 * A context of parent's with a value: tuza_context_value(ctx, key) is value.
 * Keys are compared as pointers: the address of a static variable is a good
 * one, since nobody else can have it by mistake. with_value_free calls
 * free_value(value) when the last reference is gone. The context is done when
 * parent is, and to cancel it is to cancel that one.
 * Blocks: never; an unref as free_value does. Returns: never NULL; throws "out of memory".
 * Panics: "cannot create context from nil parent", "nil key".
 * Owns: value must live as long as the context. Callable from: any thread.
 * Go: context.WithValue.
 */
TUZA_API tuza_context *tuza_context_with_value(tuza_context *parent, const void *key, void *value);
TUZA_API tuza_context *tuza_context_with_value_free(tuza_context *parent, const void *key, void *value,
                                                    void (*free_value)(void *value));

/*
 * A context with parent's values that is never done.
 * Blocks: never. Returns: never NULL; throws "out of memory".
 * Panics: "cannot create context from nil parent".
 * Callable from: any thread. Go: context.WithoutCancel.
 */
TUZA_API tuza_context *tuza_context_without_cancel(tuza_context *parent);

/*
 * A context that is done with -ECANCELED when one of the signals comes (n is
 * 0: any signal), or as by with_cancel; its cause is then the signal's number,
 * which is positive. While it lives the signals do nothing else, as with
 * tuza_signal_notify, after the first too: so the last unref belongs where a
 * second signal shall have its effect. Where tuza_start was given
 * TUZA_NO_SIGNALS it is a context as by with_cancel.
 * Blocks: thread, some microseconds; its last unref too.
 * Returns: never NULL; throws "out of memory", "tuza: no thread to be had for
 * signals". Panics: "cannot create context from nil parent", "tuza: a context
 * can't end with what is no signal". Owns: the caller has the first reference.
 * Callable from: any thread. Go: signal.NotifyContext.
 */
TUZA_API tuza_context *tuza_context_with_signals(tuza_context *parent, const int *signals, size_t n);

/*
 * Makes ctx, and all that is derived from it, done with -ECANCELED; where it
 * is done already, nothing changes. When it returns, the done channel of
 * each of them is closed.
 * With a cause, which is the program's business and not 0, that is what
 * tuza_context_cause says of all of them from then on.
 * Blocks: never. Panics: "tuza: cancel of a context that can't be cancelled"
 * where ctx is the background, NULL, or has nothing to cancel above it.
 * Callable from: any thread, any number of times. Go: the CancelFunc, the CancelCauseFunc.
 */
TUZA_API void tuza_context_cancel(tuza_context *ctx);
TUZA_API void tuza_context_cancel_cause(tuza_context *ctx, int cause);

/*
 * A channel, without elements, that is closed when ctx is done; NULL where it
 * never will be. Always the same one.
 * Blocks: never. Returns: also throws "out of memory" with the first call.
 * Owns: borrowed: it lives as long as ctx; tuza_chan_ref keeps it for longer.
 * To send on it or close it panics.
 * Callable from: any thread. Go: ctx.Done().
 */
TUZA_API tuza_chan *tuza_context_done(tuza_context *ctx);

/*
 * Why ctx is done: -ECANCELED, or -ETIMEDOUT where its time was over; 0 while
 * it is not. Not 0 from the moment its done channel is closed, and not before.
 * Blocks: never. Callable from: any thread. Go: ctx.Err().
 */
TUZA_API int tuza_context_err(const tuza_context *ctx);

/*
 * The cause that ctx was cancelled with; tuza_context_err(ctx) where there
 * was none.
 * Blocks: never. Callable from: any thread. Go: context.Cause.
 */
TUZA_API int tuza_context_cause(const tuza_context *ctx);

/*
 * When ctx will be done at the latest, on tuza_now's clock: its deadline, or
 * an earlier one above it; 0 where there is none.
 * Blocks: never. Callable from: any thread. Go: ctx.Deadline().
 */
TUZA_API int64_t tuza_context_deadline(const tuza_context *ctx);

/*
 * The value of key in ctx or the nearest context above it that has one; NULL
 * where none has.
 * Blocks: never. Owns: borrowed, as the context that has it. Callable from: any thread.
 * Go: ctx.Value(key).
 */
TUZA_API void *tuza_context_value(const tuza_context *ctx, const void *key);

/*
 * Calls fn(arg) in a goroutine of its own when ctx is done; at once where it
 * is already. The result is a timer: tuza_timer_stop says whether it prevented
 * the call, tuza_timer_stop_wait also waits for one that has started,
 * tuza_timer_reset makes it one of tuza_after_func. It holds ctx until it is
 * freed.
 * Blocks: never. Returns: never NULL; throws "out of memory", also where there
 * is none for the goroutine when ctx is done.
 * Owns: to be freed, or detached; arg must live until fn has returned.
 * Callable from: any thread. Go: context.AfterFunc.
 */
TUZA_API tuza_timer *tuza_context_after_func(tuza_context *ctx, void (*fn)(void *arg), void *arg)
    TUZA_NONNULL(2);

/*
 * Parks the caller for at least ns nanoseconds, as tuza_sleep, but only until
 * ctx is done.
 * Blocks: goroutine. Returns: 0 where the time is over; tuza_context_err(ctx)
 * where ctx came first, or is done already.
 * Callable from: any thread. Go: select { case <-time.After(d): case <-ctx.Done(): }.
 */
TUZA_API int tuza_context_sleep(tuza_context *ctx, int64_t ns);

/*
 * ref takes a further reference and returns ctx. unref drops one; the last
 * frees ctx, and drops its reference to its parent. A goroutine still blocked
 * on the done channel then is a bug: throws "tuza: unref of a channel in use".
 * NULL is fine.
 * Blocks: never, but as with_value_free says. Callable from: any thread.
 */
TUZA_API tuza_context *tuza_context_ref(tuza_context *ctx);
TUZA_API void tuza_context_unref(tuza_context *ctx);

TUZA_END_DECLS

#endif /* TUZA_CONTEXT_H */
