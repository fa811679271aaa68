/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of descriptors, and what it means that one is another's now.
 *
 * Pages of tz_fd are made when a number in them is first used, and stay. The
 * pages' own table is static for the numbers that occur; for those above a
 * million, which need a raised fs.nr_open, address space is reserved with the
 * first of them.
 *
 * A file that tuza opened is registered with the poller at its first wait and
 * stays so; at each further one only a flag is looked at. Any other is
 * registered anew before each wait: EEXIST says that it is still the file that
 * we know, success that it is not, and then what was said of the earlier file
 * (deadlines, a context, cancellation) is forgotten. The same is asked of any
 * file before an error is returned for such a reason. So a number's next
 * owner never inherits, whoever closed the one before. The kernel gives that
 * answer once: to ask and to forget is one hold of pd->asking, so that whoever
 * else asks about the new file has it without the old one's. That lock is
 * taken in user code: epoll_ctl asks the file, and a file may take its time.
 *
 * What remains: a file of ours closed by plain close(), its number then that
 * of a file which tuza did not open. That would look registered; the poller's
 * sweep notices it, within seconds, where somebody waits. And a file that dup2
 * puts back under its number, from a duplicate, is known still: what was said
 * of the one that was there in between is taken to be of it.
 */
#include "net/fd.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fatal.h"
#include "os/net.h"

#define PAGE_BITS 8
#define PAGE_FDS  (1 << PAGE_BITS)
#define NEAR      (((size_t)1 << 20) >> PAGE_BITS)
#define ALL       (((size_t)1 << 31) >> PAGE_BITS)

static tz_fd *near_pages[NEAR]; /* atomic: NULL, then for good; release, acquire */
static tz_fd **far_pages;       /* atomic, the same; indexed by all of the number's page */

static size_t whole_pages(size_t n)
{
    size_t page = tz_os_page_size();
    return (n + page - 1) / page * page;
}

/* Where the page of a number is said; NULL: no memory. */
static tz_fd **slot(size_t page)
{
    if (page < NEAR)
        return &near_pages[page];
    tz_fd **far = tz_load_acquire(&far_pages);
    if (!far) {
        tz_fd **made = tz_os_reserve(ALL * sizeof *made), **none = NULL;
        if (!made)
            return NULL;
        if (tz_cas_acq_rel(&far_pages, &none, made)) {
            far = made;
        } else {
            tz_os_release(made, ALL * sizeof *made);
            far = none;
        }
    }
    return &far[page];
}

/* In a forked child: who was in the middle of a call is not here; limits and the rest stay. */
static void forget_users(tz_fd *page)
{
    for (int i = 0; i < PAGE_FDS; i++) {
        tz_fd *f = &page[i];
        f->mu = 0;
        f->lock.word = 0;
        f->queue[0] = f->queue[1] = (tz_fdqueue){NULL, NULL};
        f->closer = NULL;
        f->stuck = 0;
        f->changing = false;
        free(f->unlink_path); /* it is the parent's */
        f->unlink_path = NULL;
    }
}

static void forked(void)
{
    for (size_t i = 0; i < NEAR; i++)
        if (near_pages[i])
            forget_users(near_pages[i]);
    for (size_t i = NEAR; far_pages && i < ALL; i++)
        if (far_pages[i])
            forget_users(far_pages[i]);
}

/* Behind sched/start.c's, and before the program's constructors, whose handlers may use descriptors. */
static __attribute__((constructor(102))) void wire(void)
{
    tz_os_at_fork(NULL, NULL, forked);
}

static tz_fd *make_page(tz_fd **at)
{
    size_t n = whole_pages(PAGE_FDS * sizeof(tz_fd));
    tz_fd *made = tz_os_reserve(n), *none = NULL;
    if (!made)
        return NULL;
    if (tz_cas_acq_rel(at, &none, made)) /* release: its zeros */
        return made;
    tz_os_release(made, n);
    return none;
}

static TZ_COLD tz_fd *find_slow(int fd, int *err)
{
    *err = -EBADF;
    if (fd < 0 || !tz_os_is_open(fd))
        return NULL;
    *err = -ENOMEM;
    tz_fd **at = slot((size_t)fd >> PAGE_BITS);
    tz_fd *page = at ? tz_load_acquire(at) : NULL;
    if (at && !page)
        page = make_page(at);
    return page ? &page[fd % PAGE_FDS] : NULL;
}

tz_fd *tz_fd_find(int fd, int *err)
{
    size_t page = (size_t)(unsigned)fd >> PAGE_BITS;
    tz_fd *p = TZ_LIKELY(page < NEAR) ? tz_load_acquire(&near_pages[page]) : NULL;
    return TZ_LIKELY(p != NULL) ? &p[fd % PAGE_FDS] : find_slow(fd, err);
}

/* Under f->lock: the number stands for another open file, and whoever still uses the old one finds that out.
 * What is left to do about that one without the lock: its path, and its context. */
static char *begin(tz_m *m, tz_fd *f, bool ended)
{
    tz_store_relaxed(&f->ours, false);
    tz_store_relaxed(&f->file, false);
    tz_store_relaxed(&f->tells_left, false);
    tz_store_relaxed(&f->dry, false);
    tz_store_relaxed(&f->late, 0);
    tz_store_relaxed(&f->gone, 0);
    tz_store_relaxed(&f->cancelled, false);
    /* While it is being closed the stop is the closer's, whom users must hear. */
    if (ended || !(tz_load_relaxed(&f->mu) & TZ_FD_CLOSED))
        tz_netpoll_set_stop(m, &f->pd, 0);
    tz_netpoll_renew(m, &f->pd);
    char *path = f->unlink_path;
    f->unlink_path = NULL;
    return path;
}

