/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sysmon follows the number of Ps that affinity mask and CPU quota make. A
 * quota is not to be changed here, so the other side is: what holds at present
 * becomes another number than the quota says, as if that had changed.
 */
// ctest: plain | env GODEBUG=updatemaxprocs=0 | env GOMAXPROCS=3
#include "go/help.h"
#include "sched/gmp.h"
#include "sched/proc.h"

#define LOOKS (5 * TUZA_SECOND / 2) /* in which sysmon looks twice at least */

static void make_another(int n)
{
    tuza_gomaxprocs(n);
    tz_store_relaxed(&tz_sched.procs_custom, false);
}

/* GM-06, GM-07: a quota that changes is followed, unless the environment or a call has set the number, or
 * updatemaxprocs=0 says not to. */
TEST(quota_is_followed)
{
    bool custom;
    int n = tz_procs_default(&custom);
    CHECK_EQ(tuza_gomaxprocs(0), n);
    if (!custom)
        make_another(n + 3);
    if (!custom && tz_godebug.updatemaxprocs) {
        EVENTUALLY(tuza_gomaxprocs(0) == n);
        CHECK(!tz_load_relaxed(&tz_sched.procs_custom));
        tuza_gomaxprocs(n + 3); /* a call pins it */
    } else if (custom) {
        n -= 3; /* so it stays */
    }
    tuza_sleep(LOOKS);
    CHECK_EQ(tuza_gomaxprocs(0), n + 3);
}

TEST_MAIN_TUZA()
