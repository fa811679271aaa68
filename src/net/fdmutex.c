/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may use a descriptor: Go's fdMutex.
 *
 * The word f->mu has it all and is changed by CAS, so that a read or a write
 * that meets nobody costs two of them. Who finds its side taken queues under
 * f->lock, with the side's bit for that set in the word in the same hold; who
 * gives a side up and finds that bit hands it to the first in the queue,
 * under the lock too, and the word goes on saying that it is taken. So sides
 * are served in order, and a right is never free while somebody waits for it.
 *
 * Closing. CLOSED is set once, and nobody becomes a user after it. The users
 * there were leave one by one; the one that closes waits for that, as their
 * system calls must not meet the number's next owner. It does not wait for
 * those that are stuck in a call that blocks their thread: the last to leave
 * then closes in its place (tz_fd_exit says so).
 *
 * Orders: acquire where a right is got, release where it is given up; what
 * the holder of a side wrote (dry) is seen by the next.
 */
#include <errno.h>

#include "base/fatal.h"
#include "net/fd.h"
#include "tuza/panic.h"

static uint64_t waiting_bits(uint64_t sides)
{
    return sides << 2; /* READING, WRITING -> READERS, WRITERS */
}
_Static_assert(TZ_FD_READERS == TZ_FD_READING << 2 && TZ_FD_WRITERS == TZ_FD_WRITING << 2, "waiting_bits");

static void append(tz_fdqueue *q, tz_sudog *s)
{
    s->next = NULL;
    if (q->last)
        q->last->next = s;
    else
        q->first = s;
    q->last = s;
}

static tz_sudog *pop(tz_fdqueue *q)
{
    tz_sudog *s = q->first;
    if (s)
        q->first = s->next;
    if (!q->first)
        q->last = NULL;
    return s;
}

/* After-switch action. */
static void unlock(tz_m *m, void *arg)
{
    (void)m;
    tz_lock_release(arg, TZ_RANK_FD);
}

TZ_COLD static void too_many(void)
{
    tuza_panic("too many concurrent operations on a single file or socket (max 1048575)");
}

/* Takes `side`, one of the two, or waits until it is handed it. */
static int enter_side(tz_fd *f, int fd, uint64_t side)
{
    tz_m *m = tz_enter_movable();
    tz_lock_acquire(&f->lock, TZ_RANK_FD);
    uint64_t mu = tz_load_relaxed(&f->mu), next;
    do {
        if ((mu & TZ_FD_CLOSED) || mu / TZ_FD_USER == TZ_FD_USERS) {
            tz_lock_release(&f->lock, TZ_RANK_FD);
            tz_leave(m);
            if (!(mu & TZ_FD_CLOSED))
                too_many();
            return -EBADF;
        }
        /* Who waits is a user already: the hand-over changes nothing in the word. */
        next = (mu & side ? mu | waiting_bits(side) : mu | side) + TZ_FD_USER;
    } while (!tz_cas_acquire(&f->mu, &mu, next));
    if (!(mu & side)) {
        tz_lock_release(&f->lock, TZ_RANK_FD);
        tz_leave(m);
        return 0;
    }
    tz_g *g = m->g;
    append(&f->queue[side == TZ_FD_WRITING], &g->waiter);
    m = tz_park_back(m, TZ_WAIT_SEMACQUIRE, unlock, &f->lock);
    bool got = g->result;
    tz_leave(m);
    if (got)
        return 0;
    tz_fd_leave(f, fd, 0);
    return -ECANCELED;
}

int tz_fd_enter(tz_fd *f, int fd, uint64_t sides)
{
    uint64_t mu = tz_load_relaxed(&f->mu);
    while (TZ_LIKELY(!(mu & (sides | TZ_FD_CLOSED)) && mu / TZ_FD_USER < TZ_FD_USERS))
        if (tz_cas_acquire(&f->mu, &mu, (mu | sides) + TZ_FD_USER))
            return 0;
    if (mu & TZ_FD_CLOSED)
        return -EBADF;
    if (mu / TZ_FD_USER >= TZ_FD_USERS)
        too_many();
    if (sides != (TZ_FD_READING | TZ_FD_WRITING))
        return enter_side(f, fd, sides);
    int err = enter_side(f, fd, TZ_FD_READING); /* in this order always */
    if (err < 0)
        return err;
    err = enter_side(f, fd, TZ_FD_WRITING);
    tz_fd_leave(f, fd, err < 0 ? TZ_FD_READING : 0); /* counted twice */
    return err;
}

int tz_fd_begin(tz_fd **f, int fd, uint64_t sides)
{
    int err;
    *f = tz_fd_find(fd, &err);
    if (!*f)
        return err;
    if (sides)
        tz_leave(tz_enter_movable());
    return tz_fd_enter(*f, fd, sides);
}

