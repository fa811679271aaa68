/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The beginning and the end of goroutines, and the free ones.
 *
 * A G and its stack are one slot (mem/stack.h). Ended Gs of the default size
 * are kept by the P they ended on, stacks warm; beyond 64 the P passes half
 * of them to a global list, one for each size class. Gs of other sizes go
 * there at once.
 *
 * An ending G must not be reused while its stack is still run on: it enters
 * a free list only in the after-switch action.
 */
#include <errno.h>
#include <string.h>

#include "base/fatal.h"
#include "os/os.h"
#include "sched/proc.h"
#include "sched/retake.h"
#include "sched/sanitizer.h"
#include "sched/sched.h"
#include "tuza/go.h"

#define USUAL      1 /* the default size's class */
#define GFREE_MAX  64u
#define GFREE_KEEP 32u
#define GOID_BLOCK 16u
#define CARVE      16
#define TRIM_WALK  4096u

/* Up to want Gs from a list, which is cut; *n says how many. Under gfree_lock. */
static tz_g *take(tz_g **from, uint32_t want, uint32_t *n)
{
    tz_g *list = *from;
    *n = 0;
    if (!list)
        return NULL;
    tz_g *last = list;
    for (*n = 1; *n < want && last->schedlink; ++*n)
        last = last->schedlink;
    *from = last->schedlink;
    last->schedlink = NULL;
    return list;
}

