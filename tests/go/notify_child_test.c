/* SPDX-License-Identifier: BSD-3-Clause */
/* Children of a process that has signals sent to channels. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=2 TUZA_CHAOS=7
#include "go/notify.h"

#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

static int status_of(pid_t pid)
{
    int status = 0;
    pid_t got = waitpid(pid, &status, 0);
    CHECK(got > 0 && (pid < 0 || got == pid));
    return status;
}

#define DIED_OF(status, sig) (WIFSIGNALED(status) && WTERMSIG(status) == (sig))

/* SG-19: in the child of a fork the signals have the disposition that they had before. */
TEST(forked_child)
{
    tuza_chan *c = make(1);
    tuza_context *ctx = with(SIGUSR1);
    notify(c, SIGUSR1);
    set_handler(SIGUSR2, count);
    notify(c, SIGUSR2);
    ignore(SIGWINCH);
    handled = 0;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        raise(SIGUSR2);
        if (flag_get(&handled) != 1 || tuza_chan_len(c) || handler_of(SIGWINCH) != SIG_IGN)
            _exit(1);
        tuza_signal_stop(c);
        sigset_t mask;
        sigprocmask(SIG_SETMASK, NULL, &mask);
        if (sigismember(&mask, SIGUSR1) || !sigismember(&mask, BLOCKED))
            _exit(2);
        raise(SIGUSR1);
        _exit(3);
    }
    int status = status_of(pid);
    if (WIFEXITED(status))
        CHECK_EQ(WEXITSTATUS(status), 0);
    CHECK(DIED_OF(status, SIGUSR1));
    CHECK_EQ(tuza_context_err(ctx), 0);
    raise(SIGUSR1);
    wait_sig(c, SIGUSR1);
    tuza_signal_stop(c);
    CHECK_EQ(tuza_chan_len(c), 0);
    CHECK(is_done(ctx));
    CHECK_EQ(handled, 0);
    tuza_context_unref(ctx);
    tuza_chan_unref(c);
    reset(SIGWINCH);
    set_handler(SIGUSR2, SIG_DFL);
}

/* SG-19: the child of a vfork shares the memory, and not the dispositions. */
TEST(vforked_child)
{
    if (HELP_TSAN || HELP_EMULATED)
        SKIP("vfork is fork there, or its signals wait");
    tuza_chan *c = make(1);
    notify(c, SIGUSR1);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    pid_t pid = vfork();
#pragma GCC diagnostic pop
    if (pid == 0) {
        raise(SIGUSR1);
        _exit(1);
    }
    int status = status_of(pid);
    CHECK(DIED_OF(status, SIGUSR1));
    CHECK_EQ(tuza_chan_len(c), 0);
    raise(SIGUSR1);
    wait_sig(c, SIGUSR1);
    tuza_signal_stop(c);
    CHECK_EQ(tuza_chan_len(c), 0);
    tuza_chan_unref(c);
}

/* The line of /proc/self/status, as a program sees it that was executed by posix_spawn. */
static uint64_t spawned_set(const char *line)
{
    extern char **environ;
    char text[64] = "", *const argv[] = {(char *)"grep", (char *)line, (char *)"/proc/self/status", NULL};
    int fd[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    CHECK_EQ(pipe(fd), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd[1], 1);
    CHECK_EQ(posix_spawnp(&pid, "grep", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fd[1]);
    CHECK(read(fd[0], text, sizeof text - 1) > 0);
    close(fd[0]);
    CHECK_EQ(status_of(pid), 0);
    return strtoull(text + strlen(line) + 1, NULL, 16);
}

#define BIT(sig) ((uint64_t)1 << ((sig)-1))

/* SG-19: an executed program has the mask that the process had at its start, ignores what is ignored, and
 * nothing else of ours. */
TEST(executed_child)
{
    if (HELP_EMULATED)
        SKIP("the emulator shows its own");
    tuza_chan *c = make(1);
    int two[] = {SIGUSR1, SIGTERM};
    CHECK_EQ(tuza_signal_notify(c, two, 2), 0);
    ignore(SIGUSR2);
    uint64_t blocked = spawned_set("SigBlk:"), ignored = spawned_set("SigIgn:");
    CHECK_EQ(blocked & ~(uint64_t)0x1ffffffff, 0);
    CHECK_EQ(blocked & (BIT(SIGUSR1) | BIT(SIGTERM) | BIT(SIGUSR2) | BIT(BLOCKED)), BIT(BLOCKED));
    CHECK_EQ(ignored & (BIT(SIGUSR1) | BIT(SIGTERM) | BIT(SIGUSR2)), BIT(SIGUSR2));
    reset(SIGUSR2);
    done(c);
}

static void kill_soon(void)
{
    pid_t parent = getpid(), pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        usleep(50000); /* mostly it rests by then */
        kill(parent, SIGUSR1);
        _exit(0);
    }
}

static void read_one(void *fd)
{
    char byte;
    CHECK_EQ(tuza_read(*(int *)fd, &byte, 1), 1);
}

/* Signals come in from outside while all threads rest, or one waits for descriptors. */
TEST(while_threads_rest)
{
    int fd[2];
    tuza_chan *c = make(1);
    notify(c, SIGUSR1);
    CHECK_EQ(pipe(fd), 0);
    for (int i = 0; i < 6; i++) {
        if (i == 3)
            GO(read_one, &fd[0]);
        kill_soon();
        wait_sig(c, SIGUSR1);
        CHECK_EQ(status_of(-1), 0);
    }
    CHECK_EQ(write(fd[1], "x", 1), 1);
    settle(1);
    close(fd[0]);
    close(fd[1]);
    done(c);
}

static int calling;

static void *fork_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 60 / SCALE + 3; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        if (pid < 0 || status_of(pid) != 0)
            return "a child died";
    }
    flag_set(&calling, 0);
    return NULL;
}

/* SG-19: signals that come to the process while it forks are lost neither here nor there. */
TEST(signals_during_fork)
{
    if (HELP_TSAN)
        SKIP("no forks beside threads");
    tuza_chan *c = make(1);
    notify(c, SIGUSR1);
    pthread_t t;
    calling = 1;
    CHECK_EQ(pthread_create(&t, NULL, fork_often, NULL), 0);
    while (flag_get(&calling)) {
        kill(getpid(), SIGUSR1);
        wait_sig(c, SIGUSR1);
    }
    void *failed;
    pthread_join(t, &failed);
    CHECK_STR(failed, NULL);
    done(c);
}

TEST_MAIN_NOTIFY()
