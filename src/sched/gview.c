/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes down what a traceback says of a goroutine. No locks, nothing that can fail: see traceback.h. */
#include "os/os.h"
#include "sched/bubble.h"
#include "sched/proc.h"
#include "sched/sched.h"
#include "sched/traceback.h"

const char *tz_wait_reason_text(uint64_t reason)
{
    static const char *const text[TZ_WAIT_REASONS] = {
        [TZ_WAIT_NONE] = "waiting",
        [TZ_WAIT_CHAN_SEND] = "chan send",
        [TZ_WAIT_CHAN_RECV] = "chan receive",
        [TZ_WAIT_CHAN_SEND_NIL] = "chan send (nil chan)",
        [TZ_WAIT_CHAN_RECV_NIL] = "chan receive (nil chan)",
        [TZ_WAIT_SLEEP] = "sleep",
        [TZ_WAIT_EXIT] = "exit",
        [TZ_WAIT_IO] = "IO wait",
        [TZ_WAIT_SEMACQUIRE] = "semacquire",
        [TZ_WAIT_MUTEX] = "sync.Mutex.Lock",
        [TZ_WAIT_RWMUTEX_RLOCK] = "sync.RWMutex.RLock",
        [TZ_WAIT_RWMUTEX_LOCK] = "sync.RWMutex.Lock",
        [TZ_WAIT_WAITGROUP] = "sync.WaitGroup.Wait",
        [TZ_WAIT_COND] = "sync.Cond.Wait",
        [TZ_WAIT_PANIC] = "panicwait",
        [TZ_WAIT_CALLBACK] = "callback wait",
        [TZ_WAIT_SELECT] = "select",
        [TZ_WAIT_SELECT_NONE] = "select (no cases)",
        [TZ_WAIT_BUBBLE_RUN] = "synctest.Run",
        [TZ_WAIT_BUBBLE_WAIT] = "synctest.Wait",
    };
    reason &= TZ_WAIT_REASON;
    return reason < TZ_WAIT_REASONS ? text[reason] : "unknown";
}

static void view_status(tz_gview *v, tz_g *g)
{
    uint64_t reason = tz_load_relaxed(&g->wait_reason);
    v->status = "dead";
    if (v->m) { /* whatever it is about to be */
        v->status = "running";
    } else if (tz_load_relaxed(&g->status) == TZ_G_RUNNABLE) {
        v->status = "runnable";
    } else if (tz_load_relaxed(&g->status) == TZ_G_WAITING) {
        v->status = tz_wait_reason_text(reason);
        v->minutes = tz_waits_minutes(reason, tz_os_now());
    }
}

#define FOREIGN ((uint64_t)1 << 63)

/* A field that its owner writes as it likes, as it is just now. */
static TZ_NO_SANITIZE TZ_NOINLINE void *peek(const void *field)
{
    return *(void *const volatile *)field;
}

/* Its first switch goes to the entry; the other half of the word beside `special` is for its leave. */
static bool has_not_begun(tz_g *g)
{
    return (uint32_t)(uintptr_t)peek(&g->special) && peek(&g->resume) == (void *)tz_arch_entry;
}

void tz_gview_of_g(tz_gview *v, tz_g *g, tz_m *m)
{
    tz_m *locked = peek(&g->lockedm);
    bool foreign = locked && g == &locked->g0_block;
    *v = (tz_gview){
        .goid = tz_load_relaxed(&g->goid),
        .parent = tz_load_relaxed(&g->parent_goid),
        .go_pc = tz_load_relaxed(&g->go_pc),
        .g = g,
        .m = m,
        .tid = foreign ? tz_load_relaxed(&locked->tid) : 0,
        .locked = locked && !foreign,
        .bubble = tz_bubble_of(g),
        .durable = !m && tz_load_relaxed(&g->durable) == 1,
        .begun = m || !has_not_begun(g),
        .fn = (uintptr_t)peek(&g->fn),
    };
    view_status(v, g);
    for (size_t i = 0; i + 1 < sizeof v->name; i++) /* it may be changing */
        v->name[i] = tz_load_relaxed(&g->name[i]);
}

static void view_start(tz_gview *v, const tz_start *s)
{
    *v = (tz_gview){
        .goid = tz_load_relaxed(&s->goid),
        .parent = tz_load_relaxed(&s->parent_goid) & ~TZ_START_COPIED,
        .go_pc = tz_load_relaxed(&s->go_pc),
        .status = "runnable",
        .fn = (uintptr_t)peek(&s->fn),
    };
}

void tz_gview_walk(tz_trace *t, tz_g *g, tz_cfi_cache *cache)
{
    tz_regs regs;
    uintptr_t saved[TZ_SAVED_WORDS], sp = (uintptr_t)peek(&g->sp);
    tz_bounds b = {(uintptr_t)g->stack.lo, (uintptr_t)g->stack.hi};
    for (unsigned i = 0; i < TZ_SAVED_WORDS; i++)
        if (!tz_read_word(&b, sp + i * sizeof sp, &saved[i]))
            saved[i] = 0;
    tz_regs_saved(&regs, saved, sp);
    tz_trace_take(t, &regs, b.lo, b.hi, cache, 0);
}

