/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The watcher of blocked goroutines is not left asleep by a stop that comes
 * while it is awake. It is built here once more, with the place where it
 * clears its note held open; the library's is not linked then.
 */
#include "go/help.h"
#include "lock/lock.h"

static void clear_late(tz_note *n);
#define tz_note_clear clear_late
#include "sched/blocked.c"
#undef tz_note_clear

static int stands; /* the watcher, for the first time */

/* Once: not before tuza_stop has told it to end. */
static void clear_late(tz_note *n)
{
    if (!flag_get(&stands)) {
        tz_note_clear(n); /* what the start of the watch has said */
        flag_set(&stands, 1);
        SPIN_UNTIL(tz_load_relaxed(&tz_sched.stopping) && tz_note_woken(n));
    }
    tz_note_clear(n);
}

TEST(stop_meanwhile)
{
    CHECK_EQ(tuza_start(NULL), 0);
    CHECK_EQ(tuza_report_blocked(3600 * TUZA_SECOND), 0);
    SPIN_UNTIL(flag_get(&stands));
    alarm(BOUND_S);
    CHECK_EQ(tuza_stop(0), 0);
    alarm(0);
}

TEST_MAIN()
