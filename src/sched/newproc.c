/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The beginning and the end of goroutines.
 *
 * tuza_go only writes down what to run, in a tz_start, and makes that the
 * P's next work. The goroutine gets its G, and so its stack, when it first
 * runs: then the G of one that has just ended is at hand, warm. A thousand
 * goroutines started and run one after the other share one stack, and a
 * million queued ones need no page each. What needs a G at once (a name,
 * another stack size, a large argument) gets it at once.
 */
#include <errno.h>
#include <string.h>

#include "base/fatal.h"
#include "os/os.h"
#include "sched/bubble.h"
#include "sched/proc.h"
#include "sched/retake.h"
#include "sched/sanitizer.h"
#include "sched/sched.h"
#include "tuza/go.h"

#define GOID_BLOCK 16u

static TZ_NOINLINE void goid_refill(tz_p *p)
{
    p->goid_next = tz_add_relaxed(&tz_sched.goid_gen, GOID_BLOCK) + 1;
    p->goid_end = p->goid_next + GOID_BLOCK;
}

TZ_INLINE uint64_t next_goid(tz_p *p)
{
    if (TZ_UNLIKELY(p->goid_next == p->goid_end))
        goid_refill(p);
    return p->goid_next++;
}

/* g, free until now, shall run fn(arg) from the start of its stack, of which `used` bytes are in use. */
TZ_INLINE void init_g(tz_g *g, void (*fn)(void *), void *arg, size_t used)
{
    g->sp = g->stack.hi - used;
    g->special = 1;
    g->resume = (void *)tz_arch_entry;
    g->errno_saved = 0;
    g->leave = 0;
    g->fn = fn;
    g->arg = arg;
    tz_store_relaxed(&g->hog, 0);
    g->left_at = 0;
    g->waiter.g = g;
    tz_sanitizer_begin_g(g);
    tz_store_relaxed(&g->status, TZ_G_RUNNABLE);
}

/* s's goroutine becomes g; s is free. */
TZ_INLINE tz_g *become(tz_p *p, tz_start *s, tz_g *g)
{
    uint64_t parent = s->parent_goid;
    if (parent & TZ_START_COPIED) {
        parent &= ~TZ_START_COPIED;
        size_t used = (s->size + 15) & ~(size_t)15;
        void *arg = memcpy(g->stack.hi - used, s->copy, s->size);
        init_g(g, s->fn, arg, used);
    } else {
        init_g(g, s->fn, s->arg, 0);
    }
    tz_store_relaxed(&g->goid, s->goid);
    tz_store_relaxed(&g->go_pc, s->go_pc);
    tz_store_relaxed(&g->parent_goid, parent);
    tz_store_relaxed(&s->goid, 0);
    s->link = p->starts ? tz_work_of_start(p->starts) : NULL;
    p->starts = s;
    p->nstarts++; /* too many are seen to by g0: an object's lock may be held here */
    return g;
}

tz_g *tz_start_quick(tz_m *m, tz_start *s)
{
    tz_p *p = m->p;
    tz_g *g = p->gfree;
    if (TZ_UNLIKELY(!g))
        return NULL;
    p->gfree = g->freelink;
    p->ngfree--;
    return become(p, s, g);
}

/* The free Gs that a start counts on lie with other Ps, and there is no memory for more: those of Ps that
 * nobody has are taken, the owners of the others give theirs up when they come by (findrunnable). */
static TZ_COLD tz_g *scrape_together(tz_p *p)
{
    tz_store_relaxed(&tz_sched.gfree_short, 1);
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    for (tz_p *q = tz_sched.pidle; q; q = q->link)
        tz_gfree_flush(q);
    for (tz_p *q = tz_sched.pwork; q; q = q->link)
        tz_gfree_flush(q);
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    return tz_gfree_get(p, tz_sched.usual, true);
}

tz_g *tz_start_now(tz_m *m, tz_start *s)
{
    tz_p *p = m->p;
    tz_g *g = tz_gfree_get(p, tz_sched.usual, true);
    if (!g)
        g = scrape_together(p);
    else if (TZ_UNLIKELY(tz_load_relaxed(&tz_sched.gfree_short)))
        tz_store_relaxed(&tz_sched.gfree_short, 0);
    if (g)
        return become(p, s, g);
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_globq_put(tz_work_of_start(s));
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    tz_os_yield();
    return NULL;
}

/* Ended again between the two they may be as well: only a P that is held keeps them. */
int tz_pin_threads(tz_m **m)
{
    while (TZ_UNLIKELY(tz_load_relaxed(&tz_sched.threads) != 2) && !tz_load_relaxed(&tz_sched.ending)) {
        tz_leave(*m);
        int err = tz_need_threads(); /* libc allocates for them */
        if (err < 0)
            return err;
        *m = tz_enter();
    }
    return 0;
}

/* The first goroutine that needs a record or a slot of its P needs the threads too. In and out of the
 * runtime. 0, or a negative errno: then m has left it. */
