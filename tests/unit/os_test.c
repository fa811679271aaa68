/* SPDX-License-Identifier: BSD-3-Clause */
/* What os.h promises, but for quotas (quota_test.c). What changes the process for good happens in a child. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/atomic.h"
#include "os/os.h"
#include "tz_test.h"

#define SECOND ((int64_t)1000000000)

static size_t page;

/* For things that must come: true once cond holds, false after a minute. */
#define EVENTUALLY(cond)                              \
    __extension__({                                   \
        int64_t end_ = tz_os_now() + 60 * SECOND;     \
        while (!(cond) && tz_os_now() < end_)         \
            tz_os_sleep_until(tz_os_now() + 1000000); \
        (cond);                                       \
    })

/* Runs fn in a child; its wait status. */
static int child(void (*fn)(void *), void *arg)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGSEGV, SIG_DFL); /* a sanitizer's report would be in the way */
        signal(SIGBUS, SIG_DFL);
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

TEST(now_is_monotonic_and_sleep_is_not_short)
{
    int64_t a = tz_os_now(), b = tz_os_now();
    CHECK(a > 0 && b >= a);
    tz_os_sleep_until(b + 5000000);
    CHECK(tz_os_now() >= b + 5000000);
    tz_os_sleep_until(-1);
    tz_os_sleep_until(0);
}

static uint32_t word;

static void futex_sleeper(void *arg)
{
    while (tz_load_acquire(&word) == 0)
        tz_os_futex_wait(&word, 0, TZ_OS_FOREVER);
    tz_store_release((uint32_t *)arg, 1);
    tz_os_futex_wake(arg, 1);
}

TEST(futex_waits_wakes_and_times_out)
{
    static uint32_t done;
    word = 0;
    tz_os_futex_wait(&word, 1, TZ_OS_FOREVER); /* differs: returns */
    tz_os_futex_wait(&word, 0, -5);
    int64_t until = tz_os_now() + 3000000;
    while (tz_os_now() < until)
        tz_os_futex_wait(&word, 0, until);
    CHECK_EQ(tz_os_thread_start(futex_sleeper, &done, 65536, "sleeper"), 0);
    tz_store_release(&word, 1);
    tz_os_futex_wake(&word, 1);
    int64_t end = tz_os_now() + 60 * SECOND;
    while (tz_load_acquire(&done) == 0 && tz_os_now() < end)
        tz_os_futex_wait(&done, 0, end);
    CHECK_EQ(tz_load_acquire(&done), 1);
}

TEST(reserved_memory_is_zero_writable_and_released)
{
    size_t n = (size_t)8 << 30;
#if TZ_TSAN
    n = (size_t)1 << 30;
#endif
    char *p = tz_os_reserve(n);
    CHECK(p != NULL);
    CHECK_EQ((uintptr_t)p % page, 0);
    CHECK_EQ(p[0] | p[n / 2] | p[n - 1], 0);
    p[0] = p[n - 1] = 1;
    tz_os_release(p, n);
    CHECK(faults(p));
    CHECK(tz_os_reserve((size_t)1 << 60) == NULL);
}

static void check_guards(bool markers)
{
    enum { N = 150 }; /* more than one batch, and an incomplete one */
    size_t stride = 8 * page, size = 2 * page;
    char *p = tz_os_reserve(N * stride);
    CHECK(p != NULL);
    p[(N - 1) * stride] = 1; /* was in use */
    int r = tz_os_guard(p, size, stride, N, markers);
    if (markers && r != 0) {
        printf("no markers here (%d) ", r);
        CHECK(r == -EINVAL || r == -ENOSYS || r == -EPERM);
        for (size_t i = 0; i < N; i++)
            touch(p + i * stride);
        tz_os_release(p, N * stride);
        return;
    }
    CHECK_EQ(r, 0);
    static const int some[] = {0, 1, 63, 64, 65, 127, 128, 149};
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        char *guard = p + (size_t)some[i] * stride;
        CHECK(faults(guard));
        CHECK(faults(guard + size - 1));
        CHECK(!faults(guard + size));
        CHECK(!faults(guard + stride - 1));
    }
    for (size_t i = 0; i < N; i++)
        touch(p + i * stride + size);
    CHECK_EQ(tz_os_guard(p, size, stride, 0, markers), 0);
    CHECK_EQ(tz_os_guard(p + page * 4, page, stride, 1, markers), 0);
    CHECK(faults(p + page * 4));
    tz_os_release(p, N * stride);
}

