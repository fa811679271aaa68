/* SPDX-License-Identifier: BSD-3-Clause */
/* tuza/debug.h: what its figures say of goroutines, threads and processors in known states. */
// ctest: plain | env GOMAXPROCS=1 | env GOMAXPROCS=8 | env TUZA_CHAOS=3
#include <string.h>
#include <tuza.h>
#include <unistd.h>

#include "help.h"

enum { SOME = 40 };

static tuza_chan *done; /* the goroutine that runs a test is through */

static void run_body(void *body)
{
    (*(void (**)(void))body)();
    tuza_chan_send(done, NULL);
}

/* The main thread is none of tuza's: what stands before the first goroutine can be looked at. */
static void on_goroutine(void (*body)(void))
{
    done = tuza_chan_make(0, 0);
    CHECK_EQ(tuza_go_copy(run_body, &body, sizeof body), 0);
    CHECK(tuza_chan_recv(done, NULL));
    settle(0);
    tuza_chan_unref(done);
}

static tuza_stats now(void)
{
    tuza_stats s;
    tuza_stats_get(&s);
    return s;
}

static uint64_t waiting_for(const char *reason)
{
    tuza_stats s = now();
    for (int i = 0; i < TUZA_STATS_WAITS && s.waits[i].reason; i++)
        if (strcmp(s.waits[i].reason, reason) == 0)
            return s.waits[i].count;
    return 0;
}

TEST(before_anything)
{
    tuza_stats s = now();
    CHECK(s.time > 0);
    CHECK_EQ(s.running + s.runnable + s.waiting, 0);
    CHECK_EQ(s.threads, 0);
    CHECK_EQ(s.procs, 0);
    CHECK_EQ(tuza_stats_procs(NULL, 0), 0);
}

static tuza_chan *gate;
static bool over;

static void receives(void *arg)
{
    (void)arg;
    tuza_chan_recv(gate, NULL);
}

static void sleeps(void *arg)
{
    (void)arg;
    while (!flag_get(&over))
        tuza_sleep(50 * TUZA_MILLISECOND);
}

static void waiting_body(void)
{
    uint64_t run = now().timers_run;
    gate = tuza_chan_make(0, 0);
    flag_set(&over, false);
    for (int i = 0; i < SOME; i++) {
        GO(receives, NULL);
        GO(sleeps, NULL);
    }
    EVENTUALLY(waiting_for("chan receive") == SOME);
    EVENTUALLY(waiting_for("sleep") >= SOME / 2);
    EVENTUALLY(now().timers >= SOME / 2);
    EVENTUALLY(now().timers_run >= run + 2 * SOME);
    CHECK(now().running >= 1);
    CHECK(now().waiting >= SOME);
    tuza_chan_close(gate);
    flag_set(&over, true);
    settle(1);
    EVENTUALLY(now().waiting == 0);
    CHECK_EQ(now().runnable, 0);
    CHECK_EQ(now().running, 1);
    CHECK_EQ(waiting_for("chan receive"), 0);
    tuza_chan_unref(gate);
}

/* GM-19: by state and by reason; the sums agree where nothing moves. */
TEST(waiting)
{
    on_goroutine(waiting_body);
}

static int ended;

static void ends(void *arg)
{
    (void)arg;
    flag_add(&ended, 1);
}

static uint64_t queued(void)
{
    tuza_stats_proc procs[64];
    size_t n = tuza_stats_procs(procs, 64);
    uint64_t sum = now().queue;
    for (size_t i = 0; i < n && i < 64; i++)
        sum += procs[i].queue;
    return sum;
}

/* Nobody else has a P: until the first call that waits, all of them stay queued. */
static void runnable_body(void)
{
    if (tuza_gomaxprocs(0) != 1 || help_chaos())
        return;
    for (int round = 0;; round++) {
        CHECK(round < 100);
        flag_set(&ended, 0);
        for (int i = 0; i < SOME; i++)
            GO(ends, NULL);
        tuza_stats s = now();
        uint64_t in_queues = queued();
        bool undisturbed = flag_get(&ended) == 0; /* else the P was taken meanwhile: a busy machine */
        EVENTUALLY(flag_get(&ended) == SOME);
        if (!undisturbed)
            continue;
        CHECK_EQ(s.runnable, SOME);
        CHECK_EQ(s.running, 1);
        CHECK_EQ(in_queues, SOME);
        return;
    }
}

