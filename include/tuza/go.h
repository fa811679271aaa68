/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Goroutines: start the runtime, start goroutines, yield, end.
 *
 *     static int app(int argc, char **argv) { ... return 0; }
 *     int main(int argc, char **argv) { return tuza_run(app, argc, argv); }
 */
#ifndef TUZA_GO_H
#define TUZA_GO_H

#include "tuza/base.h"

TUZA_BEGIN_DECLS

/*
 * Starts the runtime and runs main_fn(argc, argv) as the main goroutine,
 * first on the calling thread, on a stack as large as the process's stack
 * limit (at most 64 MiB). When main_fn returns, the process ends as if by
 * tuza_exit of its result, but a panic's report that is being printed then
 * has its end, and decides the exit code. If main_fn calls tuza_goexit
 * instead, the others go on.
 *
 * Other calls may come before; a thread that has locked itself by then
 * (tuza_lock_os_thread) keeps the main goroutine.
 *
 * Returns: only where the runtime could not be started: -EALREADY (tuza_run
 * or tuza_start was called), -EINVAL (main_fn is NULL), -ENOMEM, -EAGAIN (no
 * thread to be had). Then nothing has happened.
 * Callable from: a plain thread, once. Go: the call of main.main.
 */
TUZA_API int tuza_run(int (*main_fn)(int argc, char **argv), int argc, char **argv);

/* How the runtime runs where a program or library embeds it. All zero: the defaults. */
typedef struct tuza_options {
    size_t stack_size; /* of goroutines that ask for none: bytes of address space; 0: 256 KiB */
    int max_procs;     /* as tuza_gomaxprocs; 0: by environment, affinity mask and quota */
    int max_threads;   /* that run goroutines; 0: 10,000 */
    unsigned flags;    /* TUZA_NO_SIGNALS, TUZA_NO_ENV */
    /* Called with the text of a crash report, besides its going to standard error; on whatever thread
     * crashed, maybe in a signal handler: it may write(2), and not much else. */
    void (*on_crash)(const char *report, size_t n, void *arg);
    void *arg;
    uintptr_t zero[8];
} tuza_options;

#define TUZA_NO_SIGNALS 1u /* install no signal handlers: faults and SIGQUIT print no report */
#define TUZA_NO_ENV     2u /* read no environment variables */

/*
 * For programs and libraries that keep their own main: the runtime runs with
 * these options (NULL: the defaults) until tuza_stop has been called as often
 * as this. It is the first call: any other starts the runtime with the
 * defaults. Threads come with the first goroutine or the first wait; until
 * then the program may fork.
 *
 * The calling thread and all others of the program are foreign threads: they
 * may call everything but tuza_goexit, are locked to themselves, and are not
 * counted as goroutines. No deadlock is reported.
 *
 * Blocks: never. Returns: 0; -EINVAL (an option out of range, a field in zero
 * that is not); -EALREADY where it runs with other options.
 * Callable from: any thread.
 */
TUZA_API int tuza_start(const tuza_options *opts);

/*
 * Takes one tuza_start back. The last one waits until no goroutine is left
 * and no other thread is blocked in a call, until the time `when` on
 * tuza_now's clock (0: without a limit), then ends and joins every thread of
 * tuza's. The runtime can be started again.
 *
 * Blocks: thread. Returns: 0; -ETIMEDOUT: it runs on, and the start still
 * counts; -EINVAL: no start to take back; -EDEADLK: called by a goroutine.
 * Callable from: any thread of the program's.
 */
TUZA_API int tuza_stop(int64_t when);

/*
 * Starts a goroutine that runs fn(arg) and then ends. It runs next on this
 * processor, once the caller blocks; others started before it run after it.
 *
 * Blocks: never. Panics: no; a NULL fn is "fatal error: go of nil func
 * value". Owns: arg stays the caller's.
 * Returns: 0, or a negative errno, and then nothing happened: -ENOMEM (no
 * memory or address space for a stack). Must be looked at: a server sheds
 * load here.
 * Callable from: any thread.
 * Order: what came before the call happens before fn starts. Go: go fn(arg).
 */
TUZA_API TUZA_MUST_CHECK int tuza_go(void (*fn)(void *arg), void *arg);

