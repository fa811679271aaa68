/* SPDX-License-Identifier: BSD-3-Clause */
/* Stack slots: their layout, their guards of both kinds, and what happens when memory or mappings end. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "mem/stack.h"
#include "os/os.h"
#include "tz_test.h"

#ifdef __has_include
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

static int child(void (*fn)(void *), void *arg)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGSEGV, SIG_DFL); /* a sanitizer's report would be in the way */
        fn(arg);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

static void touch(void *p)
{
    *(volatile char *)p = 1;
}

static bool faults(void *p)
{
    int status = child(touch, p);
    if (WIFSIGNALED(status)) {
        CHECK_EQ(WTERMSIG(status), SIGSEGV);
        return true;
    }
    CHECK_EQ(status, 0);
    return false;
}

static size_t slot_size(const tz_stack *s)
{
    return TZ_STACK_CLASS0 << s->cls;
}

static void check_slot(const tz_stack *s, int cls)
{
    const char *block = (const char *)s;
    CHECK_EQ(s->cls, cls);
    CHECK_EQ((uintptr_t)s->hi % 16, 0);
    CHECK_EQ((uintptr_t)s % 64, 0);
    CHECK(s->hi <= block && block < s->hi + 64);
    /* The slot's ends follow from lo; the block and its colour fill it to the top. */
    const char *top = s->lo - TZ_STACK_GUARD + slot_size(s);
    CHECK_EQ(top - block, TZ_STACK_BLOCK + s->slot % 8 * TZ_STACK_COLOUR);
    CHECK((uintptr_t)(top - 4096) / 4096 == (uintptr_t)(s->hi - 1024) / 4096);
    for (const char *p = block + sizeof *s; p < block + TZ_STACK_BLOCK; p++)
        CHECK_EQ(*p, 0);
}

static void carve(int cls, tz_stack **out, int n)
{
    for (int done = 0; done < n;) {
        int r = tz_stack_carve(cls, out + done, n - done, false);
        CHECK(r >= 1 && r <= n - done);
        done += r;
    }
}

TEST(classes)
{
    CHECK_EQ(tz_stack_class(0), 1);
    CHECK_EQ(tz_stack_class(1), 0);
    CHECK_EQ(tz_stack_class(TZ_STACK_MIN), 0);
    CHECK_EQ(tz_stack_class(TZ_STACK_DEFAULT), 2); /* asked for by number: all of it usable */
    CHECK_EQ(tz_stack_class(TZ_STACK_MAX + 1), -EINVAL);
    CHECK_EQ(tz_stack_class(SIZE_MAX), -EINVAL);
    for (size_t size = 1; size <= TZ_STACK_MAX; size = size * 5 / 4 + 1) {
        int cls = tz_stack_class(size);
        CHECK(cls >= 0 && cls < TZ_STACK_CLASSES);
        CHECK((TZ_STACK_CLASS0 << cls) - TZ_STACK_GUARD - TZ_STACK_BLOCK - 7 * TZ_STACK_COLOUR >= size);
        CHECK(cls == 0 ||
              (TZ_STACK_CLASS0 << (cls - 1)) < size + TZ_STACK_GUARD + TZ_STACK_BLOCK + 7 * TZ_STACK_COLOUR);
    }
    CHECK_EQ(tz_stack_class(TZ_STACK_MAX), TZ_STACK_CLASSES - 1);
}

static void layout(void *arg)
{
    enum { N = 600 }; /* more than two arenas of the default class */
    static tz_stack *s[N];
    (void)arg;
    CHECK_EQ(tz_stack_reserved(), 0);
    carve(1, s, 1);
    carve(1, s + 1, 7);
    carve(1, s + 8, N - 8);
    CHECK(tz_stack_reserved() >= N * TZ_STACK_DEFAULT);
    for (int i = 0; i < N; i++) {
        check_slot(s[i], 1);
        memset((char *)s[i] + sizeof *s[i], 0x5a, TZ_STACK_BLOCK - sizeof *s[i]);
        memset(s[i]->hi - 1024, 0x5a, 1024);
        for (int k = i - 8; k < i; k++)
            CHECK(k < 0 || s[k]->lo - TZ_STACK_GUARD >= s[i]->lo - TZ_STACK_GUARD + slot_size(s[i]) ||
                  s[i]->lo - TZ_STACK_GUARD >= s[k]->lo - TZ_STACK_GUARD + slot_size(s[k]));
    }
    for (int i = 0; i < N; i += 40) {
        /* Guarded below; the last byte above the guard is there;
         * running over the top ends in the next guard. */
        CHECK(faults(s[i]->lo - 1));
        CHECK(faults(s[i]->lo - TZ_STACK_GUARD));
        CHECK(!faults(s[i]->lo));
        if (s[i]->slot % 256 != 255)
            CHECK(faults(s[i]->lo - TZ_STACK_GUARD + slot_size(s[i])));
    }
    for (int i = 0; i < N; i += 7)
        memset(s[i]->lo, 1, (size_t)(s[i]->hi - s[i]->lo));
    /* Every class, the largest as well. */
    for (int cls = 0; cls < TZ_STACK_CLASSES; cls++) {
        if (TZ_INSTRUMENTED && cls > 8)
            break;
        carve(cls, s, 3);
        for (int i = 0; i < 3; i++) {
            check_slot(s[i], cls);
            touch(s[i]->lo);
            CHECK(faults(s[i]->lo - 1));
        }
    }
}

