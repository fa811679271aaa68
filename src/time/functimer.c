/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers that call a function, in a goroutine of its own for each call.
 *
 * Whether a call is prevented is decided under the timer's lock: by the stop
 * that finds it set, or by the fire that does. From the fire on the call
 * counts as started, though its goroutine may not have run yet; stop_wait
 * waits until none is. A call that has begun is on a list by the goroutine's
 * id, so that stop_wait knows when it is called by one.
 *
 * The calls end by a deferred function, so a panic and tuza_goexit end them
 * as a return does; and what the function itself has deferred is part of its
 * call, which is a boundary therefore.
 */
#include <stdlib.h>

#include "panic/panic.h"
#include "time/timer.h"
#include "tuza/panic.h"

typedef struct tz_functimer_run {
    struct tz_functimer_run *next;
    uint64_t goid;
    tz_functimer *f;
} run;

static void lock_timer(tz_m *m, tz_functimer *f)
{
    tz_spin_lock(&f->lock, m->p->alone);
}

static void unlock_timer(tz_m *m, tz_functimer *f)
{
    tz_spin_unlock(&f->lock, m->p->alone);
}

static void free_timer(void *arg)
{
    tz_functimer *f = arg;
    if (f->hooks)
        f->hooks->free(f);
    else
        free(f);
}

/* The end of a call, whichever. */
static void run_over(void *arg)
{
    run *r = arg;
    tz_functimer *f = r->f;
    tz_m *m = tz_enter();
    lock_timer(m, f);
    run **at = &f->runs;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    f->foreign -= tz_bubble_id_of(m) != f->t.bubble;
    if (--f->started == 0)
        for (tz_sudog *s; (s = tz_waitq_get(&f->waiters)) != NULL;)
            tz_ready(m, s->g);
    bool last = --f->refs == 0;
    unlock_timer(m, f);
    tz_leave(m);
    if (last)
        free_timer(f);
}

static void call(void *arg)
{
    tz_functimer *f = arg;
    run r = {.f = f};
    tz_m *m = tz_enter();
    lock_timer(m, f);
    r.goid = m->g->goid;
    r.next = f->runs;
    f->runs = &r;
    unlock_timer(m, f);
    tz_leave(m);
    TUZA_DEFER(run_over, &r);
    tuza_call(f->fn, f->arg);
}

/* By the reference of whoever starts it. Inside the runtime, under the lock, which it releases. */
static void start_locked(tz_m *m, tz_functimer *f)
{
    f->started++;
    f->foreign += tz_bubble_id_of(m) != f->t.bubble;
    unlock_timer(m, f);
    tz_newproc(m, call, f, f->pc);
}

/* Drops a reference. Inside the runtime, under the lock, which it releases. True: it was the last. */
static bool drop_locked(tz_m *m, tz_functimer *f)
{
    bool last = --f->refs == 0;
    unlock_timer(m, f);
    return last;
}

/* On g0, without the heap's lock. */
static void fire(tz_timer *timer, void *arg)
{
    tz_m *m = arg;
    tz_functimer *f = TZ_CONTAINER_OF(timer, tz_functimer, t.timer);
    lock_timer(m, f);
    if (f->t.when && f->t.when <= tz_now(m)) {
        f->t.when = 0;
        start_locked(m, f);
    } else if (drop_locked(m, f)) {
        tz_newproc(m, free_timer, f, NULL); /* the allocator is for user code */
    }
}

void tz_functimer_init(tz_functimer *f, void (*fn)(void *), void *arg, const void *pc,
                       const tz_functimer_hooks *hooks)
{
    if (!fn)
        tz_fatal("go of nil func value");
    tz_need_fire();
    tz_timer_init(&f->t, fire);
    f->fn = fn;
    f->arg = arg;
    f->pc = pc;
    f->hooks = hooks;
    f->refs = 1;
}

void tz_functimer_hook(tz_functimer *f, bool by_somebody)
{
    f->refs += by_somebody;
    f->hooked = true;
}

void tz_functimer_start(tz_functimer *f)
{
    tz_m *m = tz_enter();
    if (tz_pin_threads(&m) < 0)
        tz_throw("newosproc");
    lock_timer(m, f);
    bool last = false;
    if (f->hooked) {
        f->hooked = false;
        start_locked(m, f);
    } else {
        last = drop_locked(m, f);
    }
    tz_leave(m);
    if (last)
        free_timer(f);
}

void tz_functimer_drop(tz_functimer *f)
{
    tz_m *m = tz_enter();
    lock_timer(m, f);
    bool last = drop_locked(m, f);
    tz_leave(m);
    if (last)
        free_timer(f);
}

/* Under the lock: whether it was set. */
static bool unset(tz_functimer *f)
{
    bool active = f->t.when || f->hooked;
    f->t.when = 0;
    f->hooked = false;
    if (tz_timer_disarm(&f->t.timer))
        f->refs--; /* the caller has one */
    return active;
}

bool tz_functimer_stop(tz_functimer *f)
{
    tz_m *m = tz_enter();
    lock_timer(m, f);
    bool active = unset(f);
    unlock_timer(m, f);
    tz_leave(m);
    if (f->hooks)
        f->hooks->unhook(f);
    return active;
}

static bool is_in_call(tz_functimer *f, uint64_t goid)
{
    for (run *r = f->runs; r; r = r->next)
        if (r->goid == goid)
            return true;
    return false;
}

/* The calls that have started are waited for; f is not set. Not where the process ends, in a destructor, say:
 * they are other goroutines, which will not run again. */
static bool wait_for_calls(tz_functimer *f, bool active)
{
    tz_m *m = tz_enter_movable();
    lock_timer(m, f);
    if (f->started == 0 || is_in_call(f, m->g->goid) || tz_load_relaxed(&tz_sched.ending) == m) {
        unlock_timer(m, f);
        tz_leave(m);
        return active;
    }
    m->g->result = active;
    m->g->waiter.elem = NULL;
    tz_waitq_put(&f->waiters, &m->g->waiter);
    if (f->t.bubble && !f->foreign)
        tz_park_durably(m);
    return tz_park(m, TZ_WAIT_CALLBACK, &f->lock);
}

bool tz_functimer_stop_wait(tz_functimer *f)
{
    bool active = tz_functimer_stop(f);
    return wait_for_calls(f, active);
}

bool tz_functimer_reset(tz_functimer *f, int64_t ns)
{
    int64_t when = tz_time_after(ns);
    tz_m *m = tz_enter();
    if (tz_pin_threads(&m) < 0) /* a stop may have ended those that there were when f was made */
        tz_throw("newosproc");
    lock_timer(m, f);
    bool active = unset(f);
    f->t.when = when;
    f->refs++;
    tz_timer_arm(m, &f->t.timer, when);
    unlock_timer(m, f);
    tz_leave(m);
    if (f->hooks)
        f->hooks->unhook(f);
    return active;
}