TEST(guards_by_markers)
{
    check_guards(true);
}

TEST(guards_by_protection)
{
    check_guards(false);
}

static void guards_again(void *arg)
{
    (void)arg;
    check_guards(true);
}

TEST(guards_after_fork)
{
    CHECK_EQ(child(guards_again, NULL), 0);
}

static size_t max_maps(void)
{
    FILE *f = fopen("/proc/sys/vm/max_map_count", "r");
    size_t n = 0;
    if (f != NULL) {
        if (fscanf(f, "%zu", &n) != 1)
            n = 0;
        fclose(f);
    }
    return n;
}

TEST(guards_beyond_max_map_count_are_undone)
{
    size_t maps = max_maps();
    if (maps == 0 || maps > 200000)
        SKIP("vm.max_map_count is unknown or large");
    size_t n = maps / 2 + 100, stride = 2 * page;
    char *p = tz_os_reserve(n * stride);
    CHECK(p != NULL);
    CHECK_EQ(tz_os_guard(p, page, stride, n, false), -ENOMEM);
    for (size_t i = 0; i < n; i += 17)
        touch(p + i * stride);
    CHECK_EQ(tz_os_guard(p, page, stride, 1000, false), 0);
    CHECK(faults(p + 999 * stride));
    CHECK(!faults(p + 1000 * stride));
    tz_os_release(p, n * stride);
}

TEST(discard_and_residency)
{
    enum { N = 5000 };
    char *p = tz_os_reserve(N * page);
    CHECK(p != NULL);
    CHECK_EQ(tz_os_resident_from_top(p, N * page), 0);
    CHECK_EQ(tz_os_resident_from_top(p, 0), 0);
    static const size_t at[] = {4999, 4000, 2048, 2047, 512, 256, 255, 1, 0};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        p[at[i] * page + 7] = 42;
        CHECK_EQ(tz_os_resident_from_top(p, N * page), (N - at[i]) * page);
    }
    tz_os_discard(p, 100 * page);
    CHECK_EQ(p[255 * page + 7], 42);
    CHECK_EQ(tz_os_resident_from_top(p, N * page), (N - 255) * page);
    CHECK_EQ(p[7], 0);
    tz_os_discard(p, 0);
    CHECK_EQ(mlock(p, 4 * page), 0);
    p[7] = 42;
    tz_os_discard(p, 4 * page);
    CHECK_EQ(p[7], 0);
    tz_os_release(p, N * page);
}

static long status_kb(const char *key)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long kb = -1;
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0)
            kb = atol(line + strlen(key));
    }
    fclose(f);
    return kb;
}

static void under_mlockall(void *arg)
{
    size_t n = (size_t)64 << 20;
    if (*(bool *)arg) { /* with a small limit, and without the privilege to pass it */
        struct rlimit few = {1 << 20, 1 << 20};
        CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &few), 0);
        if (setuid(65534) != 0)
            _exit(77);
    }
    if (mlockall(MCL_FUTURE) != 0)
        _exit(77);
    void *probe = mmap(NULL, 16 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(probe != MAP_FAILED);
    long locked = status_kb("VmLck:");
    if (locked < (long)(16 * page >> 10))
        _exit(77);
    char *p = tz_os_reserve(n);
    CHECK(p != NULL);
    CHECK(status_kb("VmLck:") < locked + 1024);
    CHECK_EQ(tz_os_resident_from_top(p + page, n - page), 0);
    int r = tz_os_guard(p, page, 2 * page, 100, true);
    CHECK(r == 0 || tz_os_guard(p, page, 2 * page, 100, false) == 0);
    touch(p + page);
    touch(p + n - 1);
    CHECK(faults(p + 20 * page));
    munlockall();
}

