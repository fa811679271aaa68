/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * LK-48, PN-31: faults that are recovered from, 100,000 in all, by
 * goroutines, goroutines locked to their threads and foreign threads at once,
 * while others ask for everybody's frames. After each the signal mask, the
 * signal stack and the variables around are as before.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=4 TUZA_CHAOS=3 | timeout 900
#include "stress/stress.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

/* What faults does so as written, and not in a sanitizer's check. */
#define RAW __attribute__((noinline, no_sanitize("address", "undefined", "thread")))

#define NIL "runtime error: invalid memory address or nil pointer dereference"

static char *volatile nowhere = (char *)16;
static char *volatile beyond; /* mapped, and past the file's end */
static void (*volatile function)(void);
static void *(*volatile copy_bytes)(void *, const void *, size_t) = memcpy;
static volatile int zero;

struct attempt {
    int kind;
    bool recovered;
    sigset_t mask;
    stack_t stack;
};

static void recovers(void *arg)
{
    struct attempt *a = arg;
    const char *text = tuza_recover();
    CHECK(text != NULL);
    CHECK_STR(text, a->kind == 3 ? "runtime error: integer divide by zero" : NIL);
    a->recovered = true;
}

#if defined(__x86_64__) /* elsewhere a division by zero has a result */
RAW static int divide(int by)
{
    return 10 / by;
}
#endif

RAW static void faults(void *arg)
{
    struct attempt *a = arg;
    char copy[4096];
    tuza_defer(recovers, a);
    switch (a->kind) {
    case 0:
        *nowhere = 1;
        break;
    case 1:
        function();
        break;
#if !HELP_ASAN && !HELP_TSAN /* whose memcpy calls libc's */
    case 2:
        copy_bytes(copy, beyond, sizeof copy);
        break;
#endif
#if defined(__x86_64__)
    case 3:
        zero = divide(zero);
        break;
#endif
    default:
        (void)copy, (void)copy_bytes;
        nowhere[1 << 4] = 1;
    }
    CHECK(false);
}

static void look(struct attempt *a)
{
    sigemptyset(&a->mask);
    pthread_sigmask(SIG_SETMASK, NULL, &a->mask);
    CHECK_EQ(sigaltstack(NULL, &a->stack), 0);
}

/* Where the goroutine may be on another thread afterwards its signal stack is another. */
RAW static void fault_once(stress_random *r, bool stays)
{
    struct attempt before = {.kind = (int)stress_next(r, 5)}, after = {.kind = 0};
    long a = (long)stress_next(r, 1000), b = a * 3;
    double c = (double)a * 0.5;
#if HELP_ASAN || HELP_TSAN
    before.kind = before.kind == 2 ? 0 : before.kind;
#endif
#if !defined(__x86_64__)
    before.kind = before.kind == 3 ? 0 : before.kind;
#endif
    if (stays)
        look(&before);
    errno = (int)a;
    CHECK(!tuza_call(faults, &before));
    CHECK(before.recovered);
    CHECK_EQ(errno, (int)a);
    CHECK_EQ(b, a * 3);
    CHECK(c == (double)a * 0.5);
    if (stays) {
        look(&after);
        CHECK(memcmp(&before.mask, &after.mask, sizeof after.mask) == 0);
        CHECK(before.stack.ss_sp == after.stack.ss_sp);
        CHECK_EQ(before.stack.ss_flags, after.stack.ss_flags);
    }
}

static int recovered, stop, left;
static long each;

static void fault_often(void *arg)
{
    intptr_t n = (intptr_t)arg;
    stress_random r = stress_start((uint64_t)n);
    bool locked = n % 2;
    if (locked)
        tuza_lock_os_thread();
    CHECK(!tuza_set_panic_on_fault(true));
    for (long i = 0; i < each; i++) {
        fault_once(&r, locked);
        flag_add(&recovered, 1);
        if (i % 8 == 0)
            tuza_gosched();
        if (i % 64 == 1)
            tuza_sleep(1000);
    }
    flag_add(&left, -1); /* half of the locked ones take their threads with them */
    if (locked && n % 4 == 1)
        tuza_unlock_os_thread();
}

static void *thread_faults(void *arg)
{
    stress_random r = stress_start((uint64_t)(uintptr_t)arg + 1000);
    CHECK(!tuza_set_panic_on_fault(true));
    for (long i = 0; i < each; i++) {
        fault_once(&r, true);
        flag_add(&recovered, 1);
    }
    flag_add(&left, -1);
    return NULL;
}

static void asks(void *arg)
{
    static char text[1 << 18];
    (void)arg;
    while (!flag_get(&stop)) {
        CHECK(tuza_stack(text, sizeof text, true) > 0);
        tuza_sleep(TUZA_MILLISECOND);
    }
}

TEST(recovered_in_all_sorts_of_threads)
{
    enum { GOROUTINES = 16, THREADS = 4 };
    long want = stress_amount(100000);
    each = want / (GOROUTINES + THREADS) + 1;
    FILE *f = tmpfile();
    CHECK(f);
    beyond = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fileno(f), 0);
    CHECK(beyond != MAP_FAILED);
    left = GOROUTINES + THREADS;
    GO(asks, NULL);
    pthread_t t[THREADS];
    for (intptr_t i = 0; i < GOROUTINES; i++)
        GO(fault_often, (void *)i);
    for (intptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&t[i], NULL, thread_faults, (void *)i), 0);
    double end = tz_test_seconds() + 600;
    while (flag_get(&left)) {
        CHECK(tz_test_seconds() < end);
        tuza_sleep(TUZA_MILLISECOND);
    }
    flag_set(&stop, 1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    settle_slowly();
    CHECK(recovered >= want);
    fclose(f);
}

TEST_MAIN_TUZA()
