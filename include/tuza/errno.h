/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * errno for code that runs in goroutines.
 *
 * libc declares the address of errno as a constant of the calling function,
 * so a compiler may compute it once and use it on both sides of a call that
 * parks the goroutine and resumes it on another thread: a read or write of
 * the wrong thread's errno. This header routes errno through a function that
 * no compiler may assume constant. Include it instead of <errno.h>; <tuza.h>
 * does. The value itself follows the goroutine: the runtime saves and
 * restores it at each switch.
 */
#ifndef TUZA_ERRNO_H
#define TUZA_ERRNO_H

#include <errno.h>

#include "tuza/base.h"

TUZA_BEGIN_DECLS

/*
 * The address of the calling thread's errno. Valid until the next call that
 * may block. Blocks: never. Callable from: any thread.
 */
TUZA_API int *tuza_errno_location(void) TUZA_NOEXCEPT;

TUZA_END_DECLS

#undef errno
#define errno (*tuza_errno_location())

#endif /* TUZA_ERRNO_H */
