/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pool: for each P a stack of items under a lock that nobody else takes
 * but in need, and that is elided like a channel's. Items are not written to,
 * so their addresses are kept in chunks.
 *
 * A cycle's end makes each part's stack its victims, and what were the victims
 * till then are destroyed. A get looks at victims when no stack has anything.
 *
 * Parts never move and are never freed before the pool is cleared; the table
 * of them is replaced by a longer one when a P comes that has none, and the
 * old one is kept, for those who are reading it.
 *
 * The timer (where there is a destroy) is set while there are items: `armed`.
 * Its function clears that when it finds none left, and looks once more. Of
 * that look and a put that still saw it armed, both under the part's lock, the
 * later sees what the earlier did. That is done by a deferred function: a
 * destroy may end its goroutine. A pool is everybody's: its timer belongs to
 * no bubble, whoever makes, sets and frees it.
 */
#include "tuza/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"
#include "panic/panic.h"
#include "sched/bubble.h"
#include "sched/sched.h"
#include "tuza/panic.h"
#include "tuza/time.h"

#define CYCLE (5 * TUZA_SECOND)
#define ROOM  61

typedef struct chunk {
    struct chunk *next;
    uint64_t n;
    void *items[ROOM];
} chunk;

typedef struct part {
    TZ_ALIGNED(TZ_NO_SHARING) tz_spin lock;
    chunk *items; /* under the lock, peeked; of the first chunk n may be 0 */
    chunk *victims;
} part;

typedef struct table {
    struct table *old;
    uint32_t n;
    part *parts[];
} table;

typedef struct tuza_pool_state {
    table *table;   /* atomic pointer: release, acquire */
    tz_lock grow;   /* TZ_RANK_CHAN */
    uint32_t armed; /* atomic */
    tuza_timer *timer;
    void (*destroy)(void *item); /* const */
} state;

static void cycle(void *arg);

static void throw_memory(void *p)
{
    if (!p)
        tz_throw("out of memory");
}

/* Its function does not run, nor will again. False: it has begun and does not end: the process does. */
static bool stop_timer(state *s)
{
    if (!s->timer)
        return true;
    uint16_t bubbled = tz_bubble_step_out();
    bool was_set = tuza_timer_stop_wait(s->timer);
    was_set |= tuza_timer_stop(s->timer); /* it may have been set again by what was waited for */
    tz_bubble_step_in(bubbled);
    return was_set || !tz_load_relaxed(&s->armed);
}

static void free_timer(state *s)
{
    uint16_t bubbled = tz_bubble_step_out();
    tuza_timer_free(s->timer);
    tz_bubble_step_in(bubbled);
}

static TZ_NOINLINE state *make_state(tuza_pool *p)
{
    state *s = calloc(1, sizeof *s), *none = NULL;
    throw_memory(s);
    s->destroy = p->destroy;
    if (s->destroy) {
        uint16_t bubbled = tz_bubble_step_out();
        s->timer = tuza_after_func(INT64_MAX, cycle, s);
        tuza_timer_stop(s->timer);
        tz_bubble_step_in(bubbled);
    }
    if (tz_cas_acq_rel(&p->state, &none, s)) /* pairs with the look in state_of */
        return s;
    if (s->timer)
        free_timer(s);
    free(s);
    return none;
}

static state *state_of(tuza_pool *p)
{
    state *s = tz_load_acquire(&p->state);
    return s ? s : make_state(p);
}

/* In user code: there shall be a part for each of so many Ps. */
static TZ_COLD void grow(state *s, uint32_t n)
{
    table *t = malloc(sizeof *t + n * sizeof t->parts[0]);
    throw_memory(t);
    table *old = tz_load_acquire(&s->table);
    uint32_t had = old ? old->n : 0;
    t->n = n;
    for (uint32_t i = had; i < n; i++) {
        throw_memory(t->parts[i] = aligned_alloc(TZ_NO_SHARING, sizeof(part)));
        memset(t->parts[i], 0, sizeof(part));
    }
    tz_lock_acquire(&s->grow, TZ_RANK_CHAN);
    bool won = s->table == old && n > had;
    if (won) {
        t->old = old;
        for (uint32_t i = 0; i < had; i++)
            t->parts[i] = old->parts[i];
        tz_store_release(&s->table, t);
    }
    tz_lock_release(&s->grow, TZ_RANK_CHAN);
    if (won)
        return;
    for (uint32_t i = had; i < n; i++)
        free(t->parts[i]);
    free(t);
}

