/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers of programs: what is the same for both kinds. */
#include <stdlib.h>

#include "base/fatal.h"
#include "panic/panic.h"
#include "time/timer.h"

#define STOP_OUTSIDE "stop of synctest timer from outside bubble"

int64_t tz_time_after(int64_t ns)
{
    int64_t now = tz_now(tz_self_m), when;
    if (ns <= 0)
        return now;
    return __builtin_add_overflow(now, ns, &when) ? INT64_MAX : when;
}

void tz_timer_init(tuza_timer *t, void (*fire)(tz_timer *t, void *m))
{
    t->timer.fire = fire;
    t->timer.unlocked = t->timer.lasts = true;
    t->timer.home = tz_bubble_home();
    t->bubble = tz_bubble_id();
}

/* Timers of a bubble are for its own goroutines. */
static void check_bubble(const tuza_timer *t, const char *text)
{
    if (TZ_UNLIKELY(t->bubble) && t->bubble != tz_bubble_id())
        tz_fatal(text);
}

static tz_functimer *func_of(tuza_timer *t)
{
    return TZ_CONTAINER_OF(t, tz_functimer, t);
}

tuza_timer *tuza_timer_new(int64_t ns)
{
    return tz_chantimer_make(ns, 0);
}

tuza_timer *tuza_ticker_new(int64_t ns)
{
    if (ns <= 0)
        tz_panic_outside("non-positive interval for NewTicker");
    return tz_chantimer_make(ns, ns);
}

tuza_timer *tuza_after_func(int64_t ns, void (*fn)(void *), void *arg)
{
    tz_functimer *f = calloc(1, sizeof *f);
    if (!f)
        tz_throw("out of memory");
    tz_functimer_init(f, fn, arg, __builtin_return_address(0), NULL);
    tz_functimer_reset(f, ns);
    return &f->t;
}

tuza_chan *tuza_timer_chan(tuza_timer *t)
{
    return t ? t->chan : NULL;
}

static bool stop(tuza_timer *t)
{
    return t->chan ? tz_chantimer_stop(t) : tz_functimer_stop(func_of(t));
}

bool tuza_timer_stop(tuza_timer *t)
{
    if (!t)
        tz_panic_outside("time: Stop called on uninitialized Timer");
    check_bubble(t, STOP_OUTSIDE);
    return stop(t);
}

bool tuza_timer_stop_wait(tuza_timer *t)
{
    if (!t)
        tz_panic_outside("time: Stop called on uninitialized Timer");
    check_bubble(t, STOP_OUTSIDE);
    return t->chan ? tz_chantimer_stop(t) : tz_functimer_stop_wait(func_of(t));
}

bool tuza_timer_reset(tuza_timer *t, int64_t ns)
{
    if (!t)
        tz_panic_outside("time: Reset called on uninitialized Timer");
    check_bubble(t, "reset of synctest timer from outside bubble");
    if (!t->chan)
        return tz_functimer_reset(func_of(t), ns);
    if (t->is_ticker && ns <= 0)
        tz_panic_outside("non-positive interval for Ticker.Reset");
    return tz_chantimer_reset(t, ns);
}

void tuza_timer_detach(tuza_timer *t)
{
    if (!t)
        return;
    if (t->chan)
        tuza_chan_unref(t->chan);
    else
        tz_functimer_drop(func_of(t));
}

void tuza_timer_free(tuza_timer *t)
{
    if (!t)
        return;
    stop(t); /* from anywhere: a timer may well be freed when its bubble is over */
    tuza_timer_detach(t);
}
