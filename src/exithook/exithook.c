/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `turn` is a lock that may be held for as long as a hook runs, by a
 * goroutine that sleeps meanwhile and wakes on another thread. Everything
 * else here belongs to whoever holds it. Nobody spins for it: gosched is
 * where one waits.
 *
 * A hook that adds, removes or exits would wait for itself, so the holder
 * leaves its id in `runner` while it runs hooks. Others read that without the
 * turn: only I write my own id, and I clear it before I release the turn, so
 * whoever reads its own id there is the runner. An exit that comes later from
 * the same goroutine can't be taken for one from a hook.
 *
 * A hook is off the list before it is called: whatever happens in it, none
 * runs twice.
 */
#include "exithook/exithook.h"

#include <errno.h>
#include <stdlib.h>

#include "base/atomic.h"

tz_exithook_hooks_t tz_exithook_hooks;

typedef struct hook {
    struct hook *next; /* the one added before */
    void (*fn)(void *);
    void *arg;
    bool run_on_failure;
} hook;

static uint32_t turn;   /* 0 free, 1 taken; acquire and release */
static uint64_t runner; /* atomic: who runs hooks, 0: nobody */
static hook *hooks;     /* with the turn */
static bool through;    /* with the turn: they have all run; this process ends */

/* False: it is the caller's already. */
static bool take_turn(void)
{
    uint64_t me = tz_exithook_hooks.goid();
    uint32_t free = 0;
    while (!tz_cas_acquire(&turn, &free, 1)) {
        if (tz_load_relaxed(&runner) == me)
            return false;
        tz_exithook_hooks.gosched();
        free = 0;
    }
    return true;
}

static void give_turn(void)
{
    tz_store_relaxed(&runner, 0);
    tz_store_release(&turn, 0);
}

/* The list is whole: it changes by one store. */
void tz_exithook_forked(void)
{
    give_turn();
}

bool tz_exithook_busy(void)
{
    return tz_load_acquire(&turn) != 0;
}

int tz_exithook_add(void (*fn)(void *), void *arg, bool run_on_failure)
{
    hook *h = malloc(sizeof *h); /* before the turn: an allocator may call back */
    if (!h)
        return -ENOMEM;
    *h = (hook){.fn = fn, .arg = arg, .run_on_failure = run_on_failure};
    bool mine = take_turn();
    int err = through ? -ECANCELED : 0;
    if (err == 0) {
        h->next = hooks;
        tz_store_release(&hooks, h); /* whole, for a child of fork */
    }
    if (mine)
        give_turn();
    if (err < 0)
        free(h);
    return err;
}

int tz_exithook_remove(void (*fn)(void *), void *arg)
{
    bool mine = take_turn();
    hook **at = &hooks;
    while (*at && ((*at)->fn != fn || (*at)->arg != arg))
        at = &(*at)->next;
    hook *h = *at;
    if (h)
        *at = h->next;
    if (mine)
        give_turn();
    free(h);
    return h ? 0 : -ENOENT;
}

void tz_exithook_begin(void)
{
    if (!take_turn())
        tz_exithook_hooks.throw("exit hook invoked exit");
    tz_store_relaxed(&runner, tz_exithook_hooks.goid());
}

void tz_exithook_run(int code, void (*call)(void (*fn)(void *), void *arg))
{
    hook *h;
    while ((h = hooks) != NULL) {
        hook next = *h;
        hooks = h->next;
        free(h);
        if (code == 0 || next.run_on_failure)
            call(next.fn, next.arg);
    }
    through = true;
}

void tz_exithook_left(bool panicked)
{
    if (panicked)
        tz_exithook_hooks.throw("exit hook invoked panic");
    give_turn();
}
