/* SPDX-License-Identifier: BSD-3-Clause */
/* The run queues, with Ps and Gs made by hand: no runtime runs. */
#include <pthread.h>
#include <sched.h>

#include "sched/gmp.h"
#include "sched/runq.h"
#include "tz_test.h"

enum { GS = 1024 };
static tz_g *gs; /* GS of them; goid is the index */
#define W(i) tz_work_of_g(&gs[i])
static tz_p pa, pb;

static void clear_p(tz_p *p)
{
    memset(p, 0, sizeof *p);
}

static void setup(void)
{
    if (!gs)
        gs = calloc(GS, sizeof *gs);
    for (int i = 0; i < GS; i++) {
        gs[i].schedlink = NULL;
        gs[i].goid = (uint64_t)i;
    }
    clear_p(&pa);
    clear_p(&pb);
    memset(&tz_sched, 0, sizeof tz_sched);
    tz_sched.nprocs = 2;
}

/* SC-01: the ring holds 256, first in, first out, wherever its counters are, also where they wrap. */
TEST(ring_is_fifo)
{
    setup();
    static const uint32_t starts[] = {0, 1, 255, 256, 1000, UINT32_MAX - 100, UINT32_MAX};
    for (int alone = 0; alone < 2; alone++) {
        pa.alone = alone;
        for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
            for (uint32_t n = 0; n <= TZ_RUNQ_SIZE; n++) {
                pa.runq_head = pa.runq_tail = starts[s];
                CHECK(tz_runq_empty(&pa));
                for (uint32_t i = 0; i < n; i++) {
                    tz_runq_put(&pa, W(i));
                    CHECK(!tz_runq_empty(&pa));
                }
                for (uint32_t i = 0; i < n; i++)
                    CHECK(tz_runq_get(&pa) == W(i));
                CHECK(tz_runq_get(&pa) == NULL);
                CHECK(tz_runq_empty(&pa));
            }
        }
    }
    CHECK_EQ(tz_sched.runq_size, 0);
}

/* SC-01: the 257th put moves the older half and the new one, 129 in their order, to the global queue. */
TEST(ring_overflow)
{
    setup();
    for (int i = 0; i < 257; i++)
        tz_runq_put(&pa, W(i));
    CHECK_EQ(tz_sched.runq_size, 129);
    for (int i = 128; i < 256; i++)
        CHECK(tz_runq_get(&pa) == W(i));
    CHECK(tz_runq_get(&pa) == NULL);
    for (int i = 0; i < 128; i++)
        CHECK(tz_globq_get_fair() == W(i));
    CHECK(tz_globq_get_fair() == W(256));
    CHECK(tz_globq_get_fair() == NULL);
}

/* SC-01: of what overflowed the last batch is served first, ahead of what waits in turn; fair looks take the
 * one and the other, so neither starves. */
TEST(overflow_is_served_newest_first)
{
    setup();
    tz_sched.nprocs = 1024;
    tz_globq_put(W(900));
    tz_globq_put(W(901));
    for (int i = 0; i < 257 + 129; i++)
        tz_runq_put(&pa, W(i));
    CHECK_EQ(tz_sched.runq_size, 2 + 129 + 129);
    CHECK(tz_globq_get(&pb) == W(128));
    CHECK(tz_globq_get_fair() == W(900));
    CHECK(tz_globq_get(&pb) == W(129));
    CHECK(tz_globq_get_fair() == W(130));
    CHECK(tz_globq_get_fair() == W(901));
    for (int i = 131; i < 256; i++)
        CHECK(tz_globq_get_fair() == W(i));
    CHECK(tz_globq_get_fair() == W(385));
    for (int i = 0; i < 128; i++)
        CHECK(tz_globq_get_fair() == W(i));
    CHECK(tz_globq_get_fair() == W(256));
    CHECK_EQ(tz_sched.runq_size, 0);
    CHECK(tz_globq_get(&pb) == NULL);
}

/* SC-01, GR-03: a runnext displaces the one before it to the ring's tail. */
TEST(runnext_displaces)
{
    for (int alone = 0; alone < 2; alone++) {
        setup();
        pa.alone = alone;
        CHECK(tz_runnext_get(&pa) == NULL);
        for (int i = 0; i < 5; i++)
            tz_runnext_put(&pa, W(i));
        CHECK(!tz_runq_empty(&pa));
        CHECK(tz_runnext_get(&pa) == W(4));
        CHECK(tz_runnext_get(&pa) == NULL);
        CHECK(!tz_runq_empty(&pa));
        for (int i = 0; i < 4; i++)
            CHECK(tz_runq_get(&pa) == W(i));
        CHECK(tz_runq_empty(&pa));
    }
}