/*
 * As tuza_go, with a copy of the size bytes at arg: fn gets the copy's
 * address, aligned to 16, on the new goroutine's stack, valid until fn has
 * returned.
 *
 * Returns: as tuza_go; -EINVAL where arg is NULL and size is not 0, or size
 * is more than a quarter of the stack.
 * Go: go fn(*arg), arguments evaluated by the starter.
 */
TUZA_API TUZA_MUST_CHECK int tuza_go_copy(void (*fn)(void *arg), const void *arg, size_t size);

/* How a goroutine differs from the default. Unnamed fields must be zero. */
typedef struct tuza_go_options {
    size_t stack_size; /* bytes of address space, rounded up to a power of two; 0: the default, 256 KiB */
    const char *name;  /* shown in tracebacks; copied (and cut to 31 bytes); may be NULL */
    uintptr_t zero[6];
} tuza_go_options;

/*
 * As tuza_go, with options; NULL options are the defaults.
 *
 * Returns: as tuza_go; -EINVAL for a stack size above TUZA_STACK_MAX, or a
 * field in zero that is not. A size below 16 KiB is made 16 KiB.
 */
TUZA_API TUZA_MUST_CHECK int tuza_go_with(const tuza_go_options *opts, void (*fn)(void *arg), void *arg);

#define TUZA_STACK_MAX ((size_t)1 << 30)

/*
 * Lets the other runnable goroutines of this processor run first; returns at
 * once where there are none. Blocks: goroutine. Callable from: any thread.
 * Go: runtime.Gosched.
 */
TUZA_API void tuza_gosched(void);

/*
 * Ends the calling goroutine. In the main goroutine the process goes on
 * until the others have ended too, which is reported as a deadlock.
 * Callable from: a goroutine. Go: runtime.Goexit.
 */
TUZA_API TUZA_NORETURN void tuza_goexit(void);

/*
 * The calling goroutine's id: 1 for main, never reused, not in order of
 * start. A thread that is no goroutine gets one with its first call that
 * needs the runtime, and has 0 before. Blocks: never. Callable from: anywhere.
 */
TUZA_API uint64_t tuza_goid(void);

/*
 * Ends the process: runs the exit hooks, then exit(code) of libc, which calls
 * atexit handlers and C++ destructors and flushes stdio. Deferred functions
 * do not run. The hooks run on the calling goroutine, while all others go on;
 * once they are through no other goroutine runs again: each parks at its next
 * call.
 *
 * Any number of goroutines and threads may call it, and exit(), at once: the
 * first one's code is the process's, the others wait until it is gone. A
 * plain exit() and main's return do the same as this call: exit() on the
 * thread that called it. An exit that is not a call of exit() (a return from
 * C's main, err(); in a program without a dynamic linker exit() too) runs the
 * hooks from an atexit handler registered by tuza_run or the first
 * tuza_exit_hook_add: then handlers registered later, and destructors of
 * objects made later, have run before the hooks. _exit(), quick_exit(), a
 * signal, a panic, a throw and a deadlock run no hooks; nor does a child of
 * fork() whose parent had started goroutines.
 *
 * Blocks: goroutine. Panics: called by a hook on the goroutine that runs the
 * hooks: "fatal error: exit hook invoked exit"; a hook that panics: "fatal
 * error: exit hook invoked panic". In an atexit handler it is libc's exit.
 * Callable from: any thread. Go: os.Exit.
 */
TUZA_API TUZA_NORETURN void tuza_exit(int code);

/*
 * Adds an exit hook: fn(arg) is called once when the process exits, the hook
 * added last first; on a code that is not 0 only if run_on_failure is set. It
 * runs on a goroutine (or on a thread that has none, where such a one exits)
 * and may do whatever one may do there: sleep, start goroutines, lock its
 * thread, exec. If it never returns, the process does not end. If it ends its
 * goroutine by tuza_goexit, the process goes on, with the remaining hooks for
 * the next exit. A hook that is added by a running hook runs next.
 *
 * Blocks: goroutine, while another runs hooks: for good, then, unless a hook
 * ends its goroutine. Panics: no. Owns: arg stays the caller's.
 * Returns: 0, or a negative errno: -EINVAL (fn is NULL), -ENOMEM, -ECANCELED
 * (the hooks have run, or this is a child of fork() that will run none).
 * Callable from: any thread, before tuza_run too.
 * Order: what came before the call happens before fn. Go: exithook.Add.
 */