TEST(reserving_under_mlockall_locks_nothing)
{
#if defined(__aarch64__)
    SKIP("the emulator does not keep this limit"); /* the suite runs under qemu-user there */
#endif
    bool limited = false;
    int first = child(under_mlockall, &limited);
    limited = true;
    int second = child(under_mlockall, &limited);
    if (first == 77 << 8 && second == 77 << 8)
        SKIP("mlockall is not available");
    CHECK(first == 0 || first == 77 << 8);
    CHECK(second == 0 || second == 77 << 8);
}

struct probe {
    uint32_t started, go, ended;
    int tid;
    size_t room;
    bool usr1_blocked, usr2_blocked;
    char name[16];
};

static void probe_thread(void *arg)
{
    struct probe *p = arg;
    sigset_t set;
    pthread_attr_t attr;
    void *lo;
    size_t size;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    p->usr1_blocked = sigismember(&set, SIGUSR1) == 1;
    p->usr2_blocked = sigismember(&set, SIGUSR2) == 1;
    pthread_getname_np(pthread_self(), p->name, sizeof p->name);
    CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
    CHECK_EQ(pthread_attr_getstack(&attr, &lo, &size), 0);
    pthread_attr_destroy(&attr);
    p->room = (size_t)((char *)&set - (char *)lo);
    p->tid = tz_os_tid();
    /* As long as a deadline allows: enough for its clock to move. */
    int64_t cpu = tz_os_thread_cpu(p->tid);
    while (tz_os_thread_cpu(p->tid) < cpu + 2000000)
        continue;
    tz_store_release(&p->started, 1);
    tz_os_futex_wake(&p->started, 1);
    while (tz_load_acquire(&p->go) == 0)
        tz_os_futex_wait(&p->go, 0, TZ_OS_FOREVER);
    tz_store_release(&p->ended, 1);
}