TEST(layout_and_guards)
{
    CHECK_EQ(child(layout, NULL), 0);
}

TEST(layout_and_guards_by_protection)
{
    tz_stack_no_markers = true;
    CHECK_EQ(child(layout, NULL), 0);
    tz_stack_no_markers = false;
}

/* Touches ever lower pages, and compares. */
static void usage(void *arg)
{
    size_t page = tz_os_page_size();
    tz_stack *s[16];
    (void)arg;
    carve(tz_stack_class(1 << 20), s, 16);
    for (int i = 0; i < 16; i++) {
        size_t rest = (uintptr_t)s[i]->hi % page;
        CHECK_EQ(tz_stack_used(s[i]), rest);
        CHECK(s[i]->hi - rest > s[i]->lo);
        touch(s[i]->hi - rest - 1);
        CHECK_EQ(tz_stack_used(s[i]), rest + page);
        touch(s[i]->hi - rest - 9 * page); /* a frame may leap */
        CHECK_EQ(tz_stack_used(s[i]), rest + 9 * page);
        touch(s[i]->lo);
        CHECK_EQ(tz_stack_used(s[i]), (size_t)(s[i]->hi - s[i]->lo));
        s[i]->hi[-1] = 77;
        tz_stack_trim(s[i]);
        CHECK_EQ(tz_stack_used(s[i]), rest);
        CHECK_EQ(s[i]->hi[-1], 77); /* its page is kept */
        CHECK_EQ(*s[i]->lo, 0);
        CHECK(faults(s[i]->lo - 1));
        check_slot(s[i], tz_stack_class(1 << 20));
    }
}

TEST(trim_and_used)
{
    CHECK_EQ(child(usage, NULL), 0);
    tz_stack_no_markers = true;
    CHECK_EQ(child(usage, NULL), 0);
    tz_stack_no_markers = false;
}

struct seen {
    int n, stop;
    uintptr_t sum;
};

static bool see(tz_stack *s, void *arg)
{
    struct seen *seen = arg;
    seen->sum += (uintptr_t)s;
    return ++seen->n != seen->stop;
}

static void listing(void *arg)
{
    enum { N = 300 };
    static tz_stack *s[N];
    struct seen seen = {0, 0, 0};
    uintptr_t sum = 0;
    bool guard;
    (void)arg;
    tz_stack_each(see, &seen);
    CHECK_EQ(seen.n, 0);
    CHECK(tz_stack_find(&seen, &guard) == NULL);
    carve(1, s, N - 10);
    carve(3, s + N - 10, 10);
    for (int i = 0; i < N; i++)
        sum += (uintptr_t)s[i];
    tz_stack_each(see, &seen);
    CHECK_EQ(seen.n, N);
    CHECK_EQ(seen.sum, sum);
    seen = (struct seen){0, 5, 0};
    tz_stack_each(see, &seen);
    CHECK_EQ(seen.n, 5);
    for (int i = 0; i < N; i++) {
        char *base = s[i]->lo - TZ_STACK_GUARD;
        CHECK(tz_stack_find(s[i]->lo, &guard) == s[i] && !guard);
        CHECK(tz_stack_find(s[i]->hi - 1, &guard) == s[i] && !guard);
        CHECK(tz_stack_find(s[i]->lo - 1, &guard) == s[i] && guard);
        CHECK(tz_stack_find(base, &guard) == s[i] && guard);
        CHECK(tz_stack_find(base - 1, &guard) == NULL);
        CHECK(tz_stack_find(s[i]->hi, &guard) == NULL); /* the control block */
    }
    /* Reserved, but not carved. */
    CHECK(tz_stack_find(s[N - 1]->lo + slot_size(s[N - 1]), &guard) == NULL);
    CHECK(tz_stack_find(NULL, &guard) == NULL);
    CHECK(tz_stack_find((void *)UINTPTR_MAX, &guard) == NULL);
    CHECK(tz_stack_find(&seen, &guard) == NULL);
}

TEST(each_and_find)
{
    CHECK_EQ(child(listing, NULL), 0);
}

static size_t address_space(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    size_t pages = 0;
    CHECK(f != NULL && fscanf(f, "%zu", &pages) == 1);
    fclose(f);
    return pages * tz_os_page_size();
}

