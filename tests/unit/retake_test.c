/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The retake protocol with an M made by hand: its thread enters and leaves
 * the runtime as fast as it can, two retakers try to take its P. Each has the
 * P by the books of a holder word: a second holder is a failure. In both
 * variants, membarrier and full fences.
 */
// ctest: plain | env TUZA_TEST_NO_MEMBARRIER=1
#include <pthread.h>
#include <sched.h>

#include "sched/gmp.h"
#include "sched/retake.h"
#include "tz_test.h"

static tz_m m;
static tz_p p;
static uint32_t holder; /* who works with p: 0 nobody */
static tz_p *returned;  /* a P on its way back to the M */
static uint32_t over;
static long robbed, yields, entries;

/* What tz_enter does. */
static uint32_t enter(void)
{
    tz_store_relaxed(&m.seq, m.seq + 1);
    tz_compiler_barrier();
    if (tz_load_acquire(&m.retake) & (TZ_RETAKE_STATE | TZ_RETAKE_SLOW))
        return tz_retake_answer(&m);
    return TZ_RETAKE_NONE;
}

static void leave(void)
{
    tz_store_release(&m.seq, m.seq + 1);
}

static void hold(uint32_t who)
{
    CHECK_EQ(tz_xchg_relaxed(&holder, who), 0);
    CHECK_EQ(tz_xchg_relaxed(&holder, 0), who);
}

static void *run_m(void *arg)
{
    while (!tz_load_relaxed(&over)) {
        uint32_t s = enter();
        entries++;
        if (s == TZ_RETAKE_STOLEN) {
            robbed++;
            tz_sub_relaxed(&tz_sched.npless, 1);
            tz_store_relaxed(&m.p, NULL);
            tz_p *back;
            while ((back = tz_xchg_acquire(&returned, NULL)) == NULL)
                sched_yield();
            tz_store_relaxed(&m.p, back);
            tz_retake_clear(&m);
        } else if (s == TZ_RETAKE_YIELD) {
            yields++;
            tz_retake_clear(&m);
        }
        CHECK(m.p == &p);
        hold(1);
        leave();
        if (entries % 64 == 0)
            sched_yield();
    }
    return arg;
}

static void *run_retaker(void *arg)
{
    uint32_t who = (uint32_t)(uintptr_t)arg;
    for (long i = 0; !tz_load_relaxed(&over); i++) {
        uint64_t seq = i % 3 ? 0 : tz_load_acquire(&m.seq);
        tz_p *got = tz_retake(&m, seq);
        if (got) {
            CHECK(got == &p);
            hold(who);
            tz_store_release(&returned, got);
        } else if (i % 5 == 0) {
            tz_retake_yield(&m);
        }
        if (i % 16 == 0)
            sched_yield();
    }
    return NULL;
}

/* PR-08, PR-10: of an entering M and two retakers exactly one has the P, however they meet. */
TEST(one_holder)
{
    tz_retake_init();
    m.retake = tz_sched.retake_base;
    m.p = &p;
    pthread_t t[3];
    CHECK_EQ(pthread_create(&t[0], NULL, run_m, NULL), 0);
    CHECK_EQ(pthread_create(&t[1], NULL, run_retaker, (void *)2), 0);
    CHECK_EQ(pthread_create(&t[2], NULL, run_retaker, (void *)3), 0);
    double start = tz_test_seconds();
    while (tz_test_seconds() < start + 2)
        usleep(10000);
    tz_store_relaxed(&over, 1);
    for (int i = 1; i < 3; i++)
        pthread_join(t[i], NULL);
    /* A retaker's last catch is still on its way: the M takes it, or ends. */
    pthread_join(t[0], NULL);
    printf("(%ld entries, %ld robbed, %ld yields) ", entries, robbed, yields);
    CHECK(entries > 0);
    CHECK(robbed > 0);
}

/* PR-09: an M inside the runtime is not robbed; it is asked to yield. */
TEST(inside_is_safe)
{
    memset(&m, 0, sizeof m);
    tz_retake_init();
    m.retake = tz_sched.retake_base;
    m.p = &p;
    m.seq = 7;
    CHECK(tz_retake(&m, 0) == NULL);
    CHECK_EQ(m.retake & TZ_RETAKE_STATE, TZ_RETAKE_YIELD);
    CHECK_EQ(m.retake & TZ_RETAKE_SLOW, tz_sched.retake_base);
    CHECK(m.p == &p);
    tz_retake_clear(&m);
    CHECK_EQ(m.retake & TZ_RETAKE_STATE, TZ_RETAKE_NONE);
}

/* PR-08: the stretch of user code that was looked at must still be the same one. */
TEST(only_the_stretch_seen)
{
    memset(&m, 0, sizeof m);
    m.retake = tz_sched.retake_base;
    m.p = &p;
    m.seq = 8;
    CHECK(tz_retake(&m, 6) == NULL);
    CHECK_EQ(m.retake & TZ_RETAKE_STATE, TZ_RETAKE_YIELD);
    CHECK(tz_retake(&m, 8) == &p);
    CHECK_EQ(m.retake & TZ_RETAKE_STATE, TZ_RETAKE_STOLEN);
    CHECK(tz_retake(&m, 8) == NULL); /* once */
    CHECK_EQ(enter(), TZ_RETAKE_STOLEN);
    CHECK_EQ(m.retake & TZ_RETAKE_STATE, TZ_RETAKE_STOLEN); /* the M's own until it has a P again */
    tz_retake_yield(&m);
    CHECK_EQ(m.retake & TZ_RETAKE_STATE, TZ_RETAKE_STOLEN);
    tz_retake_clear(&m);
    CHECK_EQ(m.retake & TZ_RETAKE_STATE, TZ_RETAKE_NONE);
}

/* PR-08: tickets: each request is another word, so an old one can't be answered by mistake;
 * also where they wrap. */
TEST(tickets)
{
    memset(&m, 0, sizeof m);
    m.p = &p;
    m.retake = (UINT32_MAX & ~(uint32_t)(TZ_RETAKE_STATE | TZ_RETAKE_SLOW)) | tz_sched.retake_base;
    for (int i = 0; i < 3; i++) {
        uint32_t was = m.retake;
        CHECK(tz_retake(&m, 0) == &p);
        CHECK((was ^ m.retake) & ~(uint32_t)(TZ_RETAKE_STATE | TZ_RETAKE_SLOW));
        CHECK_EQ(m.retake & TZ_RETAKE_SLOW, tz_sched.retake_base);
        tz_retake_clear(&m);
    }
}

TEST_MAIN()
