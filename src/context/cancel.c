/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ends of contexts.
 *
 * A cancellation takes the context off its tree, then works through it and
 * all that hangs from it, under the tree's lock. Each is given its err in two
 * steps, the done channel closed in between: whoever sees the first takes the
 * lock, and so waits for the second. So an err is seen by whoever saw the
 * channel closed, and the other way round.
 *
 * Nodes are told when the lock has been released, in user code: the contexts
 * that have some are collected, with a reference to each, which their
 * watchers cover. A node is taken off the ring by whoever tells it; that it
 * is being told shows in c->telling, for tz_context_unwatch to wait.
 */
#include "context/cancel.h"

#include <errno.h>

#include "base/fatal.h"
#include "panic/panic.h"

void tz_cancel_lock(tz_m *m, tz_cancel *c)
{
    tz_spin_lock(&c->root->lock, m->p->alone);
}

void tz_cancel_unlock(tz_m *m, tz_cancel *c)
{
    tz_spin_unlock(&c->root->lock, m->p->alone);
}

static bool has_nodes(const tz_cancel *c)
{
    return c->nodes.next != &c->nodes;
}

static void take_off(tz_context_node *n)
{
    n->next->prev = n->prev;
    n->prev->next = n->next;
    n->next = n->prev = NULL;
}

static void unhang(tz_cancel *c)
{
    if (!c->up)
        return;
    if (c->prev)
        c->prev->next = c->next;
    else
        c->up->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->up = c->next = c->prev = NULL;
}

static void end_one(tz_m *m, tz_cancel *c, int err, int cause)
{
    tz_store_relaxed(&c->cause, cause);
    tz_store_relaxed(&c->err, -err); /* before done is closed, whose lock orders it */
    if (c->done)
        tz_chan_close_owned(m, c->done);
    tz_cancel_disarm(c);
    tz_store_release(&c->err, err); /* pairs with tuza_context_err */
}

tz_cancel *tz_cancel_end_locked(tz_m *m, tz_cancel *c, int err, int cause)
{
    tz_cancel *tell = NULL, **tell_end = &tell;
    unhang(c);
    for (tz_cancel *todo = c; todo;) {
        c = todo;
        todo = c->next;
        c->next = NULL;
        while (c->first) { /* what hangs from c goes to the front of the list */
            tz_cancel *child = c->first;
            c->first = child->next;
            child->up = child->prev = NULL;
            child->next = todo;
            todo = child;
        }
        end_one(m, c, err, cause);
        if (has_nodes(c)) {
            tz_add_relaxed(&c->ctx.refs, 1);
            c->tell_next = NULL;
            *tell_end = c;
            tell_end = &c->tell_next;
        }
    }
    return tell;
}

/* n's done has returned: those who wait for that are runnable. */
static void wake_unwatchers(tz_m *m, tz_cancel *c, const tz_context_node *n)
{
    for (tz_sudog *s = c->unwatchers.first, *next; s; s = next) {
        next = s->next;
        if (s->elem == n) {
            tz_waitq_remove(&c->unwatchers, s);
            tz_ready(m, s->g);
        }
    }
}

static void tell_all(tz_cancel *c)
{
    tz_m *m = tz_enter();
    tz_cancel_lock(m, c);
    while (has_nodes(c)) {
        tz_context_node *n = c->nodes.next;
        take_off(n);
        c->telling = n;
        c->teller = m->g->goid;
        tz_cancel_unlock(m, c);
        tz_leave(m);
        n->done(n);
        m = tz_enter();
        tz_cancel_lock(m, c);
        c->telling = NULL;
        wake_unwatchers(m, c, n);
    }
    tz_cancel_unlock(m, c);
    tz_leave(m);
}

void tz_cancel_tell(void *list)
{
    for (tz_cancel *c = list; c;) {
        tz_cancel *next = c->tell_next;
        tell_all(c);
        tuza_context_unref(&c->ctx);
        c = next;
    }
}

void tuza_context_cancel_cause(tuza_context *ctx, int cause)
{
    tz_cancel *c = tz_cancel_of(ctx), *list = NULL;
    if (!c)
        tz_panic_outside("tuza: cancel of a context that can't be cancelled");
    uint64_t bubble = tz_cancel_bubble(c);
    if (TZ_UNLIKELY(bubble) && bubble != tz_bubble_id())
        tz_fatal("close of synctest channel from outside bubble");
    tz_m *m = tz_enter();
    tz_cancel_lock(m, c); /* where it is being cancelled already: until all that is derived is done too */
    if (!c->err)
        list = tz_cancel_end_locked(m, c, -ECANCELED, cause ? cause : -ECANCELED);
    tz_cancel_unlock(m, c);
    tz_leave(m);
    tz_cancel_tell(list);
}

void tuza_context_cancel(tuza_context *ctx)
{
    tuza_context_cancel_cause(ctx, 0);
}

