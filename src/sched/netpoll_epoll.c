/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tells the netpoller of events: one epoll descriptor. Go's
 * netpoll_epoll.go.
 *
 * Stale events. An event's data is the polldesc, which is never freed, and
 * the low bits of pd->seq. tz_netpoll_reset changes that before the
 * number's next owner can be registered, so what is told of an earlier open
 * file (one that lives on under another number, say) is dropped.
 *
 * The sweep. A descriptor that was closed by plain close() is known to epoll no
 * more, and nothing tells us. So who polls looks about once a second whether
 * somebody has been waiting since the last time, and asks the kernel about
 * that descriptor by registering it again: EEXIST is as it should be. Else the
 * waiter is sent back to look. The next questions come ever more seldom.
 * Whether the number was given back and is another's by then shows in pd->seq,
 * which changes before a number is given back.
 *
 * The epoll descriptor may vanish: the program closes every descriptor it
 * finds, or we are a forked child, which shares it with its parent. A new one
 * has a new epoch; each polldesc knows of which epoch its registration is, and
 * whoever waits is sent back to register again.
 *
 * The break. An eventfd would be written to, and after such a close our number
 * may be a file of the program's. So it is a descriptor that is always ready,
 * registered to be told of once: to break is to register it once more.
 */
#include <errno.h>

#include "base/fatal.h"
#include "sched/netpoll.h"
#include "sched/proc.h"
#include "sched/sched.h"

#define EVENTS   (TZ_OS_IN | TZ_OS_OUT | TZ_OS_RDHUP | TZ_OS_PRI | TZ_OS_EDGE)
#define BATCH    256
#define SEQ_BITS 22
#define ASK_MAX  64000000000
#define SEQ_MASK (((uint32_t)1 << SEQ_BITS) - 1)

static struct {
    tz_lock lock;  /* TZ_RANK_POLL: making, closing and the list; ep, always, wakes */
    int ep;        /* atomic; valid while tz_netpoll_epoch is not 0 */
    int always;    /* atomic: a descriptor that is always ready, and told of once for each break */
    uint32_t last; /* lock: the last epoch that was used */
} poll;
uint32_t tz_netpoll_epoch;
tz_polldesc *tz_netpoll_all;
int64_t tz_netpoll_sweep_at = INT64_MAX;

/* An event carries a pointer and what fits beside it: user addresses have 48 bits, and 6 are 0 by
 * alignment. */
_Static_assert(_Alignof(tz_polldesc) == 1 << (SEQ_BITS - 16), "bits for the tag");
static uint64_t tag(const tz_polldesc *pd)
{
    return ((uint64_t)(uintptr_t)pd << 16) | (tz_load_relaxed(&pd->seq) & SEQ_MASK);
}
static tz_polldesc *untag(uint64_t data)
{
    return (tz_polldesc *)(uintptr_t)(data >> 16 & ~(uint64_t)63);
}

/* Under poll.lock. 0 or a negative errno. */
static int make_locked(void)
{
    if (tz_netpoll_epoch)
        return 0;
    int ep = tz_os_epoll_create();
    if (ep < 0)
        return ep;
    int always = tz_os_eventfd(1);
    int err = always < 0 ? always : tz_os_epoll_add(ep, always, TZ_OS_ONCE, 0);
    if (err < 0) {
        if (always >= 0)
            tz_os_close(always);
        tz_os_close(ep);
        return err;
    }
    tz_store_relaxed(&poll.ep, ep);
    tz_store_relaxed(&poll.always, always);
    if (++poll.last == 0)
        poll.last = 1;
    tz_store_release(&tz_netpoll_epoch, poll.last); /* pairs with current() */
    return 0;
}

static int make(void)
{
    tz_lock_acquire(&poll.lock, TZ_RANK_POLL);
    int err = make_locked();
    tz_lock_release(&poll.lock, TZ_RANK_POLL);
    return err;
}

