/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A 4-ary heap of timers ordered by when they are due. It says what is due
 * and wakes nobody; whoever owns the heap holds a lock around each call.
 */
#ifndef TZ_TIMERHEAP_H
#define TZ_TIMERHEAP_H

#include "base/base.h"

typedef struct tz_timer {
    int64_t when;  /* monotonic ns; fixed while in a heap */
    uint32_t pos;  /* place in the heap + 1; 0: in none */
    bool unlocked; /* const: fire is called without the heap's lock: likewise */
    bool lasts;    /* const: its memory is no waiter's: it stays in a forked child */
    bool stays;    /* const: it leaves its heap as the first alone: pos is not kept */
    void (*fire)(struct tz_timer *t, void *ctx); /* called by the heap's owner */
    void *owner;                                 /* whose heap it is in: the owners' business */
    void *home;                                  /* const: the only owner it may have; NULL: any: likewise */
    int64_t armed;                               /* as `when` while it is in a heap, else 0: likewise */
} tz_timer;

typedef struct tz_timerheap_item {
    int64_t when;    /* beside the pointer: a sift compares without a cache miss for each timer */
    uintptr_t timer; /* the low bit: as timer->stays, so that a sift need not look there either */
} tz_timerheap_item;
TZ_INLINE tz_timer *tz_timerheap_item_timer(const tz_timerheap_item *it)
{
    return (tz_timer *)(it->timer & ~(uintptr_t)1);
}

typedef struct tz_timerheap {
    tz_timerheap_item *items;
    uint32_t n, cap;
} tz_timerheap;

/* Room for the first timers, so that they can't fail for want of memory. -ENOMEM.
 * All-zero heaps may do without. */
int tz_timerheap_reserve(tz_timerheap *h);
/* t->when is set, t->pos is 0. -ENOMEM where the heap can't grow. */
int tz_timerheap_add(tz_timerheap *h, tz_timer *t);
/* t is in h; as the first, if it stays. */
void tz_timerheap_remove(tz_timerheap *h, tz_timer *t);
/* The earliest, or NULL. */
TZ_INLINE tz_timer *tz_timerheap_first(const tz_timerheap *h)
{
    return h->n ? tz_timerheap_item_timer(&h->items[0]) : NULL;
}
/* Tests and debug builds: whether the heap's invariants hold. */
bool tz_timerheap_is_valid(const tz_timerheap *h);

#endif /* TZ_TIMERHEAP_H */
