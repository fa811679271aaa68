/* SPDX-License-Identifier: BSD-3-Clause */
/* What every public header needs: export and attribute macros, the version. */
#ifndef TUZA_BASE_H
#define TUZA_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TUZA_VERSION_MAJOR 0
#define TUZA_VERSION_MINOR 1
#define TUZA_VERSION_PATCH 0
/* 0xMMmmpp, comparable with <. */
#define TUZA_VERSION ((TUZA_VERSION_MAJOR << 16) | (TUZA_VERSION_MINOR << 8) | TUZA_VERSION_PATCH)

#ifdef __cplusplus
#define TUZA_BEGIN_DECLS extern "C" {
#define TUZA_END_DECLS   }
#define TUZA_NOEXCEPT    noexcept
#else
#define TUZA_BEGIN_DECLS
#define TUZA_END_DECLS
#define TUZA_NOEXCEPT
#endif

#define TUZA_API          __attribute__((visibility("default")))
#define TUZA_NORETURN     __attribute__((noreturn))
#define TUZA_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#define TUZA_MUST_CHECK   __attribute__((warn_unused_result))
#define TUZA_PRINTF(f, a) __attribute__((format(printf, f, a)))

TUZA_BEGIN_DECLS

/*
 * The version of the library that is linked, as TUZA_VERSION is that of the
 * header. Blocks: never. Callable from: any thread, signal handlers too.
 */
TUZA_API int tuza_version(void) TUZA_NOEXCEPT;

TUZA_END_DECLS

#endif /* TUZA_BASE_H */
