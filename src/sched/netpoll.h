/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The netpoller's surface: descriptors that goroutines wait for. netpoll.c
 * has the protocol.
 */
#ifndef TZ_NETPOLL_H
#define TZ_NETPOLL_H

#include "os/os.h"
#include "sched/gmp.h"

enum { TZ_POLL_READ, TZ_POLL_WRITE };

/* One direction of a descriptor. */
typedef struct tz_pollside {
    uintptr_t g;            /* atomic: 0, TZ_POLL_READY, TZ_POLL_BOTH, or the tz_g that waits */
    int64_t deadline;       /* atomic: 0 none; written under lock */
    int64_t limit;          /* atomic: the same for the wait at hand; written by who has the right to wait */
    tz_timer timer;         /* fires at or before those while somebody waits; armed under lock */
    tz_lock lock;           /* TZ_RANK_POLL */
    tz_g *waiter;           /* own, of who has the right to wait: for the after-switch action */
    uint32_t generation;    /* atomic, the same one's: of which open file the wait is */
    struct tz_polldesc *pd; /* const once known to epoll */
} tz_pollside;
#define TZ_POLL_READY ((uintptr_t)1) /* an event came and nobody has used it yet */
#define TZ_POLL_BOTH  ((uintptr_t)2) /* pd->both waits for either side */

/* A select's part in it (netpoll_watch.c): it waits without the right to. */
typedef struct tz_pollwatch {
    struct tz_pollwatch *next, *prev; /* lock watch */
    struct tz_select *sel;            /* const */
    uint32_t sides;                   /* const: the bits TZ_POLL_SIDE */
} tz_pollwatch;
#define TZ_POLL_SIDE(side) ((uint32_t)1 << (side))
#define TZ_POLL_SIDES      ((uint32_t)3)

/* What the kernel's events are about. Type-stable; as aligned as the tag in an event needs it. */
typedef struct TZ_ALIGNED(64) tz_polldesc {
    tz_pollside side[2];
    uint32_t generation; /* atomic: which open file it stands for; changes with tz_netpoll_renew */
    uint32_t seq;        /* atomic: the same for the kernel's events; changes with tz_netpoll_reset */
    tz_lock asking; /* TZ_RANK_ASK: the kernel's answer whether it still does, which is given once, and what
                       follows from it */
    uint32_t epoch; /* atomic: of the epoll descriptor that knows it; 0: none does */
    int32_t stop;   /* atomic: a negative errno: nobody waits any more */
    tz_lock both_lock; /* TZ_RANK_BOTH */
    tz_g *both;        /* lock both: who waits for either side */
    int fd;            /* atomic: the number, from the first registration on */
    uint32_t waits;    /* atomic, written by who has the right to wait: how often somebody did */
    uint32_t ended;    /* atomic: an event told of an end or an error, which will have no other */
    uint32_t moved;    /* atomic: seq + 1 where the sweep has found another open file under the number */
    uint32_t seen;     /* the sweep's: waits when it came by; when to ask again, and after how long */
    int64_t ask_at, ask_gap;
    struct tz_polldesc *link; /* const once known to epoll: the list of all that ever were */
    tz_pollwatch *watches;    /* peeked; lock watch: selects that are to be told */
    tz_lock watch_lock;       /* TZ_RANK_BOTH */
} tz_polldesc;

/* The errors below are negative errnos. In user code where there is no m, else inside; del anywhere. */

/* pd stands for another open file from here on, one without deadlines; callers are serialised. Whoever waits
 * still is sent back to look, and finds another generation. */
void tz_netpoll_renew(tz_m *m, tz_polldesc *pd);
/* And what the kernel tells of the earlier one is dropped; it is not registered. */
void tz_netpoll_reset(tz_polldesc *pd);
/* Has the kernel tell of fd; the first event comes at once if it is ready. 1: it did already. -EPERM: it
 * can't. The caller has pd->asking. */
int tz_netpoll_add(tz_polldesc *pd, int fd);
/* Where it is told of. */
void tz_netpoll_del(tz_polldesc *pd, int fd);
/* Whether the kernel has been asked to tell of it, and as far as we know still does. */
bool tz_netpoll_has(const tz_polldesc *pd);
/* Whether the sweep has found, since the last question, that it does not. */
bool tz_netpoll_moved(tz_polldesc *pd);

/* Waits for a side's next event, or one that came since the last wait or tz_netpoll_take, as long as pd is of
 * that generation. The caller has the right to be the only one. 0, -ETIMEDOUT, what tz_netpoll_stop said. May
 * be early: the caller tries again. */
