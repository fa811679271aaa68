/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an address in the code is called: function, file and line.
 *
 * A tz_symbols remembers what it has found. It belongs to one user at a
 * time. Two kinds: with DWARF, read by libdw where that can be loaded, which
 * uses malloc; and by the symbol tables of the mapped files alone, which uses
 * neither malloc nor a lock.
 */
#ifndef TZ_SYMBOL_H
#define TZ_SYMBOL_H

#include "trace/dwarf.h"
#include "trace/unwind.h"

typedef struct tz_symbol {
    const char *function; /* never NULL: "file+0x12" where there is no name */
    const char *file;     /* the source, else the mapped file; NULL: not even that */
    uint32_t line;        /* 0: not known */
    bool inlined;         /* into the next one */
    bool runtime;         /* of tuza itself */
    uintptr_t entry;      /* where the function begins, 0: not known; of an inlined one: that of the whole */
} tz_symbol;

typedef struct tz_symbols tz_symbols;

/* NULL: no memory. */
tz_symbols *tz_symbols_new(bool dwarf);
/* Gives its memory back; not for one with DWARF. */
void tz_symbols_free(tz_symbols *s);

/* What is at `at` (within the call, for a return address), the innermost inlined function first; *n of them.
 * NULL: not looked for yet. */
const tz_symbol *tz_symbols_known(const tz_symbols *s, uintptr_t at, uint32_t *n);
/* Looks for it. Never fails, however little it finds, unless there is no memory: NULL. */
const tz_symbol *tz_symbols_find(tz_symbols *s, uintptr_t at, uint32_t *n);

/* Before a new round of questions: files that were unloaded meanwhile are forgotten, and what was in them. */
void tz_symbols_refresh(tz_symbols *s);

#endif /* TZ_SYMBOL_H */
