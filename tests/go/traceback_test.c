/* SPDX-License-Identifier: BSD-3-Clause */
/* tuza_stack: what it says of goroutines, whole, cut off, and while they come and go. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 GOTRACEBACK=none | env GOMAXPROCS=8 TUZA_CHAOS=5
#include <pthread.h>
#include <sys/wait.h>

#include "go/help.h"

#define NOINLINE __attribute__((noinline))
/* Something to do after a call, so that it is none at the function's end. */
#define STAY() __asm__ volatile("" ::: "memory")

static char text[1 << 20];

/* All goroutines, or this one, into text. */
static void NOINLINE take(bool all)
{
    size_t n = tuza_stack(text, sizeof text, all);
    CHECK(n < sizeof text);
    CHECK_EQ(strlen(text), n);
}

static int count(const char *word)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        n++;
    return n;
}

/* How many goroutines there are in the text: headers at the beginnings of lines. */
static int headers(void)
{
    return count("\ngoroutine ") + (strncmp(text, "goroutine ", 10) == 0);
}

/* That the words are in the text, in this order; the end is NULL. */
static void in_order(const char *const words[])
{
    const char *at = text;
    for (; *words; words++) {
        const char *found = strstr(at, *words);
        if (!found)
            tz_test_fail(__FILE__, __LINE__, "\"%s\" is not (or not there) in\n%s: the search", *words, text);
        at = found + strlen(*words);
    }
}

static NOINLINE void inner(void)
{
    take(false);
    STAY();
}

static NOINLINE void outer(void)
{
    inner();
    STAY();
}

/* TB-01, TB-04, TB-13, GR-05: the header, then two lines for each function, the innermost first; main was
 * created by nobody. GOTRACEBACK makes no difference. */
TEST(own_stack)
{
    outer();
    CHECK(strncmp(text, "goroutine 1 [running]:\n", 23) == 0);
    in_order((const char *[]){"take(...)\n\t", " +0x", "\ninner(...)\n\t", " +0x", "\nouter(...)\n\t", " +0x",
                              "\ntest_own_stack(...)\n\t", " +0x", NULL});
    CHECK(!strstr(text, "created by"));
    CHECK(!strstr(text, "tuza_stack"));
    CHECK_EQ(headers(), 1);
}

static NOINLINE int line_of_call(void)
{
    int line = __LINE__ + 1;
    take(false);
    STAY();
    return line;
}

/* TB-04: lines are those of the calls. */
TEST(lines)
{
    char expected[96];
    int line = line_of_call();
    snprintf(expected, sizeof expected, "/tests/go/traceback_test.c:%d +0x", line);
    if (!strstr(text, "traceback_test.c:"))
        SKIP("no libdw");
    in_order((const char *[]){"\nline_of_call(...)\n\t/", expected, "\ntest_lines(...)\n\t/", NULL});
}

typedef struct cut {
    char *buf;
    size_t n, length;
    tuza_chan *done;
} cut;

/* A goroutine of its own, so that the text is the same whoever asks for it, but for the id. */
static void cut_at(void *arg)
{
    cut *c = arg;
    c->length = tuza_stack(c->buf, c->n, false);
    tuza_chan_send(c->done, NULL);
}

static size_t stack_cut_off(char *buf, size_t n)
{
    cut c = {buf, n, 0, tuza_chan_make(0, 0)};
    GO(cut_at, &c);
    CHECK(tuza_chan_recv(c.done, NULL));
    settle(1);
    tuza_chan_unref(c.done);
    return c.length;
}

/* TB-13: as snprintf: the whole length is returned, what fits is written, and a NUL. */
TEST(cut_off)
{
    enum { SMALL = 64, ID = 24 }; /* where the id may be */
    char small[SMALL];
    long whole = (long)stack_cut_off(text, sizeof text);
    CHECK_EQ(whole, (long)strlen(text));
    for (size_t n = 0; n <= SMALL; n++) {
        memset(small, 'x', sizeof small);
        long length = (long)stack_cut_off(n ? small : NULL, n);
        CHECK(labs(length - whole) < ID); /* the id may have another digit */
        CHECK(n == SMALL || small[n] == 'x');
        if (n > 0)
            CHECK_EQ(strlen(small), n - 1);
        if (n > 10)
            CHECK(strncmp(small, "goroutine ", 10) == 0);
    }
    CHECK(tuza_stack(NULL, 0, true) > 0);
}

