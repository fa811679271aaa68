/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TUZA_SCHED_SEED=seed: a schedule that can be had again.
 *
 * There is one P, whatever GOMAXPROCS says, and what runs next on it is drawn
 * from its queue by the seed; so is whether a goroutine that makes a call
 * that may block gives way first, and whatever else is said to be random: a
 * select's choice, the order of timers that are due together in a bubble. An
 * order in which a program fails is thus found by trying seeds, and stays
 * found.
 *
 * Each switch then goes by g0, since tz_next gives it nothing (fair_at), and
 * each entry the slow way (the SLOW bit of m->retake): nothing of this is on
 * a path of programs without a seed.
 *
 * Not in the seed's hands is what comes from outside: when a descriptor is
 * ready, a signal comes, a thread that tuza did not make calls, or the time
 * of a timer has come (in a bubble that too is the program's own doing). Nor
 * when a blocking call is over: so sysmon takes the P of a goroutine that is
 * stuck, in a call or in a loop, only after a second (TZ_SEED_SLICE_NS), lest a
 * program that waits for one of its own goroutines in that way hang.
 */
#include <stdlib.h>

#include "os/os.h"
#include "sched/proc.h"
#include "sched/sched.h"

#define WINDOW       128u /* so many of the oldest on the queue are drawn from */
#define YIELD_ONE_IN 4

static uint64_t state; /* own by who has the P */

static const char *text(void)
{
    const char *seed = tz_os_getenv("TUZA_SCHED_SEED");
    return seed && *seed ? seed : NULL;
}

bool tz_seed_wanted(void)
{
    return text() != NULL;
}

void tz_seed_init(void)
{
    const char *seed = text();
    tz_sched.seeded = seed != NULL;
    state = seed ? strtoull(seed, NULL, 0) : 0;
}

/* splitmix64: seeds that are near each other have nothing else in common. */
uint64_t tz_seed_rand(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

tz_m *tz_seed_entry(tz_m *m, bool movable)
{
    return movable && tz_rand_order(m, YIELD_ONE_IN) == 0 ? tz_yield(m) : m;
}

tz_work *tz_seed_next(tz_m *m)
{
    tz_p *p = m->p;
    p->fair_at = p->switches; /* the next switch comes here as well */
    tz_work *w = tz_runnext_get(p);
    if (w)
        tz_runq_put(p, w);
    uint32_t head = tz_load_relaxed(&p->runq_head);
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    while (p->runq_tail - head < WINDOW && (w = tz_globq_get_fair()) != NULL)
        tz_runq_put(p, w);
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    uint32_t n = p->runq_tail - head;
    if (n > 1) { /* there is no thief: the ring is the owner's */
        tz_work **first = &p->runq[head % TZ_RUNQ_SIZE];
        tz_work **drawn = &p->runq[(head + tz_rand_order(m, n < WINDOW ? n : WINDOW)) % TZ_RUNQ_SIZE];
        w = *first;
        tz_store_relaxed(first, *drawn);
        tz_store_relaxed(drawn, w);
    }
    return tz_runq_get(p);
}
