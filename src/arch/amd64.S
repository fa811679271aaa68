/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The switch on x86-64 (System V). See arch.h for the forms.
 *
 * Through a switch %rbx holds the M and %rax the G switched to; every other
 * callee-saved register is free then, since each context reloads its own
 * from its stack. Saved, from the stack pointer up: r15 r14 r13 r12 rbx rbp,
 * the return address.
 *
 * Not saved: mxcsr and the x87 control word (they belong to the thread). No
 * shadow-stack property is set on this file, so the loader leaves shadow
 * stacks off for programs that link it.
 */
#include "arch/layout.h"

#ifndef TZ_INSTRUMENTED
#define TZ_INSTRUMENTED 0
#endif

/* Offsets in tz_arch_hooks. */
#define HOOK_ENDED       0
#define HOOK_UNLOCK_SLOW 8
#define HOOK_LEAVE       16
#define HOOK_SWITCHING   24
#define HOOK_SWITCHED    32

.macro FUNC name
        .globl  \name
        .hidden \name
        .type   \name, @function
        .p2align 4
\name:
        .cfi_startproc
.endm

.macro END name
        .cfi_endproc
        .size   \name, . - \name
.endm

.macro SAVE
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
.endm

/* Undoes SAVE: the return address is on top again. */
.macro RESTORE
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
.endm

/* Restores the registers and jumps to the return address. */
.macro RESTORE_AND_JUMP
        RESTORE
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rcx
        jmpq    *%rcx
.endm

/* The way back from a call that was made with SAVE. */
.macro RESTORE_AND_RETURN
        RESTORE
        retq
.endm

/* The unwind state of a context just switched to (or about to be left): all registers saved. */
.macro CFI_SAVED
        .cfi_def_cfa %rsp, 56
        .cfi_offset %rip, -8
        .cfi_offset %rbp, -16
        .cfi_offset %rbx, -24
        .cfi_offset %r12, -32
        .cfi_offset %r13, -40
        .cfi_offset %r14, -48
        .cfi_offset %r15, -56
.endm

        .text

/*
 * struct tz_m *tz_arch_switch(struct tz_m *m, struct tz_g *next)
 * rdi = m, rsi = next; returns the M in rax.
 */
FUNC tz_arch_switch
        SAVE
        movq    %rdi, %rbx
        movq    TZ_M_G(%rdi), %rdx
        movq    %rsp, TZ_G_SP(%rdx)
        leaq    .Lreturned(%rip), %rcx
        movq    %rcx, TZ_G_RESUME(%rdx)
        movl    $1, TZ_G_SPECIAL(%rdx)
        movq    %rsi, %rax
        jmp     .Lswitch_to
.Lreturned:
        movq    %rbx, %rax
        RESTORE_AND_JUMP
END tz_arch_switch

/*
 * bool tz_arch_final(struct tz_m *m, struct tz_g *next)
 * rdi = m, rsi = next; g->result is returned to the user in rax.
 * The switch itself, .Lswitch_to, is shared by the three forms: rbx = m, rax = next, the old context saved.
 */
FUNC tz_arch_final
        SAVE
        movq    %rdi, %rbx
        movq    TZ_M_G(%rdi), %rdx
        movq    %rsi, %rax
        movq    %rsp, TZ_G_SP(%rdx)

/* Between two stacks: neither the one left (a goroutine that ended is beyond its frames) nor the next (one
 * that begins has none) can be told from here, so unwinders end in this stretch. */
        .cfi_remember_state
        .cfi_undefined %rip
.Lswitch_to:
#if TZ_INSTRUMENTED
        movq    %rax, %r12
        andq    $-16, %rsp
        movq    %rbx, %rdi
        movq    %rax, %rsi
        callq   *HOOK_SWITCHING+tz_arch_hooks(%rip)
        movq    %r12, %rax
#endif
#if TZ_INSTRUMENTED
        movq    TZ_M_G(%rbx), %rdx
