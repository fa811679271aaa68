/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See symbol.h.
 *
 * All memory is one list of chunks that only grows: a process has so many
 * call sites and no more. A file is known by where it is mapped and what the
 * loader calls it; what it holds is looked at only where the file on disk is
 * still the one that was mapped. A file that was unloaded takes its symbols
 * out of use by no longer being found at their address.
 */
#include "trace/symbol.h"

#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "trace/elf.h"

#define CHUNK   ((size_t)64 << 10)
#define BUCKETS 1024u
#define INLINED 32u /* functions inlined into one another at one place: the innermost of more */

typedef struct module {
    struct module *next;
    tz_object object;
    const char *name; /* what the loader calls it, "" for the program */
    const char *path; /* what to show */
    tz_elf elf;
    tz_elf debug; /* its separate symbols, where it has none */
    tz_dwarf *dwarf;
    bool ours; /* libtuza.so */
    bool gone; /* unloaded: no longer at its place */
} module;

typedef struct entry {
    struct entry *next;
    uintptr_t at;
    module *module; /* NULL: in no file */
    uint32_t n;
    tz_symbol symbols[];
} entry;

typedef struct chunk {
    struct chunk *next;
    size_t size;
} chunk;

struct tz_symbols {
    chunk *chunks;
    char *free, *end;
    bool dwarf;
    bool sources_known;
    const char *sources; /* the folder of the runtime's sources, as the compiler was told; NULL: not known */
    size_t sources_length;
    module *modules;
    entry *buckets[BUCKETS];
};

static void *take(tz_symbols *s, size_t n)
{
    n = (n + 15) & ~(size_t)15;
    if ((size_t)(s->end - s->free) < n) {
        size_t size = n + sizeof(chunk) > CHUNK ? tz_os_pages(n + sizeof(chunk)) : CHUNK;
        chunk *c = tz_os_reserve(size);
        if (!c)
            return NULL;
        c->next = s->chunks;
        c->size = size;
        s->chunks = c;
        s->free = (char *)c + 16;
        s->end = (char *)c + size;
    }
    void *p = s->free;
    s->free += n;
    return p;
}
_Static_assert(sizeof(chunk) == 16, "what take leaves at a chunk's start");

tz_symbols *tz_symbols_new(bool dwarf)
{
    tz_symbols *s = tz_os_reserve(tz_os_pages(sizeof *s));
    if (s)
        s->dwarf = dwarf;
    return s;
}

void tz_symbols_free(tz_symbols *s)
{
    for (module *m = s->modules; m; m = m->next) {
        tz_elf_close(&m->elf);
        tz_elf_close(&m->debug);
    }
    for (chunk *c = s->chunks, *next; c; c = next) {
        next = c->next;
        tz_os_release(c, c->size);
    }
    tz_os_release(s, tz_os_pages(sizeof *s));
}

static const char *copy(tz_symbols *s, const char *text)
{
    size_t n = strlen(text) + 1;
    char *to = take(s, n);
    return to ? memcpy(to, text, n) : NULL;
}

static bool same_object(const tz_object *a, const tz_object *b)
{
    return a->start == b->start && a->end == b->end && a->eh_frame_hdr == b->eh_frame_hdr &&
           a->bias == b->bias;
}

