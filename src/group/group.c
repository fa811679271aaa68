/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups: a count of goroutines under a lock, who waits for it to be 0, and
 * who waits to be one of them, to whom places are handed on.
 *
 * What a goroutine has to say, an error or a panic, is noted when its
 * function has ended and it still counts. Its last access to the group is the
 * release of the lock under which it stops counting; then it has ended.
 */
#include "tuza/group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"
#include "panic/panic.h"
#include "sync/word.h"
#include "tuza/go.h"
#include "tuza/panic.h"

typedef struct member {
    tz_member end;
    tuza_group *g;
    int (*fn)(void *);
    TZ_ALIGNED(16) char arg[]; /* a pointer, or the copy */
} member;
#define SMALL 16

tuza_context *tuza_group_context(tuza_group *g, tuza_context *parent)
{
    if (g->context)
        tz_panic_outside("tuza: the group has a context already");
    g->context = tuza_context_with_cancel(parent ? parent : tuza_context_background());
    return g->context;
}

/* Under the lock. */
static int running(tuza_group *g)
{
    tz_m *m = tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(tz_lock_of(g->lock), alone);
    int n = g->running;
    tz_spin_unlock(tz_lock_of(g->lock), alone);
    tz_leave(m);
    return n;
}

void tuza_group_limit(tuza_group *g, int n)
{
    int now = running(g);
    if (now)
        tuza_panic("errgroup: modify limit while %d goroutines in the group are still active", now);
    g->limit = n > 0 ? n : 0;
}

/* A place among those that run; waits for one in the final form. False: none is free, and it may not wait. */
static TZ_NOINLINE bool enter_group(tuza_group *g, tz_waiter *w)
{
    tz_m *m = w ? tz_enter_movable() : tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(tz_lock_of(g->lock), alone);
    bool full = g->limit && g->running >= g->limit;
    if (full && w) {
        w->g = m->g;
        m->g->result = true;
        tz_waiters_put(&g->starters, w);
        tz_park_durably(m);
        return tz_park(m, TZ_WAIT_SEMACQUIRE, tz_lock_of(g->lock));
    }
    if (!full)
        g->running++;
    tz_spin_unlock(tz_lock_of(g->lock), alone);
    tz_leave(m);
    return !full;
}

/* Inside the runtime. */
static void leave_group(tz_m *m, tuza_group *g)
{
    bool alone = m->p->alone;
    tz_spin_lock(tz_lock_of(g->lock), alone);
    tz_waiter *next = tz_waiters_get(&g->starters);
    if (!next && --g->running == 0) {
        next = g->waiter;
        g->waiter = NULL;
    }
    tz_g *wake = next ? next->g : NULL;
    tz_spin_unlock(tz_lock_of(g->lock), alone); /* the last access to g */
    if (wake)
        tz_ready(m, wake);
}

static void ended(tz_m *m, tz_member *end)
{
    leave_group(m, TZ_CONTAINER_OF(end, member, end)->g);
}

/* An error, or a panic with that text, which is the group's. */
static void fail(tuza_group *g, int error, char *text)
{
    tz_m *m = tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(tz_lock_of(g->lock), alone);
    bool first = !g->error && !g->panic;
    if (text && !g->panic) {
        g->panic = text;
        text = NULL;
    } else if (first) {
        g->error = error;
    }
    tz_spin_unlock(tz_lock_of(g->lock), alone);
    tz_leave(m);
    free(text);
    if (first && g->context)
        tuza_context_cancel_cause(g->context, error);
}

/* The text, and behind its end where it comes from, in one block. This runs on top of the stack that
 * panicked. */
static char *write_down(const char *text)
{
    size_t n = strlen(text) + 1, room = tuza_stack(NULL, 0, false) + 1;
    char *copy = malloc(n + room);
    if (!copy)
        tz_throw("out of memory");
    memcpy(copy, text, n);
    tuza_stack(copy + n, room, false);
    return copy;
}

static void catch_panic(void *arg)
{
    const char *text = tuza_recover();
    if (text)
        fail(((member *)arg)->g, -ECANCELED, write_down(text));
}

typedef struct call {
    member *me;
    void *arg;
    int error;
} call;

/* What fn defers comes before catch_panic, the first to be deferred here. */
static void body(void *arg)
{
    call *c = arg;
    tuza_defer(catch_panic, c->me);
    c->error = c->me->fn(c->arg);
}