/* SC-02: a thief takes half, rounded up; both sides together have each G exactly once, in order. */
TEST(steal_half)
{
    for (uint32_t n = 0; n <= TZ_RUNQ_SIZE; n++) {
        setup();
        pa.runq_head = pa.runq_tail = UINT32_MAX - 50;
        pb.runq_head = pb.runq_tail = 7 * n;
        for (uint32_t i = 0; i < n; i++)
            tz_runq_put(&pa, W(i));
        uint32_t want = n - n / 2;
        tz_work *g = tz_runq_steal(&pb, &pa, false);
        if (n == 0) {
            CHECK(g == NULL);
            continue;
        }
        CHECK(g == W(want - 1));
        for (uint32_t i = 0; i < want - 1; i++)
            CHECK(tz_runq_get(&pb) == W(i));
        CHECK(tz_runq_get(&pb) == NULL);
        for (uint32_t i = want; i < n; i++)
            CHECK(tz_runq_get(&pa) == W(i));
        CHECK(tz_runq_get(&pa) == NULL);
    }
}

/* SC-09: a runnext is stolen only where asked for, and only with nothing on the ring. */
TEST(steal_runnext_last)
{
    setup();
    tz_runnext_put(&pa, W(0));
    CHECK(tz_runq_steal(&pb, &pa, false) == NULL);
    tz_runq_put(&pa, W(1));
    CHECK(tz_runq_steal(&pb, &pa, true) == W(1));
    CHECK(tz_runq_steal(&pb, &pa, true) == W(0));
    CHECK(tz_runq_steal(&pb, &pa, true) == NULL);
    CHECK(tz_runq_empty(&pa));
    CHECK(tz_runq_empty(&pb));
}

/* SC-06: a batch from the global queue is min(128, size, size / nP + 1). */
TEST(global_batch)
{
    for (uint32_t size = 1; size <= 1000; size += size < 20 ? 1 : 61) {
        for (uint32_t nprocs = 1; nprocs <= 1024; nprocs *= 2) {
            uint32_t want = size / nprocs + 1;
            want = want < size ? want : size;
            want = want < 128 ? want : 128;
            setup();
            tz_sched.nprocs = nprocs;
            CHECK(tz_globq_get(&pa) == NULL);
            for (uint32_t i = 0; i < size; i++)
                tz_globq_put(W(i));
            CHECK(tz_globq_get(&pa) == W(0));
            for (uint32_t i = 1; i < want; i++)
                CHECK(tz_runq_get(&pa) == W(i));
            CHECK(tz_runq_get(&pa) == NULL);
            CHECK_EQ(tz_sched.runq_size, size - want);
            for (uint32_t i = want; i < size; i++)
                CHECK(tz_globq_get_fair() == W(i));
            CHECK(tz_globq_get_fair() == NULL);
            CHECK_EQ(tz_sched.runq_size, 0);
        }
    }
}

/* SC-06: what does not fit into the ring stays on the global queue, none is lost. */
TEST(global_batch_into_full_ring)
{
    for (uint32_t used = 0; used <= TZ_RUNQ_SIZE; used += 32) {
        setup();
        tz_sched.nprocs = 1;
        for (uint32_t i = 0; i < used; i++)
            tz_runq_put(&pa, W(500 + i));
        for (uint32_t i = 0; i < 300; i++)
            tz_globq_put(W(i));
        CHECK(tz_globq_get(&pa) == W(0));
        uint32_t moved = pa.runq_tail - pa.runq_head - used;
        CHECK(moved <= TZ_RUNQ_SIZE - used);
        CHECK_EQ(tz_sched.runq_size + moved + 1, 300);
        for (uint32_t i = 0; i < used; i++)
            CHECK(tz_runq_get(&pa) == W(500 + i));
        for (uint32_t i = 0; i < moved; i++)
            CHECK(tz_runq_get(&pa) == W(1 + i));
        CHECK(tz_globq_get_fair() == W(1 + moved));
    }
}

/* GM-10: a list put at the global queue's head keeps its order and goes before what is there. */
TEST(global_head)
{
    setup();
    tz_globq_put(W(3));
    for (int i = 0; i < 3; i++)
        *tz_work_link(W(i)) = W(i + 1);
    tz_globq_put_head(W(0), W(2), 3);
    CHECK_EQ(tz_sched.runq_size, 4);
    for (int i = 0; i < 4; i++)
        CHECK(tz_globq_get_fair() == W(i));
    CHECK(tz_globq_get_fair() == NULL);
    tz_globq_put_head(W(0), W(0), 1);
    tz_globq_put(W(1));
    CHECK(tz_globq_get_fair() == W(0));
    CHECK(tz_globq_get_fair() == W(1));
}