/* The epoll descriptor of an epoch that is not over; *epoch is 0 where there is none. */
static int current(uint32_t *epoch)
{
    *epoch = tz_load_acquire(&tz_netpoll_epoch);
    return tz_load_relaxed(&poll.ep);
}

uint32_t tz_netpoll_collect(tz_m *m, tz_g *g, tz_workq *out)
{
    if (!g)
        return 0;
    if (m && m->p)
        tz_netpoll_count(m, -1);
    tz_store_relaxed(&g->status, TZ_G_RUNNABLE);
    tz_work *w = tz_work_of_g(g);
    *tz_work_link(w) = NULL;
    if (out->tail)
        *tz_work_link(out->tail) = w;
    else
        out->head = w;
    out->tail = w;
    return 1;
}

/* Something has happened to these sides, bits TZ_POLL_SIDE: who waits on them, and who watches, goes on. */
static uint32_t wake(tz_m *m, tz_polldesc *pd, uint32_t sides, tz_workq *out)
{
    uint32_t n = 0;
    for (int i = 0; i < 2; i++)
        if (sides & TZ_POLL_SIDE(i))
            n += tz_netpoll_collect(m, tz_netpoll_unblock(&pd->side[i], true), out);
    return n + tz_netpoll_tell(m, pd, sides, out);
}

/* The descriptor of that epoch does not work any more. What is left of it is not closed: the number may be
 * another's. All that wait look again; m may be NULL. */
static uint32_t lost(tz_m *m, uint32_t epoch, tz_workq *out)
{
    uint32_t n = 0;
    tz_lock_acquire(&poll.lock, TZ_RANK_POLL);
    if (tz_netpoll_epoch == epoch) {
        tz_store_relaxed(&tz_netpoll_epoch, 0);
        tz_fence_store_load(); /* pairs with commit's */
        for (tz_polldesc *pd = tz_netpoll_all; pd; pd = pd->link)
            n += wake(m, pd, TZ_POLL_SIDES, out);
    }
    tz_lock_release(&poll.lock, TZ_RANK_POLL);
    return n;
}

static bool is_broken(int err)
{
    return err == -EBADF || err == -EINVAL;
}

static void list(tz_polldesc *pd)
{
    tz_lock_acquire(&poll.lock, TZ_RANK_POLL);
    if (!pd->side[0].pd) {
        tz_netpoll_init(pd);
        pd->link = tz_netpoll_all;
        tz_store_release(&tz_netpoll_all, pd); /* pairs with the sweep */
    }
    tz_lock_release(&poll.lock, TZ_RANK_POLL);
}

/* Whether it is our descriptor, and not fd, that is broken; then it is given up. */
static bool was_lost(int err, uint32_t epoch)
{
    if (!is_broken(err))
        return false;
    if (tz_load_acquire(&tz_netpoll_epoch) != epoch) /* another has found out */
        return true;
    /* Not by a wait, which would take an event that is somebody's. */
    if (tz_os_epoll_add(tz_load_relaxed(&poll.ep), tz_load_relaxed(&poll.always), TZ_OS_ONCE, 0) == -EEXIST)
        return false;
    tz_m *m = tz_enter();
    tz_workq out = {NULL, NULL};
    lost(m, epoch, &out);
    tz_runq_put_list(m->p, out.head);
    tz_leave(m);
    return true;
}

int tz_netpoll_add(tz_polldesc *pd, int fd)
{
    if (TZ_UNLIKELY(!tz_load_acquire(&pd->side[0].pd)))
        list(pd);
    tz_store_relaxed(&pd->fd, fd);
    for (;;) {
        uint32_t epoch;
        int ep = current(&epoch);
        if (TZ_UNLIKELY(epoch == 0)) {
            int err = make();
            if (err < 0)
                return err;
            continue;
        }
        int err = tz_os_epoll_add(ep, fd, EVENTS, tag(pd));
        if (err == -EEXIST && tz_load_relaxed(&pd->epoch) != epoch) {
            /* We did not know: the file was there under an earlier tag. */
            err = tz_os_epoll_mod(ep, fd, EVENTS, tag(pd));
        }
        if (err == 0 || err == -EEXIST) {
            tz_store_relaxed(&pd->epoch, epoch);
            return err ? 1 : 0;
        }
        if (!was_lost(err, epoch))
            return err;
    }
}