static size_t hash(const tz_g *g)
{
    return (size_t)(((uintptr_t)g >> 6) * 0x9e3779b97f4a7c15u >> 20);
}

static size_t bytes(const tz_running *r)
{
    return tz_os_pages(r->n * sizeof r->slots[0]);
}

void tz_running_take(tz_running *r)
{
    size_t count = 0, room;
    for (tz_m *m = tz_load_acquire(&tz_sched.allm); m; m = tz_load_acquire(&m->alllink))
        count++;
    for (r->n = 64; r->n < 4 * count; r->n *= 2)
        ;
    room = r->n / 2; /* there may be more by now */
    r->slots = tz_os_reserve(bytes(r));
    if (!r->slots)
        return;
    for (tz_m *m = tz_load_acquire(&tz_sched.allm); m && room; m = tz_load_acquire(&m->alllink)) {
        tz_g *g = tz_load_relaxed(&m->g);
        size_t i = hash(g);
        while (r->slots[i % r->n].g)
            i++;
        r->slots[i % r->n] = (struct tz_running_slot){g, m};
        room--;
    }
}

tz_m *tz_running_find(const tz_running *r, tz_g *g)
{
    if (!r->slots)
        return NULL;
    for (size_t i = hash(g); r->slots[i % r->n].g; i++)
        if (r->slots[i % r->n].g == g)
            return r->slots[i % r->n].m;
    return NULL;
}

void tz_running_free(tz_running *r)
{
    if (r->slots)
        tz_os_release(r->slots, bytes(r));
}

static bool count_g(tz_stack *s, void *arg)
{
    (void)s;
    ++*(size_t *)arg;
    return true;
}

static void count_start(tz_start *s, void *arg)
{
    (void)s;
    ++*(size_t *)arg;
}

static void add(tz_goroutines *all, uint64_t key, tz_g *g, tz_start *start)
{
    if (all->n < all->size)
        all->list[all->n++] = (struct tz_goroutine){key, g, start};
}

static bool add_g(tz_stack *s, void *arg)
{
    tz_g *g = (tz_g *)(void *)s;
    uint64_t goid = tz_load_relaxed(&g->goid);
    uint32_t status = tz_load_relaxed(&g->status);
    if (goid && status != TZ_G_IDLE && status != TZ_G_DEAD)
        add(arg, goid, g, NULL);
    return true;
}

static void add_start(tz_start *s, void *arg)
{
    add(arg, tz_load_relaxed(&s->goid), NULL, s);
}

/* Heapsort: in place, and n log n whatever the order was. */
static void sift(struct tz_goroutine *list, size_t at, size_t n)
{
    struct tz_goroutine moved = list[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && list[child + 1].key > list[child].key)
            child++;
        if (list[child].key <= moved.key)
            break;
        list[at] = list[child];
    }
    list[at] = moved;
}

static void sort(struct tz_goroutine *list, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(list, i, n);
    for (size_t end = n; end-- > 1;) {
        struct tz_goroutine last = list[end];
        list[end] = list[0];
        list[0] = last;
        sift(list, 0, end);
    }
}

void tz_goroutines_take(tz_goroutines *all)
{
    size_t count = 64; /* and some that are started meanwhile */
    tz_stack_each(count_g, &count);
    tz_starts_each(count_start, &count);
    for (tz_m *m = tz_load_acquire(&tz_sched.allm); m; m = tz_load_acquire(&m->alllink))
        count++;
    *all = (tz_goroutines){.size = count};
    all->list = tz_os_reserve(tz_os_pages(count * sizeof all->list[0]));
    if (!all->list)
        return;
    tz_stack_each(add_g, all);
    tz_starts_each(add_start, all);
    for (tz_m *m = tz_load_acquire(&tz_sched.allm); m; m = tz_load_acquire(&m->alllink)) {
        tz_g *g = &m->g0_block;
        if (m->foreign && !tz_load_relaxed(&m->service))
            add(all, tz_load_relaxed(&g->goid) | FOREIGN, g, NULL);
    }
    sort(all->list, all->n);
}

void tz_goroutines_free(tz_goroutines *all)
{
    if (all->list)
        tz_os_release(all->list, tz_os_pages(all->size * sizeof all->list[0]));
}

bool tz_gview_take(tz_gview *v, const struct tz_goroutine *it, const tz_running *running)
{
    if (it->g)
        tz_gview_of_g(v, it->g, tz_running_find(running, it->g));
    else
        view_start(v, it->start);
    return v->goid == (it->key & ~FOREIGN);
}
