/* SPDX-License-Identifier: BSD-3-Clause */
/* See regs.h. tz_regs_here is assembly, which knows the offsets below. */
#include "arch/regs.h"

#include <signal.h>
#include <string.h>
#include <ucontext.h>

_Static_assert(offsetof(tz_regs, known) == 0 && offsetof(tz_regs, r) == 8, "amd64.S, arm64.S");
_Static_assert(offsetof(tz_regs, exact) == 8 + 8 * TZ_REGS, "amd64.S, arm64.S");

static void set(tz_regs *regs, int number, uintptr_t value)
{
    regs->r[number] = value;
    regs->known |= (uint64_t)1 << number;
}

#if defined(__x86_64__)

void tz_regs_saved(tz_regs *regs, const uintptr_t saved[TZ_SAVED_WORDS], uintptr_t sp)
{
    static const unsigned char order[TZ_SAVED_WORDS] = {15, 14, 13, 12, 3, TZ_REG_FP, TZ_REG_PC};
    memset(regs, 0, sizeof *regs);
    for (int i = 0; i < TZ_SAVED_WORDS; i++)
        set(regs, order[i], saved[i]);
    set(regs, TZ_REG_SP, sp + sizeof(uintptr_t) * TZ_SAVED_WORDS);
}

void tz_regs_signal(tz_regs *regs, const void *ucontext)
{
    static const unsigned char order[TZ_REGS] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                                 REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                                 REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    const ucontext_t *uc = ucontext;
    memset(regs, 0, sizeof *regs);
    for (int i = 0; i < TZ_REGS; i++)
        set(regs, i, (uintptr_t)uc->uc_mcontext.gregs[order[i]]);
    regs->exact = true;
}

_Static_assert(offsetof(ucontext_t, uc_mcontext.fpregs) <= TZ_SIGNAL_CONTEXT, "the registers are in it");

uintptr_t tz_regs_trampoline(const uint8_t code[TZ_TRAMPOLINE_BYTES], uintptr_t sp)
{
    /* mov $15, %rax; syscall */
    static const uint8_t bytes[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
    return memcmp(code, bytes, sizeof bytes) == 0 ? sp : 0;
}

#elif defined(__aarch64__)

void tz_regs_saved(tz_regs *regs, const uintptr_t saved[TZ_SAVED_WORDS], uintptr_t sp)
{
    memset(regs, 0, sizeof *regs);
    set(regs, 29, saved[0]);
    set(regs, TZ_REG_PC, tz_strip_pc(saved[1]));
    for (int i = 0; i < 10; i++)
        set(regs, 19 + i, saved[2 + i]);
    set(regs, TZ_REG_SP, sp + sizeof(uintptr_t) * TZ_SAVED_WORDS);
}

void tz_regs_signal(tz_regs *regs, const void *ucontext)
{
    const ucontext_t *uc = ucontext;
    memset(regs, 0, sizeof *regs);
    for (int i = 0; i <= 30; i++)
        set(regs, i, (uintptr_t)uc->uc_mcontext.regs[i]);
    set(regs, TZ_REG_SP, (uintptr_t)uc->uc_mcontext.sp);
    set(regs, TZ_REG_PC, (uintptr_t)uc->uc_mcontext.pc);
    regs->exact = true;
}

_Static_assert(offsetof(ucontext_t, uc_mcontext.pstate) <= TZ_SIGNAL_CONTEXT, "the registers are in it");

uintptr_t tz_regs_trampoline(const uint8_t code[TZ_TRAMPOLINE_BYTES], uintptr_t sp)
{
    /* mov x8, #139; svc #0. The context follows the signal's information. */
    static const uint8_t bytes[] = {0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4};
    return memcmp(code, bytes, sizeof bytes) == 0 ? sp + sizeof(siginfo_t) : 0;
}

#endif
