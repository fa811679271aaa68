/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks and their like, for goroutines: who has to wait is parked, and its
 * thread runs others.
 *
 *     static tuza_mutex mu;
 *     static long balance;
 *     ...
 *     tuza_mutex_lock(&mu);
 *     balance += amount;
 *     tuza_mutex_unlock(&mu);
 *
 * An object that is all zero is ready to use; TUZA_MUTEX_INIT and its sisters
 * say so where zero is not the default. Nothing need be destroyed. None may be
 * copied after its first use. The fields are the library's.
 *
 * Once a lock, a wait or tuza_once_do has returned, nothing of tuza's touches
 * the object any more on behalf of others: a mutex may be freed by whoever
 * unlocks it last, a wait group by whoever has waited, though the calls by
 * which others let them in have not returned yet.
 *
 * Any thread may use them, not goroutines alone: one that is none waits in
 * the kernel. No call allocates, but those that start a goroutine, and the
 * first one of such a thread; where nobody has to wait or to be woken, none
 * makes a system call or starts anything. In the child of a fork() by a
 * program that had goroutines, mutexes of both kinds and wait groups work as
 * far as nobody has to wait or be woken. In any such child what other threads
 * were waiting for at the fork is not to be used.
 */
#ifndef TUZA_SYNC_H
#define TUZA_SYNC_H

#include "tuza/base.h"

TUZA_BEGIN_DECLS

struct tuza_context;

/* Those who wait; not for use by hand. */
typedef struct tuza_waiters {
    struct tuza_waiter *first, *last;
} tuza_waiters;

/*
 * Mutual exclusion. A running goroutine may take a mutex before one that was
 * woken for it: that is fast; but one that has waited for a millisecond is
 * handed it by the next unlock. It belongs to nobody: another goroutine may
 * unlock it. It is not recursive: to lock it again waits for ever.
 *
 * Order: an unlock happens before the next lock, or trylock that is true,
 * has returned. Go: sync.Mutex.
 */
typedef struct tuza_mutex {
    uint32_t state;
    tuza_waiters queue;
} tuza_mutex;

/* clang-format off */
#define TUZA_MUTEX_INIT { 0, { NULL, NULL } }
/* clang-format on */

/* Locks it. Blocks: goroutine. Callable from: any thread. Go: Mutex.Lock. */
TUZA_API void tuza_mutex_lock(tuza_mutex *mu);

/*
 * Locks it if that needs no waiting. Blocks: never. Returns: whether it is
 * locked now, by the caller; must be looked at.
 * Callable from: any thread. Go: Mutex.TryLock.
 */
TUZA_API TUZA_MUST_CHECK bool tuza_mutex_trylock(tuza_mutex *mu);

/*
 * Unlocks it. Blocks: as tuza_gosched, where it hands the mutex to one that
 * has waited for long; else never. Panics: no; of a mutex that is not locked
 * it is "fatal error: sync: unlock of unlocked mutex".
 * Callable from: any thread. Go: Mutex.Unlock.
 */
TUZA_API void tuza_mutex_unlock(tuza_mutex *mu);

/*
 * Many readers or one writer. A writer that waits keeps new readers out, so a
 * goroutine must not rlock again while it has it: a writer may have come in
 * between, and both wait for ever. When a writer unlocks, the readers that
 * wait go before the next writer.
 *
 * Order: as a mutex's; an runlock happens before the next lock has returned.
 * Go: sync.RWMutex. There is no RLocker: C has no interfaces.
 */
typedef struct tuza_rwmutex {
    uint64_t state;
    tuza_mutex writers;
    tuza_waiters readers;
    struct tuza_waiter *writer;
} tuza_rwmutex;

/* clang-format off */
#define TUZA_RWMUTEX_INIT { 0, TUZA_MUTEX_INIT, { NULL, NULL }, NULL }
/* clang-format on */

/* Locks it for writing. Blocks: goroutine. Callable from: any thread. Go: RWMutex.Lock. */
TUZA_API void tuza_rwmutex_lock(tuza_rwmutex *rw);

/*
 * Locks it for writing if that needs no waiting. Blocks: never. Returns:
 * whether it is locked now, by the caller; false where anybody has it. Must be
 * looked at. Callable from: any thread. Go: RWMutex.TryLock.
 */
