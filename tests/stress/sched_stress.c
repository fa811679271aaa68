/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scheduler under a mix of everything: trees of goroutines on stacks of
 * many sizes that yield, sleep, call Goexit, block in the kernel, burn CPU,
 * and change GOMAXPROCS, all at once.
 *
 * Each goroutine passes a token up to its parent's channel; the tokens must
 * add up. A hang is a lost goroutine, and so is a wrong sum.
 */
// ctest: timeout 900 | env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=1 TUZA_CHAOS=1 | env GOMAXPROCS=2 TUZA_CHAOS=2 | env GOMAXPROCS=8 TUZA_CHAOS=3
// ctest: env GOMAXPROCS=1 TUZA_TEST_NO_MEMBARRIER=1 | env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1
// ctest: env GOMAXPROCS=8 TUZA_TEST_NO_MEMBARRIER=1 | env GOMAXPROCS=4 TUZA_CHAOS=4 TUZA_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "stress/stress.h"

static long live, ended, changes;

typedef struct node {
    tuza_chan
        *up; /* where to report how many there were below, itself included; has a reference for the node */
    uint64_t id; /* stream of random numbers */
    int depth;
} node;

static void act(stress_random *r)
{
    uint64_t id = tuza_goid();
    switch (stress_next(r, 40)) {
    case 0:
        usleep(stress_next(r, 300)); /* unannounced */
        break;
    case 1:
    case 2:
        for (volatile uint32_t i = 0, n = stress_next(r, 30000); i < n; i++)
            ;
        break;
    case 3:
        tuza_sleep(stress_next(r, 200) * TUZA_MICROSECOND);
        break;
    case 4:
        if (stress_next(r, 10) == 0) {
            tuza_gomaxprocs(1 + (int)stress_next(r, 9));
            flag_add(&changes, 1);
        }
        break;
    default:
        tuza_gosched();
        break;
    }
    CHECK_EQ(tuza_goid(), id);
}

static void touch_stack(uint32_t bytes)
{
    volatile char *p = __builtin_alloca(bytes);
    for (uint32_t i = 0; i < bytes; i += 1024)
        p[bytes - 1 - i] = (char)i;
}

static void grow(void *arg);

static void start_child(const node *n, stress_random *r)
{
    node child = {tuza_chan_ref(n->up), n->id, n->depth};
    static const size_t stack_sizes[] = {0, 1, 20000, 65536, 1 << 20, 5000000};
    if (stress_next(r, 3)) {
        CHECK_EQ(tuza_go_copy(grow, &child, sizeof child), 0);
    } else {
        node *copy = malloc(sizeof *copy);
        *copy = child;
        copy->depth |= 1 << 16; /* freed by the child */
        tuza_go_options o = {.stack_size = stack_sizes[stress_next(r, 6)], .name = "child"};
        CHECK_EQ(tuza_go_with(&o, grow, copy), 0);
    }
}

static void grow(void *arg)
{
    node n = *(node *)arg;
    if (n.depth & 1 << 16) {
        n.depth &= ~(1 << 16);
        free(arg);
    }
    stress_random r = stress_start(n.id);
    flag_add(&live, 1);
    act(&r);
    touch_stack(1024 + stress_next(&r, 2048));
    long total = 1;
    int children = n.depth > 0 ? 1 + (int)stress_next(&r, 4) : 0;
    tuza_chan *below = tuza_chan_make(sizeof(long), stress_next(&r, 3));
    for (int i = 0; i < children; i++) {
        node child = {below, n.id * 5 + (uint64_t)i + 1, n.depth - 1};
        start_child(&child, &r);
        if (stress_next(&r, 2))
            act(&r);
    }
    for (int i = 0; i < children; i++) {
        long sub;
        CHECK(tuza_chan_recv(below, &sub));
        total += sub;
    }
    tuza_chan_unref(below);
    act(&r);
    flag_add(&ended, 1);
    flag_add(&live, -1);
    tuza_chan_send(n.up, &total);
    tuza_chan_unref(n.up);
    if (stress_next(&r, 2))
        tuza_goexit();
}

