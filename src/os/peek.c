/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading what may not be there: memory of our own that nobody vouches for,
 * and files whole. Both async-signal-safe.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "os/os.h"
#include "os/sys.h"

/*
 * Where process_vm_readv is refused (a sandbox): a call with a wrong first
 * argument, which the kernel notices only after it has read the signal set of
 * 8 bytes. It can be that the memory goes away between this look and the use
 * of it; better than nothing.
 */
static bool is_readable(const char *at, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        const char *word = at + (i + 8 <= n ? i : n - 8);
        if (tz_sys(SYS_rt_sigprocmask, -1, word, NULL, (size_t)8) != -EINVAL)
            return false;
    }
    return true;
}

bool tz_os_peek(void *to, const void *from, size_t n)
{
    struct iovec local = {to, n}, remote = {(void *)(uintptr_t)from, n};
    long r = tz_sys(SYS_process_vm_readv, (long)getpid(), &local, 1L, &remote, 1L, 0L);
    if (r >= 0 || r == -EFAULT)
        return r == (long)n;
    if (n < 8 || !is_readable(from, n))
        return false;
    for (size_t i = 0; i < n; i++)
        ((volatile char *)to)[i] = ((const volatile char *)from)[i];
    return true;
}

/* Reads a hexadecimal number; *p moves on to what follows it. */
static uintptr_t number(const char **p)
{
    uintptr_t n = 0;
    for (;; ++*p) {
        char c = **p;
        if (c >= '0' && c <= '9')
            n = n << 4 | (uintptr_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            n = n << 4 | (uintptr_t)(c - 'a' + 10);
        else
            return n;
    }
}

/* A line of maps: "7f00-7f10 r-xp ..."; whether it is the one, or beyond it. */
static bool line_holds(const char *line, uintptr_t at, uintptr_t *lo, uintptr_t *hi, bool *beyond)
{
    *lo = number(&line);
    line++;
    *hi = number(&line);
    *beyond = *lo > at;
    return at >= *lo && at < *hi && line[0] == ' ' && line[3] == 'x';
}

bool tz_os_is_code(uintptr_t at, uintptr_t *lo, uintptr_t *hi)
{
    char buf[1024], line[48]; /* what matters is at the beginning */
    size_t length = 0;
    bool found = false, beyond = false;
    int fd = tz_sys_open(AT_FDCWD, "/proc/self/maps", O_RDONLY);
    if (fd < 0)
        return false;
    long n;
    while (!found && !beyond && (n = tz_sys_read(fd, buf, sizeof buf)) > 0) {
        for (long i = 0; i < n && !found && !beyond; i++) {
            if (buf[i] != '\n') {
                if (length < sizeof line - 1)
                    line[length++] = buf[i];
                continue;
            }
            line[length] = 0;
            length = 0;
            found = line_holds(line, at, lo, hi, &beyond);
        }
    }
    tz_sys_close(fd);
    return found;
}

const void *tz_os_map_file(const char *path, size_t *n)
{
    const void *p = NULL;
    int saved = errno;
    int fd = tz_sys_open(AT_FDCWD, path, O_RDONLY | O_NONBLOCK);
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            p = NULL;
        *n = (size_t)st.st_size;
    }
    if (fd >= 0)
        tz_sys_close(fd);
    errno = saved;
    return p;
}

int tz_os_open(const char *path)
{
    return tz_sys_open(AT_FDCWD, path, O_RDONLY | O_NONBLOCK);
}