static tuza_chan *gate;

static NOINLINE void wait_at_gate(void)
{
    tuza_chan_recv(gate, NULL);
    STAY();
}

static void waiter(void *arg)
{
    if (arg)
        tuza_lock_os_thread();
    wait_at_gate();
    STAY();
}

static NOINLINE void start_waiter(void *locked)
{
    GO(waiter, locked);
    STAY();
}

static void open_gate(void)
{
    tuza_chan_close(gate);
    settle(1);
    tuza_chan_unref(gate);
}

static bool all_wait(int n)
{
    take(true);
    return count(" [chan receive") == n;
}

/* TB-02, TB-05, TB-06, GR-20: why it waits, its frames, and who created it; the caller comes first. */
TEST(others)
{
    gate = tuza_chan_make(0, 0);
    start_waiter(NULL);
    EVENTUALLY(all_wait(1));
    CHECK(strncmp(text, "goroutine 1 [running]:\n", 23) == 0);
    in_order((const char *[]){"test_others(...)\n", "\n\ngoroutine ",
                              " [chan receive]:\nwait_at_gate(...)\n\t", "\nwaiter(...)\n\t",
                              "\ncreated by start_waiter in goroutine 1\n\t", " +0x", NULL});
    open_gate();
}

/* LK-08 */
TEST(locked)
{
    gate = tuza_chan_make(0, 0);
    start_waiter(&gate);
    EVENTUALLY(all_wait(1));
    in_order((const char *[]){" [chan receive, locked to thread]:\n", NULL});
    tuza_lock_os_thread();
    take(false);
    CHECK(strncmp(text, "goroutine 1 [running, locked to thread]:\n", 41) == 0);
    tuza_unlock_os_thread();
    open_gate();
}

/* Names are shown as Go shows labels. */
TEST(named)
{
    gate = tuza_chan_make(0, 0);
    CHECK_EQ(tuza_go_with(&(tuza_go_options){.name = "worker-1/a"}, waiter, NULL), 0);
    CHECK_EQ(tuza_go_with(&(tuza_go_options){.name = "a \"b\"\n\x01"}, waiter, NULL), 0);
    EVENTUALLY(all_wait(2));
    CHECK_EQ(count(" [chan receive] {name: worker-1/a}:\nwait_at_gate("), 1);
    CHECK_EQ(count(" [chan receive] {name: \"a \\\"b\\\"\\n\\x01\"}:\nwait_at_gate("), 1);
    open_gate();
}

static void unborn(void *arg)
{
    (void)arg;
}

/* TB-02: one that has not begun stands at its function's beginning. It may begin at any time: another is made
 * then. */
TEST(not_begun)
{
    double end = tz_test_seconds() + BOUND_S;
    do {
        CHECK(tz_test_seconds() < end);
        settle(1);
        GO(unborn, NULL);
        take(true);
    } while (!strstr(text, " [runnable]:\nunborn(...)\n"));
    in_order((const char *[]){"\n\ngoroutine ", " [runnable]:\nunborn(...)\n\t",
                              "created by test_not_begun in goroutine 1\n\t", NULL});
    settle(1);
}

static NOINLINE int descend(int n)
{
    int below = n ? descend(n - 1) : (take(false), 0);
    STAY();
    return below + 1;
}

/* TB-09: of a deep stack the first and the last fifty functions. */
TEST(elided)
{
    descend(0);
    int others = count("(...)\n") - 1; /* main's among them, which a symbol table alone may have or not */
    for (int depth = 100 - others; depth <= 2000; depth += depth < 110 ? 1 : 300) {
        descend(depth - 1);
        CHECK_EQ(count("(...)\n"), depth + others < 100 ? depth + others : 100);
        char expected[64];
        snprintf(expected, sizeof expected, "\n...%d frames elided...\n", depth + others - 100);
        if (depth + others > 100)
            in_order((const char *[]){"take(...)\n", "\ndescend(...)\n", expected, "descend(...)\n",
                                      "test_elided(...)\n", NULL});
        else
            CHECK(!strstr(text, "frames elided"));
    }
}

