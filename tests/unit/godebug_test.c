/* SPDX-License-Identifier: BSD-3-Clause */
/* TUZA_DEBUG and GODEBUG. */
#include <stdlib.h>

#include "sched/proc.h"
#include "tz_test.h"

static void read_settings(const char *tuza, const char *go)
{
    tz_godebug = (tz_godebug_t){.containermaxprocs = 1, .updatemaxprocs = 1};
    unsetenv("TUZA_DEBUG");
    unsetenv("GODEBUG");
    if (tuza)
        setenv("TUZA_DEBUG", tuza, 1);
    if (go)
        setenv("GODEBUG", go, 1);
    tz_godebug_init();
}

/* GM-07: both can be turned off. */
TEST(settings)
{
    read_settings(NULL, "containermaxprocs=0");
    CHECK_EQ(tz_godebug.containermaxprocs, 0);
    CHECK_EQ(tz_godebug.updatemaxprocs, 1);
    read_settings(NULL, "containermaxprocs=0,updatemaxprocs=0");
    CHECK_EQ(tz_godebug.containermaxprocs, 0);
    CHECK_EQ(tz_godebug.updatemaxprocs, 0);
    read_settings("updatemaxprocs=0", "containermaxprocs=0");
    CHECK_EQ(tz_godebug.containermaxprocs, 1);
    CHECK_EQ(tz_godebug.updatemaxprocs, 0);
}

/* GM-14, GM-15 */
TEST(tracing)
{
    read_settings(NULL, "schedtrace=1000,scheddetail=1");
    CHECK_EQ(tz_godebug.schedtrace, 1000);
    CHECK_EQ(tz_godebug.scheddetail, 1);
    read_settings(NULL, "schedtrace=-5,scheddetail=");
    CHECK_EQ(tz_godebug.schedtrace, 0);
    CHECK_EQ(tz_godebug.scheddetail, 0);
}

/* GM-18: the last one wins, what is unknown or no number is ignored. */
TEST(garbage)
{
    read_settings(NULL, "updatemaxprocs=0,updatemaxprocs=1");
    CHECK_EQ(tz_godebug.updatemaxprocs, 1);
    read_settings(
        NULL,
        "nonsense=1,,=,=0,updatemaxprocs,updatemaxprocs=x,updatemaxprocs=0x,updatemaxprocs=99999999999");
    CHECK_EQ(tz_godebug.updatemaxprocs, 1);
    read_settings(NULL, ",updatemaxprocs=0,");
    CHECK_EQ(tz_godebug.updatemaxprocs, 0);
    read_settings(NULL, "");
    CHECK_EQ(tz_godebug.updatemaxprocs, 1);
}

TEST_MAIN()
