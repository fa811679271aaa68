/* SPDX-License-Identifier: BSD-3-Clause */
/* A call made in the name of interrupted code: its registers are changed so that the handler returns into
 * tz_arch_signalled. */
#include <ucontext.h>

#include "arch/arch.h"

/* Room for the frame, and for what is called to get off the stack's end. */
#define ROOM 4096

uintptr_t tz_arch_signal_pc(const void *ucontext)
{
    const mcontext_t *c = &((const ucontext_t *)ucontext)->uc_mcontext;
#if defined(__x86_64__)
    return (uintptr_t)c->gregs[REG_RIP];
#else
    return (uintptr_t)c->pc;
#endif
}

bool tz_arch_call_after_signal(void *ucontext, const tz_arch_fault *fault, const char *lo,
                               void (*fn)(tz_arch_fault *fault))
{
    mcontext_t *c = &((ucontext_t *)ucontext)->uc_mcontext;
#if defined(__x86_64__)
    uintptr_t sp = (uintptr_t)c->gregs[REG_RSP];
    uintptr_t at = (sp - 128 - sizeof *fault) & ~(uintptr_t)15; /* beyond the red zone */
#else
    uintptr_t sp = c->sp;
    uintptr_t at = (sp - sizeof *fault) & ~(uintptr_t)15;
#endif
    if (sp < (uintptr_t)lo || at - (uintptr_t)lo < ROOM)
        return false;
    tz_arch_fault *copy = (tz_arch_fault *)at;
    *copy = *fault;
    copy->frame[1] = sp;
#if defined(__x86_64__)
    copy->frame[0] = (uint64_t)c->gregs[REG_RIP];
    c->gregs[REG_RSP] = (greg_t)at;
    c->gregs[REG_RIP] = (greg_t)(uintptr_t)tz_arch_signalled;
    c->gregs[REG_RDI] = (greg_t)(uintptr_t)fn;
    c->gregs[REG_RSI] = (greg_t)at;
    c->gregs[REG_EFL] &= ~(greg_t)0x400; /* the direction flag */
#else
    copy->frame[0] = c->pc;
    copy->frame[2] = c->regs[30];
    c->sp = at;
    c->pc = (uintptr_t)tz_arch_signalled;
    c->regs[0] = (uintptr_t)fn;
    c->regs[1] = at;
#endif
    return true;
}
