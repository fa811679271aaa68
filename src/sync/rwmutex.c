/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reader-writer mutex: writers exclude each other by a mutex, with its
 * modes, and the one that has it faces the readers through a word:
 *
 *   WRITER   a writer has it
 *   QLOCK    word.h
 *   PENDING  a writer, which has the mutex, waits in `writer` for the readers
 *            that there are; no more are let in
 *   READERS  the queue of readers is not empty
 *   above    how many readers have it
 *
 * A writer lets all readers in that have waited, and only then, when those are
 * through, the next writer. It gives the mutex back first, while it still is
 * WRITER: the next writer may come as far as PENDING then. Its last access
 * to the object is the store to the word that lets the others in: any of
 * them may free it.
 */
#include "base/fatal.h"
#include "sync/mutex.h"

#define WRITER  1u
#define PENDING 4u
#define READERS 8u
#define ONE     16u
#define COUNT   (~(uint64_t)(ONE - 1))

/* Readers. */

TZ_INLINE bool take_read(tuza_rwmutex *rw, bool sole)
{
    uint64_t s = tz_load_relaxed(&rw->state);
    return !(s & (WRITER | TZ_WORD_QLOCK | PENDING)) &&
           tz_word_acquire(&rw->state, &s, s + ONE, sole); /* pairs with the writer's release */
}

TZ_INLINE bool drop_read(tuza_rwmutex *rw, bool sole)
{
    uint64_t s = tz_load_relaxed(&rw->state);
    return (s & COUNT) && !(s & TZ_WORD_QLOCK) && ((s & COUNT) != ONE || !(s & PENDING)) &&
           tz_word_release(&rw->state, &s, s - ONE, sole); /* pairs with the next writer's acquire */
}

static TZ_NOINLINE void rlock_slow(tz_m *m, tuza_rwmutex *rw)
{
    tz_waiter w = {.since = 0};
    for (unsigned tries = 0;;) {
        bool sole = m->p->sole;
        uint64_t s = tz_load_relaxed(&rw->state);
        if (s & TZ_WORD_QLOCK) {
            tz_word_wait(&tries);
        } else if (!(s & (WRITER | PENDING))) {
            if (take_read(rw, sole))
                break;
        } else if (tz_word_acquire(&rw->state, &s, s | TZ_WORD_QLOCK, sole)) {
            tz_waiters_put(&rw->readers, &w);
            m = tz_word_park64(m, TZ_WAIT_RWMUTEX_RLOCK, &w, &rw->state, s | READERS);
            break; /* whoever woke it has counted it */
        }
    }
    tz_leave(m);
}

static TZ_NOINLINE void rlock_enter_slow(tz_m *m, tuza_rwmutex *rw)
{
    if (tz_without_p(m)) {
        if (take_read(rw, false))
            return;
        tz_entering(m);
    }
    rlock_slow(tz_enter_slow(m, true), rw);
}

static TZ_COLD void rlock_outside(tuza_rwmutex *rw)
{
    if (tz_without_m() && take_read(rw, false))
        return;
    tz_attach();
    rlock_slow(tz_enter_movable(), rw);
}

void tuza_rwmutex_rlock(tuza_rwmutex *rw)
{
    tz_m *m = tz_self_m;
    if (tz_is_outside(m)) {
        rlock_outside(rw);
        return;
    }
    tz_entering(m);
    if (tz_enters_slow(m))
        rlock_enter_slow(m, rw);
    else if (TZ_UNLIKELY(!take_read(rw, m->p->sole)))
        rlock_slow(m, rw);
    else
        tz_leave(m);
}

static TZ_NOINLINE void runlock_slow(tz_m *m, tuza_rwmutex *rw)
{
    for (unsigned tries = 0;;) {
        bool sole = m->p->sole;
        uint64_t s = tz_load_relaxed(&rw->state);
        if (s & TZ_WORD_QLOCK) {
            tz_word_wait(&tries);
        } else if (TZ_UNLIKELY(!(s & COUNT))) {
            tz_leave(m);
            tz_fatal("sync: RUnlock of unlocked RWMutex");
        } else if ((s & COUNT) != ONE || !(s & PENDING)) {
            if (drop_read(rw, sole))
                break;
        } else if (tz_word_acquire(&rw->state, &s, s | TZ_WORD_QLOCK, sole)) {
            /* The last one: the writer's turn. The acquire is for it, of what other readers did. */
            tz_g *g = rw->writer->g;
            tz_store_release(&rw->state, (s & READERS) | WRITER); /* the last access to rw */
            tz_ready(m, g);
            break;
        }
    }
    tz_leave(m);
}

static TZ_NOINLINE void runlock_enter_slow(tz_m *m, tuza_rwmutex *rw)
{
    if (tz_without_p(m)) {
        if (drop_read(rw, false))
            return;
        tz_entering(m);
    }
    runlock_slow(tz_enter_slow(m, false), rw);
}

static TZ_COLD void runlock_outside(tuza_rwmutex *rw)
{
    if (tz_without_m() && drop_read(rw, false))
        return;
    tz_attach();
    runlock_slow(tz_enter(), rw);
}

