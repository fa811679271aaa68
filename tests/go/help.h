/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests on goroutines share. A test waits for events, never for a
 * length of time: the bound only turns a hang into a failure.
 */
#ifndef TZ_GO_HELP_H
#define TZ_GO_HELP_H

#include <tuza.h>

#include "tz_test.h"

#if defined(__has_feature)
#define HELP_HAS(feature) __has_feature(feature)
#else
#define HELP_HAS(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || HELP_HAS(thread_sanitizer)
#define HELP_TSAN 1
#else
#define HELP_TSAN 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HELP_HAS(address_sanitizer)
#define HELP_ASAN 1
#else
#define HELP_ASAN 0
#endif

/* Whether the processor is emulated, as far as the suite goes;
 * by how much less to do where things are slow. */
#if defined(__aarch64__)
#define HELP_EMULATED 1
#else
#define HELP_EMULATED 0
#endif

/* Whether a child of a process with threads can do more than exec and exit: ThreadSanitizer forbids it,
 * AddressSanitizer's allocator may be locked there by a thread that was just starting, qemu 7.2 asserts. */
#define HELP_FORKS (!HELP_TSAN && !HELP_ASAN && !HELP_EMULATED)

#define SCALE (HELP_TSAN || HELP_EMULATED ? 20 : HELP_ASAN ? 10 : 1)

#ifndef BOUND_S
#define BOUND_S 120
#endif

#define flag_get(f)    __atomic_load_n((f), __ATOMIC_ACQUIRE)
#define flag_set(f, v) __atomic_store_n((f), (v), __ATOMIC_RELEASE)
#define flag_add(f, v) __atomic_add_fetch((f), (v), __ATOMIC_ACQ_REL)

/* Waits on a goroutine, parked in between. */
#define EVENTUALLY(cond)                                                   \
    do {                                                                   \
        double end_ = tz_test_seconds() + BOUND_S;                         \
        while (!(cond)) {                                                  \
            if (tz_test_seconds() > end_)                                  \
                tz_test_fail(__FILE__, __LINE__, "EVENTUALLY(%s)", #cond); \
            tuza_sleep(TUZA_MILLISECOND / 2);                              \
        }                                                                  \
    } while (0)

/* Waits without a call of tuza: from a plain thread, or to be stuck in a loop. */
#define SPIN_UNTIL(cond)                                                   \
    do {                                                                   \
        double end_ = tz_test_seconds() + BOUND_S;                         \
        while (!(cond))                                                    \
            if (tz_test_seconds() > end_)                                  \
                tz_test_fail(__FILE__, __LINE__, "SPIN_UNTIL(%s)", #cond); \
    } while (0)

#define GO(fn, arg) CHECK_EQ(tuza_go((fn), (arg)), 0)

static inline bool help_chaos(void)
{
    const char *seed = getenv("TUZA_CHAOS");
    return seed && *seed;
}

/* Waits until only `left` goroutines are there: the others use no channel any more,
 * which can then be unref'd. */
static inline void settle(int left)
{
    EVENTUALLY(tuza_num_goroutine() <= left);
}

static inline bool try_recv(tuza_chan *c, void *elem)
{
    return tuza_chan_try_recv(c, elem, NULL);
}

#endif /* TZ_GO_HELP_H */