/* Gs of the class: a list by schedlink, of *n of them: ended ones, else new ones. */
static tz_g *gfree_get_global(int cls, uint32_t *n)
{
    bool usual = cls == USUAL;
    tz_lock_acquire(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    tz_g *list = take(&tz_sched.gfree[cls], usual ? GFREE_KEEP : 1, n);
    if (usual) {
        tz_sched.ngfree -= *n;
        if (tz_sched.ngfree < tz_sched.gfree_low)
            tz_sched.gfree_low = tz_sched.ngfree;
        if (!list)
            list = take(&tz_sched.gtrimmed, GFREE_KEEP, n);
    }
    tz_lock_release(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    if (list)
        return list;
    tz_stack *fresh[CARVE];
    int got = tz_stack_carve(cls, fresh, usual ? CARVE : 1);
    for (int i = 0; i < got; i++) {
        tz_g *g = (tz_g *)(void *)fresh[i];
        g->schedlink = list;
        tz_sanitizer_new_g(g);
        list = g;
    }
    *n = got > 0 ? (uint32_t)got : 0;
    return list;
}

/* n Gs of one class, a list by schedlink, to the global list. */
static void gfree_put_global(tz_g *head, tz_g *tail, uint32_t n)
{
    uint32_t cls = head->stack.cls;
    tz_lock_acquire(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    tail->schedlink = tz_sched.gfree[cls];
    tz_sched.gfree[cls] = head;
    if (cls == USUAL)
        tz_sched.ngfree += n;
    tz_lock_release(&tz_sched.gfree_lock, TZ_RANK_GFREE);
}

static void gfree_spill(tz_p *p, uint32_t keep)
{
    tz_g *head = p->gfree;
    tz_g *tail = head;
    uint32_t n = p->ngfree - keep;
    while (--p->ngfree > keep)
        tail = tail->schedlink;
    p->gfree = tail->schedlink;
    gfree_put_global(head, tail, n);
    if (!tz_load_relaxed(&tz_sched.trim_wanted))
        tz_store_relaxed(&tz_sched.trim_wanted, 1);
}

void tz_gfree_flush(tz_p *p)
{
    if (p->gfree)
        gfree_spill(p, 0);
}

/* After-switch action: the G that ended is free. */
static void gfree_put(tz_m *m, void *arg)
{
    tz_g *g = arg;
    tz_p *p = m->p;
    if (TZ_UNLIKELY(!p || g->stack.cls != USUAL)) {
        gfree_put_global(g, g, 1);
        return;
    }
    g->schedlink = p->gfree;
    p->gfree = g;
    if (TZ_UNLIKELY(++p->ngfree > GFREE_MAX))
        gfree_spill(p, GFREE_KEEP);
}

static TZ_NOINLINE tz_g *gfree_get_slow(tz_p *p, int cls)
{
    uint32_t n;
    tz_g *g = gfree_get_global(cls, &n);
    if (n > 1) {
        p->gfree = g->schedlink;
        p->ngfree = n - 1;
    }
    return g;
}

static TZ_NOINLINE void goid_refill(tz_p *p)
{
    p->goid_next = tz_add_relaxed(&tz_sched.goid_gen, GOID_BLOCK) + 1;
    p->goid_end = p->goid_next + GOID_BLOCK;
}

static TZ_NOINLINE void set_name(tz_g *g, const char *name)
{
    size_t n = name ? strnlen(name, sizeof g->name - 1) : 0;
    if (n)
        memcpy(g->name, name, n);
    g->name[n] = 0;
}

typedef struct start {
    int cls;
    const char *name; /* NULL: none */
    const void *copy; /* not NULL: the argument is a copy of this, on the new stack */
    size_t size;
    const void *pc;
} start;

/* Inlined into tuza_go, where most of *s is constant. */
TZ_INLINE int newproc(void (*fn)(void *), void *arg, start s)
{
    int cls = s.cls;
    if (TZ_UNLIKELY(!fn))
        tz_fatal("go of nil func value");
    tz_m *m = tz_enter();
    tz_p *p = m->p;
    tz_g *g;
    if (TZ_LIKELY(cls == USUAL && p->gfree)) {
        g = p->gfree;
        p->gfree = g->schedlink;
        p->ngfree--;
    } else {
        g = gfree_get_slow(p, cls);
        if (!g) {
            tz_leave(m);
            return -ENOMEM;
        }
    }
    char *sp = g->stack.hi;
    if (s.copy) {
        sp -= (s.size + 15) & ~(size_t)15;
        memcpy(sp, s.copy, s.size);
        arg = sp;
    }
    g->sp = sp;
    g->resume = (void *)tz_arch_entry;
    g->errno_saved = 0;
    g->leave = 0;
    g->fn = fn;
    g->arg = arg;
    tz_store_relaxed(&g->hog, 0);
    g->left_at = 0;
    g->waiter.g = g;
    if (TZ_UNLIKELY(s.name || g->name[0]))
        set_name(g, s.name);
    if (TZ_UNLIKELY(p->goid_next == p->goid_end))
        goid_refill(p);
    tz_store_relaxed(&g->goid, p->goid_next++);
    tz_store_relaxed(&g->go_pc, s.pc);
    tz_store_relaxed(&g->parent_goid, m->g->goid);
    tz_store_relaxed(&p->ngo, p->ngo + 1);
    tz_ready(m, g);
    tz_leave(m);
    return 0;
}

int tuza_go(void (*fn)(void *), void *arg)
{
    return newproc(fn, arg, (start){.cls = USUAL, .pc = __builtin_return_address(0)});
}

int tuza_go_copy(void (*fn)(void *), const void *arg, size_t size)
{
    if ((!arg && size) || size > TZ_STACK_DEFAULT / 4)
        return -EINVAL;
    return newproc(fn, NULL, (start){.cls = USUAL, .copy = arg ? arg : "", .size = size, .pc = __builtin_return_address(0)});
}

int tuza_go_with(const tuza_go_options *opts, void (*fn)(void *), void *arg)
{
    start s = {.cls = USUAL, .pc = __builtin_return_address(0)};
    if (opts) {
        for (size_t i = 0; i < sizeof opts->zero / sizeof opts->zero[0]; i++)
            if (opts->zero[i])
                return -EINVAL;
        s.cls = tz_stack_class(opts->stack_size);
        if (s.cls < 0)
            return s.cls;
        s.name = opts->name;
    } 
    return newproc(fn, arg, s);
}

void tuza_goexit(void)
{
    tz_goexit();
}

uint64_t tuza_goid(void)
{
    tz_m *m = tz_self_m;
    return m ? m->g->goid : 0;
}

size_t tuza_stack_used(void)
{
    tz_m *m = tz_self_m;
    return m ? tz_stack_used(&m->g->stack) : 0;
}

void tz_goexit(void)
{
    tz_m *m = tz_enter_movable();
    tz_g *g = m->g;
    tz_p *p = m->p;
    tz_store_relaxed(&p->ngo, p->ngo - 1);
    tz_store_relaxed(&g->goid, 0);
    tz_store_relaxed(&g->status, TZ_G_DEAD);
    if (TZ_UNLIKELY(g == tz_sched.maing))
        tz_store_relaxed(&tz_sched.main_exited, 1);
    else {
        m->after_fn = gfree_put;
        m->after_arg = g;
    }
    tz_arch_leave_stack(m, tz_next(m));
}

int tuza_num_goroutine(void)
{
    if (tz_load_acquire(&tz_sched.started) != 2)
        return 0;
    int64_t n = 0;
    tz_p **allp = tz_load_acquire(&tz_sched.allp);
    uint32_t nallp = tz_load_acquire(&tz_sched.nallp);
    for (uint32_t i = 0; i < nallp; i++)
        n += tz_load_relaxed(&allp[i]->ngo);
    return (int)n;
}

/*
 * Only what lay unused at the bottom of the list since the last look is
 * trimmed: a program that starts goroutines all the time keeps its stacks
 * warm. A long list in use is left alone, since finding its bottom would hold
 * the lock for long.
 */
bool tz_trim_some(void)
{
    int cls = USUAL;
    tz_g *list = NULL, *last = NULL;
    tz_lock_acquire(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    uint32_t used = tz_sched.ngfree - tz_sched.gfree_low;
    if (used <= TRIM_WALK) {
        tz_g **end = &tz_sched.gfree[cls];
        for (uint32_t i = 0; i < used; i++)
            end = &(*end)->schedlink;
        list = *end;
        *end = NULL;
        tz_sched.ngfree = used;
    }
    tz_sched.gfree_low = tz_sched.ngfree;
    bool more = tz_sched.ngfree != 0;
    tz_lock_release(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    for (tz_g *g = list; g; g = g->schedlink) {
        tz_stack_trim(&g->stack);
        last = g;
    }
    if (list) {
        tz_lock_acquire(&tz_sched.gfree_lock, TZ_RANK_GFREE);
        last->schedlink = tz_sched.gtrimmed;
        tz_sched.gtrimmed = list;
        tz_lock_release(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    }
    return more;
}
