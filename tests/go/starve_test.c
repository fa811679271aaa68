/* SPDX-License-Identifier: BSD-3-Clause */
/* More goroutines that only yield than the run queue's ring holds: others come all the same. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2
#include "help.h"

enum { MANY = 3000 };
static int over, begun;

static void yield_on(void *arg)
{
    tuza_sleep((intptr_t)arg);
    flag_add(&begun, 1);
    while (!flag_get(&over))
        tuza_gosched();
}

static void start(int n, int64_t sleep)
{
    over = begun = 0;
    for (int i = 0; i < n; i++)
        GO(yield_on, (void *)(intptr_t)sleep);
}

/* SC-01, SC-05: what overflowed from the ring begins while the others yield. */
TEST(all_begin)
{
    static const int sizes[] = {257, 300, 600, MANY / SCALE + 300};
    for (int i = 0; i < 4; i++) {
        start(sizes[i], 0);
        while (flag_get(&begun) < sizes[i])
            tuza_gosched();
        flag_set(&over, 1);
        settle(1);
    }
}

/* SC-05: timers fire while the ring is full at each look. */
TEST(sleepers_wake)
{
    static const int sizes[] = {257, 300, 600};
    for (int i = 0; i < 3; i++) {
        start(sizes[i], 5 * TUZA_MILLISECOND);
        tuza_sleep(20 * TUZA_MILLISECOND);
        EVENTUALLY(flag_get(&begun) == sizes[i]);
        tuza_sleep(TUZA_MILLISECOND);
        flag_set(&over, 1);
        settle(1);
    }
}

TEST_MAIN_TUZA()
