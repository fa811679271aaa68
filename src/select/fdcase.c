/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases that are ready when a descriptor is.
 *
 * They don't ask for the right to a side (fdmutex.c): nothing is read or
 * written, so a goroutine that does, or waits to, is not in the way, nor they
 * in its. They are users of the descriptor, so that who closes it waits for
 * them: the stop that goes before sends them on.
 *
 * Ready is also what the next call would fail for, at once: that call tells.
 */
#include <poll.h>

#include "net/fd.h"
#include "os/net.h"
#include "select/kinds.h"

typedef struct fdcase {
    tz_fd *f; /* NULL: there is none, or not any more */
    bool watched;
    tz_pollwatch watch;
} fdcase;
_Static_assert(sizeof(fdcase) <= TZ_SELECT_OTHER, "a case's record");

static int fd_of(const tuza_case *k)
{
    return (int)k->arg;
}

static int side_of(const tuza_case *k)
{
    return k->op == TUZA_CASE_READABLE ? TZ_POLL_READ : TZ_POLL_WRITE;
}

static void begin(tz_mixed *x, tuza_case *k, void *record)
{
    fdcase *c = record;
    x->s.outside = true;
    *c = (fdcase){.watch = {.sel = &x->s.sel, .sides = TZ_POLL_SIDE(side_of(k))}};
    if (k->arg != fd_of(k) || tz_fd_begin(&c->f, fd_of(k), 0) < 0)
        c->f = NULL;
}

static void watch(tz_mixed *x, tuza_case *k, void *record)
{
    (void)x;
    (void)k;
    fdcase *c = record;
    if (!c->f)
        return;
    tz_netpoll_watch(&c->f->pd, &c->watch);
    c->watched = true;
}

/* Whether the poller is told of it, as it has to be while we wait. */
static bool is_told_of(tz_fd *f, int fd)
{
    return (tz_load_relaxed(&f->ours) && tz_netpoll_has(&f->pd)) || tz_fd_is_new(f, fd) >= 0;
}

static bool is_ready(tz_mixed *x, tuza_case *k, void *record)
{
    fdcase *c = record;
    int fd = fd_of(k), side = side_of(k);
    if (!c->f || (c->watched && !is_told_of(c->f, fd)) || tz_fd_check(c->f, fd, side) < 0 ||
        tz_os_poll_now(fd, side == TZ_POLL_READ ? POLLIN : POLLOUT))
        return true;
    int64_t deadline = tz_netpoll_deadline(&c->f->pd, side);
    if (deadline)
        tz_mixed_wake_at(x, deadline);
    return false;
}

static void unwatch(tz_mixed *x, tuza_case *k, void *record)
{
    (void)x;
    (void)k;
    fdcase *c = record;
    if (c->watched)
        tz_netpoll_unwatch(&c->f->pd, &c->watch);
}

static void end(tz_mixed *x, tuza_case *k, void *record)
{
    (void)x;
    fdcase *c = record;
    if (c->f)
        tz_fd_leave(c->f, fd_of(k), 0);
}

const tz_selkind tz_selkind_fd = {
    .begin = begin, .is_ready = is_ready, .watch = watch, .unwatch = unwatch, .end = end};
