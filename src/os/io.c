/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading and writing without ever waiting, whatever the descriptor's own
 * mode: sockets know MSG_DONTWAIT, files RWF_NOWAIT, and what knows neither
 * (terminals; pipes of older kernels) is asked by poll whether it would wait.
 * Beside them the calls that do wait, for files, where nothing else helps.
 *
 * SIGPIPE is kept from the program: MSG_NOSIGNAL, RWF_NOSIGNAL (Linux 6.18),
 * else the signal is blocked in the thread and, where the write raised it,
 * taken away again.
 */
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "base/atomic.h"
#include "os/net.h"
#include "os/os.h"
#include "os/sys.h"

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x8
#endif
#define NOSIGNAL 0x100 /* RWF_NOSIGNAL */

long tz_os_recv(int fd, const struct iovec *iov, int n, long *left)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    if (left) {
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
    }
    long r = tz_sys(SYS_recvmsg, fd, &msg, MSG_DONTWAIT);
    if (left) {
        *left = -1;
        if (r >= 0 && msg.msg_controllen >= CMSG_LEN(sizeof(int)) && control.header.cmsg_level == SOL_TCP &&
            control.header.cmsg_type == TCP_CM_INQ) {
            int inq;
            memcpy(&inq, CMSG_DATA(&control.header), sizeof inq);
            *left = inq;
        }
    }
    return r;
}

long tz_os_recvfrom(int fd, void *buf, size_t n, void *from, unsigned *fromlen)
{
    return tz_sys(SYS_recvfrom, fd, buf, n, MSG_DONTWAIT, from, fromlen);
}

long tz_os_send(int fd, const struct iovec *iov, int n)
{
    const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    if (n == 1)
        return tz_sys(SYS_sendto, fd, iov->iov_base, iov->iov_len, flags, NULL, 0);
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n};
    return tz_sys(SYS_sendmsg, fd, &msg, flags);
}

long tz_os_sendto(int fd, const void *buf, size_t n, const void *to, unsigned tolen)
{
    return tz_sys(SYS_sendto, fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL, to, tolen);
}

/* 1: it would not wait. */
static long would_not_wait(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    struct timespec none = {0, 0};
    long r = tz_sys(SYS_ppoll, &p, 1, &none, NULL, 0);
    if (r > 0 && (p.revents & POLLNVAL))
        return -EBADF;
    return r == 0 ? -EAGAIN : r;
}

long tz_os_readv(int fd, const struct iovec *iov, int n)
{
    return tz_sys(SYS_readv, fd, iov, n);
}

/* Offset -1: the file's own position. The kernel takes it in two halves. */
#define AT_POSITION -1L, -1L

long tz_os_readv_now(int fd, const struct iovec *iov, int n)
{
    long r = tz_sys(SYS_preadv2, fd, iov, n, AT_POSITION, RWF_NOWAIT);
    if (r != -EOPNOTSUPP && r != -ENOSYS)
        return r;
    r = would_not_wait(fd, POLLIN);
    return r > 0 ? tz_os_readv(fd, iov, n) : r;
}

/* Without the call (emulators, old kernels) there are no flags either. */
static long write_with_flags(int fd, const struct iovec *iov, int n, int flags)
{
    long r = tz_sys(SYS_pwritev2, fd, iov, n, AT_POSITION, flags);
    if (r != -ENOSYS)
        return r;
    return flags ? -EOPNOTSUPP : tz_sys(SYS_writev, fd, iov, n);
}

static bool no_nosignal; /* atomic: the kernel does not know it */

/* A write whose SIGPIPE, if it raises one, is taken away again: it goes to the thread that wrote. */
static long quiet_writev(int fd, const struct iovec *iov, int n, int flags)
{
    sigset_t pipe, old, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    if (sigismember(&pending, SIGPIPE)) /* of others, which is not ours to take */
        return write_with_flags(fd, iov, n, flags);
    pthread_sigmask(SIG_BLOCK, &pipe, &old);
    long r = write_with_flags(fd, iov, n, flags);
    if (r == -EPIPE) {
        struct timespec none = {0, 0};
        while (tz_sys(SYS_rt_sigtimedwait, &pipe, NULL, &none, _NSIG / 8) == -EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r;
}

static long writev_with(int fd, const struct iovec *iov, int n, bool signal, int flags)
{
    if (signal)
        return write_with_flags(fd, iov, n, flags);
    if (!tz_load_relaxed(&no_nosignal)) {
        long r = write_with_flags(fd, iov, n, flags | NOSIGNAL);
        if (r != -EOPNOTSUPP)
            return r;
        /* Of both flags or one? */
        r = quiet_writev(fd, iov, n, flags);
        if (r != -EOPNOTSUPP)
            tz_store_relaxed(&no_nosignal, true);
        return r;
    }
    return quiet_writev(fd, iov, n, flags);
}

long tz_os_writev(int fd, const struct iovec *iov, int n, bool signal)
{
    return writev_with(fd, iov, n, signal, 0);
}

long tz_os_writev_now(int fd, const struct iovec *iov, int n, bool signal)
{
    long r = writev_with(fd, iov, n, signal, RWF_NOWAIT);
    if (r != -EOPNOTSUPP)
        return r;
    r = would_not_wait(fd, POLLOUT);
    if (r <= 0)
        return r;
    if (n == 0)
        return 0;
    /* So much is sure not to wait where a pipe can be written to at all. */
    while (n > 1 && iov->iov_len == 0)
        iov++, n--;
    struct iovec first = iov[0];
    if (first.iov_len > PIPE_BUF)
        first.iov_len = PIPE_BUF;
    return writev_with(fd, &first, 1, signal, 0);
}

int tz_os_poll_now(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    struct timespec none = {0, 0};
    long r = tz_sys(SYS_ppoll, &p, 1, &none, NULL, 0);
    if (r < 0)
        return r == -EINTR ? 0 : (int)r;
    return p.revents & POLLNVAL ? -EBADF : p.revents;
}

bool tz_os_is_open(int fd)
{
    return tz_sys(SYS_fcntl, fd, F_GETFD) >= 0;
}

bool tz_os_is_nonblocking(int fd)
{
    long flags = tz_sys(SYS_fcntl, fd, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK);
}

int tz_os_file_id(int fd, tz_file_id *id)
{
    struct stat st;
    int r = (int)tz_sys(SYS_fstat, fd, &st);
    if (r == 0)
        *id = (tz_file_id){st.st_dev, st.st_ino};
    return r;
}

int tz_os_close_fd(int fd)
{
    if (TZ_TSAN) /* which has to be told that the number's next owner is another */
        return close(fd) < 0 ? -errno : 0;
    return (int)tz_sys(SYS_close, fd);
}
