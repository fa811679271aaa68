/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Panic, defer and recover.
 *
 * A panic runs the deferred functions of the goroutine, the last deferred
 * first, on top of the stack that panicked. One of them may call
 * tuza_recover; then the goroutine goes on behind the tuza_call that the
 * deferred function belongs to. Where none does, the panic is printed with
 * the goroutine's frames, and the process ends with exit code 2.
 *
 *     static void report(void *arg)
 *     {
 *         const char *text = tuza_recover();
 *         if (text)
 *             printf("%s: %s\n", (const char *)arg, text);
 *     }
 *     static void work(void *arg)
 *     {
 *         tuza_defer(report, arg);
 *         ...
 *         tuza_panic("no such item: %d", n);
 *     }
 *     if (!tuza_call(work, "work")) ...            a panic in work was recovered
 *
 * Three things are boundaries: a tuza_call (tuza_once_do makes one), a
 * deferred function while it runs, and the function that a goroutine was
 * started with. tuza_defer belongs to the innermost one, TUZA_DEFER to a block
 * inside of it; both kinds run in one order, the last first. A recovered panic
 * drops everything inside its boundary: local variables of the caller that
 * changed meanwhile are as after a call, nothing has to be volatile.
 *
 * A panic and tuza_goexit run deferred functions and nothing else: as with
 * longjmp, no C++ destructor, and no lock is given back.
 *
 * longjmp may leave a tuza_call; what was deferred in it is forgotten. It may
 * not leave the block of a TUZA_DEFER.
 *
 * C++: an exception may pass a tuza_call and the blocks of TUZA_DEFER, whose
 * functions run then (in C code that is compiled with -fexceptions). One that
 * leaves a deferred function or the goroutine's function ends in
 * std::terminate. Exceptions are kept apart for each goroutine, and survive
 * its blocking in a catch block.
 */
#ifndef TUZA_PANIC_H
#define TUZA_PANIC_H

#include "tuza/base.h"

TUZA_BEGIN_DECLS

/*
 * Panics with the formatted text. A value passed on as it was recovered,
 * tuza_panic("%s", text), counts as the same one and is printed once, as
 * "text [recovered, repanicked]". A NULL fmt is a text of its own.
 *
 * Never returns. Blocks: as the deferred functions do. Owns: the text is a
 * copy, of any length.
 * Callable from: a goroutine; on another thread it ends the process. Go: panic(v).
 */
TUZA_API TUZA_NORETURN TUZA_PRINTF(1, 2) void tuza_panic(const char *fmt, ...);

/*
 * Ends the process as the runtime does where it can't go on: "fatal error: "
 * and the text, all goroutines, exit code 2. No deferred function and no exit
 * hook runs.
 *
 * Never returns. Callable from: anywhere.
 */
TUZA_API TUZA_NORETURN TUZA_PRINTF(1, 2) void tuza_throw(const char *fmt, ...);

/*
 * Has fn(arg) called when the innermost boundary is left: the tuza_call or
 * deferred function that is running, else the goroutine. Any number; the last
 * one first.
 *
 * Blocks: never. Panics: no; a NULL fn panics when its turn comes. Throws
 * "out of memory". Owns: arg must live until then.
 * Callable from: a goroutine. Go: defer fn(arg), its function being that of
 * the boundary.
 */
TUZA_API void tuza_defer(void (*fn)(void *arg), void *arg);

/*
 * Calls fn(arg), then what was deferred in it.
 *
 * Blocks: as these do. Panics: with what fn panics, where nothing in it
 * recovers. Returns: true; false where a panic was recovered by a function
 * deferred in it.
 * Callable from: a goroutine. Go: a call of a function with defer statements.
 */
TUZA_API bool tuza_call(void (*fn)(void *arg), void *arg);

/*
 * Stops the panic on whose behalf the calling deferred function runs, and
 * returns its text; the panic ends when that function returns. To be called
 * by the deferred function or what it calls, not inside another boundary
 * there.
 *
 * Blocks: never. Returns: the text; NULL where nothing panics, in a tuza_goexit, and the second time.
 * Owns: the text is valid until the boundary that the deferred function
 * belongs to has been left (a tuza_call has returned).
 * Callable from: anywhere. Go: recover(), which works only when the deferred
 * function itself calls it.
 */
TUZA_API const char *tuza_recover(void);

/*
 * Whether a fault (SIGSEGV, SIGBUS, SIGFPE) of the calling goroutine in the
 * program's own code is a panic that can be recovered from: "runtime error:
 * invalid memory address or nil pointer dereference", "runtime error: integer
 * divide by zero". The program's own is what is neither libc's nor tuza's,
 * where locks may be held; and a function of libc's that it called itself and
 * that calls no other (memcpy from a mapped file), or one that is not there
 * (a NULL pointer). Off at a goroutine's start; then, and elsewhere, a fault
 * ends the process by its signal.
 *
 * Blocks: never. Returns: the old setting.
 * Callable from: a goroutine, under tuza_run. Go: debug.SetPanicOnFault.
 */
TUZA_API bool tuza_set_panic_on_fault(bool on);

/* What TUZA_DEFER leaves on the stack: not for use by hand. */
typedef struct tuza_deferred {
    void (*fn)(void *arg);
    void *arg;
    struct tuza_deferred *next;
} tuza_deferred;
TUZA_API void tuza_deferred_enter(tuza_deferred *d) TUZA_NOEXCEPT;
TUZA_API void tuza_deferred_leave(tuza_deferred *d);

/*
 * A statement: fn(arg) is called when the enclosing block is left, by its
 * end, return, break, continue or goto, by a panic, tuza_goexit or a C++
 * exception. What lives in the block is still there then. The arguments are
 * evaluated at once. It allocates nothing.
 */
#define TUZA_DEFER(fn, arg)       TUZA_DEFER_1_(fn, arg, __COUNTER__)
#define TUZA_DEFER_1_(fn, arg, n) TUZA_DEFER_2_(fn, arg, n)
#define TUZA_DEFER_2_(fn, arg, n)                                                                        \
    tuza_deferred tuza_deferred_##n __attribute__((cleanup(tuza_deferred_leave))) = {(fn), (arg), NULL}; \
    tuza_deferred_enter(&tuza_deferred_##n)

TUZA_END_DECLS

#endif /* TUZA_PANIC_H */
