/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TUZA_CHAOS=seed: the rare made common. Every entry of the runtime then
 * takes the slow way (the SLOW bit of m->retake) and comes here, where now
 * and then the goroutine gives way, loses its P, is sent to the global queue
 * and another M, or another M is woken.
 *
 * The seed is printed, and with the thread's own order of entries decides
 * what happens; the kernel's scheduling is not replayed.
 */
#include <stdlib.h>

#include "base/fatal.h"
#include "os/os.h"
#include "sched/proc.h"
#include "sched/retake.h"
#include "sched/sched.h"
#include "tuza/go.h"

void tz_chaos_init(void)
{
    const char *text = tz_os_getenv("TUZA_CHAOS");
    if (!text || !*text)
        return;
    uint64_t seed = strtoull(text, NULL, 0);
    seed = (seed ^ (seed >> 32)) & UINT32_MAX;
    tz_sched.chaos = seed ? (uint32_t)seed : 1;
    char buf[24];
    tz_print("TUZA_CHAOS=", tz_decimal(buf, tz_sched.chaos), "\n", NULL);
}

tz_m *tz_chaos_entry(tz_m *m, bool movable)
{
    uint64_t r = tz_rand(m);
    switch (r % 64) {
    case 0: /* as if robbed while it was away */
    case 1: {
        tz_p *p = m->p;
        tz_retake_self(m);
        tz_handoffp(p);
        return tz_regain(m, movable);
    }
    case 2: /* the kernel takes the processor */
        tz_os_yield();
        return m;
    case 3: /* work for an idle P */
        tz_wakep();
        return m;
    case 4:
    case 5:
    case 6:
    case 7: /* a slice used up */
        return movable ? tz_yield(m) : m;
    case 8: /* the goroutine is taken for a blocker */
        m->g->leave = m->foreign ? 1 : (uint16_t)((r >> 32) % 6);
        m->g->left_at = 0;
        return m;
    default:
        return m;
    }
}