static void short_of_space(void *arg)
{
    enum { N = 2000 };
    static tz_stack *s[N];
    struct rlimit was, now;
    int n = 0, r;
    (void)arg;
    CHECK_EQ(getrlimit(RLIMIT_AS, &was), 0);
    now = was;
    now.rlim_cur = address_space() + ((size_t)20 << 20); /* less than one arena */
    CHECK_EQ(setrlimit(RLIMIT_AS, &now), 0);
    while (n < N && (r = tz_stack_carve(1, s + n, 3, false)) > 0)
        n += r;
    CHECK_EQ(r, -ENOMEM);
    CHECK(n >= 40 && n <= 80); /* nearly all of the 20 MiB: smaller arenas were taken */
    CHECK_EQ(tz_stack_carve(1, s + n, 1, false), -ENOMEM);
    CHECK_EQ(tz_stack_carve(9, s + n, 1, false), -ENOMEM);
    CHECK_EQ(setrlimit(RLIMIT_AS, &was), 0);
    carve(1, s + n, 300);
    carve(9, s + n + 300, 2);
    for (int i = 0; i < n + 302; i++)
        check_slot(s[i], i < n + 300 ? 1 : 9);
    CHECK(faults(s[n]->lo - 1));
    struct seen seen = {0, 0, 0};
    tz_stack_each(see, &seen);
    CHECK_EQ(seen.n, n + 302);
}

TEST(address_space_ends_and_returns)
{
#if defined(__aarch64__)
    SKIP("the emulator does not keep this limit"); /* the suite runs under qemu-user there */
#endif
    if (TZ_INSTRUMENTED || RUNNING_ON_VALGRIND)
        SKIP("the instrumentation needs address space of its own");
    CHECK_EQ(child(short_of_space, NULL), 0);
}

/* Uses up the process's mappings but a few, by splitting one. */
static void short_of_mappings(void *arg)
{
    enum { N = 1000 };
    static tz_stack *s[N];
    size_t page = tz_os_page_size(), n = (size_t)1 << 20, left = 60, i;
    (void)arg;
    carve(1, s, 1);
    char *p = tz_os_reserve(n * page);
    CHECK(p != NULL);
    for (i = 1; i < n && mprotect(p + i * page, page, PROT_NONE) == 0; i += 2)
        continue;
    if (i >= n)
        _exit(77);
    for (; left > 0; left -= 2)
        CHECK_EQ(mprotect(p + (i -= 2) * page, page, PROT_READ | PROT_WRITE), 0);
    int done = 1, r;
    while (done < N && (r = tz_stack_carve(1, s + done, N - done, false)) > 0)
        done += r;
    CHECK_EQ(r, -ENOMEM);
    CHECK(done >= 64 && done < 256); /* the first batch and about as many as there are mappings left */
    CHECK_EQ(tz_stack_carve(1, s + done, 1, false), -ENOMEM);
    size_t reserved = tz_stack_reserved();
    munmap(p, n * page);
    for (int k = 1; k < 256 - done; k++)
        carve(1, s + done + k - 1, 1);
    CHECK_EQ(tz_stack_reserved(), reserved); /* the slots that had no guard are carved after all */
    for (int k = 0; k < 254; k++) {
        check_slot(s[k], 1);
        CHECK_EQ(s[k]->slot, k);
    }
    for (int k = 0; k < 254; k += 11)
        CHECK(faults(s[k]->lo - 1) && !faults(s[k]->lo));
}

TEST(mappings_end_and_return)
{
    if (TZ_TSAN || RUNNING_ON_VALGRIND)
        SKIP("the instrumentation needs mappings of its own");
    tz_stack_no_markers = true;
    int status = child(short_of_mappings, NULL);
    tz_stack_no_markers = false;
    if (status == 77 << 8)
        SKIP("vm.max_map_count is large");
    CHECK_EQ(status, 0);
}

enum { THREADS = 4, EACH = 1000 };

static void *carver(void *arg)
{
    tz_stack **out = arg;
    for (int done = 0; done < EACH;) {
        int want = EACH - done < 37 ? EACH - done : 37;
        carve(1, out + done, want);
        done += want;
    }
    return NULL;
}

static bool mark(tz_stack *s, void *arg)
{
    (void)arg;
    ((unsigned char *)s)[TZ_STACK_BLOCK - 1]++;
    return true;
}

static bool ignore(tz_stack *s, void *arg)
{
    return s->lo < s->hi && arg == NULL;
}

static void concurrently(void *arg)
{
    static tz_stack *s[THREADS][EACH];
    pthread_t t[THREADS];
    bool guard;
    (void)arg;
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&t[i], NULL, carver, s[i]), 0);
    for (int i = 0; i < 20; i++) {
        tz_stack_each(ignore, NULL);
        (void)tz_stack_find(s, &guard);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    tz_stack_each(mark, NULL);
    for (int i = 0; i < THREADS; i++) {
        for (int k = 0; k < EACH; k++)
            CHECK_EQ(((unsigned char *)s[i][k])[TZ_STACK_BLOCK - 1], 1);
    }
    struct seen seen = {0, 0, 0};
    uintptr_t sum = 0;
    tz_stack_each(see, &seen);
    CHECK_EQ(seen.n, THREADS * EACH);
    for (int i = 0; i < THREADS * EACH; i++)
        sum += (uintptr_t)s[i / EACH][i % EACH];
    CHECK_EQ(seen.sum, sum);
}

TEST(carving_by_several_threads)
{
    CHECK_EQ(child(concurrently, NULL), 0);
}

TEST_MAIN()
