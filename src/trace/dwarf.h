/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files, lines and inlined functions from DWARF, by elfutils' libdw: a
 * library that follows the format's versions. It is loaded when first
 * needed, and only where it was there when tuza was built (its header has the
 * layout of what it fills in). Uses malloc and the loader's lock; one user at
 * a time.
 */
#ifndef TZ_DWARF_H
#define TZ_DWARF_H

#include "base/base.h"

typedef struct tz_dwarf tz_dwarf; /* one file's */

/* One function at an address; the strings stay. */
typedef struct tz_dwarf_frame {
    const char *function; /* NULL: not known */
    const char *file;
    uint32_t line;
    bool inlined; /* into the next frame */
} tz_dwarf_frame;

/* NULL: there is no libdw, or no DWARF in the file. */
tz_dwarf *tz_dwarf_open(const char *path);

/* The functions that are at the file's own address, innermost first, up to max; *entry is the start of the
 * last. How many, 0: nothing is known. */
uint32_t tz_dwarf_find(tz_dwarf *d, uintptr_t address, tz_dwarf_frame *frames, uint32_t max,
                       uintptr_t *entry);

/* The process is going to end without looking back. Until then libdw is not loaded where a leak checker is:
 * that looks at the thread variables of libraries loaded late, and misreads them (LLVM up to 16). */
extern bool tz_dwarf_dying; /* relaxed */

/* Grows as long as there is progress in what may take long; atomic, any thread. */
extern uint32_t tz_dwarf_progress;

#endif /* TZ_DWARF_H */
