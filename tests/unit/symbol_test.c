/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names for addresses: with DWARF where libdw is there, by the symbol tables
 * of the mapped files alone; and files that are no good.
 */
#include <tuza.h>

#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "go/help.h"
#include "trace/elf.h"
#include "trace/symbol.h"

#define STAY() __asm__ volatile("" ::: "memory")

static uintptr_t here; /* a return address within what called note_place */
static unsigned line;

static __attribute__((noinline)) void note_place(void)
{
    here = (uintptr_t)__builtin_return_address(0);
}

static inline __attribute__((always_inline)) void inlined_inner(void)
{
    note_place();
    line = __LINE__ - 1;
    STAY();
}

static inline __attribute__((always_inline)) void inlined_outer(void)
{
    inlined_inner();
    STAY();
}

static __attribute__((noinline)) void whole(void)
{
    inlined_outer();
    STAY();
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool have_dwarf(void)
{
    return tz_dwarf_open("/proc/self/exe") != NULL;
}

/* TB-04: function, file, line; inlined functions are shown as if they had been called. */
TEST(with_dwarf)
{
    if (!have_dwarf())
        SKIP("no libdw");
    whole();
    uint32_t n;
    tz_symbols *s = tz_symbols_new(true);
    CHECK(!tz_symbols_known(s, here - 1, &n));
    const tz_symbol *f = tz_symbols_find(s, here - 1, &n);
    CHECK_EQ(n, 3);
    CHECK_STR(f[0].function, "inlined_inner");
    CHECK_STR(f[1].function, "inlined_outer");
    CHECK_STR(f[2].function, "whole");
    CHECK(f[0].inlined && f[1].inlined && !f[2].inlined);
    CHECK_EQ(f[0].line, line);
    for (int i = 0; i < 3; i++) {
        CHECK(ends_with(f[i].file, "/tests/unit/symbol_test.c"));
        CHECK(f[i].line > 0 && !f[i].runtime);
    }
    CHECK_EQ(f[2].entry, (uintptr_t)whole);
    CHECK(tz_symbols_known(s, here - 1, &n) == f);
    /* Static functions of the runtime are known by their file. */
    f = tz_symbols_find(s, (uintptr_t)tuza_gosched, &n);
    CHECK(f[n - 1].runtime && f[n - 1].line > 0);
    tz_symbols_refresh(s);
    CHECK(tz_symbols_known(s, here - 1, &n));
}

/* TB-04: names alone, where nothing else can be had. */
TEST(names_alone)
{
    whole();
    uint32_t n;
    tz_symbols *s = tz_symbols_new(false);
    const tz_symbol *f = tz_symbols_find(s, here - 1, &n);
    CHECK_EQ(n, 1);
    CHECK_STR(f->function, "whole");
    CHECK_EQ(f->entry, (uintptr_t)whole);
    CHECK_EQ(f->line, 0);
    CHECK(ends_with(f->file, "/symbol_test"));
    f = tz_symbols_find(s, (uintptr_t)tuza_gosched, &n);
    CHECK_STR(f->function, "tuza_gosched");
    CHECK(f->runtime);
    f = tz_symbols_find(s, (uintptr_t)dlsym(RTLD_DEFAULT, "fmtmsg"), &n);
    CHECK_STR(f->function, "fmtmsg");
    CHECK(strstr(f->file, "libc.so") && !f->runtime);
    tz_symbols_free(s);
}

/* Where there is no name there is a place. */
TEST(without_names)
{
    uint32_t n;
    tz_symbols *s = tz_symbols_new(true);
    void *made = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const tz_symbol *f = tz_symbols_find(s, (uintptr_t)made, &n);
    char expected[32];
    snprintf(expected, sizeof expected, "%p", made);
    CHECK_STR(f->function, expected);
    CHECK(!f->file);
    f = tz_symbols_find(s, (uintptr_t)&line, &n);
    CHECK(strstr(f->function, "symbol_test+0x"));
    f = tz_symbols_find(s, 0, &n);
    CHECK_STR(f->function, "0x0");
    munmap(made, 4096);
}

/* A library that is unloaded is not asked for any more; loaded again it is. */
TEST(unloaded)
{
    uint32_t n;
    tz_symbols *s = tz_symbols_new(false);
    for (int i = 0; i < 3; i++) {
        void *lib = dlopen("libresolv.so.2", RTLD_NOW);
        if (!lib)
            SKIP("no libresolv");
        uintptr_t at = (uintptr_t)dlsym(lib, "ns_name_ntop");
        if (!at)
            at = (uintptr_t)dlsym(lib, "__ns_name_ntop");
        CHECK(at);
        Dl_info info;
        CHECK(dladdr((void *)at, &info) && info.dli_sname);
        tz_symbols_refresh(s);
        const tz_symbol *f = tz_symbols_find(s, at, &n);
        CHECK(strstr(f->function, "ns_name_ntop"));
        CHECK(f->file && f->entry == at);
        dlclose(lib);
        tz_symbols_refresh(s);
        if (!dladdr((void *)at, &info)) /* it is gone */
            CHECK(!tz_symbols_known(s, at, &n));
    }
    tz_symbols_free(s);
}

static uint64_t random_state = 88172645463325252u;

static uint64_t chance(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Files that were cut off or written over: nothing is found in them, or something, and nothing breaks. */
TEST(broken_files)
{
    char name[] = "/tmp/symbol_test-XXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0);
    size_t size;
    const uint8_t *good = tz_os_map_file("/proc/self/exe", &size);
    CHECK(good && size > sizeof(Elf64_Ehdr));
    const Elf64_Ehdr *header = (const void *)good;
    int opened = 0, found = 0;
    for (int round = 0; round < 200; round++) {
        CHECK_EQ(ftruncate(fd, 0), 0);
        CHECK_EQ(pwrite(fd, good, size, 0), (ssize_t)size);
        for (uint64_t i = chance() % 4; i > 0; i--) { /* in the headers, where it hurts */
            uint64_t bad = chance() >> chance() % 64;
            off_t at = chance() % 4 == 0
                           ? (off_t)(chance() % sizeof *header)
                           : (off_t)(header->e_shoff + chance() % (header->e_shnum * sizeof(Elf64_Shdr)));
            CHECK_EQ(pwrite(fd, &bad, 1 + chance() % 8, at) > 0, 1);
        }
        if (chance() % 4 == 0)
            CHECK_EQ(ftruncate(fd, (off_t)(chance() % size)), 0);
        tz_elf e;
        if (!tz_elf_open(&e, name, NULL))
            continue;
        opened++;
        uintptr_t start;
        bool ours;
        char path[128];
        for (int i = 0; i < 20; i++)
            found += tz_elf_function(&e, chance() % (2 * size), &start, &ours) != NULL;
        (void)tz_elf_debug_path(&e, path, sizeof path);
        uintptr_t address;
        size_t length;
        (void)tz_elf_section(&e, ".eh_frame", &address, &length);
        tz_elf_close(&e);
    }
    CHECK(opened > 10 && opened < 200 && found > 10);
    CHECK_EQ(unlink(name), 0);
    close(fd);
}

/* A file that has been replaced since it was mapped gives no wrong names. */
TEST(replaced_file)
{
    tz_elf e;
    Elf64_Ehdr image;
    size_t size;
    const void *file = tz_os_map_file("/proc/self/exe", &size);
    memcpy(&image, file, sizeof image);
    CHECK(tz_elf_open(&e, "/proc/self/exe", &image));
    image.e_entry++;
    CHECK(!tz_elf_open(&e, "/proc/self/exe", &image));
    CHECK(!tz_elf_open(&e, "/proc/self/maps", NULL));
    CHECK(!tz_elf_open(&e, "/nowhere", NULL));
}

TEST_MAIN()
