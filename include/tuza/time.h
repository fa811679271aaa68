/* SPDX-License-Identifier: BSD-3-Clause */
/* Time: int64_t nanoseconds on the monotonic clock. */
#ifndef TUZA_TIME_H
#define TUZA_TIME_H

#include "tuza/base.h"

TUZA_BEGIN_DECLS

/* A microsecond, a millisecond, a second, in nanoseconds. */
#define TUZA_MICROSECOND ((int64_t)1000)
#define TUZA_MILLISECOND ((int64_t)1000000)
#define TUZA_SECOND      ((int64_t)1000000000)

/*
 * Nanoseconds on the monotonic clock, from an arbitrary start; always > 0.
 * Blocks: never. Callable from: anywhere, signal handlers too.
 * Go: the monotonic part of time.Now.
 */
TUZA_API int64_t tuza_now(void) TUZA_NOEXCEPT;

/*
 * Parks the caller for at least ns nanoseconds. ns <= 0 returns at once,
 * without a yield. A time that overflows the clock is never reached.
 * Blocks: goroutine. Callable from: any thread. Go: time.Sleep.
 */
TUZA_API void tuza_sleep(int64_t ns);

TUZA_END_DECLS

#endif /* TUZA_TIME_H */