/* GR-10, GR-18, SC-02, SC-07, GM-10, GM-12, PR-08: trees of goroutines: every one runs and reports. */
TEST(trees)
{
    int was = tuza_gomaxprocs(0);
    long wanted = stress_amount(400000);
    long reported = 0;
    uint64_t tree = 1;
    flag_set(&ended, 0);
    flag_set(&live, 0);
    tuza_chan *up = tuza_chan_make(sizeof(long), 0);
    while (reported < wanted) {
        enum { AT_ONCE = 8 };
        for (int i = 0; i < AT_ONCE; i++) {
            node n = {tuza_chan_ref(up), tree++ * 1000003, 5};
            CHECK_EQ(tuza_go_copy(grow, &n, sizeof n), 0);
        }
        for (int i = 0; i < AT_ONCE; i++) {
            long total;
            CHECK(tuza_chan_recv(up, &total));
            reported += total;
        }
    }
    settle(1);
    CHECK_EQ(flag_get(&ended), reported);
    CHECK_EQ(flag_get(&live), 0);
    tuza_gomaxprocs(was);
    tuza_chan_unref(up);
}

static void flip(void *arg)
{
    stress_random r = stress_start((uint64_t)(uintptr_t)arg);
    for (long i = 0, n = stress_amount(1000); i < n; i++) {
        int procs = 1 + (int)stress_next(&r, 16);
        int was = tuza_gomaxprocs(procs);
        CHECK(was >= 1 && was <= 16);
        if (stress_next(&r, 4) == 0)
            tuza_gosched();
    }
}

static void churn_end(void *arg)
{
    flag_add((long *)arg, 1);
}

static void churn(void *arg)
{
    for (long i = 0, n = stress_amount(100000); i < n; i++) {
        GO(churn_end, arg);
        if (i % 16 == 0)
            tuza_gosched();
    }
}

/* GM-11, GM-12: GOMAXPROCS changed from several goroutines at once, while others start, end and yield. */
TEST(gomaxprocs_from_all_sides)
{
    int was = tuza_gomaxprocs(0);
    long done = 0;
    tuza_gomaxprocs(4);
    for (uintptr_t i = 0; i < 4; i++)
        GO(flip, (void *)i);
    GO(churn, &done);
    GO(churn, &done);
    settle_slowly();
    CHECK_EQ(flag_get(&done), 2 * stress_amount(100000));
    tuza_gomaxprocs(was);
}

enum { CHAINS = 8 };
static int stopped;

/* Always one of a chain is there: each starts the next before it ends. */
static void link_of_chain(void *arg)
{
    tuza_gosched();
    if (!flag_get(&stopped))
        GO(link_of_chain, arg);
    tuza_gosched();
}

static void *count_them(void *arg)
{
    for (long i = 0, n = stress_amount(3000000); i < n; i++)
        CHECK(tuza_num_goroutine() >= CHAINS + 1);
    flag_set((int *)arg, 1);
    return NULL;
}

/* GR-07: goroutines that begin here and end there while they are counted take no other off the number. */
TEST(never_too_few)
{
    int was = tuza_gomaxprocs(0), counted = 0;
    tuza_gomaxprocs(4);
    stopped = 0;
    for (int i = 0; i < CHAINS; i++)
        GO(link_of_chain, NULL);
    pthread_t counter;
    CHECK_EQ(pthread_create(&counter, NULL, count_them, &counted), 0);
    EVENTUALLY(flag_get(&counted));
    CHECK_EQ(pthread_join(counter, NULL), 0);
    flag_set(&stopped, 1);
    settle(1);
    tuza_gomaxprocs(was);
}

TEST_MAIN_TUZA()
