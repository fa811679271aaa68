/* SPDX-License-Identifier: BSD-3-Clause */
/* The registers that a handler finds. */
#include <ucontext.h>

#include "base/fatal.h"
#include "signal/handlers.h"

#if defined(__x86_64__)

static const char names[TZ_REGISTERS][8] = {"rax    ", "rbx    ", "rcx    ", "rdx    ", "rdi    ", "rsi    ",
                                            "rbp    ", "rsp    ", "r8     ", "r9     ", "r10    ", "r11    ",
                                            "r12    ", "r13    ", "r14    ", "r15    ", "rip    ", "rflags ",
                                            "cs     ", "fs     ", "gs     "};
#define PC 16
#define SP 7

void tz_context_registers(const void *context, tz_registers *out)
{
    static const unsigned char order[] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RDI, REG_RSI,
                                          REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                          REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP, REG_EFL};
    const greg_t *r = ((const ucontext_t *)context)->uc_mcontext.gregs;
    uint64_t segments = (uint64_t)r[REG_CSGSFS];
    size_t n = sizeof order / sizeof order[0];
    for (size_t i = 0; i < n; i++)
        out->value[i] = (uint64_t)r[order[i]];
    out->value[n] = segments & 0xffff; /* cs, gs, fs from the low end */
    out->value[n + 1] = segments >> 32 & 0xffff;
    out->value[n + 2] = segments >> 16 & 0xffff;
}

#elif defined(__aarch64__)

static const char names[TZ_REGISTERS][9] = {
    "r0      ", "r1      ", "r2      ", "r3      ", "r4      ", "r5      ", "r6      ",
    "r7      ", "r8      ", "r9      ", "r10     ", "r11     ", "r12     ", "r13     ",
    "r14     ", "r15     ", "r16     ", "r17     ", "r18     ", "r19     ", "r20     ",
    "r21     ", "r22     ", "r23     ", "r24     ", "r25     ", "r26     ", "r27     ",
    "r28     ", "r29     ", "lr      ", "sp      ", "pc      ", "fault   "};
#define SP 31
#define PC 32

void tz_context_registers(const void *context, tz_registers *out)
{
    const mcontext_t *c = &((const ucontext_t *)context)->uc_mcontext;
    for (size_t i = 0; i <= 30; i++)
        out->value[i] = c->regs[i];
    out->value[SP] = c->sp;
    out->value[PC] = c->pc;
    out->value[PC + 1] = c->fault_address;
}

#else
#error "tuza: this CPU has no port"
#endif

uintptr_t tz_registers_pc(const tz_registers *r)
{
    return r->value[PC];
}

uintptr_t tz_context_pc(const void *context)
{
    tz_registers r;
    tz_context_registers(context, &r);
    return r.value[PC];
}

uintptr_t tz_context_sp(const void *context)
{
    tz_registers r;
    tz_context_registers(context, &r);
    return r.value[SP];
}

void tz_registers_print(const tz_registers *r)
{
    char buf[24];
    for (size_t i = 0; i < TZ_REGISTERS; i++)
        tz_print(names[i], tz_hex(buf, r->value[i]), "\n", NULL);
}

void tz_context_print(const void *context)
{
    tz_registers r;
    tz_context_registers(context, &r);
    tz_registers_print(&r);
}

bool tz_context_on_signal_stack(const void *context, const void *p)
{
    const stack_t *s = &((const ucontext_t *)context)->uc_stack;
    return (uintptr_t)p - (uintptr_t)s->ss_sp < s->ss_size;
}
