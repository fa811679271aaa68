/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a context is made of, for the files of context/.
 *
 * Those that can be cancelled are a tree, in which each hangs from the
 * nearest one above it; contexts with values and the like stand between
 * them, and are passed over (tuza_context.cancel). One lock guards a whole
 * tree, the root's: a cancellation goes through any number of levels with it,
 * without recursion, and who has returned from one knows that all of it is
 * over. It is taken inside the runtime with a P, and never kept when that is
 * left; so it may be elided, as a channel's. Order: tree, channel, timer heap.
 *
 * A context is freed by whoever drops the last reference, after it has taken
 * the lock to unhang it: a cancellation that goes by has the lock, and so
 * needs no reference to what it passes.
 */
#ifndef TZ_CANCEL_H
#define TZ_CANCEL_H

#include "context/context.h"

typedef struct tz_cancel tz_cancel;

struct tuza_context {
    tuza_context *parent; /* const: a reference; NULL: the background */
    tz_cancel *cancel;    /* const: the nearest that can be cancelled, itself or above; NULL: none */
    const void *key;      /* const, as the next two; NULL: no value */
    void *value;          /* const */
    void (*free_value)(void *value); /* const; or NULL */
    uint32_t refs;                   /* atomic */
    bool is_cancel;                  /* const: it is a tz_cancel's ctx */
};

/* One that can be cancelled. */
struct tz_cancel {
    tuza_context ctx;
    tz_cancel *root;  /* const: whose lock it is */
    tz_spin lock;     /* the root's */
    int64_t deadline; /* const: its own, or an earlier one above it on the same clock; 0: none */
    uint64_t bubble;  /* const: the number of the bubble that it was made in; 0: none */

    /* Under the lock: */
    tz_cancel *up;          /* NULL: the root, or taken off the tree because it is done */
    tz_cancel *first;       /* what hangs from it */
    tz_cancel *next, *prev; /* beside it; next also while it waits to be cancelled */
    /* Peeked. 0; errno's value, positive, while it is being cancelled; then negative, and the done channel is
     * closed. */
    int err;
    int cause;                /* peeked once err is negative */
    tuza_chan *done;          /* peeked; NULL: nobody has asked */
    tz_context_node nodes;    /* a ring of those to be told, and its anchor */
    tz_context_node *telling; /* the one whose done runs, */
    uint64_t teller;          /* and the goroutine in which it does */
    tz_waitq unwatchers;      /* who waits for one to be over: elem is the node */
    tz_timer timer;           /* of its own deadline */
    bool armed;               /* it is in a heap, or fires just now */
    bool dead;                /* that fire has c for itself */
    tz_cancel *tell_next;     /* the next with nodes to be told; own by whoever cancels */
};

TZ_INLINE tz_cancel *tz_cancel_of(const tuza_context *ctx)
{
    return ctx ? ctx->cancel : NULL;
}

/* context.c: a context of `size` bytes, zero but for its parent, to which it takes a reference. */
void *tz_context_make(tuza_context *parent, size_t size);
/* Frees ctx, to which there is no reference, and drops that to its parent. In user code. */
void tz_context_free(tuza_context *ctx);

/* cancel.c. Under the tree's lock: */
void tz_cancel_lock(tz_m *m, tz_cancel *c);
void tz_cancel_unlock(tz_m *m, tz_cancel *c);
/* Ends c, which is not done, and what hangs from it. Returns those with nodes to be told, a list by
 * tell_next, for tz_cancel_tell. */
tz_cancel *tz_cancel_end_locked(tz_m *m, tz_cancel *c, int err, int cause);
/* The bubble, if any, without whose goroutines c can't end: it and its root were made in it. */
TZ_INLINE uint64_t tz_cancel_bubble(const tz_cancel *c)
{
    return c->root->bubble == c->bubble ? c->bubble : 0;
}
/* In user code, with that list. */
void tz_cancel_tell(void *list);
/* A new one that hangs from what is above it. */
tz_cancel *tz_cancel_make(tuza_context *parent);
/* The last reference is gone: in user code. False: a fire has it, and frees it. */
bool tz_cancel_drop(tz_cancel *c);

/* deadline.c: takes c's timer off its heap, under the lock. */
void tz_cancel_disarm(tz_cancel *c);

#endif /* TZ_CANCEL_H */
