/* SPDX-License-Identifier: BSD-3-Clause */
/* Bubbles, as programs see them: sched/bubble.c does it. */
#include "tuza/bubble.h"

#include "panic/panic.h"
#include "sched/bubble.h"
#include "tuza/time.h"

#define OUTSIDE "goroutine is not in a bubble"

int tuza_bubble_run(void (*fn)(void *arg), void *arg)
{
    if (tz_bubble_id())
        tz_panic_outside("synctest.Run called from within a synctest bubble");
    int r = tz_bubble_run(fn, arg, __builtin_return_address(0));
    if (r > 0)
        tz_panic_outside(tz_bubble_deadlock(r));
    return r;
}

void tuza_bubble_wait(void)
{
    if (!tz_bubble_id())
        tz_panic_outside(OUTSIDE);
    if (!tz_bubble_wait())
        tz_panic_outside("wait already in progress");
}

void tuza_bubble_sleep(int64_t ns)
{
    if (!tz_bubble_id())
        tz_panic_outside(OUTSIDE);
    tuza_sleep(ns);
    tuza_bubble_wait();
}
