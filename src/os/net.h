/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What net/ asks of the kernel. As os.h: results are >= 0 or a negative errno,
 * the errno variable stays as it was, and no call waits but where it says so.
 */
#ifndef TZ_OS_NET_H
#define TZ_OS_NET_H

#include "base/base.h"

struct iovec;

/* io.c. Those of sockets are -ENOTSOCK for others. */
/* *left, unless left is NULL: how many bytes are there still, where the socket tells (tz_os_tell_left), else
 * -1; where the other side has closed it is not 0. */
long tz_os_recv(int fd, const struct iovec *iov, int n, long *left);
long tz_os_recvfrom(int fd, void *buf, size_t n, void *from, unsigned *fromlen);
long tz_os_send(int fd, const struct iovec *iov, int n);
long tz_os_sendto(int fd, const void *buf, size_t n, const void *to, unsigned tolen);
/* Of any descriptor; -EAGAIN where it would wait. A terminal, or in older kernels a pipe, may wait all
 * the same when others take what was there. */
long tz_os_readv_now(int fd, const struct iovec *iov, int n);
/* signal: a broken pipe raises SIGPIPE; here and below. */
long tz_os_writev_now(int fd, const struct iovec *iov, int n, bool signal);
/* These wait as the descriptor does. */
long tz_os_readv(int fd, const struct iovec *iov, int n);
long tz_os_writev(int fd, const struct iovec *iov, int n, bool signal);
/* The bits of poll(2) that are set; 0: none. */
int tz_os_poll_now(int fd, short events);
bool tz_os_is_open(int fd);
bool tz_os_is_nonblocking(int fd);
int tz_os_close_fd(int fd);
/* Which open file a number stands for, as far as that can be told: a socket's is its own. */
typedef struct tz_file_id {
    uint64_t device, inode;
} tz_file_id;
int tz_os_file_id(int fd, tz_file_id *id);

/* socket.c: non-blocking and close-on-exec. */
int tz_os_socket(int family, int type, int protocol);
int tz_os_bind(int fd, const void *addr, unsigned len);
int tz_os_listen(int fd);
/* -EINPROGRESS: it can be written to when it is done, and tz_os_socket_error tells. */
int tz_os_connect(int fd, const void *addr, unsigned len);
int tz_os_socket_error(int fd);
/* Waits until the deadline at most, or some 100 ms: -EAGAIN. */
int tz_os_connect_waiting(int fd, const void *addr, unsigned len);
/* Waits where the listener is not non-blocking. */
int tz_os_accept(int fd, void *from, unsigned *fromlen);
/* A TCP connection whose two ends are one: to a local port that nobody listens on, which it was given
 * itself. */
bool tz_os_is_self_connected(int fd);
int tz_os_shutdown(int fd, int how);
int tz_os_setsockopt(int fd, int level, int option, int value);
/* 0 where it is off or fails. */
int tz_os_getsockopt(int fd, int level, int option);
/* tz_os_recv shall tell how much is left; false: not this socket. */
bool tz_os_tell_left(int fd);
int tz_os_unlink(const char *path);

#endif /* TZ_OS_NET_H */
