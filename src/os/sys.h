/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls as this folder makes them: the result is the kernel's, errno
 * stays as it was, and no call is a cancellation point (libc's read, open and
 * the like are; a runtime unwound in the middle would keep its locks).
 */
#ifndef TZ_OS_SYS_H
#define TZ_OS_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"

/* syscall(number, ...) with the result >= 0 or a negative errno. */
#define tz_sys(...)                              \
    __extension__({                              \
        int sys_errno_ = errno;                  \
        long sys_result_ = syscall(__VA_ARGS__); \
        if (sys_result_ == -1) {                 \
            sys_result_ = -(long)errno;          \
            errno = sys_errno_;                  \
        }                                        \
        sys_result_;                             \
    })

TZ_INLINE int tz_sys_open(int dir, const char *path, int flags)
{
    return (int)tz_sys(SYS_openat, dir, path, flags | O_CLOEXEC, 0);
}

TZ_INLINE void tz_sys_close(int fd)
{
    (void)tz_sys(SYS_close, fd);
}

/* A descriptor to keep, just opened: never 0, 1 or 2. In a process that was started without these, what libc
 * writes to stderr, say, would go to it. */
TZ_INLINE int tz_sys_keep(int fd)
{
    enum { AFTER_STDERR = 3 };
    if (TZ_LIKELY(fd < 0 || fd >= AFTER_STDERR))
        return fd;
    int kept = (int)tz_sys(SYS_fcntl, fd, F_DUPFD_CLOEXEC, AFTER_STDERR);
    tz_sys_close(fd);
    return kept;
}

/* Reads until the buffer is full or the file ends; how many bytes,
 * or a negative errno where there were none. */
TZ_INLINE long tz_sys_read(int fd, char *buf, size_t n)
{
    size_t done = 0;
    while (done < n) {
        long r = tz_sys(SYS_read, fd, buf + done, n - done);
        if (r == -EINTR)
            continue;
        if (r <= 0)
            return done > 0 ? (long)done : r;
        done += (size_t)r;
    }
    return (long)done;
}

#endif /* TZ_OS_SYS_H */
