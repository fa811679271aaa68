/* SPDX-License-Identifier: BSD-3-Clause */
/* Since when goroutines wait (waits.c). */
#include <tuza.h>

#include "go/help.h"
#include "os/os.h"
#include "sched/sched.h"
#include "sched/traceback.h"

#define MINUTE (60 * TUZA_SECOND)

static tuza_chan *gate, *again;
static char text[1 << 16];

static void waits(void *arg)
{
    (void)arg;
    while (tuza_chan_recv(gate, NULL))
        tuza_chan_send(again, NULL);
}

/* tuza_stack's text has the status. */
static bool shows(const char *status)
{
    CHECK(tuza_stack(text, sizeof text, true) < sizeof text);
    return strstr(text, status);
}

/* The goroutine waits, and has not done so before. */
static void wait_anew(void)
{
    tuza_chan_send(gate, NULL);
    CHECK(tuza_chan_recv(again, NULL));
    EVENTUALLY(shows("[chan receive"));
}

/* TB-03: whole minutes, from the first round that saw it; a new wait begins anew. The runtime's own rounds,
 * one when it starts and one in ten seconds, may come first. */
TEST(minutes)
{
    gate = tuza_chan_make(0, 0);
    again = tuza_chan_make(0, 0);
    GO(waits, NULL);
    bool seen = false;
    for (int i = 0; i < 100 && !seen; i++) {
        wait_anew();
        CHECK(shows("[chan receive]:"));
        tz_waits_look(tz_os_now() - 3 * MINUTE);
        seen = shows("[chan receive, 3 minutes]:");
    }
    CHECK(seen);
    tz_waits_look(tz_os_now()); /* later rounds leave the first note alone */
    CHECK(shows("[chan receive, 3 minutes]:"));
    wait_anew();
    CHECK(shows("[chan receive]:"));
    tz_waits_look(tz_os_now() - MINUTE + 5 * TUZA_SECOND);
    CHECK(shows("[chan receive]:"));
    tuza_chan_close(gate);
    settle(1);
    tuza_chan_unref(gate);
    tuza_chan_unref(again);
}

TEST_MAIN_TUZA()
