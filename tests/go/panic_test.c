/* SPDX-License-Identifier: BSD-3-Clause */
/* Panic and recover, as far as the process survives; what ends it is in crash/panic.c. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 TUZA_CHAOS=3 | env GOMAXPROCS=2 TUZA_CHAOS=11
#include <pthread.h>

#include "go/trail.h"

TEST(recovery)
{
    CHECK(!call(panics));
    TRAIL("cbx1a");
    CHECK(tuza_recover() == NULL); /* PN-06 */
}

/* PN-04: in what the deferred function calls; not in a boundary inside of it. PN-06: once. */
static void helper_recovers(void *unused)
{
    (void)unused;
    CHECK(tuza_recover() == NULL);
}

static void recover_in_boundaries(void *unused)
{
    (void)unused;
    CHECK(tuza_call(helper_recovers, NULL));
    {
        TUZA_DEFER(helper_recovers, NULL);
    }
    mark_recover("r");
    CHECK(tuza_recover() == NULL);
}

static void panics_2(void *unused)
{
    (void)unused;
    tuza_defer(helper_recovers, NULL);
    tuza_defer(recover_in_boundaries, NULL);
    tuza_panic("y");
}

TEST(who_may_recover)
{
    CHECK(!call(panics_2));
    TRAIL("ry");
}

/* PN-08, PN-09: a panic in a deferred function goes on with what is left; recovered above, both are gone. */
static void panic_anew(void *text)
{
    step('n');
    tuza_panic("%s", (const char *)text);
}

static void aborts(void *unused)
{
    (void)unused;
    tuza_defer(mark_recover, "r");
    tuza_defer(mark, "a");
    tuza_defer(panic_anew, "2");
    tuza_defer(mark, "b");
    tuza_panic("1");
}

TEST(panic_while_panicking)
{
    CHECK(!call(aborts));
    TRAIL("bnar2");
}

/* PN-09, PN-10: recovered deeper, the old one goes on. */
static void inner(void *unused)
{
    (void)unused;
    tuza_defer(mark_recover, "i");
    tuza_panic("2");
}

static void inner_in_deferred(void *unused)
{
    (void)unused;
    CHECK(!call(inner));
    CHECK(call(three));
    mark_recover("o");
}

static void nested(void *unused)
{
    (void)unused;
    tuza_defer(mark, "z");
    tuza_defer(inner_in_deferred, NULL);
    tuza_panic("1");
}

TEST(nested_recovery)
{
    CHECK(!call(nested));
    TRAIL("i2.cbao1z");
}

/* PN-10: a deferred function is a boundary: what it defers belongs to it, recovers what it panics, and it
 * goes on as if it had returned. */
static void own_recovery(void *unused)
{
    (void)unused;
    tuza_defer(mark_recover, "i");
    tuza_panic("2");
}

static void own_recovery_in_panic(void *unused)
{
    (void)unused;
    tuza_defer(mark_recover, "o");
    tuza_defer(own_recovery, NULL);
    tuza_panic("1");
}

static void own_recovery_at_return(void *unused)
{
    (void)unused;
    tuza_defer(mark_recover, "o");
    tuza_defer(own_recovery, NULL);
}

TEST(deferred_functions_are_boundaries)
{
    CHECK(!call(own_recovery_in_panic));
    TRAIL("i2o1");
    CHECK(call(own_recovery_at_return));
    TRAIL("i2o");
    {
        TUZA_DEFER(own_recovery, NULL);
    }
    step('.');
    TRAIL("i2.");
}

/* PN-34: boundaries passed by a panic: each function once. */
static void deep(void *n)
{
    long left = (long)(intptr_t)n;
    TUZA_DEFER(mark, "b");
    tuza_defer(mark, "d");
    if (left == 0)
        tuza_panic("p");
    tuza_call(deep, (void *)(left - 1));
    step('!');
}

static void above(void *unused)
{
    (void)unused;
    tuza_defer(mark_recover, "r");
    tuza_call(deep, (void *)(intptr_t)3);
    step('!');
}

TEST(passes_boundaries)
{
    CHECK(!call(above));
    TRAIL("dbdbdbdbrp");
    CHECK(tuza_call(three, NULL));
    TRAIL(".cba");
}

/* PN-09: panic again after a recovery; the text stays valid as long as needed, of any length and content. */
static void panic_text(void *text)
{
    tuza_defer(check_text, text);
    tuza_defer(keep_text, NULL);
    tuza_panic("%s", (char *)text);
}

TEST(texts)
{
    char *big = malloc(3000001);
    for (int i = 0; i < 3000000; i++)
        big[i] = (char)(1 + i % 255);
    static const size_t size[] = {3000000, 100000, 5000, 1023, 513, 512, 511, 100, 1, 0};
    for (size_t i = 0; i < sizeof size / sizeof size[0]; i++) {
        big[size[i]] = 0;
        CHECK(!tuza_call(panic_text, big));
    }
    free(big);
    CHECK(!tuza_call(panic_text, "100% %s %n"));
}

