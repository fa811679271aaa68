/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Alternate signal stacks. What the kernel itself writes there (the vector
 * registers) it tells in AT_MINSIGSTKSZ, and it may be more than the constant
 * of the headers; our handlers and the program's have 64 KiB beside it.
 *
 * AddressSanitizer gives each thread a stack and unmaps at the thread's end
 * whichever is set then: so what was found is put back before.
 */
#include <sys/auxv.h>

#include "base/atomic.h"
#include "os/os.h"
#include "os/signal.h"
#include "os/sys.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#define ROOM ((size_t)64 << 10)

static bool make(tz_os_sigstack *s)
{
    size_t page = tz_os_page_size();
    size_t least = getauxval(AT_MINSIGSTKSZ); /* 0: an old kernel's frames are small */
    size_t size = (least + ROOM + page - 1) / page * page;
    size_t above = (TZ_OS_SIGSTACK_ABOVE + page - 1) / page * page;
    char *base = tz_os_reserve(page + size + above);
    if (base == NULL)
        return false;
    if (tz_os_guard(base, page, page, 1, true) != 0 && tz_os_guard(base, page, page, 1, false) != 0) {
        tz_os_release(base, page + size + above);
        return false;
    }
    s->lo = base + page;
    s->size = size;
    tz_store_release(&s->above, base + page + size); /* pairs with who asks the thread (signal/running.c) */
    return true;
}

static long set(const stack_t *new, stack_t *old)
{
    return tz_sys(SYS_sigaltstack, new, old);
}

void tz_os_sigstack_on(tz_os_sigstack *s, bool keep)
{
    stack_t old;
    if (s->lo == NULL && !make(s))
        return;
    if (keep && set(NULL, &old) == 0 && !(old.ss_flags & SS_DISABLE))
        return;
    stack_t new = {.ss_sp = s->lo, .ss_size = s->size};
    if (set(&new, &old) != 0)
        return;
    s->old_lo = old.ss_sp;
    s->old_size = old.ss_size;
    s->old_flags = old.ss_flags;
    s->on = true;
}

void tz_os_sigstack_off(tz_os_sigstack *s)
{
    if (!s->on)
        return;
    s->on = false;
    stack_t now, old = {.ss_sp = s->old_lo, .ss_size = s->old_size, .ss_flags = s->old_flags};
    if (set(&old, &now) == 0 && now.ss_sp != s->lo)
        set(&now, NULL);
}