TUZA_API int tuza_exit_hook_add(void (*fn)(void *arg), void *arg, bool run_on_failure);

/*
 * Takes back the hook that was added last with this fn and arg. When it
 * returns, that hook does not run, and will not.
 *
 * Blocks: as tuza_exit_hook_add. Panics: no.
 * Returns: 0, or -ENOENT: there is none, or it has run.
 * Callable from: any thread. Go: none.
 */
TUZA_API int tuza_exit_hook_remove(void (*fn)(void *arg), void *arg);

/*
 * How many goroutines there are, the caller included if it is one; 0 before
 * the first.
 * Exact when none start or end meanwhile; else never fewer than there were at
 * some moment of the call. Blocks: never. Callable from: any
 * thread. Order: what the goroutines that are not counted any more did
 * happens before the return. Go: runtime.NumGoroutine.
 */
TUZA_API int tuza_num_goroutine(void);

/*
 * The processors this process may use: its affinity mask when first asked,
 * constant from then on. Callable from: any thread. Go: runtime.NumCPU.
 */
TUZA_API int tuza_num_cpu(void);

/*
 * Sets how many processors (Ps) run goroutines, and returns what it was;
 * n <= 0 only asks. It starts as TUZA_MAXPROCS or GOMAXPROCS from the
 * environment, if that is a positive number, else from the affinity mask and
 * the cgroup's CPU quota, which is then followed as it changes until the
 * first call with n > 0. Goroutines stuck in a blocking call or in a loop
 * come on top of the limit.
 *
 * Blocks: goroutine (it stops all processors for a moment). Before tuza_run
 * it sets the number to start with. More than 65,536 are made that many; a
 * number that memory does not suffice for throws. Callable from: any thread.
 * Go: runtime.GOMAXPROCS.
 */
TUZA_API int tuza_gomaxprocs(int n);

/*
 * Locks the calling goroutine to its thread: it runs on no other, and no
 * other goroutine runs on that, until tuza_unlock_os_thread has been called
 * as often. A goroutine that ends while it is locked takes its thread with
 * it: pthread key destructors run, and whatever was changed in the thread
 * (signal mask, namespaces, credentials, thread-local state of libraries) is
 * gone with it. The process's first thread can't end by itself; it is parked
 * for good instead. New threads never inherit from a locked one.
 *
 * Goroutines started by a locked one are not locked. Passing a value between
 * a locked goroutine and another costs a change of threads, some
 * microseconds. Called before tuza_run it keeps the main goroutine on the
 * calling thread.
 *
 * Blocks: never. Panics: "LockOSThread nesting overflow" after 2^32 - 1
 * calls; then nothing has changed. Callable from: any thread.
 * Go: runtime.LockOSThread.
 */
TUZA_API void tuza_lock_os_thread(void);

/*
 * Takes one tuza_lock_os_thread back; without one it does nothing.
 * Blocks: never. Callable from: any thread. Go: runtime.UnlockOSThread.
 */
TUZA_API void tuza_unlock_os_thread(void);

/*
 * The high-water mark of the calling goroutine's stack, in bytes, to a whole
 * page: how much of it was ever touched. 0 outside of goroutines.
 * Blocks: never (one or more system calls). Callable from: a goroutine.
 */
TUZA_API size_t tuza_stack_used(void);

/*
 * A traceback as text, in the form of a crash report: of the calling
 * goroutine, or with all of every one, the caller first, as they were at one
 * moment; those that run on other threads meanwhile may have no frames.
 * Writes at most n bytes to buf, the last of them NUL; buf may be NULL where
 * n is 0.
 *
 * Blocks: goroutine with all (it stops all processors for a moment), and the
 * thread until names, files and lines have been looked up: milliseconds for
 * what was not asked for before. Returns: the length of the whole text, as
 * snprintf. Callable from: any thread. Go: runtime.Stack; GOTRACEBACK changes
 * nothing.
 */
TUZA_API size_t tuza_stack(char *buf, size_t n, bool all);

TUZA_END_DECLS

#endif /* TUZA_GO_H */
