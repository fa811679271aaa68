/* SPDX-License-Identifier: BSD-3-Clause */
/* Wait groups and once, as a program sees them. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=1 TUZA_CHAOS=23
// ctest: env GOMAXPROCS=4 TUZA_CHAOS=24 | env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1
#include <errno.h>
#include <pthread.h>

#include "go/help.h"

enum { N = 16 };

typedef struct pair {
    tuza_waitgroup *first, *second;
    tuza_chan *exited;
} pair;

static void member(void *arg)
{
    pair *p = arg;
    tuza_waitgroup_done(p->first);
    tuza_waitgroup_wait(p->second);
    tuza_chan_send(p->exited, NULL);
}

static void wait_for_each_other(tuza_waitgroup *a, tuza_waitgroup *b)
{
    pair p = {a, b, tuza_chan_make(0, N)};
    tuza_waitgroup_add(a, N);
    tuza_waitgroup_add(b, N);
    for (int i = 0; i < N; i++)
        GO(member, &p);
    tuza_waitgroup_wait(a);
    for (int i = 0; i < N; i++) {
        CHECK(!try_recv(p.exited, NULL)); /* let go too early */
        tuza_waitgroup_done(b);
    }
    for (int i = 0; i < N; i++)
        CHECK(tuza_chan_recv(p.exited, NULL));
    settle(1);
    tuza_chan_unref(p.exited);
}

/* SY-22: all are released when the counter is 0, not before; then it can be used again. */
TEST(all_are_released)
{
    tuza_waitgroup a = TUZA_WAITGROUP_INIT, b;
    memset(&b, 0, sizeof b);
    for (int i = 0; i < 8; i++)
        wait_for_each_other(&a, &b);
}

static void catch (void *text)
{
    const char *t = tuza_recover();
    snprintf(text, 80, "%s", t ? t : "(nothing)");
}

static void below_zero(void *text)
{
    static tuza_waitgroup wg;
    tuza_defer(catch, text);
    tuza_waitgroup_add(&wg, 1);
    tuza_waitgroup_done(&wg);
    tuza_waitgroup_done(&wg);
}

static void beyond(void *text)
{
    static tuza_waitgroup wg;
    tuza_defer(catch, text);
    tuza_waitgroup_add(&wg, INT32_MAX);
    tuza_waitgroup_add(&wg, 1);
}

static void to_the_least(void *text)
{
    static tuza_waitgroup wg;
    tuza_defer(catch, text);
    tuza_waitgroup_add(&wg, INT32_MAX);
    tuza_waitgroup_add(&wg, -INT32_MAX);
    tuza_waitgroup_wait(&wg);
    tuza_waitgroup_add(&wg, INT32_MIN);
}

/* SY-20: the counter can't be negative, nor overflow; and that can be recovered from. */
TEST(negative)
{
    void (*const bad[])(void *) = {below_zero, beyond, to_the_least};
    for (int i = 0; i < 3; i++) {
        char text[80] = "";
        CHECK(!tuza_call(bad[i], text));
        CHECK(strcmp(text, "sync: negative WaitGroup counter") == 0);
    }
}

static void end_early(void *arg)
{
    flag_add((int *)arg, 1);
    tuza_goexit();
}

static void just_return(void *arg)
{
    flag_add((int *)arg, 1);
}

static void recover_own(void *arg)
{
    char text[80];
    (void)arg;
    catch (text);
    CHECK(strcmp(text, "mine") == 0);
}

static void panic_and_recover(void *arg)
{
    tuza_defer(recover_own, NULL);
    flag_add((int *)arg, 1);
    tuza_panic("mine");
}

/* SY-23: one of the group counts until it has ended, by return, Goexit or a panic that it recovers. */
TEST(go)
{
    tuza_waitgroup wg = TUZA_WAITGROUP_INIT;
    int ran = 0;
    for (int i = 0; i < 3 * N; i++)
        CHECK_EQ(
            tuza_waitgroup_go(&wg, i % 3 ? i % 3 == 1 ? end_early : panic_and_recover : just_return, &ran),
            0);
    tuza_waitgroup_wait(&wg);
    CHECK_EQ(ran, 3 * N);
}

typedef struct big {
    int64_t *sum;
    unsigned char bytes[3000];
} big;

static void sum_big(void *arg)
{
    big *b = arg;
    CHECK_EQ((uintptr_t)arg % 16, 0);
    int64_t sum = 0;
    for (size_t i = 0; i < sizeof b->bytes; i++)
        sum += b->bytes[i];
    __atomic_add_fetch(b->sum, sum, __ATOMIC_RELAXED);
}

static void sum_small(void *arg)
{
    int64_t *const *sum = arg;
    CHECK_EQ((uintptr_t)arg % 16, 0);
    __atomic_add_fetch(*sum, 1, __ATOMIC_RELAXED);
}

