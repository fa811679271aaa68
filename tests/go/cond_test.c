/* SPDX-License-Identifier: BSD-3-Clause */
/* Condition variables as a program sees them; after Go's cond_test. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=1 TUZA_CHAOS=25
// ctest: env GOMAXPROCS=4 TUZA_CHAOS=26 | env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "go/help.h"

static tuza_mutex mutex;
static tuza_cond cond;
static tuza_waitgroup group;
static int waiting, awake, order[200], norder;
static bool go_on;

static void wait_once(void *arg)
{
    (void)arg;
    tuza_mutex_lock(&mutex);
    waiting++;
    tuza_cond_wait(&cond, &mutex);
    awake++;
    tuza_mutex_unlock(&mutex);
}

static int locked_get(const int *p)
{
    tuza_mutex_lock(&mutex);
    int v = *p;
    tuza_mutex_unlock(&mutex);
    return v;
}

/* SY-15: each signal wakes one, and nothing else wakes any. */
TEST(signal_wakes_one)
{
    enum { N = 10 };
    waiting = awake = 0;
    for (int i = 0; i < N; i++)
        CHECK_EQ(tuza_waitgroup_go(&group, wait_once, NULL), 0);
    EVENTUALLY(locked_get(&waiting) == N);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(locked_get(&awake), i);
        tuza_mutex_lock(&mutex);
        tuza_cond_signal(&cond);
        tuza_mutex_unlock(&mutex);
        EVENTUALLY(locked_get(&awake) == i + 1);
        for (int j = 0; j < 5; j++)
            tuza_gosched();
        CHECK_EQ(locked_get(&awake), i + 1);
    }
    tuza_cond_signal(&cond);
    tuza_waitgroup_wait(&group);
}

static void wait_in_turn(void *arg)
{
    tuza_mutex_lock(&mutex);
    waiting++;
    tuza_cond_wait(&cond, &mutex);
    order[norder++] = (int)(intptr_t)arg;
    tuza_mutex_unlock(&mutex);
}

/* SY-16: in the order in which they came. */
TEST(in_order)
{
    enum { N = 100 };
    waiting = norder = 0;
    for (intptr_t i = 0; i < N; i++) {
        CHECK_EQ(tuza_waitgroup_go(&group, wait_in_turn, (void *)i), 0);
        EVENTUALLY(locked_get(&waiting) == i + 1);
    }
    for (int i = 0; i < N; i++) {
        tuza_cond_signal(&cond);
        EVENTUALLY(locked_get(&norder) == i + 1);
        CHECK_EQ(order[i], i);
    }
    tuza_waitgroup_wait(&group);
}

static void wait_for_go(void *arg)
{
    (void)arg;
    tuza_mutex_lock(&mutex);
    waiting++;
    while (!go_on)
        tuza_cond_wait(&cond, &mutex);
    tuza_mutex_unlock(&mutex);
}

/* SY-15: a broadcast wakes all. */
TEST(broadcast)
{
    enum { N = 200 };
    for (int round = 0; round < 5; round++) {
        waiting = 0;
        go_on = false;
        for (int i = 0; i < N; i++)
            CHECK_EQ(tuza_waitgroup_go(&group, wait_for_go, NULL), 0);
        EVENTUALLY(locked_get(&waiting) == N);
        tuza_mutex_lock(&mutex);
        go_on = true;
        tuza_cond_broadcast(&cond);
        tuza_mutex_unlock(&mutex);
        tuza_waitgroup_wait(&group);
    }
}

/* SY-17: a signal that nobody waited for is lost; and a later wait does not take an earlier one's. */
TEST(not_stolen)
{
    for (int round = 0; round < 500 / SCALE; round++) {
        waiting = awake = 0;
        tuza_cond_signal(&cond); /* lost */
        CHECK_EQ(tuza_waitgroup_go(&group, wait_once, NULL), 0);
        EVENTUALLY(locked_get(&waiting) == 1);
        /* Signalled between its unlock and its parking, maybe; and the next begins to wait at once. */
        tuza_mutex_lock(&mutex);
        tuza_cond_signal(&cond);
        CHECK_EQ(tuza_waitgroup_go(&group, wait_for_go, NULL), 0);
        go_on = false;
        tuza_mutex_unlock(&mutex);
        EVENTUALLY(locked_get(&awake) == 1);
        EVENTUALLY(locked_get(&waiting) == 2);
        tuza_mutex_lock(&mutex);
        go_on = true;
        tuza_cond_broadcast(&cond);
        tuza_mutex_unlock(&mutex);
        tuza_waitgroup_wait(&group);
    }
}

typedef struct box {
    int value; /* under the mutex; 0: empty */
    int rounds;
    tuza_cond full, empty;
} box;

static void produce(void *arg)
{
    box *b = arg;
    for (int i = 1; i <= b->rounds; i++) {
        tuza_mutex_lock(&mutex);
        while (b->value)
            tuza_cond_wait(&b->empty, &mutex);
        b->value = i;
        tuza_cond_signal(&b->full);
        tuza_mutex_unlock(&mutex);
    }
}

static void consume(void *arg)
{
    box *b = arg;
    for (int i = 1; i <= b->rounds; i++) {
        tuza_mutex_lock(&mutex);
        while (!b->value)
            tuza_cond_wait(&b->full, &mutex);
        CHECK_EQ(b->value, i);
        b->value = 0;
        tuza_cond_signal(&b->empty);
        tuza_mutex_unlock(&mutex);
    }
}

static void *produce_thread(void *arg)
{
    produce(arg);
    return NULL;
}

/* SY-19: no signal is lost between the unlock and the wait: two that hand a box to and fro never stop. */
TEST(nothing_lost)
{
    box b = {.rounds = 20000 / SCALE};
    CHECK_EQ(tuza_waitgroup_go(&group, produce, &b), 0);
    CHECK_EQ(tuza_waitgroup_go(&group, consume, &b), 0);
    tuza_waitgroup_wait(&group);
    box f = {.rounds = 2000 / SCALE};
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, produce_thread, &f), 0);
    CHECK_EQ(tuza_waitgroup_go(&group, consume, &f), 0);
    tuza_waitgroup_wait(&group);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void recover_text(void *text)
{
    const char *t = tuza_recover();
    snprintf(text, 80, "%s", t ? t : "(nothing)");
}

static void signal_copy(void *text)
{
    tuza_cond a = TUZA_COND_INIT;
    tuza_defer(recover_text, text);
    tuza_cond_signal(&a);
    tuza_cond b = a;
    tuza_cond_signal(&b);
}

/* SY-18 */
TEST(copy_panics)
{
    char text[80] = "";
    CHECK(!tuza_call(signal_copy, text));
    CHECK(strcmp(text, "sync.Cond is copied") == 0);
}

TEST_MAIN_TUZA()
