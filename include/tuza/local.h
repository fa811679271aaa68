/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Goroutine-local values: what pthread keys are to threads. A thread variable
 * belongs to whatever goroutine runs on the thread just then; these go with
 * the goroutine.
 *
 *     static tuza_key request;
 *     static tuza_once made;
 *     static void make(void *arg) { if (tuza_local_key(&request, free) < 0) ... }
 *     ...
 *     tuza_once_do(&made, make, NULL);
 *     tuza_local_set(request, r);
 */
#ifndef TUZA_LOCAL_H
#define TUZA_LOCAL_H

#include "tuza/base.h"

TUZA_BEGIN_DECLS

/* Names one value of every goroutine. All zero: none has been made. */
typedef struct tuza_key {
    uint32_t id;
} tuza_key;

/*
 * Makes a new key, for good; any number of them. Its value is NULL in every
 * goroutine, until that sets it.
 *
 * destroy, where it is not NULL, is called on a goroutine that ends with a
 * value that is not NULL, after its deferred functions: with the value, which
 * has been made NULL before. If after all of them there are values again, they
 * are called again, four times at most. destroy may do what a goroutine may.
 * A thread that is no goroutine has values as well, and destroys them at its
 * end. Not at the end of the process, nor of a goroutine by a panic.
 *
 * Blocks: never. Returns: 0, or -ENOMEM. Callable from: any thread. Go: none.
 */
TUZA_API TUZA_MUST_CHECK int tuza_local_key(tuza_key *key, void (*destroy)(void *value));

/*
 * The calling goroutine's value. Blocks: never. Returns: NULL where it has set
 * none, or the key is none. Callable from: any thread.
 */
TUZA_API void *tuza_local_get(tuza_key key);

/*
 * Sets the calling goroutine's value; the old one is not destroyed.
 * Blocks: never. Owns: the value stays the caller's, until destroy is called.
 * Returns: 0, -EINVAL (the key is none), -ENOMEM: then the old one stands.
 * Callable from: any thread.
 */
TUZA_API int tuza_local_set(tuza_key key, void *value);

TUZA_END_DECLS

#endif /* TUZA_LOCAL_H */