TUZA_API TUZA_MUST_CHECK bool tuza_rwmutex_trylock(tuza_rwmutex *rw);

/*
 * Unlocks it for writing. Blocks: never. Panics: no; of one that no writer
 * has it is "fatal error: sync: Unlock of unlocked RWMutex".
 * Callable from: any thread. Go: RWMutex.Unlock.
 */
TUZA_API void tuza_rwmutex_unlock(tuza_rwmutex *rw);

/* Locks it for reading. Blocks: goroutine. Callable from: any thread. Go: RWMutex.RLock. */
TUZA_API void tuza_rwmutex_rlock(tuza_rwmutex *rw);

/*
 * Locks it for reading if that needs no waiting. Blocks: never. Returns:
 * whether it is locked now, by the caller; false where a writer has it or
 * waits. Must be looked at. Callable from: any thread. Go: RWMutex.TryRLock.
 */
TUZA_API TUZA_MUST_CHECK bool tuza_rwmutex_tryrlock(tuza_rwmutex *rw);

/*
 * Unlocks it for reading. Blocks: never. Panics: no; of one that no reader
 * has it is "fatal error: sync: RUnlock of unlocked RWMutex".
 * Callable from: any thread. Go: RWMutex.RUnlock.
 */
TUZA_API void tuza_rwmutex_runlock(tuza_rwmutex *rw);

/*
 * A condition variable: a place to wait, under a mutex, for something to
 * change. A wait ends by a signal or broadcast and by nothing else; but what
 * it was for may be otherwise again by then: look, in a loop.
 *
 *     tuza_mutex_lock(&mu);
 *     while (!ready)
 *         tuza_cond_wait(&changed, &mu);
 *     ...
 *     tuza_mutex_unlock(&mu);
 *
 * Panics: each of the three calls, on a copy of an object that was used:
 * "sync.Cond is copied". Order: a signal happens before the wait that it ends
 * has returned. Go: sync.Cond, whose mutex is a field.
 */
typedef struct tuza_cond {
    uint32_t lock[2];
    tuza_waiters queue;
    struct tuza_cond *self;
} tuza_cond;

/* clang-format off */
#define TUZA_COND_INIT { { 0, 0 }, { NULL, NULL }, NULL }
/* clang-format on */

/*
 * Unlocks mu, waits to be woken, and locks mu again. A signal that comes when
 * mu is unlocked is for this wait already.
 * Blocks: goroutine. Panics: as the type says; as tuza_mutex_unlock.
 * Callable from: any thread. Go: Cond.Wait.
 */
TUZA_API void tuza_cond_wait(tuza_cond *c, tuza_mutex *mu);

/*
 * Wakes the one that began to wait first, if any waits. The caller may hold
 * the mutex, or not. Blocks: never. Callable from: any thread. Go:
 * Cond.Signal.
 */
TUZA_API void tuza_cond_signal(tuza_cond *c);

/* Wakes all that wait. Blocks: never. Callable from: any thread. Go: Cond.Broadcast. */
TUZA_API void tuza_cond_broadcast(tuza_cond *c);

/*
 * A wait group: a counter, and a place to wait until it is 0.
 *
 *     tuza_waitgroup wg = TUZA_WAITGROUP_INIT;
 *     for (...)
 *         if (tuza_waitgroup_go(&wg, work, item) < 0)
 *             ...
 *     tuza_waitgroup_wait(&wg);
 *
 * While it is 0, what adds to it happens before the wait, or else the wait
 * may miss it. It may be used again when all waits have returned.
 *
 * Order: each tuza_waitgroup_done happens before a wait that it ends has
 * returned. Go: sync.WaitGroup.
 */
typedef struct tuza_waitgroup {
    uint64_t state;
    tuza_waiters queue;
} tuza_waitgroup;

/* clang-format off */
#define TUZA_WAITGROUP_INIT { 0, { NULL, NULL } }
/* clang-format on */

/*
 * Adds n, which may be negative, to the counter; with 0 reached all that wait
 * go on. Blocks: never. Panics: "sync: negative WaitGroup counter", also
 * beyond 2^31 - 1, and then the counter is as it was.
 * Callable from: any thread. Go: WaitGroup.Add.
 */
TUZA_API void tuza_waitgroup_add(tuza_waitgroup *wg, int n);

