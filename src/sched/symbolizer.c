/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names for addresses, by a thread of our own.
 *
 * libdw uses malloc, the loader's lock and plenty of stack. A thread that
 * crashes may be in the middle of malloc or of dlopen, by a signal or by a
 * throw from a handler; a goroutine's stack may be small, or full. So nobody
 * who wants a name asks libdw himself: a thread that does nothing else is
 * asked, which so is never inside malloc when it is asked. Whatever it may
 * run into, a lock held by the thread that crashed, a heap in ruins, the one
 * who asks notices: the answer does not come. He waits as long as there is
 * progress, then goes on with the symbol tables of the mapped files, which he
 * reads himself with neither malloc nor locks.
 *
 * sysmon could have been that thread, as it never allocates either. But
 * programs ask for tracebacks while they live (tuza_stack), and reading the
 * DWARF of a large program takes as long as a goroutine should never hold up
 * others.
 *
 * The protocol. `holder` is the right to ask, and to read what is in
 * `symbols`; taken by CAS, for one traceback, or LOST. `state` goes
 *
 *     QUIET --asker--> ASKED --thread--> WORKING --thread--> QUIET
 *
 * each by a release that pairs with the other side's acquire: `symbols` and
 * the question are the asker's in QUIET, the thread's in between. An asker
 * that gives up never looks at them again, and leaves the right LOST for good:
 * those who wait for it see that in the word they sleep on.
 *
 * That the thread shall end is a word of its own, `ending`: it has to end
 * with the others also where nobody can ask it any more. Who stops the runtime
 * has the right to ask for that moment, so that no question is left without an
 * answer; where the right can't be had, nobody will have it again.
 *
 * Without the thread, before the runtime's first need of threads or in the
 * child of a fork, who asks calls libdw himself, if that is safe: not in a
 * signal's handler, not on a goroutine's stack. In a child it is not either
 * where the parent was just asking. `holder` and `thread_pid` are process ids
 * for children that fork's handlers do not see.
 */
#include <limits.h>
#include <string.h>

#include "base/fatal.h"
#include "os/os.h"
#include "sched/traceback.h"

#define STACK     ((size_t)1 << 20) /* libdw has large arrays on it */
#define SECOND    1000000000
#define PATIENCE  (10 * (int64_t)SECOND) /* without progress */
#define CRASH_ASK (2 * (int64_t)SECOND)  /* a crash waits so long for the answer to begin */

#define BATCH 64u

#define LOST 0xffffffffu /* no process's id: nobody has the right, nor ever will */

enum { QUIET, ASKED, WORKING };

static struct {
    uint32_t holder; /* 0, or the process id of who has it, or LOST; a futex */
    int holder_tid;  /* peeked: which thread */
    uint32_t state;  /* a futex: who has asked sleeps on it */
    uint32_t kicks;  /* a futex: the thread sleeps on it; grows, by a release, with what it shall look at */
    uint32_t n;
    uintptr_t at[BATCH];
    tz_symbols *symbols; /* made by the first holder */
    uint32_t thread_pid; /* the process it runs in, 0: none; written under start_lock */
    uint32_t ending;     /* atomic: the thread shall end; written under start_lock */
} shared;

enum { TZ_SYMBOLS_SHARED, TZ_SYMBOLS_SELF, TZ_SYMBOLS_NAMES };

static void serve(void *unused)
{
    (void)unused;
    for (;;) {
        uint32_t kicks = tz_load_acquire(&shared.kicks); /* before the looks: a later one ends the sleep */
        if (tz_load_relaxed(&shared.ending))
            return;
        if (tz_load_acquire(&shared.state) != ASKED) {
            tz_os_futex_wait(&shared.kicks, kicks, tz_waits_run());
            continue;
        }
        tz_store_relaxed(&shared.state, WORKING);
        for (uint32_t i = 0; i < shared.n; i++) {
            uint32_t n;
            (void)tz_symbols_find(shared.symbols, shared.at[i], &n);
            tz_add_relaxed(&tz_dwarf_progress, 1);
        }
        tz_store_release(&shared.state, QUIET);
        tz_os_futex_wake(&shared.state, 1);
    }
}

/* The right to ask. False: it can't be had. */
static bool take(bool report)
{
    uint32_t self = (uint32_t)tz_os_pid(), holder = 0;
    int64_t end = report ? tz_os_now() + CRASH_ASK : TZ_OS_FOREVER;
    for (;;) {
        if (tz_cas_acquire(&shared.holder, &holder, self))
            break;
        if (holder != self)
            return false;
        if (report && (tz_load_relaxed(&shared.holder_tid) == tz_os_tid() || tz_os_now() >= end))
            return false;
        tz_os_futex_wait(&shared.holder, holder, end);
        holder = 0;
    }
    tz_store_relaxed(&shared.holder_tid, tz_os_tid());
    return true;
}

static void give(void)
{
    tz_store_relaxed(&shared.holder_tid, 0);
    tz_store_release(&shared.holder, 0); /* pairs with take */
    tz_os_futex_wake(&shared.holder, 1);
}

