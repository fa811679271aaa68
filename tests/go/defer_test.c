/* SPDX-License-Identifier: BSD-3-Clause */
/* Deferred functions: order, blocks, Goexit, longjmp. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 TUZA_CHAOS=3 | env GOMAXPROCS=2 TUZA_CHAOS=11
#include <setjmp.h>

#include "go/trail.h"

TEST(order)
{
    CHECK(call(three));
    TRAIL(".cba");
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

/* What a goroutine's records took is there for others when it has ended, however it did. */
static void count_one(void *unused)
{
    (void)unused;
    flag_add(&next_down, 1);
}

static void defers_much(void *how)
{
    for (int i = 0; i < 1000; i++)
        tuza_defer(count_one, NULL);
    if (how)
        tuza_goexit();
}

TEST(memory_of_ended_goroutines)
{
    long memory = 0, rounds = 10000 / SCALE;
    next_down = 0;
    for (long i = 0; i < rounds; i++) {
        if (i == rounds / 10)
            memory = resident();
        GO(defers_much, i % 2 ? "" : NULL);
        if (i % 10 == 0)
            settle(1);
    }
    settle(1);
    CHECK_EQ(next_down, rounds * 1000);
    CHECK_GREW(memory, 16); /* it would be 200 MiB */
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
        tuza_call(jumps, (void *)((intptr_t)how - 1));
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
    for (size_t i = 0; i < sizeof room; i++)
        room[i] = 0;
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
        if (i != 1) /* else other frames lie over the old ones before tuza is asked */
            CHECK(tuza_recover() == NULL);
        large_frame();
        CHECK(call(three));
    }
}

/* The same, and left at once: what began in frames that are gone is forgotten with the call. */
static void jump_and_return(void *unused)
{
    (void)unused;
    if (setjmp(away) == 0)
        tuza_call(jump_from_deferred, NULL);
}

TEST(longjmp_then_return)
{
    for (int i = 0; i < 100; i++) {
        CHECK(tuza_call(jump_and_return, NULL));
        CHECK(call(three));
        TRAIL(".cba");
        CHECK(!call(panics));
        TRAIL("cbx1a");
    }
}

TEST(longjmp_is_no_leak)
{
    long memory = resident();
    for (volatile int i = 0; i < 300000 / SCALE; i++) {
        if (setjmp(away) == 0)
            tuza_call(jumps, NULL);
    }
    CHECK_GREW(memory, 4); /* it would be 36 MiB */
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
