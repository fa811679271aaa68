/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See dwarf.h.
 *
 * The functions at an address are found by going down from the compilation
 * unit: into the subprogram that holds it, then from block to block, noting
 * the inlined subroutines on the way. libdw has calls for that, but they
 * build arrays of all scopes of a unit.
 *
 * Which unit it is says .debug_aranges. Not every compiler writes it (clang
 * does not), so where it has no answer all units are asked.
 *
 * Rejected: libdwfl, which would find the files by itself, and may ask a
 * server on the network for them; libbacktrace, which is nowhere packaged as
 * a shared library; a reader of our own.
 */
#include "trace/dwarf.h"

#include "base/atomic.h"

uint32_t tz_dwarf_progress;
bool tz_dwarf_dying;

#if defined(__has_include)
#if __has_include(<elfutils/libdw.h>)
#define HAVE_LIBDW 1
#endif
#endif

#ifdef HAVE_LIBDW
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"

extern void __lsan_do_leak_check(void) __attribute__((weak));

#define DEPTH_MAX 64 /* of nested blocks and inlined functions */

#define LIBDW(x)                                                                                         \
    x(dwarf_begin) x(dwarf_end) x(dwarf_addrdie) x(dwarf_nextcu) x(dwarf_offdie) x(dwarf_haspc)          \
        x(dwarf_child) x(dwarf_siblingof) x(dwarf_tag) x(dwarf_diename) x(dwarf_attr_integrate)          \
            x(dwarf_hasattr) x(dwarf_formstring) x(dwarf_formudata) x(dwarf_getsrc_die) x(dwarf_linesrc) \
                x(dwarf_lineno) x(dwarf_getsrcfiles) x(dwarf_filesrc) x(dwarf_lowpc) x(dwarf_entrypc)
static struct {
#define POINTER(name) __typeof__(&name) name;
    LIBDW(POINTER)
#undef POINTER
} lib;

struct tz_dwarf {
    tz_dwarf *next; /* so that leak checkers see it used */
    Dwarf *handle;
    bool has_unit;
    Dwarf_Die unit; /* the last one that had an answer */
};

static tz_dwarf *opened;

static bool load(void)
{
    static int state; /* 0: not tried, 1: there, 2: not */
    if (__lsan_do_leak_check && !tz_load_relaxed(&tz_dwarf_dying))
        return false;
    if (state == 0) {
        state = 2;
        void *library = tz_os_library("libdw.so.1");
        if (!library)
            return false;
#define LOAD(name)                                                      \
    *(void **)(void *)&lib.name = tz_os_library_symbol(library, #name); \
    if (!lib.name)                                                      \
        return false;
        LIBDW(LOAD)
#undef LOAD
        state = 1;
    }
    return state == 1;
}

tz_dwarf *tz_dwarf_open(const char *path)
{
    if (!load())
        return NULL;
    int fd = tz_os_open(path);
    if (fd < 0)
        return NULL;
    Dwarf *handle = lib.dwarf_begin(fd, DWARF_C_READ);
    tz_dwarf *d = handle ? calloc(1, sizeof *d) : NULL;
    if (!d) {
        if (handle)
            lib.dwarf_end(handle);
        tz_os_close(fd);
        return NULL;
    }
    /* The descriptor stays with libdw, which may read on as it goes. */
    d->handle = handle;
    d->next = opened;
    opened = d;
    return d;
}

static void progress(void)
{
    tz_add_relaxed(&tz_dwarf_progress, 1);
}

static bool has_pc(Dwarf_Die *die, Dwarf_Addr at)
{
    return lib.dwarf_haspc(die, at) == 1;
}

static bool find_unit(tz_dwarf *d, Dwarf_Addr at, Dwarf_Die *unit)
{
    if (d->has_unit && has_pc(&d->unit, at)) {
        *unit = d->unit;
        return true;
    }
    d->has_unit = lib.dwarf_addrdie(d->handle, at, unit) != NULL;
    Dwarf_Off offset = 0, next;
    size_t header;
    while (!d->has_unit && lib.dwarf_nextcu(d->handle, offset, &next, &header, NULL, NULL, NULL) == 0) {
        d->has_unit = lib.dwarf_offdie(d->handle, offset + header, unit) && has_pc(unit, at);
        offset = next;
        progress();
    }
    d->unit = *unit;
    return d->has_unit;
}

/* Whether what is below may hold functions of the unit. */
static bool is_scope(int tag)
{
    switch (tag) {
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
        return true;
    default:
        return false;
    }
}

/* The subprogram below die that holds the address; nested: also one within another, which C knows as an
 * extension of GNU's. */
static bool find_function(Dwarf_Die *die, Dwarf_Addr at, bool nested, Dwarf_Die *function, int depth)
{
    Dwarf_Die child;
    if (depth == DEPTH_MAX || lib.dwarf_child(die, &child) != 0)
        return false;
    do {
        int tag = lib.dwarf_tag(&child);
        if (tag == DW_TAG_subprogram && has_pc(&child, at)) {
            *function = child;
            return true;
        }
        if ((is_scope(tag) || (nested && tag == DW_TAG_subprogram)) &&
            find_function(&child, at, nested, function, depth + 1))
            return true;
    } while (lib.dwarf_siblingof(&child, &child) == 0);
    return false;
}

/* The block or inlined function right below die that holds the address. */
static bool find_block(Dwarf_Die *die, Dwarf_Addr at, Dwarf_Die *block)
{
    if (lib.dwarf_child(die, block) != 0)
        return false;
    do {
        int tag = lib.dwarf_tag(block);
        if ((tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine) && has_pc(block, at))
            return true;
    } while (lib.dwarf_siblingof(block, block) == 0);
    return false;
}

static const char *name_of(Dwarf_Die *die)
{
    Dwarf_Attribute a;
    const char *name = NULL;
    if (lib.dwarf_attr_integrate(die, DW_AT_linkage_name, &a) ||
        lib.dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &a))
        name = lib.dwarf_formstring(&a);
    return name ? name : lib.dwarf_diename(die);
}

