/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A function that is called when a context is done: a timer (functimer.c)
 * that the context starts in place of a heap. It holds the context until it
 * is freed itself, and while it is watched the context's node holds it.
 */
#include <stdlib.h>

#include "context/context.h"
#include "time/timer.h"

typedef struct after {
    tz_functimer f;
    tz_context_node node;
    tuza_context *ctx; /* const; a reference */
} after;

static void done(tz_context_node *n)
{
    tz_functimer_start(&TZ_CONTAINER_OF(n, after, node)->f);
}

static void unhook(tz_functimer *f)
{
    after *a = TZ_CONTAINER_OF(f, after, f);
    if (tz_context_ends(a->ctx) && tz_context_unwatch_try(a->ctx, &a->node))
        tz_functimer_drop(f);
}

static void free_after(tz_functimer *f)
{
    after *a = TZ_CONTAINER_OF(f, after, f);
    tuza_context_unref(a->ctx);
    free(a);
}

static const tz_functimer_hooks hooks = {unhook, free_after};

tuza_timer *tuza_context_after_func(tuza_context *ctx, void (*fn)(void *), void *arg)
{
    after *a = calloc(1, sizeof *a);
    if (!a)
        tz_throw("out of memory");
    tz_functimer_init(&a->f, fn, arg, __builtin_return_address(0), &hooks);
    a->ctx = tuza_context_ref(ctx);
    a->node.done = done;
    tz_functimer_hook(&a->f, tz_context_ends(ctx));
    if (!tz_context_watch(ctx, &a->node))
        tz_functimer_start(&a->f);
    return &a->f.t;
}
