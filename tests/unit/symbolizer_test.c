/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread that names addresses comes and goes with the runtime, whatever became of those who asked it. */
#include <sys/wait.h>

#include "go/help.h"
#include "sched/sched.h"
#include "sched/traceback.h"

/* The answer came: who gives the thread up goes on with symbols of his own. */
static void ask(void *arg)
{
    tz_symbolizer z;
    uintptr_t at = (uintptr_t)ask + 1;
    tz_symbolizer_open(&z, TZ_ASK_ALIVE);
    const tz_symbols *asked = z.symbols;
    CHECK(asked != NULL);
    tz_symbolizer_want(&z, &at, 1);
    *(bool *)arg = z.symbols == asked;
    tz_symbolizer_close(&z);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void start_and_stop(void (*fn)(void *), void *arg)
{
    CHECK_EQ(tuza_start(NULL), 0);
    GO(fn, arg);
    CHECK_EQ(tuza_stop(0), 0);
}

/* A child that was forked while somebody had the right to ask: it is lost there, the thread still ends. */
static void fork_while_asking(void)
{
    tz_symbolizer z;
    tz_symbolizer_open(&z, TZ_ASK_ALIVE);
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(BOUND_S);
        start_and_stop(nothing, NULL);
        start_and_stop(nothing, NULL);
        _exit(42);
    }
    tz_symbolizer_close(&z);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 42);
}

TEST(fork_before_ready)
{
    if (!HELP_FORKS)
        SKIP("no threads in children");
    CHECK_EQ(tz_sched.started, TZ_STARTED_NOT);
    fork_while_asking();
}

TEST(fork_when_ready)
{
    if (!HELP_FORKS)
        SKIP("no threads in children");
    tz_need_runtime();
    fork_while_asking();
}

/* What a stop leaves after a start that failed before this thread is not for the next one to find. */
TEST(stop_without_the_thread)
{
    bool answered = false;
    tz_symbolizer_stop();
    start_and_stop(ask, &answered);
    CHECK(answered);
}

TEST_MAIN()
