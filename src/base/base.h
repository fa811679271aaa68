/* SPDX-License-Identifier: BSD-3-Clause */
/* The lowest layer: attributes and small helpers. Needs nothing but libc's headers. */
#ifndef TZ_BASE_H
#define TZ_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TZ_LIKELY(x)   __builtin_expect(!!(x), 1)
#define TZ_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define TZ_NOINLINE    __attribute__((noinline))
#define TZ_INLINE      static inline __attribute__((always_inline))
#define TZ_COLD        __attribute__((cold, noinline))
#define TZ_NORETURN    __attribute__((noreturn))
#define TZ_ALIGNED(n)  __attribute__((aligned(n)))
/* Reads memory that sanitizers think is not its own: other stacks, as they are. */
#define TZ_NO_SANITIZE  __attribute__((no_sanitize("address", "thread", "undefined")))
#define TZ_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* By this a file of the runtime is known in a symbol table (trace/elf.c): its static functions are ours. */
#ifdef TZ_RUNTIME
static const char tz_this_file[] __attribute__((used)) = __BASE_FILE__;
#endif

#define TZ_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Two lines: the adjacent-line prefetcher makes neighbours share as well. */
#define TZ_CACHE_LINE 64
#define TZ_NO_SHARING 128

#if defined(__SANITIZE_ADDRESS__)
#define TZ_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TZ_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define TZ_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TZ_TSAN 1
#endif
#endif
#ifndef TZ_ASAN
#define TZ_ASAN 0
#endif
#ifndef TZ_TSAN
#define TZ_TSAN 0
#endif
/* A sanitizer must be told of each switch: the assembly then calls C at those points. */
#define TZ_INSTRUMENTED (TZ_ASAN || TZ_TSAN)

#endif /* TZ_BASE_H */
