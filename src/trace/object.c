/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which mapped file an address belongs to.
 *
 * _dl_find_object (glibc 2.35) is made for unwinders: no locks, safe in
 * signal handlers. Where it is missing there is dl_iterate_phdr, which takes
 * a lock of the loader; that one is only held while the list of files
 * changes.
 */
#include "trace/object.h"

#include <dlfcn.h>
#include <link.h>

#ifdef DLFO_STRUCT_HAS_EH_DBASE
#pragma weak _dl_find_object
#endif

typedef struct search {
    uintptr_t at;
    tz_object *found;
} search;

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
    *s->found = (tz_object){start, end, hdr, bias, info->dlpi_name};
    return 1;
}

bool tz_object_find(uintptr_t at, tz_object *o)
{
#ifdef DLFO_STRUCT_HAS_EH_DBASE
    struct dl_find_object found;
    if (_dl_find_object) {
        if (_dl_find_object((void *)at, &found) != 0)
            return false;
        *o = (tz_object){(uintptr_t)found.dlfo_map_start, (uintptr_t)found.dlfo_map_end, found.dlfo_eh_frame,
                         found.dlfo_link_map->l_addr, found.dlfo_link_map->l_name};
        return true;
    }
#endif
    search s = {at, o};
    return dl_iterate_phdr(look, &s) != 0;
}