/* GR-02, SY-23: the copy is the goroutine's own. */
TEST(go_copy)
{
    tuza_waitgroup wg = TUZA_WAITGROUP_INIT;
    int64_t sum = 0, *psum = &sum;
    big b = {.sum = &sum};
    for (int i = 0; i < 20; i++) {
        memset(b.bytes, i, sizeof b.bytes);
        CHECK_EQ(tuza_waitgroup_go_copy(&wg, sum_big, &b, sizeof b), 0);
        CHECK_EQ(tuza_waitgroup_go_copy(&wg, sum_small, &psum, sizeof psum), 0);
    }
    memset(&b, 0xee, sizeof b);
    tuza_waitgroup_wait(&wg);
    CHECK_EQ(sum, 190 * 3000 + 20);
    CHECK_EQ(tuza_waitgroup_go_copy(&wg, sum_small, NULL, 8), -EINVAL);
    CHECK_EQ(tuza_waitgroup_go_copy(&wg, sum_small, &b, SIZE_MAX), -EINVAL);
    tuza_waitgroup_wait(&wg); /* which counts nothing of these */
}

static void *add_and_done(void *arg)
{
    for (int i = 0; i < 2000 / SCALE; i++) {
        tuza_waitgroup_add(arg, 2);
        tuza_waitgroup_add(arg, -1);
        tuza_waitgroup_done(arg);
    }
    tuza_waitgroup_done(arg);
    return NULL;
}

static void adds(void *arg)
{
    add_and_done(arg);
}