static bool is_elf_header(uintptr_t at)
{
    char magic[8];
    return tz_os_peek(magic, (const void *)at, sizeof magic) && memcmp(magic, "\177ELF", 4) == 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const char *name_of(const tz_object *o)
{
    return o->name ? o->name : "";
}

static void open_module(tz_symbols *s, module *m)
{
    char debug[160], exe[256];
    const char *path = m->name;
    if (!path[0]) { /* opened by the link, right even where the file has been replaced; shown by its name */
        path = "/proc/self/exe";
        m->path = tz_os_exe(exe, sizeof exe) ? copy(s, exe) : path;
    } else {
        m->path = m->name;
    }
    const void *image = is_elf_header(m->object.start) ? (const void *)m->object.start : NULL;
    m->ours = strncmp(base_name(path), "libtuza.so", 10) == 0;
    if (!tz_elf_open(&m->elf, path, image))
        return;
    bool apart = tz_elf_debug_path(&m->elf, debug, sizeof debug);
    if (s->dwarf) {
        m->dwarf = tz_dwarf_open(path);
        if (!m->dwarf && apart)
            m->dwarf = tz_dwarf_open(debug);
    }
    if (apart && !m->dwarf)
        (void)tz_elf_open(&m->debug, debug, NULL);
}

static module *find_module(tz_symbols *s, uintptr_t at)
{
    tz_object o;
    if (!tz_object_find(at, &o))
        return NULL;
    for (module *m = s->modules; m; m = m->next)
        if (!m->gone && same_object(&m->object, &o))
            return m;
    module *m = take(s, sizeof *m);
    if (!m)
        return NULL;
    memset(m, 0, sizeof *m);
    m->object = o;
    m->name = copy(s, name_of(&o)); /* the loader's may be freed */
    if (!m->name)
        return NULL;
    open_module(s, m);
    m->next = s->modules;
    s->modules = m;
    return m;
}

void tz_symbols_refresh(tz_symbols *s)
{
    for (module *m = s->modules; m; m = m->next) {
        tz_object o;
        if (m->gone)
            continue;
        bool there = tz_object_find(m->object.start, &o) && same_object(&m->object, &o) &&
                     strcmp(name_of(&o), m->name) == 0;
        m->gone = !there;
    }
    for (uint32_t i = 0; i < BUCKETS; i++)
        for (entry **e = &s->buckets[i]; *e;) {
            if ((*e)->module && (*e)->module->gone)
                *e = (*e)->next;
            else
                e = &(*e)->next;
        }
}

static entry *find_entry(const tz_symbols *s, uintptr_t at)
{
    entry *e = s->buckets[(at ^ at >> 10) % BUCKETS];
    while (e && e->at != at)
        e = e->next;
    return e;
}

const tz_symbol *tz_symbols_known(const tz_symbols *s, uintptr_t at, uint32_t *n)
{
    const entry *e = find_entry(s, at);
    if (!e)
        return NULL;
    *n = e->n;
    return e->symbols;
}

/* "file+0x12" */
static const char *name_by_place(tz_symbols *s, const module *m, uintptr_t at)
{
    const char *file = m && m->path ? base_name(m->path) : "";
    size_t n = strlen(file), used;
    char *text = take(s, n + 20);
    if (!text)
        return "?";
    uintptr_t value = m ? at - m->object.bias : at;
    memcpy(text, file, n);
    used = n;
    if (n)
        text[used++] = '+';
    text[used++] = '0';
    text[used++] = 'x';
    int shift = 60;
    while (shift && !(value >> shift))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        text[used++] = "0123456789abcdef"[value >> shift & 15];
    text[used] = 0;
    return text;
}

/* A compiler's marks on copies of a function are cut off: f.constprop.0, f.cold. */
static const char *plain_name(tz_symbols *s, const char *name)
{
    const char *dot = strchr(name, '.');
    if (!dot || dot == name)
        return name;
    size_t n = (size_t)(dot - name);
    char *plain = take(s, n + 1);
    if (!plain)
        return name;
    memcpy(plain, name, n);
    plain[n] = 0;
    return plain;
}

/* By the C++ runtime, if it is in the process; its result comes from malloc. */
static const char *demangled(tz_symbols *s, const char *name)
{
    static const char *(*demangle)(const char *, char *, size_t *, int *);
    if (!s->dwarf || strncmp(name, "_Z", 2) != 0)
        return name;
    if (!demangle)
        *(void **)&demangle = tz_os_symbol("__cxa_demangle"); /* POSIX's way to make a function of it */
    int status = -1;
    const char *plain = demangle ? demangle(name, NULL, NULL, &status) : NULL;
    const char *kept = status == 0 && plain ? copy(s, plain) : NULL;
    free((void *)(uintptr_t)plain);
    return kept ? kept : name;
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The folder of our sources is what this very function's file is below of. */
static void find_sources(tz_symbols *s)
{
    uint32_t n;
    s->sources_known = true;
    const tz_symbol *self = tz_symbols_find(s, (uintptr_t)&tz_symbols_find, &n);
    if (!self || !self[n - 1].line)
        return;
    const char *end = strstr(self[n - 1].file, "/trace/symbol.c");
    if (end) {
        s->sources = self[n - 1].file;
        s->sources_length = (size_t)(end + 1 - s->sources);
    }
}

static bool is_runtime(const tz_symbols *s, const module *m, const tz_symbol *f, bool ours)
{
    if (ours || (m && m->ours) || has_prefix(f->function, "tz_") || has_prefix(f->function, "tuza_"))
        return true;
    return s->sources && f->line && strncmp(f->file, s->sources, s->sources_length) == 0;
}

const tz_symbol *tz_symbols_find(tz_symbols *s, uintptr_t at, uint32_t *n)
{
    const tz_symbol *there = tz_symbols_known(s, at, n);
    if (there)
        return there;
    module *m = find_module(s, at);
    tz_dwarf_frame frames[INLINED];
    uintptr_t start = 0, own = m ? at - m->object.bias : 0;
    uint32_t count = m && m->dwarf ? tz_dwarf_find(m->dwarf, own, frames, INLINED, &start) : 0;
    if (s->dwarf && count && !s->sources_known)
        find_sources(s);
    if (count == 0) {
        frames[0] = (tz_dwarf_frame){NULL, NULL, 0, false};
        count = 1;
    }
    uintptr_t begin = 0;
    const char *name = NULL;
    bool ours = false;
    if (m && m->elf.file && !(frames[count - 1].function && start)) {
        name = tz_elf_function(&m->elf, own, &begin, &ours);
        if (!name && m->debug.file)
            name = tz_elf_function(&m->debug, own, &begin, &ours);
        start = start ? start : begin;
    }
    if (name)
        name = plain_name(s, name);
    entry *e = take(s, sizeof *e + count * sizeof e->symbols[0]);
    if (!e)
        return NULL;
    e->at = at;
    e->module = m;
    e->n = *n = count;
    for (uint32_t i = 0; i < count; i++) {
        tz_symbol *f = &e->symbols[i];
        f->function = frames[i].function ? frames[i].function : i == count - 1 ? name : NULL;
        f->function = f->function ? demangled(s, f->function) : name_by_place(s, m, at);
        f->file = frames[i].file ? frames[i].file : m ? m->path : NULL;
        f->line = frames[i].file ? frames[i].line : 0;
        f->inlined = frames[i].inlined;
        f->entry = start && m ? start + m->object.bias : 0;
        f->runtime = is_runtime(s, m, f, ours);
    }
    uint32_t bucket = (at ^ at >> 10) % BUCKETS;
    e->next = s->buckets[bucket];
    s->buckets[bucket] = e;
    return e->symbols;
}
