/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Goroutine-local values: a table of each goroutine that has set one, indexed
 * by key, which grows as it must. The keys' destructors are in blocks that
 * never move, each as large as all before it: they are read without a lock.
 *
 * A goroutine whose thread has ended under it can't run destructors, its
 * stack being gone: another one is started, which has its values and ends at
 * once.
 */
#include "tuza/local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"
#include "panic/panic.h"
#include "tuza/go.h"

typedef struct tz_locals {
    uint32_t n;
    uint32_t rounds; /* destructors have been called so often for all */
    void *values[];
} tz_locals;

#define ROUNDS      4
#define FIRST       8u
#define BLOCKS      29
#define MOST_VALUES ((uint32_t)1 << 31)

typedef void (*destructor)(void *);

static tz_lock lock;   /* TZ_RANK_CHAN: of the making of keys */
static uint32_t nkeys; /* lock, peeked */
static destructor
    *blocks[BLOCKS]; /* const once a key in it was given out; block i > 0 begins at FIRST << (i - 1) */

/* The block of a key's place, which becomes the place in that. */
static unsigned block_of(uint32_t *at)
{
    if (*at < FIRST)
        return 0;
    unsigned b = 29 - (unsigned)__builtin_clz(*at); /* FIRST is 2^3 */
    *at -= FIRST << (b - 1);
    return b;
}

int tuza_local_key(tuza_key *key, void (*destroy)(void *))
{
    destructor *spare = NULL;
    for (;;) {
        tz_lock_acquire(&lock, TZ_RANK_CHAN);
        uint32_t at = nkeys, in = at;
        unsigned b = at < MOST_VALUES ? block_of(&in) : BLOCKS;
        bool made = b < BLOCKS && (blocks[b] || spare);
        if (made) {
            if (!blocks[b]) {
                tz_store_relaxed(&blocks[b], spare);
                spare = NULL;
            }
            blocks[b][in] = destroy;
            tz_store_relaxed(&nkeys, at + 1);
        }
        tz_lock_release(&lock, TZ_RANK_CHAN);
        free(spare);
        if (made) {
            key->id = at + 1;
            return 0;
        }
        spare = b < BLOCKS ? calloc(b ? FIRST << (b - 1) : FIRST, sizeof *spare) : NULL;
        if (!spare)
            return -ENOMEM;
    }
}

void *tuza_local_get(tuza_key key)
{
    const tz_locals *l = tz_self_m->g->unwind.locals;
    return l && key.id - 1 < l->n ? l->values[key.id - 1] : NULL;
}

/* The calling goroutine's table, with room for n; NULL: no memory. */
static TZ_NOINLINE tz_locals *grow(tz_g *g, uint32_t n)
{
    tz_locals *old = g->unwind.locals;
    uint32_t had = old ? old->n : 0, size = FIRST;
    while (size < n)
        size *= 2;
    tz_locals *l = realloc(old, sizeof *l + size * sizeof l->values[0]);
    if (!l)
        return NULL;
    memset(l->values + had, 0, (size - had) * sizeof l->values[0]);
    l->n = size;
    if (!old)
        l->rounds = 0;
    g->unwind.locals = l;
    g->unwind.used = true;
    return l;
}

int tuza_local_set(tuza_key key, void *value)
{
    if (key.id == 0 || key.id > tz_load_relaxed(&nkeys))
        return -EINVAL;
    tz_m *m = tz_self_m;
    if (tz_is_outside(m))
        m = tz_attach();
    tz_locals *l = m->g->unwind.locals;
    if (TZ_UNLIKELY(!l || l->n < key.id)) {
        if (!value)
            return 0;
        l = grow(m->g, key.id);
        if (!l)
            return -ENOMEM;
    }
    l->values[key.id - 1] = value;
    return 0;
}

/* Whether there was anything to destroy. The table may move, and the goroutine end, in each call. */
static bool destroy_all(tz_g *g)
{
    bool any = false;
    for (uint32_t i = 0; i < g->unwind.locals->n; i++) {
        void *value = g->unwind.locals->values[i];
        if (!value)
            continue;
        g->unwind.locals->values[i] = NULL;
        uint32_t in = i;
        unsigned b = block_of(&in);
        destructor destroy = blocks[b][in];
        if (destroy) {
            any = true;
            tz_panic_call(destroy, value); /* it may defer */
        }
    }
    return any;
}

static void destroy(tz_g *g)
{
    while (g->unwind.locals->rounds++ < ROUNDS && destroy_all(g))
        ;
    free(g->unwind.locals);
    g->unwind.locals = NULL;
}

/* Ends at once, with the values of another. */
static void heir(void *locals)
{
    tz_g *g = tz_self_m->g;
    g->unwind.locals = locals;
    g->unwind.used = true;
}

static void destroy_or_hand_on(tz_g *g, bool lost)
{
    if (!lost || !g->stack.hi) { /* of a thread that tuza did not make: on its stack */
        destroy(g);
        return;
    }
    tz_locals *l = g->unwind.locals;
    g->unwind.locals = NULL;
    if (tuza_go(heir, l) < 0)
        free(l);
}

static __attribute__((constructor)) void wire(void)
{
    tz_panic_locals = destroy_or_hand_on;
}
