/* SPDX-License-Identifier: BSD-3-Clause */
/* Fake time: locks and their like. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=1 TUZA_CHAOS=3 | env GOMAXPROCS=4 TUZA_CHAOS=4
#include "help.h"

#define MS              TUZA_MILLISECOND
#define HOUR            (3600 * TUZA_SECOND)
#define Y2000           946684800000000000
#define BUBBLE(fn, arg) CHECK_EQ(tuza_bubble_run((fn), (arg)), 0)

typedef struct shared {
    tuza_mutex mu;
    tuza_cond cond;
    tuza_waitgroup wg;
    int turn, ended;
} shared;

static void wait_turn(void *arg)
{
    shared *s = arg;
    tuza_mutex_lock(&s->mu);
    while (!s->turn)
        tuza_cond_wait(&s->cond, &s->mu);
    s->ended++;
    tuza_mutex_unlock(&s->mu);
}

static void conds(void *arg)
{
    (void)arg;
    shared s = {.turn = 0};
    for (int i = 0; i < 5; i++)
        CHECK_EQ(tuza_waitgroup_go(&s.wg, wait_turn, &s), 0);
    tuza_bubble_wait();
    CHECK_EQ(s.ended, 0);
    tuza_sleep(HOUR);
    CHECK_EQ(tuza_now(), Y2000 + HOUR);
    tuza_mutex_lock(&s.mu);
    s.turn = 1;
    tuza_cond_signal(&s.cond);
    tuza_mutex_unlock(&s.mu);
    tuza_bubble_wait();
    CHECK_EQ(s.ended, 1);
    tuza_mutex_lock(&s.mu);
    tuza_cond_broadcast(&s.cond);
    tuza_mutex_unlock(&s.mu);
    tuza_waitgroup_wait(&s.wg);
    CHECK_EQ(s.ended, 5);
}

/* ST-03: a condition variable's wait is durable, */
TEST(cond)
{
    BUBBLE(conds, NULL);
}

static void sleep_an_hour(void *arg)
{
    tuza_sleep(HOUR);
    flag_add((int *)arg, 1);
}

static void waits_for_groups(void *arg)
{
    (void)arg;
    int n = 0;
    tuza_waitgroup wg = TUZA_WAITGROUP_INIT;
    for (int i = 0; i < 10; i++)
        CHECK_EQ(tuza_waitgroup_go(&wg, sleep_an_hour, &n), 0);
    tuza_waitgroup_wait(&wg);
    CHECK_EQ(n, 10);
    CHECK_EQ(tuza_now(), Y2000 + HOUR);
}

/* ST-03, ST-09: and so is a wait group's; a member counts until whoever waits for it has been woken. */
TEST(waitgroup)
{
    for (int i = 0; i < 200 / SCALE + 1; i++)
        BUBBLE(waits_for_groups, NULL);
}

static tuza_mutex held;

static void lock_and_look(void *arg)
{
    tuza_mutex_lock(&held);
    *(int64_t *)arg = tuza_now();
    tuza_mutex_unlock(&held);
}

static void with_mutex(void *arg)
{
    (void)arg;
    int64_t at = 0;
    GO(lock_and_look, &at);
    tuza_sleep(HOUR);
    CHECK_EQ(at, Y2000);
}

static void unlock_late(void *arg)
{
    (void)arg;
    tuza_sleep(3 * MS);
    tuza_mutex_unlock(&held);
}

/* ST-03: a mutex is not: time waits for whoever has it. */
TEST(mutex)
{
    tuza_mutex_lock(&held);
    GO(unlock_late, NULL);
    BUBBLE(with_mutex, NULL);
    settle(1);
}

/* --- A place in a group --- */

static int nap(void *arg)
{
    tuza_sleep(TUZA_SECOND);
    flag_add((int *)arg, 1);
    return 0;
}

static void two_at_a_time(void *arg)
{
    tuza_group g = TUZA_GROUP_INIT;
    int64_t start = tuza_now();
    tuza_group_limit(&g, 2);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(tuza_group_go(&g, nap, arg), 0);
    CHECK_EQ(tuza_group_wait(&g), 0);
    CHECK_EQ(tuza_now() - start, 3 * TUZA_SECOND);
}

/* ST-03: who waits for a place is blocked until something happens in the bubble. */
TEST(group_with_a_limit)
{
    int done = 0;
    BUBBLE(two_at_a_time, &done);
    CHECK_EQ(done, 5);
}

/* --- A pool is everybody's --- */

static tuza_pool pool = TUZA_POOL_INIT(NULL, free, NULL);

static void put_one(void *arg)
{
    (void)arg;
    tuza_pool_put(&pool, malloc(8));
}

TEST(pool_of_all)
{
    BUBBLE(put_one, NULL);
    put_one(NULL);
    BUBBLE(put_one, NULL);
    tuza_pool_clear(&pool);
}

TEST_MAIN_TUZA()
