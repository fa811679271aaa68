/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a goroutine that finds a mutex locked spins before it waits: while
 * somebody waits already, one that spins says so in the mutex, and its owner,
 * which is in a loop of its own, sees that.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | not tsan
#include "sync/mutex.h"
#include "tuza.h"
#include "tz_test.h"

static tuza_mutex mu;
static tuza_waitgroup group;

static void lock_once(void *arg)
{
    (void)arg;
    tuza_mutex_lock(&mu);
    tuza_mutex_unlock(&mu);
}

static int waiting(void)
{
    int n = 0;
    for (tz_waiter *w = tz_load_relaxed(&mu.queue.first); w; w = tz_load_relaxed(&w->next))
        n++;
    return n;
}

/* The state before anybody else waits, and while the mutex is locked all the time: has it WOKEN in it? */
static bool spins(void)
{
    tuza_mutex_lock(&mu);
    CHECK_EQ(tuza_waitgroup_go(&group, lock_once, NULL), 0);
    while (waiting() != 1)
        tuza_sleep(TUZA_MILLISECOND / 20);
    CHECK_EQ(tuza_waitgroup_go(&group, lock_once, NULL), 0);
    bool seen = false;
    double end = tz_test_seconds() + 60;
    while (!seen && waiting() != 2) { /* main is stuck, for what tuza knows: the other runs elsewhere */
        seen = tz_load_relaxed(&mu.state) & TZ_MUTEX_WOKEN;
        CHECK(tz_test_seconds() < end);
    }
    tuza_mutex_unlock(&mu);
    tuza_waitgroup_wait(&group);
    CHECK_EQ(mu.state, 0);
    return seen;
}

/* SY-10: where another P runs, and there is more than one processor. */
TEST(spinning)
{
    if (tuza_gomaxprocs(0) == 1) {
        for (int i = 0; i < 20; i++)
            CHECK(!spins());
        return;
    }
    if (tuza_num_cpu() == 1)
        SKIP("one processor");
    for (int i = 0; i < 2000; i++)
        if (spins())
            return;
    tz_test_fail(__FILE__, __LINE__, "nobody was seen to spin");
}

TEST_MAIN_TUZA()