void tz_netpoll_del(tz_polldesc *pd, int fd)
{
    uint32_t epoch;
    int ep = current(&epoch);
    if (epoch && tz_load_relaxed(&pd->epoch) == epoch)
        (void)tz_os_epoll_del(ep, fd);
    tz_store_relaxed(&pd->epoch, 0);
}

/* As far as the sweep has said it of the file that pd stands for. */
static bool has_moved(const tz_polldesc *pd, uint32_t moved)
{
    return moved && moved == tz_load_relaxed(&pd->seq) + 1;
}

bool tz_netpoll_has(const tz_polldesc *pd)
{
    uint32_t epoch = tz_load_relaxed(&pd->epoch);
    return epoch && epoch == tz_load_relaxed(&tz_netpoll_epoch) &&
           !has_moved(pd, tz_load_relaxed(&pd->moved));
}

bool tz_netpoll_moved(tz_polldesc *pd)
{
    return tz_load_relaxed(&pd->moved) && has_moved(pd, tz_xchg_relaxed(&pd->moved, 0));
}

void tz_netpoll_break(void)
{
    uint32_t epoch;
    int ep = current(&epoch);
    if (epoch)
        (void)tz_os_epoll_mod(ep, tz_load_relaxed(&poll.always), TZ_OS_ONCE, 0);
}

/* Somebody waits for pd all the time since it was seen last: is it still what it was? */
static uint32_t ask(tz_m *m, tz_polldesc *pd, int64_t now, tz_workq *out)
{
    if (!tz_lock_try(&pd->asking, TZ_RANK_ASK)) /* somebody is being told just now */
        return 0;
    uint32_t epoch, seq = tz_load_acquire(&pd->seq);
    int ep = current(&epoch);
    pd->ask_gap = pd->ask_gap < ASK_MAX ? 4 * pd->ask_gap : ASK_MAX;
    pd->ask_at = now + pd->ask_gap;
    bool same = tz_load_relaxed(&pd->epoch) != epoch ||
                tz_os_epoll_add(ep, tz_load_relaxed(&pd->fd), EVENTS, tag(pd)) == -EEXIST ||
                tz_load_acquire(&pd->seq) != seq;
    if (!same) /* of that file: should the number be another's by now, it does not count */
        tz_store_relaxed(&pd->moved, seq + 1);
    tz_lock_release(&pd->asking, TZ_RANK_ASK);
    if (same)
        return 0;
    return wake(m, pd, TZ_POLL_SIDES, out);
}

static uint32_t sweep(tz_m *m, int64_t now, tz_workq *out)
{
    uint32_t taken = 0;
    bool any = false;
    for (tz_polldesc *pd = tz_load_acquire(&tz_netpoll_all); pd; pd = pd->link) {
        if (!tz_netpoll_is_waiting(&pd->side[0]) && !tz_netpoll_is_waiting(&pd->side[1]) &&
            !tz_load_relaxed(&pd->watches))
            continue;
        any = true;
        uint32_t waits = tz_load_relaxed(&pd->waits);
        if (waits != pd->seen) {
            pd->seen = waits;
            pd->ask_at = 0;
            pd->ask_gap = TZ_POLL_SWEEP_NS;
        } else if (now >= pd->ask_at) {
            taken += ask(m, pd, now, out);
        }
    }
    /* Release: what is the sweep's goes to the next, which acquires. */
    tz_store_release(&tz_netpoll_sweep_at, any ? now + TZ_POLL_SWEEP_NS : INT64_MAX);
    tz_fence_store_load(); /* pairs with commit: who waits meanwhile is counted, or finds no sweep due */
    if (!any && tz_netpoll_waiters() > 0)
        tz_store_relaxed(&tz_netpoll_sweep_at, now + TZ_POLL_SWEEP_NS);
    return taken;
}

