/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registers of a point of execution, as unwinding needs them: numbered
 * as in DWARF on this CPU, each known or not.
 */
#ifndef TZ_REGS_H
#define TZ_REGS_H

#include "base/base.h"

#if defined(__x86_64__)
#define TZ_REGS        17 /* rax rdx rcx rbx rsi rdi rbp rsp r8 to r15, the return address */
#define TZ_REG_FP      6
#define TZ_REG_SP      7
#define TZ_REG_PC      16
#define TZ_REG_RA      TZ_REG_PC /* the column of the return address */
#define TZ_SAVED_WORDS 7         /* what a parked goroutine has on its stack, from g->sp up (amd64.S) */
#elif defined(__aarch64__)
#define TZ_REGS        33 /* x0 to x30, sp; pc has no number of its own */
#define TZ_REG_FP      29
#define TZ_REG_RA      30
#define TZ_REG_SP      31
#define TZ_REG_PC      32
#define TZ_SAVED_WORDS 20
#else
#error "tuza: this CPU has no port"
#endif

typedef struct tz_regs {
    uint64_t known; /* bit r: r[r] is right */
    uintptr_t r[TZ_REGS];
    bool exact; /* pc is the instruction itself; else it is where a call returns to */
} tz_regs;

/* The caller's, as they are when this returns. */
void tz_regs_here(tz_regs *regs);
/* Those that a switch saved: the words from g->sp up, and g->sp. */
void tz_regs_saved(tz_regs *regs, const uintptr_t saved[TZ_SAVED_WORDS], uintptr_t sp);
/* Those that a signal interrupted; ucontext is the handler's third argument. Async-signal-safe. */
void tz_regs_signal(tz_regs *regs, const void *ucontext);

/*
 * Whether code, the bytes at a pc, is the kernel's or libc's trampoline to
 * which signal handlers return: then the context that the signal interrupted
 * is at the address returned, of which TZ_SIGNAL_CONTEXT bytes are enough for
 * tz_regs_signal. 0: it is none. The unwind table of a trampoline may be
 * missing, and the kernel's on aarch64 tells of two registers only.
 */
#define TZ_TRAMPOLINE_BYTES 16
#define TZ_SIGNAL_CONTEXT   512
uintptr_t tz_regs_trampoline(const uint8_t code[TZ_TRAMPOLINE_BYTES], uintptr_t sp);

/* A return address without its signature, where the CPU signs them. */
TZ_INLINE uintptr_t tz_strip_pc(uintptr_t pc)
{
#if defined(__aarch64__)
    register uintptr_t lr __asm__("x30") = pc;
    __asm__("hint #7" : "+r"(lr)); /* xpaclri: nothing on a CPU without signatures */
    return lr;
#else
    return pc;
#endif
}

#endif /* TZ_REGS_H */