void tuza_rwmutex_runlock(tuza_rwmutex *rw)
{
    tz_m *m = tz_self_m;
    if (tz_is_outside(m)) {
        runlock_outside(rw);
        return;
    }
    tz_entering(m);
    if (tz_enters_slow(m))
        runlock_enter_slow(m, rw);
    else if (TZ_UNLIKELY(!drop_read(rw, m->p->sole)))
        runlock_slow(m, rw);
    else
        tz_leave(m);
}

/* Inside, with a P; leaves. */
static bool tryrlock_any(tz_m *m, tuza_rwmutex *rw)
{
    bool got = false;
    for (unsigned tries = 0; !got;) {
        uint64_t s = tz_load_relaxed(&rw->state);
        if (s & (WRITER | PENDING))
            break;
        if (s & TZ_WORD_QLOCK)
            tz_word_wait(&tries);
        else
            got = take_read(rw, m->p->sole);
    }
    tz_leave(m);
    return got;
}

static TZ_NOINLINE bool tryrlock_enter_slow(tz_m *m, tuza_rwmutex *rw)
{
    if (tz_without_p(m)) {
        if (take_read(rw, false))
            return true;
        tz_entering(m);
    }
    return tryrlock_any(tz_enter_slow(m, false), rw);
}

static TZ_COLD bool tryrlock_outside(tuza_rwmutex *rw)
{
    if (tz_without_m())
        return take_read(rw, false);
    tz_attach();
    return tryrlock_any(tz_enter(), rw);
}

bool tuza_rwmutex_tryrlock(tuza_rwmutex *rw)
{
    if (tz_load_relaxed(&rw->state) & (WRITER | PENDING))
        return false;
    tz_m *m = tz_self_m;
    if (tz_is_outside(m))
        return tryrlock_outside(rw);
    tz_entering(m);
    return tz_enters_slow(m) ? tryrlock_enter_slow(m, rw) : tryrlock_any(m, rw);
}

/* Writers. */

/* Nobody has it. */
TZ_INLINE bool take_write(tuza_rwmutex *rw, bool sole)
{
    uint64_t s = tz_load_relaxed(&rw->state);
    return s == 0 && tz_word_acquire(&rw->state, &s, WRITER, sole); /* pairs with all that let go */
}

/* No reader waits. */
TZ_INLINE bool drop_write(tuza_rwmutex *rw, bool sole)
{
    uint64_t s = tz_load_relaxed(&rw->state);
    return s == WRITER && tz_word_release(&rw->state, &s, 0, sole);
}

/* The caller has the mutex: faces the readers, or the writer before that has not let them go yet. */
static TZ_NOINLINE void lock_readers(tz_m *m, tuza_rwmutex *rw)
{
    tz_waiter w = {.since = 0};
    for (unsigned tries = 0;;) {
        bool sole = m->p->sole;
        uint64_t s = tz_load_relaxed(&rw->state);
        if (s & TZ_WORD_QLOCK) {
            tz_word_wait(&tries);
        } else if (s == 0) {
            if (take_write(rw, sole))
                break;
        } else if (tz_word_acquire(&rw->state, &s, s | TZ_WORD_QLOCK, sole)) {
            rw->writer = &w;
            m = tz_word_park64(m, TZ_WAIT_RWMUTEX_LOCK, &w, &rw->state, s | PENDING);
            break;
        }
    }
    tz_leave(m);
}

static TZ_NOINLINE void lock_slow(tz_m *m, tuza_rwmutex *rw)
{
    if (!tz_mutex_take(&rw->writers, m->p->sole))
        m = tz_mutex_lock_slow(m, &rw->writers, TZ_WAIT_RWMUTEX_LOCK);
    lock_readers(m, rw);
}

static TZ_NOINLINE void lock_enter_slow(tz_m *m, tuza_rwmutex *rw)
{
    if (tz_without_p(m)) {
        bool mine = tz_mutex_take(&rw->writers, false);
        if (mine && take_write(rw, false))
            return;
        tz_entering(m);
        if (mine) {
            lock_readers(tz_enter_slow(m, true), rw);
            return;
        }
    }
    lock_slow(tz_enter_slow(m, true), rw);
}

static TZ_COLD void lock_outside(tuza_rwmutex *rw)
{
    if (tz_without_m() && tz_mutex_take(&rw->writers, false) && take_write(rw, false))
        return;
    tz_attach();
    lock_slow(tz_enter_movable(), rw);
}

void tuza_rwmutex_lock(tuza_rwmutex *rw)
{
    tz_m *m = tz_self_m;
    if (tz_is_outside(m)) {
        lock_outside(rw);
        return;
    }
    tz_entering(m);
    if (tz_enters_slow(m))
        lock_enter_slow(m, rw);
    else if (TZ_UNLIKELY(!tz_mutex_take(&rw->writers, m->p->sole)))
        lock_slow(m, rw);
    else if (TZ_UNLIKELY(!take_write(rw, m->p->sole)))
        lock_readers(m, rw);
    else
        tz_leave(m);
}