/* Where an inlined function was called. */
static void call_site(Dwarf_Die *unit, Dwarf_Die *die, tz_dwarf_frame *f)
{
    Dwarf_Attribute a;
    Dwarf_Word file = 0, line = 0;
    Dwarf_Files *files;
    size_t n;
    if (lib.dwarf_attr_integrate(die, DW_AT_call_line, &a))
        lib.dwarf_formudata(&a, &line);
    f->line = (uint32_t)line;
    if (lib.dwarf_attr_integrate(die, DW_AT_call_file, &a) && lib.dwarf_formudata(&a, &file) == 0 &&
        lib.dwarf_getsrcfiles(unit, &files, &n) == 0 && file < n)
        f->file = lib.dwarf_filesrc(files, file, NULL, NULL);
}

static void line_of(Dwarf_Die *unit, Dwarf_Addr at, tz_dwarf_frame *f)
{
    int line = 0;
    Dwarf_Line *l = lib.dwarf_getsrc_die(unit, at);
    if (!l)
        return;
    f->file = lib.dwarf_linesrc(l, NULL, NULL);
    if (lib.dwarf_lineno(l, &line) == 0)
        f->line = (uint32_t)line;
}

uint32_t tz_dwarf_find(tz_dwarf *d, uintptr_t address, tz_dwarf_frame *frames, uint32_t max, uintptr_t *entry)
{
    Dwarf_Die unit, function, chain[DEPTH_MAX];
    Dwarf_Addr at = address, start;
    if (max == 0 || !find_unit(d, at, &unit))
        return 0;
    memset(frames, 0, max * sizeof *frames);
    line_of(&unit, at, &frames[0]);
    progress();
    if (!find_function(&unit, at, false, &function, 0) && !find_function(&unit, at, true, &function, 0))
        return frames[0].file ? 1 : 0;
    /* The functions from the outermost inwards; then the frames from the other end. */
    uint32_t n = 0;
    chain[n++] = function;
    Dwarf_Die block = function, inner;
    for (int depth = 0; depth < DEPTH_MAX && find_block(&block, at, &inner); depth++) {
        block = inner;
        if (lib.dwarf_tag(&inner) == DW_TAG_inlined_subroutine && n < DEPTH_MAX)
            chain[n++] = inner;
    }
    if (lib.dwarf_entrypc(&function, &start) == 0 || lib.dwarf_lowpc(&function, &start) == 0)
        *entry = start;
    uint32_t out = 0;
    for (uint32_t i = n; i-- > 0 && out < max; out++) {
        frames[out].function = name_of(&chain[i]);
        frames[out].inlined = i > 0;
        if (i > 0 && out + 1 < max)
            call_site(&unit, &chain[i], &frames[out + 1]);
    }
    return out;
}

#else /* no libdw */

tz_dwarf *tz_dwarf_open(const char *path)
{
    (void)path;
    return NULL;
}

uint32_t tz_dwarf_find(tz_dwarf *d, uintptr_t address, tz_dwarf_frame *frames, uint32_t max, uintptr_t *entry)
{
    (void)d, (void)address, (void)frames, (void)max, (void)entry;
    return 0;
}

#endif
