/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An idle program costs nothing: CPU time is what is bounded here, not
 * speed, so the machine's slowness or load makes no difference.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=8 | not asan tsan arm64
#include "go/help.h"

enum { PARKED = 10000 };
static tuza_chan *gate;
static int parked;

static void park(void *arg)
{
    (void)arg;
    flag_add(&parked, 1);
    tuza_chan_recv(gate, NULL);
}

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * TUZA_SECOND + t.tv_nsec;
}

/* PR-13: with 10,000 goroutines parked and no timers due, less than 0.2% of one CPU. The settling takes as
 * long as it takes: a quiet stretch of 5 s must come, not at once. */
TEST(idle)
{
    gate = tuza_chan_make(0, 0);
    for (int i = 0; i < PARKED; i++)
        GO(park, NULL);
    EVENTUALLY(flag_get(&parked) == PARKED);
    double share = 1;
    for (int attempt = 0; attempt < 10 && share >= 0.002; attempt++) {
        int64_t cpu = cpu_ns(), wall = tuza_now();
        tuza_sleep(5 * TUZA_SECOND);
        share = (double)(cpu_ns() - cpu) / (double)(tuza_now() - wall);
    }
    if (share >= 0.002)
        tz_test_fail(__FILE__, __LINE__, "%.4f of a CPU while idle:", share);
    tuza_chan_close(gate);
    settle(1);
    tuza_chan_unref(gate);
}

TEST_MAIN_TUZA()
