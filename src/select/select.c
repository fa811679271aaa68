/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tuza_select and tuza_try_select.
 *
 * A select over channels alone that finds one ready never comes further than
 * the public function: a look, one lock, the operation. One that has to wait
 * looks again with all locks held, then parks (chan/select.c).
 *
 * With other cases among them (kinds.h) it is a loop: look at everything, then
 * wait for a report of any of them, then look again. The first look is made
 * before anything is told to report, since often it is enough. What is ready
 * is noted for all cases before one is chosen, so that each has its chance.
 */
#include <stdlib.h>

#include "base/fatal.h"
#include "panic/panic.h"
#include "sched/netpoll.h"
#include "select/kinds.h"

/* So many cases have room in the frame. */
#define FEW 32

/* In user code. Of more cases: malloc's. */
static tz_selwait *get_waits(tz_selwait *few, size_t n)
{
    if (TZ_LIKELY(n <= FEW))
        return few;
    tz_selwait *many = n <= SIZE_MAX / sizeof *many ? malloc(n * sizeof *many) : NULL;
    if (!many)
        tz_throw("out of memory");
    return many;
}

static void put_waits(tz_selwait *few, tz_selwait *waits)
{
    if (TZ_UNLIKELY(waits != few))
        free(waits);
}

static TZ_COLD TZ_NORETURN void panic_closed(void)
{
    tz_panic_outside("send on closed channel");
}

/* ---- channels alone ---- */

/* Holding nothing: looks with all locks held; then waits, if told so. none: it was seen that none is ready,
 * since this M has entered. In user code on return. */
static tz_chan_outcome select_chans(tz_m *m, tz_selection *s, bool none, bool wait, size_t *at)
{
    tz_g *wake = NULL;
    tz_select_lock(m, s);
    tz_chan_outcome outcome = TZ_CHAN_WAITS;
    if (!none || !m->p->alone) /* alone, that look was as good as one with the locks */
        outcome = tz_select_do_locked(m, s, at, &wake);
    if (outcome == TZ_CHAN_WAITS && wait) {
        m = tz_select_park(m, s);
        outcome = tz_select_taken(m, s, at);
    } else {
        tz_select_unlock(s);
        if (wake)
            tz_select_ready(m, &s->cases[*at], wake);
    }
    tz_leave(m);
    return outcome;
}

static TZ_NOINLINE tz_chan_outcome slow(tz_m *m, tuza_case *cases, size_t n, bool none, bool wait, size_t *at)
{
    tz_selwait few[FEW];
    tz_selection s = {.sel.g = m->g, .cases = cases, .n = n, .waits = few};
    if (TZ_UNLIKELY(n > FEW)) {
        tz_leave(m);
        s.waits = get_waits(few, n);
        m = wait ? tz_enter_movable() : tz_enter();
        none = false;
    }
    tz_chan_outcome outcome = select_chans(m, &s, none, wait, at);
    put_waits(few, s.waits);
    return outcome;
}

/* ---- others as well ---- */

static const tz_selkind *kind_of(const tuza_case *k)
{
    switch (k->op) {
    case TUZA_CASE_TIMEOUT:
        return &tz_selkind_timeout;
    case TUZA_CASE_UNTIL:
        return &tz_selkind_until;
    case TUZA_CASE_DONE:
        return &tz_selkind_done;
    case TUZA_CASE_READABLE:
    case TUZA_CASE_WRITABLE:
        return &tz_selkind_fd;
    default:
        return NULL;
    }
}

static bool is_chan(const tuza_case *k)
{
    return k->op == TUZA_CASE_SEND || k->op == TUZA_CASE_RECV;
}

/* Calls what `which` says for all cases that are others. */
#define EACH_OTHER(x, which)                                                \
    for (size_t i = 0; i < (x)->s.n; i++)                                   \
        if (!is_chan(&(x)->s.cases[i]) && kind_of(&(x)->s.cases[i])->which) \
    kind_of(&(x)->s.cases[i])->which((x), &(x)->s.cases[i], (x)->s.waits[i].other)