/* Hands `side`, which the caller has, to who waits for it first; else it is free. */
static void hand_over(tz_m *m, tz_fd *f, uint64_t side)
{
    tz_fdqueue *q = &f->queue[side == TZ_FD_WRITING];
    tz_lock_acquire(&f->lock, TZ_RANK_FD);
    tz_sudog *s = pop(q);
    uint64_t mu = tz_load_relaxed(&f->mu), next;
    do {
        next = s ? mu : mu & ~side;
        if (!q->first)
            next &= ~waiting_bits(side);
    } while (!tz_cas_release(&f->mu, &mu, next));
    tz_lock_release(&f->lock, TZ_RANK_FD);
    if (s) {
        s->g->result = 1;
        tz_ready(m, s->g);
    }
}

/* Whoever closes is the only user now. */
static void wake_closer(tz_fd *f)
{
    tz_m *m = tz_enter();
    tz_lock_acquire(&f->lock, TZ_RANK_FD);
    tz_g *g = f->closer;
    f->closer = NULL;
    tz_lock_release(&f->lock, TZ_RANK_FD);
    if (g)
        tz_ready(m, g);
    tz_leave(m);
}

/* True: the last has left, and the caller must destroy. */
static bool exit_slow(tz_fd *f, uint64_t sides)
{
    if (sides) {
        tz_m *m = tz_enter();
        if (sides & TZ_FD_READING)
            hand_over(m, f, TZ_FD_READING);
        if (sides & TZ_FD_WRITING)
            hand_over(m, f, TZ_FD_WRITING);
        tz_leave(m);
    }
    uint64_t mu = tz_sub_acq_rel(&f->mu, TZ_FD_USER);
    uint64_t users = mu / TZ_FD_USER;
    if (users == 0)
        tz_throw("inconsistent poll.fdMutex");
    if (!(mu & TZ_FD_CLOSED))
        return false;
    if (users == 2)
        wake_closer(f);
    return users == 1;
}

void tz_fd_leave(tz_fd *f, int fd, uint64_t sides)
{
    uint64_t mu = tz_load_relaxed(&f->mu);
    while (TZ_LIKELY(!(mu & (waiting_bits(sides) | TZ_FD_CLOSED)) && mu >= TZ_FD_USER))
        if (tz_cas_release(&f->mu, &mu, (mu & ~sides) - TZ_FD_USER))
            return;
    if (exit_slow(f, sides))
        tz_fd_destroy(f, fd);
}

int tz_fd_begin_close(tz_fd *f)
{
    tz_m *m = tz_enter();
    tz_lock_acquire(&f->lock, TZ_RANK_FD);
    uint64_t mu = tz_load_relaxed(&f->mu), next;
    do {
        if (mu & TZ_FD_CLOSED) {
            tz_lock_release(&f->lock, TZ_RANK_FD);
            tz_leave(m);
            return -EBADF;
        }
        next = ((mu | TZ_FD_CLOSED) & ~(TZ_FD_READERS | TZ_FD_WRITERS)) + TZ_FD_USER;
    } while (!tz_cas_acq_rel(&f->mu, &mu, next));
    tz_sudog *gone[2];
    for (int i = 0; i < 2; i++) {
        gone[i] = f->queue[i].first;
        f->queue[i] = (tz_fdqueue){NULL, NULL};
    }
    tz_lock_release(&f->lock, TZ_RANK_FD);
    for (int i = 0; i < 2; i++) {
        for (tz_sudog *s = gone[i], *after; s; s = after) {
            after = s->next; /* before it runs on */
            s->g->result = 0;
            tz_ready(m, s->g);
        }
    }
    tz_leave(m);
    return 0;
}

bool tz_fd_begin_stuck(tz_fd *f)
{
    (void)tz_add_relaxed(&f->stuck, 1);
    tz_fence_store_load(); /* pairs with end_close's: it sees that one is stuck, or we that it is closed */
    if (!(tz_load_relaxed(&f->mu) & TZ_FD_CLOSED))
        return true;
    tz_fd_end_stuck(f);
    return false;
}

void tz_fd_end_stuck(tz_fd *f)
{
    (void)tz_sub_relaxed(&f->stuck, 1);
}

int tz_fd_end_close(tz_fd *f, int fd)
{
    for (;;) {
        tz_m *m = tz_enter_movable();
        tz_lock_acquire(&f->lock, TZ_RANK_FD);
        tz_fence_store_load(); /* CLOSED was set; pairs with begin_stuck's */
        bool last = tz_load_acquire(&f->mu) / TZ_FD_USER == 1;
        if (last || tz_load_relaxed(&f->stuck)) {
            tz_lock_release(&f->lock, TZ_RANK_FD);
            tz_leave(m);
            return last || exit_slow(f, 0) ? tz_fd_destroy(f, fd) : 0;
        }
        if (tz_load_relaxed(&tz_sched.ending)) { /* ours is the only goroutine that still runs */
            tz_lock_release(&f->lock, TZ_RANK_FD);
            tz_leave(m);
            tz_fd_abandon(f, fd);
            return 0;
        }
        f->closer = m->g;
        m = tz_park_back(m, TZ_WAIT_SEMACQUIRE, unlock, &f->lock);
        tz_leave(m);
    }
}