TEST(threads_start_with_mask_name_and_room)
{
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    tz_os_thread_mask_save();
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, &old);

    static struct probe p;
    int before = tz_os_thread_count();
    CHECK(before >= 1);
    CHECK_EQ(tz_os_thread_start(probe_thread, &p, (size_t)200 << 10, "a-name-that-is-too-long"), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    CHECK(sigismember(&set, SIGUSR2) == 1 && sigismember(&set, SIGUSR1) == 0);
    CHECK(EVENTUALLY(tz_load_acquire(&p.started) == 1));
    CHECK(p.usr1_blocked && !p.usr2_blocked);
    CHECK_STR(p.name, "a-name-that-is-");
    CHECK(p.room >= (size_t)200 << 10);
    CHECK(p.tid != tz_os_tid());
    CHECK(tz_os_thread_count() >= before);

    CHECK(tz_os_thread_cpu(p.tid) >= 2000000);
    int fd = tz_os_thread_stat_open(p.tid), own = tz_os_thread_stat_open(tz_os_tid());
    CHECK(fd >= 0 && own >= 0);
    CHECK(EVENTUALLY(tz_os_thread_state(fd) == 'S'));
    CHECK_EQ(tz_os_thread_state(own), 'R');
    tz_store_release(&p.go, 1);
    tz_os_futex_wake(&p.go, 1);
    CHECK(EVENTUALLY(tz_load_acquire(&p.ended) == 1));
    CHECK(EVENTUALLY(tz_os_thread_cpu(p.tid) == -1));
    CHECK(EVENTUALLY(tz_os_thread_state(fd) == 0));
    CHECK(tz_os_thread_stat_open(p.tid) < 0);
    CHECK(tz_os_thread_stat_open(-1) < 0);
    tz_os_close(fd);
    tz_os_close(own);
    CHECK_EQ(tz_os_thread_state(fd), 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    tz_os_thread_mask_save();
}

static uint32_t ran, sum, hold;

static void many_thread(void *arg)
{
    tz_add_acq_rel(&sum, (uint32_t)(uintptr_t)arg);
    tz_add_acq_rel(&ran, 1);
    while (tz_load_acquire(&hold) == 1)
        tz_os_futex_wait(&hold, 1, TZ_OS_FOREVER);
}

static void *starter(void *arg)
{
    for (uintptr_t i = 1; i <= 100; i++)
        CHECK_EQ(tz_os_thread_start(many_thread, (void *)i, 16384, "many"), 0);
    return arg;
}

TEST(many_threads_start_at_once)
{
    pthread_t t[4];
    int before = tz_os_thread_count();
    ran = sum = 0;
    hold = 1;
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&t[i], NULL, starter, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    CHECK(EVENTUALLY(tz_load_acquire(&ran) == 400));
    CHECK_EQ(tz_load_acquire(&sum), 4 * 5050);
    CHECK(tz_os_thread_count() >= before + 400);
    tz_store_release(&hold, 0);
    tz_os_futex_wake(&hold, 1000);
    CHECK(EVENTUALLY(tz_os_thread_count() <= before));
}

static uint32_t stay;

static void staying_thread(void *arg)
{
    (void)arg;
    while (tz_load_acquire(&stay) == 1)
        tz_os_futex_wait(&stay, 1, TZ_OS_FOREVER);
}

static void ending_thread(void *arg)
{
    (void)arg;
    while (tz_load_acquire(&hold) == 1)
        ;
}

/* A thread that ends while the kernel lists them hides those behind it from the list (about one look in 3,500
 * here), not from the count. */
TEST(threads_are_counted_while_others_end)
{
    int64_t end = tz_os_now() + 2000000000;
    while (tz_os_thread_count() > 1 + TZ_TSAN && tz_os_now() < end)
        tz_os_sleep_until(tz_os_now() + 1000000);
    if (tz_os_thread_count() > 1 + TZ_TSAN)
        SKIP("an emulator's threads are among ours");
    end = tz_os_now() + 2000000000;
    for (int round = 0; round < 5000 && tz_os_now() < end; round++) {
        tz_store_release(&hold, 1); /* no sanitizer sees that those of the last round have ended */
        tz_store_release(&stay, 1);
        CHECK_EQ(tz_os_thread_start(ending_thread, NULL, 16384, "ending"), 0);
        CHECK_EQ(tz_os_thread_start(staying_thread, NULL, 16384, "staying"), 0);
        tz_store_release(&hold, 0);
        for (int i = 0; i < 30; i++)
            CHECK(tz_os_thread_count() >= 2);
        tz_store_release(&stay, 0);
        tz_os_futex_wake(&stay, 1);
        CHECK(EVENTUALLY(tz_os_thread_count() <= 1 + TZ_TSAN));
    }
}

/* Store buffering: each side writes, then reads the other's word. The fence is on one side alone. */
enum { ROUNDS = 3000 };
static uint32_t x, y, saw_x, saw_y, turn_a, turn_b;

static void *light_side(void *arg)
{
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        while (tz_load_acquire(&turn_a) != i)
            tz_os_yield();
        tz_store_relaxed(&x, i);
        tz_compiler_barrier();
        saw_y = tz_load_relaxed(&y);
        tz_store_release(&turn_b, i);
    }
    return arg;
}

TEST(membarrier_orders_a_thread_without_a_fence)
{
    if (!tz_os_membarrier_init())
        SKIP("no membarrier");
    CHECK(tz_os_membarrier_init());
    pthread_t t;
    CHECK_EQ(pthread_create(&t, NULL, light_side, NULL), 0);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        tz_store_release(&turn_a, i);
        tz_store_relaxed(&y, i);
        tz_os_membarrier();
        saw_x = tz_load_relaxed(&x);
        while (tz_load_acquire(&turn_b) != i)
            tz_os_yield();
        CHECK(saw_x == i || saw_y == i);
    }
    pthread_join(t, NULL);
}

