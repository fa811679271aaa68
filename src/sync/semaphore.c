/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The semaphore: permits and a queue under a lock. Permits that are released
 * go to the first waiters, as far as they reach; so as long as somebody waits,
 * there are fewer than the first one wants.
 *
 * A wait that a context may end has a node on the waiter's stack. The waiter
 * returns when the node has been taken back, which waits for its call.
 */
#include <string.h>

#include "context/context.h"
#include "panic/panic.h"
#include "sync/word.h"

typedef struct ending {
    tz_waiter w;
    tz_context_node node;
    tuza_semaphore *s;
    bool over; /* the context is done; under the lock */
} ending;

static void check(int64_t n)
{
    if (n < 0)
        tz_panic_outside("tuza: negative number of permits");
}

/* Under the lock: takes off the queue all whose turn it is; a list by next. */
static tz_waiter *grant(tuza_semaphore *s)
{
    tz_waiter *first = NULL, **end = &first, *w;
    while ((w = s->queue.first) && (int64_t)w->n <= s->permits) {
        s->permits -= (int64_t)w->n;
        tz_waiters_remove(&s->queue, w);
        w->handed = true;
        *end = w;
        end = &w->next;
    }
    *end = NULL;
    return first;
}

/* Under the lock. */
static bool take(tuza_semaphore *s, int64_t n)
{
    if (s->permits < n || s->queue.first)
        return false;
    s->permits -= n;
    return true;
}

bool tuza_semaphore_tryacquire(tuza_semaphore *s, int64_t n)
{
    check(n);
    tz_m *m = tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(tz_lock_of(s->lock), alone);
    bool got = take(s, n);
    tz_spin_unlock(tz_lock_of(s->lock), alone);
    tz_leave(m);
    return got;
}

/* In the final form. `over` ends it; under the lock. */
static TZ_NOINLINE void acquire(tuza_semaphore *s, tz_waiter *w, const bool *over)
{
    tz_m *m = tz_enter_movable();
    bool alone = m->p->alone;
    tz_spin_lock(tz_lock_of(s->lock), alone);
    w->handed = !*over && take(s, (int64_t)w->n);
    if (w->handed || *over) {
        tz_spin_unlock(tz_lock_of(s->lock), alone);
        tz_leave(m);
        return;
    }
    w->g = m->g;
    tz_waiters_put(&s->queue, w);
    tz_park(m, TZ_WAIT_SEMACQUIRE, tz_lock_of(s->lock));
}

void tuza_semaphore_acquire(tuza_semaphore *s, int64_t n)
{
    check(n);
    tz_waiter w = {.n = (uint64_t)n};
    acquire(s, &w, &(const bool){false});
}

static void done(tz_context_node *node)
{
    ending *e = TZ_CONTAINER_OF(node, ending, node);
    tuza_semaphore *s = e->s;
    tz_waiter *list = NULL;
    tz_m *m = tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(tz_lock_of(s->lock), alone);
    e->over = true;
    if (e->w.g && !e->w.handed) {
        tz_waiters_remove(&s->queue, &e->w);
        e->w.next = grant(s); /* it may have kept others from their turn */
        list = &e->w;
    }
    tz_spin_unlock(tz_lock_of(s->lock), alone);
    tz_word_ready(m, list);
    tz_leave(m);
}

int tuza_semaphore_acquire_context(tuza_semaphore *s, int64_t n, struct tuza_context *ctx)
{
    check(n);
    int err = tuza_context_err(ctx);
    if (err)
        return err;
    if (!tz_context_ends(ctx)) {
        tuza_semaphore_acquire(s, n);
        return 0;
    }
    if (tuza_semaphore_tryacquire(s, n))
        return 0;
    ending e = {.w.n = (uint64_t)n, .node.done = done, .s = s};
    if (tz_context_watch(ctx, &e.node)) {
        acquire(s, &e.w, &e.over);
        tz_context_unwatch(ctx, &e.node);
        if (e.w.handed)
            return 0;
    }
    return tuza_context_err(ctx);
}

void tuza_semaphore_release(tuza_semaphore *s, int64_t n)
{
    check(n);
    tz_m *m = tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(tz_lock_of(s->lock), alone);
    bool fits = !__builtin_add_overflow(s->permits, n, &n);
    tz_waiter *list = NULL;
    if (fits) {
        s->permits = n;
        list = grant(s);
    }
    tz_spin_unlock(tz_lock_of(s->lock), alone); /* the last access to s */
    if (!fits)
        tz_panic(m, "tuza: too many permits");
    tz_word_ready(m, list);
    tz_leave(m);
}
