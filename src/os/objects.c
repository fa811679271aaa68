/* SPDX-License-Identifier: BSD-3-Clause */
/* What is loaded: the program and its libraries, by their ELF headers in memory. */
#include <errno.h>
#include <link.h>
#include <string.h>

#include "os/os.h"

struct search {
    const char *owner;
    void (*fn)(const char *file, void *arg);
    void *arg;
};

/* Whether one of the notes in [at, at + size) is the owner's. */
static bool has_note(const char *at, size_t size, const char *owner)
{
    size_t length = strlen(owner) + 1;
    while (size >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *note = (const void *)at;
        size_t name = (note->n_namesz + 3u) & ~(size_t)3, desc = (note->n_descsz + 3u) & ~(size_t)3;
        size_t whole = sizeof *note + name + desc;
        if (whole > size)
            return false;
        if (note->n_namesz == length && memcmp(at + sizeof *note, owner, length) == 0)
            return true;
        at += whole;
        size -= whole;
    }
    return false;
}

static int look(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    struct search *s = arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        /* Notes aligned to 8 are laid out otherwise; ours are not among them. */
        if (p->p_type == PT_NOTE && p->p_align <= 4 &&
            has_note((const char *)(info->dlpi_addr + p->p_vaddr), p->p_memsz, s->owner)) {
            s->fn(info->dlpi_name, s->arg);
            break;
        }
    }
    return 0;
}

void tz_os_objects_with_note(const char *owner, void (*fn)(const char *file, void *arg), void *arg)
{
    int saved = errno;
    struct search s = {owner, fn, arg};
    dl_iterate_phdr(look, &s);
    errno = saved;
}
