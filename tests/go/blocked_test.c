/* SPDX-License-Identifier: BSD-3-Clause */
/* The report of goroutines that have been blocked for long: standard error is a pipe here. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 TUZA_CHAOS=9
#include <fcntl.h>

#define BOUND_S 60
#include "help.h"

#define MS TUZA_MILLISECOND

static int from, terminal;
static char seen[1 << 20];
static size_t length;

static void read_more(void)
{
    ssize_t n = read(from, seen + length, sizeof seen - 1 - length);
    if (n > 0)
        length += (size_t)n;
    seen[length] = 0;
}

static int count(const char *text)
{
    int n = 0;
    read_more();
    for (const char *at = seen; (at = strstr(at, text)) != NULL; at++)
        n++;
    return n;
}

/* What is printed from here on is read by the test, until restore. */
static void capture(void)
{
    int p[2];
    CHECK_EQ(pipe(p), 0);
    from = p[0];
    fcntl(from, F_SETFL, O_NONBLOCK);
    terminal = dup(2);
    CHECK(terminal >= 0 && dup2(p[1], 2) == 2);
    close(p[1]);
    length = 0;
    seen[0] = 0;
}

static void restore(void)
{
    CHECK_EQ(dup2(terminal, 2), 2);
    close(terminal);
    close(from);
}

/* A check's text must come to the terminal. */
#define SEEN(text, n)                                                                                    \
    do {                                                                                                 \
        double end_ = tz_test_seconds() + BOUND_S;                                                       \
        while (count(text) < (n) && tz_test_seconds() < end_)                                            \
            tuza_sleep(MS);                                                                              \
        if (count(text) != (n)) {                                                                        \
            restore();                                                                                   \
            tz_test_fail(__FILE__, __LINE__, "\"%s\", %d times, not %d, in\n%s\n", text, count(text), n, \
                         seen);                                                                          \
        }                                                                                                \
    } while (0)

static void receiver(void *c)
{
    int64_t v;
    while (tuza_chan_recv(c, &v))
        ;
}

static void sleeper(void *arg)
{
    (void)arg;
    tuza_sleep(500 * MS);
}

static int through;

static void later(void *c)
{
    int64_t v;
    tuza_chan_recv(c, &v);
    flag_add(&through, 1);
}

/* TB-01 is the form. Each once for a wait, and again for the next wait; sleeps are not reported. */
TEST(once_for_each_wait)
{
    tuza_chan *a = tuza_chan_make(8, 0), *b = tuza_chan_make(8, 0);
    capture();
    CHECK_EQ(tuza_report_blocked(40 * MS), 0);
    CHECK_EQ(tuza_go_with(&(tuza_go_options){.name = "first"}, receiver, a), 0);
    CHECK_EQ(tuza_go_with(&(tuza_go_options){.name = "asleep"}, sleeper, NULL), 0);
    SEEN("[chan receive] {name: first}:\nreceiver(...)\n", 1);
    SEEN("tuza: blocked for more than 40 ms:\n", 1);
    CHECK_EQ(tuza_go_with(&(tuza_go_options){.name = "second"}, later, b), 0);
    SEEN("[chan receive] {name: second}:\nlater(...)\n", 1);
    SEEN("{name: first}", 1); /* not with the other once more */
    SEEN("created by test_once_for_each_wait in goroutine 1\n", 2);
    tuza_chan_send(a, &(int64_t){1});
    SEEN("{name: first}", 2);
    SEEN("{name: second}", 1);
    EVENTUALLY(tuza_num_goroutine() == 3);
    SEEN("{name: asleep}", 0);
    CHECK_EQ(tuza_report_blocked(0), 0);
    CHECK_EQ(tuza_report_blocked(-1), 0);
    int reports = count("tuza: blocked");
    CHECK_EQ(tuza_go_with(&(tuza_go_options){.name = "third"}, later, b), 0);
    tuza_sleep(200 * MS);
    SEEN("{name: third}", 0);
    restore();
    CHECK(reports >= 3);
    tuza_chan_close(a);
    tuza_chan_close(b);
    settle(1);
    tuza_chan_unref(a);
    tuza_chan_unref(b);
}

static void on_and_off(void *arg)
{
    for (int i = 0; i < 100; i++) {
        tuza_report_blocked(i % 3 ? 4 * MS : 0);
        tuza_sleep(100 * TUZA_MICROSECOND);
    }
    flag_add((int *)arg, 1);
}

static void come_and_go(void *arg)
{
    tuza_chan *c = tuza_chan_make(8, 0);
    for (int i = 0; i < 30; i++) {
        GO(later, c);
        tuza_sleep(i % 10 * MS);
        tuza_chan_send(c, &(int64_t){1});
    }
    flag_add((int *)arg, 1);
    tuza_chan_unref(c);
}

/* While goroutines come and go, by several at once. */
TEST(under_way)
{
    int over = 0;
    capture();
    for (int i = 0; i < 4; i++) {
        GO(on_and_off, &over);
        GO(come_and_go, &over);
    }
    while (flag_get(&over) < 8) {
        count("x"); /* drains the pipe */
        if (length > sizeof seen / 2)
            length = 0;
        tuza_sleep(MS);
    }
    CHECK_EQ(tuza_report_blocked(0), 0);
    settle(1);
    tuza_sleep(20 * MS); /* a report that is being written has a reader */
    count("x");
    restore();
}

TEST_MAIN_TUZA()
