/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What AddressSanitizer and ThreadSanitizer must be told: that stacks are
 * switched. In builds without them nothing of this exists.
 */
#ifndef TZ_SANITIZER_H
#define TZ_SANITIZER_H

#include "sched/gmp.h"

#if TZ_INSTRUMENTED
/* g, free until now, begins a goroutine. */
void tz_sanitizer_begin_g(tz_g *g);
/* The calling thread is m's: g0's stack and fiber. */
void tz_sanitizer_new_m(tz_m *m);
void tz_sanitizer_switching(tz_m *m, tz_g *next);
void tz_sanitizer_switched(tz_m *m);
/* libc has gone back from left's stack to the thread's own. */
void tz_sanitizer_back_on_thread(tz_m *m, tz_g *left);
#else
TZ_INLINE void tz_sanitizer_begin_g(tz_g *g)
{
    (void)g;
}
TZ_INLINE void tz_sanitizer_new_m(tz_m *m)
{
    (void)m;
}
TZ_INLINE void tz_sanitizer_back_on_thread(tz_m *m, tz_g *left)
{
    (void)m, (void)left;
}
#endif

#endif /* TZ_SANITIZER_H */
