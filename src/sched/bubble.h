/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bubble: goroutines that live in a time of their own (Go's synctest).
 *
 * Which block it is and its number are two things: blocks are type-stable, as
 * those of G, M and P, and used again; the number never is. Channels, timers
 * and contexts remember the number of the bubble they were made in.
 */
#ifndef TZ_BUBBLE_H
#define TZ_BUBBLE_H

#include "sched/gmp.h"

struct tz_bubble {
    uint64_t id;   /* const until the block is used again; peeked */
    tz_g *root;    /* const: who called, and moves time on; belongs to it, and is in no count */
    uint64_t main; /* const: the id of its first goroutine */

    tz_lock lock;     /* TZ_RANK_BUBBLE, for what follows */
    uint32_t total;   /* goroutines that have not ended */
    uint32_t running; /* those of them that are not durably blocked */
    uint32_t active;  /* 1: one of those below was woken to look after it, and has not done so yet */
    bool done;        /* main has ended: time stands still */
    bool waiting;     /* a goroutine is in tuza_bubble_wait, */
    tz_g *waiter;     /* and is parked there, or NULL */

    int64_t now;      /* written by the root, while nothing runs; peeked */
    tz_timers timers; /* its home */
    tz_bubble *link;  /* the next free one */
};

/* What a run comes to; 0, or a negative errno where it has not begun. */
enum { TZ_BUBBLE_BLOCKED = 1, TZ_BUBBLE_REMAIN };

/* Runs fn(arg) as the first goroutine of a new bubble, until all of them have ended, or can't. The caller, in
 * user code, is in no bubble. */
int tz_bubble_run(void (*fn)(void *), void *arg, const void *pc);
/* The text of the panic for what is above 0: always the same pointer. */
const char *tz_bubble_deadlock(int result);
/* Until all other goroutines of the caller's bubble are durably blocked. False: somebody waits already.
 * In user code; comes back on any thread. */
bool tz_bubble_wait(void);

/* The calling goroutine is as in no bubble, for what belongs to all, like the timer of a pool; it counts as
 * one of its bubble that runs. Returns what it goes back with. In user code. */
uint16_t tz_bubble_step_out(void);
void tz_bubble_step_in(uint16_t was);

/* newproc.c's: g, which is about to become runnable, belongs to the bubble of m->g, which has one. */
void tz_bubble_join(tz_m *m, tz_g *g);
/* And m->g ends. */
void tz_bubble_end(tz_m *m);

/* The number of g's bubble, 0 without one; from any thread. */
uint64_t tz_bubble_of(const tz_g *g);
/* Whose deadlock the report that is being made is about: also shows its goroutines. 0: no bubble's. */
extern uint64_t tz_bubble_reported;
/* g dies of this panic: if that tells of a bubble's deadlock, it is that one's report. */
void tz_bubble_died(const tz_g *g, const char *text);

/* newproc.c: starts fn(arg) in the bubble of m->g; 0 or a negative errno. In user code. */
int tz_start_in_bubble(void (*fn)(void *), void *arg, const void *pc);

#endif /* TZ_BUBBLE_H */
