/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The retake protocol under load: goroutines that flip between tiny stretches
 * of user code and calls of tuza, between blocking and CPU bursts just long
 * enough to be robbed, in place and movable, while the world is stopped from
 * time to time.
 *
 * Were a P had by two Ms at once, what it guards would break: run queues,
 * lists of free goroutines, and with GOMAXPROCS=1 the locks of channels,
 * which are elided then. So the evidence is in the books: every token that
 * went into a channel comes out once, in order, and every goroutine ends.
 */
// ctest: timeout 900 | env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=1 TUZA_CHAOS=1 | env GOMAXPROCS=2 TUZA_CHAOS=2 | env GOMAXPROCS=8 TUZA_CHAOS=3
// ctest: env GOMAXPROCS=1 TUZA_TEST_NO_MEMBARRIER=1 | env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1
// ctest: env GOMAXPROCS=8 TUZA_TEST_NO_MEMBARRIER=1 | env GOMAXPROCS=4 TUZA_CHAOS=4 TUZA_TEST_NO_MEMBARRIER=1
#include <sys/syscall.h>

#include "stress/stress.h"

enum { CHANNELS = 4 };
static tuza_chan *chans[CHANNELS];
static uint64_t put[CHANNELS], got[CHANNELS];
static uint64_t put_sum[CHANNELS], got_sum[CHANNELS];
static long started_short, ended_short;

static void short_life(void *arg)
{
    (void)arg;
    flag_add(&ended_short, 1);
}

/* User code of a random length, or a blocking call, of the lengths around which sysmon decides. */
static void stretch(stress_random *r)
{
    uint32_t k = stress_next(r, 2000);
    if (k == 0)
        usleep(stress_next(r, 2000));
    else if (k == 1)
        for (double end = tz_test_seconds() + 0.0001 * stress_next(r, 150); tz_test_seconds() < end;)
            ;
    else if (k < 10)
        usleep(1);
    else if (k < 200)
        for (volatile uint32_t i = 0, n = stress_next(r, 2000); i < n; i++)
            ;
}

static void tokens(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg;
    stress_random r = stress_start(me);
    for (long i = 0, n = stress_amount(150000); i < n; i++) {
        uint32_t k = stress_next(&r, CHANNELS);
        uint64_t token = (uint64_t)me << 32 | (uint64_t)i;
        stretch(&r);
        switch (stress_next(&r, 8)) {
        case 0:
        case 1:
        case 2:
        case 3: { /* in place: the thread stays, robbed or not */
            long tid = syscall(SYS_gettid);
            bool sent = tuza_chan_try_send(chans[k], &token);
            if (sent) {
                __atomic_add_fetch(&put[k], 1, __ATOMIC_RELAXED);
                __atomic_add_fetch(&put_sum[k], token, __ATOMIC_RELAXED);
            }
            CHECK_EQ(syscall(SYS_gettid), tid);
            break;
        }
        case 4:
        case 5: {
            long tid = syscall(SYS_gettid);
            if (try_recv(chans[k], &token)) {
                __atomic_add_fetch(&got[k], 1, __ATOMIC_RELAXED);
                __atomic_add_fetch(&got_sum[k], token, __ATOMIC_RELAXED);
            }
            CHECK_EQ(syscall(SYS_gettid), tid);
            break;
        }
        case 6: {
            long tid = syscall(SYS_gettid);
            GO(short_life, NULL);
            CHECK_EQ(syscall(SYS_gettid), tid);
            flag_add(&started_short, 1);
            break;
        }
        default:
            tuza_gosched();
            break;
        }
    }
}

static void stopper(void *arg)
{
    const int *stop = arg;
    int procs = tuza_gomaxprocs(0);
    for (int i = 0; !flag_get(stop); i++) {
        tuza_sleep(3 * TUZA_MILLISECOND);
        CHECK_EQ(tuza_gomaxprocs(procs + i % 2), procs + (i + 1) % 2 * (i > 0));
    }
    tuza_gomaxprocs(procs);
}

static int done_count;
static void tokens_and_tell(void *arg)
{
    tokens(arg);
    flag_add(&done_count, 1);
}

static void books(int parties, bool stop_world)
{
    int stop = 0;
    for (int k = 0; k < CHANNELS; k++) {
        chans[k] = tuza_chan_make(sizeof(uint64_t), 3);
        put[k] = got[k] = put_sum[k] = got_sum[k] = 0;
    }
    flag_set(&started_short, 0);
    flag_set(&ended_short, 0);
    flag_set(&done_count, 0);
    if (stop_world)
        GO(stopper, &stop);
    for (uintptr_t i = 0; i < (uintptr_t)parties; i++)
        GO(tokens_and_tell, (void *)i);
    double end = tz_test_seconds() + 800;
    while (flag_get(&done_count) < parties) {
        CHECK(tz_test_seconds() < end);
        tuza_sleep(TUZA_MILLISECOND);
    }
    flag_set(&stop, 1);
    settle(1);
    for (int k = 0; k < CHANNELS; k++) {
        uint64_t token;
        while (try_recv(chans[k], &token)) {
            got[k]++;
            got_sum[k] += token;
        }
        CHECK_EQ(got[k], put[k]);
        CHECK_EQ(got_sum[k], put_sum[k]);
        CHECK(put[k] > 0);
        tuza_chan_unref(chans[k]);
    }
    CHECK_EQ(flag_get(&ended_short), flag_get(&started_short));
}

/* PR-08, PR-09, PR-10: short stretches, now and then robbed. */
TEST(robbed_now_and_then)
{
    books(8, false);
}

/* PR-04, PR-08, PR-10: a second retaker: the world is stopped every few milliseconds. */
TEST(robbed_by_two)
{
    books(6, true);
}

static void known_blocker(void *arg)
{
    tuza_chan *c = arg;
    for (long i = 0, n = stress_amount(400) + 20; i < n; i++) {
        usleep(200);
        tuza_chan_send(c, NULL);
    }
    tuza_chan_unref(c);
}

/* PR-08, PR-11: goroutines that become known as blockers: each call's P is handed off at once,
 * and none is lost. */
TEST(known_blockers)
{
    enum { N = 20 };
    tuza_chan *c = tuza_chan_make(0, 0);
    for (int i = 0; i < N; i++)
        GO(known_blocker, tuza_chan_ref(c));
    for (long i = 0, n = N * (stress_amount(400) + 20); i < n; i++)
        CHECK(tuza_chan_recv(c, NULL));
    settle(1);
    CHECK_EQ(tuza_chan_len(c), 0);
    tuza_chan_unref(c);
}

TEST_MAIN_TUZA()
