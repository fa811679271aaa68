/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the echo servers share: the message, and the start of the client,
 * which measures. A server listens on a free port, starts BUILD/bench/net/client
 * with it, its own process id and its arguments, serves until the client has
 * ended, and ends with its exit code. The client prints the figures.
 *
 * The first byte of a message is its kind. A bare server sends all of them
 * back; one that works (modes other than "echo") does first what it says.
 */
#ifndef BENCH_NET_ECHO_H
#define BENCH_NET_ECHO_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bench.h"

enum { ECHO_MESSAGE = 64 };
enum { ECHO_PLAIN = 'E', ECHO_CPU = 'C', ECHO_SLEEP = 'U', ECHO_COUNT = 'G' };
/* 10 ms of processor time before the answer; 10 ms of usleep; the number of goroutines is the answer, in
 * decimal from the second byte on. */
#define ECHO_SLOW_NS 10000000

extern char **environ;

/* As many descriptors as this process may have. */
static inline void echo_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        bench_die("getrlimit: %s", strerror(errno));
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        bench_die("setrlimit: %s", strerror(errno));
}

static inline int echo_port(int fd)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        bench_die("getsockname: %s", strerror(errno));
    return ntohs(address.sin_port);
}

/* For the servers that tuza has no part in. */
static inline int echo_listen(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0)
        bench_die("listen: %s", strerror(errno));
    return fd;
}

static inline void echo_no_delay(int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

typedef struct echo_client {
    pid_t pid;
    int ended; /* a pipe: at its end when the client is gone */
} echo_client;

static inline echo_client echo_start_client(int listener, int argc, char **argv)
{
    static char path[PATH_MAX], port[16], pid[16];
    char *args[16] = {path, port, pid};
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "/../net/client");
    char *slash = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;
    if (slash == NULL || argc > 12)
        bench_die("no way to the client from here");
    memcpy(slash, "/../net/client", sizeof "/../net/client");
    snprintf(port, sizeof port, "%d", echo_port(listener));
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    for (int i = 1; i < argc; i++)
        args[i + 2] = argv[i];

    int ends[2];
    posix_spawn_file_actions_t actions;
    echo_client c = {0};
    if (pipe2(ends, O_CLOEXEC) != 0 || posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, ends[1], 3) != 0)
        bench_die("no pipe to the client");
    int err = posix_spawn(&c.pid, path, &actions, NULL, args, environ);
    if (err != 0)
        bench_die("%s: %s", path, strerror(err));
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    c.ended = ends[0];
    return c;
}

/* The exit code of the client, which has ended. */
static inline int echo_client_result(const echo_client *c)
{
    int status;
    if (waitpid(c->pid, &status, 0) != c->pid)
        bench_die("waitpid: %s", strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

#endif /* BENCH_NET_ECHO_H */
