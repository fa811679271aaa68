/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * C++ exceptions belong to goroutines.
 *
 * libstdc++ keeps, for each thread, a list of the exceptions that are caught
 * and a count of those in flight, and asks for their address by
 * __cxa_get_globals. A goroutine that blocks in a catch block takes its own
 * with it to another thread; so here that function answers with the
 * goroutine's. It is the Itanium C++ ABI's, the same for libc++abi.
 */
#include "panic/records.h"

_Static_assert(offsetof(tz_unwind, cxx_caught) == offsetof(tz_exceptions, caught) &&
                   offsetof(tz_unwind, cxx_uncaught) == offsetof(tz_exceptions, uncaught),
               "tz_unwind begins with them");

/* Of a thread, where it runs no goroutine. Not initial-exec: there is little room for that. */
static __thread tz_exceptions of_thread __attribute__((tls_model("global-dynamic")));

tz_exceptions *tz_exceptions_of_thread(void)
{
    return &of_thread;
}

tz_exceptions *__cxa_get_globals(void);
tz_exceptions *__cxa_get_globals_fast(void);

__attribute__((visibility("default"))) tz_exceptions *__cxa_get_globals(void)
{
    tz_m *m = tz_self_m;
    tz_g *g = m->g;
    return g == &m->g0_block ? &of_thread : (tz_exceptions *)(void *)&g->unwind;
}

__attribute__((visibility("default"))) tz_exceptions *__cxa_get_globals_fast(void)
{
    return __cxa_get_globals();
}

extern void __cxa_end_catch(void) __attribute__((weak));

void tz_exceptions_cut(tz_g *g, tz_exceptions were)
{
    tz_exceptions *e = tz_exceptions_of(g);
    while (TZ_UNLIKELY(e->caught != were.caught)) {
        void *top = e->caught;
        if (__cxa_end_catch)
            __cxa_end_catch(); /* as the catch block's end does it: the exception is destroyed */
        if (e->caught == top)
            e->caught = were.caught;
    }
    e->uncaught = were.uncaught;
}
