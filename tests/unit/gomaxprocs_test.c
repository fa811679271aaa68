/* SPDX-License-Identifier: BSD-3-Clause */
/* GOMAXPROCS at run time, with work queued; the rule for the default. */
// ctest: plain | env GOMAXPROCS=2 TUZA_CHAOS=41 | env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1
#include "go/help.h"
#include "sched/gmp.h"
#include "sched/proc.h"

/* GM-05: a quota counts rounded up, is never less than 2, and never more than the CPUs of the mask. */
TEST(quota)
{
    CHECK_EQ(tz_procs_by_quota(8, 0), 8);
    CHECK_EQ(tz_procs_by_quota(8, -1), 8);
    CHECK_EQ(tz_procs_by_quota(8, 3000), 3);
    CHECK_EQ(tz_procs_by_quota(8, 2001), 3);
    CHECK_EQ(tz_procs_by_quota(8, 2500), 3);
    CHECK_EQ(tz_procs_by_quota(8, 2999), 3);
    CHECK_EQ(tz_procs_by_quota(8, 500), 2);
    CHECK_EQ(tz_procs_by_quota(8, 1000), 2);
    CHECK_EQ(tz_procs_by_quota(8, 1500), 2);
    CHECK_EQ(tz_procs_by_quota(8, 1), 2);
    CHECK_EQ(tz_procs_by_quota(8, 9000), 8);
    CHECK_EQ(tz_procs_by_quota(8, INT64_MAX - 1000), 8);
    CHECK_EQ(tz_procs_by_quota(1, 500), 1);
    CHECK_EQ(tz_procs_by_quota(1, 9000), 1);
}

/* GM-08: n <= 0 asks; setting returns what it was, also the same value again, which pins it. */
TEST(ask_and_set)
{
    int was = tuza_gomaxprocs(0);
    CHECK_EQ(tuza_gomaxprocs(-5), was);
    CHECK_EQ(tuza_gomaxprocs(INT32_MIN), was);
    CHECK_EQ(tuza_gomaxprocs(was), was);
    CHECK(tz_sched.procs_custom);
    CHECK_EQ(tuza_gomaxprocs(was + 1), was);
    CHECK_EQ(tuza_gomaxprocs(was), was + 1);
    CHECK_EQ(tuza_gomaxprocs(0), was);
}

static long ran;
static void count(void *arg)
{
    flag_add(&ran, 1);
    if (arg)
        tuza_sleep(TUZA_MILLISECOND);
}

/* GM-11, GM-10: from 1 to 1024 and back, with work and timers queued each time: nothing is lost. */
TEST(one_to_1024)
{
    static const int procs[] = {1, 2, 3, 1, 16, 64, 1, 256, 255, 2, 1024, 1023, 1, 1024, 5, 1};
    int was = tuza_gomaxprocs(0);
    flag_set(&ran, 0);
    long started = 0;
    for (size_t i = 0; i < sizeof procs / sizeof procs[0]; i++) {
        for (int k = 0; k < 600; k++, started++)
            GO(count, k % 3 ? NULL : &ran);
        if (i % 2)
            tuza_gosched();
        tuza_gomaxprocs(procs[i]);
        CHECK_EQ(tuza_gomaxprocs(0), procs[i]);
        CHECK_EQ(tz_sched.nprocs, procs[i]);
    }
    settle(1);
    CHECK_EQ(flag_get(&ran), started);
    tuza_gomaxprocs(was);
}

enum { N = 200 };
static int order[N];
static void note_order(void *arg)
{
    order[flag_add(&ran, 1) - 1] = (int)(intptr_t)arg;
}

/* GM-10: shrinking keeps the order of what is queued on the Ps that go. Main may be robbed while it queues; a
 * round in which it was not is enough. */
TEST(shrink_keeps_order)
{
    if (help_chaos())
        SKIP("chaos");
    int was = tuza_gomaxprocs(0);
    int good = 0;
    double end = tz_test_seconds() + BOUND_S;
    while (good < 2) {
        CHECK(tz_test_seconds() < end);
        flag_set(&ran, 0);
        tuza_gomaxprocs(1);
        for (intptr_t i = 0; i < N; i++)
            GO(note_order, (void *)i);
        /* The stop and start in which nothing else runs: up, and down again. */
        tuza_gomaxprocs(2);
        tuza_gomaxprocs(1);
        settle(1);
        CHECK_EQ(flag_get(&ran), N);
        int rising = 0;
        for (int i = 1; i < N; i++)
            rising += order[i] > order[i - 1];
        good += rising >= N - 5; /* the one that was next, and one cut for each change */
    }
    tuza_gomaxprocs(was);
}

static void change_some(void *arg)
{
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < 100; i++) {
        int n = 1 + (i * 7 + me) % 12;
        int old = tuza_gomaxprocs(n);
        CHECK(old >= 1);
        if (i % 10 == 0)
            tuza_gosched();
    }
    flag_add(&ran, 1);
}

/* GM-12: many stop the world at once, among goroutines that only yield: no deadlock. */
TEST(concurrent_changes)
{
    int was = tuza_gomaxprocs(0);
    flag_set(&ran, 0);
    for (intptr_t i = 0; i < 10; i++)
        GO(change_some, (void *)i);
    settle(1);
    CHECK_EQ(flag_get(&ran), 10);
    tuza_gomaxprocs(was);
}

TEST_MAIN_TUZA()
