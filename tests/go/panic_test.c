/* SPDX-License-Identifier: BSD-3-Clause */
/* Panic, defer, recover and Goexit, as far as the process survives; what ends it is in crash/panic.c. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 TUZA_CHAOS=3 | env GOMAXPROCS=2 TUZA_CHAOS=11
#include <errno.h>
#include <setjmp.h>

#include "go/help.h"

/* What happened, in order: one letter each. Of the main goroutine alone. */
static char trail[256];
static size_t steps;

static void step(char c)
{
    CHECK(steps < sizeof trail - 1);
    trail[steps++] = c;
    trail[steps] = 0;
}

static void mark(void *letter)
{
    step(*(const char *)letter);
}

/* The trail is s, and begins anew. */
#define TRAIL(s)             \
    do {                     \
        CHECK_STR(trail, s); \
        steps = 0;           \
        trail[0] = 0;        \
    } while (0)

static void mark_recover(void *letter)
{
    step(*(const char *)letter);
    const char *text = tuza_recover();
    for (; text && *text; text++)
        step(*text);
}

static bool call(void (*fn)(void *))
{
    return tuza_call(fn, NULL);
}

/* PN-01: last in, first out, at a return; the argument is fixed at registration. */
static void three(void *unused)
{
    (void)unused;
    tuza_defer(mark, "a");
    tuza_defer(mark, "b");
    tuza_defer(mark, "c");
    step('.');
}

TEST(order)
{
    CHECK(call(three));
    TRAIL(".cba");
}

/* PN-01, PN-07: at a panic too; after a recovery the rest runs, and the caller goes on. */
static void panics(void *unused)
{
    (void)unused;
    tuza_defer(mark_recover, "a");
    tuza_defer(mark_recover, "b");
    tuza_defer(mark, "c");
    tuza_panic("%s%d", "x", 1);
}

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

/* PN-02: a NULL function is accepted, and panics when its turn comes; the others run. */
static void nil_defer(void *unused)
{
    (void)unused;
    tuza_defer(mark_recover, "r");
    tuza_defer(mark, "a");
    tuza_defer(NULL, NULL);
    tuza_defer(mark, "b");
    step('.');
}

TEST(nil_function)
{
    CHECK(!call(nil_defer));
    TRAIL(".barruntime error: invalid memory address or nil pointer dereference");
    CHECK(!tuza_call(nil_defer, NULL));
    steps = 0;
    trail[0] = 0;
}

static void defer_nil_in_block(void *unused)
{
    (void)unused;
    TUZA_DEFER(mark_recover, "r");
    {
        TUZA_DEFER(NULL, NULL);
        step('.');
    }
    step('!');
}

TEST(nil_function_in_block)
{
    CHECK(!call(defer_nil_in_block));
    CHECK(strncmp(trail, ".rruntime error: invalid memory", 30) == 0);
    steps = 0;
    trail[0] = 0;
}

/* PN-03: any number, in order. */
#define MANY (100000 / SCALE)
static long next_down;

static void count_down(void *n)
{
    CHECK_EQ((long)(intptr_t)n, --next_down);
}

static void many(void *panic)
{
    tuza_defer(mark_recover, "r");
    for (next_down = 0; next_down < MANY; next_down++)
        tuza_defer(count_down, (void *)next_down);
    if (panic)
        tuza_panic("z");
}

TEST(many_defers)
{
    for (int i = 0; i < 3; i++) {
        CHECK(tuza_call(many, NULL));
        TRAIL("r");
        CHECK_EQ(next_down, 0);
        CHECK(!tuza_call(many, ""));
        TRAIL("rz");
        CHECK_EQ(next_down, 0);
    }
}

/* TUZA_DEFER: by every way out of a block. */
static void blocks(void *unused)
{
    (void)unused;
    {
        TUZA_DEFER(mark, "a");
        TUZA_DEFER(mark, "b");
    }
    for (int i = 0; i < 3; i++) {
        TUZA_DEFER(mark, "c");
        if (i == 0)
            continue;
        TUZA_DEFER(mark, "d");
        if (i == 1)
            break;
    }
    {
        TUZA_DEFER(mark, "e");
        if (steps)
            goto out;
        step('!');
    }
out:
    for (int i = 0; i < 1; i++) {
        TUZA_DEFER(mark, "f");
    }
    TUZA_DEFER(mark, "g");
    return;
}

TEST(ways_out_of_a_block)
{
    CHECK(call(blocks));
    TRAIL("bacdcefg");
    blocks(NULL); /* in no tuza_call of its own */
    TRAIL("bacdcefg");
}

