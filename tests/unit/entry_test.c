/* SPDX-License-Identifier: BSD-3-Clause */
/* Entering the runtime where one must not: each case is a process that must die. */
#include <sys/wait.h>
#include <unistd.h>

#include "sched/sched.h"
#include "tuza.h"
#include "tz_test.h"

static int (*scene)(int argc, char **argv);

/* Runs the scene in a child; what it wrote to standard error is in text. Returns its exit code. */
static int child(char *text, size_t n)
{
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], 2);
        tuza_run(scene, 0, NULL);
        _exit(255);
    }
    close(fds[1]);
    size_t len = 0;
    for (ssize_t r; len < n - 1 && (r = read(fds[0], text + len, n - 1 - len)) > 0;)
        len += (size_t)r;
    text[len] = 0;
    close(fds[0]);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int nested(int argc, char **argv)
{
    (void)argc, (void)argv;
    tuza_chan *c = tuza_chan_make(0, 1);
    tz_entering(tz_self_m); /* as it is while an allocator or a signal handler interrupts the runtime */
    tuza_chan_try_send(c, NULL);
    return 0;
}

static int nested_yield(int argc, char **argv)
{
    (void)argc, (void)argv;
    tz_entering(tz_self_m);
    tuza_gosched();
    return 0;
}

static int nested_panic(int argc, char **argv)
{
    (void)argc, (void)argv;
    tz_entering(tz_self_m);
    tuza_panic("no %s", "way");
}

static int nested_runtime_panic(int argc, char **argv)
{
    (void)argc, (void)argv;
    tz_entering(tz_self_m);
    tuza_chan_close(NULL);
    return 0;
}

/* PN-28: a panic in the runtime can't be recovered from. */
TEST(panic_inside)
{
    char said[1024];
    scene = nested_panic;
    CHECK_EQ(child(said, sizeof said), 2);
    CHECK(strncmp(said, "panic: no way\nfatal error: panic inside the runtime\n", 52) == 0);
    scene = nested_runtime_panic;
    CHECK_EQ(child(said, sizeof said), 2);
    CHECK(strncmp(said, "panic: close of nil channel\nfatal error: panic inside the runtime\n", 66) == 0);
}

TEST(nested_entry)
{
    static const char text[] = "fatal error: tuza called inside the runtime\n";
    char said[1024];
    scene = nested;
    CHECK_EQ(child(said, sizeof said), 2);
    CHECK(strncmp(said, text, sizeof text - 1) == 0);
    scene = nested_yield;
    CHECK_EQ(child(said, sizeof said), 2);
    CHECK(strncmp(said, text, sizeof text - 1) == 0);
}

TEST_MAIN()
