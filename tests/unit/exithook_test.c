/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of exit hooks by itself, with three functions of the test's own in place of the runtime's. */
#include "exithook/exithook.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>

#include "tz_test.h"

static void call_hook(void (*fn)(void *), void *arg)
{
    fn(arg);
}

static _Thread_local uint64_t me = 1;
static int yields; /* atomic */
static const char *thrown;
static jmp_buf out;

static void yield(void)
{
    __atomic_add_fetch(&yields, 1, __ATOMIC_RELAXED);
    usleep(100);
}

static uint64_t who(void)
{
    return me;
}

static void throws(const char *text)
{
    thrown = text;
    longjmp(out, 1);
}

/* After the runtime's own constructor. */
static __attribute__((constructor)) void wire(void)
{
    tz_exithook_hooks = (tz_exithook_hooks_t){.gosched = yield, .goid = who, .throw = throws};
}

static char said[64];
static void say(void *text)
{
    strcat(said, text);
}
static char a[] = "a", b[] = "b", c[] = "c";

/* Ends a run that would otherwise keep the turn for good: the way of a hook that ends its goroutine. */
static jmp_buf hook_out;
static void leave(void *unused)
{
    (void)unused;
    longjmp(hook_out, 1);
}
static void run_until_left(int code)
{
    if (setjmp(hook_out) == 0) {
        tz_exithook_begin();
        tz_exithook_run(code, call_hook);
        CHECK(false); /* not reached */
    }
    tz_exithook_left(false);
}

/* XH-04: a hook skipped because of the code is removed all the same. */
TEST(skipped_are_gone)
{
    CHECK_EQ(tz_exithook_add(leave, NULL, true), 0);
    CHECK_EQ(tz_exithook_add(say, a, false), 0);
    CHECK_EQ(tz_exithook_add(say, b, true), 0);
    run_until_left(1);
    CHECK_STR(said, "b");
    said[0] = 0;
    CHECK_EQ(tz_exithook_add(leave, NULL, true), 0);
    run_until_left(0);
    CHECK_STR(said, "");
}

/* XH-20: a hook that ends its goroutine leaves the turn free and the rest for the next run; XH-05: it does
 * not run again itself. */
TEST(left_hooks_stay)
{
    CHECK_EQ(tz_exithook_add(leave, NULL, true), 0);
    CHECK_EQ(tz_exithook_add(say, a, true), 0);
    CHECK_EQ(tz_exithook_add(leave, NULL, true), 0);
    CHECK_EQ(tz_exithook_add(say, b, true), 0);
    run_until_left(0);
    CHECK_STR(said, "b");
    CHECK(!tz_exithook_busy());
    run_until_left(0);
    CHECK_STR(said, "ba");
    said[0] = 0;
}

static void exits(void *unused)
{
    (void)unused;
    CHECK(tz_exithook_busy());
    if (setjmp(out) == 0)
        tz_exithook_begin();
    longjmp(hook_out, 1);
}

/* XH-13, and after it the id is no runner's any more. */
TEST(exit_in_hook)
{
    CHECK_EQ(tz_exithook_add(exits, NULL, true), 0);
    run_until_left(0);
    CHECK_STR(thrown, "exit hook invoked exit");
    thrown = NULL;
    CHECK_EQ(tz_exithook_add(leave, NULL, true), 0);
    run_until_left(0);
    CHECK(!thrown);
}

/* XH-16 */
TEST(panic_in_hook)
{
    CHECK_EQ(tz_exithook_add(leave, NULL, true), 0);
    if (setjmp(hook_out) == 0) {
        tz_exithook_begin();
        tz_exithook_run(0, call_hook);
    }
    if (setjmp(out) == 0)
        tz_exithook_left(true);
    CHECK_STR(thrown, "exit hook invoked panic");
    tz_exithook_left(false);
}

static void adds(void *unused)
{
    (void)unused;
    CHECK_EQ(tz_exithook_add(say, a, true), 0);
    CHECK_EQ(tz_exithook_add(say, b, true), 0);
    CHECK_EQ(tz_exithook_add(say, c, true), 0);
    CHECK_EQ(tz_exithook_remove(say, b), 0);
    CHECK_EQ(tz_exithook_remove(say, b), -ENOENT);
}