/* Both kinds in one order; a block's end runs its own alone. */
static void mixed(void *panic)
{
    tuza_defer(mark, "1");
    TUZA_DEFER(mark, "2");
    tuza_defer(mark, "3");
    {
        TUZA_DEFER(mark, "4");
        tuza_defer(mark, "5");
        tuza_defer(mark, "6");
        TUZA_DEFER(mark, "7");
    }
    TUZA_DEFER(mark, "8");
    tuza_defer(mark, "9");
    if (panic) {
        TUZA_DEFER(mark_recover, "r");
        tuza_panic("!");
    }
}

TEST(one_order)
{
    CHECK(tuza_call(mixed, NULL));
    TRAIL("74"
          "82"
          "96531");
    CHECK(!tuza_call(mixed, ""));
    TRAIL("74"
          "r!98653"
          "21");
}

/* TUZA_DEFER's argument lives in the block, at a panic and after a recovery too. */
static void local_argument(void *unused)
{
    (void)unused;
    char letters[2][64] = {"k", "l"};
    TUZA_DEFER(mark, letters[0]);
    TUZA_DEFER(mark_recover, letters[1]);
    tuza_panic("m");
}

TEST(arguments_in_the_block)
{
    CHECK(!call(local_argument));
    TRAIL("lmk");
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

/* PN-10: a deferred function is a boundary: what it defers belongs to it, recovers what it panics, and it goes
 * on as if it had returned. */
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
static const char *text_seen;
static void keep_text(void *unused)
{
    (void)unused;
    text_seen = tuza_recover();
}

static void check_text(void *want)
{
    CHECK_STR(text_seen, want);
    CHECK_STR(tuza_recover(), NULL);
}

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

/* PN-11: for ever, in the same memory. Go's TestDeferWithRepeatedRanics in form. */
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
    for (int i = 0; i < 200000 / SCALE; i++)
        CHECK(!call(panic_once));
    CHECK_EQ(tuza_stack_used(), used);
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

static void recurse(void *n)
{
    volatile char frame[512];
    frame[0] = 1;
    if (n)
        recurse((char *)n - 1);
    else
        at_bottom(NULL);
    frame[1] = frame[0];
}

static void recurse_and_recover(void *n)
{
    tuza_defer(keep_text, NULL);
    recurse(n);
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

/* GR-10, GR-19, PN-13, PN-15: Goexit. */
static tuza_chan *letters;

static void send_letter(void *letter)
{
    tuza_chan_send(letters, letter);
}

static void send_recover(void *letter)
{
    const char *text = tuza_recover();
    tuza_chan_send(letters, letter);
    for (; text && *text; text++)
        tuza_chan_send(letters, text);
}

static void exits(void *unused)
{
    (void)unused;
    tuza_defer(send_recover, "a");
    TUZA_DEFER(send_recover, "b");
    tuza_goexit();
}

static void goexit_in_calls(void *unused)
{
    (void)unused;
    tuza_defer(send_letter, "z");
    tuza_call(exits, NULL);
    send_letter("!");
}

static void goexit_in_panic(void *unused)
{
    (void)unused;
    tuza_defer(send_recover, "a");
    tuza_defer(exits, NULL);
    tuza_defer(send_letter, "c");
    tuza_panic("x");
}

static void panic_and_send(void *text)
{
    tuza_panic("%s", (const char *)text);
}

/* PN-15: the panic is recovered, and the goroutine ends all the same. */
static void panic_in_goexit_body(void *unused)
{
    (void)unused;
    tuza_defer(send_recover, "a");
    tuza_defer(send_recover, "b");
    tuza_defer(panic_and_send, "1");
    tuza_defer(send_letter, "c");
    tuza_goexit();
}

static void panic_in_goexit(void *unused)
{
    (void)unused;
    tuza_defer(send_recover, "z");
    tuza_call(panic_in_goexit_body, NULL);
    send_letter("!");
}

/* TestRecoverBeforePanicAfterGoexit: an earlier recovery changes nothing about it. */
static void before_goexit(void *unused)
{
    (void)unused;
    tuza_defer(send_recover, "d");
    tuza_defer(panic_and_send, "2");
    tuza_call(panic_and_send, "1");
}

static void recover_before_goexit(void *unused)
{
    (void)unused;
    tuza_defer(send_recover, "a");
    tuza_defer(panic_and_send, "3");
    tuza_call(before_goexit, NULL);
    tuza_goexit();
}

/* PN-09 with Goexit: recovered deeper than where Goexit began, its deferred function goes on. */
static void deeper(void *unused)
{
    (void)unused;
    tuza_defer(send_recover, "d");
    tuza_panic("1");
}

static void call_deeper(void *unused)
{
    (void)unused;
    if (!tuza_call(deeper, NULL))
        send_letter("e");
}

static void goexit_deeper(void *unused)
{
    (void)unused;
    tuza_defer(send_letter, "f");
    tuza_defer(call_deeper, NULL);
    tuza_goexit();
}

/* The goroutine's own functions, at its return. */
static void returns(void *unused)
{
    (void)unused;
    tuza_defer(send_letter, "a");
    tuza_defer(send_letter, "b");
}

/* A panic recovered by the goroutine's own functions: it ends. */
static void recovers_at_entry(void *unused)
{
    (void)unused;
    tuza_defer(send_letter, "a");
    tuza_defer(send_recover, "b");
    tuza_panic("1");
}

static void plain_goexit(void *unused)
{
    (void)unused;
    tuza_goexit();
}

static void expect(void (*fn)(void *), const char *want)
{
    for (int i = 0; i < 20; i++) {
        letters = tuza_chan_make(1, 100);
        GO(fn, NULL);
        settle(1);
        char got[100];
        size_t n = 0;
        while (try_recv(letters, &got[n]))
            n++;
        got[n] = 0;
        CHECK_STR(got, want);
        tuza_chan_unref(letters);
    }
}

TEST(goexit)
{
    expect(plain_goexit, "");
    expect(returns, "ba");
    expect(exits, "ba");
    expect(goexit_in_calls, "baz");
    expect(goexit_in_panic, "cbaa");
    expect(panic_in_goexit, "cb1az");
    expect(recover_before_goexit, "d2a3");
    expect(goexit_deeper, "d1ef");
    expect(recovers_at_entry, "b1a");
}

/* Deferred functions may block, move between threads, start goroutines. */
static void blocks_in_defer(void *c)
{
    long v = 0;
    for (int i = 0; i < 10; i++) {
        tuza_chan_recv(c, &v);
        CHECK_EQ(v, i);
        tuza_gosched();
    }
    CHECK_STR(tuza_recover(), "x");
}

static void blocks_then(void *c)
{
    TUZA_DEFER(blocks_in_defer, c);
    tuza_panic("x");
}

static void feed(void *c)
{
    for (long i = 0; i < 10; i++)
        tuza_chan_send(c, &i);
}

TEST(blocking_in_defer)
{
    for (int i = 0; i < 100; i++) {
        tuza_chan *c = tuza_chan_make(sizeof(long), 0);
        GO(feed, c);
        CHECK(!tuza_call(blocks_then, c));
        settle(1);
        tuza_chan_unref(c);
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

static const char *volatile woken_text;
static void keep_woken(void *unused)
{
    (void)unused;
    woken_text = tuza_recover();
    CHECK_STR(woken_text, "send on closed channel");
}

static void send_and_recover(void *c)
{
    long v = 1;
    TUZA_DEFER(keep_woken, NULL);
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

/* PN-33: what is not deferred stays as it is. */
static int held;
static void release(void *unused)
{
    (void)unused;
    held--;
}
static void holds(void *unused)
{
    (void)unused;
    tuza_defer(keep_text, NULL);
    held++;
    TUZA_DEFER(release, NULL);
    held++;
    tuza_panic("x");
}

TEST(nothing_else_is_undone)
{
    CHECK(!call(holds));
    CHECK_EQ(held, 1);
}

/* longjmp over tuza_call: what was deferred there is forgotten, nothing else is. */
static jmp_buf away;

static void jumps(void *how)
{
    tuza_defer(mark, "!");
    tuza_defer(mark, "!");
    if (how) {
        tuza_call(jumps, (char *)how - 1);
        return;
    }
    longjmp(away, 1);
}

static void jump_from_deferred(void *unused)
{
    (void)unused;
    tuza_defer(jumps, NULL);
    tuza_panic("x");
}

__attribute__((noinline)) static void large_frame(void)
{
    volatile char room[4096];
    memset((void *)room, 0, sizeof room);
    tuza_defer(mark, "c");
    CHECK(tuza_recover() == NULL);
}

static void jump_and_go_on(void *from)
{
    tuza_defer(mark, "a");
    for (volatile int i = 0; i < 3; i++) {
        TUZA_DEFER(mark, "b");
        if (setjmp(away) == 0) {
            tuza_call(from ? jump_from_deferred : jumps, from ? NULL : (void *)(intptr_t)i);
            step('!');
        }
        CHECK(tuza_recover() == NULL);
        large_frame();
        CHECK(call(three));
    }
}

TEST(longjmp_over_calls)
{
    CHECK(tuza_call(jump_and_go_on, NULL));
    TRAIL(".cbab.cbab.cbabccca");
    CHECK(tuza_call(jump_and_go_on, ""));
    TRAIL(".cbab.cbab.cbabccca");
    if (setjmp(away) == 0)
        tuza_call(jumps, (void *)(intptr_t)5);
    CHECK(call(three));
    TRAIL(".cba");
    if (setjmp(away) == 0)
        tuza_call(jumps, NULL);
    CHECK(!call(panics));
    TRAIL("cbx1a");
}

TEST_MAIN_TUZA()
