/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The expensive half of an asymmetric fence: what runs often keeps only the
 * compiler in order, what runs seldom makes every running thread of the
 * process pass a full fence.
 */
#include <stdlib.h>

#include "base/atomic.h"
#include "os/os.h"
#include "os/sys.h"

enum { PRIVATE_EXPEDITED = 1 << 3, REGISTER_PRIVATE_EXPEDITED = 1 << 4 };

bool tz_os_membarrier_init(void)
{
    /* Called once for real: a filter may admit the one command and refuse the other. */
    return tz_sys(SYS_membarrier, REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 &&
           tz_sys(SYS_membarrier, PRIVATE_EXPEDITED, 0, 0) == 0;
}

void tz_os_membarrier(void)
{
    long r;
    while ((r = tz_sys(SYS_membarrier, PRIVATE_EXPEDITED, 0, 0)) == -ENOMEM)
        tz_os_yield(); /* the kernel's list of processors found no memory */
    if (r == 0)
        return;
    /* The other threads have left out their fences, relying on this one:
     * without it memory is corrupted unseen. */
    static const char text[] =
        "fatal error: tuza: membarrier refused after it was granted (a seccomp filter?)\n";
    tz_os_write(2, text, sizeof text - 1);
    abort();
}
