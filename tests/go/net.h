/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests on descriptors share: pairs of them, and calls made in goroutines of their own. */
#ifndef TZ_GO_NET_H
#define TZ_GO_NET_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "go/threads.h"

#define SOON(ns) (tuza_now() + (ns))
#define LONG     (60 * TUZA_SECOND)

static inline void socket_pair(int sv[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
}

/* "127.0.0.1:port" of a listener. */
static inline const char *address_of(int fd, char *text)
{
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    sprintf(text, "127.0.0.1:%d", ntohs(a.sin_port));
    return text;
}

/* Two ends of a TCP connection. */
static inline void tcp_pair(int sv[2])
{
    char at[32];
    int listener = tuza_listen("tcp", "127.0.0.1:0");
    CHECK(listener >= 0);
    sv[0] = tuza_dial("tcp", address_of(listener, at));
    CHECK(sv[0] >= 0);
    sv[1] = tuza_accept(listener);
    CHECK(sv[1] >= 0);
    CHECK_EQ(tuza_close(listener), 0);
}

/* A call that is made in a goroutine, and its result. */
typedef struct call {
    int fd;
    ssize_t (*fn)(struct call *c);
    void *buf;
    size_t n;
    ssize_t result;
    int begun, done;
} call;

static inline void call_run(void *arg)
{
    call *c = arg;
    flag_set(&c->begun, 1);
    c->result = c->fn(c);
    flag_set(&c->done, 1);
}

static inline ssize_t read_call(call *c)
{
    return tuza_read(c->fd, c->buf, c->n);
}
static inline ssize_t write_call(call *c)
{
    return tuza_write(c->fd, c->buf, c->n);
}
static inline ssize_t accept_call(call *c)
{
    return tuza_accept(c->fd);
}

static inline void call_start(call *c, ssize_t (*fn)(call *), int fd, void *buf, size_t n)
{
    *c = (call){.fd = fd, .fn = fn, .buf = buf, .n = n};
    CHECK_EQ(tuza_go(call_run, c), 0);
}

static inline ssize_t call_result(call *c)
{
    EVENTUALLY(flag_get(&c->done));
    return c->result;
}

/* So many goroutines wait for descriptors, by their own account. */
static inline int count_in(const char *text)
{
    size_t n = tuza_stack(NULL, 0, true);
    char *buf = malloc(n + 100000);
    CHECK(buf != NULL);
    tuza_stack(buf, n + 100000, true);
    int found = 0;
    for (char *p = buf; (p = strstr(p, text)) != NULL; p++)
        found++;
    free(buf);
    return found;
}
#define WAITING(n) EVENTUALLY(count_in("[IO wait") == (n))

#endif /* TZ_GO_NET_H */