/* Enters, with a table that has a part for the P that the caller then has. */
static tz_m *enter(state *s, table **t)
{
    for (;;) {
        tz_m *m = tz_enter();
        *t = tz_load_acquire(&s->table); /* pairs with grow */
        uint32_t id = (uint32_t)m->p->id;
        if (TZ_LIKELY(*t && id < (*t)->n))
            return m;
        uint32_t n = tz_load_relaxed(&tz_sched.nprocs);
        tz_leave(m);
        grow(s, n > id ? n : id + 1);
    }
}

/* Under the part's lock; a chunk that is empty now, and not the only one, is left in *spare. */
static void *pop(chunk **list, chunk **spare)
{
    chunk *c = *list;
    if (c && c->n == 0 && c->next) {
        tz_store_relaxed(list, c->next); /* peeked in take */
        *spare = c;
        c = *list;
    }
    return c && c->n ? c->items[--c->n] : NULL;
}

static void *take(part *l, bool victims, bool alone, chunk **spare)
{
    if (!tz_load_relaxed(victims ? &l->victims : &l->items)) /* mostly; what comes just now is missed */
        return NULL;
    tz_spin_lock(&l->lock, alone);
    void *item = pop(victims ? &l->victims : &l->items, spare);
    tz_spin_unlock(&l->lock, alone);
    return item;
}

/* From the own part on, round. */
static void *look_around(const tz_m *m, const table *t, bool victims, chunk **spare)
{
    void *item = NULL;
    for (uint32_t i = 0; i < t->n && !item && !*spare; i++)
        item = take(t->parts[((uint32_t)m->p->id + i) % t->n], victims, m->p->alone, spare);
    return item;
}

void *tuza_pool_get(tuza_pool *p)
{
    state *s = tz_load_acquire(&p->state);
    void *item = NULL;
    while (s && tz_load_acquire(&s->table)) {
        table *t;
        chunk *spare = NULL;
        tz_m *m = enter(s, &t);
        item = look_around(m, t, false, &spare);
        if (!item && !spare)
            item = look_around(m, t, true, &spare);
        tz_leave(m);
        free(spare);
        if (item)
            return item;
        if (!spare)
            break;
    }
    return p->make ? p->make(p->arg) : NULL;
}

static TZ_NOINLINE void arm(state *s)
{
    uint32_t not = 0;
    if (!tz_cas_acquire(&s->armed, &not,
                        1)) /* pairs with the release in cycle: one at a time has the timer */
        return;
    uint16_t bubbled = tz_bubble_step_out();
    tuza_timer_reset(s->timer, CYCLE);
    tz_bubble_step_in(bubbled);
}

void tuza_pool_put(tuza_pool *p, void *item)
{
    if (!item)
        return;
    state *s = state_of(p);
    chunk *more = NULL;
    for (;;) {
        table *t;
        tz_m *m = enter(s, &t);
        bool alone = m->p->alone;
        part *l = t->parts[m->p->id];
        tz_spin_lock(&l->lock, alone);
        if (more) {
            more->next = l->items;
            more->n = 0;
            tz_store_relaxed(&l->items, more);
            more = NULL;
        }
        chunk *c = l->items;
        bool room = c && c->n < ROOM;
        if (room)
            c->items[c->n++] = item;
        tz_spin_unlock(&l->lock, alone);
        tz_leave(m);
        if (room)
            break;
        more = malloc(sizeof *more);
        if (!more) {
            if (s->destroy)
                s->destroy(item);
            return;
        }
    }
    if (s->destroy && TZ_UNLIKELY(!tz_load_relaxed(&s->armed)))
        arm(s);
}

