/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=1 TUZA_CHAOS=37
// ctest: env GOMAXPROCS=4 TUZA_CHAOS=38 | timeout 600
#include <pthread.h>

#include "go/help.h"

static tuza_waitgroup group;
static int made, destroyed;

typedef struct item {
    int owner; /* 0: in the pool */
    int mark;
} item;

static void *make(void *arg)
{
    CHECK(arg == &made);
    flag_add(&made, 1);
    return calloc(1, sizeof(item));
}

static void destroy(void *p)
{
    item *i = p;
    CHECK_EQ(i->owner, 0);
    flag_add(&destroyed, 1);
    free(i);
}

/* SY-28: what was put last comes first; NULL is ignored; without anything it is made. */
TEST(last_first)
{
    static int a, b, c;
    tuza_pool p = {0};
    if (help_chaos() || tuza_gomaxprocs(0) > 1)
        SKIP("only on one and the same processor is there an order");
    CHECK(tuza_pool_get(&p) == NULL);
    tuza_pool_put(&p, &a);
    tuza_pool_put(&p, NULL);
    tuza_pool_put(&p, &b);
    CHECK(tuza_pool_get(&p) == &b);
    tuza_pool_put(&p, &c);
    CHECK(tuza_pool_get(&p) == &c);
    CHECK(tuza_pool_get(&p) == &a);
    CHECK(tuza_pool_get(&p) == NULL);
    tuza_pool_clear(&p);
    tuza_pool m = TUZA_POOL_INIT(make, destroy, &made);
    made = destroyed = 0;
    void *one = tuza_pool_get(&m);
    CHECK(one && made == 1);
    tuza_pool_put(&m, one);
    CHECK(tuza_pool_get(&m) == one && made == 1);
    tuza_pool_put(&m, one);
    tuza_pool_clear(&m);
    CHECK_EQ(destroyed, 1);
}

/* SY-28: others' items are found, all of them. */
static void put_many(void *arg)
{
    static char things[5000];
    for (int i = 0; i < 5000; i++)
        tuza_pool_put(arg, &things[i]);
}

TEST(stolen)
{
    tuza_pool p = {0};
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(tuza_waitgroup_go(&group, put_many, &p), 0);
        tuza_waitgroup_wait(&group);
        for (int i = 0; i < 5000; i++)
            CHECK(tuza_pool_get(&p) != NULL);
        CHECK(tuza_pool_get(&p) == NULL);
    }
    tuza_pool_clear(&p);
}

/* SY-29: an item outlives one cycle, unless it is wanted not a second. */
TEST(cycles)
{
    tuza_pool p = TUZA_POOL_INIT(NULL, destroy, NULL);
    enum { N = 200 };
    destroyed = 0;
    for (int i = 0; i < N; i++)
        tuza_pool_put(&p, calloc(1, sizeof(item)));
    tuza_pool_trim(&p);
    CHECK_EQ(destroyed, 0);
    item *kept = tuza_pool_get(&p);
    CHECK(kept != NULL);
    tuza_pool_put(&p, kept);
    tuza_pool_trim(&p);
    CHECK_EQ(destroyed, N - 1);
    CHECK(tuza_pool_get(&p) == kept);
    CHECK(tuza_pool_get(&p) == NULL);
    tuza_pool_put(&p, kept);
    tuza_pool_trim(&p);
    tuza_pool_trim(&p);
    CHECK_EQ(destroyed, N);
    tuza_pool_clear(&p);
    CHECK_EQ(destroyed, N);
}

/* SY-29: time ends cycles as well. */
TEST(by_time)
{
    if (help_chaos() || tuza_gomaxprocs(0) != 2)
        SKIP("once is enough: it takes four cycles");
    tuza_pool p = TUZA_POOL_INIT(NULL, destroy, NULL);
    destroyed = 0;
    for (int i = 0; i < 100; i++)
        tuza_pool_put(&p, calloc(1, sizeof(item)));
    EVENTUALLY(flag_get(&destroyed) == 100);
    tuza_pool_put(&p, calloc(1, sizeof(item))); /* anew */
    EVENTUALLY(flag_get(&destroyed) == 101);
    tuza_pool_clear(&p);
}

static void destroy_and_exit(void *p)
{
    destroy(p);
    tuza_goexit();
}

