/* SPDX-License-Identifier: BSD-3-Clause */
/* What the words of GOTRACEBACK mean. */
#include <tuza.h>

#include "sched/traceback.h"
#include "tz_test.h"

static void expect(const char *word, uint32_t level, bool all, bool core)
{
    tz_set_traceback(word);
    tz_traceback_level t = tz_gotraceback();
    CHECK_EQ(t.level, level);
    CHECK_EQ(t.all, all);
    CHECK_EQ(t.core, core);
}

static void environment(const char *go, const char *tuza)
{
    if (go)
        setenv("GOTRACEBACK", go, 1);
    else
        unsetenv("GOTRACEBACK");
    if (tuza)
        setenv("TUZA_TRACEBACK", tuza, 1);
    else
        unsetenv("TUZA_TRACEBACK");
    tz_gotraceback_init();
}

/* GM-01 */
TEST(words)
{
    environment("none", NULL); /* which adds nothing */
    expect("none", 0, false, false);
    expect("", 1, false, false);
    expect("single", 1, false, false);
    expect("all", 1, true, false);
    expect("system", 2, true, false);
    expect("crash", 2, true, true);
    expect("0", 0, true, false);
    expect("1", 1, true, false);
    expect("3", 3, true, false);
    expect("wer", 0, true, false);
    expect("-1", 0, true, false);
    expect("2x", 0, true, false);
    expect("99999999999999999999", 0, true, false);
}

/* GM-01: what the environment says; ours wins over Go's. */
TEST(environment)
{
    environment(NULL, NULL);
    CHECK_EQ(tz_gotraceback().level, 1);
    environment("system", NULL);
    CHECK_EQ(tz_gotraceback().level, 2);
    environment("system", "none");
    CHECK_EQ(tz_gotraceback().level, 0);
    environment(NULL, "crash");
    CHECK(tz_gotraceback().core);
}

/* GM-02: a setting can only raise that. */
TEST(only_raised)
{
    environment("all", NULL);
    expect("none", 1, true, false);
    expect("system", 3, true, false); /* the levels are or-ed, as in Go */
    environment(NULL, NULL);
    expect("all", 1, true, false);
    expect("none", 1, false, false);
}

TEST_MAIN()
