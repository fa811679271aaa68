/* SPDX-License-Identifier: BSD-3-Clause */
/* The sleep that a context ends. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4 | env GOMAXPROCS=1 TUZA_CHAOS=5 | env GOMAXPROCS=4 TUZA_CHAOS=6
#include <errno.h>

#include "help.h"

#define MS   TUZA_MILLISECOND
#define HOUR (3600 * TUZA_SECOND)

typedef struct sleeper {
    tuza_context *ctx;
    int64_t ns;
    int result, over;
} sleeper;
static void do_sleep(void *arg)
{
    sleeper *s = arg;
    s->result = tuza_context_sleep(s->ctx, s->ns);
    flag_add(&s->over, 1);
}

/* The sleep that a context ends; TM-01, TM-02 hold for it. */
TEST(sleep)
{
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    CHECK_EQ(tuza_context_sleep(ctx, 0), 0);
    CHECK_EQ(tuza_context_sleep(ctx, INT64_MIN), 0);
    int64_t before = tuza_now();
    CHECK_EQ(tuza_context_sleep(ctx, 2 * MS), 0);
    CHECK(tuza_now() >= before + 2 * MS);
    before = tuza_now();
    CHECK_EQ(tuza_context_sleep(NULL, MS), 0);
    CHECK_EQ(tuza_context_sleep(tuza_context_background(), MS), 0);
    CHECK(tuza_now() >= before + 2 * MS);
    sleeper s[3] = {{.ctx = ctx, .ns = HOUR}, {.ctx = ctx, .ns = INT64_MAX}, {.ctx = ctx, .ns = MS}};
    for (int i = 0; i < 3; i++)
        GO(do_sleep, &s[i]);
    EVENTUALLY(flag_get(&s[2].over));
    CHECK_EQ(s[2].result, 0);
    CHECK_EQ(flag_get(&s[0].over) + flag_get(&s[1].over), 0);
    tuza_context_cancel(ctx);
    for (int i = 0; i < 2; i++) {
        EVENTUALLY(flag_get(&s[i].over));
        CHECK_EQ(s[i].result, -ECANCELED);
    }
    CHECK_EQ(tuza_context_sleep(ctx, HOUR), -ECANCELED);
    CHECK_EQ(tuza_context_sleep(ctx, 0), -ECANCELED);
    tuza_context_unref(ctx);
    ctx = tuza_context_with_timeout(tuza_context_background(), MS);
    CHECK_EQ(tuza_context_sleep(ctx, HOUR), -ETIMEDOUT);
    tuza_context_unref(ctx);
    settle(1);
}

/* Cancelled, or timed out, just when the time of the sleep is over. */
TEST(sleep_races)
{
    for (int i = 0; i < 1000 / SCALE + 1; i++) {
        int64_t ns = i % 60 * TUZA_MICROSECOND;
        tuza_context *ctx = tuza_context_with_timeout(tuza_context_background(), i % 2 ? ns : HOUR);
        sleeper s[2] = {{.ctx = ctx, .ns = ns}, {.ctx = ctx, .ns = ns}};
        GO(do_sleep, &s[0]);
        GO(do_sleep, &s[1]);
        if (i % 2 == 0) {
            tuza_sleep(i % 70 * TUZA_MICROSECOND);
            tuza_context_cancel(ctx);
        }
        for (int k = 0; k < 2; k++) {
            EVENTUALLY(flag_get(&s[k].over));
            CHECK(s[k].result == 0 || s[k].result == tuza_context_err(ctx));
        }
        settle(1);
        tuza_context_unref(ctx);
    }
}

TEST_MAIN_TUZA()
