/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers and tickers with a channel.
 *
 * There is no buffer and nothing is ever sent: a value is there when the time
 * has come and the timer is still set, which whoever receives finds out by
 * looking at the clock. So nothing stale can be received after a stop or a
 * reset, and a timer that nobody waits for costs nobody anything: it is in a
 * heap only while a goroutine is blocked on its channel (a select may have
 * given up on it since, which then takes the timer off). Then the fire hands
 * the value to the first one.
 *
 * Invariant, under the channel's lock: where somebody waits and the timer is
 * set, it is in a heap, or a fire is on its way to the lock.
 *
 * The timer lies in its channel's memory, and goes with the last reference to
 * that: the program's, and one for each fire to come.
 */
#include "os/os.h"
#include "time/timer.h"

typedef struct chantimer {
    tz_chan_source source;
    tuza_timer t;
} chantimer;

static tuza_timer *timer_of(tz_chan_source *s)
{
    return &TZ_CONTAINER_OF(s, chantimer, source)->t;
}

static void arm(tz_m *m, tuza_timer *t)
{
    if (!tz_timer_disarm(&t->timer))
        tuza_chan_ref(t->chan);
    tz_timer_arm(m, &t->timer, t->when);
}

static void disarm(tuza_timer *t)
{
    if (tz_timer_disarm(&t->timer))
        tz_chan_drop(t->chan); /* not the last: the caller has one */
}

/* t->when, which source_is_due peeks at. */
static void set_when(tuza_timer *t, int64_t when)
{
    tz_store_relaxed(&t->when, when);
}

/* What a ticker that was due at t->when waits for next. It goes on on its grid: what nobody took in time is
 * left out. */
static int64_t next_tick(const tuza_timer *t, int64_t now)
{
    int64_t when;
    if (__builtin_add_overflow(t->when, (now - t->when) / t->period * t->period, &when) ||
        __builtin_add_overflow(when, t->period, &when))
        return INT64_MAX;
    return when;
}

/* On the clock of where the timer was made. */
static int64_t now_of(const tuza_timer *t, tz_m *m)
{
    return t->bubble ? tz_now(m) : tz_os_now();
}

static bool is_due(const tuza_timer *t, int64_t now)
{
    return t->when && t->when <= now;
}

/* The value that is there, t being due: when it was. */
static int64_t take(tuza_timer *t, int64_t now)
{
    int64_t value = t->when;
    set_when(t, t->is_ticker ? next_tick(t, now) : 0);
    return value;
}

static bool source_is_due(tz_chan_source *s, tz_m *m)
{
    int64_t when = tz_load_relaxed(&timer_of(s)->when);
    return when && when <= now_of(timer_of(s), m);
}

static bool source_take(tz_chan_source *s, tz_m *m, int64_t *value)
{
    tuza_timer *t = timer_of(s);
    int64_t now = now_of(t, m);
    if (!is_due(t, now))
        return false;
    *value = take(t, now);
    return true;
}

static void source_wait(tz_chan_source *s, tz_m *m)
{
    tuza_timer *t = timer_of(s);
    if (t->when && !t->chan->recvq.first)
        arm(m, t);
}

static void source_leave(tz_chan_source *s)
{
    disarm(timer_of(s));
}

static void free_chan(void *c)
{
    tz_chan_free(c);
}

/* On g0, without the heap's lock. */
static void fire(tz_timer *timer, void *arg)
{
    tz_m *m = arg;
    tuza_timer *t = TZ_CONTAINER_OF(timer, tuza_timer, timer);
    tuza_chan *c = t->chan;
    bool alone = m->p->alone;
    tz_g *g = NULL;
    tz_spin_lock(&c->lock, alone);
    int64_t now = now_of(t, m);
    tz_sudog *s = is_due(t, now) ? tz_chan_claim(c) : NULL;
    if (s) {
        int64_t value = take(t, now);
        g = tz_chan_give(s, &value);
    }
    if (c->recvq.first && t->when)
        arm(m, t);
    tz_spin_unlock(&c->lock, alone);
    if (g)
        tz_ready_behind(m, g);
    if (tz_chan_drop(c))
        tz_newproc(m, free_chan, c, NULL); /* the allocator is for user code */
}

tuza_timer *tz_chantimer_make(int64_t ns, int64_t period)
{
    tuza_chan *c = tz_chan_make_owned(sizeof(int64_t), sizeof(chantimer), tz_bubble_id());
    chantimer *ct = (chantimer *)(void *)c->buf;
    ct->source = (tz_chan_source){source_is_due, source_take, source_wait, source_leave};
    ct->t = (tuza_timer){
        .when = tz_time_after(ns),
        .period = period,
        .is_ticker = period != 0,
        .chan = c,
    };
    tz_timer_init(&ct->t, fire);
    return &ct->t;
}

bool tz_chantimer_stop(tuza_timer *t)
{
    tz_m *m = tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(&t->chan->lock, alone);
    bool active = t->when != 0;
    set_when(t, 0);
    disarm(t);
    tz_spin_unlock(&t->chan->lock, alone);
    tz_leave(m);
    return active;
}

bool tz_chantimer_reset(tuza_timer *t, int64_t ns)
{
    tz_m *m = tz_enter();
    bool alone = m->p->alone;
    tz_spin_lock(&t->chan->lock, alone);
    bool active = t->when != 0;
    set_when(t, tz_time_after(ns)); /* under the lock: later than any value that was received */
    if (t->is_ticker)
        t->period = ns;
    if (t->chan->recvq.first)
        arm(m, t);
    tz_spin_unlock(&t->chan->lock, alone);
    tz_leave(m);
    return active;
}