/* Takes 1 off: tuza_waitgroup_add(wg, -1). Go: WaitGroup.Done. */
TUZA_API void tuza_waitgroup_done(tuza_waitgroup *wg);

/*
 * Waits until the counter is 0. Blocks: goroutine. Callable from: any thread.
 * Go: WaitGroup.Wait, which may notice that the group is used again too early.
 */
TUZA_API void tuza_waitgroup_wait(tuza_waitgroup *wg);

/*
 * Adds 1, and starts a goroutine that runs fn(arg) and then takes it off
 * again, also where it ends by tuza_goexit. Where it panics and nothing
 * recovers, the process ends, and who waits is not let go before. go_copy has
 * fn called with a copy of the size bytes at arg, as tuza_go_copy.
 *
 * Blocks: never. Panics: as tuza_waitgroup_add; a NULL fn is "fatal error: go
 * of nil func value". Owns: arg stays the caller's.
 * Returns: as tuza_go and tuza_go_copy; where it is negative, nothing
 * happened. Must be looked at. Callable from: any thread. Go: WaitGroup.Go.
 */
TUZA_API TUZA_MUST_CHECK int tuza_waitgroup_go(tuza_waitgroup *wg, void (*fn)(void *arg), void *arg);
TUZA_API TUZA_MUST_CHECK int tuza_waitgroup_go_copy(tuza_waitgroup *wg, void (*fn)(void *arg),
                                                    const void *arg, size_t size);

/*
 * A semaphore: a number of permits, of which one may take several at once.
 * Who waits is served in turn: one that waits for many is not passed by those
 * who want few. All zero, it has none until some are released.
 *
 * Order: a release happens before an acquire that takes its permits has
 * returned. Go: golang.org/x/sync/semaphore, whose number is the size at its
 * making.
 */
typedef struct tuza_semaphore {
    int64_t permits;
    uint32_t lock[2];
    tuza_waiters queue;
} tuza_semaphore;

/* clang-format off */
#define TUZA_SEMAPHORE_INIT(permits) { (permits), { 0, 0 }, { NULL, NULL } }
/* clang-format on */

/*
 * Takes n permits. Blocks: goroutine, until they are there and it is its turn.
 * Panics: "tuza: negative number of permits". Callable from: any thread.
 */
TUZA_API void tuza_semaphore_acquire(tuza_semaphore *s, int64_t n);

/*
 * The same until ctx is done (NULL: never). Returns: 0 with the permits;
 * tuza_context_err(ctx) without, also where it was done before.
 */
TUZA_API TUZA_MUST_CHECK int tuza_semaphore_acquire_context(tuza_semaphore *s, int64_t n,
                                                            struct tuza_context *ctx);

/*
 * Takes n permits if they are there and nobody waits. Blocks: never. Returns:
 * whether it has; must be looked at. Panics: as tuza_semaphore_acquire.
 * Callable from: any thread.
 */
TUZA_API TUZA_MUST_CHECK bool tuza_semaphore_tryacquire(tuza_semaphore *s, int64_t n);

/*
 * Gives n permits back, or adds them. Blocks: never. Panics: "tuza: negative
 * number of permits"; "tuza: too many permits" beyond 2^63 - 1. Callable from:
 * any thread.
 */
TUZA_API void tuza_semaphore_release(tuza_semaphore *s, int64_t n);

/* What is to be done once. Order: fn's end happens before any tuza_once_do of it returns. Go: sync.Once. */
typedef struct tuza_once {
    uint32_t state;
    tuza_waiters queue;
} tuza_once;

/* clang-format off */
#define TUZA_ONCE_INIT { 0, { NULL, NULL } }
/* clang-format on */

/*
 * Calls fn(arg) if that was not done for once before, as tuza_call does; while
 * another does it, waits. It counts as done, when what fn has deferred has
 * run, also where fn panics, which is for the first caller alone, or ends its
 * goroutine, or a C++ exception leaves it. Not to be left by longjmp. fn may
 * not come here again: that waits for itself.
 *
 * Blocks: goroutine. Panics: as fn. Callable from: any thread. Go: Once.Do.
 */
TUZA_API void tuza_once_do(tuza_once *once, void (*fn)(void *arg), void *arg);

TUZA_END_DECLS

#endif /* TUZA_SYNC_H */
