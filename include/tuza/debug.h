/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The runtime seen from outside: what goroutines, threads and processors do
 * just now, and how often things have happened since it started.
 *
 * The figures are taken one after the other while everything runs on, so they
 * need not add up to the last one. Counts "since the start" never go back,
 * but wrap at their type's size: what happened between two looks is their
 * difference in that type.
 */
#ifndef TUZA_DEBUG_H
#define TUZA_DEBUG_H

#include "tuza/base.h"

TUZA_BEGIN_DECLS

/* How many goroutines wait for one thing, called as in a traceback ("chan receive"). */
typedef struct tuza_stats_wait {
    const char *reason; /* static */
    uint64_t count;
} tuza_stats_wait;

#define TUZA_STATS_WAITS 32

typedef struct tuza_stats {
    int64_t time; /* when they were taken, on tuza_now's clock */

    /* Goroutines. */
    uint64_t running;                        /* on a thread, stuck there or not */
    uint64_t runnable;                       /* queued */
    uint64_t waiting;                        /* parked; by reason: */
    tuza_stats_wait waits[TUZA_STATS_WAITS]; /* those with a count, the rest all zero */

    /* Threads. */
    uint32_t threads;          /* of tuza's, and of others that call it */
    uint32_t threads_idle;     /* rest, for want of work or of a processor */
    uint32_t threads_spinning; /* look for work */
    uint32_t threads_stuck;    /* run a goroutine in a blocking call or a loop, their processor taken away */
    uint32_t threads_locked;   /* wait for the goroutine that is locked to them */

    /* Processors. */
    uint32_t procs; /* GOMAXPROCS */
    uint32_t procs_idle;
    uint32_t queue;  /* goroutines on the queue that all of them share */
    uint64_t timers; /* that are set */

    /* Since the start. */
    uint32_t switches;   /* from one goroutine to another, or to none */
    uint32_t wakes;      /* of a sleeping thread, to run goroutines */
    uint32_t steals;     /* by one processor from another's queue */
    uint32_t stolen;     /* goroutines so taken */
    uint32_t retakes;    /* of a processor from a stuck goroutine */
    uint32_t handoffs;   /* of a processor by a goroutine that is known to get stuck */
    uint32_t polled;     /* goroutines woken because their descriptor was ready */
    uint64_t timers_run; /* timers that came due, sleeps included */
} tuza_stats;

typedef enum tuza_proc_state {
    TUZA_PROC_IDLE,  /* nothing to run */
    TUZA_PROC_READY, /* work, and no thread yet */
    TUZA_PROC_RUNNING,
    TUZA_PROC_STOPPED, /* the world is stopped */
} tuza_proc_state;

/* One processor. */
typedef struct tuza_stats_proc {
    tuza_proc_state state;
    int64_t thread;    /* the number of the thread that has it, -1: none */
    uint32_t queue;    /* goroutines on its own queue */
    uint32_t timers;   /* timers it looks after */
    uint32_t switches; /* since the start, as the next three */
    uint32_t steals;
    uint32_t retakes;
    uint32_t handoffs;
} tuza_stats_proc;

/*
 * Takes all figures of tuza_stats. Before the first goroutine, and after the
 * last tuza_stop, there is little to see.
 *
 * Blocks: never; it looks at each goroutine there is (some ten nanoseconds
 * each). Callable from: any thread. Go: runtime/metrics.Read.
 */
TUZA_API void tuza_stats_get(tuza_stats *stats) TUZA_NONNULL(1);

/*
 * The first n processors, in order. procs may be NULL where n is 0.
 *
 * Blocks: never. Returns: how many there are, which may be more than n.
 * Callable from: any thread. Go: GODEBUG=schedtrace.
 */
TUZA_API size_t tuza_stats_procs(tuza_stats_proc *procs, size_t n);

/*
 * From now on goroutines that have been blocked for longer than ns nanoseconds
 * are shown on standard error, in the form of a traceback, behind a line
 * "tuza: blocked for more than N ms:"; each once for a wait, at the latest
 * when it has lasted half as long again (times below 4 ms: some milliseconds
 * more). Whatever a goroutine may be blocked on counts, but a sleep. ns <= 0
 * turns it off. TUZA_DEBUG=blocked=MS in the environment is the same from the
 * start on.
 *
 * While it is on, a thread looks at all goroutines four times in that length,
 * and stops them for a moment when it has something to show. While it is off
 * it costs nothing.
 *
 * Blocks: never. Returns: 0, or a negative errno where there can be no thread.
 * Callable from: any thread. Go: the goroutine profile, looked at by hand.
 */
TUZA_API int tuza_report_blocked(int64_t ns);

TUZA_END_DECLS

#endif /* TUZA_DEBUG_H */
