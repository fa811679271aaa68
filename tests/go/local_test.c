/* SPDX-License-Identifier: BSD-3-Clause */
/* Goroutine-local values. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=1 TUZA_CHAOS=33
// ctest: env GOMAXPROCS=4 TUZA_CHAOS=34
#include <errno.h>
#include <pthread.h>

#include "go/help.h"

static tuza_waitgroup group;
static tuza_key plain, counted, again;
static int destroyed;

static void count_destroyed(void *value)
{
    CHECK(tuza_local_get(counted) == NULL); /* NULL by then */
    flag_add((int *)value, 1);
    flag_add(&destroyed, 1);
}

/* Leaves a value behind, for ever. */
static void set_again(void *value)
{
    flag_add((int *)value, 1);
    CHECK_EQ(tuza_local_set(again, value), 0);
}

static void make_keys(void *arg)
{
    (void)arg;
    CHECK_EQ(tuza_local_key(&plain, NULL), 0);
    CHECK_EQ(tuza_local_key(&counted, count_destroyed), 0);
    CHECK_EQ(tuza_local_key(&again, set_again), 0);
}

static tuza_once keys;

static void own_value(void *arg)
{
    (void)arg;
    CHECK(tuza_local_get(plain) == NULL);
    int mine;
    CHECK_EQ(tuza_local_set(plain, &mine), 0);
    for (int i = 0; i < 200 / SCALE + 5; i++) {
        tuza_gosched();
        if (i % 16 == 0)
            tuza_sleep(TUZA_MILLISECOND / 100);
        CHECK(tuza_local_get(plain) == &mine);
    }
}

TEST(each_its_own)
{
    tuza_once_do(&keys, make_keys, NULL);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(tuza_waitgroup_go(&group, own_value, NULL), 0);
    tuza_waitgroup_wait(&group);
    CHECK(tuza_local_get(plain) == NULL);
}

static int value;

static void return_with_value(void *arg)
{
    CHECK_EQ(tuza_local_set(counted, arg), 0);
}

static void exit_with_value(void *arg)
{
    CHECK_EQ(tuza_local_set(counted, arg), 0);
    tuza_goexit();
}

static void deferred_sees(void *arg)
{
    CHECK(tuza_local_get(counted) == arg); /* it is there until all is done */
}

static void defer_with_value(void *arg)
{
    CHECK_EQ(tuza_local_set(counted, arg), 0);
    tuza_defer(deferred_sees, arg);
}

static void null_at_last(void *arg)
{
    CHECK_EQ(tuza_local_set(counted, arg), 0);
    CHECK_EQ(tuza_local_set(counted, NULL), 0);
}

static void for_ever(void *arg)
{
    CHECK_EQ(tuza_local_set(again, arg), 0);
}

/* Destroyed at the goroutine's end, however that comes; before a wait for it returns. */
TEST(destructors)
{
    tuza_once_do(&keys, make_keys, NULL);
    void (*const ends[])(void *) = {return_with_value, exit_with_value, defer_with_value};
    for (int i = 0; i < 3; i++) {
        value = 0;
        CHECK_EQ(tuza_waitgroup_go(&group, ends[i], &value), 0);
        tuza_waitgroup_wait(&group);
        CHECK_EQ(value, 1);
    }
    value = 0;
    CHECK_EQ(tuza_waitgroup_go(&group, null_at_last, &value), 0);
    tuza_waitgroup_wait(&group);
    CHECK_EQ(value, 0);
    CHECK_EQ(tuza_waitgroup_go(&group, for_ever, &value), 0);
    tuza_waitgroup_wait(&group);
    CHECK_EQ(value, 4);
    destroyed = 0;
    for (int i = 0; i < 500 / SCALE; i++)
        GO(return_with_value, &value);
    settle(1);
    EVENTUALLY(flag_get(&destroyed) == 500 / SCALE);
}

static tuza_key blocking, exiting;

static void count(void *arg)
{
    flag_add((int *)arg, 1);
}

static void block(void *arg)
{
    tuza_defer(count, arg); /* a destructor is a boundary */
    tuza_sleep(TUZA_MILLISECOND);
}

static void exit_again(void *arg)
{
    flag_add((int *)arg, 1);
    tuza_goexit();
}

static void end_with_all(void *arg)
{
    CHECK_EQ(tuza_local_set(exiting, arg), 0);
    CHECK_EQ(tuza_local_set(blocking, arg), 0);
}

/* A destructor may block, and even end the goroutine: the others have their turn. */
TEST(destructors_do_anything)
{
    CHECK_EQ(tuza_local_key(&exiting, exit_again), 0);
    CHECK_EQ(tuza_local_key(&blocking, block), 0);
    value = 0;
    CHECK_EQ(tuza_waitgroup_go(&group, end_with_all, &value), 0);
    tuza_waitgroup_wait(&group);
    CHECK_EQ(value, 2);
}

enum { MANY = 1000 };
static tuza_key many[MANY];
static int many_destroyed;

static void one_of_many(void *arg)
{
    (void)arg;
    flag_add(&many_destroyed, 1);
}

static void set_many(void *arg)
{
    (void)arg;
    static char values[MANY];
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(tuza_local_set(many[i], &values[i]), 0);
    for (int i = 0; i < MANY; i++)
        CHECK(tuza_local_get(many[i]) == &values[i]);
}

/* There is no limit to keys. */
TEST(many_keys)
{
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(tuza_local_key(&many[i], one_of_many), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(tuza_waitgroup_go(&group, set_many, NULL), 0);
    tuza_waitgroup_wait(&group);
    CHECK_EQ(many_destroyed, 3 * MANY);
}

TEST(no_key)
{
    tuza_key none = {0}, beyond = {4000000000u};
    CHECK(tuza_local_get(none) == NULL);
    CHECK_EQ(tuza_local_set(none, &value), -EINVAL);
    CHECK(tuza_local_get(beyond) == NULL);
    CHECK_EQ(tuza_local_set(beyond, &value), -EINVAL);
}

static void *thread(void *arg)
{
    CHECK(tuza_local_get(plain) == NULL); /* before its first call that needs the runtime */
    CHECK_EQ(tuza_local_set(counted, arg), 0);
    CHECK(tuza_local_get(counted) == arg);
    tuza_gosched();
    CHECK(tuza_local_get(counted) == arg);
    return NULL;
}

/* Threads that tuza did not make have values too. */
TEST(foreign_threads)
{
    tuza_once_do(&keys, make_keys, NULL);
    for (int i = 0; i < 5; i++) {
        pthread_t t;
        value = 0;
        CHECK_EQ(pthread_create(&t, NULL, thread, &value), 0);
        CHECK_EQ(pthread_join(t, NULL), 0);
        CHECK_EQ(flag_get(&value), 1);
    }
}

static void end_thread(void *arg)
{
    CHECK_EQ(tuza_local_set(counted, arg), 0);
    pthread_exit(NULL);
}

/* Those of a goroutine whose thread has ended are destroyed elsewhere, and whoever waits for it goes on. */
TEST(lost_thread)
{
    if (HELP_TSAN)
        SKIP("its pthread_exit knows no fibers");
    tuza_once_do(&keys, make_keys, NULL);
    value = 0;
    CHECK_EQ(tuza_waitgroup_go(&group, end_thread, &value), 0);
    tuza_waitgroup_wait(&group);
    EVENTUALLY(flag_get(&value) == 1);
}

TEST_MAIN_TUZA()