/* PN-12 */
static void panic_nil(void *unused)
{
    (void)unused;
    const char *volatile none = NULL;
    tuza_defer(check_text, "runtime error: panic called with nil argument");
    tuza_defer(keep_text, NULL);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    tuza_panic(none);
#pragma GCC diagnostic pop
}

TEST(nil_text)
{
    CHECK(!call(panic_nil));
}

/* Passing a text on, in a deferred function and by the caller. */
static void pass_on(void *unused)
{
    (void)unused;
    const char *text = tuza_recover();
    if (text)
        tuza_panic("%s", text);
}

static void passer(void *unused)
{
    (void)unused;
    tuza_defer(pass_on, NULL);
    tuza_panic("the %s", "text");
}

static void outer_of_passer(void *unused)
{
    (void)unused;
    tuza_defer(check_text, "the text");
    tuza_defer(keep_text, NULL);
    tuza_defer(pass_on, NULL);
    tuza_call(passer, NULL);
    step('!');
}

TEST(passing_on)
{
    CHECK(!call(outer_of_passer));
    TRAIL("");
}

/* PN-11: for ever, in the same memory. Go's TestDeferWithRepeatedRepanics in form. */
static void repanic(void *arg)
{
    long *level = arg;
    const char *text = tuza_recover();
    if (text && *level > 0)
        tuza_panic("%s", text);
}

static void interpret(void *arg)
{
    long level = (long)(intptr_t)arg;
    TUZA_DEFER(repanic, &level);
    if (level >= 60)
        tuza_panic("deep");
    tuza_call(interpret, (void *)(level + 1));
    step('!');
}

static void nothing(void *unused)
{
    (void)unused;
}

static void panic_once(void *unused)
{
    (void)unused;
    tuza_defer(keep_text, NULL);
    tuza_panic("%0*d", (int)(steps * 0) + 700, 7);
}

TEST(repeated)
{
    for (int i = 0; i < 2000 / SCALE; i++)
        CHECK(!call(interpret));
    size_t used = tuza_stack_used();
    long memory = resident();
    for (int i = 0; i < 200000 / SCALE; i++)
        CHECK(!call(panic_once));
    for (int i = 0; i < 1000000 / SCALE; i++) {
        TUZA_DEFER(nothing, NULL);
        CHECK(call(nothing));
    }
    CHECK_EQ(tuza_stack_used(), used);
    CHECK_GREW(memory, 4); /* it would be 100 MiB and more */
    TRAIL("");
}

/* PN-32: panics from deep frames, recovered far above, with little stack left. */
static void panic_at_bottom(void *unused)
{
    (void)unused;
    tuza_panic("bottom");
}

static void (*volatile at_bottom)(void *) =
    panic_at_bottom; /* the compiler shall not see that it never returns */

static void recurse(long n)
{
    volatile char frame[512];
    frame[0] = 1;
    if (n)
        recurse(n - 1);
    else
        at_bottom(NULL);
    frame[1] = frame[0];
}

static void recurse_and_recover(void *n)
{
    tuza_defer(keep_text, NULL);
    recurse((long)(intptr_t)n);
}

static void small_stack(void *done)
{
    for (int i = 0; i < 100; i++)
        CHECK(!tuza_call(recurse_and_recover, (void *)(intptr_t)(HELP_ASAN || HELP_TSAN ? 5 : 40)));
    tuza_chan_send(done, NULL);
}

TEST(deep_frames)
{
    tuza_chan *done = tuza_chan_make(0, 0);
    tuza_go_options opts = {.stack_size = HELP_ASAN || HELP_TSAN ? 0 : 32 << 10, .name = "small"};
    CHECK_EQ(tuza_go_with(&opts, small_stack, done), 0);
    tuza_chan_recv(done, NULL);
    settle(1);
    tuza_chan_unref(done);
}

/* Locals of the caller are as they were left: no volatile needed. */
TEST(locals_survive)
{
    for (long i = 0; i < 10; i++) {
        long a = i, b = a * 3, c = b + 7;
        double d = (double)c / 2;
        a++;
        CHECK(!call(panic_once));
        CHECK_EQ(a, i + 1);
        CHECK_EQ(b, i * 3);
        CHECK_EQ(c, i * 3 + 7);
        CHECK(d == (double)(i * 3 + 7) / 2);
    }
}

/* CH-12, CH-14, CH-15: the runtime's panics can be recovered from, with Go's text, no lock held. */
static void send_on(void *c)
{
    long v = 1;
    tuza_defer(check_text, "send on closed channel");
    tuza_defer(keep_text, NULL);
    tuza_chan_send(c, &v);
}