TEST(runnable)
{
    on_goroutine(runnable_body);
}

static int ends_of[2];

static void stuck(void *arg)
{
    (void)arg;
    char c;
    CHECK_EQ(read(ends_of[0], &c, 1), 1);
}

/* Each is stuck in a call that nobody announced; whoever needs a processor takes theirs. */
static void stuck_body(void)
{
    tuza_stats before = now();
    CHECK_EQ(pipe(ends_of), 0);
    for (int i = 0; i < 3; i++)
        GO(stuck, NULL);
    uint32_t procs = (uint32_t)tuza_gomaxprocs(0);
    if (procs <= 2) {
        EVENTUALLY(now().threads_stuck >= 3 - procs + 1);
        EVENTUALLY(now().retakes + now().handoffs > before.retakes + before.handoffs);
    }
    EVENTUALLY(now().running == 4);
    CHECK(now().threads >= 4);
    CHECK_EQ(write(ends_of[1], "abc", 3), 3);
    settle(1);
    EVENTUALLY(now().threads_stuck == 0);
    close(ends_of[0]);
    close(ends_of[1]);
}

TEST(stuck_in_calls)
{
    on_goroutine(stuck_body);
}

static void reads(void *arg)
{
    char c;
    CHECK_EQ(tuza_read(*(int *)arg, &c, 1), 1);
}

static void polled_body(void)
{
    uint32_t before = now().polled;
    CHECK_EQ(pipe(ends_of), 0);
    GO(reads, &ends_of[0]);
    EVENTUALLY(waiting_for("IO wait") == 1);
    CHECK_EQ(write(ends_of[1], "a", 1), 1);
    settle(1);
    CHECK_EQ(now().polled - before, 1);
    CHECK_EQ(waiting_for("IO wait"), 0);
    close(ends_of[0]);
    close(ends_of[1]);
}

TEST(descriptors)
{
    on_goroutine(polled_body);
}

static void steals_body(void)
{
    if (tuza_gomaxprocs(0) < 2)
        return;
    tuza_stats before = now();
    double end = tz_test_seconds() + BOUND_S;
    while (now().steals == before.steals || now().wakes == before.wakes) {
        CHECK(tz_test_seconds() < end);
        tuza_sleep(TUZA_MILLISECOND); /* the others rest by then, and must be woken */
        flag_set(&ended, 0);
        for (int i = 0; i < SOME; i++)
            GO(ends, NULL);
        SPIN_UNTIL(flag_get(&ended) == SOME); /* so another processor runs them */
    }
    tuza_stats s = now();
    CHECK(s.stolen - before.stolen >= s.steals - before.steals);
}

TEST(steals)
{
    on_goroutine(steals_body);
}

static void procs_body(void)
{
    int old = tuza_gomaxprocs(3);
    tuza_stats_proc procs[4];
    memset(procs, 0x55, sizeof procs);
    CHECK_EQ(now().procs, 3);
    CHECK_EQ(tuza_stats_procs(procs, 4), 3);
    CHECK_EQ(procs[3].switches, 0x55555555u);
    int running = 0;
    for (int i = 0; i < 3; i++)
        running += procs[i].state == TUZA_PROC_RUNNING && procs[i].thread >= 0;
    CHECK(running >= 1 || help_chaos());
    memset(procs, 0x55, sizeof procs);
    CHECK_EQ(tuza_stats_procs(procs, 1), 3);
    CHECK_EQ(procs[1].switches, 0x55555555u);
    uint32_t switches = now().switches;
    tuza_gomaxprocs(1);
    CHECK_EQ(now().procs, 1);
    CHECK(now().switches - switches < 1u << 31); /* what the other two did is not forgotten */
    tuza_gomaxprocs(old);
}

TEST(processors)
{
    on_goroutine(procs_body);
}

TEST_MAIN()