/* SC-01: goroutines not begun yet (tz_start) and begun ones share the queues. */
TEST(starts_and_gs_mix)
{
    setup();
    static tz_start starts[300];
    tz_sched.nprocs = 1;
    for (int i = 0; i < 300; i++) {
        tz_work *w = i % 2 ? tz_work_of_start(&starts[i]) : W(i);
        CHECK_EQ(tz_work_is_start(w), i % 2);
        tz_runq_put(&pa, w);
    }
    int had_starts = 0, had_gs = 0;
    for (;;) {
        tz_work *w = tz_runq_get(&pa);
        if (!w)
            w = tz_globq_get(&pa);
        if (!w)
            break;
        if (tz_work_is_start(w)) {
            CHECK(tz_work_start(w) >= starts && tz_work_start(w) < starts + 300);
            had_starts++;
        } else {
            CHECK(tz_work_g(w) >= gs && tz_work_g(w) < gs + 300);
            had_gs++;
        }
    }
    CHECK_EQ(had_starts, 150);
    CHECK_EQ(had_gs, 150);
}

/* Two threads meet; the yield is for machines with one processor. */
static uint32_t met;
static void meet(uint32_t round)
{
    __atomic_add_fetch(&met, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&met, __ATOMIC_ACQUIRE) < 2 * round)
        sched_yield();
}

enum { EMPTY_ROUNDS = 20000 };
static void *look_empty(void *arg)
{
    for (uint32_t i = 1; i <= EMPTY_ROUNDS; i++) {
        meet(3 * i - 2);
        meet(3 * i - 1);
        for (int k = 0; k < 3; k++)
            CHECK(!tz_runq_empty(&pa));
        meet(3 * i);
    }
    return arg;
}

/* SC-03: a queue does not look empty while a G moves between runnext and the ring. */
TEST(never_falsely_empty)
{
    setup();
    met = 0;
    pthread_t t;
    CHECK_EQ(pthread_create(&t, NULL, look_empty, NULL), 0);
    for (uint32_t i = 1; i <= EMPTY_ROUNDS; i++) {
        meet(3 * i - 2);
        tz_runnext_put(&pa, W(0));
        meet(3 * i - 1);
        tz_runnext_put(&pa, W(1));
        meet(3 * i);
        CHECK(tz_runnext_get(&pa) == W(1));
        CHECK(tz_runq_get(&pa) == W(0));
    }
    pthread_join(t, NULL);
}

enum { THIEVES = 2, ROUNDS = 3000, BURST = 100 };
static uint32_t owners_done;
static uint32_t stolen[THIEVES];
static uint32_t had[GS]; /* how often each G was had by somebody in this round trip */
static tz_p thief_p[THIEVES];

static void have(tz_work *w)
{
    CHECK_EQ(__atomic_exchange_n(&had[tz_work_g(w)->goid], 1, __ATOMIC_RELAXED), 0);
}

static void *thief(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg;
    tz_p *p = &thief_p[me];
    while (!__atomic_load_n(&owners_done, __ATOMIC_ACQUIRE)) {
        tz_work *g = tz_runq_steal(p, &pa, me == 0);
        while (g) {
            have(g);
            stolen[me]++;
            g = tz_runq_get(p);
        }
        if (stolen[me] % 7 == 0)
            sched_yield();
    }
    return NULL;
}

/* SC-02: an owner that puts and gets, by the ring and by runnext, and two thieves:
 * each G is had exactly once. */
TEST(steal_race)
{
    setup();
    pthread_t t[THIEVES];
    memset(thief_p, 0, sizeof thief_p);
    owners_done = 0;
    for (uintptr_t i = 0; i < THIEVES; i++)
        CHECK_EQ(pthread_create(&t[i], NULL, thief, (void *)i), 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BURST; i++)
            __atomic_store_n(&had[i], 0, __ATOMIC_RELAXED);
        for (int i = 0; i < BURST; i++) {
            if (i % 3 == 0)
                tz_runnext_put(&pa, W(i));
            else
                tz_runq_put(&pa, W(i));
            tz_work *g = i % 5 == 0 ? tz_runnext_get(&pa) : i % 7 == 0 ? tz_runq_get(&pa) : NULL;
            if (g)
                have(g);
        }
        if (round % 8 == 0)
            sched_yield();
        tz_work *g;
        while ((g = tz_runnext_get(&pa)) != NULL || (g = tz_runq_get(&pa)) != NULL)
            have(g);
        /* What a thief has taken but not yet counted it will have soon. */
        for (int i = 0; i < BURST; i++)
            while (!__atomic_load_n(&had[i], __ATOMIC_RELAXED))
                sched_yield();
    }
    __atomic_store_n(&owners_done, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < THIEVES; i++)
        pthread_join(t[i], NULL);
    CHECK(stolen[0] + stolen[1] > 0);
    CHECK_EQ(tz_sched.runq_size, 0);
}

TEST_MAIN()
