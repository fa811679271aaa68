/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads section headers, the symbol table (.symtab, else .dynsym) and the
 * build id of an ELF file of this CPU's class. The file is not trusted to be
 * whole: every offset is checked against its size.
 */
#include "trace/elf.h"

#include <elf.h>
#include <string.h>

#include "os/os.h"

static bool within(const tz_elf *e, uint64_t offset, uint64_t n)
{
    return offset <= e->size && n <= e->size - offset;
}

static void use_symbols(tz_elf *e, const Elf64_Shdr *sections, size_t n, const Elf64_Shdr *table)
{
    if (!within(e, table->sh_offset, table->sh_size) || table->sh_link >= n ||
        table->sh_offset % _Alignof(Elf64_Sym) != 0)
        return;
    const Elf64_Shdr *strings = &sections[table->sh_link];
    if (!within(e, strings->sh_offset, strings->sh_size) || strings->sh_size == 0 ||
        e->file[strings->sh_offset + strings->sh_size - 1] != 0)
        return;
    e->symbols = e->file + table->sh_offset;
    e->nsymbols = table->sh_size / sizeof(Elf64_Sym);
    e->strings = (const char *)e->file + strings->sh_offset;
    e->strings_size = strings->sh_size;
}

static void look_for_build_id(tz_elf *e, const Elf64_Shdr *section)
{
    if (!within(e, section->sh_offset, section->sh_size) || section->sh_offset % 4 != 0)
        return;
    const uint8_t *p = e->file + section->sh_offset;
    size_t left = section->sh_size;
    while (left >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        memcpy(&note, p, sizeof note);
        size_t name = ((size_t)note.n_namesz + 3) & ~(size_t)3,
               desc = ((size_t)note.n_descsz + 3) & ~(size_t)3;
        if (name + desc > left - sizeof note)
            return;
        p += sizeof note;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(p, "GNU", 4) == 0) {
            e->build_id = p + name;
            e->build_id_size = note.n_descsz;
            return;
        }
        p += name + desc;
        left -= sizeof note + name + desc;
    }
}

static bool read_sections(tz_elf *e)
{
    Elf64_Ehdr header;
    if (e->size < sizeof header)
        return false;
    memcpy(&header, e->file, sizeof header);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shoff % _Alignof(Elf64_Shdr) != 0 ||
        !within(e, header.e_shoff, (uint64_t)header.e_shnum * sizeof(Elf64_Shdr)))
        return false;
    const Elf64_Shdr *sections = (const void *)(e->file + header.e_shoff);
    const Elf64_Shdr *dynamic = NULL;
    e->sections = sections;
    e->nsections = header.e_shnum;
    e->names = header.e_shstrndx;
    for (size_t i = 0; i < header.e_shnum; i++) {
        const Elf64_Shdr *s = &sections[i];
        if (s->sh_type == SHT_SYMTAB)
            use_symbols(e, sections, header.e_shnum, s);
        else if (s->sh_type == SHT_DYNSYM)
            dynamic = s;
        else if (s->sh_type == SHT_NOTE && !e->build_id)
            look_for_build_id(e, s);
    }
    if (!e->symbols && dynamic)
        use_symbols(e, sections, header.e_shnum, dynamic);
    return true;
}

bool tz_elf_open(tz_elf *e, const char *path, const void *image)
{
    memset(e, 0, sizeof *e);
    e->file = tz_os_map_file(path, &e->size);
    if (!e->file)
        return false;
    bool same = !image || (e->size >= sizeof(Elf64_Ehdr) && memcmp(e->file, image, sizeof(Elf64_Ehdr)) == 0);
    if (same && read_sections(e))
        return true;
    tz_elf_close(e);
    return false;
}

void tz_elf_close(tz_elf *e)
{
    if (e->file)
        tz_os_release((void *)(uintptr_t)e->file, e->size);
    e->file = NULL;
}

bool tz_elf_section(const tz_elf *e, const char *name, uintptr_t *address, size_t *size)
{
    const Elf64_Shdr *sections = e->sections;
    if (e->names >= e->nsections)
        return false;
    const Elf64_Shdr *names = &sections[e->names];
    size_t n = strlen(name) + 1;
    if (!within(e, names->sh_offset, names->sh_size))
        return false;
    for (size_t i = 0; i < e->nsections; i++) {
        const Elf64_Shdr *s = &sections[i];
        if (s->sh_name >= names->sh_size || n > names->sh_size - s->sh_name ||
            memcmp(e->file + names->sh_offset + s->sh_name, name, n) != 0)
            continue;
        *address = s->sh_addr;
        *size = s->sh_size;
        return true;
    }
    return false;
}