/* Where it is time for that, and nobody else does it. */
static uint32_t try_sweep(tz_m *m, tz_workq *out)
{
    int64_t at = tz_load_relaxed(&tz_netpoll_sweep_at), now;
    if (at == INT64_MAX || at > (now = tz_os_now()) ||
        !tz_cas_acquire(&tz_netpoll_sweep_at, &at, now + ASK_MAX))
        return 0;
    return sweep(m, now, out);
}

static void count_woken(tz_m *m, uint32_t taken)
{
    tz_p *p = m ? m->p : NULL;
    if (p)
        tz_store_relaxed(&p->polled, p->polled + taken);
    else if (taken)
        tz_add_relaxed(&tz_sched.polled, taken);
}

uint32_t tz_netpoll(tz_m *m, int64_t deadline, tz_workq *out)
{
    tz_os_event events[BATCH];
    uint32_t epoch;
    int ep = current(&epoch);
    if (epoch == 0)
        return 0;
    /* Whoever waits for something later on does not tell us when the next sweep is due. */
    int64_t until = deadline;
    if (deadline > 0 && tz_os_now() < deadline - TZ_POLL_SWEEP_NS)
        until = tz_os_now() + TZ_POLL_SWEEP_NS;
    int n = tz_os_epoll_wait(ep, events, BATCH, until);
    if (n < 0)
        return is_broken(n) ? lost(m, epoch, out) : 0;
    uint32_t taken = try_sweep(m, out);
    /* Pairs with list(): whoever registered a polldesc had made it before. That order is the kernel's, too:
     * no sanitizer sees it there. */
    (void)tz_load_acquire(&tz_netpoll_all);
    for (int i = 0; i < n; i++) {
        uint32_t what = events[i].events;
        tz_polldesc *pd = untag(events[i].data);
        if (!pd) { /* the break, for the M that waits in here; if that is not the caller, once more */
            if (deadline == 0 && tz_load_relaxed(&tz_sched.netpolling))
                tz_netpoll_break();
            continue;
        }
        if (tag(pd) != events[i].data) /* of an earlier file */
            continue;
        if (what & (TZ_OS_RDHUP | TZ_OS_HUP | TZ_OS_ERR))
            tz_store_relaxed(&pd->ended, 1); /* before it is unblocked, which releases */
        uint32_t sides = 0;
        if (what & (TZ_OS_IN | TZ_OS_PRI | TZ_OS_RDHUP | TZ_OS_HUP | TZ_OS_ERR))
            sides |= TZ_POLL_SIDE(TZ_POLL_READ);
        if (what & (TZ_OS_OUT | TZ_OS_HUP | TZ_OS_ERR))
            sides |= TZ_POLL_SIDE(TZ_POLL_WRITE);
        taken += wake(m, pd, sides, out);
    }
    count_woken(m, taken);
    return taken;
}

static void close_poll(void)
{
    if (tz_netpoll_epoch == 0)
        return;
    tz_store_relaxed(&tz_netpoll_epoch, 0);
    tz_store_relaxed(&tz_netpoll_sweep_at, INT64_MAX);
    tz_os_close(poll.always);
    tz_os_close(poll.ep);
}

void tz_netpoll_close(void)
{
    tz_lock_acquire(&poll.lock, TZ_RANK_POLL);
    close_poll();
    tz_lock_release(&poll.lock, TZ_RANK_POLL);
}

void tz_netpoll_close_forked(void)
{
    poll.lock.word = 0; /* somebody who is not here may have had it */
    close_poll();
}
