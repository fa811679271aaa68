/* SPDX-License-Identifier: BSD-3-Clause */
/* Semaphores as a program sees them. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=1 TUZA_CHAOS=31
// ctest: env GOMAXPROCS=4 TUZA_CHAOS=32 | env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1
#include <errno.h>
#include <pthread.h>

#include "go/help.h"

static tuza_waitgroup group;

enum { PERMITS = 7, ROUNDS = 400 };
static tuza_semaphore sem = TUZA_SEMAPHORE_INIT(PERMITS);
static int used;

static void use(void *arg)
{
    int64_t n = (intptr_t)arg;
    for (int i = 0; i < ROUNDS / SCALE; i++) {
        if (i % 4 == 3) {
            if (!tuza_semaphore_tryacquire(&sem, n))
                continue;
        } else {
            tuza_semaphore_acquire(&sem, n);
        }
        CHECK(flag_add(&used, (int)n) <= PERMITS);
        if (i % 8 == 0)
            tuza_gosched();
        flag_add(&used, -(int)n);
        tuza_semaphore_release(&sem, n);
    }
}

static void *use_thread(void *arg)
{
    use(arg);
    return NULL;
}

/* Never more than there are, by goroutines and by threads. */
TEST(weights)
{
    pthread_t threads[2];
    for (intptr_t i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, use_thread, (void *)(i + 2)), 0);
    for (intptr_t i = 0; i < 12; i++)
        CHECK_EQ(tuza_waitgroup_go(&group, use, (void *)(i % PERMITS + 1)), 0);
    tuza_waitgroup_wait(&group);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK(tuza_semaphore_tryacquire(&sem, PERMITS));
    CHECK(!tuza_semaphore_tryacquire(&sem, 1));
    tuza_semaphore_release(&sem, PERMITS);
}

static tuza_semaphore line;
static int order[8], norder;

static void take_in_turn(void *arg)
{
    int64_t n = (intptr_t)arg;
    tuza_semaphore_acquire(&line, n);
    order[__atomic_fetch_add(&norder, 1, __ATOMIC_RELAXED)] = (int)n; /* the last two may be at it at once */
    tuza_semaphore_release(&line, n);
}

/* SY-31: in turn, and who wants much is not passed by those who want little. */
TEST(in_turn)
{
    norder = 0;
    memset(&line, 0, sizeof line);
    for (intptr_t i = 0; i < 4; i++) {
        static const intptr_t wants[] = {1, 4, 2, 1};
        CHECK_EQ(tuza_waitgroup_go(&group, take_in_turn, (void *)wants[i]), 0);
        for (int j = 0; j < 50; j++) /* it waits by then, or the order is by chance */
            tuza_sleep(TUZA_MILLISECOND / 10);
    }
    CHECK(!tuza_semaphore_tryacquire(&line, 0)); /* not past those who wait */
    for (int i = 0; i < 3; i++) {
        tuza_semaphore_release(&line, 1);
        tuza_sleep(TUZA_MILLISECOND);
    }
    tuza_semaphore_release(&line, 1);
    tuza_waitgroup_wait(&group);
    CHECK_EQ(norder, 4);
    CHECK_EQ(order[0], 1);
    CHECK_EQ(order[1], 4);
    CHECK_EQ(order[2] + order[3], 3);
}

typedef struct timed {
    tuza_semaphore *s;
    tuza_context *ctx;
    int64_t n;
    int result;
} timed;

static void acquire_timed(void *arg)
{
    timed *t = arg;
    t->result = tuza_semaphore_acquire_context(t->s, t->n, t->ctx);
}

/* A context ends the wait; those behind one that has gone get their turn. */
TEST(context)
{
    tuza_semaphore s = TUZA_SEMAPHORE_INIT(2);
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    CHECK_EQ(tuza_semaphore_acquire_context(&s, 1, ctx), 0);
    CHECK_EQ(tuza_semaphore_acquire_context(&s, 1, NULL), 0);
    tuza_semaphore_release(&s, 1); /* one is there */
    timed big = {&s, ctx, 2, 1}, small = {&s, tuza_context_background(), 1, 1};
    CHECK_EQ(tuza_waitgroup_go(&group, acquire_timed, &big), 0);
    while (tuza_semaphore_tryacquire(&s, 0)) /* until it waits */
        tuza_gosched();
    CHECK_EQ(tuza_waitgroup_go(&group, acquire_timed, &small), 0);
    tuza_context_cancel(ctx);
    tuza_waitgroup_wait(&group);
    CHECK_EQ(big.result, -ECANCELED);
    CHECK_EQ(small.result, 0);
    CHECK_EQ(tuza_semaphore_acquire_context(&s, 0, ctx), -ECANCELED);
    tuza_context_unref(ctx);
    ctx = tuza_context_with_timeout(tuza_context_background(), TUZA_MILLISECOND);
    CHECK_EQ(tuza_semaphore_acquire_context(&s, 1, ctx), -ETIMEDOUT);
    tuza_context_unref(ctx);
}

static void acquire_and_count(void *arg)
{
    timed *t = arg;
    for (int i = 0; i < 300 / SCALE; i++) {
        tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
        tuza_timer *timer = tuza_after_func(i % 3 * TUZA_MILLISECOND / 100,
                                            (void (*)(void *))(uintptr_t)tuza_context_cancel, ctx);
        if (tuza_semaphore_acquire_context(t->s, 1, ctx) == 0) {
            CHECK(flag_add(&used, 1) <= 2);
            tuza_gosched();
            flag_add(&used, -1);
            tuza_semaphore_release(t->s, 1);
        }
        tuza_timer_stop_wait(timer);
        tuza_timer_free(timer);
        tuza_context_unref(ctx);
    }
}

/* Cancelled at about the time of its turn: no permit is lost, none is made. */
TEST(context_races)
{
    tuza_semaphore s = TUZA_SEMAPHORE_INIT(2);
    timed t = {.s = &s};
    used = 0;
    for (int i = 0; i < 6; i++)
        CHECK_EQ(tuza_waitgroup_go(&group, acquire_and_count, &t), 0);
    tuza_waitgroup_wait(&group);
    CHECK(tuza_semaphore_tryacquire(&s, 2));
    CHECK(!tuza_semaphore_tryacquire(&s, 1));
}

static void recover_text(void *text)
{
    const char *t = tuza_recover();
    snprintf(text, 80, "%s", t ? t : "(nothing)");
}

static void release_negative(void *text)
{
    tuza_defer(recover_text, text);
    tuza_semaphore_release(&sem, -1);
}

static void acquire_negative(void *text)
{
    tuza_defer(recover_text, text);
    tuza_semaphore_acquire(&sem, -1);
}

static void release_many(void *text)
{
    tuza_defer(recover_text, text);
    tuza_semaphore_release(&sem, INT64_MAX);
}

TEST(misuse)
{
    char text[80];
    CHECK(!tuza_call(release_negative, text));
    CHECK(strcmp(text, "tuza: negative number of permits") == 0);
    CHECK(!tuza_call(acquire_negative, text));
    CHECK(strcmp(text, "tuza: negative number of permits") == 0);
    CHECK(!tuza_call(release_many, text));
    CHECK(strcmp(text, "tuza: too many permits") == 0);
    CHECK(tuza_semaphore_tryacquire(&sem, PERMITS));
    tuza_semaphore_release(&sem, PERMITS);
}

TEST_MAIN_TUZA()
