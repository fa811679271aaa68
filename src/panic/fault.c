/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults that are panics: tuza_set_panic_on_fault. */
#include <link.h>
#include <signal.h>
#include <string.h>

#include "panic/records.h"
#include "trace/unwind.h"

bool tuza_set_panic_on_fault(bool on)
{
    tz_g *g = tz_panic_need_g();
    bool was = g->unwind.on_fault;
    g->unwind.used = true; /* it is off again for the G's next goroutine */
    tz_store_relaxed(&g->unwind.on_fault, on);
    return was;
}

/* Called by the interrupted code, it seems. */
static void fault_panic(tz_arch_fault *f)
{
    tz_g *g = tz_panic_g();
    const char *text = f->sig == SIGFPE ? "runtime error: integer divide by zero"
                                        : "runtime error: invalid memory address or nil pointer dereference";
    tz_panic_fault(g, text, f, __builtin_frame_address(0));
}

struct where {
    uintptr_t pc;
    bool own;
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool starts(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

/* Libc, the loader and this library, where they are objects by themselves. */
static int look(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    struct where *w = arg;
    bool has_pc = false, has_us = false;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type != PT_LOAD)
            continue;
        uintptr_t lo = info->dlpi_addr + h->p_vaddr;
        has_pc |= w->pc - lo < h->p_memsz;
        has_us |= (uintptr_t)look - lo < h->p_memsz;
    }
    if (!has_pc)
        return 0;
    const char *name = base_name(info->dlpi_name);
    bool is_main = !*name;
    w->own = is_main || !(has_us || starts(name, "libc.") || starts(name, "libc-") || starts(name, "ld-") ||
                          starts(name, "ld.") || starts(name, "libpthread") || starts(name, "linux-vdso"));
    return 1;
}

/*
 * Whether the instruction at pc is the program's.
 *
 * dl_iterate_phdr takes the loader's lock, which the interrupted thread may
 * have itself: it is recursive. Others hold it for a moment only.
 */
static bool is_own_code(uintptr_t pc)
{
    struct where w = {pc, false};
    dl_iterate_phdr(look, &w);
    return w.own;
}

/*
 * What is not may have been called by the program's code: a string function
 * of libc's on a mapped file, which holds no lock (those that do call others
 * for the work), or an address that is no code.
 */
static bool is_called_by_own_code(const tz_g *g, const void *ucontext)
{
    tz_regs regs;
    tz_walk w;
    tz_regs_signal(&regs, ucontext);
    return tz_walk_begin(&w, &regs, (uintptr_t)g->stack.lo, (uintptr_t)g->stack.hi, NULL) &&
           tz_walk_next(&w) && is_own_code(tz_walk_pc(&w) - 1);
}

bool tz_panic_take_fault(int sig, const char *name, const void *siginfo, void *ucontext)
{
    tz_m *m = tz_self_m;
    const siginfo_t *info = siginfo;
    if (m == &tz_nobody || (tz_load_relaxed(&m->seq) & 1) || info->si_code <= 0)
        return false;
    tz_g *g = m->g;
    if (!tz_load_relaxed(&g->unwind.on_fault))
        return false;
    if (sig != SIGSEGV && sig != SIGBUS && !(sig == SIGFPE && info->si_code == FPE_INTDIV))
        return false;
    tz_arch_fault f = {.pc = tz_arch_signal_pc(ucontext),
                       .addr = (uintptr_t)info->si_addr,
                       .name = name,
                       .sig = sig,
                       .code = info->si_code};
    return (is_own_code(f.pc) || is_called_by_own_code(g, ucontext)) &&
           tz_arch_call_after_signal(ucontext, &f, g->stack.lo, fault_panic);
}
