/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Panics: what the layers above raise and ask. docs/panic.md has the design.
 */
#ifndef TZ_PANIC_H
#define TZ_PANIC_H

#include "arch/arch.h"
#include "base/base.h"
#include "sched/sched.h"

/* m has entered the runtime and holds no lock: leaves it and panics in the caller's name. text is const. */
TZ_NORETURN TZ_COLD void tz_panic(tz_m *m, const char *text);
/* The same in a call that has not entered. On a thread without a goroutine the process ends. */
TZ_NORETURN TZ_COLD void tz_panic_outside(const char *text);

/* The calling goroutine is a member's, once: after its deferred functions and whatever else belongs to its
 * end me->ended is called (gmp.h), unless a panic has ended the process. */
void tz_panic_at_end(tz_member *me);
/* Destroys the values of g, which ends: in user code, on g. Or, with lost, g's thread has ended; on that
 * thread. Wired by who keeps them. */
extern void (*tz_panic_locals)(tz_g *g, bool lost);

/* Another goroutine's panic goes on in the caller: with its text and, for a report, its traceback (or NULL).
 * Both are copied. */
TZ_NORETURN TZ_COLD void tz_panic_again(const char *text, const char *stack);

/* Calls fn(arg) as a deferred function is called: a boundary, from which no C++ exception comes. The thread
 * gets an M where it has none. */
void tz_panic_call(void (*fn)(void *), void *arg);

/* Main has returned and is about to end the process: lets goroutines that run deferred functions because of a
 * panic go on for a while; never returns where one of them has come to its report. */
void tz_panic_let_finish(void);

/*
 * For the handler of SIGSEGV, SIGBUS and SIGFPE: whether the fault becomes a
 * panic of its goroutine; name is what is printed of sig. It does where that
 * has tuza_set_panic_on_fault, the kernel raised the signal, and the
 * instruction, or the call that led straight to it, is the program's own:
 * outside the runtime, libc and the loader. Then *ucontext has been changed,
 * and all the handler has to do is return. The handler runs on another stack
 * than the goroutine's, and has made sure that the fault is no stack overflow.
 */
bool tz_panic_take_fault(int sig, const char *name, const void *siginfo, void *ucontext);

#endif /* TZ_PANIC_H */