/* XH-21: in a hook the list is at hand. */
TEST(list_in_hook)
{
    CHECK_EQ(tz_exithook_add(leave, NULL, true), 0);
    CHECK_EQ(tz_exithook_add(adds, NULL, true), 0);
    run_until_left(1);
    CHECK_STR(said, "ca");
    said[0] = 0;
}

#define ADDERS 4
#define ADDS   2000
static int ran[ADDERS];
static void count(void *n)
{
    __atomic_add_fetch((int *)n, 1, __ATOMIC_RELAXED);
}
static void *adder(void *n)
{
    me = 10 + (uint64_t)((int *)n - ran);
    for (int i = 0; i < ADDS; i++) {
        CHECK_EQ(tz_exithook_add(count, n, true), 0);
        if (i % 4 == 3)
            CHECK_EQ(tz_exithook_add(leave, n, true), 0);
        if (i % 4 == 3)
            CHECK_EQ(tz_exithook_remove(leave, n), 0);
    }
    return NULL;
}

/* XH-23: each of the adds that race is there once. */
TEST(adds_race)
{
    pthread_t t[ADDERS];
    CHECK_EQ(tz_exithook_add(leave, NULL, true), 0);
    for (int i = 0; i < ADDERS; i++)
        CHECK_EQ(pthread_create(&t[i], NULL, adder, &ran[i]), 0);
    for (int i = 0; i < ADDERS; i++)
        pthread_join(t[i], NULL);
    run_until_left(0);
    for (int i = 0; i < ADDERS; i++)
        CHECK_EQ(ran[i], ADDS);
}

static int in_run; /* atomic: 1 while the long hook runs */
static void *adds_meanwhile(void *unused)
{
    (void)unused;
    me = 77;
    while (!__atomic_load_n(&in_run, __ATOMIC_ACQUIRE))
        usleep(50);
    CHECK_EQ(tz_exithook_add(say, c, true), 0);
    CHECK_EQ(__atomic_load_n(&in_run, __ATOMIC_ACQUIRE), 2);
    return NULL;
}
static void is_long(void *unused)
{
    (void)unused;
    int before = __atomic_load_n(&yields, __ATOMIC_RELAXED);
    __atomic_store_n(&in_run, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&yields, __ATOMIC_RELAXED) < before + 10)
        usleep(50);
    CHECK_STR(said, "");
    __atomic_store_n(&in_run, 2, __ATOMIC_RELEASE);
}

/* XH-22, XH-24: who adds while hooks run waits, and comes in whole when the run is over. */
TEST(add_waits_for_run)
{
    pthread_t t;
    CHECK_EQ(tz_exithook_add(leave, NULL, true), 0);
    CHECK_EQ(tz_exithook_add(is_long, NULL, true), 0);
    CHECK_EQ(pthread_create(&t, NULL, adds_meanwhile, NULL), 0);
    run_until_left(0);
    pthread_join(t, NULL);
    CHECK_STR(said, "");
    CHECK_EQ(tz_exithook_remove(say, c), 0);
}

static int through;
static void *exits_too(void *unused)
{
    (void)unused;
    me = 99;
    tz_exithook_begin();
    __atomic_store_n(&through, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* XH-11: the turn of a run that is through is never given back; and it is too late to add. Last: it stays
 * so. */
TEST(turn_is_kept)
{
    CHECK_EQ(tz_exithook_add(say, b, true), 0);
    CHECK_EQ(tz_exithook_add(say, a, false), 0);
    tz_exithook_begin();
    tz_exithook_run(3, call_hook);
    CHECK_STR(said, "b");
    CHECK_EQ(tz_exithook_add(say, c, true), -ECANCELED);
    CHECK_EQ(tz_exithook_remove(say, c), -ENOENT);
    pthread_t t;
    int before = __atomic_load_n(&yields, __ATOMIC_RELAXED);
    CHECK_EQ(pthread_create(&t, NULL, exits_too, NULL), 0);
    while (__atomic_load_n(&yields, __ATOMIC_RELAXED) < before + 10)
        usleep(50);
    CHECK(!__atomic_load_n(&through, __ATOMIC_ACQUIRE));
}

TEST_MAIN()
