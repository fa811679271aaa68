/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory for records: a stack of chunks for each goroutine. The first few
 * bytes are in the G, so a tuza_call or a TUZA_DEFER by itself needs no
 * chunk. Small chunks come from the M's cache, which needs no P: a panic must
 * not wait for one. Who has deferred a lot, or panics with a long text, gets
 * large ones from the kernel. One chunk is kept as a spare while the goroutine
 * lives: a call at a chunk's end must not get one and give it back each time.
 */
#include "base/fatal.h"
#include "os/os.h"
#include "panic/records.h"

#define SMALL       ((size_t)1024)
#define LARGE       ((size_t)64 << 10)
#define SMALL_DEPTH 8u /* so many small ones, then large */
#define CACHE_MAX   16u
#define CACHE_MOVE  8u

typedef struct tz_chunk {
    struct tz_chunk *prev; /* the older one; in a cache: the next */
    size_t size;
    uint32_t depth;
    TZ_ALIGNED(16) char data[];
} tz_chunk;

/* Small chunks that no M keeps; a lock of its own, under which nothing is taken. */
static struct {
    tz_lock lock; /* TZ_RANK_GFREE */
    tz_chunk *free;
} pool;

/* Under the lock: a block of fresh ones. */
static bool more(void)
{
    char *block = tz_os_reserve(LARGE);
    if (!block)
        return false;
    for (size_t at = 0; at < LARGE; at += SMALL) {
        tz_chunk *c = (tz_chunk *)(void *)(block + at);
        c->size = SMALL;
        c->prev = pool.free;
        pool.free = c;
    }
    return true;
}

static tz_chunk *small_get(void)
{
    tz_m *m = tz_self_m;
    if (!m->chunks) {
        tz_lock_acquire(&pool.lock, TZ_RANK_GFREE);
        for (uint32_t i = 0; i < CACHE_MOVE && (pool.free || more()); i++) {
            tz_chunk *c = pool.free;
            pool.free = c->prev;
            c->prev = m->chunks;
            m->chunks = c;
            m->nchunks++;
        }
        tz_lock_release(&pool.lock, TZ_RANK_GFREE);
    }
    tz_chunk *c = m->chunks;
    if (c) {
        m->chunks = c->prev;
        m->nchunks--;
    }
    return c;
}

static void small_put(tz_chunk *c)
{
    tz_m *m = tz_self_m;
    c->prev = m->chunks;
    m->chunks = c;
    if (++m->nchunks <= CACHE_MAX)
        return;
    tz_lock_acquire(&pool.lock, TZ_RANK_GFREE);
    for (uint32_t i = 0; i < CACHE_MOVE; i++) {
        c = m->chunks;
        m->chunks = c->prev;
        m->nchunks--;
        c->prev = pool.free;
        pool.free = c;
    }
    tz_lock_release(&pool.lock, TZ_RANK_GFREE);
}

static void give_back(tz_chunk *c)
{
    if (c->size == SMALL)
        small_put(c);
    else
        tz_os_release(c, c->size);
}

/* The larger one stays. */
static void put(tz_unwind *u, tz_chunk *c)
{
    tz_chunk *spare = u->spare;
    if (c->size > LARGE || (spare && spare->size >= c->size)) {
        give_back(c);
    } else {
        u->spare = c;
        if (spare)
            give_back(spare);
    }
}

static tz_chunk *get(tz_unwind *u, size_t n)
{
    uint32_t depth = u->chunk ? u->chunk->depth + 1 : 0;
    tz_chunk *c;
    if (u->spare && n <= u->spare->size - sizeof *c) {
        c = u->spare;
        u->spare = NULL;
    } else if (n <= SMALL - sizeof *c && depth < SMALL_DEPTH) {
        c = small_get();
    } else {
        size_t size;
        if (__builtin_add_overflow(n, sizeof *c + LARGE - 1, &size))
            return NULL;
        size &= ~(LARGE - 1);
        c = tz_os_reserve(size);
        if (c)
            c->size = size;
    }
    if (c)
        c->depth = depth;
    return c;
}

void *tz_arena_grow(tz_g *g, size_t n)
{
    tz_unwind *u = &g->unwind;
    u->used = true;
    if (!u->top && n <= TZ_UNWIND_FIRST) {
        u->top = u->first + n;
        u->end = u->first + TZ_UNWIND_FIRST;
        return u->first;
    }
    tz_chunk *c = get(u, n);
    if (!c)
        tz_throw("out of memory");
    c->prev = u->chunk;
    u->chunk = c;
    u->top = c->data + n;
    u->end = (char *)c + c->size;
    return c->data;
}

void tz_arena_cut_chunks(tz_g *g, const void *mark)
{
    tz_unwind *u = &g->unwind;
    tz_chunk *c;
    while ((c = u->chunk) && (uintptr_t)mark - (uintptr_t)c >= c->size) {
        u->chunk = c->prev;
        put(u, c);
    }
    if (c) {
        u->top = c->data + ((uintptr_t)mark - (uintptr_t)c->data);
        u->end = (char *)c + c->size;
    } else {
        u->top = u->first + ((uintptr_t)mark - (uintptr_t)u->first);
        u->end = u->first + TZ_UNWIND_FIRST;
    }
}

bool tz_arena_has(const tz_g *g, const void *p)
{
    for (const tz_chunk *c = g->unwind.chunk; c; c = c->prev)
        if ((uintptr_t)p - (uintptr_t)c < c->size)
            return true;
    return (uintptr_t)p - (uintptr_t)g->unwind.first < TZ_UNWIND_FIRST;
}

void tz_arena_drop(tz_g *g)
{
    tz_unwind *u = &g->unwind;
    tz_chunk *c;
    while ((c = u->chunk)) {
        u->chunk = c->prev;
        give_back(c);
    }
    if (u->spare)
        give_back(u->spare);
    u->spare = NULL;
    u->top = u->end = NULL;
}
