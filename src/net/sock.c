/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets: listening, dialling, accepting.
 *
 * What a TCP listener is told, its connections inherit: no delay, keep-alive,
 * and to say how much is left to read (io.c). So accepting one is one system
 * call, but for a look at the listener's mode (0.2 of 2.5 µs).
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "net/addr.h"
#include "net/fd.h"
#include "os/net.h"

#define KEEPALIVE_S 15 /* Go's */

static bool is_tcp(const tz_addr *a, int type)
{
    return type == SOCK_STREAM && a->any.sa_family != AF_UNIX;
}

/* Of a fresh TCP socket, or a listener for those it will accept. Wishes: a kernel that lacks one works too.
 * Whether reads will tell what is left. */
static bool set_tcp_options(int fd)
{
    (void)tz_os_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    (void)tz_os_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    (void)tz_os_setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_S);
    (void)tz_os_setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_S);
    return tz_os_tell_left(fd);
}

/* The path that a bound socket has made, for free(); NULL: none. */
static char *path_of(const tz_addr *a)
{
    return a->any.sa_family == AF_UNIX && a->un.sun_path[0] ? strdup(a->un.sun_path) : NULL;
}

static int listen_at(const tz_addr *a, const tz_network *net)
{
    int fd = tz_os_socket(a->any.sa_family, net->type, 0);
    if (fd < 0)
        return fd;
    bool tells_left = false;
    if (is_tcp(a, net->type)) {
        (void)tz_os_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        tells_left = set_tcp_options(fd);
    }
    if (a->any.sa_family == AF_INET6) /* ":port" is for both, unless it is "tcp6" */
        (void)tz_os_setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, net->family == AF_INET6);
    int err = tz_os_bind(fd, &a->any, a->len);
    if (err == 0 && net->type != SOCK_DGRAM)
        err = tz_os_listen(fd);
    if (err < 0) {
        tz_os_close_fd(fd);
        return err;
    }
    return tz_fd_adopt(fd, tells_left, path_of(a));
}

/* "tcp" and "udp" without a host: one IPv6 socket hears both, where the machine has that. */
static const tz_addr *to_listen_at(const tz_addr *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&list[i].v6.sin6_addr))
            return &list[i];
    for (size_t i = 0; i < n; i++)
        if (list[i].any.sa_family == AF_INET) /* a name: Go prefers IPv4 */
            return &list[i];
    return &list[0];
}

int tuza_listen(const char *network, const char *address)
{
    const tz_network *net = tz_network_find(network);
    if (!net)
        return -EINVAL;
    tz_addr *list;
    size_t n;
    int err = tz_addr_resolve(NULL, net, address, true, &list, &n);
    if (err < 0)
        return err;
    const tz_addr *first = to_listen_at(list, n);
    int fd = listen_at(first, net);
    for (size_t i = 0; i < n && fd == -EAFNOSUPPORT; i++)
        fd = listen_at(&list[i], net);
    free(list);
    return fd;
}

/* fd, which is ours, connects; waits until it has. */
static int connect_to(tz_fd *f, int fd, const tz_addr *a, tuza_context *ctx)
{
    int err = tz_os_connect(fd, &a->any, a->len);
    /* A Unix listener's queue is full, which nothing tells the end of. */
    while (err == -EAGAIN || (err == -EINTR && a->any.sa_family == AF_UNIX)) {
        err = ctx ? tuza_context_err(ctx) : 0;
        if (err == 0)
            err = tz_os_connect_waiting(fd, &a->any, a->len);
    }
    if (err != -EINPROGRESS && err != -EINTR)
        return err;
    err = tz_fd_enter(f, fd, TZ_FD_WRITING);
    if (err < 0)
        return err;
    for (;;) {
        err = tz_fd_wait(f, fd, TZ_POLL_WRITE);
        if (err < 0)
            break;
        if (tz_os_poll_now(fd, POLLOUT) == 0) /* an event of before */
            continue;
        err = tz_os_socket_error(fd);
        break;
    }
    tz_fd_leave(f, fd, TZ_FD_WRITING);
    return err;
}

