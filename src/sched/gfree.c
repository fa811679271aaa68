/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Free Gs, free starts, and slots.
 *
 * A G and its stack are one slot (mem/stack.h). Ended Gs of the default size
 * are kept by the P they ended on, stacks warm; beyond 64 the P passes half
 * of them to a global list, one for each size class. Gs of other sizes go
 * there at once. An ending G must not be reused while its stack is still run
 * on: it enters a free list only in the after-switch action.
 *
 * A goroutine that is asked for gets its G only when it first runs, so a
 * burst of short ones runs on one warm stack. But tuza_go is where a program
 * can deal with -ENOMEM, so the slot must be certain by then. Hence slots are
 * counted: p->slots and sched.slots together say how many starts may still
 * be made. Each stands for a free G somewhere, or a slot that mem/stack has
 * promised to carve:
 *
 *     slots + starts on run queues <= free Gs of the default class + slots promised
 *
 * tuza_go takes one, the end of a goroutine gives one back.
 */
#include "os/os.h"
#include "sched/proc.h"
#include "sched/sched.h"

#define GFREE_MAX  64u
#define GFREE_KEEP 32u
#define SLOTS_MAX  128u
#define SLOTS_KEEP 64u
#define CARVE      16
#define TRIM_WALK  4096u
#define CHUNK      ((size_t)64 << 10)

/* Memory for starts: chunks that are only ever added, read without a lock. */
typedef struct chunk {
    struct chunk *next;
    TZ_ALIGNED(16) tz_start starts[];
} chunk;
static chunk *chunks; /* release, acquire */
#define CHUNK_STARTS ((CHUNK - sizeof(chunk)) / sizeof(tz_start))

/* Up to want Gs from a list, which is cut; *n says how many. */
static tz_g *take(tz_g **from, uint32_t want, uint32_t *n)
{
    tz_g *list = *from;
    *n = 0;
    if (!list)
        return NULL;
    tz_g *last = list;
    for (*n = 1; *n < want && last->freelink; ++*n)
        last = last->freelink;
    *from = last->freelink;
    last->freelink = NULL;
    return list;
}

static tz_g *carve(uint32_t cls, bool promised, uint32_t *n)
{
    tz_stack *fresh[CARVE];
    tz_g *list = NULL;
    int got = tz_stack_carve((int)cls, fresh, cls == tz_sched.usual ? CARVE : 1, promised);
    for (int i = 0; i < got; i++) {
        tz_g *g = (tz_g *)(void *)fresh[i];
        g->freelink = list;
        list = g;
    }
    *n = got > 0 ? (uint32_t)got : 0;
    if (got > 0 && tz_load_relaxed(&tz_sched.gfree_short))
        tz_store_relaxed(&tz_sched.gfree_short, 0);
    return list;
}

