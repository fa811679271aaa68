/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the runtime asks of the operating system. The only folder that makes
 * system calls or names pthreads.
 *
 * Rules for all of it: results are >= 0 or a negative errno; the errno
 * variable is as it was before (the callers run on goroutines' behalf).
 * Times are nanoseconds on CLOCK_MONOTONIC; deadlines are absolute.
 */
#ifndef TZ_OS_H
#define TZ_OS_H

#include "base/base.h"

#define TZ_OS_FOREVER INT64_MAX

/* clock.c: monotonic nanoseconds, by the vDSO; async-signal-safe. */
int64_t tz_os_now(void);
/* Sleeps the thread until the deadline. */
void tz_os_sleep_until(int64_t deadline);

/* futex.c: sleeps while *addr == val, until woken or the deadline (TZ_OS_FOREVER: none). May return early;
 * the caller looks again. */
void tz_os_futex_wait(const uint32_t *addr, uint32_t val, int64_t deadline);
/* From here on signals must not wait for the end of a futex's sleep: for sanitizers that let them. */
#if TZ_TSAN
void tz_os_signals_awaited(void);
/* After a sleep in the kernel that was none on a futex: those come now that were made to wait. */
void tz_os_signals_let_in(void);
#else
TZ_INLINE void tz_os_signals_awaited(void)
{
}
TZ_INLINE void tz_os_signals_let_in(void)
{
}
#endif
/* Wakes up to n sleepers. */
void tz_os_futex_wake(const uint32_t *addr, int n);

/* epoll.c: what epoll(7) says, level-triggered unless TZ_OS_EDGE is asked for. */
enum {
    TZ_OS_IN = 0x1,
    TZ_OS_PRI = 0x2,
    TZ_OS_OUT = 0x4,
    TZ_OS_ERR = 0x8,
    TZ_OS_HUP = 0x10,
    TZ_OS_RDHUP = 0x2000,
};
#define TZ_OS_EDGE (1u << 31)
#define TZ_OS_ONCE (TZ_OS_IN | 1u << 30) /* readable: to be told of once */
#if defined __x86_64__
typedef struct __attribute__((packed)) tz_os_event {
#else
typedef struct tz_os_event {
#endif
    uint32_t events;
    uint64_t data;
} tz_os_event;
int tz_os_epoll_create(void);
/* 0, -EEXIST where that open file is there already, -EPERM where it can't be waited for, -EBADF, -ENOMEM,
 * -ENOSPC. */
int tz_os_epoll_add(int ep, int fd, uint32_t events, uint64_t data);
int tz_os_epoll_mod(int ep, int fd, uint32_t events, uint64_t data);
int tz_os_epoll_del(int ep, int fd);
/* Waits until something is ready, the deadline (0: not at all), or a signal. How many events there are, or a
 * negative errno. */
int tz_os_epoll_wait(int ep, tz_os_event *events, int n, int64_t deadline);
int tz_os_eventfd(uint32_t count);

/* vmem.c.
 * tz_os_reserve: n bytes (a multiple of the page size) of private, zeroed, writable memory, backed when
 * touched, without huge pages and without counting against overcommit; aligned to the page. NULL: no memory
 * or address space. Under mlockall(MCL_FUTURE) the pages are not locked in. */
void *tz_os_reserve(size_t n);
void tz_os_release(void *p, size_t n); /* unmaps; p, n as reserved */
/* Makes n ranges of `size` bytes each inaccessible, the first at p, one every `stride` bytes. With markers
 * true by MADV_GUARD_INSTALL (in batches by process_madvise; -EINVAL/-ENOSYS/-EPERM... where the kernel does
 * not know it, and then nothing was changed), else by mprotect(PROT_NONE) (-ENOMEM past vm.max_map_count;
 * ranges done are undone). */
int tz_os_guard(void *p, size_t size, size_t stride, size_t n, bool markers);
/* Gives the pages back to the kernel; they read as zero next. */
void tz_os_discard(void *p, size_t n);
/* How many bytes of [p, p+n), counted from its highest page downwards to the lowest resident page,
 * are in use. */
size_t tz_os_resident_from_top(const void *p, size_t n);
size_t tz_os_page_size(void);
size_t tz_os_pages(size_t n); /* n, up to a whole page */

/* thread.c.
 * Starts a thread that runs fn(arg) with the given stack size, with all signals blocked while it
 * starts and then, right before fn, the mask tz_os_thread_mask_save() remembered. 0, -EAGAIN, -ENOMEM. */
int tz_os_thread_start(void (*fn)(void *), void *arg, size_t stack_size, const char *name);
void tz_os_thread_mask_save(void);
/* Gives back what threads that are gone have left; whether there were any, or some are about to be. A thread
 * that starts or ends does it too, so this is for the last of many. */
bool tz_os_threads_reap(void);
/* Waits until every thread that was started so is gone. */
void tz_os_threads_join(void);
/* After fork, in the child: they are gone already. */
void tz_os_threads_forget(void);
/* fn(arg) shall be called when the calling thread ends, however; the same fn in all threads. May allocate, as
 * libc sees fit. False: no key or memory is left. */
bool tz_os_thread_on_end(void (*fn)(void *), void *arg);
void tz_os_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int tz_os_tid(void);
/* Whether this is the thread that the process began with. */
bool tz_os_is_main_thread(void);
/* Blocks all signals in the calling thread. */
void tz_os_signals_block(void);
/* Ends the calling thread, as pthread_exit. */
TZ_NORETURN void tz_os_thread_exit(void);
/* Timer slack of the calling thread to 1 ns: sleeps end when they are due. */
void tz_os_precise_timers(void);
/* The CPU time of another thread of this process, in ns; -1 where it is gone. */
int64_t tz_os_thread_cpu(int tid);
/* Opens /proc/self/task/TID/stat: a descriptor, for tz_os_close, or a negative errno. */
int tz_os_thread_stat_open(int tid);
/* The thread's state letter ('R', 'S', 'D', ...) through that descriptor; 0 where it can't be told. */
char tz_os_thread_state(int stat_fd);
void tz_os_close(int fd);
/* Threads of this process by /proc that are not the kernel's helpers for io_uring (names iou-wrk-*,
 * iou-sqp-*); negative errno where /proc is missing. Allocates nothing. */
int tz_os_thread_count(void);

/* objects.c: calls fn for each object of the process (the program, its libraries) that has an ELF note of
 * this owner, with its file's name, "" for the program's. */
void tz_os_objects_with_note(const char *owner, void (*fn)(const char *file, void *arg), void *arg);

/* barrier.c: membarrier(PRIVATE_EXPEDITED).
 * Registers; false where the kernel or a filter refuses: then the full-fence variant of the protocol is
 * used. */
bool tz_os_membarrier_init(void);
/* A full fence on every thread of the process that is running, before it returns.
 * Only after init said true. */
void tz_os_membarrier(void);

/* cpu.c: the CPUs in this process's affinity mask (>= 1), of any number of CPUs. */
int tz_os_cpu_affinity(void);
/* The least CPU quota on the path of this process's cgroup (v1 or v2, every level up to the root), in
 * thousandths of a CPU; 0 where there is none. root is "" (tests pass a folder with a fake /proc and /sys).
 * Allocates nothing. */
int64_t tz_os_cpu_quota_milli(const char *root);

/* peek.c. Async-signal-safe.
 * Copies n (>= 8) bytes of this process's memory; false where not all of it can be read. */
bool tz_os_peek(void *to, const void *from, size_t n);
/* Whether there is executable memory at an address; if so, *lo and *hi are the ends of that mapping. Reads
 * /proc/self/maps. */
bool tz_os_is_code(uintptr_t at, uintptr_t *lo, uintptr_t *hi);
/* A file's contents, mapped for reading, for tz_os_release; NULL: there is no such file. */
const void *tz_os_map_file(const char *path, size_t *n);
/* A descriptor for reading, for tz_os_close, or a negative errno. */
int tz_os_open(const char *path);

/* misc.c: write all of it to a descriptor, as far as it goes; async-signal-safe. */
void tz_os_write(int fd, const char *text, size_t n);
/* getenv, but NULL under AT_SECURE. */
const char *tz_os_getenv(const char *name);
/* From here on there is no environment for us. */
void tz_os_env_ignore(bool ignore);
bool tz_os_secure(void); /* AT_SECURE: a set-user-id program and the like */
int tz_os_pid(void);
/* The running program's file; false: it can't be told, or does not fit. */
bool tz_os_exe(char *path, size_t n);
size_t tz_os_stack_limit(void); /* RLIMIT_STACK's soft limit, SIZE_MAX where unlimited */
uint64_t tz_os_random(void);
TZ_NORETURN void tz_os_exit_now(int code); /* _exit */
TZ_NORETURN void tz_os_abort(void);        /* dies by SIGABRT, whatever handler or mask there is: a core */
void tz_os_yield(void);                    /* sched_yield */

/* exit.c: libc's exit, whatever else has that name. */
TZ_NORETURN void tz_os_exit(int code);
/* Has libc's exit call fn with its code (0 where libc has no way to tell); before it the handlers that were
 * registered later. Once for the process. 0, -ENOMEM. */
int tz_os_at_exit(void (*fn)(int code, void *arg));
/* What the dynamic linker finds first under a name, for libraries of the program at large; NULL: nothing. */
void *tz_os_symbol(const char *name);
/* What it finds in a library and those that this needs, if the library is loaded already. */
void *tz_os_symbol_of(const char *library, const char *name);
/* Loads a library, for good; NULL: it can't be had, as in a static program never. And what is in it. */
void *tz_os_library(const char *library);
void *tz_os_library_symbol(void *library, const char *name);

#endif /* TZ_OS_H */
