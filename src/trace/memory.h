/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a stack is read. Within the bounds that its owner vouches for by a
 * load, anywhere else through the kernel, which refuses instead of faulting:
 * whatever a corrupted stack leads to, the reader lives.
 */
#ifndef TZ_MEMORY_H
#define TZ_MEMORY_H

#include "os/os.h"

typedef struct tz_bounds {
    uintptr_t lo, hi; /* mapped for certain */
} tz_bounds;

static inline TZ_NO_SANITIZE bool tz_read_word(const tz_bounds *b, uintptr_t at, uintptr_t *value)
{
    if (at >= b->lo && at < b->hi && b->hi - at >= sizeof *value && at % sizeof *value == 0) {
        *value = *(const volatile uintptr_t *)at;
        return true;
    }
    return tz_os_peek(value, (const void *)at, sizeof *value);
}

#endif /* TZ_MEMORY_H */
