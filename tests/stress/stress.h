/* SPDX-License-Identifier: BSD-3-Clause */
/* What the stress programs share: how much to do, and random numbers from a printed seed (TUZA_STRESS_SEED
 * sets it). */
#ifndef STRESS_H
#define STRESS_H

#include "go/help.h"

/* A share of the whole: all of it in release builds without chaos, whose every entry is slow. */
static inline long stress_amount(long n)
{
    n /= SCALE;
    if (help_chaos() || getenv("TUZA_TEST_NO_MEMBARRIER"))
        n /= 10;
    return n;
}

static uint64_t stress_seed;

static __attribute__((constructor)) void stress_init(void)
{
    const char *text = getenv("TUZA_STRESS_SEED");
    stress_seed = text ? strtoull(text, NULL, 0) : (uint64_t)tuza_now();
    fprintf(stderr, "TUZA_STRESS_SEED=%llu\n", (unsigned long long)stress_seed);
}

typedef struct stress_random {
    uint64_t state;
} stress_random;

static inline stress_random stress_start(uint64_t stream)
{
    return (stress_random){(stress_seed + stream * 0x9e3779b97f4a7c15u) | 1};
}

static inline uint32_t stress_next(stress_random *r, uint32_t below)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return (uint32_t)(r->state >> 24) % below;
}

/* Until only main is left; the bound is for the suite's slowest machine. */
static inline void settle_slowly(void)
{
    double end = tz_test_seconds() + 800;
    while (tuza_num_goroutine() > 1) {
        CHECK(tz_test_seconds() < end);
        tuza_sleep(TUZA_MILLISECOND);
    }
}

#endif /* STRESS_H */
