/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading and writing.
 *
 * The system call comes first, without waiting; where it would wait the
 * goroutine does. The call is made in user code, like any blocking call of a
 * program's: it may take its time (a write of a megabyte, a page to be read
 * from disk), and the P can be taken meanwhile.
 *
 * A reader that has taken all there was need not be told so by a second call.
 * TCP can say with the data how much is left (TCP_INQ): with nothing left and
 * no event since, the reader waits at once. That is asked of the kernel, not
 * concluded from a short read, which urgent data, TLS records and passed
 * descriptors make as well. Whoever else uses up an event of the read side
 * says that the descriptor is dry no more.
 *
 * The kernel tells of a lost connection (a reset, a peer that does not answer)
 * once. Where that is in a write, reads bring what has come until then and
 * after it 0, as after a read that was told: that would be an end, and whoever
 * reads would take what was cut off for whole. So who is told writes the error
 * down (f->gone), and a read says it in place of the 0. A reader that gets the
 * 0 may do so before the writer has come back from its call; but that one had
 * the right to write before the kernel told it: either the reader finds the
 * right taken still, or, by the acquire, what was written before it was given
 * up. Where it is taken the reader gets in line for it. That is no wait for the
 * peer, since this is done on connections alone that hang up: nothing can be
 * written to one any more, and no write waits. An end while the other direction
 * goes on is told at once.
 *
 * Files that can't be waited for (epoll says EPERM) are read and written by
 * the plain call when the kernel can't do it at once.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "net/fd.h"
#include "os/net.h"

#define AT_ONCE ((size_t)1 << 30) /* as Go: some systems fail at 2 GiB */

/* The plain call, where nothing can be waited for. */
static long stuck(tz_fd *f, long (*call)(int fd, const struct iovec *iov, int n), int fd,
                  const struct iovec *iov, int n)
{
    if (!tz_fd_begin_stuck(f))
        return -ECANCELED;
    long r = call(fd, iov, n);
    tz_fd_end_stuck(f);
    return r;
}

/* Nothing will be read or written any more but what is there. */
static bool hangs_up(int fd)
{
    int events = tz_os_poll_now(fd, 0);
    return events > 0 && (events & POLLHUP);
}

/* One read that does not wait. */
static long read_now(tz_fd *f, int fd, const struct iovec *iov, int n)
{
    if (!tz_load_relaxed(&f->file)) {
        long left, r;
        if (tz_load_relaxed(&f->tells_left)) {
            r = tz_os_recv(fd, iov, n, &left);
            tz_store_relaxed(&f->dry, left == 0);
        } else {
            r = tz_os_recv(fd, iov, n, NULL);
        }
        if (r != -ENOTSOCK)
            return r;
        tz_store_relaxed(&f->file, true);
    }
    return tz_os_readv_now(fd, iov, n);
}

/* The kernel says 0: the end, or an error if it was no end. The right to read is held. */
static long end_of(tz_fd *f, int fd)
{
    if (tz_load_relaxed(&f->file))
        return 0;
    if ((tz_load_acquire(&f->mu) & TZ_FD_WRITING) && !tz_load_relaxed(&tz_sched.ending) && hangs_up(fd)) {
        if (tz_fd_enter(f, fd, TZ_FD_WRITING) < 0)
            return -ECANCELED;
        tz_fd_leave(f, fd, TZ_FD_WRITING);
    }
    if (TZ_LIKELY(!tz_load_relaxed(&f->gone)))
        return 0;
    (void)tz_fd_is_new(f, fd); /* if it is, another file's connection was lost */
    return tz_load_relaxed(&f->gone);
}

/* What the kernel says of a connection, and not of the call. EPIPE is no news: whoever reads has the end, or
 * will be told of the error. */
static bool is_loss(long err)
{
    switch (-err) {
    case ECONNRESET:
    case ECONNABORTED:
    case ECONNREFUSED:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case EPROTO:
        return true;
    default:
        return false;
    }
}

/* A call has failed, whose right is held. */
static TZ_COLD void note_loss(tz_fd *f, int fd, long err)
{
    if (is_loss(err) && !tz_load_relaxed(&f->file) && hangs_up(fd) && tz_fd_is_new(f, fd) >= 0)
        tz_store_relaxed(&f->gone, (int32_t)err);
}

