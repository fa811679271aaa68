/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers of programs, as the files of time/ and context/ see them.
 *
 * Of both kinds `when` is when the timer is due, and 0 where it is not set:
 * stopped, or over. It changes under the timer's lock (the channel's, or the
 * timer's own), and so does whether the timer is in a heap. What it does when
 * it fires is decided under that lock, by `when`: a fire that comes late,
 * after a stop or a reset, finds nothing to do.
 *
 * A heap holds a reference to what it may still fire: the fire has it then.
 */
#ifndef TZ_TIME_TIMER_H
#define TZ_TIME_TIMER_H

#include "chan/chan.h"
#include "tuza/time.h"

struct tuza_timer {
    tz_timer timer;
    int64_t when;    /* under the lock */
    int64_t period;  /* a ticker's, under the lock */
    bool is_ticker;  /* const */
    tuza_chan *chan; /* const; NULL: a tz_functimer's */
    uint64_t bubble; /* const: the number of the bubble that it was made in, and is to be used in; 0: none */
};

/* A new one, zero till now, of the caller's bubble, if it is in one. */
void tz_timer_init(tuza_timer *t, void (*fire)(tz_timer *t, void *m));
/* ns from now on the caller's clock, where time ends at INT64_MAX; never 0. */
int64_t tz_time_after(int64_t ns);

/* chantimer.c */
tuza_timer *tz_chantimer_make(int64_t ns, int64_t period);
bool tz_chantimer_stop(tuza_timer *t);
bool tz_chantimer_reset(tuza_timer *t, int64_t ns);

/*
 * functimer.c: a timer that starts goroutines. One that is hooked is started
 * by something else than time, as long as nobody stops it: what that is has
 * the hooks, and a reference.
 */
typedef struct tz_functimer tz_functimer;
typedef struct tz_functimer_hooks {
    /* It is not to be started any more: takes it off where it waits, and drops its reference, or leaves that
     * to whoever is just about to start it. Any number of times; in user code. */
    void (*unhook)(tz_functimer *f);
    /* The last reference is gone: frees it; in user code. */
    void (*free)(tz_functimer *f);
} tz_functimer_hooks;

struct tz_functimer {
    tuza_timer t;
    tz_spin lock;
    void (*fn)(void *);              /* const */
    void *arg;                       /* const */
    const void *pc;                  /* const: where it was asked for */
    const tz_functimer_hooks *hooks; /* const; NULL: none */

    /* Under the lock. */
    uint32_t refs;    /* the program's, the heap's, the hook's, and one for each that was started */
    uint32_t started; /* and has not returned */
    uint32_t foreign; /* those of them that are not of t.bubble's goroutines */
    bool hooked;
    struct tz_functimer_run *runs; /* those of them that have begun */
    tz_waitq waiters;              /* until none is left */
};

/* f is zero but for what its owner keeps behind it. It is not set; the caller has the first reference. Starts
 * the runtime's threads. */
void tz_functimer_init(tz_functimer *f, void (*fn)(void *), void *arg, const void *pc,
                       const tz_functimer_hooks *hooks);
/* It is set, without a time, before anybody else has it. By somebody: with a reference for who will start it,
 * or drop that; else for ever. */
void tz_functimer_hook(tz_functimer *f, bool by_somebody);
/* Starts it, where it is still hooked, by the hook's reference. In user code. */
void tz_functimer_start(tz_functimer *f);
/* In user code. */
void tz_functimer_drop(tz_functimer *f);
bool tz_functimer_stop(tz_functimer *f);
bool tz_functimer_stop_wait(tz_functimer *f);
bool tz_functimer_reset(tz_functimer *f, int64_t ns);

#endif /* TZ_TIME_TIMER_H */