tz_cancel *tz_cancel_make(tuza_context *parent)
{
    tz_cancel *c = tz_context_make(parent, sizeof *c);
    tz_cancel *up = parent->cancel;
    c->ctx.is_cancel = true;
    c->ctx.cancel = c;
    c->nodes.next = c->nodes.prev = &c->nodes;
    c->root = up ? up->root : c;
    c->bubble = tz_bubble_id();
    if (!up)
        return c;
    c->deadline = up->bubble == c->bubble ? up->deadline : 0;
    tz_m *m = tz_enter();
    tz_cancel_lock(m, c);
    if (up->err) {
        c->err = up->err;
        c->cause = up->cause;
    } else {
        c->up = up;
        c->next = up->first;
        if (c->next)
            c->next->prev = c;
        up->first = c;
    }
    tz_cancel_unlock(m, c);
    tz_leave(m);
    return c;
}

tuza_context *tuza_context_with_cancel(tuza_context *parent)
{
    return &tz_cancel_make(parent)->ctx;
}

bool tz_cancel_drop(tz_cancel *c)
{
    tz_m *m = tz_enter();
    tz_cancel_lock(m, c);
    unhang(c);
    bool watched = has_nodes(c);
    tz_cancel_disarm(c);
    bool armed = c->dead = c->armed;
    tz_cancel_unlock(m, c);
    tz_leave(m);
    if (watched)
        tz_throw("tuza: unref of a context in use");
    return !armed;
}

tuza_chan *tuza_context_done(tuza_context *ctx)
{
    tz_cancel *c = tz_cancel_of(ctx);
    if (!c)
        return NULL;
    tuza_chan *done = tz_load_acquire(&c->done); /* pairs with the release below */
    if (done)
        return done;
    tuza_chan *made = tz_chan_make_owned(0, 0, tz_cancel_bubble(c));
    tz_m *m = tz_enter();
    tz_cancel_lock(m, c);
    done = c->done;
    if (!done) {
        done = made;
        made = NULL;
        if (c->err)
            tz_chan_close_owned(m, done);
        tz_store_release(&c->done, done);
    }
    tz_cancel_unlock(m, c);
    tz_leave(m);
    tuza_chan_unref(made);
    return done;
}

/* c is being cancelled: returns when it has been. */
static TZ_COLD void wait_for_end(tz_cancel *c)
{
    tz_m *m = tz_enter();
    tz_cancel_lock(m, c);
    tz_cancel_unlock(m, c);
    tz_leave(m);
}

/* 0 or negative. */
static int err_of(tz_cancel *c)
{
    int err = tz_load_acquire(&c->err); /* pairs with end_one */
    if (TZ_UNLIKELY(err > 0)) {
        wait_for_end(c);
        err = tz_load_relaxed(&c->err);
    }
    return err;
}

int tz_context_err_now(const tuza_context *ctx)
{
    tz_cancel *c = tz_cancel_of(ctx);
    int err = c ? tz_load_acquire(&c->err) : 0; /* pairs with end_one */
    return err > 0 ? -err : err;
}

int tuza_context_err(const tuza_context *ctx)
{
    tz_cancel *c = tz_cancel_of(ctx);
    return c ? err_of(c) : 0;
}

int tuza_context_cause(const tuza_context *ctx)
{
    tz_cancel *c = tz_cancel_of(ctx);
    return c && err_of(c) ? tz_load_relaxed(&c->cause) : 0;
}

bool tz_context_ends(const tuza_context *ctx)
{
    return tz_cancel_of(ctx) != NULL;
}

uint64_t tz_context_bubble(const tuza_context *ctx)
{
    tz_cancel *c = tz_cancel_of(ctx);
    return c ? tz_cancel_bubble(c) : 0;
}

bool tz_context_watch(tuza_context *ctx, tz_context_node *n)
{
    tz_cancel *c = tz_cancel_of(ctx);
    if (!c)
        return true;
    tz_m *m = tz_enter();
    tz_cancel_lock(m, c);
    bool watched = !c->err;
    if (watched) {
        n->next = &c->nodes;
        n->prev = c->nodes.prev;
        n->prev->next = n;
        c->nodes.prev = n;
    }
    tz_cancel_unlock(m, c);
    tz_leave(m);
    return watched;
}

/* Under the tree's lock. */
static bool unwatch_locked(tz_context_node *n)
{
    if (!n->next)
        return false;
    take_off(n);
    return true;
}

bool tz_context_unwatch_try(tuza_context *ctx, tz_context_node *n)
{
    tz_cancel *c = tz_cancel_of(ctx);
    if (!c)
        return true;
    tz_m *m = tz_enter();
    tz_cancel_lock(m, c);
    bool taken = unwatch_locked(n);
    tz_cancel_unlock(m, c);
    tz_leave(m);
    return taken;
}

void tz_context_unwatch(tuza_context *ctx, tz_context_node *n)
{
    tz_cancel *c = tz_cancel_of(ctx);
    if (!c)
        return;
    tz_m *m = tz_enter(); /* callers' calls do not block but for this */
    tz_cancel_lock(m, c);
    if (unwatch_locked(n) || c->telling != n || c->teller == m->g->goid) {
        tz_cancel_unlock(m, c);
        tz_leave(m);
        return;
    }
    tz_sudog *s = &m->g->waiter;
    s->elem = n;
    tz_waitq_put(&c->unwatchers, s);
    tz_park(m, TZ_WAIT_CALLBACK, &c->root->lock);
}
