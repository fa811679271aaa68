/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stack slots: where goroutines and their control blocks live.
 *
 * A slot is a power of two of address space (default 256 KiB): a guard at the
 * low end, the stack growing down from the high end, and above the stack, at
 * the slot's top, the control block, so that an idle goroutine touches one
 * page. Slots are carved from arenas and never unmapped: a control block is
 * type-stable, whoever holds its address may read it for ever.
 */
#ifndef TZ_STACK_H
#define TZ_STACK_H

#include "base/base.h"

#define TZ_STACK_DEFAULT ((size_t)256 << 10)
#define TZ_STACK_MIN     ((size_t)16 << 10) /* usable bytes at least, besides the guard */
#define TZ_STACK_MAX     ((size_t)1 << 30)
#define TZ_STACK_GUARD   ((size_t)64 << 10)
/* Slots of class c are CLASS0 << c bytes; class 1 is the default's. */
#define TZ_STACK_CLASS0 ((size_t)128 << 10)
/* Room for the control block at the top of each slot; its users assert that they fit. */
#define TZ_STACK_BLOCK 512
/* Slot tops are lowered by (slot mod 8) times this: equal offsets would alias in the caches. */
#define TZ_STACK_COLOUR 320

/* First member of every control block. Written once, when the slot is carved. */
typedef struct tz_stack {
    char *lo;      /* lowest usable byte, above the guard */
    char *hi;      /* the stack's start: aligned to 16, right below the control block */
    uint32_t cls;  /* size class: the slot's size is TZ_STACK_CLASS0 << cls */
    uint32_t slot; /* serial within its arena */
} tz_stack;

/* The size class whose slots offer at least `size` usable bytes (0: the default's class; for the default the
 * slot itself is TZ_STACK_DEFAULT, guard included); -EINVAL above TZ_STACK_MAX. */
int tz_stack_class(size_t size);
#define TZ_STACK_CLASSES 15

/* Promises n slots of a class: that many later carves with `promised` can't fail. Their guards stand then,
 * but nothing of the slots is touched. Returns how many (>= 1, <= n), or -ENOMEM. Thread-safe. */
int tz_stack_promise(int cls, int n);

/* Carves up to n fresh slots of a class, promised ones or others. out[i] is a control block with its tz_stack
 * filled in and the rest zero; nothing else of the slot is touched. Returns how many (>= 1), or -ENOMEM.
 * Thread-safe. */
int tz_stack_carve(int cls, tz_stack **out, int n, bool promised);

/* Gives the pages below the one that holds hi back to the kernel. The slot must not be in use. */
void tz_stack_trim(tz_stack *s);

/* The high-water mark: bytes from hi down to the lowest page ever touched since it was last trimmed. */
size_t tz_stack_used(const tz_stack *s);

/* Calls fn for every slot ever carved, until it returns false. Lock-free, async-signal-safe:
 * arenas are only ever added. */
void tz_stack_each(bool (*fn)(tz_stack *s, void *arg), void *arg);

/* The slot whose guard or stack holds addr, or NULL; *guard says which. Async-signal-safe. */
tz_stack *tz_stack_find(const void *addr, bool *guard);

/* Address space reserved for slots so far, in bytes. */
size_t tz_stack_reserved(void);

/* For fork: the arenas hold still meanwhile. */
void tz_stack_lock(void);
void tz_stack_unlock(void);

/* Tests: take the PROT_NONE guards although the kernel knows better ones.
 * Before the first carve of an arena. */
extern bool tz_stack_no_markers;

#endif /* TZ_STACK_H */