/* The timer's, under its heap's lock. */
static void fire(tz_timer *t, void *ctx)
{
    tz_m *m = ctx;
    tz_mixed *x = TZ_CONTAINER_OF(t, tz_mixed, timer);
    tz_g *g = tz_select_report(&x->s.sel, TZ_SELECT_AGAIN);
    tz_timer_done(t); /* the last use of x: its goroutine waits for the heap's lock, or is in our hands */
    if (!g)
        return;
    tz_ready_behind(m, g); /* as sleepers */
}

/* Notes which of the others are ready, and when to look again. In user code. */
static void look(tz_mixed *x)
{
    x->when = INT64_MAX;
    for (size_t i = 0; i < x->s.n; i++) {
        tuza_case *k = &x->s.cases[i];
        tz_selwait *w = &x->s.waits[i];
        w->ready = !is_chan(k) && kind_of(k)->is_ready(x, k, w->other);
    }
}

/* One of all that are ready, done if it is a channel's. */
static tz_chan_outcome choose(tz_m *m, tz_mixed *x, size_t *at)
{
    for (;;) {
        tz_pick p = {0};
        for (size_t i = 0; i < x->s.n; i++)
            if (x->s.waits[i].ready)
                tz_pick_add(m, &p, i);
        tz_select_peek(m, x->s.cases, x->s.n, &p);
        if (!p.seen)
            return TZ_CHAN_WAITS;
        *at = p.at;
        if (x->s.waits[p.at].ready)
            return TZ_CHAN_DONE;
        tz_chan_outcome outcome = tz_select_do(m, &x->s.cases[p.at]);
        if (outcome != TZ_CHAN_WAITS)
            return outcome;
    }
}

/* The same with all channels locked; then waits until something is reported. WAITS: look again. In user code
 * on return. */
static tz_chan_outcome sleep_on(tz_m *m, tz_mixed *x, size_t *at)
{
    tz_g *wake = NULL;
    uint32_t state = TZ_SELECT_OPEN;
    if (x->when != INT64_MAX)
        tz_timer_arm(m, &x->timer, x->when);
    tz_select_lock(m, &x->s);
    tz_chan_outcome outcome = tz_select_do_locked(m, &x->s, at, &wake);
    if (outcome == TZ_CHAN_WAITS) {
        m = tz_select_park(m, &x->s);
        state = tz_load_relaxed(&x->s.sel.state);
    } else {
        tz_select_unlock(&x->s);
    }
    if (x->when != INT64_MAX)
        tz_timer_disarm(&x->timer);
    if (state == TZ_SELECT_TAKEN)
        outcome = tz_select_taken(m, &x->s, at);
    else if (state == TZ_SELECT_POLLED)
        tz_netpoll_rewatch(m);
    if (wake)
        tz_select_ready(m, &x->s.cases[*at], wake);
    tz_leave(m);
    return outcome;
}

/* All others report, and there may be something already. */
static tz_chan_outcome watch(tz_mixed *x, size_t *at)
{
    tz_chan_outcome outcome;
    EACH_OTHER(x, watch);
    do {
        tz_store_relaxed(&x->s.sel.state, TZ_SELECT_OPEN);
        tz_fence_store_load(); /* pairs with tz_select_report's: it finds us open, or we what it reports */
        look(x);
        tz_m *m = tz_enter_movable();
        outcome = choose(m, x, at);
        if (outcome == TZ_CHAN_WAITS)
            outcome = sleep_on(m, x, at);
        else
            tz_leave(m);
    } while (outcome == TZ_CHAN_WAITS);
    EACH_OTHER(x, unwatch);
    return outcome;
}

