/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of functions from the symbol table of an ELF file. Async-signal-safe. */
#ifndef TZ_ELF_H
#define TZ_ELF_H

#include "base/base.h"

typedef struct tz_elf {
    const uint8_t *file; /* mapped; NULL: it can't be read */
    size_t size;
    const void *sections;
    size_t nsections;
    size_t names;        /* the section that holds the sections' names */
    const void *symbols; /* NULL: none */
    size_t nsymbols;
    const char *strings;
    size_t strings_size;
    const uint8_t *build_id; /* NULL: none */
    size_t build_id_size;
} tz_elf;

/* Opens the file; image, if not NULL, is where its header is mapped: false where they are not the same, the
 * file having been replaced since. False also where it can't be opened or read. */
bool tz_elf_open(tz_elf *e, const char *path, const void *image);
void tz_elf_close(tz_elf *e);
/* Where a section is in memory (by the file's own addresses). False: there is none of that name. */
bool tz_elf_section(const tz_elf *e, const char *name, uintptr_t *address, size_t *size);
/* The function that holds the address (the file's own). NULL: none; *start is where it begins, *ours whether
 * it is a static one of the runtime. */
const char *tz_elf_function(const tz_elf *e, uintptr_t address, uintptr_t *start, bool *ours);
/* The path of the file's debug information by its build id, /usr/lib/debug/.build-id/...; false: it has no
 * build id, or a path longer than n. */
bool tz_elf_debug_path(const tz_elf *e, char *path, size_t n);

#endif /* TZ_ELF_H */