static int dial_at(tuza_context *ctx, const tz_addr *a, const tz_network *net)
{
    int fd = tz_os_socket(a->any.sa_family, net->type, 0);
    if (fd < 0)
        return fd;
    bool tells_left = is_tcp(a, net->type) && set_tcp_options(fd);
    fd = tz_fd_adopt(fd, tells_left, NULL);
    if (fd < 0)
        return fd;
    int err;
    tz_fd *f = tz_fd_find(fd, &err);
    if (ctx)
        err = tuza_set_context(fd, ctx);
    else
        err = 0;
    if (err == 0)
        err = connect_to(f, fd, a, ctx);
    if (err == 0 && tells_left && tz_os_is_self_connected(fd))
        err = -ECONNREFUSED; /* as it would have been, had it been given another port */
    if (ctx && err == 0)
        err = tuza_set_context(fd, NULL);
    if (err == 0)
        return fd;
    (void)tuza_close(fd);
    return err;
}

int tuza_dial_context(tuza_context *ctx, const char *network, const char *address)
{
    const tz_network *net = tz_network_find(network);
    if (!net)
        return -EINVAL;
    if (ctx && tuza_context_err(ctx))
        return tuza_context_err(ctx);
    tz_addr *list;
    size_t n;
    int err = tz_addr_resolve(ctx, net, address, false, &list, &n);
    if (err < 0)
        return err;
    int fd = -EINVAL;
    for (size_t i = 0; i < n; i++) {
        int r = dial_at(ctx, &list[i], net);
        if (i == 0 || r >= 0)
            fd = r;
        if (r >= 0 || (ctx && tuza_context_err(ctx)))
            break;
    }
    free(list);
    return fd;
}

int tuza_dial(const char *network, const char *address)
{
    return tuza_dial_context(NULL, network, address);
}

/* One accept that does not wait. There is no flag for that, so the listener is asked for its mode, also one
 * that we have opened: the number may be another's since, where a plain close() gave it back, and a thread
 * that waits in accept can't be called back. */
static int accept_now(tz_fd *f, int fd, struct sockaddr *from, socklen_t *fromlen)
{
    if (tz_os_is_nonblocking(fd))
        return tz_os_accept(fd, from, fromlen);
    int r = tz_os_poll_now(fd, POLLIN);
    if (r < 0)
        return r;
    if (r == 0 && tz_os_getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN)) /* what does not listen fails at once */
        return -EAGAIN;
    /* Others who accept from it, in other processes maybe, can be quicker. */
    if (!tz_fd_begin_stuck(f))
        return -ECANCELED;
    r = tz_os_accept(fd, from, fromlen);
    tz_fd_end_stuck(f);
    return r;
}

/* The right to read is held. */
static int accept_one(tz_fd *f, int fd, struct sockaddr *from, socklen_t *fromlen)
{
    for (;;) {
        int r = tz_fd_check(f, fd, TZ_POLL_READ);
        if (r < 0)
            return r;
        r = accept_now(f, fd, from, fromlen);
        switch (r) {
        case -EINTR:
        case -ECONNABORTED:
            continue;
        case -EAGAIN:
            r = tz_fd_wait(f, fd, TZ_POLL_READ);
            if (r < 0)
                return r == -EPERM ? -ENOTSOCK : r;
            continue;
        default:
            return r;
        }
    }
}

int tuza_accept_from(int fd, struct sockaddr *from, socklen_t *fromlen)
{
    tz_fd *f;
    int err = tz_fd_begin(&f, fd, TZ_FD_READING);
    if (err < 0)
        return err;
    int conn = accept_one(f, fd, from, fromlen);
    bool tells_left = tz_load_relaxed(&f->tells_left);
    tz_fd_leave(f, fd, TZ_FD_READING);
    return conn < 0 ? conn : tz_fd_adopt(conn, tells_left, NULL);
}

int tuza_accept(int fd)
{
    return tuza_accept_from(fd, NULL, NULL);
}
