/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers and the processors that look after them. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=2 TUZA_CHAOS=5
#include "help.h"

#define MS   TUZA_MILLISECOND
#define HOUR (3600 * TUZA_SECOND)

typedef struct again {
    tuza_timer *t;
    int n;
} again;

static void rearm(void *arg)
{
    again *a = arg;
    if (flag_add(&a->n, 1) < 100)
        tuza_timer_reset(a->t, flag_get(&a->n) % 3 * 100 * TUZA_MICROSECOND);
}

/* TM-31: a call may set its own timer anew, and does so a hundred times. */
TEST(rearms_itself)
{
    again a = {0};
    a.t = tuza_after_func(HOUR, rearm, &a);
    tuza_timer_reset(a.t, 0);
    EVENTUALLY(flag_get(&a.n) == 100);
    tuza_timer_stop_wait(a.t);
    CHECK_EQ(a.n, 100);
    tuza_timer_free(a.t);
    settle(1);
}

static int asleep, woken;
static void compute_and_sleep(void *arg)
{
    (void)arg;
    for (double end = tz_test_seconds() + 0.002; tz_test_seconds() < end;)
        tuza_num_goroutine();
    flag_add(&asleep, 1);
    tuza_sleep(20 * MS);
    flag_add(&woken, 1);
}

/* TM-30: what sleeps on Ps that go is woken all the same. */
TEST(fewer_procs)
{
    enum { N = 16 };
    int was = tuza_gomaxprocs(0);
    for (int round = 0; round < 3; round++) {
        tuza_gomaxprocs(8);
        asleep = woken = 0;
        for (int i = 0; i < N; i++)
            GO(compute_and_sleep, NULL);
        EVENTUALLY(flag_get(&asleep) == N);
        tuza_gomaxprocs(1);
        EVENTUALLY(flag_get(&woken) == N);
    }
    tuza_gomaxprocs(was);
    settle(1);
}

/* TM-33: in a process that rests. One good sleep will do: the machine may have other things to do. */
TEST(accuracy)
{
    int64_t best = INT64_MAX;
    for (double end = tz_test_seconds() + BOUND_S; best >= MS && tz_test_seconds() < end;) {
        int64_t before = tuza_now();
        tuza_sleep(5 * MS);
        int64_t late = tuza_now() - before - 5 * MS;
        CHECK(late >= 0);
        if (late < best)
            best = late;
    }
    CHECK(best < MS);
}

TEST_MAIN_TUZA()
