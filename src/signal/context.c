/* SPDX-License-Identifier: BSD-3-Clause */
/* The registers that a handler finds. */
#include <ucontext.h>

#include "base/fatal.h"
#include "signal/handlers.h"

typedef struct reg {
    const char *name;
    uint64_t value;
} reg;

static void print(const reg *regs, size_t n)
{
    char buf[24];
    for (size_t i = 0; i < n; i++)
        tz_print(regs[i].name, tz_hex(buf, regs[i].value), "\n", NULL);
}

#if defined(__x86_64__)

uintptr_t tz_context_pc(const void *context)
{
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
}

uintptr_t tz_context_sp(const void *context)
{
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];
}

void tz_context_print(const void *context)
{
    const greg_t *r = ((const ucontext_t *)context)->uc_mcontext.gregs;
    uint64_t segments = (uint64_t)r[REG_CSGSFS];
    const reg regs[] = {
        {"rax    ", (uint64_t)r[REG_RAX]},    {"rbx    ", (uint64_t)r[REG_RBX]},
        {"rcx    ", (uint64_t)r[REG_RCX]},    {"rdx    ", (uint64_t)r[REG_RDX]},
        {"rdi    ", (uint64_t)r[REG_RDI]},    {"rsi    ", (uint64_t)r[REG_RSI]},
        {"rbp    ", (uint64_t)r[REG_RBP]},    {"rsp    ", (uint64_t)r[REG_RSP]},
        {"r8     ", (uint64_t)r[REG_R8]},     {"r9     ", (uint64_t)r[REG_R9]},
        {"r10    ", (uint64_t)r[REG_R10]},    {"r11    ", (uint64_t)r[REG_R11]},
        {"r12    ", (uint64_t)r[REG_R12]},    {"r13    ", (uint64_t)r[REG_R13]},
        {"r14    ", (uint64_t)r[REG_R14]},    {"r15    ", (uint64_t)r[REG_R15]},
        {"rip    ", (uint64_t)r[REG_RIP]},    {"rflags ", (uint64_t)r[REG_EFL]},
        {"cs     ", segments & 0xffff},       {"fs     ", segments >> 32 & 0xffff},
        {"gs     ", segments >> 16 & 0xffff},
    };
    print(regs, sizeof regs / sizeof regs[0]);
}

#elif defined(__aarch64__)

uintptr_t tz_context_pc(const void *context)
{
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.pc;
}

uintptr_t tz_context_sp(const void *context)
{
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.sp;
}

void tz_context_print(const void *context)
{
    static const char names[][9] = {
        "r0      ", "r1      ", "r2      ", "r3      ", "r4      ", "r5      ", "r6      ", "r7      ",
        "r8      ", "r9      ", "r10     ", "r11     ", "r12     ", "r13     ", "r14     ", "r15     ",
        "r16     ", "r17     ", "r18     ", "r19     ", "r20     ", "r21     ", "r22     ", "r23     ",
        "r24     ", "r25     ", "r26     ", "r27     ", "r28     ", "r29     ", "lr      "};
    const mcontext_t *c = &((const ucontext_t *)context)->uc_mcontext;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        print(&(reg){names[i], c->regs[i]}, 1);
    const reg regs[] = {{"sp      ", c->sp}, {"pc      ", c->pc}, {"fault   ", c->fault_address}};
    print(regs, sizeof regs / sizeof regs[0]);
}

#else
#error "tuza: this CPU has no port"
#endif