tz_g *tz_gfree_get(tz_p *p, uint32_t cls, bool promised)
{
    bool usual = cls == tz_sched.usual;
    uint32_t n;
    tz_g *g = usual ? take(&p->gfree, 1, &n) : NULL;
    if (g) {
        p->ngfree--;
        return g;
    }
    tz_lock_acquire(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    g = take(&tz_sched.gfree[cls], usual ? GFREE_KEEP : 1, &n);
    if (usual) {
        tz_sched.ngfree -= n;
        if (tz_sched.ngfree < tz_sched.gfree_low)
            tz_sched.gfree_low = tz_sched.ngfree;
        if (!g)
            g = take(&tz_sched.gtrimmed, GFREE_KEEP, &n);
    }
    tz_lock_release(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    if (!g)
        g = carve(cls, promised, &n);
    if (!g && promised) /* what was counted on lies with other Ps, who may be long in coming back */
        g = carve(cls, false, &n);
    if (g && n > 1) {
        p->gfree = g->freelink;
        p->ngfree = n - 1;
    }
    return g;
}

/* n Gs of one class, a list, to the global list. */
static void put_global(tz_g *head, tz_g *tail, uint32_t n)
{
    uint32_t cls = head->stack.cls;
    tz_lock_acquire(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    tail->freelink = tz_sched.gfree[cls];
    tz_sched.gfree[cls] = head;
    if (cls == tz_sched.usual)
        tz_sched.ngfree += n;
    tz_lock_release(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    if (!tz_load_relaxed(&tz_sched.trim_wanted))
        tz_store_relaxed(&tz_sched.trim_wanted, 1);
}

static void spill(tz_p *p, uint32_t keep)
{
    uint32_t n;
    tz_g *head = take(&p->gfree, p->ngfree - keep, &n);
    p->ngfree -= n;
    tz_g *tail = head;
    while (tail->freelink)
        tail = tail->freelink;
    put_global(head, tail, n);
}

static void slots_spill(tz_p *p, uint32_t keep)
{
    tz_lock_acquire(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    tz_sched.slots += p->slots - keep;
    p->slots = keep;
    tz_lock_release(&tz_sched.gfree_lock, TZ_RANK_GFREE);
}

void tz_gfree_put(tz_m *m, void *arg)
{
    tz_g *g = arg;
    tz_p *p = m->p;
    if (TZ_UNLIKELY(g->stack.cls != tz_sched.usual)) {
        put_global(g, g, 1);
        return;
    }
    if (TZ_UNLIKELY(!p)) {
        put_global(g, g, 1);
        tz_lock_acquire(&tz_sched.gfree_lock, TZ_RANK_GFREE);
        tz_sched.slots++;
        tz_lock_release(&tz_sched.gfree_lock, TZ_RANK_GFREE);
        return;
    }
    g->freelink = p->gfree;
    p->gfree = g;
    if (TZ_UNLIKELY(++p->ngfree > GFREE_MAX))
        spill(p, GFREE_KEEP);
    if (TZ_UNLIKELY(++p->slots > SLOTS_MAX))
        slots_spill(p, SLOTS_KEEP);
}

static void starts_put_global(tz_start *head, tz_start *tail)
{
    tz_lock_acquire(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    tail->link = tz_sched.starts ? tz_work_of_start(tz_sched.starts) : NULL;
    tz_sched.starts = head;
    tz_lock_release(&tz_sched.gfree_lock, TZ_RANK_GFREE);
}

void tz_starts_spill(tz_p *p, uint32_t keep)
{
    tz_start *head = p->starts, *tail = head;
    for (uint32_t n = p->nstarts - keep; n > 1; n--)
        tail = tz_work_start(tail->link);
    p->starts = tail->link ? tz_work_start(tail->link) : NULL;
    p->nstarts = keep;
    starts_put_global(head, tail);
}

/* Under gfree_lock: a new chunk's starts are on the global list. */
static bool more_starts(void)
{
    chunk *c = tz_os_reserve(CHUNK);
    if (!c)
        return false;
    for (size_t i = 0; i < CHUNK_STARTS; i++)
        c->starts[i].link = i + 1 < CHUNK_STARTS ? tz_work_of_start(&c->starts[i + 1]) : NULL;
    tz_sched.starts = &c->starts[0];
    c->next = chunks;
    tz_store_release(&chunks, c); /* pairs with tz_starts_each */
    return true;
}

static bool refill_starts(tz_p *p)
{
    tz_lock_acquire(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    bool have = tz_sched.starts || more_starts();
    if (have) {
        tz_start *last = p->starts = tz_sched.starts;
        for (p->nstarts = 1; p->nstarts < TZ_STARTS_KEEP && last->link; p->nstarts++)
            last = tz_work_start(last->link);
        tz_sched.starts = last->link ? tz_work_start(last->link) : NULL;
        last->link = NULL;
    }
    tz_lock_release(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    return have;
}

bool tz_slots_refill(tz_p *p)
{
    tz_lock_acquire(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    p->slots = tz_sched.slots < SLOTS_KEEP ? tz_sched.slots : SLOTS_KEEP;
    tz_sched.slots -= p->slots;
    tz_lock_release(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    if (p->slots == 0) {
        int n = tz_stack_promise((int)tz_sched.usual, CARVE);
        p->slots = n > 0 ? (uint32_t)n : 0;
    }
    return p->slots != 0;
}

bool tz_starts_refill(tz_p *p)
{
    return (p->slots || tz_slots_refill(p)) && (p->starts || refill_starts(p));
}

void tz_starts_each(void (*fn)(tz_start *s, void *arg), void *arg)
{
    for (chunk *c = tz_load_acquire(&chunks); c; c = c->next)
        for (size_t i = 0; i < CHUNK_STARTS; i++)
            if (tz_load_relaxed(&c->starts[i].goid))
                fn(&c->starts[i], arg);
}

void tz_gfree_usual(uint32_t cls)
{
    tz_lock_acquire(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    if (cls != tz_sched.usual) {
        tz_g **end = &tz_sched.gfree[tz_sched.usual];
        while (*end)
            end = &(*end)->freelink;
        *end = tz_sched.gtrimmed;
        tz_sched.gtrimmed = NULL;
        tz_sched.usual = cls;
        tz_sched.ngfree = 0;
        for (tz_g *g = tz_sched.gfree[cls]; g; g = g->freelink)
            tz_sched.ngfree++;
        tz_sched.gfree_low = tz_sched.ngfree;
        tz_sched.slots = tz_sched.ngfree; /* what the old class was promised stays so, for its next time */
    }
    tz_lock_release(&tz_sched.gfree_lock, TZ_RANK_GFREE);
}

void tz_gfree_flush(tz_p *p)
{
    if (p->ngfree)
        spill(p, 0);
    if (p->slots)
        slots_spill(p, 0);
    if (p->nstarts)
        tz_starts_spill(p, 0);
}

/*
 * Only what lay unused at the bottom of the list since the last look is
 * trimmed: a program that starts goroutines all the time keeps its stacks
 * warm. A long list in use is left alone, since finding its bottom would hold
 * the lock for long.
 */
bool tz_trim_some(void)
{
    tz_g *list = NULL, *last = NULL;
    tz_lock_acquire(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    uint32_t used = tz_sched.ngfree - tz_sched.gfree_low;
    if (used <= TRIM_WALK) {
        tz_g **end = &tz_sched.gfree[tz_sched.usual];
        for (uint32_t i = 0; i < used; i++)
            end = &(*end)->freelink;
        list = *end;
        *end = NULL;
        tz_sched.ngfree = used;
    }
    tz_sched.gfree_low = tz_sched.ngfree;
    bool more = tz_sched.ngfree != 0;
    tz_lock_release(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    for (tz_g *g = list; g; g = g->freelink) {
        tz_stack_trim(&g->stack);
        last = g;
    }
    if (list) {
        tz_lock_acquire(&tz_sched.gfree_lock, TZ_RANK_GFREE);
        last->freelink = tz_sched.gtrimmed;
        tz_sched.gtrimmed = list;
        tz_lock_release(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    }
    return more;
}
