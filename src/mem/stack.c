/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arenas of stack slots.
 *
 * An arena is one reservation, cut into slots of one class:
 *
 *     slot k   [ guard | stack ............ hi | block | colour ]   slot k+1 [ guard | ...
 *
 * The block is at the top so that what a new goroutine touches, its control
 * block and its first frames, is one page. The colour (k mod 8 steps) spreads
 * the tops over the sets of the caches; it runs out before it could push the
 * first frames into a second page. Running over the top of a slot ends in
 * the next one's guard.
 *
 * Guards are installed some slots ahead of carving, many in one call, so the
 * first goroutine does not pay for a whole arena. Which kind is found out by
 * trying: markers cost no mapping, but a kernel may not know them, a locked
 * mapping refuse them, and tools that read our memory (leak checkers) cannot
 * see them. Where PROT_NONE runs out of mappings the slots stay uncarved, and
 * are tried again next time.
 *
 * The list of arenas is only ever added to. All of it is written under the
 * lock; readers take none and may be signal handlers: they follow `next` from
 * `arenas`, and look at slots below `carved`, both published by a release.
 */
#include <errno.h>
#include <string.h>

#include "base/atomic.h"
#include "lock/lock.h"
#include "mem/stack.h"
#include "os/os.h"

#if TZ_ASAN
#include <sanitizer/lsan_interface.h>
#endif
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(lo, hi) ((void)(lo), (void)(hi))
#endif

#define COLOURS       8
#define CLASS_DEFAULT 1
#define ARENA_SIZE    ((size_t)64 << 20)
#define ARENA_MAX     ((size_t)1 << 30)
#define ARENA_SLOTS   4                                                  /* at least, where slots are large */
#define GUARD_BATCH   64                                                 /* slots guarded ahead */
#define ABOVE         (TZ_STACK_BLOCK + (COLOURS - 1) * TZ_STACK_COLOUR) /* most that lies above hi */

_Static_assert(ABOVE + 1024 <= 4096, "a new goroutine's block and first frames share a page");
_Static_assert(TZ_STACK_COLOUR % 64 == 0 && TZ_STACK_BLOCK % 64 == 0, "control blocks start a cache line");
_Static_assert(TZ_STACK_MIN + TZ_STACK_GUARD + ABOVE <= TZ_STACK_CLASS0,
               "the smallest slot holds the smallest stack");
_Static_assert(TZ_STACK_MAX + TZ_STACK_GUARD + ABOVE <= TZ_STACK_CLASS0 << (TZ_STACK_CLASSES - 1),
               "the largest slot holds the largest stack");
_Static_assert(TZ_STACK_DEFAULT == TZ_STACK_CLASS0 << CLASS_DEFAULT, "the default's class");

struct arena {
    struct arena *next;  /* the one before; written before the arena is published */
    struct arena *after; /* the next newer one of the same class; under the lock */
    char *base;
    size_t slot_size;
    uint32_t cls;
    uint32_t slots;
    uint32_t ready;   /* slots that can be carved for certain; under the lock */
    uint32_t guarded; /* slots whose guards stand; under the lock */
    uint32_t carved;  /* <= guarded; release by the carver, acquire by readers without the lock */
    bool markers;     /* under the lock */
};

/* Descriptors' memory: room for that many, then another piece. */
#define PIECE ((size_t)64 << 10)

static tz_lock lock;         /* TZ_RANK_ARENA: all below */
static struct arena *arenas; /* the newest; release, acquire */
static struct cls {
    struct arena *carving; /* older ones are carved out */
    struct arena *newest;  /* older ones are ready throughout */
    uint32_t ready;        /* slots ready and not carved, in all of them */
    uint32_t promised;     /* <= ready: how many of these only a promised carve may take */
} classes[TZ_STACK_CLASSES];
static struct arena *piece_at, *piece_end;
static size_t reserved;   /* relaxed for readers */
static bool markers_work; /* the last guards installed were markers */

bool tz_stack_no_markers;

static char *slot_base(const struct arena *a, uint32_t slot)
{
    return a->base + (size_t)slot * a->slot_size;
}

static tz_stack *slot_block(const struct arena *a, uint32_t slot)
{
    size_t colour = (size_t)(slot % COLOURS) * TZ_STACK_COLOUR;
    return (tz_stack *)(void *)(slot_base(a, slot) + a->slot_size - colour - TZ_STACK_BLOCK);
}

int tz_stack_class(size_t size)
{
    if (size == 0)
        return CLASS_DEFAULT;
    if (size > TZ_STACK_MAX)
        return -EINVAL;
    int cls = 0;
    while ((TZ_STACK_CLASS0 << cls) - TZ_STACK_GUARD - ABOVE < size)
        cls++;
    return cls;
}

static bool markers_wanted(void)
{
    return !tz_stack_no_markers && !TZ_ASAN && !RUNNING_ON_VALGRIND;
}

static struct arena *arena_new(int cls)
{
    if (piece_at == piece_end) {
        piece_at = tz_os_reserve(PIECE);
        piece_end = piece_at == NULL ? NULL : piece_at + PIECE / sizeof *piece_at;
        if (piece_at == NULL)
            return NULL;
    }
    size_t slot_size = TZ_STACK_CLASS0 << cls;
    size_t size = reserved / 4 > ARENA_MAX ? ARENA_MAX : reserved / 4; /* few arenas for many goroutines */
    if (size < ARENA_SIZE)
        size = ARENA_SIZE;
    size_t slots = size / slot_size > ARENA_SLOTS ? size / slot_size : ARENA_SLOTS;
    char *base;
    /* Where address space is short, one slot is better than none. */
    while ((base = tz_os_reserve(slots * slot_size)) == NULL) {
        if (slots == 1)
            return NULL;
        slots /= 2;
    }
    struct arena *a = piece_at++;
    *a = (struct arena){.next = arenas,
                        .base = base,
                        .slot_size = slot_size,
                        .cls = (uint32_t)cls,
                        .slots = (uint32_t)slots,
                        .markers = markers_wanted()};
    struct cls *c = &classes[cls];
    if (c->newest != NULL)
        c->newest->after = a;
    else
        c->carving = a;
    c->newest = a;
    tz_store_relaxed(&reserved, reserved + slots * slot_size);
    tz_store_release(&arenas, a); /* pairs with the acquire in each and find */
    return a;
}

/* Guards n more slots of the arena, or fewer where mappings are short. 0, or -ENOMEM: not even one. */
static int arena_guard(struct arena *a, uint32_t n)
{
    for (;;) {
        char *from = slot_base(a, a->guarded);
        int r = tz_os_guard(from, TZ_STACK_GUARD, a->slot_size, n, a->markers);
        if (r == 0) {
            a->guarded += n;
#if TZ_ASAN
            __lsan_register_root_region(from, n * a->slot_size);
#endif
            return 0;
        }
        if (a->markers && r != -ENOMEM)
            a->markers = false;
        else if (n > 1)
            n /= 2;
        else
            return -ENOMEM;
    }
}

static void slot_carve(struct arena *a, uint32_t slot, tz_stack **out)
{
    tz_stack *s = slot_block(a, slot);
    s->lo = slot_base(a, slot) + TZ_STACK_GUARD;
    s->hi = (char *)s;
    s->cls = a->cls;
    s->slot = slot;
    (void)VALGRIND_STACK_REGISTER(s->lo, s->hi);
    *out = s;
}

/*
 * More slots of the class are ready, at least one; false: none can be had.
 * Markers take nothing that could run out, so once they have been seen to
 * work all slots of an arena are ready, and they are guarded when they are
 * carved: a promise of a million slots costs no page tables.
 */
static bool make_ready(int cls)
{
    struct arena *a = classes[cls].newest;
    if (a == NULL || a->ready == a->slots) {
        a = arena_new(cls);
        if (a == NULL)
            return false;
    }
    if (!(a->markers && markers_work)) {
        uint32_t rest = a->slots - a->guarded;
        if (arena_guard(a, rest < GUARD_BATCH ? rest : GUARD_BATCH) != 0)
            return false;
        markers_work = a->markers;
    }
    uint32_t ready = a->markers ? a->slots : a->guarded;
    classes[cls].ready += ready - a->ready;
    a->ready = ready;
    return true;
}

/* How many of n slots, beyond those promised, are ready or can be made so. */
static uint32_t unpromised(int cls, uint32_t n)
{
    struct cls *c = &classes[cls];
    while (c->ready - c->promised < n && make_ready(cls))
        ;
    uint32_t have = c->ready - c->promised;
    return have < n ? have : n;
}

int tz_stack_promise(int cls, int n)
{
    tz_lock_acquire(&lock, TZ_RANK_ARENA);
    uint32_t got = unpromised(cls, (uint32_t)n);
    classes[cls].promised += got;
    tz_lock_release(&lock, TZ_RANK_ARENA);
    return got > 0 ? (int)got : -ENOMEM;
}

int tz_stack_carve(int cls, tz_stack **out, int n, bool promised)
{
    struct cls *c = &classes[cls];
    tz_lock_acquire(&lock, TZ_RANK_ARENA);
    uint32_t got =
        promised ? (c->promised < (uint32_t)n ? c->promised : (uint32_t)n) : unpromised(cls, (uint32_t)n);
    uint32_t done = 0;
    while (done < got) {
        struct arena *a = c->carving;
        if (a->carved == a->slots) {
            c->carving = a->after;
            continue;
        }
        uint32_t slot = a->carved, rest = a->slots - slot;
        if (slot == a->guarded && arena_guard(a, rest < GUARD_BATCH ? rest : GUARD_BATCH) != 0)
            break; /* not a page table to be had: what was promised stays promised */
        for (; slot < a->guarded && done < got; slot++)
            slot_carve(a, slot, &out[done++]);
        /* The blocks are filled in; pairs with the acquire in each and find. */
        tz_store_release(&a->carved, slot);
    }
    c->ready -= done;
    if (promised)
        c->promised -= done;
    tz_lock_release(&lock, TZ_RANK_ARENA);
    return done > 0 ? (int)done : -ENOMEM;
}

/* The start of the page that holds hi: the part below it is empty while the goroutine is idle. */
static char *top_page(const tz_stack *s)
{
    size_t page = tz_os_page_size();
    return s->hi - (uintptr_t)s->hi % page;
}

void tz_stack_trim(tz_stack *s)
{
    char *top = top_page(s);
    tz_os_discard(s->lo, (size_t)(top - s->lo));
}

size_t tz_stack_used(const tz_stack *s)
{
    char *top = top_page(s);
    return (size_t)(s->hi - top) + tz_os_resident_from_top(s->lo, (size_t)(top - s->lo));
}

void tz_stack_each(bool (*fn)(tz_stack *s, void *arg), void *arg)
{
    for (struct arena *a = tz_load_acquire(&arenas); a != NULL; a = a->next) {
        uint32_t n = tz_load_acquire(&a->carved);
        for (uint32_t i = 0; i < n; i++) {
            if (!fn(slot_block(a, i), arg))
                return;
        }
    }
}

tz_stack *tz_stack_find(const void *addr, bool *guard)
{
    uintptr_t at = (uintptr_t)addr;
    for (struct arena *a = tz_load_acquire(&arenas); a != NULL; a = a->next) {
        uintptr_t off = at - (uintptr_t)a->base;
        if (off >= (uintptr_t)a->slots * a->slot_size) /* below the base: wrapped round to a large number */
            continue;
        uint32_t slot = (uint32_t)(off / a->slot_size);
        if (slot >= tz_load_acquire(&a->carved))
            return NULL;
        tz_stack *s = slot_block(a, slot);
        if (at >= (uintptr_t)s->hi)
            return NULL;
        *guard = at < (uintptr_t)s->lo;
        return s;
    }
    return NULL;
}

size_t tz_stack_reserved(void)
{
    return tz_load_relaxed(&reserved);
}

void tz_stack_lock(void)
{
    tz_lock_acquire(&lock, TZ_RANK_ARENA);
}

void tz_stack_unlock(void)
{
    tz_lock_release(&lock, TZ_RANK_ARENA);
}