/* In user code. */
static TZ_NOINLINE tz_chan_outcome mixed(tuza_case *cases, size_t n, bool wait, size_t *at)
{
    for (size_t i = 0; i < n; i++)
        if (!is_chan(&cases[i]) && !kind_of(&cases[i]))
            tz_panic_outside("tuza: select of an unknown kind of case");
    tz_selwait few[FEW];
    tz_mixed x = {.s = {.cases = cases, .n = n, .waits = get_waits(few, n), .shared = true},
                  .timer.fire = fire};
    EACH_OTHER(&x, begin);
    x.timer.home = x.s.outside ? NULL : tz_bubble_home();
    look(&x);
    tz_m *m = wait ? tz_enter_movable() : tz_enter();
    x.s.sel.g = m->g;
    tz_chan_outcome outcome = choose(m, &x, at);
    if (outcome == TZ_CHAN_WAITS && !wait) {
        outcome = select_chans(m, &x.s, false, false, at);
    } else {
        tz_leave(m);
        if (outcome == TZ_CHAN_WAITS)
            outcome = watch(&x, at);
    }
    EACH_OTHER(&x, end);
    put_waits(few, x.s.waits);
    return outcome;
}

/* ---- the public functions ---- */

/* What a look without locks has found. */
typedef struct look_result {
    int what;
    bool none; /* no channel is ready */
} look_result;

/* Everything but a channel that was ready at once; m has entered. WAITS: none is, and it was not to wait. */
static TZ_NOINLINE tz_chan_outcome select_any(tz_m *m, tuza_case *cases, size_t n, bool wait,
                                              look_result seen, size_t *at)
{
    if (seen.what & TZ_SELECT_OWNED)
        tz_panic(m, "tuza: send on a channel owned by the runtime");
    if (!(seen.what & TZ_SELECT_OTHERS))
        return slow(m, cases, n, seen.none, wait, at);
    tz_leave(m);
    return mixed(cases, n, wait, at);
}

/* The plain operation, which waits under its own name. */
static bool select_one(tuza_case *k)
{
    if (k->op == TUZA_CASE_SEND)
        tuza_chan_send(k->chan, k->elem);
    else if (k->op == TUZA_CASE_RECV)
        k->ok = tuza_chan_recv(k->chan, k->elem);
    else
        return false;
    return true;
}

/* A look without locks; DONE: it was enough. */
TZ_INLINE tz_chan_outcome quick(tz_m *m, tuza_case *cases, size_t n, look_result *seen, size_t *at)
{
    tz_pick p = {0};
    seen->what = tz_select_peek(m, cases, n, &p);
    seen->none = p.seen == 0;
    *at = p.at;
    return seen->what == 0 && p.seen ? tz_select_do(m, &cases[p.at]) : TZ_CHAN_WAITS;
}

size_t tuza_select(tuza_case *cases, size_t n)
{
    if (n == 1 && select_one(cases))
        return 0;
    tz_m *m = tz_enter_movable();
    if (TZ_UNLIKELY(n == 0))
        tz_park_forever(m, TZ_WAIT_SELECT_NONE);
    size_t at;
    look_result seen;
    tz_chan_outcome outcome = quick(m, cases, n, &seen, &at);
    if (outcome == TZ_CHAN_WAITS)
        outcome = select_any(m, cases, n, true, seen, &at);
    else
        tz_leave(m);
    if (TZ_UNLIKELY(outcome == TZ_CHAN_CLOSED))
        panic_closed();
    return at;
}

int tuza_try_select(tuza_case *cases, size_t n)
{
    tz_m *m = tz_enter();
    size_t at;
    look_result seen;
    tz_chan_outcome outcome = quick(m, cases, n, &seen, &at);
    if (outcome == TZ_CHAN_WAITS)
        outcome = select_any(m, cases, n, false, seen, &at);
    else
        tz_leave(m);
    if (TZ_UNLIKELY(outcome == TZ_CHAN_CLOSED))
        panic_closed();
    return outcome == TZ_CHAN_DONE ? (int)at : -1;
}
