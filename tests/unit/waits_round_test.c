/* SPDX-License-Identifier: BSD-3-Clause */
/* Who waits is noted from time to time (waits.c). */
#include <tuza.h>

#include "go/help.h"
#include "sched/sched.h"
#include "sched/traceback.h"

static void waits_for_ever(void *arg)
{
    tuza_chan_recv(arg, NULL);
}

static __attribute__((constructor)) void often(void)
{
    tz_waits_every = TUZA_MILLISECOND;
}

/* TB-03: rounds are made by themselves, while something runs and once when all is idle. */
TEST(rounds)
{
    tuza_chan *c = tuza_chan_make(0, 0);
    GO(waits_for_ever, c);
    bool noted = false;
    for (double end = tz_test_seconds() + BOUND_S; !noted;) {
        CHECK(tz_test_seconds() < end);
        tuza_sleep(5 * TUZA_MILLISECOND);
        tz_goroutines all;
        tz_goroutines_take(&all);
        for (size_t i = 0; i < all.n; i++)
            if (all.list[i].g && tz_load_relaxed(&all.list[i].g->status) == TZ_G_WAITING)
                noted |= tz_load_relaxed(&all.list[i].g->wait_reason) >> TZ_WAIT_BITS != 0;
        tz_goroutines_free(&all);
    }
    tuza_chan_close(c);
    settle(1);
    tuza_chan_unref(c);
}

TEST_MAIN_TUZA()
