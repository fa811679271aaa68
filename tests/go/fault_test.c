/* SPDX-License-Identifier: BSD-3-Clause */
/* tuza_set_panic_on_fault: faults that are recovered from. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4 TUZA_CHAOS=2 | not arm64
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "go/trail.h"

/* What faults does so as written, and not in a sanitizer's check. */
#define RAW __attribute__((noinline, no_sanitize("address", "undefined", "thread")))

static char *volatile nowhere = (char *)16;

RAW static void write_nowhere(void *unused)
{
    (void)unused;
    tuza_defer(keep_text, NULL);
    *nowhere = 1;
}

static volatile int zero;

#if defined(__x86_64__) /* elsewhere a division by zero has a result */
RAW static void divide(void *unused)
{
    (void)unused;
    tuza_defer(keep_text, NULL);
    zero = 100 / zero;
}
#endif

static char *volatile beyond;

RAW static void read_beyond(void *unused)
{
    (void)unused;
    tuza_defer(keep_text, NULL);
    zero = *beyond;
    zero = 0;
}

#define NIL "runtime error: invalid memory address or nil pointer dereference"

/* PN-30 */
TEST(texts)
{
    CHECK(!tuza_set_panic_on_fault(true));
    CHECK(!tuza_call(write_nowhere, NULL));
    CHECK_STR(text_seen, NIL);
#if defined(__x86_64__)
    CHECK(!tuza_call(divide, NULL));
    CHECK_STR(text_seen, "runtime error: integer divide by zero");
#endif
    FILE *f = tmpfile();
    beyond = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fileno(f), 0);
    CHECK(beyond != MAP_FAILED);
    CHECK(!tuza_call(read_beyond, NULL)); /* SIGBUS */
    CHECK_STR(text_seen, NIL);
    fclose(f);
    CHECK(tuza_set_panic_on_fault(false));
    CHECK(!tuza_set_panic_on_fault(false));
}

static void recover_nil(void *unused)
{
    (void)unused;
    CHECK_STR(tuza_recover(), NIL);
}

RAW static void write_nowhere_quietly(void *unused)
{
    (void)unused;
    TUZA_DEFER(recover_nil, NULL);
    *nowhere = 1;
}

/* PN-31: the goroutine and its thread are as before: registers, signal mask, the handler's stack. */
RAW static double sum_around(double start)
{
    double a = start, b = start * 2, c = start * 3;
    long i = 7, k = 8;
    CHECK(!tuza_call(write_nowhere_quietly, NULL));
    return a + b + c + (double)(i + k);
}

static int through;

static void fault_often(void *unused)
{
    (void)unused;
    sigset_t before, after;
    CHECK(!tuza_set_panic_on_fault(true));
    for (int i = 0; i < 200; i++) {
        pthread_sigmask(SIG_BLOCK, NULL, &before);
        CHECK(sum_around(i) == 6.0 * i + 15);
        pthread_sigmask(SIG_BLOCK, NULL, &after);
        CHECK(memcmp(&before, &after, 8) == 0);
        if (i % 16 == 0)
            tuza_gosched();
    }
    flag_add(&through, 1);
}

TEST(any_number)
{
    for (int i = 0; i < 20; i++)
        GO(fault_often, NULL);
    settle(1);
    CHECK_EQ(flag_get(&through), 20); /* the setting was off at each one's start */
}

/* A fault in a deferred function, while panicking, is a panic like any other. */
static void fault_deferred(void *unused)
{
    (void)unused;
    *nowhere = 1;
}

static void panic_then_fault(void *unused)
{
    (void)unused;
    tuza_defer(keep_text, NULL);
    tuza_defer(fault_deferred, NULL);
    tuza_panic("first");
}

TEST(while_panicking)
{
    tuza_set_panic_on_fault(true);
    CHECK(!tuza_call(panic_then_fault, NULL));
    CHECK_STR(text_seen, NIL);
    tuza_set_panic_on_fault(false);
}

TEST_MAIN_TUZA()
