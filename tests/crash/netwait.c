/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waits for descriptors and the report of a deadlock, and what is otherwise of
 * descriptors 0 to 2; the lines that begin with //! say how they end (run.sh).
 * The peer is a process of its own, since nothing else in this one may be able
 * to wake anybody.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <tuza/net.h>

#include "crash/crash.h"

static pid_t peer;

/* The read end of a pipe into which a child writes after a while. */
static int written_late(void)
{
    int fd[2];
    if (pipe(fd) < 0)
        _exit(99);
    peer = fork();
    if (peer == 0) {
        close(fd[0]);
        usleep(300000);
        _exit(write(fd[1], "x", 1) == 1 ? 0 : 1);
    }
    close(fd[1]);
    return fd[0];
}

static void reads(void *arg)
{
    char c;
    if (tuza_read(*(int *)arg, &c, 1) != 1)
        _exit(99);
}

/* NP-02, DL-07: all goroutines wait, one of them for a descriptor. That is no deadlock. */
//! read_is_no_deadlock exit 0 procs 1 procs 4
//1 read
static int read_is_no_deadlock(void)
{
    int fd = written_late();
    reads(&fd);
    puts("read");
    return waitpid(peer, NULL, 0) == peer ? 0 : 1;
}

/* NP-02: the wait is another goroutine's; when that has ended there is one. */
//! deadlock_after_read procs 1 procs 4
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [chan receive]:
//- goroutine 2
static int deadlock_after_read(void)
{
    int fd = written_late();
    crash_go(reads, &fd);
    tuza_chan_recv(tuza_chan_make(0, 0), NULL);
    return 0;
}

static int standard(int from, int to)
{
    int fd = dup2(from, to);
    close(from);
    return fd;
}

/* NP-28: a pipe that is descriptor 1 or 2 and that nobody reads ends the process ... */
//! pipe_is_1 signal 13
//! pipe_is_2 signal 13
static int broken_pipe(int to)
{
    int fd[2];
    if (pipe(fd) < 0 || standard(fd[1], to) != to)
        return 99;
    close(fd[0]);
    return tuza_write(to, "x", 1) == -EPIPE ? 0 : 1;
}
static int pipe_is_1(void)
{
    return broken_pipe(1);
}
static int pipe_is_2(void)
{
    return broken_pipe(2);
}

/* ... and a socket never does, whatever its number. */
//! socket_is_1_and_2 exit 0
static int socket_is_1_and_2(void)
{
    for (int to = 1; to <= 2; to++) {
        int fd[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0 || standard(fd[1], to) != to)
            return 99;
        close(fd[0]);
        struct iovec two[] = {{(void *)"x", 1}, {(void *)"y", 1}};
        if (tuza_write(to, "x", 1) != -EPIPE || tuza_writev(to, two, 2) != -EPIPE)
            return 1;
    }
    return 0;
}

/* In a process without 0, 1 and 2 these do not become the poller's: what is written to them fails. */
//! not_the_pollers exit 0
static int not_the_pollers(void)
{
    int fd = written_late();
    for (int i = 0; i <= 2; i++)
        close(i);
    reads(&fd);
    for (int i = 0; i <= 2; i++)
        if (fcntl(i, F_GETFD) != -1)
            return 1 + i;
    return waitpid(peer, NULL, 0) == peer ? 0 : 4;
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(read_is_no_deadlock), CASE(deadlock_after_read), CASE(pipe_is_1), CASE(pipe_is_2),
    CASE(socket_is_1_and_2),   CASE(not_the_pollers),     {NULL, NULL},
};
CRASH_MAIN(cases)
