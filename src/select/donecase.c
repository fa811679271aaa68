/* SPDX-License-Identifier: BSD-3-Clause */
/* Cases that are ready when a context is done. */
#include "context/context.h"
#include "select/kinds.h"

typedef struct donecase {
    tz_context_node node;
    tz_select *sel;
} donecase;
_Static_assert(sizeof(donecase) <= TZ_SELECT_OTHER, "a case's record");

static tuza_context *context_of(tuza_case *k)
{
    return k->elem;
}

/* By whoever cancels, in user code. */
static void done(tz_context_node *n)
{
    tz_m *m = tz_enter();
    tz_g *g = tz_select_report(TZ_CONTAINER_OF(n, donecase, node)->sel, TZ_SELECT_AGAIN);
    if (g)
        tz_ready(m, g);
    tz_leave(m);
}

static void begin(tz_mixed *x, tuza_case *k, void *record)
{
    uint64_t bubble = tz_context_bubble(context_of(k));
    x->s.outside |= tz_context_ends(context_of(k)) && (!bubble || bubble != tz_bubble_id());
    *(donecase *)record = (donecase){.node.done = done, .sel = &x->s.sel};
}

static bool is_ready(tz_mixed *x, tuza_case *k, void *record)
{
    (void)x;
    (void)record;
    return tz_context_err_now(context_of(k)) != 0;
}

static void watch(tz_mixed *x, tuza_case *k, void *record)
{
    (void)x;
    donecase *d = record;
    if (tz_context_ends(context_of(k)))
        (void)tz_context_watch(context_of(k), &d->node); /* done already: is_ready comes next */
}

static void unwatch(tz_mixed *x, tuza_case *k, void *record)
{
    (void)x;
    donecase *d = record;
    tz_context_unwatch(context_of(k), &d->node);
}

const tz_selkind tz_selkind_done = {.begin = begin, .is_ready = is_ready, .watch = watch, .unwatch = unwatch};
