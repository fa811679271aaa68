/* SPDX-License-Identifier: BSD-3-Clause */
/* A sleep without end is no deadlock. */
// ctest: not tsan
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sched/proc.h"
#include "tuza.h"
#include "tz_test.h"

static int fd;

static void look(void *arg)
{
    (void)arg;
    tuza_sleep(TUZA_MILLISECOND);
    CHECK_EQ(tz_timers_next(), INT64_MAX - 1);
    CHECK_EQ(write(fd, "x", 1), 1);
}

static int sleep_for_ever(int argc, char **argv)
{
    (void)argc, (void)argv;
    CHECK_EQ(tuza_go(look, NULL), 0);
    tuza_sleep(INT64_MAX);
    return 1;
}

/* TM-03, DL-06: now + d overflows to never; a pending sleep is no deadlock. */
TEST(sleep_without_end)
{
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        fd = fds[1];
        _exit(-tuza_run(sleep_for_ever, 0, NULL));
    }
    close(fds[1]);
    char c;
    CHECK_EQ(read(fds[0], &c, 1), 1);
    usleep(100000); /* long enough, mostly, for the last goroutine to end and a report to come */
    int status;
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
}

TEST_MAIN()
