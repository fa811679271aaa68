/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pools of things that are dear to make and will be wanted again: buffers,
 * connections, parsers. Each processor has its own part, so that the goroutines
 * on it get back what was used there last, and is warm.
 *
 *     static void *make(void *arg) { return malloc(65536); }
 *     static tuza_pool buffers = TUZA_POOL_INIT(make, free, NULL);
 *     ...
 *     char *buf = tuza_pool_get(&buffers);
 *     ...
 *     tuza_pool_put(&buffers, buf);
 *
 * In Go the collector empties pools. Here that is done by time, for pools that
 * have a destroy: every five seconds what has lain there for a whole such cycle
 * without being wanted is destroyed, on a goroutine of its own. So nothing
 * stays for more than two cycles, and what is in steady use is never made anew.
 * A pool without destroy keeps what it has. tuza_pool_trim ends a cycle by
 * hand, in both kinds.
 *
 * Go: sync.Pool.
 */
#ifndef TUZA_POOL_H
#define TUZA_POOL_H

#include "tuza/base.h"

TUZA_BEGIN_DECLS

/* All zero is ready to use; the first three are the program's to set before. */
typedef struct tuza_pool {
    void *(*make)(void *arg);    /* what get returns where the pool is empty; NULL: it returns NULL */
    void (*destroy)(void *item); /* NULL: items are forgotten where they would be destroyed */
    void *arg;
    struct tuza_pool_state *state; /* the library's */
} tuza_pool;

/* clang-format off */
#define TUZA_POOL_INIT(make, destroy, arg) { (make), (destroy), (arg), NULL }
/* clang-format on */

/*
 * An item: of those put back on this processor the last, else one of
 * another's, else a new one by make.
 * Blocks: never, but as make does. Returns: NULL only as make does, or without
 * one. Owns: it is the caller's. Callable from: any thread.
 * Order: a put happens before the get that returns its item. Go: Pool.Get.
 */
TUZA_API void *tuza_pool_get(tuza_pool *p);

/*
 * Gives an item to the pool, one of its own or any other; NULL is ignored.
 * Blocks: never. Owns: it is the pool's. It may allocate; without memory for
 * that the item is destroyed at once. Callable from: any thread. Go: Pool.Put.
 */
TUZA_API void tuza_pool_put(tuza_pool *p, void *item);

/*
 * Ends a cycle: destroys, on the caller, what was put before the last one
 * ended, and has not been wanted since.
 * Blocks: as destroy does. Callable from: any thread. Go: what a garbage
 * collection does.
 */
TUZA_API void tuza_pool_trim(tuza_pool *p);

/*
 * Destroys all that is in the pool, and gives its memory back: before the
 * pool's own memory goes. Nobody else uses it meanwhile; it may be used anew.
 * Where a destroy panics or ends the goroutine, here or in a cycle, the other
 * items are still in the pool.
 * Blocks: goroutine, while a cycle that time has ended is destroying; as
 * destroy does. Callable from: any thread.
 */
TUZA_API void tuza_pool_clear(tuza_pool *p);

TUZA_END_DECLS

#endif /* TUZA_POOL_H */
