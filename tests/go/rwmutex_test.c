/* SPDX-License-Identifier: BSD-3-Clause */
/* The reader-writer mutex as a program sees it; after Go's rwmutex_test. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=1 TUZA_CHAOS=27
// ctest: env GOMAXPROCS=4 TUZA_CHAOS=28 | env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "go/help.h"

static tuza_rwmutex rw;
static tuza_waitgroup group;

enum { WRITER = 10000, ROUNDS = 500 };
static int activity; /* readers by 1, writers by WRITER: atomic */

static void read_some(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 5 == 4) {
            if (!tuza_rwmutex_tryrlock(&rw))
                continue;
        } else {
            tuza_rwmutex_rlock(&rw);
        }
        int n = flag_add(&activity, 1);
        CHECK(n >= 1 && n < WRITER);
        if (i % 50 == 0)
            tuza_gosched();
        flag_add(&activity, -1);
        tuza_rwmutex_runlock(&rw);
    }
    (void)arg;
}

static void write_some(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 5 == 4) {
            if (!tuza_rwmutex_trylock(&rw))
                continue;
        } else {
            tuza_rwmutex_lock(&rw);
        }
        CHECK_EQ(flag_add(&activity, WRITER), WRITER);
        if (i % 50 == 0)
            tuza_gosched();
        CHECK_EQ(flag_add(&activity, -WRITER), 0);
        tuza_rwmutex_unlock(&rw);
    }
    (void)arg;
}

static void *read_thread(void *arg)
{
    read_some(arg);
    return NULL;
}

static void *write_thread(void *arg)
{
    write_some(arg);
    return NULL;
}

/* SY-04: many readers or one writer, by all ways to lock. */
TEST(excludes)
{
    static const int readers[] = {1, 3, 10, 30, 3, 10}, writers[] = {1, 1, 1, 2, 10, 5};
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < readers[i]; j++)
            CHECK_EQ(tuza_waitgroup_go(&group, read_some, NULL), 0);
        for (int j = 0; j < writers[i]; j++)
            CHECK_EQ(tuza_waitgroup_go(&group, write_some, NULL), 0);
        tuza_waitgroup_wait(&group);
    }
}

TEST(foreign_threads)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, i % 2 ? write_thread : read_thread, NULL), 0);
        CHECK_EQ(tuza_waitgroup_go(&group, i % 2 ? read_some : write_some, NULL), 0);
    }
    tuza_waitgroup_wait(&group);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

typedef struct parallel {
    tuza_chan *locked, *unlock, *done;
} parallel;

static void hold_read(void *arg)
{
    parallel *p = arg;
    tuza_rwmutex_rlock(&rw);
    tuza_chan_send(p->locked, NULL);
    tuza_chan_recv(p->unlock, NULL);
    tuza_rwmutex_runlock(&rw);
    tuza_chan_send(p->done, NULL);
}

static void write_once(void *arg)
{
    tuza_rwmutex_lock(&rw);
    flag_add((int *)arg, 1);
    tuza_rwmutex_unlock(&rw);
}

static void read_after(void *arg)
{
    tuza_rwmutex_rlock(&rw);
    flag_add((int *)arg, 1);
    tuza_rwmutex_runlock(&rw);
}