#endif
        movq    TZ_M_ERRNO(%rbx), %rcx
        movl    (%rcx), %esi
        movl    %esi, TZ_G_ERRNO(%rdx)
        movl    TZ_G_ERRNO(%rax), %esi
        movl    %esi, (%rcx)
        movq    TZ_M_CXX(%rbx), %rcx
        testq   %rcx, %rcx
        jnz     .Lexceptions
.Lswapped:
        movq    %rax, TZ_M_G(%rbx)
        movq    TZ_G_SP(%rax), %rsp
#if TZ_INSTRUMENTED
        movq    %rsp, %r13
        andq    $-16, %rsp
        movq    %rbx, %rdi
        callq   *HOOK_SWITCHED+tz_arch_hooks(%rip)
        movq    %r13, %rsp
        movq    %r12, %rax
#else
        movq    TZ_M_AFTER_FN(%rbx), %rdx
        testq   %rdx, %rdx
        jnz     .Lafter
#endif
.Lresume:
        cmpq    $0, TZ_G_SPECIAL(%rax)
        jne     .Lspecial
        .cfi_restore_state
#if TZ_INSTRUMENTED
        jmp     .Lleave
#else
        addq    $1, TZ_M_SEQ(%rbx)
#endif
.Lleft:
        movq    TZ_G_RESULT(%rax), %rax
        .cfi_remember_state
        RESTORE_AND_JUMP
        .cfi_restore_state

.Lspecial:
        .cfi_remember_state
        .cfi_undefined %rip
        cmpl    $0, TZ_G_SPECIAL(%rax)
        je      .Lleave
        movl    $0, TZ_G_SPECIAL(%rax)
        jmpq    *TZ_G_RESUME(%rax)
        .cfi_restore_state

.Lleave:
        movq    %rax, %r12
        movq    %rbx, %rdi
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        callq   *HOOK_LEAVE+tz_arch_hooks(%rip)
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        movq    %r12, %rax
        jmp     .Lleft

        .cfi_undefined %rip
.Lexceptions:
        movq    (%rcx), %rsi
        movl    8(%rcx), %edi
        movq    %rsi, TZ_G_CXX(%rdx)
        movl    %edi, TZ_G_CXX+8(%rdx)
        movq    TZ_G_CXX(%rax), %rsi
        movl    TZ_G_CXX+8(%rax), %edi
        movq    %rsi, (%rcx)
        movl    %edi, 8(%rcx)
        jmp     .Lswapped

#if !TZ_INSTRUMENTED
.Lafter:
        movq    $0, TZ_M_AFTER_FN(%rbx)
        movq    TZ_M_AFTER_ARG(%rbx), %rsi
        cmpq    $TZ_AFTER_UNLOCK, %rdx
        jne     .Lafter_call
        /* The release of a channel's lock: a look at the waiter word, then a plain store (sched/spin.h). */
        cmpl    $0, 4(%rsi)
        jne     .Lunlock_slow
        movl    $0, (%rsi)
        jmp     .Lresume
.Lunlock_slow:
        movq    HOOK_UNLOCK_SLOW+tz_arch_hooks(%rip), %rdx
.Lafter_call:
        movq    %rax, %r12
        movq    %rsp, %r13
        andq    $-16, %rsp
        movq    %rbx, %rdi
        callq   *%rdx
        movq    %r13, %rsp
        movq    %r12, %rax
        jmp     .Lresume
#endif
END tz_arch_final

/*
 * void tz_arch_leave_stack(struct tz_m *m, struct tz_g *next)
 * rdi = m, rsi = next.
 */
FUNC tz_arch_leave_stack
        movq    %rdi, %rbx
        movq    TZ_M_G(%rdi), %rdx
        movq    %rsi, %rax
        jmp     .Lswitch_to
END tz_arch_leave_stack

/*
 * The first instruction of a new goroutine: rbx = m, rax = g, the stack empty and aligned. Unwinders end
 * here.
 */
FUNC tz_arch_entry
        .cfi_undefined %rip
        xorl    %ebp, %ebp
        movq    %rax, %r12
