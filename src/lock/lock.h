/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waits that block the thread (the M), for what is cold or held long. Hot
 * objects (channels) have a lock of their own, in sched/spin.h.
 *
 * All-zero is ready to use. Debug builds hold every thread to the order of
 * the ranks below (rank.c): a lock may only be taken while all those held
 * have a lower rank.
 */
#ifndef TZ_LOCK_H
#define TZ_LOCK_H

#include "base/atomic.h"
#include "base/base.h"

/* Lower ranks are taken first. */
enum {
    TZ_RANK_START = 1, /* sched.start_lock */
    TZ_RANK_NOTIFY,    /* notify/: the right to ask for a change */
    TZ_RANK_STW,       /* sched.stw: one stopper of the world */
    TZ_RANK_ALLM,      /* sched.allm_lock: the list of Ms, and the right to retake from them */
    TZ_RANK_CHAN,      /* one channel */
    TZ_RANK_ASK,       /* the question whether a number is another file's */
    TZ_RANK_FD,        /* one descriptor's users */
    TZ_RANK_POLL,      /* one side of a descriptor; the epoll descriptor */
    TZ_RANK_TIMERS,    /* one timer heap */
    TZ_RANK_BUBBLE,    /* one bubble; the list of free ones */
    TZ_RANK_BOTH,      /* a wait for both sides of a descriptor */
    TZ_RANK_SCHED,     /* sched.lock */
    TZ_RANK_GFREE,     /* sched.gfree_lock */
    TZ_RANK_MPOOL,     /* the memory of Ms */
    TZ_RANK_ARENA,     /* the list of stack arenas */
    TZ_RANK_MAX
};

typedef struct tz_lock {
    uint32_t word; /* 0 free, 1 held, 2 held and somebody may sleep on it */
} tz_lock;

/* acquire */
void tz_lock_slow(tz_lock *l);
/* release: wakes one sleeper */
void tz_unlock_slow(tz_lock *l);

#ifdef TZ_DEBUG
void tz_rank_acquire(const void *lock, int rank);
void tz_rank_release(const void *lock, int rank);
#else
TZ_INLINE void tz_rank_acquire(const void *lock, int rank)
{
    (void)lock, (void)rank;
}
TZ_INLINE void tz_rank_release(const void *lock, int rank)
{
    (void)lock, (void)rank;
}
#endif

TZ_INLINE void tz_lock_acquire(tz_lock *l, int rank)
{
    uint32_t free = 0;
    if (TZ_UNLIKELY(!tz_cas_acquire(&l->word, &free, 1)))
        tz_lock_slow(l);
    tz_rank_acquire(l, rank);
}

TZ_INLINE bool tz_lock_try(tz_lock *l, int rank)
{
    uint32_t free = 0;
    if (!tz_cas_acquire(&l->word, &free, 1))
        return false;
    tz_rank_acquire(l, rank);
    return true;
}

TZ_INLINE void tz_lock_release(tz_lock *l, int rank)
{
    tz_rank_release(l, rank);
    if (TZ_UNLIKELY(tz_xchg_release(&l->word, 0) == 2))
        tz_unlock_slow(l);
}

/*
 * A note: one thread sleeps, another wakes it, once. Clear it before the
 * waker can know of it. wake is a release, the return of sleep an acquire.
 */
typedef struct tz_note {
    uint32_t key; /* 0 cleared, 1 woken, 2 its sleeper is in the kernel, or about to be */
} tz_note;

void tz_note_clear(tz_note *n);
void tz_note_wake(tz_note *n);
void tz_note_sleep(tz_note *n);
/* False where the deadline passed first; the note may still be woken then. */
bool tz_note_sleep_until(tz_note *n, int64_t deadline);
/* As sleep_until, but keeps the processor: for what comes within microseconds. */
bool tz_note_spin_until(tz_note *n, int64_t deadline);
/* Whether a thread sleeps on it just now, or is about to. */
bool tz_note_slept_on(const tz_note *n);
TZ_INLINE bool tz_note_woken(tz_note *n)
{
    return tz_load_acquire(&n->key) == 1;
}

#endif /* TZ_LOCK_H */
