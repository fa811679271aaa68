/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Structured concurrency: goroutines that belong to a scope, which does not
 * end before they have.
 *
 *     tuza_group g = TUZA_GROUP_INIT;
 *     TUZA_DEFER(tuza_group_close, &g);
 *     tuza_context *ctx = tuza_group_context(&g, parent);
 *     tuza_group_limit(&g, 8);
 *     for (...)
 *         if ((err = tuza_group_go(&g, fetch, &job[i])) < 0)
 *             return err;
 *     return tuza_group_wait(&g);
 *
 * The first function that returns an error decides what tuza_group_wait
 * returns, and the group's context is cancelled, so that the others come to an
 * end. A panic in one of them cancels it too, and goes on in whoever waits.
 * With tuza_group_close deferred they are also cancelled, and waited for,
 * where the scope is left by other ways.
 *
 * All zero is ready to use: no limit, no context. A group belongs to one
 * scope: one goroutine makes its context, sets its limit and waits for it. The
 * group's own goroutines may add others.
 *
 * Go: golang.org/x/sync/errgroup.
 */
#ifndef TUZA_GROUP_H
#define TUZA_GROUP_H

#include "tuza/base.h"
#include "tuza/context.h"
#include "tuza/sync.h"

TUZA_BEGIN_DECLS

/* The fields are the library's. */
typedef struct tuza_group {
    uint32_t lock[2];
    int running, limit, error;
    bool waits;
    char *panic;
    tuza_context *context;
    tuza_waiters starters;
    struct tuza_waiter *waiter;
} tuza_group;

/* clang-format off */
#define TUZA_GROUP_INIT { { 0, 0 }, 0, 0, 0, false, NULL, NULL, { NULL, NULL }, NULL }
/* clang-format on */

/*
 * Makes the group's context, derived from parent (NULL: from none), before its
 * first goroutine starts. It is cancelled by the first error, with that as its
 * cause, or panic, and when the group has been waited for.
 *
 * Blocks: never. Panics: "tuza: the group has a context already".
 * Owns: the context is the group's, valid until tuza_group_wait or
 * tuza_group_close has returned. Callable from: any thread.
 * Go: errgroup.WithContext.
 */
TUZA_API tuza_context *tuza_group_context(tuza_group *g, tuza_context *parent);

/*
 * At most n goroutines of the group run at a time; n <= 0: no limit.
 * Blocks: never. Panics: "errgroup: modify limit while 2 goroutines in the
 * group are still active". Callable from: any thread. Go: Group.SetLimit.
 */
TUZA_API void tuza_group_limit(tuza_group *g, int n);

/*
 * Starts a goroutine of the group, which runs fn(arg); 0 from fn is no error,
 * anything else is one, a negative errno as a rule. One that ends by
 * tuza_goexit has had none. go_copy has fn called with a copy of the size
 * bytes at arg, as tuza_go_copy.
 *
 * Blocks: goroutine, while as many run as may. Panics: a NULL fn is "fatal
 * error: go of nil func value". Owns: arg stays the caller's.
 * Returns: as tuza_go and tuza_go_copy; where it is negative, nothing
 * happened. Must be looked at. Callable from: any thread. Go: Group.Go.
 */
TUZA_API TUZA_MUST_CHECK int tuza_group_go(tuza_group *g, int (*fn)(void *arg), void *arg);
TUZA_API TUZA_MUST_CHECK int tuza_group_go_copy(tuza_group *g, int (*fn)(void *arg), const void *arg,
                                                size_t size);

/*
 * As tuza_group_go, but never blocks: -EAGAIN where as many run as may. Go:
 * Group.TryGo.
 */
TUZA_API TUZA_MUST_CHECK int tuza_group_try_go(tuza_group *g, int (*fn)(void *arg), void *arg);

/*
 * Waits until all goroutines of the group have ended, and are not counted by
 * tuza_num_goroutine any more. Then its context is cancelled and given back,
 * and the group is as new, but for its limit.
 *
 * Blocks: goroutine. Returns: the first error, or 0. Panics: with the text of
 * the first panic, if there was one, and if nothing recovers the report shows
 * first the goroutine that it was in; "tuza: two wait for a group".
 * Order: what the goroutines did happens before the return. Callable from: any
 * thread. Go: Group.Wait.
 */
TUZA_API int tuza_group_wait(tuza_group *g);

/*
 * Cancels the group's context, and waits as tuza_group_wait; after that it
 * does nothing. Nor does it where the process ends, in a handler of exit() or
 * a static object's destructor: no other goroutine runs by then. For
 * TUZA_DEFER.
 * Blocks, Panics, Callable from: as tuza_group_wait.
 */
TUZA_API void tuza_group_close(void *group);

TUZA_END_DECLS

#endif /* TUZA_GROUP_H */