int tz_fd_adopt(int fd, bool tells_left, char *unlink_path)
{
    int err;
    tz_fd *f = tz_fd_find(fd, &err);
    if (!f) {
        tz_os_close_fd(fd);
        free(unlink_path);
        return err;
    }
    tz_file_id id = {0, 0};
    if (unlink_path)
        (void)tz_os_file_id(fd, &id);
    (void)tz_load_acquire(&f->mu); /* pairs with destroy's: the number came from there by way of the kernel */
    tz_m *m = tz_enter();
    tz_lock_acquire(&f->lock, TZ_RANK_FD);
    bool stale =
        tz_load_relaxed(&f->pd.epoch) || tz_load_relaxed(&f->ours); /* plain close() ended the last one */
    char *old_path = begin(m, f, false);
    if (TZ_UNLIKELY(stale))
        tz_netpoll_reset(&f->pd);
    f->unlink_path = unlink_path;
    f->path_of = id;
    tz_store_relaxed(&f->tells_left, tells_left);
    tz_store_relaxed(&f->ours, true);
    tz_lock_release(&f->lock, TZ_RANK_FD);
    tz_leave(m);
    free(old_path);
    tz_fd_drop_context(f);
    return fd;
}

int tz_fd_is_new(tz_fd *f, int fd)
{
    char *old_path = NULL;
    tz_lock_acquire(&f->pd.asking, TZ_RANK_ASK);
    /* Known by an earlier epoll descriptor of ours, which was lost, is known: who closes that has closed the
     * others too, as a rule. */
    bool known = tz_load_relaxed(&f->pd.epoch);
    int r = tz_netpoll_add(&f->pd, fd);
    bool other = known && (r == 0 || r == -EPERM || (r > 0 && tz_netpoll_moved(&f->pd)));
    if (TZ_UNLIKELY(other)) {
        tz_m *m = tz_enter();
        tz_lock_acquire(&f->lock, TZ_RANK_FD);
        old_path = begin(m, f, false);
        tz_lock_release(&f->lock, TZ_RANK_FD);
        tz_leave(m);
    }
    tz_lock_release(&f->pd.asking, TZ_RANK_ASK);
    if (TZ_UNLIKELY(other)) {
        free(old_path);
        tz_fd_drop_context(f);
    }
    return r < 0 ? r : other;
}

int tz_fd_check(tz_fd *f, int fd, int side)
{
    int err = tz_netpoll_check(&f->pd, side);
    if (TZ_LIKELY(err == 0) || (tz_load_relaxed(&f->mu) & TZ_FD_CLOSED))
        return err;
    int fresh = tz_fd_is_new(f, fd);
    if (fresh == -EPERM)
        return 0;
    if (fresh < 0)
        return fresh;
    return tz_netpoll_check(&f->pd, side); /* anew: another user may have found out before us */
}

/* side < 0: both. */
static int wait(tz_fd *f, int fd, int side)
{
    uint32_t generation = tz_load_acquire(&f->pd.generation);
    if (!tz_load_relaxed(&f->ours) || !tz_netpoll_has(&f->pd)) {
        int fresh = tz_fd_is_new(f, fd);
        if (fresh)
            return fresh < 0 ? fresh : 0;
        generation = tz_load_relaxed(&f->pd.generation);
    }
    int err = side < 0 ? tz_netpoll_wait_both(&f->pd, generation) : tz_netpoll_wait(&f->pd, side, generation);
    if (generation != tz_load_acquire(&f->pd.generation))
        return -EBADF;
    return err < 0 ? tz_fd_check(f, fd, side < 0 ? TZ_POLL_READ : side) : 0;
}

int tz_fd_wait(tz_fd *f, int fd, int side)
{
    return wait(f, fd, side);
}

int tz_fd_wait_both(tz_fd *f, int fd)
{
    return wait(f, fd, -1);
}

/* Where fd is still the listener that made it. Where it is not, that one was closed by plain close(), and
 * what is at the path may be a later one's. */
static void remove_path(char *path, const tz_file_id *of, int fd)
{
    tz_file_id id;
    if (path && tz_os_file_id(fd, &id) == 0 && id.device == of->device && id.inode == of->inode)
        (void)tz_os_unlink(path);
    free(path);
}

void tz_fd_abandon(tz_fd *f, int fd)
{
    remove_path(f->unlink_path, &f->path_of, fd);
    f->unlink_path = NULL;
}

int tz_fd_destroy(tz_fd *f, int fd)
{
    tz_m *m = tz_enter();
    tz_lock_acquire(&f->lock, TZ_RANK_FD);
    tz_netpoll_del(&f->pd, fd);
    tz_netpoll_reset(&f->pd);
    char *path = begin(m, f, true);
    tz_file_id of = f->path_of;
    tz_lock_release(&f->lock, TZ_RANK_FD);
    tz_leave(m);
    remove_path(path, &of, fd);
    tz_fd_drop_context(f);
    tz_store_release(&f->mu, 0);
    return tz_os_close_fd(fd); /* last: from here on the number is another's */
}

int tuza_close(int fd)
{
    int err;
    tz_fd *f = tz_fd_find(fd, &err);
    if (!f)
        return err == -ENOMEM ? tz_os_close_fd(fd) : err; /* unknown to us */
    err = tz_fd_begin_close(f);
    if (err < 0)
        return err;
    tz_netpoll_stop(&f->pd, -ECANCELED);
    return tz_fd_end_close(f, fd);
}
