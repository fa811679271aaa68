/* SPDX-License-Identifier: BSD-3-Clause */
/* Contexts: what they are made from, values, references. cancel.c has their ends. */
#include <stdlib.h>

#include "base/fatal.h"
#include "context/cancel.h"
#include "panic/panic.h"

static tuza_context background = {.refs = 1};

tuza_context *tuza_context_background(void)
{
    return &background;
}

void *tz_context_make(tuza_context *parent, size_t size)
{
    if (!parent)
        tz_panic_outside("cannot create context from nil parent");
    tuza_context *ctx = calloc(1, size);
    if (!ctx)
        tz_throw("out of memory");
    ctx->parent = tuza_context_ref(parent);
    ctx->refs = 1;
    return ctx;
}

tuza_context *tuza_context_with_value_free(tuza_context *parent, const void *key, void *value,
                                           void (*free_value)(void *value))
{
    if (parent && !key)
        tz_panic_outside("nil key");
    tuza_context *ctx = tz_context_make(parent, sizeof *ctx);
    ctx->cancel = parent->cancel;
    ctx->key = key;
    ctx->value = value;
    ctx->free_value = free_value;
    return ctx;
}

tuza_context *tuza_context_with_value(tuza_context *parent, const void *key, void *value)
{
    return tuza_context_with_value_free(parent, key, value, NULL);
}

tuza_context *tuza_context_without_cancel(tuza_context *parent)
{
    return tz_context_make(parent, sizeof(tuza_context));
}

void *tuza_context_value(const tuza_context *ctx, const void *key)
{
    for (; ctx && key; ctx = ctx->parent)
        if (ctx->key == key)
            return ctx->value;
    return NULL;
}

tuza_context *tuza_context_ref(tuza_context *ctx)
{
    if (ctx && ctx != &background)
        tz_add_relaxed(&ctx->refs, 1); /* the caller is covered by a reference: nothing to order */
    return ctx;
}

/* Returns its parent, with the reference to that. */
static tuza_context *free_one(tuza_context *ctx)
{
    tuza_context *parent = ctx->parent;
    void (*free_value)(void *) = ctx->free_value;
    void *value = ctx->value;
    if (ctx->is_cancel)
        tuza_chan_unref(ctx->cancel->done);
    free(ctx);
    if (free_value)
        free_value(value);
    return parent;
}

/* A loop, since the last reference to a context may be the last to any number above it. */
void tuza_context_unref(tuza_context *ctx)
{
    while (ctx && ctx != &background) {
        /* acq_rel: all use under other references is over, and visible, before it is freed */
        if (tz_sub_acq_rel(&ctx->refs, 1) != 1)
            return;
        if (ctx->is_cancel && !tz_cancel_drop(ctx->cancel))
            return;
        ctx = free_one(ctx);
    }
}

void tz_context_free(tuza_context *ctx)
{
    tuza_context_unref(free_one(ctx));
}
