/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The switch between goroutines: what each CPU's assembly provides.
 *
 * A context is its stack pointer (g->sp) with the callee-saved registers and
 * the return address on top of the stack. Rounding modes and floating-point
 * traps belong to the thread and are not saved. There are two forms:
 *
 *  - Final, for calls that have nothing left to do once they are woken
 *    (send, receive, sleep, gosched). The C function queues the G, picks the
 *    next and ends in a tail call of tz_arch_final. Who wakes the G stores
 *    the call's result in g->result. The resumed goroutine leaves the runtime
 *    inside the assembly and jumps straight to the user's return address: not
 *    one C frame of ours returns after the switch, since each such return is
 *    mispredicted (the processor's return stack belongs to the goroutine left
 *    behind). The registers are saved after the G was queued; that is safe
 *    since nobody can take it off the queue before the after-switch action
 *    has released the queue's lock (or has queued it in the first place).
 *  - Returning, an ordinary call for what goes on after its wake.
 *
 * For the same reason no form leaves by a return instruction on amd64: pop
 * and an indirect jump, which the branch predictor tells by target.
 *
 * g->special tells the forms apart: 0 is final, else g->resume is where to
 * go on; it is 0 again when the G has been resumed. The after-switch action (m->after_*) runs first thing on
 * the next stack: it is what must not happen before the old stack is left.
 *
 * The assembly calls upwards only through the tz_arch_hooks.
 */
#ifndef TZ_ARCH_H
#define TZ_ARCH_H

#include "base/base.h"

struct tz_m;
struct tz_g;

/* Saves m->g and switches to next. Returns when that G is switched to again, with the M it then runs on. */
struct tz_m *tz_arch_switch(struct tz_m *m, struct tz_g *next);

/* The final form: saves m->g, switches to next; returns m->g's result when it is switched to again, to the
 * caller's caller if this was a tail call, having left the runtime. */
bool tz_arch_final(struct tz_m *m, struct tz_g *next);

/* Switches to next for good: m->g is dead or never to be resumed. */
TZ_NORETURN void tz_arch_leave_stack(struct tz_m *m, struct tz_g *next);

/* Not called: addresses for g->resume. */
/* A new goroutine: leaves the runtime, calls g->fn(g->arg), then the hook `ended`. g->sp is aligned to 16. */
void tz_arch_entry(void);
/* A g0 that does not run on its thread's own stack: calls g->fn(m), inside the runtime; it never returns. */
void tz_arch_entry_g0(void);
/* Instead of returning from a final form: jumps to g->resume_fn(m) with the user's return address as its
 * caller. */
void tz_arch_resume_call(void);

/*
 * Calls that can be abandoned. tz_arch_call saves the registers, makes the
 * stack pointer there *context, and calls fn(arg): true. tz_arch_unwind makes
 * that same call return false, whatever fn is in the middle of: it returns
 * once, so C sees nothing special in it. As long as the call has not
 * returned, the word at *context is the address `context`.
 */
bool tz_arch_call(void **context, void (*fn)(void *), void *arg);
TZ_NORETURN void tz_arch_unwind(void *context);
/* tz_arch_call; a C++ exception that would pass it ends in std::terminate, at its throw. */
bool tz_arch_call_barrier(void **context, void (*fn)(void *), void *arg);

/* signal.c: what a fault handler tells of its fault. */
typedef struct tz_arch_fault {
    uint64_t frame[4]; /* the assembly's: the instruction, its stack pointer, x30 */
    uintptr_t pc, addr;
    const char *name; /* of the signal */
    int sig, code;
} tz_arch_fault;
/* To be called in a signal handler on another stack: when it returns, the thread calls fn(copy of *fault) as
 * if the interrupted instruction had, and fn must not return. False where the stack, which ends at `lo`, has
 * no room for it. */
bool tz_arch_call_after_signal(void *ucontext, const tz_arch_fault *fault, const char *lo,
                               void (*fn)(tz_arch_fault *fault));
void tz_arch_signalled(void);
/* The interrupted instruction. */
uintptr_t tz_arch_signal_pc(const void *ucontext);

typedef struct tz_arch_hooks_t {
    void (*ended)(void); /* fn of a goroutine has returned; in user code; never returns */
    void (*unlock_slow)(struct tz_m *m, void *lock); /* releases a lock that has waiters, after the switch */
    bool (*leave)(struct tz_m *m); /* the whole of leaving the runtime, where g->leave is not 0 */
    void (*switching)(struct tz_m *m, struct tz_g *next); /* sanitizers: before the stack pointer changes */
    void (*switched)(struct tz_m *m); /* sanitizers: after; runs the after-switch action */
} tz_arch_hooks_t;
extern tz_arch_hooks_t tz_arch_hooks;

/* A word of a stack, behind the back of sanitizers: the frame it belongs to may be gone. */
TZ_INLINE uintptr_t tz_arch_peek(const void *p)
{
    uintptr_t word;
#if defined(__x86_64__)
    __asm__ volatile("movq (%1), %0" : "=r"(word) : "r"(p) : "memory");
#else
    __asm__ volatile("ldr %0, [%1]" : "=r"(word) : "r"(p) : "memory");
#endif
    return word;
}

/* A hint that this is a busy wait. */
TZ_INLINE void tz_arch_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#else
#error "tuza: this CPU has no port"
#endif
}

/*
 * The value of a thread's variable (a pointer, initial-exec), with its address computed anew. On aarch64 a
 * compiler takes the thread's pointer for something that stays as it is, and keeps such addresses across a
 * switch to another thread. On x86-64 the address is a part of the instruction.
 */
#if defined(__aarch64__)
#define tz_arch_load_tls(variable)                                        \
    __extension__({                                                       \
        __typeof__(variable) value_;                                      \
        void *thread_;                                                    \
        __asm__ volatile("adrp %0, :gottprel:" #variable "\n\t"           \
                         "ldr %0, [%0, :gottprel_lo12:" #variable "]\n\t" \
                         "mrs %1, tpidr_el0\n\t"                          \
                         "ldr %0, [%1, %0]"                               \
                         : "=&r"(value_), "=&r"(thread_)                  \
                         :                                                \
                         : "memory");                                     \
        value_;                                                           \
    })
#else
#define tz_arch_load_tls(variable) (variable)
#endif

#endif /* TZ_ARCH_H */