/* Whether the address is the symbol's: one without a size goes on to the end of its section. */
static bool holds(const tz_elf *e, const Elf64_Sym *s, uintptr_t address)
{
    const Elf64_Shdr *sections = e->sections;
    if (s->st_value > address)
        return false;
    if (s->st_size)
        return address - s->st_value < s->st_size;
    return s->st_shndx < e->nsections &&
           address - sections[s->st_shndx].sh_addr < sections[s->st_shndx].sh_size;
}

static const char *name_of(const tz_elf *e, const Elf64_Sym *s)
{
    return s->st_name < e->strings_size ? e->strings + s->st_name : "";
}

/* What a symbol of read-only data stands for, if that is a text; NULL: it is none. */
static const char *text_of(const tz_elf *e, const Elf64_Sym *s)
{
    const Elf64_Shdr *sections = e->sections;
    if (s->st_shndx >= e->nsections || s->st_size == 0)
        return NULL;
    const Elf64_Shdr *in = &sections[s->st_shndx];
    uint64_t offset = s->st_value - in->sh_addr;
    if (in->sh_type != SHT_PROGBITS || offset > in->sh_size || s->st_size > in->sh_size - offset ||
        !within(e, in->sh_offset, in->sh_size))
        return NULL;
    const char *text = (const char *)e->file + in->sh_offset + offset;
    return text[s->st_size - 1] == 0 ? text : NULL;
}

/*
 * Whether a local symbol is of a file of the runtime. The symbols of a file
 * follow the one that names it. Ours have a mark (base.h), which holds that
 * same name: where a link-time optimizer has made one file of many, of the
 * program's too, it does not.
 */
static bool is_ours(const tz_elf *e, const Elf64_Sym *s)
{
    const Elf64_Sym *symbols = e->symbols, *end = symbols + e->nsymbols;
    if (ELF64_ST_BIND(s->st_info) != STB_LOCAL)
        return false;
    while (s > symbols && ELF64_ST_TYPE(s->st_info) != STT_FILE)
        s--;
    const char *file = name_of(e, s);
    for (s++; s < end && ELF64_ST_TYPE(s->st_info) != STT_FILE; s++) {
        const char *text = strcmp(name_of(e, s), "tz_this_file") == 0 ? text_of(e, s) : NULL;
        if (!text)
            continue;
        const char *slash = strrchr(text, '/');
        return strcmp(slash ? slash + 1 : text, file) == 0;
    }
    return false;
}

/* One pass over the whole table: it is not sorted, and each answer is remembered by whoever asks. */
const char *tz_elf_function(const tz_elf *e, uintptr_t address, uintptr_t *start, bool *ours)
{
    const Elf64_Sym *best = NULL;
    const Elf64_Sym *symbols = e->symbols;
    for (size_t i = 0; i < e->nsymbols; i++) {
        const Elf64_Sym *s = &symbols[i];
        unsigned type = ELF64_ST_TYPE(s->st_info);
        if ((type != STT_FUNC && type != STT_GNU_IFUNC) || s->st_shndx == SHN_UNDEF ||
            s->st_name >= e->strings_size || !holds(e, s, address))
            continue;
        /* The nearest before it; of two at one place the one that is known outside. */
        if (!best || s->st_value > best->st_value ||
            (s->st_value == best->st_value && ELF64_ST_BIND(best->st_info) == STB_LOCAL))
            best = s;
    }
    if (!best)
        return NULL;
    *start = best->st_value;
    *ours = is_ours(e, best);
    return e->strings + best->st_name;
}

bool tz_elf_debug_path(const tz_elf *e, char *path, size_t n)
{
    static const char folder[] = "/usr/lib/debug/.build-id/", end[] = ".debug";
    if (e->build_id_size < 2 || n < sizeof folder + 2 * e->build_id_size + 1 + sizeof end)
        return false;
    memcpy(path, folder, sizeof folder);
    char *p = path + sizeof folder - 1;
    for (size_t i = 0; i < e->build_id_size; i++) {
        *p++ = "0123456789abcdef"[e->build_id[i] >> 4];
        *p++ = "0123456789abcdef"[e->build_id[i] & 15];
        if (i == 0)
            *p++ = '/';
    }
    memcpy(p, end, sizeof end);
    return true;
}
