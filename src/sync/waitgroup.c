/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wait group: the counter is in the word's upper half. Whoever is about
 * to bring it to 0 with goroutines waiting takes them off the queue first, by
 * the QLOCK bit, and lets the counter, the bit and the flag go in one store.
 * So a counter of 0 never stands beside a waiter.
 *
 * One that was woken looks at the group no more: another who has waited may
 * have freed it. So nobody notices where it is used anew before that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"
#include "panic/panic.h"
#include "sync/word.h"

#define WAITERS 1u
#define COUNT   32

static int64_t count(uint64_t s)
{
    return (int64_t)(s >> COUNT);
}

/* Adds n where that has no further consequence. */
TZ_INLINE bool add_simply(tuza_waitgroup *wg, int n, bool sole)
{
    uint64_t s = tz_load_relaxed(&wg->state);
    int64_t c = count(s) + n;
    if (c < 0 || c > INT32_MAX || (s & TZ_WORD_QLOCK) || (c == 0 && (s & WAITERS)))
        return false;
    /* release: what came before a done is seen by who finds 0, through any number of others' changes */
    return tz_word_release(&wg->state, &s, s + ((uint64_t)(int64_t)n << COUNT), sole);
}

/* Inside, with a P. False: the counter can't become that. */
static bool add(tz_m *m, tuza_waitgroup *wg, int n)
{
    for (unsigned tries = 0;;) {
        bool sole = m->p->sole;
        uint64_t s = tz_load_relaxed(&wg->state);
        int64_t c = count(s) + n;
        if (s & TZ_WORD_QLOCK) {
            tz_word_wait(&tries);
        } else if (c < 0 || c > INT32_MAX) {
            return false;
        } else if (c || !(s & WAITERS)) {
            if (add_simply(wg, n, sole))
                return true;
        } else if (tz_word_acquire(&wg->state, &s, s | TZ_WORD_QLOCK, sole)) {
            /* acquire: what came before the other dones goes on to the waiters from here */
            tz_waiter *all = tz_waiters_take(&wg->queue);
            tz_store_release(&wg->state, 0); /* the last access to wg */
            tz_word_ready(m, all);
            return true;
        }
    }
}

#define NEGATIVE "sync: negative WaitGroup counter"

static TZ_NOINLINE void add_slow(tz_m *m, tuza_waitgroup *wg, int n)
{
    if (!add(m, wg, n))
        tz_panic(m, NEGATIVE);
    tz_leave(m);
}

static TZ_NOINLINE void add_enter_slow(tz_m *m, tuza_waitgroup *wg, int n)
{
    if (tz_without_p(m)) {
        if (add_simply(wg, n, false))
            return;
        tz_entering(m);
    }
    add_slow(tz_enter_slow(m, false), wg, n);
}

static TZ_COLD void add_outside(tuza_waitgroup *wg, int n)
{
    if (tz_without_m() && add_simply(wg, n, false))
        return;
    tz_attach();
    add_slow(tz_enter(), wg, n);
}

void tuza_waitgroup_add(tuza_waitgroup *wg, int n)
{
    tz_m *m = tz_self_m;
    if (tz_is_outside(m)) {
        add_outside(wg, n);
        return;
    }
    tz_entering(m);
    if (tz_enters_slow(m))
        add_enter_slow(m, wg, n);
    else if (TZ_UNLIKELY(!add_simply(wg, n, m->p->sole)))
        add_slow(m, wg, n);
    else
        tz_leave(m);
}

void tuza_waitgroup_done(tuza_waitgroup *wg)
{
    tuza_waitgroup_add(wg, -1);
}

void tuza_waitgroup_wait(tuza_waitgroup *wg)
{
    if (tz_load_acquire(&wg->state) == 0) /* pairs with the releases of those who were waited for */
        return;
    tz_waiter w = {.since = 0};
    tz_m *m = tz_enter_movable();
    for (unsigned tries = 0;;) {
        uint64_t s = tz_load_acquire(&wg->state);
        if (s & TZ_WORD_QLOCK) {
            tz_word_wait(&tries);
        } else if (count(s) == 0) {
            tz_leave(m);
            return;
        } else if (tz_word_acquire(&wg->state, &s, s | TZ_WORD_QLOCK, m->p->sole)) {
            tz_waiters_put(&wg->queue, &w);
            /* Others add and take off meanwhile only by waiting for the bit. */
            tz_park_durably(m);
            m = tz_word_park64(m, TZ_WAIT_WAITGROUP, &w, &wg->state, s | WAITERS);
            tz_leave(m);
            return;
        }
    }
}

/* What a goroutine of the group has of its own. It is taken off when it has ended in every respect; one that
 * panics takes the process with it, and whoever waits is not let go before. */
typedef struct member {
    tz_member end;
    tuza_waitgroup *wg;
    void (*fn)(void *);
    TZ_ALIGNED(16) char arg[]; /* a pointer, or the copy */
} member;
#define SMALL 16

static void ended(tz_m *m, tz_member *end)
{
    if (!add(m, TZ_CONTAINER_OF(end, member, end)->wg, -1))
        tz_throw(NEGATIVE); /* the goroutine is over: nothing is left to panic */
}

static void run(void *arg)
{
    member *me = arg;
    tz_panic_at_end(&me->end);
    me->fn(*(void **)(void *)me->arg);
}

static void run_copy(void *arg)
{
    member *me = arg;
    tz_panic_at_end(&me->end);
    me->fn(me->arg);
}

static int start(tuza_waitgroup *wg, void (*how)(void *), const member *me, size_t size, const void *pc)
{
    tuza_waitgroup_add(wg, 1);
    int err = tz_go_copy(how, me, sizeof *me + size, pc);
    if (err < 0)
        tuza_waitgroup_done(wg);
    return err;
}

int tuza_waitgroup_go(tuza_waitgroup *wg, void (*fn)(void *), void *arg)
{
    if (!fn)
        tz_fatal("go of nil func value");
    TZ_ALIGNED(16) char buf[sizeof(member) + sizeof arg];
    member *me = (member *)(void *)buf;
    *me = (member){{ended}, wg, fn};
    memcpy(me->arg, &arg, sizeof arg);
    return start(wg, run, me, sizeof arg, __builtin_return_address(0));
}

int tuza_waitgroup_go_copy(tuza_waitgroup *wg, void (*fn)(void *), const void *arg, size_t size)
{
    if (!fn)
        tz_fatal("go of nil func value");
    if (!tz_go_copies(arg, size))
        return -EINVAL;
    TZ_ALIGNED(16) char small[sizeof(member) + SMALL];
    member *me = (member *)(void *)small;
    if (size > SMALL && !(me = malloc(sizeof *me + size)))
        return -ENOMEM;
    *me = (member){{ended}, wg, fn};
    if (size)
        memcpy(me->arg, arg, size);
    int err = start(wg, run_copy, me, size, __builtin_return_address(0));
    if (size > SMALL)
        free(me);
    return err;
}
