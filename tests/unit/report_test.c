/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reports that are made with everything against them: locks held, an
 * allocator that does not come back, failures in the report itself. Each is a
 * child, this very program started again; what it prints and its end are
 * looked at.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4
#include <tuza.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

#include "base/fatal.h"
#include "go/help.h"
#include "sched/proc.h"
#include "sched/sched.h"

#define STAY() __asm__ volatile("" ::: "memory")

static char text[1 << 20];

/* An emulator is no program that could be started so. */
#define NEED_EXEC()    \
    if (HELP_EMULATED) \
    SKIP("emulated")

/* Runs the child; its standard error is in text. Its exit code, or minus the signal. */
static int run(const char *child, const char *level)
{
    int end[2], status;
    CHECK_EQ(pipe2(end, O_CLOEXEC), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(end[1], 2);
        setenv("REPORT_CHILD", child, 1);
        setenv("GOTRACEBACK", level, 1);
        execl("/proc/self/exe", "report_test", (char *)NULL);
        _exit(99);
    }
    close(end[1]);
    size_t n = 0;
    ssize_t got;
    while (n < sizeof text - 1 && (got = read(end[0], text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = 0;
    close(end[0]);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void expect(const char *words)
{
    if (!strstr(text, words))
        tz_test_fail(__FILE__, __LINE__, "\"%s\" is not in\n%s: the search", words, text);
}

static int occurrences(const char *words)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
        n++;
    return n;
}

/* --- the children ----------------------------------------------------------- */

static tuza_chan *never;

static void waiter(void *arg)
{
    (void)arg;
    tuza_chan_recv(never, NULL);
    STAY();
}

static void some_waiters(int n)
{
    never = tuza_chan_make(0, 0);
    for (int i = 0; i < n; i++)
        GO(waiter, NULL);
    for (int i = 0; i < 20; i++) {
        tuza_gosched();
        tuza_sleep(TUZA_MILLISECOND);
    }
}

static __attribute__((noinline)) void fails_here(void)
{
    tz_throw("as a test");
    STAY();
}

/* Every lock of the runtime is held, and the P. */
static void with_locks(void)
{
    some_waiters(3);
    (void)tz_enter();
    tz_lock_acquire(&tz_sched.stw, TZ_RANK_STW);
    tz_lock_acquire(&tz_sched.allm_lock, TZ_RANK_ALLM);
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_lock_acquire(&tz_sched.gfree_lock, TZ_RANK_GFREE);
    tz_stack_lock();
    fails_here();
}

/* From now on nobody gets memory. */
static uint32_t stuck;

void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t n);
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

#if !TZ_ASAN && !TZ_TSAN
#define OWN_MALLOC 1
static void pass(void)
{
    while (flag_get(&stuck))
        sched_yield();
}

void *malloc(size_t n)
{
    pass();
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    pass();
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    pass();
    return __libc_realloc(p, n);
}
#else
#define OWN_MALLOC 0
#endif

static void without_malloc(void)
{
    some_waiters(3);
    flag_set(&stuck, 1);
    fails_here();
}

/* A goroutine runs elsewhere, and to look at it fails. */
static uint32_t spins;

static void spinner(void *arg)
{
    (void)arg;
    flag_set(&spins, 1);
    for (;;)
        STAY();
}

static bool failing_walk(tz_m *m, tz_g *g, tz_trace *t)
{
    (void)m, (void)g, (void)t;
    tz_throw("while looking at another");
}

static void fails_while_printing(void)
{
    GO(spinner, NULL);
    EVENTUALLY(flag_get(&spins));
    tz_walk_other = failing_walk;
    fails_here();
}

static void on_crash_fails(const char *report, size_t n, void *arg)
{
    (void)report, (void)n, (void)arg;
    tz_throw("in on_crash");
}

static void fails_thrice(void)
{
    tz_fatal_hooks.on_crash = on_crash_fails;
    fails_while_printing();
}

static void fails_four_times(void)
{
    tz_report_begin();
    tz_report_begin();
    tz_fatal_hooks.write = NULL;
    tz_fatal_hooks.exit = NULL;
    struct sigaction dies = {.sa_handler = SIG_DFL};
    sigaction(SIGILL, &dies, NULL);
    tz_report_begin(); /* the compiler's trap is the end */
}

static void copies(const char *report, size_t n, void *arg)
{
    char head[32];
    snprintf(head, sizeof head, "\n<%zu %s>\n", n, (const char *)arg);
    tz_os_write(2, head, strlen(head));
    tz_os_write(2, report, n);
}

static void large(void)
{
    static char arg[] = "arg";
    tz_fatal_hooks.on_crash_arg = arg;
    tz_fatal_hooks.on_crash = copies;
    some_waiters(1000 / SCALE);
    fails_here();
}

static void panics(void *arg)
{
    tuza_chan_recv(arg, NULL);
    tuza_chan_close(NULL);
}

static void at_once(void)
{
    tuza_chan *go = tuza_chan_make(0, 0);
    for (int i = 0; i < 10; i++)
        GO(panics, go);
    some_waiters(10);
    tuza_chan_close(go);
    tuza_chan_recv(NULL, NULL);
}

static const struct {
    const char *name;
    void (*fn)(void);
} children[] = {
    {"with_locks", with_locks},
    {"without_malloc", without_malloc},
    {"fails_while_printing", fails_while_printing},
    {"fails_thrice", fails_thrice},
    {"fails_four_times", fails_four_times},
    {"large", large},
    {"at_once", at_once},
};

static int child(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (size_t i = 0; i < sizeof children / sizeof children[0]; i++)
        if (strcmp(children[i].name, getenv("REPORT_CHILD")) == 0)
            children[i].fn();
    return 98;
}

/* --- the tests ---------------------------------------------------------------- */

/* PN-29: the report needs no lock of the runtime's. */
TEST(locks_held)
{
    NEED_EXEC();
    CHECK_EQ(run("with_locks", "all"), 2);
    expect("fatal error: as a test\n\ngoroutine 1 gp=0x");
    expect("\nfails_here(...)\n");
    CHECK_EQ(occurrences("\nwaiter(...)\n"), 3);
}

/* No malloc either: where the symbolizer does not come back the names do without it. */
TEST(malloc_held)
{
    NEED_EXEC();
    if (!OWN_MALLOC)
        SKIP("malloc is the sanitizer's");
    CHECK_EQ(run("without_malloc", "all"), 2);
    expect("fatal error: as a test\n\ngoroutine 1 gp=0x");
    expect("\nfails_here(...)\n");
    CHECK_EQ(occurrences("\nwaiter(...)\n"), 3);
}

/* PN-27 */
TEST(panic_during_panic)
{
    NEED_EXEC();
    CHECK_EQ(run("fails_while_printing", "all"), 2);
    expect("fatal error: as a test\n\ngoroutine 1 gp=0x");
    expect("panic during panic\n\ngoroutine 1 gp=0x");
    expect("failing_walk(...)\n");
    CHECK_EQ(occurrences("while looking at another"), 0);
}

/* PN-27 */
TEST(third_failure)
{
    NEED_EXEC();
    CHECK_EQ(run("fails_thrice", "all"), 4);
    expect("panic during panic\n\ngoroutine 1 gp=0x");
    expect("stack trace unavailable\n");
}

/* PN-27: nothing works any more, not even the exit. */
TEST(fourth_failure)
{
    NEED_EXEC();
    int how = run("fails_four_times", "all");
    CHECK(how == -SIGILL || how == -SIGTRAP);
}

/* TB-19: on_crash gets the same text, all of it. */
TEST(on_crash)
{
    NEED_EXEC();
    CHECK_EQ(run("large", "all"), 2);
    CHECK_EQ(occurrences("\nwaiter(...)\n"), 2 * (1000 / SCALE));
    char *copy = strstr(text, "\n<");
    CHECK(copy);
    size_t n = strtoul(copy + 2, NULL, 10);
    CHECK_EQ((size_t)(copy - text), n);
    char *second = strstr(copy, " arg>\n") + strlen(" arg>\n");
    CHECK_EQ(strlen(second), n);
    CHECK(memcmp(text, second, n) == 0);
}

/* PN-25: one report after the other, each whole; the others once. */
TEST(panics_at_once)
{
    NEED_EXEC();
    CHECK_EQ(run("at_once", "all"), 2);
    int panicked = occurrences("panic: close of nil channel\n\ngoroutine ");
    CHECK(panicked >= 1);
    CHECK_EQ(occurrences("panic: "), panicked);
    CHECK_EQ(occurrences("\nwaiter(...)\n"), 10);
}

int main(int argc, char **argv)
{
    return getenv("REPORT_CHILD") ? 100 - tuza_run(child, argc, argv) : tz_test_main(argc, argv);
}
