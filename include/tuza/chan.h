/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Channels: typed in the program's mind, elem_size bytes in ours.
 *
 * An element is copied in and out. A send on an unbuffered channel (capacity
 * 0) ends when a receiver has the value; on a buffered one it blocks only
 * while the buffer is full. Waiters are served first come, first served.
 * A NULL channel is Go's nil channel: send and receive block for ever.
 *
 * Channels are reference-counted: make returns one reference; whoever uses a
 * channel must be covered by a reference of its own or of a caller's.
 *
 * Order: a send happens before the receive that takes its value has
 * returned; the k-th receive on a channel of capacity C happens before the
 * (k+C)-th send has returned; close happens before a receive that returns
 * false because of it.
 */
#ifndef TUZA_CHAN_H
#define TUZA_CHAN_H

#include "tuza/base.h"

TUZA_BEGIN_DECLS

typedef struct tuza_chan tuza_chan;
typedef struct tuza_context tuza_context; /* <tuza/context.h> */

/*
 * A channel for elements of elem_size bytes (0 to 65,535) that buffers up to
 * capacity of them. Never NULL: throws "out of memory". Starts nothing.
 *
 * Blocks: never. Panics: "makechan: size out of range" where the buffer
 * would overflow or elem_size is too large.
 * Owns: the caller has the first reference. Callable from: any thread.
 * Go: make(chan T, capacity).
 */
TUZA_API tuza_chan *tuza_chan_make(size_t elem_size, size_t capacity);

/*
 * As tuza_chan_make, for elements that own something: drop is called for each
 * element that is still buffered when the last reference goes, oldest first,
 * in the call that drops that. What is received is the receiver's, also where
 * it is thrown away (recv with elem NULL). NULL: as tuza_chan_make.
 *
 * Blocks: never. Panics: as tuza_chan_make.
 * Owns: as there. Callable from: any thread. Go: a collector does that.
 */
TUZA_API tuza_chan *tuza_chan_make_drop(size_t elem_size, size_t capacity, void (*drop)(void *elem));

/*
 * Takes a further reference; returns c. NULL is fine. Blocks: never.
 * Callable from: any thread.
 */
TUZA_API tuza_chan *tuza_chan_ref(tuza_chan *c);

/*
 * Drops a reference; with the last one the channel is freed, and elements
 * still buffered are forgotten, or dropped (tuza_chan_make_drop). NULL is
 * fine. A goroutine still blocked on the channel then is a bug: throws "tuza:
 * unref of a channel in use". Blocks: never. Callable from: any thread.
 */
TUZA_API void tuza_chan_unref(tuza_chan *c);

/*
 * Sends the element at elem (which may be NULL only where elem_size is 0).
 * Blocks: goroutine, until a receiver or the buffer has it; for ever where c
 * is NULL. Panics: "send on closed channel", also where it is closed while
 * the sender waits. Callable from: any thread. Go: c <- v.
 */
TUZA_API void tuza_chan_send(tuza_chan *c, const void *elem);

/*
 * Receives an element into elem; NULL throws the value away.
 * Blocks: goroutine, until there is a value or the channel is closed; for
 * ever where c is NULL.
 * Returns: true with a value; false where c is closed and drained, then
 * *elem is zeroed. Callable from: any thread. Go: v, ok := <-c.
 */
TUZA_API bool tuza_chan_recv(tuza_chan *c, void *elem);

/*
 * Sends if that needs no waiting. Returns whether it was sent; false where c
 * is NULL. Blocks: never. Panics: "send on closed channel".
 * Callable from: any thread. Go: select { case c <- v: default: }.
 */
TUZA_API bool tuza_chan_try_send(tuza_chan *c, const void *elem);

/*
 * Receives if that needs no waiting. *ok tells a value (true) from a closed
 * and drained channel (false, *elem zeroed).
 * Returns: false where it would block (or c is NULL), *elem and *ok left
 * alone. With ok NULL: true only where a value came.
 * Blocks: never. Callable from: any thread.
 * Go: select { case v, ok := <-c: default: }.
 */
TUZA_API bool tuza_chan_try_recv(tuza_chan *c, void *elem, bool *ok);

/*
 * As send and recv, but end when ctx is done. One that is done already wins
 * over a channel that is ready; where both come to pass while the caller
 * waits, either may. NULL is a context that is never done.
 *
 * Blocks: goroutine, until it is done, or ctx is.
 * Returns: send 0, recv 1 with a value and 0 where c is closed and drained
 * (*elem zeroed); else tuza_context_err(ctx), negative: nothing was sent, and
 * *elem left alone. Panics: as tuza_chan_send. Callable from: any thread.
 * Go: select { case c <- v: case <-ctx.Done(): }.
 */
TUZA_API int tuza_chan_send_context(tuza_chan *c, const void *elem, tuza_context *ctx);
TUZA_API int tuza_chan_recv_context(tuza_chan *c, void *elem, tuza_context *ctx);

/*
 * Closes the channel: receivers that wait get false, senders that wait
 * panic. What is buffered can still be received.
 * Blocks: never. Panics: "close of nil channel", "close of closed channel".
 * Callable from: any thread. Go: close(c).
 */
TUZA_API void tuza_chan_close(tuza_chan *c);

/*
 * How many elements are buffered; how many fit; how large one is. 0 for
 * NULL. A moment's view. Blocks: never. Callable from: any thread.
 * Go: len(c), cap(c).
 */
TUZA_API size_t tuza_chan_len(const tuza_chan *c);
TUZA_API size_t tuza_chan_cap(const tuza_chan *c);
TUZA_API size_t tuza_chan_elem_size(const tuza_chan *c);

TUZA_END_DECLS

#ifdef TUZA_CHECK
#include "tuza/check.h"
#endif

#endif /* TUZA_CHAN_H */