/* SY-11: readers have it together, until a writer waits: then no more are let in. */
TEST(parallel_readers)
{
    enum { N = 10 };
    parallel p = {tuza_chan_make(0, 0), tuza_chan_make(0, 0), tuza_chan_make(0, N)};
    for (int i = 0; i < N; i++)
        GO(hold_read, &p);
    for (int i = 0; i < N; i++) /* all have it at once, or this never ends */
        CHECK(tuza_chan_recv(p.locked, NULL));
    static int written, read;
    written = read = 0;
    CHECK(tuza_rwmutex_tryrlock(&rw));
    tuza_rwmutex_runlock(&rw);
    CHECK(!tuza_rwmutex_trylock(&rw));
    CHECK_EQ(tuza_waitgroup_go(&group, write_once, &written), 0);
    for (;;) { /* SY-13: false once a writer waits */
        bool got = tuza_rwmutex_tryrlock(&rw);
        if (!got)
            break;
        tuza_rwmutex_runlock(&rw);
        tuza_gosched();
    }
    CHECK_EQ(tuza_waitgroup_go(&group, read_after, &read), 0);
    for (int i = 0; i < 20; i++) {
        tuza_sleep(TUZA_MILLISECOND / 10);
        CHECK_EQ(flag_get(&written), 0);
        CHECK_EQ(flag_get(&read), 0);
    }
    for (int i = 0; i < N; i++)
        tuza_chan_send(p.unlock, NULL);
    tuza_waitgroup_wait(&group);
    CHECK_EQ(written, 1);
    CHECK_EQ(read, 1);
    for (int i = 0; i < N; i++)
        tuza_chan_recv(p.done, NULL);
    settle(1);
    tuza_chan_unref(p.locked);
    tuza_chan_unref(p.unlock);
    tuza_chan_unref(p.done);
}

/* SY-13 */
TEST(try)
{
    tuza_rwmutex mu = TUZA_RWMUTEX_INIT;
    CHECK(tuza_rwmutex_trylock(&mu));
    CHECK(!tuza_rwmutex_trylock(&mu));
    CHECK(!tuza_rwmutex_tryrlock(&mu));
    tuza_rwmutex_unlock(&mu);
    CHECK(tuza_rwmutex_tryrlock(&mu));
    CHECK(tuza_rwmutex_tryrlock(&mu));
    CHECK(!tuza_rwmutex_trylock(&mu));
    tuza_rwmutex_runlock(&mu);
    CHECK(!tuza_rwmutex_trylock(&mu));
    tuza_rwmutex_runlock(&mu);
    CHECK(tuza_rwmutex_trylock(&mu));
    tuza_rwmutex_unlock(&mu);
}

typedef struct shared {
    tuza_rwmutex rw;
    int users; /* atomic while read, under the lock while written */
} shared;

static void use_and_drop(void *arg)
{
    shared *s = arg;
    tuza_rwmutex_rlock(&s->rw);
    int before = flag_get(&s->users);
    tuza_rwmutex_runlock(&s->rw);
    CHECK(before > 0);
    tuza_rwmutex_lock(&s->rw);
    bool last = flag_add(&s->users, -1) == 0;
    tuza_rwmutex_unlock(&s->rw);
    if (last) {
        memset(s, 0xff, sizeof *s);
        free(s);
    }
}

static void read_and_drop(void *arg)
{
    shared *s = arg;
    tuza_rwmutex_rlock(&s->rw);
    bool last = flag_add(&s->users, -1) == 0;
    tuza_rwmutex_runlock(&s->rw);
    if (last) {
        /* Others may be in their runlock, not past it: a writer's lock waits for that. */
        tuza_rwmutex_lock(&s->rw);
        tuza_rwmutex_unlock(&s->rw);
        memset(s, 0xff, sizeof *s);
        free(s);
    }
}

/* The last to unlock frees it, whatever the others' unlocks are at. */
TEST(freed_by_the_last)
{
    for (int round = 0; round < 2000 / SCALE; round++) {
        shared *s = calloc(1, sizeof *s);
        int users = 2 + round % 4;
        s->users = users;
        for (int i = 0; i < users; i++)
            CHECK_EQ(tuza_waitgroup_go(&group, use_and_drop, s), 0);
        tuza_waitgroup_wait(&group);
        s = calloc(1, sizeof *s);
        s->users = users;
        for (int i = 0; i < users; i++)
            CHECK_EQ(tuza_waitgroup_go(&group, read_and_drop, s), 0);
        tuza_waitgroup_wait(&group);
    }
}

TEST_MAIN_TUZA()
