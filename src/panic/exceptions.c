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

/* The beginning of tz_unwind has this form. */
struct globals {
    void *caught;
    uint32_t uncaught;
};

/* Of a thread, where it runs no goroutine. Not initial-exec: there is little room for that. */
static __thread struct globals thread_globals __attribute__((tls_model("global-dynamic")));

struct globals *__cxa_get_globals(void);
struct globals *__cxa_get_globals_fast(void);

__attribute__((visibility("default"))) struct globals *__cxa_get_globals(void)
{
    tz_m *m = tz_self_m;
    tz_g *g = m->g;
    return g == m->g0 ? &thread_globals : (struct globals *)(void *)&g->unwind;
}

__attribute__((visibility("default"))) struct globals *__cxa_get_globals_fast(void)
{
    return __cxa_get_globals();
}

extern void __cxa_end_catch(void) __attribute__((weak));

void tz_exceptions_cut(tz_g *g, const tz_boundary *b)
{
    tz_unwind *u = &g->unwind;
    void *caught = b ? b->cxx_caught : NULL;
    while (TZ_UNLIKELY(u->cxx_caught != caught)) {
        void *was = u->cxx_caught;
        if (__cxa_end_catch)
            __cxa_end_catch(); /* as the catch block's end: the exception is destroyed */
        if (u->cxx_caught == was)
            u->cxx_caught = caught;
    }
    u->cxx_uncaught = b ? b->cxx_uncaught : 0;
}