/* Of every part: the victims are taken away, a list of chunks, and the items are the victims; with all, these
 * are taken as well. */
static chunk *turn(state *s, bool all)
{
    table *t;
    chunk *out = NULL;
    if (!tz_load_acquire(&s->table))
        return NULL;
    tz_m *m = enter(s, &t);
    for (uint32_t i = 0; i < t->n; i++) {
        part *l = t->parts[i];
        bool alone = m->p->alone;
        tz_spin_lock(&l->lock, alone);
        chunk *old = l->victims, *items = l->items;
        tz_store_relaxed(&l->victims, all ? NULL : items);
        tz_store_relaxed(&l->items, NULL);
        tz_spin_unlock(&l->lock, alone);
        for (int j = 0; j < 1 + all; j++, old = items)
            for (chunk *c = old, *next; c; c = next) {
                next = c->next;
                c->next = out;
                out = c;
            }
    }
    tz_leave(m);
    return out;
}

typedef struct doomed {
    state *s;
    chunk *c; /* what is still to be destroyed */
} doomed;

/* A destroy has panicked, or ended its goroutine: the others are the pool's again, until the next cycle. */
static void put_back(void *arg)
{
    doomed *d = arg;
    if (!d->c)
        return;
    chunk *last = d->c;
    while (last->next)
        last = last->next;
    table *t;
    tz_m *m = enter(d->s, &t);
    bool alone = m->p->alone;
    part *l = t->parts[m->p->id];
    tz_spin_lock(&l->lock, alone);
    last->next = l->victims;
    tz_store_relaxed(&l->victims, d->c);
    tz_spin_unlock(&l->lock, alone);
    tz_leave(m);
    arm(d->s);
}

static void destroy_chunks(state *s, chunk *c)
{
    if (!c)
        return;
    doomed d = {s, c};
    TUZA_DEFER(put_back, &d);
    while ((c = d.c) != NULL) {
        while (s->destroy && c->n)
            s->destroy(c->items[--c->n]);
        d.c = c->next;
        free(c);
    }
}

static bool any(state *s)
{
    table *t;
    bool found = false;
    tz_m *m = enter(s, &t);
    for (uint32_t i = 0; i < t->n; i++) {
        part *l = t->parts[i];
        tz_spin_lock(&l->lock, m->p->alone);
        found |= l->items || l->victims;
        tz_spin_unlock(&l->lock, m->p->alone);
    }
    tz_leave(m);
    return found;
}

/* However it ends. */
static void cycle_over(void *arg)
{
    state *s = arg;
    if (any(s)) {
        tuza_timer_reset(s->timer, CYCLE);
        return;
    }
    tz_store_release(&s->armed, 0);
    if (any(s))
        arm(s);
}

static void cycle(void *arg)
{
    state *s = arg;
    TUZA_DEFER(cycle_over, s);
    destroy_chunks(s, turn(s, false));
}

void tuza_pool_trim(tuza_pool *p)
{
    state *s = tz_load_acquire(&p->state);
    if (s)
        destroy_chunks(s, turn(s, false));
}

/* Where a destroy does not return the pool is as it was, with what is left in it. */
void tuza_pool_clear(tuza_pool *p)
{
    state *s = p->state;
    if (!s)
        return;
    bool through;
    chunk *c;
    do { /* a destroy may put into the pool, which sets the timer again */
        through = stop_timer(s);
        tz_store_relaxed(&s->armed, 0);
        c = turn(s, true);
        destroy_chunks(s, c);
    } while (c);
    p->state = NULL;
    if (!through) /* the cycle's goroutine may still be at work */
        return;
    if (s->timer)
        free_timer(s);
    table *t = s->table;
    for (uint32_t i = 0; t && i < t->n; i++)
        free(t->parts[i]);
    for (table *old; t; t = old) {
        old = t->old;
        free(t);
    }
    free(s);
}