static TZ_NOINLINE int threads_and(bool (*refill)(tz_p *p), tz_m **m)
{
    if (TZ_UNLIKELY(!tz_load_relaxed(&tz_sched.had_goroutines))) {
        int err = tz_pin_threads(m);
        if (err < 0)
            return err;
        tz_store_relaxed(&tz_sched.had_goroutines, 1);
    }
    if (refill((*m)->p))
        return 0;
    tz_leave(*m);
    return -ENOMEM;
}

/* One of p's, which has one, and a slot for it: of a goroutine that counts from here on. */
TZ_INLINE tz_start *take_start(tz_p *p, void (*fn)(void *), const void *pc, uint64_t parent)
{
    p->slots--;
    tz_start *s = p->starts;
    p->starts = s->link ? tz_work_start(s->link) : NULL;
    p->nstarts--;
    s->fn = fn;
    tz_store_relaxed(&s->go_pc, pc);
    tz_store_relaxed(&s->parent_goid, parent);
    tz_store_relaxed(&s->goid, next_goid(p));
    tz_store_relaxed(&p->nbegun, p->nbegun + 1);
    return s;
}

static bool any_slots(tz_p *p)
{
    return p->slots || tz_slots_refill(p);
}

static bool nothing_needed(tz_p *p)
{
    (void)p;
    return true;
}

/* With its G at once. */
static int start_now(uint32_t cls, void (*fn)(void *), void *arg, const void *copy, size_t size,
                     const char *name, const void *pc)
{
    if (!fn)
        tz_fatal("go of nil func value");
    tz_m *m = tz_enter();
    tz_p *p = m->p;
    bool usual = cls == tz_sched.usual;
    tz_g *g = NULL;
    if (usual ? !p->slots : !tz_load_relaxed(&tz_sched.had_goroutines)) {
        int err = threads_and(usual ? any_slots : nothing_needed, &m);
        if (err < 0)
            return err;
        p = m->p;
    }
    g = tz_gfree_get(p, cls, usual);
    if (!g) {
        tz_leave(m);
        return -ENOMEM;
    }
    if (usual)
        p->slots--;
    size_t used = (size + 15) & ~(size_t)15;
    if (copy)
        arg = memcpy(g->stack.hi - used, copy, size);
    init_g(g, fn, arg, used);
    size_t n = name ? strnlen(name, sizeof g->name - 1) : 0;
    for (size_t i = 0; i < n; i++)
        tz_store_relaxed(&g->name[i], name[i]);
    tz_store_relaxed(&g->name[n], 0);
    tz_store_relaxed(&g->goid, next_goid(p));
    tz_store_relaxed(&g->go_pc, pc);
    tz_store_relaxed(&g->parent_goid, m->g->goid);
    tz_store_relaxed(&p->nbegun, p->nbegun + 1);
    if (m->g->bubbled)
        tz_bubble_join(m, g);
    tz_ready(m, g);
    tz_leave(m);
    return 0;
}

TZ_INLINE void put_start(tz_m *m, void (*fn)(void *), void *arg, const void *copy, size_t size,
                         const void *pc)
{
    tz_start *s = take_start(m->p, fn, pc, m->g->goid | (copy ? TZ_START_COPIED : 0));
    if (copy) {
        memcpy(s->copy, copy, size);
        s->size = size;
    } else {
        s->arg = arg;
    }
    tz_runnext_put(m->p, tz_work_of_start(s));
}

/* Inside the runtime, which is left; a slot and a record are at hand. */
static TZ_NOINLINE int start_slow(tz_m *m, void (*fn)(void *), void *arg, const void *copy, size_t size,
                                  const void *pc)
{
    if (m->g->bubbled) {
        tz_leave(m);
        return start_now(tz_sched.usual, fn, arg, copy, size, NULL, pc);
    }
    put_start(m, fn, arg, copy, size, pc);
    tz_leave(m);
    return 0;
}

TZ_INLINE int start(void (*fn)(void *), void *arg, const void *copy, size_t size, const void *pc)
{
    if (TZ_UNLIKELY(!fn))
        tz_fatal("go of nil func value");
    tz_m *m = tz_enter();
    tz_p *p = m->p;
    if (TZ_UNLIKELY(!p->slots || !p->starts)) {
        int err = threads_and(tz_starts_refill, &m);
        if (err < 0)
            return err;
        p = m->p;
    }
    if (TZ_UNLIKELY(m->g->leaves_slow)) /* for tz_leave, and the bubble: others may run it at once */
        return start_slow(m, fn, arg, copy, size, pc);
    put_start(m, fn, arg, copy, size, pc);
    tz_leave_quick(m);
    return 0;
}

void tz_newproc(tz_m *m, void (*fn)(void *), void *arg, const void *pc)
{
    tz_p *p = m->p;
    if (TZ_UNLIKELY(!p->slots || !p->starts) && !tz_starts_refill(p))
        tz_throw("out of memory");
    tz_store_relaxed(&tz_sched.had_goroutines, 1);
    tz_start *s = take_start(p, fn, pc, 0);
    s->arg = arg;
    if (TZ_LIKELY(!m->g->bubbled)) {
        tz_runq_put(p, tz_work_of_start(s));
        return;
    }
    tz_g *g = tz_gfree_get(p, tz_sched.usual, true);
    if (!g)
        tz_throw("out of memory");
    become(p, s, g);
    tz_bubble_join(m, g);
    tz_ready_behind(m, g);
}