/* GR-08, TB-13: as many headers as goroutines, those that have not begun too. */
TEST(as_many_as_there_are)
{
    gate = tuza_chan_make(0, 0);
    for (int n = 1; n <= 200; n++) {
        GO(waiter, NULL);
        take(true);
        CHECK_EQ(headers(), tuza_num_goroutine());
        CHECK_EQ(headers(), n + 1);
        if (n % 7 == 0)
            tuza_gosched();
    }
    open_gate();
    take(true);
    CHECK_EQ(headers(), 1);
}

static int started, churned;

static void child(void *arg)
{
    tuza_chan_send(arg, NULL);
}

static void churn(void *arg)
{
    tuza_chan *c = tuza_chan_make(0, 0);
    flag_add(&started, 1);
    while (!flag_get((int *)arg)) {
        GO(child, c);
        CHECK(tuza_chan_recv(c, NULL));
        flag_add(&churned, 1);
    }
    settle(2);
    tuza_chan_unref(c);
}

/* Every id once, in order behind the caller's; and nothing is broken off. */
static void check_headers(void)
{
    unsigned long before = 0;
    int n = 0;
    for (const char *at = text; at; at = strstr(at, "\n\ngoroutine ")) {
        at += n++ ? 2 : 0;
        char *end;
        unsigned long id = strtoul(at + strlen("goroutine "), &end, 10);
        CHECK(n <= 2 || id > before);
        CHECK(strncmp(end, " [", 2) == 0);
        before = n > 1 ? id : 0;
    }
    CHECK_EQ(n, headers());
}

/* TB-13: while others come and go, one moment. */
TEST(in_the_middle_of_things)
{
    int stop = 0;
    GO(churn, &stop);
    EVENTUALLY(flag_get(&started) == 1);
    for (int i = 0; i < 200 / SCALE + 5; i++) {
        take(true);
        check_headers();
        CHECK(headers() >= 2);
        tuza_gosched();
    }
    flag_set(&stop, 1);
    settle(1);
    CHECK(flag_get(&churned) > 0);
}

static void asks(void *arg)
{
    char *mine = malloc(1 << 16);
    for (int i = 0; i < 20; i++) {
        size_t n = tuza_stack(mine, 1 << 16, i % 4 == 0);
        CHECK(n > 0 && strstr(mine, "asks(...)"));
        tuza_gosched();
    }
    free(mine);
    tuza_chan_send(arg, NULL);
}

/* Many at once, some on small stacks. */
TEST(many_ask)
{
    tuza_chan *done = tuza_chan_make(0, 0);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(tuza_go_with(&(tuza_go_options){.stack_size = i % 2 ? 1 : 0}, asks, done), 0);
    for (int i = 0; i < 20; i++)
        CHECK(tuza_chan_recv(done, NULL));
    settle(1);
    tuza_chan_unref(done);
}

static void *plain_thread(void *arg)
{
    (void)arg;
    static char mine[1 << 16];
    tuza_stack(mine, sizeof mine, false);
    CHECK(strncmp(mine, "thread ", 7) == 0);
    CHECK(strstr(mine, " [running]:\nplain_thread(...)\n\t"));
    size_t n = tuza_stack(mine, sizeof mine, true);
    CHECK(n > 0 && strncmp(mine, "thread ", 7) == 0);
    CHECK(strstr(mine, "\n\ngoroutine 1 ["));
    CHECK(tuza_chan_recv(gate, NULL) == false);
    return NULL;
}

static bool thread_waits(void)
{
    take(true);
    const char *at = strstr(text, "\n\nthread ");
    return at && strstr(at, " [chan receive]:\nplain_thread(...)\n");
}

/* A thread that tuza did not make is shown as one, and is no goroutine. */
TEST(plain_threads)
{
    pthread_t t;
    gate = tuza_chan_make(0, 0);
    CHECK_EQ(pthread_create(&t, NULL, plain_thread, NULL), 0);
    EVENTUALLY(thread_waits());
    CHECK_EQ(headers(), tuza_num_goroutine());
    tuza_chan_close(gate);
    pthread_join(t, NULL);
    tuza_chan_unref(gate);
}

/* In the child of a fork, of this thread alone, on a goroutine's stack: names at least. */
TEST(child_of_fork)
{
    if (!HELP_FORKS)
        SKIP("no reports in children");
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        size_t n = tuza_stack(text, sizeof text, false);
        _exit(n > 0 && strstr(text, "test_child_of_fork(...)\n") ? 0 : 1);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

TEST_MAIN_TUZA()
