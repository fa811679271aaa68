/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What makes calls on a descriptor end before their time: deadlines, a
 * context, tuza_cancel. All of it is kept with the descriptor, so that the
 * calls themselves have nothing to pass on.
 *
 * Deadlines are the poller's (sched/netpoll.c). The other two become its
 * "stop", under f->lock: cancellation stays, else it is the context's error
 * once that is done. The context tells by a record in the tz_fd: nothing is
 * allocated, and no goroutine waits for it.
 */
#include <errno.h>
#include <poll.h>

#include "net/fd.h"
#include "os/net.h"
#include "tuza/go.h"

/* A file that is registered with the poller, so that a later owner of the number is noticed; its user. */
static tz_fd *enter(int fd, int *err)
{
    tz_fd *f;
    *err = tz_fd_begin(&f, fd, 0);
    if (*err < 0)
        return NULL;
    *err = tz_fd_is_new(f, fd);
    if (*err >= 0)
        return f;
    tz_fd_leave(f, fd, 0);
    if (*err == -EPERM)
        *err = -ENOTSUP;
    return NULL;
}

static int set(int fd, int64_t when, bool read, bool write)
{
    int err;
    if (when < 0)
        return -EINVAL;
    tz_fd *f = enter(fd, &err);
    if (!f)
        return err;
    when = tz_real_time(when);
    if (read)
        tz_netpoll_set_deadline(&f->pd, TZ_POLL_READ, when);
    if (write)
        tz_netpoll_set_deadline(&f->pd, TZ_POLL_WRITE, when);
    tz_fd_leave(f, fd, 0);
    return 0;
}

int tuza_set_deadline(int fd, int64_t when)
{
    return set(fd, when, true, true);
}

int tuza_set_read_deadline(int fd, int64_t when)
{
    return set(fd, when, true, false);
}

int tuza_set_write_deadline(int fd, int64_t when)
{
    return set(fd, when, false, true);
}

/* Says anew what stops calls on f. */
static void update_stop(tz_fd *f)
{
    tz_m *m = tz_enter();
    tz_lock_acquire(&f->lock, TZ_RANK_FD);
    int stop = 0;
    if (tz_load_relaxed(&f->cancelled))
        stop = -ECANCELED;
    else if (f->ctx && f->ctx_of == tz_load_relaxed(&f->pd.generation))
        stop = tz_context_err_now(f->ctx);
    if (!(tz_load_relaxed(&f->mu) & TZ_FD_CLOSED))
        tz_netpoll_set_stop(m, &f->pd, stop);
    tz_lock_release(&f->lock, TZ_RANK_FD);
    tz_leave(m);
}

static void ctx_done(tz_context_node *n)
{
    update_stop(TZ_CONTAINER_OF(n, tz_fd, node));
}

int tuza_cancel(int fd)
{
    int err;
    tz_fd *f = enter(fd, &err);
    if (!f)
        return err;
    tz_store_relaxed(&f->cancelled, true);
    update_stop(f);
    tz_fd_leave(f, fd, 0);
    return 0;
}

/* The caller is the one that changes f's context: there is one record. It has none, or (`earlier`) none that
 * was said of an earlier file. */
static void begin_change(tz_fd *f, bool earlier)
{
    while (tz_xchg_acquire(&f->changing, true))
        tuza_gosched();
    tz_m *m = tz_enter();
    tz_lock_acquire(&f->lock, TZ_RANK_FD);
    tuza_context *old = earlier && f->ctx_of == tz_load_relaxed(&f->pd.generation) ? NULL : f->ctx;
    if (old)
        tz_store_relaxed(&f->ctx, NULL);
    tz_lock_release(&f->lock, TZ_RANK_FD);
    tz_leave(m);
    if (old) {
        tz_context_unwatch(old, &f->node);
        tuza_context_unref(old);
    }
}

void tz_fd_drop_context(tz_fd *f)
{
    if (TZ_LIKELY(!tz_load_relaxed(&f->ctx)))
        return;
    begin_change(f, true);
    tz_store_release(&f->changing, false);
}

/* f has this context and no other; a reference goes over to it. */
static void change_context(tz_fd *f, tuza_context *ctx)
{
    begin_change(f, false);
    tz_m *m = tz_enter();
    tz_lock_acquire(&f->lock, TZ_RANK_FD);
    tz_store_relaxed(&f->ctx, ctx);
    f->ctx_of = tz_load_relaxed(&f->pd.generation);
    tz_lock_release(&f->lock, TZ_RANK_FD);
    tz_leave(m);
    if (ctx) {
        f->node.done = ctx_done;
        (void)tz_context_watch(ctx, &f->node); /* done already: what follows sees that */
    }
    tz_store_release(&f->changing, false);
    update_stop(f);
}

int tuza_set_context(int fd, tuza_context *ctx)
{
    int err;
    tz_fd *f = enter(fd, &err);
    if (!f)
        return err;
    change_context(f, tuza_context_ref(ctx));
    tz_fd_leave(f, fd, 0);
    return 0;
}

/* ---- waiting for others' I/O ---- */

/* What can be waited for: what comes as well is asked for beside one of these. */
#define READY (POLLIN | POLLOUT | POLLPRI | POLLRDNORM | POLLWRNORM)

static int wait_ready(tz_fd *f, int fd, short events, uint64_t sides)
{
    bool both = sides == (TZ_FD_READING | TZ_FD_WRITING);
    int side = sides & TZ_FD_READING ? TZ_POLL_READ : TZ_POLL_WRITE;
    for (;;) {
        int err = tz_fd_check(f, fd, side);
        if (err == 0 && both)
            err = tz_fd_check(f, fd, TZ_POLL_WRITE);
        if (err < 0)
            return err;
        if (sides & TZ_FD_READING) {
            tz_store_relaxed(&f->dry, false); /* the next read has no event to tell it otherwise */
            tz_netpoll_take(&f->pd, TZ_POLL_READ);
        }
        if (sides & TZ_FD_WRITING)
            tz_netpoll_take(&f->pd, TZ_POLL_WRITE);
        int r = tz_os_poll_now(fd, events);
        if (r)
            return r;
        err = both ? tz_fd_wait_both(f, fd) : tz_fd_wait(f, fd, side);
        if (err == -EPERM)
            return events & READY;
        if (err < 0)
            return err;
    }
}

int tuza_wait_fd(int fd, short events, int64_t when)
{
    uint64_t sides = (events & (POLLIN | POLLPRI | POLLRDHUP | POLLRDNORM) ? TZ_FD_READING : 0) |
                     (events & (POLLOUT | POLLWRNORM) ? TZ_FD_WRITING : 0);
    if (!(events & READY) || when < 0)
        return -EINVAL;
    tz_fd *f;
    int err = tz_fd_begin(&f, fd, sides);
    if (err < 0)
        return err;
    when = tz_real_time(when);
    for (int i = 0; i < 2; i++)
        if (sides & (TZ_FD_READING << i))
            tz_netpoll_limit(&f->pd, i, when);
    int r = wait_ready(f, fd, events, sides);
    for (int i = 0; i < 2; i++)
        if (sides & (TZ_FD_READING << i))
            tz_netpoll_limit(&f->pd, i, 0);
    tz_fd_leave(f, fd, sides);
    return r;
}

int tuza_shutdown(int fd, int how)
{
    tz_fd *f;
    int err = tz_fd_begin(&f, fd, 0);
    if (err < 0)
        return err;
    err = tz_os_shutdown(fd, how);
    tz_fd_leave(f, fd, 0);
    return err;
}
