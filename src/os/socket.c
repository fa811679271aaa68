/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets, as net/ wants them: each non-blocking, closed by exec. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "os/net.h"
#include "os/os.h"
#include "os/sys.h"

#define CONNECT_WAIT_US 100000

int tz_os_socket(int family, int type, int protocol)
{
    return (int)tz_sys(SYS_socket, family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

int tz_os_bind(int fd, const void *addr, unsigned len)
{
    return (int)tz_sys(SYS_bind, fd, addr, len);
}

int tz_os_listen(int fd)
{
    /* The kernel bounds it by net.core.somaxconn. */
    return (int)tz_sys(SYS_listen, fd, 65535);
}

int tz_os_connect(int fd, const void *addr, unsigned len)
{
    return (int)tz_sys(SYS_connect, fd, addr, len);
}

int tz_os_connect_waiting(int fd, const void *addr, unsigned len)
{
    struct timeval limit = {0, CONNECT_WAIT_US}, none = {0, 0};
    long flags = tz_sys(SYS_fcntl, fd, F_GETFL);
    (void)tz_sys(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    (void)tz_sys(SYS_fcntl, fd, F_SETFL, flags & ~O_NONBLOCK);
    int err = (int)tz_sys(SYS_connect, fd, addr, len);
    (void)tz_sys(SYS_fcntl, fd, F_SETFL, flags);
    (void)tz_sys(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
    return err;
}

int tz_os_socket_error(int fd)
{
    int err = 0;
    socklen_t len = sizeof err;
    long r = tz_sys(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, &err, &len);
    return r < 0 ? (int)r : -err;
}

int tz_os_accept(int fd, void *from, unsigned *fromlen)
{
    return (int)tz_sys(SYS_accept4, fd, from, fromlen, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int tz_os_shutdown(int fd, int how)
{
    return (int)tz_sys(SYS_shutdown, fd, how);
}

int tz_os_setsockopt(int fd, int level, int option, int value)
{
    return (int)tz_sys(SYS_setsockopt, fd, level, option, &value, sizeof value);
}

int tz_os_getsockopt(int fd, int level, int option)
{
    int value = 0;
    socklen_t len = sizeof value;
    long r = tz_sys(SYS_getsockopt, fd, level, option, &value, &len);
    return r < 0 ? 0 : value;
}

bool tz_os_is_self_connected(int fd)
{
    struct sockaddr_storage here, there;
    socklen_t here_len = sizeof here, there_len = sizeof there;
    memset(&here, 0, sizeof here);
    memset(&there, 0, sizeof there);
    return tz_sys(SYS_getsockname, fd, &here, &here_len) == 0 &&
           tz_sys(SYS_getpeername, fd, &there, &there_len) == 0 && here_len == there_len &&
           memcmp(&here, &there, here_len) == 0;
}

bool tz_os_tell_left(int fd)
{
    return tz_os_setsockopt(fd, SOL_TCP, TCP_INQ, 1) == 0;
}

int tz_os_unlink(const char *path)
{
    return (int)tz_sys(SYS_unlinkat, AT_FDCWD, path, 0);
}
