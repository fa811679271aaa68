/* SPDX-License-Identifier: BSD-3-Clause */
/* Who comes next when a writer has gone. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4 | env GOMAXPROCS=4 TUZA_CHAOS=6
#include "go/help.h"

enum { READERS = 20, ROUNDS = 200 / SCALE };
static tuza_rwmutex rw;
static tuza_waitgroup all, inside;
static int written;

/* How many wait for this, as a traceback calls it. */
static uint64_t waiting(const char *reason)
{
    static tuza_stats s;
    tuza_stats_get(&s);
    for (int i = 0; i < TUZA_STATS_WAITS && s.waits[i].reason; i++)
        if (strcmp(s.waits[i].reason, reason) == 0)
            return s.waits[i].count;
    return 0;
}

static void reads(void *arg)
{
    (void)arg;
    tuza_rwmutex_rlock(&rw);
    CHECK_EQ(flag_get(&written), 1);
    tuza_waitgroup_done(&inside);
    tuza_waitgroup_wait(&inside); /* all of them have it, together */
    tuza_rwmutex_runlock(&rw);
}

static void writes(void *arg)
{
    (void)arg;
    tuza_rwmutex_lock(&rw);
    flag_add(&written, 1);
    tuza_rwmutex_unlock(&rw);
}

/* SY-12: all readers that wait when a writer unlocks go before the next writer, which was there first. */
TEST(readers_go_first)
{
    for (int round = 0; round < ROUNDS; round++) {
        flag_set(&written, 1);
        tuza_rwmutex_lock(&rw);
        CHECK_EQ(tuza_waitgroup_go(&all, writes, NULL), 0);
        EVENTUALLY(waiting("sync.Mutex.Lock") + waiting("sync.RWMutex.Lock") == 1);
        tuza_waitgroup_add(&inside, READERS);
        for (int i = 0; i < READERS; i++)
            CHECK_EQ(tuza_waitgroup_go(&all, reads, NULL), 0);
        EVENTUALLY(waiting("sync.RWMutex.RLock") == READERS);
        tuza_rwmutex_unlock(&rw);
        tuza_waitgroup_wait(&all);
        CHECK_EQ(flag_get(&written), 2);
    }
}

TEST_MAIN_TUZA()
