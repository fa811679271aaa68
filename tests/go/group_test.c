/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups of goroutines. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=1 TUZA_CHAOS=35
// ctest: env GOMAXPROCS=4 TUZA_CHAOS=36
#include <errno.h>
#include <pthread.h>

#include "go/help.h"

static int ran;

static int succeed(void *arg)
{
    (void)arg;
    flag_add(&ran, 1);
    return 0;
}

/* All have ended when the wait returns, in every respect. */
TEST(all_end)
{
    tuza_group g = TUZA_GROUP_INIT;
    settle(1);
    for (int round = 0; round < 20; round++) {
        ran = 0;
        for (int i = 0; i < 50; i++)
            CHECK_EQ(tuza_group_go(&g, succeed, NULL), 0);
        CHECK_EQ(tuza_group_wait(&g), 0);
        CHECK_EQ(ran, 50);
        CHECK_EQ(tuza_num_goroutine(), 1);
    }
    CHECK_EQ(tuza_group_wait(&g), 0); /* of nobody */
}

static tuza_context *ctx;

static int until_done(void *arg)
{
    (void)arg;
    CHECK_EQ(tuza_context_sleep(ctx, 3600 * TUZA_SECOND), -ECANCELED);
    return -ETIMEDOUT; /* not the first */
}

static int fail_with(void *arg)
{
    return (int)(intptr_t)arg;
}

/* The first error is the group's, and cancels the others. */
TEST(first_error)
{
    tuza_group g = TUZA_GROUP_INIT;
    tuza_context *parent = tuza_context_with_cancel(tuza_context_background());
    ctx = tuza_group_context(&g, parent);
    tuza_context *kept = tuza_context_ref(ctx);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(tuza_group_go(&g, until_done, NULL), 0);
    CHECK_EQ(tuza_context_err(ctx), 0);
    CHECK_EQ(tuza_group_go(&g, fail_with, (void *)(intptr_t)-EIO), 0);
    CHECK_EQ(tuza_group_wait(&g), -EIO);
    CHECK_EQ(tuza_num_goroutine(), 1);
    CHECK_EQ(tuza_context_err(kept), -ECANCELED);
    CHECK_EQ(tuza_context_cause(kept), -EIO);
    CHECK_EQ(tuza_context_err(parent), 0);
    tuza_context_unref(kept);
    /* It is as new. */
    CHECK_EQ(tuza_group_go(&g, succeed, NULL), 0);
    CHECK_EQ(tuza_group_wait(&g), 0);
    tuza_context_unref(parent);
}

/* Without an error the context is cancelled by the wait; and a parent's end comes to all. */
TEST(context)
{
    tuza_group g = TUZA_GROUP_INIT;
    tuza_context *kept = tuza_context_ref(tuza_group_context(&g, NULL));
    CHECK_EQ(tuza_group_go(&g, succeed, NULL), 0);
    CHECK_EQ(tuza_group_wait(&g), 0);
    CHECK_EQ(tuza_context_err(kept), -ECANCELED);
    tuza_context_unref(kept);
    tuza_context *parent = tuza_context_with_cancel(tuza_context_background());
    ctx = tuza_group_context(&g, parent);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(tuza_group_go(&g, until_done, NULL), 0);
    tuza_context_cancel(parent);
    CHECK_EQ(tuza_group_wait(&g), -ETIMEDOUT);
    tuza_context_unref(parent);
}

static int now, most;

