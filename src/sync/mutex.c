/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mutex, with Go's two modes.
 *
 * Normal: an unlock wakes the first waiter, which competes with whoever comes
 * just then and is running already; that one mostly wins, and keeps its
 * caches. A woken waiter that loses goes back to the front. WOKEN says that
 * one of them is on its way, or spins: nobody else need be woken.
 *
 * Starving: a waiter that lost, and has waited for more than a millisecond,
 * sets STARVING. From then on an unlock hands the mutex to the first waiter,
 * LOCKED stays set, newcomers queue up behind; and the unlocker gives way to
 * it. The mode ends with the hand-over to one that is the last, or has
 * waited for less.
 *
 *   LOCKED    somebody has it
 *   QLOCK     word.h
 *   WAITERS   the queue is not empty
 *   WOKEN     see above; never with STARVING's hand-over pending
 *   STARVING  implies LOCKED, and WAITERS
 */
#include "sync/mutex.h"

#include "base/fatal.h"
#include "os/os.h"

#define LOCKED   TZ_MUTEX_LOCKED
#define WAITERS  TZ_MUTEX_WAITERS
#define WOKEN    TZ_MUTEX_WOKEN
#define STARVING TZ_MUTEX_STARVING

#define STARVING_NS 1000000
#define SPIN_ROUNDS 4
#define SPIN_PAUSES 30

/* Go's rule: few times, on a machine with more than one processor, where another P runs (the owner, perhaps)
 * and this one has nothing else to do. */
static bool may_spin(const tz_m *m, unsigned rounds)
{
    uint32_t others = tz_load_relaxed(&tz_sched.npidle) + tz_load_relaxed(&tz_sched.nmspinning) + 1;
    tz_p *p = m->p;
    return rounds < SPIN_ROUNDS && tz_sched.ncpu > 1 && tz_load_relaxed(&tz_sched.nprocs) > others &&
           !tz_load_relaxed(&p->runnext) && tz_load_relaxed(&p->runq_head) == p->runq_tail;
}

static TZ_NOINLINE void spin(void)
{
    for (int i = 0; i < SPIN_PAUSES; i++)
        tz_arch_pause();
}

tz_m *tz_mutex_lock_slow(tz_m *m, tuza_mutex *mu, uint32_t reason)
{
    tz_waiter w = {.since = 0};
    uint32_t woken = 0; /* WOKEN where that is ours to clear */
    unsigned rounds = 0, tries = 0;
    for (;;) {
        bool sole = m->p->sole;
        uint32_t s = tz_load_relaxed(&mu->state);
        if (s & TZ_WORD_QLOCK) {
            tz_word_wait(&tries);
        } else if (!(s & LOCKED)) {
            if (tz_word_acquire(&mu->state, &s, (s & ~woken) | LOCKED, sole))
                return m;
        } else if (!(s & STARVING) && may_spin(m, rounds)) {
            /* relaxed: it lets nobody in */
            if (!woken && (s & WAITERS) && !(s & WOKEN) && tz_cas_relaxed(&mu->state, &s, s | WOKEN))
                woken = WOKEN;
            spin();
            rounds++;
        } else if (tz_word_acquire(&mu->state, &s, s | TZ_WORD_QLOCK, sole)) {
            int64_t now = tz_os_now();
            s = (s & ~woken) | WAITERS;
            if (w.since) {
                if (now - w.since > STARVING_NS)
                    s |= STARVING;
                tz_waiters_put_first(&mu->queue, &w);
            } else {
                w.since = now;
                tz_waiters_put(&mu->queue, &w);
            }
            m = tz_word_park(m, reason, &w, &mu->state, s);
            if (w.handed)
                return m;
            woken = WOKEN;
            rounds = tries = 0;
        }
    }
}

tz_g *tz_mutex_unlock_slow(tz_m *m, tuza_mutex *mu, bool *handed)
{
    unsigned tries = 0;
    *handed = false;
    for (;;) {
        bool sole = m->p->sole;
        uint32_t s = tz_load_relaxed(&mu->state);
        if (s & TZ_WORD_QLOCK) {
            tz_word_wait(&tries);
        } else if (TZ_UNLIKELY(!(s & LOCKED))) {
            tz_leave(m);
            tz_fatal("sync: unlock of unlocked mutex");
        } else if (!(s & WAITERS) || (s & WOKEN)) {
            if (tz_mutex_drop(mu, sole))
                return NULL;
        } else if (tz_word_acquire(&mu->state, &s, s | TZ_WORD_QLOCK, sole)) {
            tz_waiter *w = tz_waiters_get(&mu->queue);
            *handed = w->handed = s & STARVING;
            if (!mu->queue.first)
                s &= ~WAITERS;
            if (!*handed)
                s = (s & ~LOCKED) | WOKEN;
            else if (!mu->queue.first || tz_os_now() - w->since < STARVING_NS)
                s &= ~STARVING;
            tz_store_release(&mu->state, s); /* the last access to mu */
            return w->g;
        }
    }
}