/* The right to read is held. */
static long read_some(tz_fd *f, int fd, const struct iovec *iov, int n)
{
    for (;;) {
        int err = tz_fd_check(f, fd, TZ_POLL_READ);
        if (err < 0)
            return err;
        int32_t late = tz_load_relaxed(&f->late);
        if (TZ_UNLIKELY(late)) {
            (void)tz_fd_is_new(f, fd); /* if it is, it was another file's, and nothing is late any more */
            late = tz_load_relaxed(&f->late);
            if (late != -ETIMEDOUT)
                tz_store_relaxed(&f->late, 0);
            if (late)
                return late;
        }
        /* What is left does not count a reset: one event may have told of it and of the data just read. */
        if (!tz_load_relaxed(&f->dry) || tz_load_relaxed(&f->pd.ended) ||
            tz_netpoll_take(&f->pd, TZ_POLL_READ)) {
            long r = read_now(f, fd, iov, n);
            if (r == -EINTR)
                continue;
            /* The kernel's is no deadline, after which a caller may read on: it stays. */
            if (TZ_UNLIKELY(r == -ETIMEDOUT))
                tz_store_relaxed(&f->late, -ETIMEDOUT);
            if (TZ_LIKELY(r > 0))
                return r;
            if (r == 0)
                return end_of(f, fd);
            if (r != -EAGAIN) {
                note_loss(f, fd, r);
                return r;
            }
        }
        tz_store_relaxed(&f->dry, false); /* whatever wakes us: look */
        err = tz_fd_wait(f, fd, TZ_POLL_READ);
        if (err == -EPERM) {
            long r = stuck(f, tz_os_readv, fd, iov, n);
            if (r != -EINTR)
                return r;
        } else if (err < 0) {
            return err;
        }
    }
}

static bool is_valid(const struct iovec *iov, int n)
{
    size_t sum = 0;
    if (n < 0 || n > IOV_MAX || (n && !iov))
        return false;
    for (int i = 0; i < n; i++)
        if (__builtin_add_overflow(sum, iov[i].iov_len, &sum) || sum > SSIZE_MAX)
            return false;
    return true;
}

ssize_t tuza_readv(int fd, const struct iovec *iov, int n)
{
    if (!is_valid(iov, n))
        return -EINVAL;
    tz_fd *f;
    int err = tz_fd_begin(&f, fd, TZ_FD_READING);
    if (err < 0)
        return err;
    size_t any = 0;
    for (int i = 0; i < n; i++)
        any |= iov[i].iov_len;
    long r = any ? read_some(f, fd, iov, n) : tz_os_is_open(fd) ? tz_fd_check(f, fd, TZ_POLL_READ) : -EBADF;
    tz_fd_leave(f, fd, TZ_FD_READING);
    return r;
}

ssize_t tuza_read(int fd, void *buf, size_t n)
{
    struct iovec iov = {buf, n < AT_ONCE ? n : AT_ONCE};
    return tuza_readv(fd, &iov, 1);
}

ssize_t tuza_read_full(int fd, void *buf, size_t n)
{
    if (n == 0)
        return 0;
    tz_fd *f;
    int err = tz_fd_begin(&f, fd, TZ_FD_READING); /* for all of it: what others read comes before or after */
    if (err < 0)
        return err;
    size_t done = 0;
    long r;
    do {
        struct iovec iov = {(char *)buf + done, n - done < AT_ONCE ? n - done : AT_ONCE};
        r = read_some(f, fd, &iov, 1);
        done += r > 0 ? (size_t)r : 0;
    } while (r > 0 && done < n);
    /* The kernel tells a reset once and then the end: the next call shall not take this for whole. */
    if (done && r < 0 && r != -ECANCELED && r != -ETIMEDOUT && r != -EBADF && tz_fd_is_new(f, fd) == 0)
        tz_store_relaxed(&f->late, (int32_t)r);
    tz_fd_leave(f, fd, TZ_FD_READING);
    return done ? (ssize_t)done : r;
}

ssize_t tuza_recvfrom(int fd, void *buf, size_t n, struct sockaddr *from, socklen_t *fromlen)
{
    tz_fd *f;
    int err = tz_fd_begin(&f, fd, TZ_FD_READING);
    if (err < 0)
        return err;
    tz_store_relaxed(&f->dry, false); /* this uses events up, and may leave something */
    long r;
    do {
        r = tz_fd_check(f, fd, TZ_POLL_READ);
        if (r < 0)
            break;
        r = tz_os_recvfrom(fd, buf, n, from, fromlen);
        if (r == -EAGAIN) {
            int waited = tz_fd_wait(f, fd, TZ_POLL_READ);
            r = waited < 0 ? waited : -EAGAIN;
        }
    } while (r == -EAGAIN || r == -EINTR);
    if (r == 0 && n) /* of a connection; or an empty datagram */
        r = end_of(f, fd);
    else if (r < 0)
        note_loss(f, fd, r);
    tz_fd_leave(f, fd, TZ_FD_READING);
    return r;
}

/* ---- writing ---- */

/* Whether a broken pipe is SIGPIPE. Go's rule: of descriptors 1 and 2, where who reads is whom the program
 * runs for. Not of sockets, which get these numbers by chance, in a process that was started without. */
static bool is_standard(int fd)
{
    return fd == 1 || fd == 2;
}