static void try_send_on(void *c)
{
    long v = 1;
    tuza_defer(check_text, "send on closed channel");
    tuza_defer(keep_text, NULL);
    tuza_chan_try_send(c, &v);
}

static void close_again(void *c)
{
    tuza_defer(check_text, "close of closed channel");
    tuza_defer(keep_text, NULL);
    tuza_chan_close(c);
}

static void close_nil(void *unused)
{
    (void)unused;
    tuza_defer(check_text, "close of nil channel");
    tuza_defer(keep_text, NULL);
    tuza_chan_close(NULL);
}

static void make_huge(void *unused)
{
    (void)unused;
    tuza_defer(check_text, "makechan: size out of range");
    tuza_defer(keep_text, NULL);
    tuza_chan_make(8, SIZE_MAX / 4);
}

TEST(channel_panics)
{
    for (size_t cap = 0; cap < 3; cap++) {
        tuza_chan *c = tuza_chan_make(sizeof(long), cap);
        tuza_chan_close(c);
        for (int i = 0; i < 100; i++) {
            CHECK(!tuza_call(send_on, c));
            CHECK(!tuza_call(try_send_on, c));
            CHECK(!tuza_call(close_again, c));
        }
        CHECK(!tuza_chan_recv(c, NULL));
        tuza_chan_unref(c);
    }
    CHECK(!call(close_nil));
    CHECK(!call(make_huge));
}

static void check_woken(void *unused)
{
    (void)unused;
    CHECK_STR(tuza_recover(), "send on closed channel");
}

static void send_and_recover(void *c)
{
    long v = 1;
    TUZA_DEFER(check_woken, NULL);
    tuza_chan_send(c, &v);
}

static uint64_t panicked_in;
static void sender(void *c)
{
    uint64_t self = tuza_goid();
    CHECK(!tuza_call(send_and_recover, c));
    CHECK_EQ(tuza_goid(), self);
    CHECK(!tuza_chan_recv(c, NULL)); /* it is a goroutine like any other */
    flag_add(&panicked_in, 1);
}

TEST(woken_by_close)
{
    for (int i = 0; i < 100; i++) {
        flag_set(&panicked_in, 0);
        tuza_chan *c = tuza_chan_make(sizeof(long), 0);
        for (int k = 0; k < 5; k++)
            GO(sender, c);
        if (i % 2)
            tuza_gosched();
        tuza_chan_close(c);
        EVENTUALLY(flag_get(&panicked_in) == 5);
        settle(1);
        tuza_chan_unref(c);
    }
}

/* Threads that tuza did not make: calls, blocks, panics as in goroutines; each thread its own. */
static void check_thread_text(void *want)
{
    CHECK_STR(tuza_recover(), want);
}

static void panic_on_thread(void *text)
{
    tuza_defer(check_thread_text, text);
    for (int i = 0; i < 200; i++) /* more than lies in one piece of memory */
        tuza_defer(nothing, NULL);
    tuza_chan_unref(tuza_chan_make(8, 1));
    tuza_panic("%s", (const char *)text);
}

static void close_nil_on_thread(void *text)
{
    TUZA_DEFER(check_thread_text, text);
    tuza_chan_close(NULL);
}

static void *thread(void *arg)
{
    char text[32];
    snprintf(text, sizeof text, "thread %ld", (long)(intptr_t)arg);
    for (int i = 0; i < 1000 / SCALE; i++) {
        TUZA_DEFER(nothing, NULL);
        CHECK(!tuza_call(panic_on_thread, text));
        CHECK(!tuza_call(close_nil_on_thread, "close of nil channel"));
        CHECK(tuza_recover() == NULL);
    }
    return NULL;
}

TEST(threads)
{
    for (int round = 0; round < 5; round++) {
        pthread_t t[4];
        for (intptr_t i = 0; i < 4; i++)
            CHECK_EQ(pthread_create(&t[i], NULL, thread, (void *)i), 0);
        for (int i = 0; i < 4; i++)
            CHECK_EQ(pthread_join(t[i], NULL), 0);
    }
}

static void recovers_no_order(void *arg)
{
    CHECK_STR(tuza_recover(), "no order");
    *(bool *)arg = true;
}
static int panics_in_compare(const void *a, const void *b)
{
    (void)a, (void)b;
    tuza_panic("no order");
}
static void sorts(void *arg)
{
    tuza_defer(recovers_no_order, arg);
    int v[8] = {8, 7, 6, 5, 4, 3, 2, 1};
    qsort(v, 8, sizeof v[0], panics_in_compare);
}

/* FT-06: a panic passes the frames of other code, libc's here, and drops them. */
TEST(through_other_code)
{
    for (int i = 0; i < 1000; i++) {
        bool seen = false;
        CHECK(!tuza_call(sorts, &seen));
        CHECK(seen);
    }
}

TEST_MAIN_TUZA()