#if TZ_INSTRUMENTED
        movq    %rbx, %rdi
        callq   *HOOK_LEAVE+tz_arch_hooks(%rip)
#else
        addq    $1, TZ_M_SEQ(%rbx)
#endif
        movq    TZ_G_ARG(%r12), %rdi
        callq   *TZ_G_FN(%r12)
        callq   *HOOK_ENDED+tz_arch_hooks(%rip)
        ud2
END tz_arch_entry

/* rbx = m, rax = g, the stack empty and aligned: g->fn(m). */
FUNC tz_arch_entry_g0
        .cfi_undefined %rip
        xorl    %ebp, %ebp
        movq    %rbx, %rdi
        callq   *TZ_G_FN(%rax)
        ud2
END tz_arch_entry_g0

/*
 * A final form that ends in a call: rbx = m, rax = g, rsp at the saved registers. Jumps to g->resume_fn(m)
 * as if the user had called that instead.
 */
FUNC tz_arch_resume_call
        CFI_SAVED
        movq    %rbx, %rdi
        movq    TZ_G_RESUME_FN(%rax), %rdx
        RESTORE
        jmpq    *%rdx
END tz_arch_resume_call

/*
 * void tz_regs_here(tz_regs *regs)
 * rdi = regs (regs.h): what a call preserves, the stack pointer and pc after the return.
 */
FUNC tz_regs_here
        movq    $0x1f0c8, (%rdi)
        movq    %rbx, 8+8*3(%rdi)
        movq    %rbp, 8+8*6(%rdi)
        leaq    8(%rsp), %rax
        movq    %rax, 8+8*7(%rdi)
        movq    %r12, 8+8*12(%rdi)
        movq    %r13, 8+8*13(%rdi)
        movq    %r14, 8+8*14(%rdi)
        movq    %r15, 8+8*15(%rdi)
        movq    (%rsp), %rax
        movq    %rax, 8+8*16(%rdi)
        movb    $0, 8+8*17(%rdi)
        ret
END tz_regs_here

/*
 * bool tz_arch_call(void **context, void (*fn)(void *), void *arg)
 * rdi = context, rsi = fn, rdx = arg. The context is the stack pointer at the saved registers; the word there
 * is the context's own address.
 */
.macro CALL
        SAVE
        pushq   %rdi
        .cfi_adjust_cfa_offset 8
        movq    %rsp, (%rdi)
        movq    %rdx, %rdi
        callq   *%rsi
        movl    $1, %eax
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        RESTORE_AND_RETURN
.endm

FUNC tz_arch_call
        CALL
END tz_arch_call

/* The same, and no C++ exception passes. */
FUNC tz_arch_call_barrier
        .cfi_personality 0x1b, tz_arch_barrier_personality
        CALL
END tz_arch_call_barrier

/* void tz_arch_unwind(void *context): the tz_arch_call that made it returns false. */
FUNC tz_arch_unwind
        leaq    8(%rdi), %rsp
        CFI_SAVED
        xorl    %eax, %eax
        RESTORE_AND_RETURN
END tz_arch_unwind

/*
 * Where a goroutine goes on after a signal handler that calls a function in its name: rdi = fn, rsi its
 * argument, at rsp the interrupted instruction and the stack pointer it had. To unwinders a signal frame.
 */
FUNC tz_arch_signalled
        .cfi_signal_frame
        .cfi_escape 0x0f, 3, 0x77, 8, 0x06      /* the CFA is the word at rsp + 8 */
        .cfi_escape 0x10, 16, 2, 0x77, 0        /* rip is at rsp */
        movq    %rdi, %rax
        movq    %rsi, %rdi
        callq   *%rax
        ud2
END tz_arch_signalled

/* By this note a copy of the runtime is found in the process (os/objects.c). */
        .section .note.tuza, "a", @note
        .p2align 2
        .long   5, 0, 1
        .asciz  "tuza"
        .p2align 2

        .section .note.GNU-stack, "", @progbits