/* Threads and goroutines change and wait, the group on the stack of one that waits. */
TEST(foreign_threads)
{
    for (int round = 0; round < 20; round++) {
        pthread_t threads[2];
        tuza_waitgroup wg = TUZA_WAITGROUP_INIT;
        tuza_waitgroup_add(&wg, 4);
        for (int i = 0; i < 2; i++) {
            CHECK_EQ(pthread_create(&threads[i], NULL, add_and_done, &wg), 0);
            GO(adds, &wg);
        }
        tuza_waitgroup_wait(&wg);
        memset(&wg, 0xff, sizeof wg);
        for (int i = 0; i < 2; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
}

static void done_once(void *arg)
{
    tuza_waitgroup_done(arg);
}

/* A group ends with the wait, though the last done may not have returned. */
TEST(on_the_stack)
{
    for (int round = 0; round < 3000 / SCALE; round++) {
        tuza_waitgroup *wg = calloc(1, sizeof *wg);
        tuza_waitgroup_add(wg, 3);
        for (int i = 0; i < 3; i++)
            GO(done_once, wg);
        tuza_waitgroup_wait(wg);
        memset(wg, 0xff, sizeof *wg);
        free(wg);
    }
    settle(1);
}

typedef struct freed_group {
    tuza_waitgroup *wg;
    int returned; /* atomic */
} freed_group;

/* How many wait for groups. */
static uint64_t waiting(void)
{
    static tuza_stats s;
    tuza_stats_get(&s);
    for (int i = 0; i < TUZA_STATS_WAITS && s.waits[i].reason; i++)
        if (strcmp(s.waits[i].reason, "sync.WaitGroup.Wait") == 0)
            return s.waits[i].count;
    return 0;
}

static void wait_and_free(void *arg)
{
    freed_group *f = arg;
    tuza_waitgroup *wg = f->wg;
    tuza_waitgroup_wait(wg);
    if (__atomic_fetch_add(&f->returned, 1, __ATOMIC_ACQ_REL) == 0) {
        memset(wg, 0xff, sizeof *wg);
        free(wg);
    }
}

/* Of several that wait the first to return may free it. */
TEST(freed_by_the_first)
{
    for (int round = 0; round < 200 / SCALE; round++) {
        freed_group f = {calloc(1, sizeof *f.wg), 0};
        tuza_waitgroup all = TUZA_WAITGROUP_INIT;
        tuza_waitgroup_add(f.wg, 1);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(tuza_waitgroup_go(&all, wait_and_free, &f), 0);
        EVENTUALLY(waiting() == 3);
        tuza_waitgroup_done(f.wg);
        tuza_waitgroup_wait(&all);
        CHECK_EQ(f.returned, 3);
    }
}

static void wait_and_tell(void *arg)
{
    freed_group *f = arg;
    tuza_waitgroup_wait(f->wg);
    flag_set(&f->returned, 1);
}

/* SY-21: who was let go returns, though others use the group again by then. */
TEST(used_again)
{
    tuza_waitgroup wg = TUZA_WAITGROUP_INIT;
    for (int round = 0; round < 20; round++) {
        freed_group f = {&wg, 0};
        tuza_waitgroup_add(&wg, 1);
        GO(wait_and_tell, &f);
        EVENTUALLY(waiting() == 1);
        tuza_waitgroup_done(&wg);
        tuza_waitgroup_add(&wg, 1);
        EVENTUALLY(flag_get(&f.returned));
        tuza_waitgroup_done(&wg);
    }
}

/* Once. */

typedef struct once_test {
    tuza_once once;
    int ran, before, after;
} once_test;

static void slowly(void *arg)
{
    once_test *t = arg;
    tuza_gosched();
    tuza_sleep(TUZA_MILLISECOND);
    t->ran++;
}

static void do_it(void *arg)
{
    once_test *t = arg;
    tuza_once_do(&t->once, slowly, t);
    CHECK_EQ(t->ran, 1);
}

/* SY-24: f runs once, and has ended when any call returns. */
TEST(once)
{
    for (int round = 0; round < 20; round++) {
        tuza_waitgroup wg = TUZA_WAITGROUP_INIT;
        once_test t = {.once = TUZA_ONCE_INIT};
        for (int i = 0; i < 10; i++)
            CHECK_EQ(tuza_waitgroup_go(&wg, do_it, &t), 0);
        tuza_waitgroup_wait(&wg);
        CHECK_EQ(t.ran, 1);
    }
}

static void panics(void *arg)
{
    once_test *t = arg;
    t->ran++;
    tuza_panic("failed");
}

static void call_panicking(void *arg)
{
    once_test *t = arg;
    static char text[80]; /* until the boundary is left */
    tuza_defer(catch, text);
    tuza_once_do(&t->once, panics, t);
    t->after++;
}

static void exits(void *arg)
{
    once_test *t = arg;
    t->ran++;
    tuza_goexit();
}

static void call_exiting(void *arg)
{
    once_test *t = arg;
    tuza_once_do(&t->once, exits, t);
    flag_add(&t->after, 1);
}

/* SY-25: a panic or Goexit counts as done, and is the first caller's alone. */
TEST(once_panic)
{
    once_test t = {.once = TUZA_ONCE_INIT};
    CHECK(!tuza_call(call_panicking, &t));
    CHECK_EQ(t.after, 0);
    CHECK(tuza_call(call_panicking, &t));
    CHECK_EQ(t.after, 1);
    CHECK_EQ(t.ran, 1);
    once_test g = {.once = TUZA_ONCE_INIT};
    tuza_waitgroup wg = TUZA_WAITGROUP_INIT;
    for (int i = 0; i < 5; i++)
        CHECK_EQ(tuza_waitgroup_go(&wg, call_exiting, &g), 0);
    tuza_waitgroup_wait(&wg);
    CHECK_EQ(g.ran, 1);
    CHECK_EQ(g.after, 4);
}

static void deferred_slowly(void *arg)
{
    slowly(arg);
    tuza_recover();
}

static void defers(void *arg)
{
    once_test *t = arg;
    tuza_defer(deferred_slowly, t);
    if (t->before)
        tuza_panic("recovered");
}

static void do_deferring(void *arg)
{
    once_test *t = arg;
    tuza_once_do(&t->once, defers, t);
    CHECK_EQ(t->ran, 1);
    flag_add(&t->after, 1);
}

/* SY-24: what f has deferred is part of it; a panic recovered there is none. */
TEST(once_defers)
{
    for (int round = 0; round < 6; round++) {
        once_test t = {.once = TUZA_ONCE_INIT, .before = round % 2};
        tuza_waitgroup wg = TUZA_WAITGROUP_INIT;
        for (int i = 0; i < 3; i++)
            CHECK_EQ(tuza_waitgroup_go(&wg, do_deferring, &t), 0);
        tuza_waitgroup_wait(&wg);
        CHECK_EQ(t.after, 3);
    }
}

static void call_null(void *arg)
{
    once_test *t = arg;
    static char text[80];
    tuza_defer(catch, text);
    tuza_once_do(&t->once, NULL, NULL);
    t->after++;
}

TEST(once_null)
{
    once_test t = {.once = TUZA_ONCE_INIT};
    CHECK(!tuza_call(call_null, &t));
    CHECK(tuza_call(call_null, &t));
    CHECK_EQ(t.after, 1);
}

static void *thread_do(void *arg)
{
    do_it(arg);
    return NULL;
}

TEST(once_foreign)
{
    for (int round = 0; round < 20; round++) {
        once_test t = {.once = TUZA_ONCE_INIT};
        tuza_waitgroup wg = TUZA_WAITGROUP_INIT;
        pthread_t threads[2];
        for (int i = 0; i < 2; i++) {
            CHECK_EQ(pthread_create(&threads[i], NULL, thread_do, &t), 0);
            CHECK_EQ(tuza_waitgroup_go(&wg, do_it, &t), 0);
        }
        tuza_waitgroup_wait(&wg);
        for (int i = 0; i < 2; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_EQ(t.ran, 1);
    }
}

TEST_MAIN_TUZA()