/* Its error is known when all that it deferred has run: in that it may still panic, and has no error then. */
static void run_call(member *me, void *arg)
{
    call c = {me, arg, 0};
    tz_panic_at_end(&me->end);
    tuza_call(body, &c);
    if (c.error)
        fail(me->g, c.error, NULL);
}

static void run(void *arg)
{
    member *me = arg;
    run_call(me, *(void **)(void *)me->arg);
}

static void run_copy(void *arg)
{
    member *me = arg;
    run_call(me, me->arg);
}

/* The caller has a place in the group, which goes back where there is no goroutine. */
static int start(tuza_group *g, void (*how)(void *), const member *me, size_t size, const void *pc)
{
    int err = tz_go_copy(how, me, sizeof *me + size, pc);
    if (err < 0) {
        tz_m *m = tz_enter();
        leave_group(m, g);
        tz_leave(m);
    }
    return err;
}

static int start_pointer(tuza_group *g, int (*fn)(void *), void *arg, const void *pc)
{
    TZ_ALIGNED(16) char buf[sizeof(member) + sizeof arg];
    member *me = (member *)(void *)buf;
    *me = (member){{ended}, g, fn};
    memcpy(me->arg, &arg, sizeof arg);
    return start(g, run, me, sizeof arg, pc);
}

int tuza_group_go(tuza_group *g, int (*fn)(void *), void *arg)
{
    if (!fn)
        tz_fatal("go of nil func value");
    tz_waiter w;
    enter_group(g, &w);
    return start_pointer(g, fn, arg, __builtin_return_address(0));
}

int tuza_group_try_go(tuza_group *g, int (*fn)(void *), void *arg)
{
    if (!fn)
        tz_fatal("go of nil func value");
    if (!enter_group(g, NULL))
        return -EAGAIN;
    return start_pointer(g, fn, arg, __builtin_return_address(0));
}

int tuza_group_go_copy(tuza_group *g, int (*fn)(void *), const void *arg, size_t size)
{
    if (!fn)
        tz_fatal("go of nil func value");
    if (!tz_go_copies(arg, size))
        return -EINVAL;
    TZ_ALIGNED(16) char small[sizeof(member) + SMALL];
    member *me = (member *)(void *)small;
    if (size > SMALL && !(me = malloc(sizeof *me + size)))
        return -ENOMEM;
    *me = (member){{ended}, g, fn};
    if (size)
        memcpy(me->arg, arg, size);
    tz_waiter w;
    enter_group(g, &w);
    int err = start(g, run_copy, me, size, __builtin_return_address(0));
    if (size > SMALL)
        free(me);
    return err;
}

/* In the final form; none runs on return. False: somebody else waits. */
static TZ_NOINLINE bool wait_for_all(tuza_group *g, tz_waiter *w)
{
    tz_m *m = tz_enter_movable();
    bool alone = m->p->alone;
    tz_spin_lock(tz_lock_of(g->lock), alone);
    bool waits = g->waits;
    g->waits = true;
    if (!waits && g->running) {
        w->g = m->g;
        m->g->result = true;
        g->waiter = w;
        tz_park_durably(m);
        return tz_park(m, TZ_WAIT_WAITGROUP, tz_lock_of(g->lock));
    }
    tz_spin_unlock(tz_lock_of(g->lock), alone);
    tz_leave(m);
    return !waits;
}

int tuza_group_wait(tuza_group *g)
{
    tz_waiter w;
    if (!wait_for_all(g, &w))
        tz_panic_outside("tuza: two wait for a group");
    int error = g->error;
    char *text = g->panic;
    tuza_context *context = g->context;
    *g = (tuza_group){.limit = g->limit};
    if (context) {
        tuza_context_cancel(context);
        tuza_context_unref(context);
    }
    if (text) {
        TUZA_DEFER(free, text);
        tz_panic_again(text, text + strlen(text) + 1);
    }
    return error;
}

/* The process ends, by the caller, and those of the group, or who waits for it, will not run again. It is the
 * caller's M that has the stopped world, so no lock is needed for what they have left. */
static bool is_abandoned(const tuza_group *g)
{
    return TZ_UNLIKELY(tz_load_relaxed(&tz_sched.ending) == tz_self()) && (g->running || g->waits);
}

void tuza_group_close(void *group)
{
    tuza_group *g = group;
    if (is_abandoned(g))
        return;
    if (g->context)
        tuza_context_cancel(g->context);
    tuza_group_wait(g);
}
