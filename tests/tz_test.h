/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small test kit in the manner of Go's testing package.
 *
 *     #include "tz_test.h"
 *     TEST(adds)
 *     {
 *         CHECK_EQ(1 + 1, 2);
 *     }
 *     TEST_MAIN()
 *
 * One program holds the tests of one subject and runs all of them in the
 * order of the file, or those named in argv (-l lists them).
 * TEST_MAIN_TUZA() runs them inside tuza_run, on the main goroutine; include
 * <tuza.h> before it.
 *
 * A check that fails prints where and what, and ends the process with 1 at
 * once, from whatever goroutine or thread it is on: after it nothing can be
 * relied on, and there may be no way back to main. SKIP ends one test. The
 * exit code is 0 (passed), 1 (failed) or 77 (all that ran were skipped); a
 * process that exits before its tests are through has failed.
 */
#ifndef TZ_TEST_H
#define TZ_TEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct tz_test {
    const char *name;
    void (*run)(void);
    int line;
    struct tz_test *next;
} tz_test;

/* Written before main and by the thread that runs the tests, between them. */
static tz_test *tz_test_list;
static const char *tz_test_skipped;
static pid_t tz_test_unfinished; /* the process whose tests still run; 0 when they are through */

/* Defines a test; a block follows. */
#define TEST(name)                                                      \
    static void test_##name(void);                                      \
    __attribute__((constructor)) static void test_register_##name(void) \
    {                                                                   \
        static tz_test self = {#name, test_##name, __LINE__, NULL};     \
        tz_test_add(&self);                                             \
    }                                                                   \
    static void test_##name(void)

/* Ends the running test (called in its own function) as not applicable here. */
#define SKIP(why)                \
    do {                         \
        tz_test_skipped = (why); \
        return;                  \
    } while (0)

#define CHECK(cond) ((cond) ? (void)0 : tz_test_fail(__FILE__, __LINE__, "CHECK(%s)", #cond))

/* Integers of any type, by value: -1 is not UINT64_MAX. */
#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        const __typeof__((a) + 0) tz_a_ = (a);                                                     \
        const __typeof__((b) + 0) tz_b_ = (b);                                                     \
        tz_test_equal(__FILE__, __LINE__, #a, #b, TZ_TEST_INTEGER(tz_a_), TZ_TEST_INTEGER(tz_b_)); \
    } while (0)
#define TZ_TEST_INTEGER(v) ((__typeof__((v) + 0))-1 < 1), (uintmax_t)(v)

/* Strings; NULL equals only NULL. */
#define CHECK_STR(a, b) tz_test_equal_str(__FILE__, __LINE__, #a, #b, (a), (b))

__attribute__((noreturn, format(printf, 3, 4))) static inline void tz_test_fail(const char *file, int line,
                                                                                const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    flockfile(stderr);
    fprintf(stderr, "\n%s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputs(" failed\nFAIL\n", stderr);
    fflush(stderr);
    va_end(args);
    _exit(1);
}

static inline void tz_test_integer(char *out, size_t n, bool is_signed, uintmax_t v)
{
    if (is_signed)
        snprintf(out, n, "%jd", (intmax_t)v);
    else
        snprintf(out, n, "%ju", v);
}

static inline void tz_test_equal(const char *file, int line, const char *a, const char *b, bool a_signed,
                                 uintmax_t va, bool b_signed, uintmax_t vb)
{
    bool a_negative = a_signed && (intmax_t)va < 0;
    bool b_negative = b_signed && (intmax_t)vb < 0;
    if (a_negative == b_negative && va == vb)
        return;
    char left[32], right[32];
    tz_test_integer(left, sizeof left, a_signed, va);
    tz_test_integer(right, sizeof right, b_signed, vb);
    tz_test_fail(file, line, "CHECK_EQ(%s, %s): %s, %s:", a, b, left, right);
}

static inline void tz_test_equal_str(const char *file, int line, const char *a, const char *b, const char *va,
                                     const char *vb)
{
    if (va == vb || (va && vb && strcmp(va, vb) == 0))
        return;
    tz_test_fail(file, line, "CHECK_STR(%s, %s):\n\"%s\"\n\"%s\"\n", a, b, va ? va : "(null)",
                 vb ? vb : "(null)");
}

/* Sorted by line, since constructors may run in any order. */
static inline void tz_test_add(tz_test *t)
{
    tz_test **at = &tz_test_list;
    while (*at && (*at)->line < t->line)
        at = &(*at)->next;
    t->next = *at;
    *at = t;
}

static inline double tz_test_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline void tz_test_at_exit(void)
{
    if (tz_test_unfinished != getpid())
        return;
    fflush(stdout);
    fputs("\nthe process exits before its tests are through\nFAIL\n", stderr);
    _exit(1);
}

/* Runs one test; true where it was not skipped. */
static inline bool tz_test_run(const tz_test *t)
{
    printf("%-40s ", t->name);
    fflush(stdout);
    tz_test_skipped = NULL;
    double start = tz_test_seconds();
    t->run();
    double took = tz_test_seconds() - start;
    if (tz_test_skipped)
        printf("skip (%s)\n", tz_test_skipped);
    else
        printf("ok %9.3f s\n", took);
    fflush(stdout);
    return !tz_test_skipped;
}

static inline const tz_test *tz_test_find(const char *name)
{
    for (const tz_test *t = tz_test_list; t; t = t->next) {
        if (strcmp(t->name, name) == 0)
            return t;
    }
    return NULL;
}

/* The whole program; as long as it runs tests, argv has their names. */
static inline int tz_test_main(int argc, char **argv)
{
    int passed = 0, skipped = 0;
    if (argc == 2 && strcmp(argv[1], "-l") == 0) {
        for (const tz_test *t = tz_test_list; t; t = t->next)
            puts(t->name);
        return 0;
    }
    tz_test_unfinished = getpid();
    atexit(tz_test_at_exit);
    for (int i = 1; i < argc; i++) {
        const tz_test *t = tz_test_find(argv[i]);
        if (!t)
            tz_test_fail(__FILE__, __LINE__, "no test is named \"%s\":", argv[i]);
        *(tz_test_run(t) ? &passed : &skipped) += 1;
    }
    for (const tz_test *t = tz_test_list; t && argc < 2; t = t->next)
        *(tz_test_run(t) ? &passed : &skipped) += 1;
    if (passed + skipped == 0)
        tz_test_fail(__FILE__, __LINE__, "no tests in this program:");
    printf("%s: %d passed, %d skipped\n", passed ? "PASS" : "SKIP", passed, skipped);
    fflush(stdout);
    tz_test_unfinished = 0;
    return passed ? 0 : 77;
}

#define TEST_MAIN()                      \
    int main(int argc, char **argv)      \
    {                                    \
        return tz_test_main(argc, argv); \
    }

#define TEST_MAIN_TUZA()                                                         \
    int main(int argc, char **argv)                                              \
    {                                                                            \
        int err = tuza_run(tz_test_main, argc, argv);                            \
        tz_test_fail(__FILE__, __LINE__, "tuza_run returned %d, the call", err); \
    }

#endif /* TZ_TEST_H */