int tz_start_in_bubble(void (*fn)(void *), void *arg, const void *pc)
{
    return start_now(tz_sched.usual, fn, arg, NULL, 0, NULL, pc);
}

int tuza_go(void (*fn)(void *), void *arg)
{
    return start(fn, arg, NULL, 0, __builtin_return_address(0));
}

bool tz_go_copies(const void *arg, size_t size)
{
    return (arg || !size) && size <= (TZ_STACK_CLASS0 << tz_sched.usual) / 4;
}

int tz_go_copy(void (*fn)(void *), const void *arg, size_t size, const void *pc)
{
    if (!tz_go_copies(arg, size))
        return -EINVAL;
    if (size == 0)
        arg = "";
    if (size <= TZ_START_COPY)
        return start(fn, NULL, arg, size, pc);
    return start_now(tz_sched.usual, fn, NULL, arg, size, NULL, pc);
}

int tuza_go_copy(void (*fn)(void *), const void *arg, size_t size)
{
    return tz_go_copy(fn, arg, size, __builtin_return_address(0));
}

int tuza_go_with(const tuza_go_options *opts, void (*fn)(void *), void *arg)
{
    uint32_t cls = tz_sched.usual;
    const char *name = NULL;
    if (opts) {
        for (size_t i = 0; i < sizeof opts->zero / sizeof opts->zero[0]; i++)
            if (opts->zero[i])
                return -EINVAL;
        if (opts->stack_size) {
            int asked = tz_stack_class(opts->stack_size);
            if (asked < 0)
                return asked;
            cls = (uint32_t)asked;
        }
        name = opts->name;
    }
    return start_now(cls, fn, arg, NULL, 0, name, __builtin_return_address(0));
}

static TZ_COLD void end_special(tz_m *m, tz_member **me)
{
    if (m->g->bubbled) {
        if (*me) /* while it counts in the bubble still: somebody of that may be woken */
            (*me)->ended(m, *me);
        *me = NULL;
        tz_bubble_end(m);
    }
    if (m->g->tag)
        tz_lockedexit(m);
}

TZ_INLINE void end_g(tz_m *m, tz_member **me)
{
    tz_g *g = m->g;
    tz_p *p = m->p;
    if (TZ_UNLIKELY(g->tag | g->bubbled))
        end_special(m, me);
    /* Pairs with tuza_num_goroutine: what this one did is seen there. */
    tz_store_release(&p->nended, p->nended + 1);
    tz_store_relaxed(&g->goid, 0);
    tz_store_relaxed(&g->status, TZ_G_DEAD);
    if (TZ_UNLIKELY(g->name[0]))
        tz_store_relaxed(&g->name[0], 0);
    if (TZ_UNLIKELY(g == tz_sched.maing))
        tz_store_relaxed(&tz_sched.main_exited, 1);
}

void tz_end_g(tz_m *m, tz_member *me)
{
    end_g(m, &me);
    if (me)
        me->ended(m, me);
}

TZ_NORETURN TZ_INLINE void goexit(tz_member *me)
{
    tz_m *m = tz_enter_movable();
    tz_g *g = m->g;
    end_g(m, &me);
    if (me)
        me->ended(m, me);
    if (TZ_LIKELY(g != tz_sched.maing)) {
        m->after_fn = tz_gfree_put;
        m->after_arg = g;
    }
    tz_arch_leave_stack(m, tz_next_g(m));
}

void tz_goexit(void)
{
    goexit(NULL);
}

void tz_goexit_member(tz_member *me)
{
    goexit(me);
}

uint64_t tuza_goid(void)
{
    return tz_self_m->g->goid;
}

size_t tuza_stack_used(void)
{
    tz_m *m = tz_self_m;
    return m == &tz_nobody ? 0 : tz_stack_used(&m->g->stack);
}

/*
 * One may begin on this P and end on that while we look. All ends are read before any beginning, so no
 * fewer come out than there were in between: whoever's end is seen, the acquire brings its beginning with it,
 * and the P that it began on. In one pass, one that begins on a P already read and ends on one yet to be read
 * would take another off the number, and a stop would find nobody left.
 */
int tuza_num_goroutine(void)
{
    if (tz_load_acquire(&tz_sched.started) != TZ_STARTED_READY)
        return 0;
    uint64_t n = 0;
    uint32_t nallp = tz_load_acquire(&tz_sched.nallp); /* before the array: see grow_allp */
    tz_p **allp = tz_load_acquire(&tz_sched.allp);
    for (uint32_t i = 0; i < nallp; i++)
        n -= tz_load_acquire(&allp[i]->nended);
    nallp = tz_load_acquire(&tz_sched.nallp);
    allp = tz_load_acquire(&tz_sched.allp);
    for (uint32_t i = 0; i < nallp; i++)
        n += tz_load_relaxed(&allp[i]->nbegun);
    return (int)n;
}
