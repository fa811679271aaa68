/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Address space: reserving it, guarding parts of it, giving pages back and
 * asking which were used.
 *
 * Reserving. Under mlockall(MCL_FUTURE) a new mapping is filled with pages at
 * once and counted against RLIMIT_MEMLOCK, which would turn address space into
 * memory. Asking first whether that mode is on means reading /proc; so every
 * reservation goes a way that does not care: map one page, unlock it, and let
 * mremap stretch it. A stretched mapping keeps the flags of the old one, and
 * the page was never touched, so that nothing is moved. It costs two more
 * calls for each arena of 64 MiB.
 *
 * Guards. MADV_GUARD_INSTALL (Linux 6.13) marks page table entries and leaves
 * the mapping whole: a million guards need no more than one mapping, while each
 * PROT_NONE guard splits one. Markers for many slots are placed by a single
 * process_madvise on ourselves. An emulator may answer 0 to an advice it has
 * never heard of, so a marker is believed only after the kernel, asked to read
 * there for us, has refused.
 */
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

#include "os/os.h"
#include "os/sys.h"

/* Numbers of the kernel's ABI, the same on every architecture; older libc headers lack them. */
enum {
    ADVICE_DONTNEED_LOCKED = 24,
    ADVICE_GUARD_INSTALL = 102,
    ADVICE_GUARD_REMOVE = 103,
};
/* Linux 6.15: the calling thread in place of a pidfd. Not the thread group's: that is its first thread, which
 * is without an address space once it has exited by itself. */
#define PIDFD_OF_SELF (-10000)
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

#define BATCH 64

size_t tz_os_page_size(void)
{
    int saved = errno;
    long size = sysconf(_SC_PAGESIZE);
    errno = saved;
    return (size_t)size;
}

size_t tz_os_pages(size_t n)
{
    size_t page = tz_os_page_size();
    return (n + page - 1) / page * page;
}

void *tz_os_reserve(size_t n)
{
    int saved = errno;
    /* ThreadSanitizer does not see mremap: a page that it has moved away would still be its maker's. */
    size_t page = TZ_TSAN ? n : tz_os_page_size();
    void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p != MAP_FAILED) {
        /* Fails only where memory cannot be locked at all, and then it is not. */
        (void)munlock(p, page);
        if (n != page) {
            void *whole = mremap(p, page, n, MREMAP_MAYMOVE);
            if (whole == MAP_FAILED)
                munmap(p, page);
            p = whole;
        }
    }
    if (p != MAP_FAILED)
        (void)madvise(p, n, MADV_NOHUGEPAGE); /* -EINVAL: a kernel without huge pages */
    errno = saved;
    return p == MAP_FAILED ? NULL : p;
}

void tz_os_release(void *p, size_t n)
{
    int saved = errno;
    munmap(p, n);
    errno = saved;
}

static int advise(void *p, size_t n, int advice)
{
    int saved = errno;
    int r = madvise(p, n, advice) == 0 ? 0 : -errno;
    errno = saved;
    return r;
}

/* Gives one advice on n ranges. How many ranges, from the first, have surely had it:
 * the rest may be tried singly. */
static size_t advise_batch(char *p, size_t size, size_t stride, size_t n, int advice)
{
    struct iovec v[BATCH];
    int fd = PIDFD_OF_SELF;
    size_t done = 0;
    while (done < n) {
        size_t k = n - done < BATCH ? n - done : BATCH;
        for (size_t i = 0; i < k; i++)
            v[i] = (struct iovec){.iov_base = p + (done + i) * stride, .iov_len = size};
        long r = tz_sys(SYS_process_madvise, fd, v, k, advice, (long)0);
        if (r == -EBADF && fd == PIDFD_OF_SELF) {
            /* Opened for this call alone: one kept would be the parent's after a fork, or somebody else's
             * number after a program has closed all it does not know. */
            fd = (int)tz_sys(SYS_pidfd_open, getpid(), 0);
            if (fd < 0)
                return done;
            continue;
        }
        if (r <= 0)
            break;
        done += (size_t)r / size; /* a range done in part is done again, which is harmless */
        if ((size_t)r < size)
            break;
    }
    if (fd >= 0)
        tz_sys_close(fd);
    return done;
}

