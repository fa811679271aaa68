/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which signals have handlers of ours, and what becomes of those that were
 * there before.
 *
 * Faults (SEGV, BUS, FPE, ILL) and ABRT are ours, whatever was there: that is
 * kept and called for what is not ours, and after our report. TRAP, SYS and
 * QUIT mean something else to whoever has a handler for them (a debugging
 * aid, a sandbox, a daemon that ends gently), so only their defaults are
 * replaced. URG is how a thread is asked for its goroutine's frames
 * (running.c). All other signals are left alone.
 *
 * Handlers run on the alternate stack with every signal blocked but the
 * faults: a failure in a handler comes back here, where the report's level
 * ends it. They may have interrupted anything, the runtime and malloc too: so
 * they allocate nothing and wait for nothing without a limit.
 */
#include "signal/handlers.h"

#include <errno.h>

#include "os/os.h"
#include "signal/signal.h"

enum { REPLACE, DEFAULT_ONLY };

static struct entry {
    int sig;
    int kind;
    tz_os_handler *fn;
    tz_os_action earlier; /* const once the handlers are there, but for its handler: SA_RESETHAND */
    bool ours;
} entries[] = {
    {.sig = SIGSEGV, .kind = REPLACE, .fn = tz_fault},
    {.sig = SIGBUS, .kind = REPLACE, .fn = tz_fault},
    {.sig = SIGFPE, .kind = REPLACE, .fn = tz_fault},
    {.sig = SIGILL, .kind = REPLACE, .fn = tz_fault},
    {.sig = SIGABRT, .kind = REPLACE, .fn = tz_fault},
    {.sig = SIGTRAP, .kind = DEFAULT_ONLY, .fn = tz_fault},
    {.sig = SIGSYS, .kind = DEFAULT_ONLY, .fn = tz_fault},
    {.sig = SIGQUIT, .kind = DEFAULT_ONLY, .fn = tz_quit},
    {.sig = SIGURG, .kind = REPLACE, .fn = tz_asked},
};
#define ENTRIES (sizeof entries / sizeof entries[0])

tz_signal_hooks_t tz_signal_hooks;

/* NULL: none of these. */
static struct entry *find(int sig)
{
    for (size_t i = 0; i < ENTRIES; i++)
        if (entries[i].sig == sig)
            return &entries[i];
    return NULL;
}

tz_os_action *tz_signal_earlier(int sig)
{
    return &find(sig)->earlier;
}

static void handler(int sig, siginfo_t *info, void *context)
{
    int saved = errno;
    struct entry *e = find(sig);
    bool taken = tz_signal_hooks.take && !tz_signal_is_raised(sig, info) && tz_signal_hooks.take(sig);
    if (!taken || e->fn == tz_asked) /* the kernel may have merged a question with the signal */
        e->fn(sig, info, context);
    errno = saved;
}

void tz_signal_mask(sigset_t *mask)
{
    sigfillset(mask);
    for (size_t i = 0; i < ENTRIES; i++)
        if (entries[i].fn == tz_fault)
            sigdelset(mask, entries[i].sig);
}

bool tz_signal_is_raised(int sig, const siginfo_t *info)
{
    const struct entry *e = find(sig);
    return e && e->fn == tz_fault && info->si_code > 0;
}

bool tz_signal_owns(int sig)
{
    const struct entry *e = find(sig);
    return e && e->ours && tz_os_signal_action(sig).handler == (uintptr_t)handler;
}

bool tz_signal_drops(int sig)
{
    const struct entry *e = find(sig);
    return e->fn != tz_quit && tz_load_relaxed(&e->earlier.handler) == (uintptr_t)SIG_IGN;
}

static void install(void)
{
    sigset_t mask;
    tz_signal_mask(&mask);
    for (size_t i = 0; i < ENTRIES; i++) {
        struct entry *e = &entries[i];
        e->earlier = tz_os_signal_action(e->sig);
        if (tz_signal_hooks.found)
            tz_signal_hooks.found(e->sig, &e->earlier);
        /* SIGQUIT is ignored in what a shell runs in the background; a dump is wanted there as well. */
        bool replaced = e->kind == REPLACE || e->earlier.handler == (uintptr_t)SIG_DFL ||
                        (e->sig == SIGQUIT && e->earlier.handler == (uintptr_t)SIG_IGN);
        e->ours = replaced;
        if (replaced)
            tz_os_signal_handle(e->sig, handler, &mask);
    }
    tz_asked_init(true);
}

static void remove_ours(void)
{
    tz_asked_init(false);
    for (size_t i = 0; i < ENTRIES; i++) {
        struct entry *e = &entries[i];
        if (tz_signal_owns(e->sig))
            tz_os_signal_restore(e->sig, &e->earlier);
        e->ours = false;
    }
}

void tz_signal_handle(bool on)
{
    if (on)
        install();
    else
        remove_ours();
}
