/* SPDX-License-Identifier: BSD-3-Clause */
/* What the stress programs on descriptors share. */
#ifndef STRESS_NET_H
#define STRESS_NET_H

#include <dirent.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <tuza/net.h>

#include "stress/stress.h"

/* Goroutines that are waited for. */
typedef struct team {
    tuza_chan *done;
    int members;
} team;

typedef struct team_job {
    void (*fn)(void *);
    void *arg;
    tuza_chan *done;
} team_job;

static void team_member(void *arg)
{
    team_job job = *(team_job *)arg;
    job.fn(job.arg);
    tuza_chan_send(job.done, NULL);
    tuza_chan_unref(job.done);
}

static inline void team_go(team *t, void (*fn)(void *), void *arg)
{
    if (!t->done)
        t->done = tuza_chan_make(0, 0);
    team_job job = {fn, arg, tuza_chan_ref(t->done)};
    CHECK_EQ(tuza_go_copy(team_member, &job, sizeof job), 0);
    t->members++;
}

static inline void team_wait(team *t)
{
    for (; t->members > 0; t->members--)
        tuza_chan_recv(t->done, NULL);
    tuza_chan_unref(t->done);
    t->done = NULL;
}

static inline void net_pair(int fds[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static inline int net_listen(char address[32])
{
    int fd = tuza_listen("tcp", "127.0.0.1:0");
    CHECK(fd >= 0);
    unsigned char raw[16]; /* struct sockaddr_in, by its bytes */
    socklen_t len = sizeof raw;
    CHECK_EQ(getsockname(fd, (struct sockaddr *)(void *)raw, &len), 0);
    snprintf(address, 32, "127.0.0.1:%d", raw[2] << 8 | raw[3]);
    return fd;
}

/* Open sockets and pipes: the runtime opens other files as it pleases. */
static inline int net_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char target[16];
        ssize_t len = readlinkat(dirfd(d), e->d_name, target, sizeof target);
        n += len > 5 && (strncmp(target, "socket:", 7) == 0 || strncmp(target, "pipe:", 5) == 0);
    }
    closedir(d);
    return n;
}

/* As many descriptors as may be; how many. */
static inline long net_raise_limit(void)
{
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit.rlim_cur > 1000000 ? 1000000 : (long)limit.rlim_cur;
}

/* The byte at a place of a stream: streams and places are told apart by it. */
static inline unsigned char net_byte(uint64_t stream, uint64_t at)
{
    uint64_t x = (at / 8 + stream * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    return (unsigned char)(x >> (8 * (at % 8)));
}

static inline void net_fill(unsigned char *buf, size_t n, uint64_t stream, uint64_t at)
{
    for (size_t i = 0; i < n; i++)
        buf[i] = net_byte(stream, at + i);
}

static inline void net_check(const unsigned char *buf, size_t n, uint64_t stream, uint64_t at)
{
    for (size_t i = 0; i < n; i++)
        if (buf[i] != net_byte(stream, at + i))
            tz_test_fail(__FILE__, __LINE__, "stream %llu at %llu: another byte, the check",
                         (unsigned long long)stream, (unsigned long long)(at + i));
}

#endif /* STRESS_NET_H */
