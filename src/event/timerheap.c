/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The heap's items live in memory of their own from the OS layer, doubled as
 * needed: the heap grows with a P in hand, where the program's allocator may
 * not be called. Four children a node: half the levels of a binary heap, and
 * the children of a node share a cache line.
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
    it.timer->pos = i + 1;
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

static size_t bytes(uint32_t cap)
{
    size_t page = tz_os_page_size();
    return ((size_t)cap * sizeof(item) + page - 1) / page * page;
}

int tz_timerheap_reserve(tz_timerheap *h)
{
    if (h->cap > UINT32_MAX / 2)
        return -ENOMEM;
    uint32_t cap = h->cap ? 2 * h->cap : (uint32_t)(tz_os_page_size() / sizeof(item));
    item *items = tz_os_reserve(bytes(cap));
    if (!items)
        return -ENOMEM;
    if (h->items) {
        memcpy(items, h->items, h->n * sizeof(item));
        __lsan_unregister_root_region(h->items, bytes(h->cap));
        tz_os_release(h->items, bytes(h->cap));
    }
    /* A timer that the program has let go of is known here alone: no leak. */
    __lsan_register_root_region(items, bytes(cap));
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
    sift_up(h, h->n - 1, (item){t->when, t});
    return 0;
}

void tz_timerheap_remove(tz_timerheap *h, tz_timer *t)
{
    uint32_t i = t->pos - 1;
    item last = h->items[--h->n];
    t->pos = 0;
    if (last.timer == t)
        return;
    if (i > 0 && h->items[(i - 1) / 4].when > last.when)
        sift_up(h, i, last);
    else
        sift_down(h, i, last);
}

bool tz_timerheap_is_valid(const tz_timerheap *h)
{
    for (uint32_t i = 0; i < h->n; i++) {
        const item *it = &h->items[i];
        if (it->timer->pos != i + 1 || it->timer->when != it->when)
            return false;
        if (i > 0 && h->items[(i - 1) / 4].when > it->when)
            return false;
    }
    return true;
}