/* One write that does not wait. */
static long write_now(tz_fd *f, int fd, const struct iovec *iov, int n)
{
    if (!tz_load_relaxed(&f->file)) {
        long r = tz_os_send(fd, iov, n);
        if (r != -ENOTSOCK)
            return r;
        tz_store_relaxed(&f->file, true);
    }
    return tz_os_writev_now(fd, iov, n, is_standard(fd));
}

static long write_loudly(int fd, const struct iovec *iov, int n)
{
    return tz_os_writev(fd, iov, n, true);
}
static long write_quietly(int fd, const struct iovec *iov, int n)
{
    return tz_os_writev(fd, iov, n, false);
}

/* The right to write is held. */
static long write_some(tz_fd *f, int fd, const struct iovec *iov, int n)
{
    bool waited = false;
    for (;;) {
        int err = tz_fd_check(f, fd, TZ_POLL_WRITE);
        if (err < 0)
            return err;
        long r = write_now(f, fd, iov, n);
        if (TZ_LIKELY(r >= 0))
            return r;
        if (r == -EINTR)
            continue;
        if (r != -EAGAIN) {
            note_loss(f, fd, r);
            return r;
        }
        /* An event that has come since it was last used up may be older than this: then once more. */
        if (!waited && tz_netpoll_take(&f->pd, TZ_POLL_WRITE)) {
            waited = true;
            continue;
        }
        err = tz_fd_wait(f, fd, TZ_POLL_WRITE);
        waited = true;
        if (err == -EPERM) {
            r = stuck(f, is_standard(fd) ? write_loudly : write_quietly, fd, iov, n);
            if (r != -EINTR)
                return r;
        } else if (err < 0) {
            return err;
        }
    }
}

/* A window on the caller's vector from a byte on. */
#define WINDOW 64
static int window(struct iovec *to, const struct iovec *iov, int n, size_t from)
{
    int k = 0;
    size_t room = AT_ONCE;
    for (int i = 0; i < n && k < WINDOW && room; i++) {
        if (from >= iov[i].iov_len) {
            from -= iov[i].iov_len;
            continue;
        }
        size_t len = iov[i].iov_len - from;
        to[k].iov_base = (char *)iov[i].iov_base + from;
        to[k].iov_len = len < room ? len : room;
        room -= to[k++].iov_len;
        from = 0;
    }
    return k;
}

/* Errors that say that the caller gave up, not the other side. */
static bool cut_off(const tz_fd *f, long err)
{
    return err == -ECANCELED || err == -EBADF || err == tz_load_relaxed(&f->pd.stop);
}

static long write_all(tz_fd *f, int fd, const struct iovec *iov, int n, size_t all)
{
    size_t done = 0;
    for (;;) {
        struct iovec part[WINDOW];
        const struct iovec *from = iov; /* at first as it is: a datagram is one whole */
        int k = n;
        if (done) {
            from = part;
            k = window(part, iov, n, done);
        }
        long r = write_some(f, fd, from, k);
        if (r < 0)
            return done && !cut_off(f, r) ? (long)done : r;
        done += (size_t)r;
        if (done >= all || r == 0)
            return (long)done;
    }
}

ssize_t tuza_writev(int fd, const struct iovec *iov, int n)
{
    if (!is_valid(iov, n))
        return -EINVAL;
    tz_fd *f;
    int err = tz_fd_begin(&f, fd, TZ_FD_WRITING);
    if (err < 0)
        return err;
    size_t all = 0;
    for (int i = 0; i < n; i++)
        all += iov[i].iov_len;
    long r = write_all(f, fd, iov, n, all);
    tz_fd_leave(f, fd, TZ_FD_WRITING);
    return r;
}

ssize_t tuza_write(int fd, const void *buf, size_t n)
{
    struct iovec iov = {(void *)(uintptr_t)buf, n};
    return tuza_writev(fd, &iov, 1);
}

ssize_t tuza_sendto(int fd, const void *buf, size_t n, const struct sockaddr *to, socklen_t tolen)
{
    tz_fd *f;
    int err = tz_fd_begin(&f, fd, TZ_FD_WRITING);
    if (err < 0)
        return err;
    long r;
    do {
        r = tz_fd_check(f, fd, TZ_POLL_WRITE);
        if (r < 0)
            break;
        r = tz_os_sendto(fd, buf, n, to, tolen);
        if (r == -EAGAIN) {
            int waited = tz_fd_wait(f, fd, TZ_POLL_WRITE);
            r = waited < 0 ? waited : -EAGAIN;
        } else if (r < 0 && r != -EINTR) {
            note_loss(f, fd, r);
        }
    } while (r == -EAGAIN || r == -EINTR);
    tz_fd_leave(f, fd, TZ_FD_WRITING);
    return r;
}
