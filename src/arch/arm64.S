/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The switch on aarch64 (AAPCS64). See arch.h for the forms.
 *
 * Through a switch x19 holds the M and x20 the G switched to; every other
 * callee-saved register is free then, since each context reloads its own
 * from its stack, and both survive the calls of hooks. Saved, from the stack
 * pointer up: x29 x30 (a frame record, so that walks by frame pointer work
 * too), x19 to x28, d8 to d15. The stack pointer is aligned to 16 at all
 * times: hooks can be called from anywhere.
 *
 * A context is left by `ret x16`. A plain indirect branch would need a
 * landing pad after the user's call, where compilers put none; a ret is
 * exempt. Another register than x30 says that it is not the counterpart of
 * the latest call, where a core makes that distinction.
 *
 * Stores that publish are stlr: the lock word released after the switch, and
 * m->seq where the runtime is left. stlr takes no offset.
 *
 * Not saved: fpcr (it belongs to the thread), the upper halves of v8 to v15
 * and all of SVE's state, which no call preserves, x18. No BTI or GCS
 * property is set on this file, so the loader leaves guarded control stacks
 * off for programs that link it.
 */
#include "arch/layout.h"

#ifndef TZ_INSTRUMENTED
#define TZ_INSTRUMENTED 0
#endif

#if TZ_M_SEQ != 0
#error "stlr to m->seq takes the address of the M"
#endif

/* Offsets in tz_arch_hooks. */
#define HOOK_ENDED       0
#define HOOK_UNLOCK_SLOW 8
#define HOOK_LEAVE       16
#define HOOK_SWITCHING   24
#define HOOK_SWITCHED    32

#define FRAME 160

.macro FUNC name
        .globl  \name
        .hidden \name
        .type   \name, %function
        .p2align 4
\name:
        .cfi_startproc
.endm

.macro END name
        .cfi_endproc
        .size   \name, . - \name
.endm