static void pinned(void *arg)
{
    cpu_set_t all, one;
    CPU_ZERO(&all);
    CPU_ZERO(&one);
    CHECK_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    CHECK_EQ(tz_os_cpu_affinity(), CPU_COUNT(&all));
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &all))
            CPU_SET(i, &one);
    }
    CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    CHECK_EQ(tz_os_cpu_affinity(), 1);
    (void)arg;
}

TEST(affinity)
{
    CHECK_EQ(child(pinned, NULL), 0);
}

TEST(write_goes_on_after_a_partial_write)
{
    int fd[2];
    CHECK_EQ(pipe(fd), 0);
    enum { SIZE = 300000 }; /* more than a pipe holds */
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char *text = malloc(SIZE);
        memset(text, 'w', SIZE);
        close(fd[0]);
        tz_os_write(fd[1], text, SIZE);
        _exit(0);
    }
    close(fd[1]);
    size_t got = 0;
    char buf[4096];
    ssize_t n;
    while ((n = read(fd[0], buf, sizeof buf)) > 0)
        got += (size_t)n;
    CHECK_EQ(got, SIZE);
    close(fd[0]);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    tz_os_write(-1, "x", 1); /* gives up */
}

TEST(odds_and_ends)
{
    setenv("TUZA_OS_TEST", "yes", 1);
    CHECK_STR(tz_os_getenv("TUZA_OS_TEST"), "yes");
    CHECK(tz_os_getenv("TUZA_OS_TEST_NOT") == NULL);
    CHECK(tz_os_stack_limit() > 0);
    uint64_t a = tz_os_random(), b = tz_os_random(), c = tz_os_random();
    CHECK(a != b || b != c);
    tz_os_precise_timers();
    tz_os_yield();
}

TEST(errno_is_left_alone)
{
    char *p = tz_os_reserve(4 * page);
    uint32_t w = 0;
    errno = 12345;
    CHECK(tz_os_reserve((size_t)1 << 60) == NULL);
    CHECK_EQ(errno, 12345);
    tz_os_futex_wait(&w, 1, TZ_OS_FOREVER);
    tz_os_futex_wait(&w, 0, 1);
    tz_os_sleep_until(1);
    CHECK_EQ(errno, 12345);
    (void)tz_os_guard(p, page, page, 2, true);
    CHECK(tz_os_guard(p + 1, page, page, 1, true) < 0);
    CHECK(tz_os_guard(p + 1, page, page, 1, false) < 0);
    CHECK_EQ(errno, 12345);
    (void)tz_os_resident_from_top(p + 2 * page, 2 * page);
    tz_os_discard(p + 2 * page, page);
    tz_os_release(p, 4 * page);
    CHECK_EQ(errno, 12345);
    CHECK(tz_os_thread_cpu(0x3fffffff) == -1);
    CHECK(tz_os_thread_stat_open(0x3fffffff) < 0);
    CHECK(tz_os_thread_state(-1) == 0);
    tz_os_close(-1);
    CHECK(tz_os_thread_count() >= 1);
    CHECK_EQ(errno, 12345);
    CHECK(tz_os_cpu_affinity() >= 1);
    CHECK_EQ(tz_os_cpu_quota_milli("/nowhere/at/all"), 0);
    tz_os_write(-1, "x", 1);
    (void)tz_os_getenv("HOME");
    (void)tz_os_stack_limit();
    (void)tz_os_random();
    (void)tz_os_membarrier_init();
    tz_os_yield();
    CHECK_EQ(errno, 12345);
}

__attribute__((constructor)) static void setup(void)
{
    page = tz_os_page_size();
}

TEST_MAIN()