int tz_netpoll_wait(tz_polldesc *pd, int side, uint32_t generation);
/* The same for either side. */
int tz_netpoll_wait_both(tz_polldesc *pd, uint32_t generation);
/* Uses up an event that came; what made it come is seen by the next system call. */
bool tz_netpoll_take(tz_polldesc *pd, int side);
/* What a wait would return at once: 0, -ETIMEDOUT, or tz_netpoll_stop's. */
int tz_netpoll_check_slow(tz_polldesc *pd, int side);
TZ_INLINE int tz_netpoll_check(tz_polldesc *pd, int side)
{
    if (TZ_UNLIKELY(tz_load_relaxed(&pd->stop) || tz_load_relaxed(&pd->side[side].deadline) ||
                    tz_load_relaxed(&pd->side[side].limit)))
        return tz_netpoll_check_slow(pd, side);
    return 0;
}

void tz_netpoll_set_deadline(tz_polldesc *pd, int side, int64_t when);
/* For the next waits of who has the right to; 0: none. */
void tz_netpoll_limit(tz_polldesc *pd, int side, int64_t when);
/* From here on waits return err; 0 takes that back. */
void tz_netpoll_stop(tz_polldesc *pd, int err);
void tz_netpoll_set_stop(tz_m *m, tz_polldesc *pd, int err); /* the same */

/* From here until unwatch w->sel is told of what happens to its sides, and counts as one that waits; inside,
 * with netpoll_rewatch where it was told (TZ_SELECT_POLLED: it did not count since) and goes on watching. */
void tz_netpoll_watch(tz_polldesc *pd, tz_pollwatch *w);
void tz_netpoll_unwatch(tz_polldesc *pd, tz_pollwatch *w);
void tz_netpoll_rewatch(tz_m *m);
/* When a deadline of the side ends its waits; 0: never. */
int64_t tz_netpoll_deadline(const tz_polldesc *pd, int side);

/* For the scheduler. */

/* How many goroutines wait for descriptors; exact while every P is idle, under sched.lock. */
int64_t tz_netpoll_waiters(void);
/* Collects the goroutines whose descriptors are ready, waiting for that until the deadline (0: not at
 * all). m is NULL, or on its g0, with or without a P. Returns how many. Where m has no P they count as
 * waiting still: in its hands they are on no queue, and a look for deadlocks in between would find
 * nobody. */
uint32_t tz_netpoll(tz_m *m, int64_t deadline, tz_workq *ready);
/* So many of those are on a queue now; under sched.lock, or m has got a P. */
void tz_netpoll_queued(uint32_t n);
/* Ends that wait early, now or the next time. */
void tz_netpoll_break(void);
/* Nothing waits, and nobody is told of anything any more: the last tuza_stop. */
void tz_netpoll_close(void);
/* The same in a forked child, whatever waited in its parent. */
void tz_netpoll_forget(void);

/* Between netpoll.c, netpoll_epoll.c and netpoll_watch.c. */

/* Who waits on this side shall go on, with that result: taken off, or NULL. An event is latched. */
tz_g *tz_netpoll_unblock(tz_pollside *s, bool event);
TZ_INLINE bool tz_netpoll_is_waiting(const tz_pollside *s)
{
    return tz_load_acquire(&s->g) & ~TZ_POLL_READY;
}
/* Whoever watches one of these sides is to look. Those woken by that are collected; how many. */
uint32_t tz_netpoll_tell_slow(tz_m *m, tz_polldesc *pd, uint32_t sides, tz_workq *out);
TZ_INLINE uint32_t tz_netpoll_tell(tz_m *m, tz_polldesc *pd, uint32_t sides, tz_workq *out)
{
    return TZ_UNLIKELY(tz_load_relaxed(&pd->watches)) ? tz_netpoll_tell_slow(m, pd, sides, out) : 0;
}
/* g, if there is one, is runnable and goes to the list. Who has no P counts it when it is queued. */
uint32_t tz_netpoll_collect(tz_m *m, tz_g *g, tz_workq *out);
/* m's goroutine is going to wait for pd. */
void tz_netpoll_begin(tz_m *m, tz_polldesc *pd);
/* A sweep is due at some time: behind the fence after which one finds who waits. */
void tz_netpoll_need_sweep(void);
/* So many goroutines more wait; m may be NULL or without a P. */
void tz_netpoll_count(tz_m *m, int64_t n);
/* tz_netpoll_close in a forked child: who held the lock is not here. */
void tz_netpoll_close_forked(void);
/* For the first time. */
void tz_netpoll_init(tz_polldesc *pd);
extern uint32_t tz_netpoll_epoch;   /* atomic: 0 there is no epoll descriptor; release, acquire */
extern tz_polldesc *tz_netpoll_all; /* atomic: those that were ever registered; changes under a lock */
extern int64_t
    tz_netpoll_sweep_at; /* atomic: when to sweep next, INT64_MAX: nobody waits; by who does it, CAS */
#define TZ_POLL_SWEEP_NS 1000000000

#endif /* TZ_NETPOLL_H */