.macro SAVE
        stp     x29, x30, [sp, #-FRAME]!
        .cfi_adjust_cfa_offset FRAME
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        stp     x19, x20, [sp, #16]
        .cfi_rel_offset x19, 16
        .cfi_rel_offset x20, 24
        stp     x21, x22, [sp, #32]
        .cfi_rel_offset x21, 32
        .cfi_rel_offset x22, 40
        stp     x23, x24, [sp, #48]
        .cfi_rel_offset x23, 48
        .cfi_rel_offset x24, 56
        stp     x25, x26, [sp, #64]
        .cfi_rel_offset x25, 64
        .cfi_rel_offset x26, 72
        stp     x27, x28, [sp, #80]
        .cfi_rel_offset x27, 80
        .cfi_rel_offset x28, 88
        stp     d8, d9, [sp, #96]
        .cfi_rel_offset d8, 96
        .cfi_rel_offset d9, 104
        stp     d10, d11, [sp, #112]
        .cfi_rel_offset d10, 112
        .cfi_rel_offset d11, 120
        stp     d12, d13, [sp, #128]
        .cfi_rel_offset d12, 128
        .cfi_rel_offset d13, 136
        stp     d14, d15, [sp, #144]
        .cfi_rel_offset d14, 144
        .cfi_rel_offset d15, 152
        mov     x29, sp
.endm

/* Restores the registers and drops the frame; the return address goes to link. */
.macro RESTORE link
        ldp     x19, x20, [sp, #16]
        .cfi_restore x19
        .cfi_restore x20
        ldp     x21, x22, [sp, #32]
        .cfi_restore x21
        .cfi_restore x22
        ldp     x23, x24, [sp, #48]
        .cfi_restore x23
        .cfi_restore x24
        ldp     x25, x26, [sp, #64]
        .cfi_restore x25
        .cfi_restore x26
        ldp     x27, x28, [sp, #80]
        .cfi_restore x27
        .cfi_restore x28
        ldp     d8, d9, [sp, #96]
        .cfi_restore d8
        .cfi_restore d9
        ldp     d10, d11, [sp, #112]
        .cfi_restore d10
        .cfi_restore d11
        ldp     d12, d13, [sp, #128]
        .cfi_restore d12
        .cfi_restore d13
        ldp     d14, d15, [sp, #144]
        .cfi_restore d14
        .cfi_restore d15
        ldp     x29, \link, [sp], #FRAME
        .cfi_adjust_cfa_offset -FRAME
        .cfi_restore x29
        .ifc    \link, x30
        .cfi_restore x30
        .else
        .cfi_register x30, \link
        .endif
.endm

/* Restores the registers and jumps to the return address. */
.macro RESTORE_AND_JUMP
        RESTORE x16
        ret     x16
.endm

/* The unwind state of a context just switched to, or about to be left: all registers saved. */
.macro CFI_SAVED
        .cfi_def_cfa sp, FRAME
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        .cfi_rel_offset x19, 16
        .cfi_rel_offset x20, 24
        .cfi_rel_offset x21, 32
        .cfi_rel_offset x22, 40
        .cfi_rel_offset x23, 48
        .cfi_rel_offset x24, 56
        .cfi_rel_offset x25, 64
        .cfi_rel_offset x26, 72
        .cfi_rel_offset x27, 80
        .cfi_rel_offset x28, 88
        .cfi_rel_offset d8, 96
        .cfi_rel_offset d9, 104
        .cfi_rel_offset d10, 112
        .cfi_rel_offset d11, 120
        .cfi_rel_offset d12, 128
        .cfi_rel_offset d13, 136
        .cfi_rel_offset d14, 144
        .cfi_rel_offset d15, 152
.endm

/* Calls a hook; its arguments are set. */
.macro CALL_HOOK offset
        adrp    x16, tz_arch_hooks
        add     x16, x16, :lo12:tz_arch_hooks
        ldr     x16, [x16, #\offset]
        blr     x16
.endm

/* The M in x19 is in user code from here on. */
.macro LEAVE_RUNTIME
        ldr     x9, [x19]
        add     x9, x9, #1
        stlr    x9, [x19]
.endm

        .hidden tz_arch_hooks
        .text

/*
 * struct tz_m *tz_arch_switch(struct tz_m *m, struct tz_g *next)
 * x0 = m, x1 = next; returns the M in x0.
 */
FUNC tz_arch_switch
        SAVE
        mov     x19, x0
        mov     x20, x1
        ldr     x9, [x0, #TZ_M_G]
        mov     x10, sp
        str     x10, [x9, #TZ_G_SP]
        adr     x10, .Lreturned
        str     x10, [x9, #TZ_G_RESUME]
        mov     w10, #1
        str     w10, [x9, #TZ_G_SPECIAL]
        b       .Lswitch_to
.Lreturned:
        mov     x0, x19
        RESTORE_AND_JUMP
END tz_arch_switch

/*
 * uint64_t tz_arch_final(struct tz_m *m, struct tz_g *next)
 * x0 = m, x1 = next; g->result is returned to the user in x0.
 * The switch itself, .Lswitch_to, is shared by the three forms: x19 = m, x20 = next, the old context is
 * saved.
 */
FUNC tz_arch_final
        SAVE
        mov     x19, x0
        mov     x20, x1
        ldr     x9, [x0, #TZ_M_G]
        mov     x10, sp
        str     x10, [x9, #TZ_G_SP]

/* Between two stacks: neither the one left (a goroutine that ended is beyond its frames) nor the next (one
 * that begins has none) can be told from here, so unwinders end in this stretch. */
        .cfi_remember_state
        .cfi_undefined x30
.Lswitch_to:
#if TZ_INSTRUMENTED
        mov     x0, x19
        mov     x1, x20
        CALL_HOOK HOOK_SWITCHING
#endif
        ldr     x9, [x19, #TZ_M_G]
        ldr     x10, [x19, #TZ_M_ERRNO]
        ldr     w11, [x10]
        str     w11, [x9, #TZ_G_ERRNO]
        ldr     w11, [x20, #TZ_G_ERRNO]
        str     w11, [x10]
        ldr     x10, [x19, #TZ_M_CXX]
        cbnz    x10, .Lexceptions
.Lswapped:
        str     x20, [x19, #TZ_M_G]
        ldr     x9, [x20, #TZ_G_SP]
        mov     sp, x9
#if TZ_INSTRUMENTED
        mov     x0, x19
        CALL_HOOK HOOK_SWITCHED
#else
        ldr     x9, [x19, #TZ_M_AFTER_FN]
        cbnz    x9, .Lafter
#endif
.Lresume:
        ldr     x9, [x20, #TZ_G_SPECIAL]
        cbnz    x9, .Lspecial
        .cfi_restore_state
#if TZ_INSTRUMENTED
        b       .Lleave
#else
        LEAVE_RUNTIME
#endif
.Lleft:
        ldr     x0, [x20, #TZ_G_RESULT]
        .cfi_remember_state
        RESTORE_AND_JUMP
        .cfi_restore_state

.Lspecial:
        .cfi_remember_state
        .cfi_undefined x30
        cbz     w9, .Lleave
        str     wzr, [x20, #TZ_G_SPECIAL]
        ldr     x16, [x20, #TZ_G_RESUME]
        br      x16
        .cfi_restore_state

.Lleave:
        mov     x0, x19
        CALL_HOOK HOOK_LEAVE
        b       .Lleft

        .cfi_undefined x30
.Lexceptions:
        ldr     x11, [x10]
        ldr     w12, [x10, #8]
        str     x11, [x9, #TZ_G_CXX]
        str     w12, [x9, #(TZ_G_CXX + 8)]
        ldr     x11, [x20, #TZ_G_CXX]
        ldr     w12, [x20, #(TZ_G_CXX + 8)]
        str     x11, [x10]
        str     w12, [x10, #8]
        b       .Lswapped

#if !TZ_INSTRUMENTED
.Lafter:
        str     xzr, [x19, #TZ_M_AFTER_FN]
        ldr     x1, [x19, #TZ_M_AFTER_ARG]
        cmp     x9, #TZ_AFTER_UNLOCK
        b.ne    .Lafter_call
        /* The release of a channel's lock: a look at the waiter word, then a release store (sched/spin.h). */
        ldr     w9, [x1, #4]
        cbnz    w9, .Lunlock_slow
        stlr    wzr, [x1]
        b       .Lresume
.Lunlock_slow:
        mov     x0, x19
        CALL_HOOK HOOK_UNLOCK_SLOW
        b       .Lresume
.Lafter_call:
        mov     x0, x19
        blr     x9
        b       .Lresume
#endif
END tz_arch_final

/*
 * void tz_arch_leave_stack(struct tz_m *m, struct tz_g *next)
 * x0 = m, x1 = next.
 */
FUNC tz_arch_leave_stack
        mov     x19, x0
        mov     x20, x1
        b       .Lswitch_to
END tz_arch_leave_stack

/*
 * The first instruction of a new goroutine: x19 = m, x20 = g, the stack empty and aligned. Unwinders end
 * here.
 */
FUNC tz_arch_entry
        .cfi_undefined x30
        mov     x29, xzr
        mov     x30, xzr
#if TZ_INSTRUMENTED
        mov     x0, x19
        CALL_HOOK HOOK_LEAVE
#else
        LEAVE_RUNTIME
#endif
        ldr     x0, [x20, #TZ_G_ARG]
        ldr     x16, [x20, #TZ_G_FN]
        blr     x16
        CALL_HOOK HOOK_ENDED
        brk     #1
END tz_arch_entry

/* x19 = m, x20 = g, the stack empty and aligned: g->fn(m). */
FUNC tz_arch_entry_g0
        .cfi_undefined x30
        mov     x29, xzr
        mov     x30, xzr
        mov     x0, x19
        ldr     x16, [x20, #TZ_G_FN]
        blr     x16
        brk     #1
END tz_arch_entry_g0

/*
 * A final form that ends in a call: x19 = m, x20 = g, sp at the saved registers. Jumps to g->resume_fn(m)
 * as if the user had called that instead.
 */
FUNC tz_arch_resume_call
        CFI_SAVED
        mov     x0, x19
        ldr     x16, [x20, #TZ_G_RESUME_FN]
        RESTORE x30
        br      x16
END tz_arch_resume_call

/*
 * void tz_regs_here(tz_regs *regs)
 * x0 = regs (regs.h): what a call preserves, the stack pointer and pc after the return.
 */
FUNC tz_regs_here
        movz    x9, #0xbff8, lsl #16
        movk    x9, #1, lsl #32
        str     x9, [x0]
        stp     x19, x20, [x0, #8+8*19]
        stp     x21, x22, [x0, #8+8*21]
        stp     x23, x24, [x0, #8+8*23]
        stp     x25, x26, [x0, #8+8*25]
        stp     x27, x28, [x0, #8+8*27]
        str     x29, [x0, #8+8*29]
        mov     x9, sp
        str     x9, [x0, #8+8*31]
        str     x30, [x0, #8+8*32]
        strb    wzr, [x0, #8+8*33]
        ret
END tz_regs_here

/*
 * bool tz_arch_call(void **context, void (*fn)(void *), void *arg)
 * x0 = context, x1 = fn, x2 = arg. The context is the stack pointer at the saved registers, below them the
 * context's own address.
 */
.macro CALL
        SAVE
        str     x0, [sp, #-16]!
        .cfi_adjust_cfa_offset 16
        mov     x9, sp
        str     x9, [x0]
        mov     x0, x2
        blr     x1
        mov     w0, #1
        add     sp, sp, #16
        .cfi_adjust_cfa_offset -16
        RESTORE x30
        ret
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
        add     sp, x0, #16
        CFI_SAVED
        mov     w0, #0
        RESTORE x30
        ret
END tz_arch_unwind

/*
 * Where a goroutine goes on after a signal handler that calls a function in its name: x0 = fn, x1 its
 * argument, at sp the interrupted instruction, the stack pointer and the x30 it had. To unwinders a signal
 * frame: the column beside the registers' is the interrupted instruction's.
 */
FUNC tz_arch_signalled
        .cfi_signal_frame
        .cfi_return_column 96
        .cfi_escape 0x0f, 3, 0x8f, 8, 0x06      /* the CFA is the word at sp + 8 */
        .cfi_escape 0x10, 96, 2, 0x8f, 0        /* the instruction is at sp */
        .cfi_escape 0x10, 30, 2, 0x8f, 16       /* x30 is at sp + 16 */
        mov     x16, x0
        mov     x0, x1
        blr     x16
        brk     #1
END tz_arch_signalled

/* By this note a copy of the runtime is found in the process (os/objects.c). */
        .section .note.tuza, "a", %note
        .p2align 2
        .long   5, 0, 1
        .asciz  "tuza"
        .p2align 2

        .section .note.GNU-stack, "", %progbits
