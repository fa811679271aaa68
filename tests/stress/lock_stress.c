/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locking at random against a model: each goroutine knows how often it has
 * locked, and by that whether it must still be on its thread; a table of the
 * threads that are locked says where nobody else may be. They wait in all
 * ways there are, start others, change GOMAXPROCS, and end locked or not; at
 * the end all have reported, and of the threads that died with their
 * goroutines none is left.
 */
// ctest: timeout 900 | env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=1 TUZA_CHAOS=1 | env GOMAXPROCS=2 TUZA_CHAOS=2 | env GOMAXPROCS=8 TUZA_CHAOS=3
// ctest: env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1 | env GOMAXPROCS=4 TUZA_CHAOS=4 TUZA_TEST_NO_MEMBARRIER=1
#include "go/threads.h"
#include "stress/stress.h"

enum { SLOTS = 32, MOST_AT_REST = 24 };
static pid_t taken[SLOTS];      /* atomic: thread of the locked goroutine in this slot, 0: none */
static long died, finished;     /* atomic */
static tuza_chan *meet, *slots; /* slots: those that nobody has */

typedef struct actor {
    uint64_t id;
    int steps;
} actor;

static void check_place(int slot, int locks, pid_t mine)
{
    pid_t now = tid();
    CHECK(locks == 0 || now == mine);
    for (int i = 0; i < SLOTS; i++)
        CHECK((locks > 0 && i == slot) || flag_get(&taken[i]) != now);
}

static void act(stress_random *r)
{
    long v = 0;
    switch (stress_next(r, 24)) {
    case 0:
        usleep(stress_next(r, 400));
        break;
    case 1:
        for (volatile uint32_t i = 0, n = stress_next(r, 200000); i < n; i++)
            ;
        break;
    case 2:
    case 3:
        tuza_sleep(stress_next(r, 300) * TUZA_MICROSECOND);
        break;
    case 4:
        if (stress_next(r, 8) == 0)
            tuza_gomaxprocs(1 + (int)stress_next(r, 8));
        break;
    case 5:
    case 6:
    case 7:
        tuza_chan_try_send(meet, &v);
        break;
    case 8:
    case 9:
        tuza_chan_try_recv(meet, &v, NULL);
        break;
    default:
        tuza_gosched();
        break;
    }
}

static void play(void *arg)
{
    actor a = *(actor *)arg;
    stress_random r = stress_start(a.id);
    int slot;
    CHECK(tuza_chan_recv(slots, &slot));
    int locks = 0;
    pid_t mine = 0;
    for (int i = 0; i < a.steps; i++) {
        uint32_t what = stress_next(&r, 8);
        if (what == 0 && locks < 5) {
            tuza_lock_os_thread();
            if (locks++ == 0) {
                mine = tid();
                flag_set(&taken[slot], mine);
            }
        } else if (what == 1) {
            if (locks == 1)
                flag_set(&taken[slot], 0);
            tuza_unlock_os_thread(); /* means nothing where it is not locked */
            locks -= locks > 0;
        }
        act(&r);
        check_place(slot, locks, mine);
    }
    if (locks > 0 && stress_next(&r, 3) == 0) {
        flag_set(&taken[slot], 0);
        while (locks-- > 0)
            tuza_unlock_os_thread();
        locks = 0;
    }
    if (locks > 0) {
        flag_add(&died, 1);
        flag_set(&taken[slot], 0); /* before another has the slot */
    }
    tuza_chan_send(slots, &slot);
    flag_add(&finished, 1);
    if (stress_next(&r, 2))
        tuza_goexit();
}

/* LK-01, LK-03, LK-06, LK-14, LK-15, LK-18, LK-19, LK-42, LK-43, LK-51 */
TEST(against_the_model)
{
    int was = tuza_gomaxprocs(0);
    long actors = stress_amount(6000);
    meet = tuza_chan_make(sizeof(long), 2);
    slots = tuza_chan_make(sizeof(int), SLOTS);
    for (int i = 0; i < SLOTS; i++)
        tuza_chan_send(slots, &i);
    for (long i = 0; i < actors; i++) {
        actor a = {(uint64_t)i * 1000003 + 1, 40};
        CHECK_EQ(tuza_go_copy(play, &a, sizeof a), 0);
        while (i - flag_get(&finished) > 2 * SLOTS) {
            tuza_sleep(TUZA_MILLISECOND / 10);
            check_place(-1, 0, 0);
        }
    }
    settle_slowly();
    CHECK_EQ(flag_get(&finished), actors);
    CHECK(actors < 100 || flag_get(&died) > actors / 10);
    EVENTUALLY(threads() <= MOST_AT_REST); /* those that rest end after some seconds, but for a few */
    tuza_gomaxprocs(was);
    tuza_chan_unref(meet);
    tuza_chan_unref(slots);
}

TEST_MAIN_TUZA()
