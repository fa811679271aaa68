/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * C++ exceptions belong to goroutines.
 *
 * The C++ runtime keeps a list of the exceptions that are caught, and a count
 * of those in flight, for each thread, and asks for their address by
 * __cxa_get_globals (the Itanium C++ ABI: libstdc++ and libc++abi alike). A
 * goroutine that blocks in a catch block takes its own with it.
 *
 * So that function is ours, and answers with the goroutine's: a switch costs
 * nothing then. It is found by the C++ runtime where the dynamic linker looks
 * into this library, or the program, first; not where the C++ runtime comes
 * before (a program in C++ that has tuza through another library), or has
 * been bound already (a plugin's tuza). Then the switch exchanges what lies
 * at the thread's address, m->cxx. What the linker does is found out by asking
 * it.
 */
#include "os/os.h"
#include "panic/records.h"

/* Of a thread, where it runs no goroutine. Not initial-exec: there is little room for that. */
static __thread tz_exceptions of_thread __attribute__((tls_model("global-dynamic")));

tz_exceptions *tz_exceptions_of(const tz_m *m)
{
    if (m->cxx)
        return m->cxx;
    return m->g == &m->g0_block ? &of_thread : &m->g->cxx;
}

tz_exceptions *__cxa_get_globals(void);
tz_exceptions *__cxa_get_globals_fast(void);

__attribute__((visibility("default"))) tz_exceptions *__cxa_get_globals(void)
{
    return tz_exceptions_of(tz_self_m);
}

__attribute__((visibility("default"))) tz_exceptions *__cxa_get_globals_fast(void)
{
    return tz_exceptions_of(tz_self_m);
}

extern void __cxa_end_catch(void) __attribute__((weak));

/* Ends the innermost catch block: the exception is destroyed, if no other holds it. */
static void end_catch(void)
{
    static void (*fn)(void); /* relaxed: whoever looks finds the same */
    void (*f)(void) = tz_load_relaxed(&fn);
    if (!f) {
        static const char name[] = "__cxa_end_catch";
        f = __cxa_end_catch;
        if (!f) /* loaded by and for a plugin */
            *(void **)&f = tz_os_symbol_of("libstdc++.so.6", name);
        if (!f)
            *(void **)&f = tz_os_symbol_of("libc++abi.so.1", name);
        tz_store_relaxed(&fn, f);
    }
    if (f)
        f();
}

/* The caller's own. Not inlined: a destructor may block, and no address of this thread's is to be kept across
 * that. */
static TZ_NOINLINE tz_exceptions *mine(void)
{
    return tz_exceptions_of(tz_self_m);
}

void tz_exceptions_cut(tz_exceptions were)
{
    tz_exceptions *e;
    while (TZ_UNLIKELY((e = mine())->caught != were.caught)) {
        void *top = e->caught;
        end_catch();
        e = mine();
        if (e->caught == top)
            e->caught = were.caught;
    }
    e->uncaught = were.uncaught;
}

/* The C++ runtime's own, where it does not ask us. */
static tz_exceptions *(*theirs)(void);

static tz_exceptions *address(void)
{
    return theirs();
}

static __attribute__((constructor)) void wire(void)
{
    *(void **)&theirs = tz_os_symbol("__cxa_get_globals"); /* POSIX's way to make a function of it */
    if (theirs && theirs() != &of_thread)
        tz_sched_hooks.exceptions = address;
}