static void clear_exiting(void *p)
{
    tuza_pool_clear(p);
}

/* A destroy that ends its goroutine: the other items are there still, also for the next cycle by time. */
TEST(destroy_exits)
{
    tuza_pool p = TUZA_POOL_INIT(NULL, destroy_and_exit, NULL);
    tuza_waitgroup wg = TUZA_WAITGROUP_INIT;
    destroyed = 0;
    for (int i = 0; i < 7; i++)
        tuza_pool_put(&p, calloc(1, sizeof(item)));
    bool by_time = !help_chaos() && tuza_gomaxprocs(0) == 1; /* once is enough: it takes three cycles */
    for (int i = 1; i <= (by_time ? 5 : 7); i++) {
        CHECK_EQ(tuza_waitgroup_go(&wg, clear_exiting, &p), 0);
        tuza_waitgroup_wait(&wg);
        CHECK_EQ(destroyed, i);
    }
    EVENTUALLY(flag_get(&destroyed) == 7);
    tuza_pool_clear(&p);
}

static tuza_pool of_parts;

static void destroy_in_parts(void *p)
{
    if (!destroyed)
        tuza_pool_put(&of_parts, calloc(1, sizeof(item)));
    destroy(p);
}

/* A destroy that puts into its pool: clear does not return before that is destroyed, too. */
TEST(destroy_puts)
{
    of_parts = (tuza_pool)TUZA_POOL_INIT(NULL, destroy_in_parts, NULL);
    destroyed = 0;
    tuza_pool_put(&of_parts, calloc(1, sizeof(item)));
    tuza_pool_clear(&of_parts);
    CHECK_EQ(destroyed, 2);
    CHECK(!tuza_pool_get(&of_parts));
    tuza_pool_clear(&of_parts);
}

static tuza_pool shared = TUZA_POOL_INIT(make, destroy, &made);
static bool stop;

static void use(void *arg)
{
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < 3000 / SCALE; i++) {
        item *a = tuza_pool_get(&shared), *b = tuza_pool_get(&shared);
        CHECK(a != b);
        CHECK_EQ(a->owner, 0);
        CHECK_EQ(b->owner, 0);
        a->owner = b->owner = me;
        if (i % 7 == 0)
            tuza_gosched();
        CHECK(a->owner == me && b->owner == me);
        a->owner = b->owner = 0;
        tuza_pool_put(&shared, b);
        tuza_pool_put(&shared, a);
    }
}

static void *use_thread(void *arg)
{
    use(arg);
    return NULL;
}

static void trim(void *arg)
{
    while (!flag_get(&stop)) {
        tuza_pool_trim(arg);
        tuza_sleep(TUZA_MILLISECOND / 10);
    }
}

/* SY-28, SY-29: nobody has what another has, while cycles end; and all that was made is destroyed. */
TEST(together)
{
    made = destroyed = 0;
    stop = false;
    tuza_waitgroup trimmer = TUZA_WAITGROUP_INIT;
    CHECK_EQ(tuza_waitgroup_go(&trimmer, trim, &shared), 0);
    pthread_t threads[2];
    for (intptr_t i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, use_thread, (void *)(i + 100)), 0);
    for (intptr_t i = 1; i <= 10; i++)
        CHECK_EQ(tuza_waitgroup_go(&group, use, (void *)i), 0);
    tuza_waitgroup_wait(&group);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    flag_set(&stop, true);
    tuza_waitgroup_wait(&trimmer);
    tuza_pool_clear(&shared);
    CHECK_EQ(made, destroyed);
}

/* More processors than there were when the pool was made. */
TEST(more_processors)
{
    int procs = tuza_gomaxprocs(1);
    tuza_pool p = {0};
    static char thing;
    tuza_pool_put(&p, &thing);
    tuza_gomaxprocs(procs + 3);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(tuza_waitgroup_go(&group, put_many, &p), 0);
        tuza_sleep(TUZA_MILLISECOND / 10);
    }
    tuza_waitgroup_wait(&group);
    tuza_gomaxprocs(procs);
    int n = 0;
    while (tuza_pool_get(&p))
        n++;
    CHECK_EQ(n, 20 * 5000 + 1);
    tuza_pool_clear(&p);
}

TEST_MAIN_TUZA()