static int count_running(void *arg)
{
    (void)arg;
    int n = flag_add(&now, 1);
    int seen = flag_get(&most);
    while (n > seen &&
           !__atomic_compare_exchange_n(&most, &seen, n, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        ;
    tuza_sleep(TUZA_MILLISECOND / 20);
    flag_add(&now, -1);
    return 0;
}

/* No more than the limit at a time; who starts one waits for its place, or is told. */
TEST(limit)
{
    tuza_group g = TUZA_GROUP_INIT;
    tuza_group_limit(&g, 3);
    now = most = 0;
    for (int i = 0; i < 60; i++)
        CHECK_EQ(tuza_group_go(&g, count_running, NULL), 0);
    CHECK_EQ(tuza_group_wait(&g), 0);
    CHECK(most <= 3);
    ctx = tuza_group_context(&g, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(tuza_group_try_go(&g, until_done, NULL), 0);
    CHECK_EQ(tuza_group_try_go(&g, succeed, NULL), -EAGAIN);
    tuza_context_cancel(ctx);
    CHECK_EQ(tuza_group_wait(&g), -ETIMEDOUT);
    CHECK_EQ(tuza_group_try_go(&g, succeed, NULL), 0); /* the limit is still there, its places are free */
    CHECK_EQ(tuza_group_wait(&g), 0);
    tuza_group_limit(&g, 0);
    ctx = tuza_group_context(&g, NULL);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(tuza_group_try_go(&g, until_done, NULL), 0);
    tuza_group_close(&g);
    CHECK_EQ(tuza_num_goroutine(), 1);
}

static void recover_text(void *text)
{
    const char *t = tuza_recover();
    snprintf(text, 80, "%s", t ? t : "(nothing)");
}

static int panic_in_it(void *arg)
{
    tuza_panic("job %s failed", (const char *)arg);
}

static void wait_for_panic(void *text)
{
    tuza_defer(recover_text, text);
    tuza_group g = TUZA_GROUP_INIT;
    ctx = tuza_group_context(&g, NULL);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(tuza_group_go(&g, until_done, NULL), 0);
    CHECK_EQ(tuza_group_go(&g, panic_in_it, (void *)(uintptr_t) "seven"), 0);
    tuza_group_wait(&g);
    snprintf(text, 80, "the wait returned");
}

/* A panic cancels the group, and goes on where it is waited for. */
TEST(panic_goes_on)
{
    char text[80] = "";
    CHECK(!tuza_call(wait_for_panic, text));
    CHECK(strcmp(text, "job seven failed") == 0);
    CHECK_EQ(tuza_num_goroutine(), 1);
}

static void panic_late(void *text)
{
    tuza_panic("%s, late", (const char *)text);
}

static void recover_late(void *arg)
{
    (void)arg;
    tuza_recover();
}

static int panic_in_deferred(void *arg)
{
    tuza_defer(panic_late, arg);
    return -EIO;
}

static int panic_in_block(void *arg)
{
    TUZA_DEFER(panic_late, arg);
    return -EIO;
}

static int recover_in_deferred(void *arg)
{
    tuza_defer(recover_late, NULL);
    tuza_defer(panic_late, arg);
    return -EIO;
}

static void wait_for_late_panic(void *text)
{
    static int (*const how[])(void *) = {panic_in_deferred, panic_in_block};
    static int round;
    tuza_defer(recover_text, text);
    tuza_group g = TUZA_GROUP_INIT;
    ctx = tuza_context_ref(tuza_group_context(&g, NULL));
    CHECK_EQ(tuza_group_go(&g, how[round++ % 2], (void *)(uintptr_t) "seven"), 0);
    tuza_group_wait(&g);
}

/* A panic in what a member has deferred is its panic, and comes in place of an error; recovered there, it is
 * no panic. */
TEST(deferred_panics)
{
    for (int i = 0; i < 4; i++) {
        char text[80] = "";
        CHECK(!tuza_call(wait_for_late_panic, text));
        CHECK(strcmp(text, "seven, late") == 0);
        CHECK_EQ(tuza_context_cause(ctx), -ECANCELED);
        tuza_context_unref(ctx);
    }
    tuza_group g = TUZA_GROUP_INIT;
    CHECK_EQ(tuza_group_go(&g, recover_in_deferred, (void *)(uintptr_t) "seven"), 0);
    CHECK_EQ(tuza_group_wait(&g), -EIO);
}

static int end_it(void *arg)
{
    (void)arg;
    tuza_goexit();
}

static int end_thread(void *arg)
{
    (void)arg;
    pthread_exit(NULL);
}

/* One that ends itself, or its thread, has ended, and had no error. */
TEST(goexit)
{
    tuza_group g = TUZA_GROUP_INIT;
    CHECK_EQ(tuza_group_go(&g, end_it, NULL), 0);
    if (!HELP_TSAN) /* whose pthread_exit knows no fibers */
        CHECK_EQ(tuza_group_go(&g, end_thread, NULL), 0);
    CHECK_EQ(tuza_group_wait(&g), 0);
}

static void leave_scope(void *text)
{
    tuza_defer(recover_text, text);
    tuza_group g = TUZA_GROUP_INIT;
    TUZA_DEFER(tuza_group_close, &g);
    ctx = tuza_group_context(&g, NULL);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(tuza_group_go(&g, until_done, NULL), 0);
    tuza_panic("left");
}

static void exit_scope(void *arg)
{
    tuza_group g = TUZA_GROUP_INIT;
    TUZA_DEFER(tuza_group_close, &g);
    ctx = tuza_group_context(&g, NULL);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(tuza_group_go(&g, until_done, NULL), 0);
    (void)arg;
    tuza_goexit();
}

/* A scope that is left in another way waits as well. */
TEST(close)
{
    char text[80] = "";
    CHECK(!tuza_call(leave_scope, text));
    CHECK(strcmp(text, "left") == 0);
    CHECK_EQ(tuza_num_goroutine(), 1);
    tuza_waitgroup wg = TUZA_WAITGROUP_INIT;
    CHECK_EQ(tuza_waitgroup_go(&wg, exit_scope, NULL), 0);
    tuza_waitgroup_wait(&wg);
    CHECK_EQ(tuza_num_goroutine(), 1);
}

typedef struct tree {
    tuza_group *g;
    int depth;
} tree;

static int grow(void *arg)
{
    tree t = *(tree *)arg;
    flag_add(&ran, 1);
    if (t.depth-- > 0)
        for (int i = 0; i < 2; i++)
            CHECK_EQ(tuza_group_go_copy(t.g, grow, &t, sizeof t), 0);
    return 0;
}

/* Members may add members. */
TEST(members_add)
{
    tuza_group g = TUZA_GROUP_INIT;
    tree t = {&g, 7};
    ran = 0;
    CHECK_EQ(tuza_group_go_copy(&g, grow, &t, sizeof t), 0);
    CHECK_EQ(tuza_group_wait(&g), 0);
    CHECK_EQ(ran, 255);
}

typedef struct bytes {
    unsigned char b[5000];
} bytes;

static int sum(void *arg)
{
    const bytes *p = arg;
    int n = 0;
    for (size_t i = 0; i < sizeof p->b; i++)
        n += p->b[i];
    CHECK_EQ((uintptr_t)arg % 16, 0);
    return n;
}

TEST(go_copy)
{
    tuza_group g = TUZA_GROUP_INIT;
    bytes p;
    memset(&p, 1, sizeof p);
    CHECK_EQ(tuza_group_go_copy(&g, sum, &p, sizeof p), 0);
    memset(&p, 2, sizeof p);
    CHECK_EQ(tuza_group_wait(&g), 5000);
    CHECK_EQ(tuza_group_go_copy(&g, sum, NULL, 1), -EINVAL);
    CHECK_EQ(tuza_group_go_copy(&g, sum, &p, SIZE_MAX / 2), -EINVAL);
    CHECK_EQ(tuza_group_wait(&g), 0);
}

static void *thread(void *arg)
{
    (void)arg;
    tuza_group g = TUZA_GROUP_INIT;
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(tuza_group_go(&g, i == 7 ? fail_with : succeed, (void *)(intptr_t)-EBADF), 0);
    }
    CHECK_EQ(tuza_group_wait(&g), -EBADF);
    return NULL;
}

TEST(foreign_threads)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, thread, NULL), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

static void limit_while_active(void *text)
{
    tuza_group g = TUZA_GROUP_INIT;
    ctx = tuza_group_context(&g, NULL);
    TUZA_DEFER(tuza_group_close, &g);
    tuza_defer(recover_text, text);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(tuza_group_go(&g, until_done, NULL), 0);
    tuza_group_limit(&g, 5);
}

static void two_contexts(void *text)
{
    tuza_group g = TUZA_GROUP_INIT;
    TUZA_DEFER(tuza_group_close, &g);
    tuza_defer(recover_text, text);
    tuza_group_context(&g, NULL);
    tuza_group_context(&g, NULL);
}

static tuza_group shared;
static int refused;

static void wait_too(void *text)
{
    tuza_defer(recover_text, text);
    CHECK_EQ(tuza_group_wait(&shared), -ETIMEDOUT);
}

static void wait_and_tell(void *arg)
{
    char text[80];
    (void)arg;
    if (!tuza_call(wait_too, text)) {
        CHECK(strcmp(text, "tuza: two wait for a group") == 0);
        flag_add(&refused, 1);
    }
}

TEST(misuse)
{
    char text[80] = "";
    CHECK(!tuza_call(limit_while_active, text));
    CHECK(strcmp(text, "errgroup: modify limit while 2 goroutines in the group are still active") == 0);
    CHECK(!tuza_call(two_contexts, text));
    CHECK(strcmp(text, "tuza: the group has a context already") == 0);
    /* Of two that wait, one is refused. */
    tuza_waitgroup wg = TUZA_WAITGROUP_INIT;
    ctx = tuza_group_context(&shared, NULL);
    CHECK_EQ(tuza_group_go(&shared, until_done, NULL), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(tuza_waitgroup_go(&wg, wait_and_tell, NULL), 0);
    EVENTUALLY(flag_get(&refused) == 1);
    tuza_context_cancel(ctx);
    tuza_waitgroup_wait(&wg);
    CHECK_EQ(refused, 1);
}

TEST_MAIN_TUZA()
