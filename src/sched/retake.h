/* SPDX-License-Identifier: BSD-3-Clause */
/* Taking the P of an M that is in user code: see retake.c for the protocol. */
#ifndef TZ_RETAKE_H
#define TZ_RETAKE_H

#include "sched/gmp.h"

/* Chooses membarrier or full fences, and chaos mode's slow entries. Before the first M runs. */
void tz_retake_init(void);

/* The M's side, inside the runtime: answers a request; returns NONE, YIELD or STOLEN. */
uint32_t tz_retake_answer(tz_m *m);
/* The M has a P again, or rests: STOLEN or YIELD becomes NONE. */
void tz_retake_clear(tz_m *m);
/* The M robs itself: it is about to leave the runtime without its P. */
void tz_retake_self(tz_m *m);

/* The retaker's side. Takes m's P if m is in user code, and, unless seq is 0, still in the stretch of it that
 * had that counter; NULL where not. A refused request leaves a yield request behind. */
tz_p *tz_retake(tz_m *m, uint64_t seq);
/* Whether m is in user code with p; then p->alone is cleared before m is inside again (solo.c). */
bool tz_retake_lend(tz_m *m, tz_p *p);
/* Asks m to give way at its next blocking call. */
void tz_retake_yield(tz_m *m);

#endif /* TZ_RETAKE_H */
