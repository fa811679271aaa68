/* SPDX-License-Identifier: BSD-3-Clause */
/* GOMAXPROCS from the environment and before the start; each case is a process of its own. */
#include <sched.h>
#include <sys/wait.h>

#include "go/help.h"

static int answer(int argc, char **argv)
{
    (void)argc, (void)argv;
    return tuza_gomaxprocs(0);
}

static int with_env(const char *go, const char *tuza, int before)
{
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        unsetenv("GOMAXPROCS");
        unsetenv("TUZA_MAXPROCS");
        if (go)
            setenv("GOMAXPROCS", go, 1);
        if (tuza)
            setenv("TUZA_MAXPROCS", tuza, 1);
        if (before) {
            int was = tuza_gomaxprocs(0);
            CHECK_EQ(tuza_gomaxprocs(before), was);
            CHECK_EQ(tuza_gomaxprocs(-1), before);
        }
        tuza_run(answer, 0, NULL);
        _exit(255);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* GM-04: the environment's number wins; TUZA_MAXPROCS over GOMAXPROCS. */
TEST(environment)
{
    CHECK_EQ(with_env("3", NULL, 0), 3);
    CHECK_EQ(with_env("1", NULL, 0), 1);
    CHECK_EQ(with_env("200", NULL, 0), 200);
    CHECK_EQ(with_env("3", "5", 0), 5);
    CHECK_EQ(with_env(NULL, "5", 0), 5);
    CHECK_EQ(with_env("007", NULL, 0), 7);
}

/* GM-04, GM-18: what is not a positive number is as if it were not there. */
TEST(garbage)
{
    static const char *const bad[] = {
        "",    "0",  "-1",   "-9999999999",          "abc",       "3x", "x3", " 3", "3 ", "+3", "3.5", "0x4",
        "1e1", "\n", "\xff", "99999999999999999999", "2147483648"};
    int normal = with_env(NULL, NULL, 0);
    CHECK(normal >= 1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(with_env(bad[i], NULL, 0), normal);
        CHECK_EQ(with_env(NULL, bad[i], 0), normal);
        CHECK_EQ(with_env("3", bad[i], 0), 3);
    }
}

/* GM-04: by default not more than the affinity mask has. */
TEST(affinity)
{
    CHECK(with_env(NULL, NULL, 0) <= tuza_num_cpu());
}

/* GM-08: a call before the start sets what it starts with, and wins. */
TEST(before_the_start)
{
    CHECK_EQ(with_env(NULL, NULL, 6), 6);
    CHECK_EQ(with_env("3", "4", 6), 6);
}

/* GM-09: the number of CPUs is that of the first look. */
TEST(num_cpu_is_constant)
{
    cpu_set_t all, one;
    int n = tuza_num_cpu();
    CHECK_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    CHECK_EQ(n, CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all))
            CPU_SET(i, &one);
    CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    CHECK_EQ(tuza_num_cpu(), n);
    CHECK_EQ(sched_setaffinity(0, sizeof all, &all), 0);
}

TEST_MAIN()
