/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which mapped file an address belongs to.
 *
 * _dl_find_object (glibc 2.35) is made for unwinders: no locks, safe in
 * signal handlers. Where it is missing there is dl_iterate_phdr, which takes
 * a lock of the loader; that one is only held while the list of files
 * changes.
 *
 * Static programs may be linked without .eh_frame_hdr, by which others find
 * their unwind tables. Where those are then stands in the file's section
 * headers, which are not mapped.
 */
#include "trace/object.h"

#include <dlfcn.h>
#include <link.h>

#include "base/atomic.h"
#include "trace/elf.h"

#ifdef DLFO_STRUCT_HAS_EH_DBASE
#pragma weak _dl_find_object
#endif

typedef struct search {
    uintptr_t at;
    tz_object *found;
} search;

/* The program's own .eh_frame, found once. */
static void find_eh_frame(tz_object *o)
{
    static struct {
        uint8_t state; /* 0 not looked for, 1 there, 2 not; release, acquire */
        uintptr_t at;
        size_t size;
    } found; /* who races here finds the same */
    if (tz_load_acquire(&found.state) == 0) {
        tz_elf e;
        uintptr_t at = 0;
        size_t size = 0;
        bool there = tz_elf_open(&e, "/proc/self/exe", NULL);
        if (there) {
            there = tz_elf_section(&e, ".eh_frame", &at, &size);
            tz_elf_close(&e);
        }
        tz_store_relaxed(&found.at, at);
        tz_store_relaxed(&found.size, size);
        tz_store_release(&found.state, there ? 1 : 2);
    }
    if (tz_load_relaxed(&found.state) == 1) {
        o->eh_frame = (const uint8_t *)(o->bias + tz_load_relaxed(&found.at));
        o->eh_frame_end = o->eh_frame + tz_load_relaxed(&found.size);
    }
}

static int look(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    search *s = arg;
    uintptr_t bias = info->dlpi_addr, start = UINTPTR_MAX, end = 0;
    const uint8_t *hdr = NULL;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t from = bias + p->p_vaddr;
        if (p->p_type == PT_GNU_EH_FRAME)
            hdr = (const uint8_t *)from;
        if (p->p_type != PT_LOAD)
            continue;
        start = from < start ? from : start;
        end = from + p->p_memsz > end ? from + p->p_memsz : end;
    }
    if (s->at < start || s->at >= end)
        return 0;
    *s->found =
        (tz_object){.start = start, .end = end, .eh_frame_hdr = hdr, .bias = bias, .name = info->dlpi_name};
    return 1;
}

static bool find(uintptr_t at, tz_object *o)
{
#ifdef DLFO_STRUCT_HAS_EH_DBASE
    struct dl_find_object found;
    if (_dl_find_object) {
        if (_dl_find_object((void *)at, &found) != 0)
            return false;
        *o = (tz_object){.start = (uintptr_t)found.dlfo_map_start,
                         .end = (uintptr_t)found.dlfo_map_end,
                         .eh_frame_hdr = found.dlfo_eh_frame,
                         .bias = found.dlfo_link_map->l_addr,
                         .name = found.dlfo_link_map->l_name};
        return true;
    }
#endif
    search s = {at, o};
    return dl_iterate_phdr(look, &s) != 0;
}

bool tz_object_find(uintptr_t at, tz_object *o)
{
    if (!find(at, o))
        return false;
    if (!o->eh_frame_hdr && (!o->name || o->name[0] == 0))
        find_eh_frame(o);
    return true;
}
