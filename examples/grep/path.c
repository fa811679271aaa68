/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opens paths of any length. The kernel takes at most PATH_MAX bytes at once,
 * but trees may be deeper: a longer path is opened in strides, each relative
 * to the directory that the last one led to.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "grep.h"

/* Keeps errno: the error that matters is that of the open. */
static void close_directory(int fd)
{
    int err = errno;
    if (fd != AT_FDCWD)
        close(fd);
    errno = err;
}

int open_path(const char *path, int flags)
{
    char stride[PATH_MAX];
    int dir = AT_FDCWD;
    while (strlen(path) >= PATH_MAX) {
        const char *slash = memrchr(path, '/', PATH_MAX - 1);
        if (slash == NULL || slash == path) {
            close_directory(dir);
            errno = ENAMETOOLONG;
            return -1;
        }
        size_t len = (size_t)(slash - path);
        memcpy(stride, path, len);
        stride[len] = '\0';
        int next = openat(dir, stride, O_PATH | O_DIRECTORY | O_CLOEXEC);
        close_directory(dir);
        if (next < 0)
            return -1;
        dir = next;
        path = slash + strspn(slash, "/");
    }
    int fd = openat(dir, path, flags | O_CLOEXEC);
    close_directory(dir);
    return fd;
}