/* Whether the kernel, reading a word there for us, meets a guard. */
static bool guarded(const void *p)
{
    return tz_sys(SYS_futex, p, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, ~0u, &(struct timespec){0, 1}, NULL, 0) ==
           -EFAULT;
}

static int guard_by_marker(char *p, size_t size, size_t stride, size_t n)
{
    size_t i = n > 1 ? advise_batch(p, size, stride, n, ADVICE_GUARD_INSTALL) : 0;
    int r = 0;
    for (; i < n && r == 0; i++)
        r = advise(p + i * stride, size, ADVICE_GUARD_INSTALL);
    if (r == 0 && !guarded(p))
        r = -EINVAL;
    if (r != 0) {
        while (i-- > 0)
            (void)advise(p + i * stride, size, ADVICE_GUARD_REMOVE);
    }
    return r;
}

static int guard_by_protection(char *p, size_t size, size_t stride, size_t n)
{
    int saved = errno, r = 0;
    for (size_t i = 0; i < n; i++) {
        if (mprotect(p + i * stride, size, PROT_NONE) == 0)
            continue;
        r = -errno;
        /* Backwards, the failed one included: joining what was split never needs another mapping. */
        for (size_t k = i + 1; k-- > 0;)
            (void)mprotect(p + k * stride, size, PROT_READ | PROT_WRITE);
        break;
    }
    errno = saved;
    return r;
}

int tz_os_guard(void *p, size_t size, size_t stride, size_t n, bool markers)
{
    if (n == 0)
        return 0;
    return markers ? guard_by_marker(p, size, stride, n) : guard_by_protection(p, size, stride, n);
}

void tz_os_discard(void *p, size_t n)
{
    if (n == 0)
        return;
    if (advise(p, n, MADV_DONTNEED) == 0)
        return;
    /* Pages that the program has locked in: Linux 5.18 discards them too. Believed when it is seen, like the
     * markers; else they are zeroed by hand. */
    *(volatile char *)p = 1;
    if (advise(p, n, ADVICE_DONTNEED_LOCKED) != 0 || *(volatile char *)p != 0)
        memset(p, 0, n);
}

/*
 * Where the lowest page of [p, end) that was ever touched begins; end where none was. The page map knows
 * pages that are present and pages swapped out; mincore, for processes without /proc, only the former.
 */
static const char *lowest_touched(const char *p, const char *end, size_t page)
{
    int fd = tz_sys_open(AT_FDCWD, "/proc/self/pagemap", O_RDONLY);
    union {
        uint64_t entry[256];
        unsigned char core[2048];
    } u;
    while (p < end) {
        size_t pages = (size_t)(end - p) / page, i = 0;
        long r = -1;
        if (fd >= 0) {
            pages = pages < 256 ? pages : 256;
            r = tz_sys(SYS_pread64, fd, u.entry, pages * 8, (long)((uintptr_t)p / page * 8));
            if (r != (long)(pages * 8)) {
                tz_sys_close(fd);
                fd = -1;
                continue;
            }
            while (i < pages && (u.entry[i] >> 62) == 0) /* bit 63: present, bit 62: swapped */
                i++;
        } else {
            pages = pages < sizeof u.core ? pages : sizeof u.core;
            r = tz_sys(SYS_mincore, p, pages * page, u.core);
            if (r != 0)
                return end;
            while (i < pages && (u.core[i] & 1) == 0)
                i++;
        }
        p += i * page;
        if (i < pages)
            break;
    }
    if (fd >= 0)
        tz_sys_close(fd);
    return p;
}

size_t tz_os_resident_from_top(const void *p, size_t n)
{
    const char *end = (const char *)p + n;
    return (size_t)(end - lowest_touched(p, end, tz_os_page_size()));
}
