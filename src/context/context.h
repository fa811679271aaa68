/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Contexts, as the layers above see them: to be told when one is done.
 */
#ifndef TZ_CONTEXT_H
#define TZ_CONTEXT_H

#include "chan/chan.h"
#include "tuza/context.h"

/* Who is to be told; zero before the first use. The links are the context's. */
typedef struct tz_context_node {
    struct tz_context_node *next, *prev;
    void (*done)(struct tz_context_node *n);
} tz_context_node;

/*
 * n->done(n) is called once when ctx is done: in user code, by the goroutine
 * or thread that cancels, or by one that the deadline starts, with no lock
 * held; tuza_context_err tells why. False: ctx is done already, and n was not
 * taken. In user code; the caller is covered by a reference to ctx for as
 * long as n is watched.
 */
bool tz_context_watch(tuza_context *ctx, tz_context_node *n);
/* Takes n back: on return its done neither runs nor will be called. Waits for one that runs, parked; in done
 * itself it returns at once. In user code, and comes back on any thread. */
void tz_context_unwatch(tuza_context *ctx, tz_context_node *n);
/* The same without the wait. False: done has been called, or is just going to be. */
bool tz_context_unwatch_try(tuza_context *ctx, tz_context_node *n);

/* The number of the bubble whose goroutines alone can end ctx, beside time; 0: none. */
uint64_t tz_context_bubble(const tuza_context *ctx);
/* Whether ctx can ever be done. */
bool tz_context_ends(const tuza_context *ctx);
/* As tuza_context_err, but also while ctx is only coming to its end. Anywhere: it takes no lock. */
int tz_context_err_now(const tuza_context *ctx);

#endif /* TZ_CONTEXT_H */
