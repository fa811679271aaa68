/* SPDX-License-Identifier: BSD-3-Clause */
/* A channel's memory: how it begins and ends, and what can be asked of it meanwhile. */
#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"
#include "chan/ops.h"
#include "panic/panic.h"

#define ELEM_MAX 65535u

/* All zero but for what tells of its memory; one reference. */
static tuza_chan *alloc_chan(size_t bytes, size_t elem_size, uint64_t bubble)
{
    /* Unbuffered, all that is used shall lie in one cache line;
     * malloc's own aligned forms are ten times as slow. */
    size_t header = (sizeof(tuza_chan) + 15) & ~(size_t)15; /* elements are as aligned as malloc's blocks */
    char *block = malloc(header + bytes + TZ_CACHE_LINE - sizeof(void *));
    if (!block)
        tz_throw("out of memory");
    size_t pad = -(uintptr_t)block % TZ_CACHE_LINE;
    tuza_chan *c = (tuza_chan *)(void *)(block + pad);
    memset(c, 0, sizeof *c);
    c->pad = (uint32_t)pad;
    c->buf = (char *)c + header;
    c->refs = 1;
    c->elem_size = (uint32_t)elem_size | (bubble ? TZ_CHAN_BUBBLED : 0);
    c->bubble = bubble;
    return c;
}

tuza_chan *tuza_chan_make(size_t elem_size, size_t capacity)
{
    size_t bytes;
    if (elem_size > ELEM_MAX || __builtin_mul_overflow(elem_size, capacity, &bytes) ||
        bytes > PTRDIFF_MAX - 2 * sizeof(tuza_chan) || capacity > PTRDIFF_MAX)
        tz_panic_outside("makechan: size out of range");
    tuza_chan *c = alloc_chan(bytes, elem_size, tz_bubble_id());
    c->capacity = capacity;
    return c;
}

tuza_chan *tuza_chan_make_drop(size_t elem_size, size_t capacity, void (*drop)(void *elem))
{
    tuza_chan *c = tuza_chan_make(elem_size, capacity);
    c->drop = drop;
    return c;
}

tuza_chan *tz_chan_make_owned(size_t elem_size, size_t source_bytes, uint64_t bubble)
{
    tuza_chan *c = alloc_chan(source_bytes, elem_size, bubble);
    c->elem_size |= TZ_CHAN_OWNED;
    if (source_bytes)
        memset(c->buf, 0, source_bytes);
    else
        c->buf = NULL;
    return c;
}

tuza_chan *tuza_chan_ref(tuza_chan *c)
{
    if (c)
        tz_add_relaxed(&c->refs, 1); /* the caller is covered by a reference: nothing to order */
    return c;
}

bool tz_chan_drop(tuza_chan *c)
{
    /* acq_rel: all use of the channel under other references is over, and visible, before it is freed */
    return tz_sub_acq_rel(&c->refs, 1) == 1;
}

/* Oldest first; nobody else has c. */
static TZ_NOINLINE void drop_left(tuza_chan *c)
{
    for (size_t at = c->recv_at; c->count; c->count--) {
        c->drop(tz_chan_slot(c, at, tz_chan_size(c)));
        at = at + 1 < c->capacity ? at + 1 : 0;
    }
}

void tz_chan_free(tuza_chan *c)
{
    if (c->recvq.first || c->sendq.first)
        tz_throw("tuza: unref of a channel in use");
    if (c->drop)
        drop_left(c);
    free((char *)c - c->pad);
}

void tuza_chan_unref(tuza_chan *c)
{
    if (c && tz_chan_drop(c))
        tz_chan_free(c);
}

size_t tuza_chan_len(const tuza_chan *c)
{
    return c ? tz_load_relaxed(&c->count) : 0;
}

size_t tuza_chan_cap(const tuza_chan *c)
{
    return c ? c->capacity : 0;
}

size_t tuza_chan_elem_size(const tuza_chan *c)
{
    return c ? tz_chan_size(c) : 0;
}