/* The thread does not answer: nobody shall ask again. */
static void give_up(void)
{
    tz_store_relaxed(&shared.holder, LOST);
    tz_os_futex_wake(&shared.holder, INT_MAX);
}

void tz_symbolizer_kick(void)
{
    tz_add_acq_rel(&shared.kicks, 1);
    tz_os_futex_wake(&shared.kicks, 1);
}

int tz_symbolizer_start(void)
{
    if (tz_load_relaxed(&shared.thread_pid) == (uint32_t)tz_os_pid())
        return 0;
    tz_store_relaxed(&shared.ending, 0); /* the last stop's, which may have found no thread */
    int err = tz_os_thread_start(serve, NULL, STACK, "tuza-trace");
    if (err < 0)
        return err;
    tz_store_relaxed(&shared.thread_pid, (uint32_t)tz_os_pid());
    return 1;
}

void tz_symbolizer_stop(void)
{
    bool mine = take(false);
    tz_store_relaxed(&shared.thread_pid, 0);
    tz_store_relaxed(&shared.ending, 1);
    tz_symbolizer_kick();
    if (mine)
        give();
}

static void use_names(tz_symbolizer *z)
{
    z->how = TZ_SYMBOLS_NAMES;
    z->symbols = tz_symbols_new(false);
}

void tz_symbolizer_forget(void)
{
    if (shared.holder || shared.state != QUIET)
        shared.holder = LOST;
    shared.state = QUIET;
    shared.thread_pid = 0;
}

/* Whether this thread may call libdw where it stands. */
static bool may_call_itself(const tz_symbolizer *z, int why)
{
    bool guard;
    return why != TZ_ASK_IN_HANDLER && !tz_stack_find(z, &guard);
}

void tz_symbolizer_open(tz_symbolizer *z, int why)
{
    z->report = why != TZ_ASK_ALIVE;
    if (z->report)
        tz_store_relaxed(&tz_dwarf_dying, true);
    if ((z->report && tz_report_depth() > 1) || !take(z->report)) {
        use_names(z);
        return;
    }
    /* With the right, which who has the thread end takes first: it stays for as long as this one asks. */
    bool there = tz_load_relaxed(&shared.thread_pid) == (uint32_t)tz_os_pid();
    if (!there && !may_call_itself(z, why)) {
        give();
        use_names(z);
        return;
    }
    if (!shared.symbols)
        shared.symbols = tz_symbols_new(true);
    else
        tz_symbols_refresh(shared.symbols);
    z->symbols = shared.symbols;
    z->how = there ? TZ_SYMBOLS_SHARED : TZ_SYMBOLS_SELF;
}

void tz_symbolizer_close(tz_symbolizer *z)
{
    if (z->how != TZ_SYMBOLS_NAMES)
        give();
    else if (z->symbols)
        tz_symbols_free(z->symbols);
}

/* False: no answer, and none will be waited for again. */
static bool ask(const tz_symbolizer *z, const uintptr_t *at, uint32_t n)
{
    memcpy(shared.at, at, n * sizeof at[0]);
    shared.n = n;
    tz_store_release(&shared.state, ASKED);
    tz_symbolizer_kick();
    uint32_t seen = tz_load_relaxed(&tz_dwarf_progress), state;
    int64_t since = tz_os_now();
    while ((state = tz_load_acquire(&shared.state)) != QUIET) {
        int64_t now = tz_os_now();
        uint32_t progress = tz_load_relaxed(&tz_dwarf_progress);
        if (progress != seen) {
            seen = progress;
            since = now;
        } else if (now - since >= (z->report && state == ASKED ? CRASH_ASK : PATIENCE)) {
            return false;
        }
        tz_os_futex_wait(&shared.state, state, now + SECOND / 10);
    }
    return true;
}

void tz_symbolizer_want(tz_symbolizer *z, const uintptr_t *at, uint32_t n)
{
    if (!z->symbols)
        return;
    uint32_t ignored;
    for (uint32_t i = 0; i < n; i++) {
        if (tz_symbols_known(z->symbols, at[i], &ignored))
            continue;
        if (z->how == TZ_SYMBOLS_SHARED) {
            uint32_t batch = n - i < BATCH ? n - i : BATCH;
            if (z->report)
                tz_report_flush(); /* what there is, before anything can go wrong */
            if (ask(z, at + i, batch)) {
                i += batch - 1;
                continue;
            }
            give_up();
            use_names(z);
            if (!z->symbols)
                return;
        }
        (void)tz_symbols_find(z->symbols, at[i], &ignored);
    }
}

const tz_symbol *tz_symbolizer_get(tz_symbolizer *z, uintptr_t at, uint32_t *n)
{
    static const tz_symbol nothing = {.function = "?"};
    tz_symbolizer_want(z, &at, 1);
    const tz_symbol *found = z->symbols ? tz_symbols_known(z->symbols, at, n) : NULL;
    if (!found) {
        *n = 1;
        found = &nothing;
    }
    return found;
}
