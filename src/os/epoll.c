/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll with deadlines in nanoseconds: epoll_pwait2, and where the kernel
 * does not know that (before 5.11) ppoll on the epoll descriptor itself, which
 * is readable as long as there is an event to be told of.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/atomic.h"
#include "os/os.h"
#include "os/sys.h"

#define SAME(ours, theirs) \
    _Static_assert((uint32_t)(ours) == (uint32_t)(theirs), "os.h has the kernel's bits")
SAME(TZ_OS_IN, EPOLLIN);
SAME(TZ_OS_PRI, EPOLLPRI);
SAME(TZ_OS_OUT, EPOLLOUT);
SAME(TZ_OS_ERR, EPOLLERR);
SAME(TZ_OS_HUP, EPOLLHUP);
SAME(TZ_OS_RDHUP, EPOLLRDHUP);
SAME(TZ_OS_EDGE, EPOLLET);
SAME(TZ_OS_ONCE, (uint32_t)EPOLLIN | (uint32_t)EPOLLONESHOT);
_Static_assert(sizeof(tz_os_event) == sizeof(struct epoll_event) &&
                   offsetof(tz_os_event, data) == offsetof(struct epoll_event, data),
               "os.h has the kernel's layout");

int tz_os_epoll_create(void)
{
    return tz_sys_keep((int)tz_sys(SYS_epoll_create1, EPOLL_CLOEXEC));
}

int tz_os_epoll_add(int ep, int fd, uint32_t events, uint64_t data)
{
    tz_os_event e = {.events = events, .data = data};
    return (int)tz_sys(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fd, &e);
}

int tz_os_epoll_mod(int ep, int fd, uint32_t events, uint64_t data)
{
    tz_os_event e = {.events = events, .data = data};
    return (int)tz_sys(SYS_epoll_ctl, ep, EPOLL_CTL_MOD, fd, &e);
}

int tz_os_epoll_del(int ep, int fd)
{
    tz_os_event none = {0};
    return (int)tz_sys(SYS_epoll_ctl, ep, EPOLL_CTL_DEL, fd, &none);
}

static bool no_pwait2; /* atomic: found out at the first wait */

static int wait_old(int ep, tz_os_event *events, int n, const struct timespec *timeout)
{
    if (!timeout || timeout->tv_sec || timeout->tv_nsec) {
        struct pollfd p = {.fd = ep, .events = POLLIN};
        struct timespec left; /* the kernel writes how much is left */
        if (timeout)
            left = *timeout;
        long r = tz_sys(SYS_ppoll, &p, 1, timeout ? &left : NULL, NULL, 0);
        if (r <= 0)
            return (int)r;
    }
    return (int)tz_sys(SYS_epoll_pwait, ep, events, n, 0, NULL, 0);
}

static int wait_for_events(int ep, tz_os_event *events, int n, int64_t deadline)
{
    struct timespec ts = {0, 0}, *timeout = &ts;
    if (deadline == TZ_OS_FOREVER) {
        timeout = NULL;
    } else if (deadline > 0) {
        int64_t left = deadline - tz_os_now();
        left = left > 0 ? left : 0;
        ts.tv_sec = left / 1000000000;
        ts.tv_nsec = left % 1000000000;
    }
    if (!tz_load_relaxed(&no_pwait2)) {
        /* Not to wait needs no such precision. */
        if (timeout && !ts.tv_sec && !ts.tv_nsec)
            return (int)tz_sys(SYS_epoll_pwait, ep, events, n, 0, NULL, 0);
        long r = tz_sys(SYS_epoll_pwait2, ep, events, n, timeout, NULL, 0);
        if (r != -ENOSYS)
            return (int)r;
        tz_store_relaxed(&no_pwait2, true);
    }
    return wait_old(ep, events, n, timeout);
}

int tz_os_epoll_wait(int ep, tz_os_event *events, int n, int64_t deadline)
{
    int r = wait_for_events(ep, events, n, deadline);
    tz_os_signals_let_in();
    return r;
}

int tz_os_eventfd(uint32_t count)
{
    return tz_sys_keep((int)tz_sys(SYS_eventfd2, count, EFD_CLOEXEC | EFD_NONBLOCK));
}
