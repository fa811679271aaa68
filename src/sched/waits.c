/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Since when a goroutine waits, for "[chan receive, 3 minutes]".
 *
 * Go takes the time at each park. That is a load and a store more on the path
 * of every switch, for something that nobody asks for but in a crash. Here a
 * thread with time on its hands goes over all goroutines now and then and
 * notes in g->wait_reason of those that wait when it saw them so first. The
 * next park stores its plain reason there and so wipes the note: park knows
 * nothing of this. Should a goroutine have been woken and be parked again
 * just before the compare-and-swap that makes the note, it is right as well.
 *
 * So a wait is counted from the first round that saw it, up to ten seconds
 * late: a round is made every ten seconds while something runs, and once
 * more after that, which sees whatever waits while all is idle. Where a round
 * takes long there are fewer of them: a thousandth of one processor.
 */
#include "os/os.h"
#include "sched/proc.h"
#include "sched/traceback.h"

#define SHARE     1000
#define UNIT      20 /* times are kept in 2^20 ns */
#define MINUTE    ((int64_t)60000000000)
#define NOTE(now) ((uint64_t)(now) >> UNIT << TZ_WAIT_BITS)

int64_t tz_waits_every = 10000000000;
static int64_t due;  /* atomic: when the next round is made; 0: none is wanted */
static int64_t next; /* the thread's: not before */

static void look(tz_g *g, int64_t now)
{
    uint64_t reason = tz_load_relaxed(&g->wait_reason);
    if (tz_load_relaxed(&g->status) == TZ_G_WAITING && !(reason >> TZ_WAIT_BITS))
        (void)tz_cas_relaxed(&g->wait_reason, &reason, reason | NOTE(now));
}

static bool look_at_slot(tz_stack *s, void *now)
{
    look((tz_g *)(void *)s, *(int64_t *)now);
    return true;
}

void tz_waits_look(int64_t now)
{
    tz_stack_each(look_at_slot, &now);
    for (tz_m *m = tz_load_acquire(&tz_sched.allm); m; m = tz_load_acquire(&m->alllink))
        if (m->foreign)
            look(&m->g0_block, now);
}

int64_t tz_waits_since(uint64_t reason)
{
    return (int64_t)(reason >> TZ_WAIT_BITS << UNIT);
}

uint64_t tz_waits_minutes(uint64_t reason, int64_t now)
{
    int64_t since = tz_waits_since(reason);
    return since && now > since ? (uint64_t)((now - since) / MINUTE) : 0;
}

void tz_waits_want(int64_t now)
{
    if (tz_load_relaxed(&due))
        return;
    tz_store_relaxed(&due, now > tz_load_relaxed(&next) ? now : tz_load_relaxed(&next));
    tz_symbolizer_kick();
}

int64_t tz_waits_run(void)
{
    int64_t at = tz_load_relaxed(&due), now = tz_os_now();
    if (!at)
        return TZ_OS_FOREVER;
    if (now < at)
        return at;
    tz_store_relaxed(&due, 0); /* first: what is wanted during the round is another one */
    tz_waits_look(now);
    int64_t took = tz_os_now() - now;
    int64_t pause = SHARE * took > tz_waits_every ? SHARE * took : tz_waits_every;
    tz_store_relaxed(&next, now + pause);
    return TZ_OS_FOREVER;
}