/* The caller is WRITER, and has given the mutex back: lets the others in. */
static TZ_NOINLINE void let_in(tz_m *m, tuza_rwmutex *rw)
{
    for (unsigned tries = 0;;) {
        bool sole = m->p->sole;
        uint64_t s = tz_load_relaxed(&rw->state);
        if (s & TZ_WORD_QLOCK) {
            tz_word_wait(&tries);
        } else if (s == WRITER) {
            if (drop_write(rw, sole))
                break;
        } else if (tz_word_acquire(&rw->state, &s, s | TZ_WORD_QLOCK, sole)) {
            if (!(s & READERS)) { /* PENDING: it is that one's at once */
                tz_g *g = rw->writer->g;
                tz_store_release(&rw->state, WRITER); /* the last access to rw */
                tz_ready(m, g);
                break;
            }
            tz_waiter *all = tz_waiters_take(&rw->readers);
            s &= PENDING;
            for (tz_waiter *w = all; w; w = w->next)
                s += ONE;
            tz_store_release(&rw->state, s); /* the last access to rw */
            tz_word_ready(m, all);
            break;
        }
    }
    tz_leave(m);
}

static TZ_NOINLINE void unlock_slow(tz_m *m, tuza_rwmutex *rw)
{
    if (TZ_UNLIKELY(!(tz_load_relaxed(&rw->state) & WRITER))) {
        tz_leave(m);
        tz_fatal("sync: Unlock of unlocked RWMutex");
    }
    if (!tz_mutex_drop(&rw->writers, m->p->sole)) {
        bool handed;
        tz_g *g = tz_mutex_unlock_slow(m, &rw->writers, &handed);
        if (g)
            tz_ready(m, g);
    }
    let_in(m, rw);
}

/* The first half of an unlock, where nobody is to be woken for it. */
TZ_INLINE bool drop_writers(tuza_rwmutex *rw, bool sole)
{
    return (tz_load_relaxed(&rw->state) & WRITER) && tz_mutex_drop(&rw->writers, sole);
}

static TZ_NOINLINE void unlock_enter_slow(tz_m *m, tuza_rwmutex *rw)
{
    if (tz_without_p(m)) {
        bool half = drop_writers(rw, false);
        if (half && drop_write(rw, false))
            return;
        tz_entering(m);
        if (half) {
            let_in(tz_enter_slow(m, false), rw);
            return;
        }
    }
    unlock_slow(tz_enter_slow(m, false), rw);
}

static TZ_COLD void unlock_outside(tuza_rwmutex *rw)
{
    if (tz_without_m() && drop_writers(rw, false) && drop_write(rw, false))
        return;
    tz_attach();
    unlock_slow(tz_enter(), rw);
}

void tuza_rwmutex_unlock(tuza_rwmutex *rw)
{
    tz_m *m = tz_self_m;
    if (tz_is_outside(m)) {
        unlock_outside(rw);
        return;
    }
    tz_entering(m);
    if (tz_enters_slow(m))
        unlock_enter_slow(m, rw);
    else if (TZ_UNLIKELY(!drop_writers(rw, m->p->sole)))
        unlock_slow(m, rw);
    else if (TZ_UNLIKELY(!drop_write(rw, m->p->sole)))
        let_in(m, rw);
    else
        tz_leave(m);
}

/* Inside, with a P; has the mutex if `half`; leaves. */
static bool trylock_any(tz_m *m, tuza_rwmutex *rw, bool half)
{
    tz_g *g = NULL;
    bool got = false, handed;
    if (half || tz_mutex_try(m, &rw->writers)) {
        got = take_write(rw, m->p->sole);
        if (!got && !tz_mutex_drop(&rw->writers, m->p->sole))
            g = tz_mutex_unlock_slow(m, &rw->writers, &handed);
    }
    if (g)
        tz_ready(m, g);
    tz_leave(m);
    return got;
}

static TZ_NOINLINE bool trylock_enter_slow(tz_m *m, tuza_rwmutex *rw)
{
    bool half = false;
    if (tz_without_p(m)) {
        half = tz_mutex_take(&rw->writers, false);
        if (half && take_write(rw, false))
            return true;
        tz_entering(m);
    }
    return trylock_any(tz_enter_slow(m, false), rw, half);
}

static TZ_COLD bool trylock_outside(tuza_rwmutex *rw)
{
    if (tz_without_m())
        return tz_mutex_take(&rw->writers, false) && take_write(rw, false);
    tz_attach();
    return trylock_any(tz_enter(), rw, false);
}

bool tuza_rwmutex_trylock(tuza_rwmutex *rw)
{
    if (tz_load_relaxed(&rw->state))
        return false;
    tz_m *m = tz_self_m;
    if (tz_is_outside(m))
        return trylock_outside(rw);
    tz_entering(m);
    return tz_enters_slow(m) ? trylock_enter_slow(m, rw) : trylock_any(m, rw, false);
}