static TZ_NOINLINE void lock_slow(tz_m *m, tuza_mutex *mu)
{
    tz_leave(tz_mutex_lock_slow(m, mu, TZ_WAIT_MUTEX));
}

static TZ_NOINLINE void lock_enter_slow(tz_m *m, tuza_mutex *mu)
{
    if (tz_without_p(m)) {
        if (tz_mutex_take(mu, false))
            return;
        tz_entering(m);
    }
    lock_slow(tz_enter_slow(m, true), mu);
}

static TZ_COLD void lock_outside(tuza_mutex *mu)
{
    if (tz_without_m() && tz_mutex_take(mu, false))
        return;
    tz_attach();
    lock_slow(tz_enter_movable(), mu);
}

void tuza_mutex_lock(tuza_mutex *mu)
{
    tz_m *m = tz_self_m;
    if (tz_is_outside(m)) {
        lock_outside(mu);
        return;
    }
    tz_entering(m);
    if (tz_enters_slow(m))
        lock_enter_slow(m, mu);
    else if (TZ_UNLIKELY(!tz_mutex_take(mu, m->p->sole)))
        lock_slow(m, mu);
    else
        tz_leave(m);
}

static TZ_NOINLINE void unlock_slow(tz_m *m, tuza_mutex *mu)
{
    bool handed;
    tz_g *g = tz_mutex_unlock_slow(m, mu, &handed);
    if (g)
        tz_ready(m, g);
    if (handed && !m->foreign) /* a foreign thread gives its P away as it leaves */
        tz_goyield(m);
    else
        tz_leave(m);
}

static TZ_NOINLINE void unlock_enter_slow(tz_m *m, tuza_mutex *mu)
{
    if (tz_without_p(m)) {
        if (tz_mutex_drop(mu, false))
            return;
        tz_entering(m);
    }
    unlock_slow(tz_enter_slow(m, false), mu);
}

static TZ_COLD void unlock_outside(tuza_mutex *mu)
{
    if (tz_without_m() && tz_mutex_drop(mu, false))
        return;
    tz_attach();
    unlock_slow(tz_enter(), mu);
}

void tuza_mutex_unlock(tuza_mutex *mu)
{
    tz_m *m = tz_self_m;
    if (tz_is_outside(m)) {
        unlock_outside(mu);
        return;
    }
    tz_entering(m);
    if (tz_enters_slow(m))
        unlock_enter_slow(m, mu);
    else if (TZ_UNLIKELY(!tz_mutex_drop(mu, m->p->sole)))
        unlock_slow(m, mu);
    else
        tz_leave(m);
}

/* Inside, with a P. */
static bool trylock_any(tz_m *m, tuza_mutex *mu)
{
    bool got = tz_mutex_try(m, mu);
    tz_leave(m);
    return got;
}

static TZ_NOINLINE bool trylock_enter_slow(tz_m *m, tuza_mutex *mu)
{
    if (tz_without_p(m)) {
        if (tz_mutex_take(mu, false))
            return true;
        tz_entering(m);
    }
    return trylock_any(tz_enter_slow(m, false), mu);
}

static TZ_COLD bool trylock_outside(tuza_mutex *mu)
{
    if (tz_without_m())
        return tz_mutex_take(mu, false);
    tz_attach();
    return trylock_any(tz_enter(), mu);
}

bool tuza_mutex_trylock(tuza_mutex *mu)
{
    /* Those who poll shall not take the word from those who work. */
    if (tz_load_relaxed(&mu->state) & LOCKED)
        return false;
    tz_m *m = tz_self_m;
    if (tz_is_outside(m))
        return trylock_outside(mu);
    tz_entering(m);
    if (tz_enters_slow(m))
        return trylock_enter_slow(m, mu);
    return trylock_any(m, mu);
}

bool tz_mutex_try(tz_m *m, tuza_mutex *mu)
{
    bool sole = m->p->sole;
    for (unsigned tries = 0;;) {
        uint32_t s = tz_load_relaxed(&mu->state);
        if (s & LOCKED)
            return false;
        if (s & TZ_WORD_QLOCK)
            tz_word_wait(&tries);
        else if (tz_word_acquire(&mu->state, &s, s | LOCKED, sole))
            return true;
    }
}
