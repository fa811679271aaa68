/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The heap's items live in memory of their own from the OS layer, doubled as
 * needed: the heap grows with a P in hand, where the program's allocator may
 * not be called. Four children a node: half the levels of a binary heap, and
 * the children of a node share a cache line.
 *
 * Of a million sleepers each lies in a page of its own, which is in no cache:
 * one that is the first is about to be woken, and fetched already.
 */
#include "event/timerheap.h"

#include <errno.h>
#include <string.h>

#include "os/os.h"

#if TZ_ASAN
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_register_root_region(p, n)   ((void)0)
#define __lsan_unregister_root_region(p, n) ((void)0)
#endif

typedef struct tz_timerheap_item item;

static void place(tz_timerheap *h, uint32_t i, item it)
{
    h->items[i] = it;
    if (!(it.timer & 1))
        tz_timerheap_item_timer(&it)->pos = i + 1;
}

static void sift_up(tz_timerheap *h, uint32_t i, item it)
{
    while (i > 0) {
        uint32_t parent = (i - 1) / 4;
        if (h->items[parent].when <= it.when)
            break;
        place(h, i, h->items[parent]);
        i = parent;
    }
    place(h, i, it);
}

static void sift_down(tz_timerheap *h, uint32_t i, item it)
{
    for (;;) {
        uint64_t first = 4 * (uint64_t)i + 1;
        if (first >= h->n)
            break;
        uint32_t least = (uint32_t)first;
        uint32_t end = first + 4 < h->n ? least + 4 : h->n;
        for (uint32_t c = least + 1; c < end; c++)
            if (h->items[c].when < h->items[least].when)
                least = c;
        if (h->items[least].when >= it.when)
            break;
        place(h, i, h->items[least]);
        i = least;
    }
    place(h, i, it);
}

/* The items of a heap stand so in its memory that those from 1 on, four by four, fill cache lines. */
#define AHEAD 3

static size_t bytes(uint32_t cap)
{
    return tz_os_pages(((size_t)cap + AHEAD) * sizeof(item));
}

int tz_timerheap_reserve(tz_timerheap *h)
{
    if (h->cap > UINT32_MAX / 2)
        return -ENOMEM;
    uint32_t cap = h->cap ? 2 * h->cap : (uint32_t)(tz_os_page_size() / sizeof(item)) - AHEAD;
    item *block = tz_os_reserve(bytes(cap));
    if (!block)
        return -ENOMEM;
    item *items = block + AHEAD;
    if (h->items) {
        memcpy(items, h->items, h->n * sizeof(item));
        __lsan_unregister_root_region(h->items - AHEAD, bytes(h->cap));
        tz_os_release(h->items - AHEAD, bytes(h->cap));
    }
    /* A timer that the program has let go of is known here alone: no leak. */
    __lsan_register_root_region(block, bytes(cap));
    h->items = items;
    h->cap = cap;
    return 0;
}

int tz_timerheap_add(tz_timerheap *h, tz_timer *t)
{
    if (h->n == h->cap) {
        int err = tz_timerheap_reserve(h);
        if (err < 0)
            return err;
    }
    h->n++;
    sift_up(h, h->n - 1, (item){t->when, (uintptr_t)t | t->stays});
    return 0;
}

void tz_timerheap_remove(tz_timerheap *h, tz_timer *t)
{
    uint32_t i = t->stays ? 0 : t->pos - 1;
    item last = h->items[--h->n];
    t->pos = 0;
    if (i == h->n)
        return;
    if (i > 0 && h->items[(i - 1) / 4].when > last.when)
        sift_up(h, i, last);
    else
        sift_down(h, i, last);
    __builtin_prefetch(tz_timerheap_first(h), 1);
}

bool tz_timerheap_is_valid(const tz_timerheap *h)
{
    for (uint32_t i = 0; i < h->n; i++) {
        const item *it = &h->items[i];
        const tz_timer *t = tz_timerheap_item_timer(it);
        if (t->when != it->when || t->stays != (it->timer & 1) || (!t->stays && t->pos != i + 1))
            return false;
        if (i > 0 && h->items[(i - 1) / 4].when > it->when)
            return false;
    }
    return true;
}
