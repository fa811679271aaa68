/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Once: the word goes from 0 to RUNNING to DONE, the latter however fn ends.
 */
#include "sync/word.h"
#include "tuza/panic.h"

#define DONE    1u
#define RUNNING 4u
#define WAITERS 8u

static void finish(void *arg)
{
    tuza_once *once = arg;
    tz_m *m = tz_enter();
    for (unsigned tries = 0;;) {
        uint32_t s = tz_load_relaxed(&once->state);
        if (s & TZ_WORD_QLOCK) {
            tz_word_wait(&tries);
        } else if (!(s & WAITERS)) {
            if (tz_word_release(&once->state, &s, DONE, m->p->sole)) /* pairs with the look at DONE */
                break;
        } else if (tz_word_acquire(&once->state, &s, s | TZ_WORD_QLOCK, m->p->sole)) {
            tz_waiter *all = tz_waiters_take(&once->queue);
            tz_store_release(&once->state, DONE); /* the last access to once */
            tz_word_ready(m, all);
            break;
        }
    }
    tz_leave(m);
}

/* Whether it is for the caller to run fn; waits while another does. */
static bool begin(tuza_once *once)
{
    tz_waiter w = {.since = 0};
    bool mine = false;
    tz_m *m = tz_enter_movable();
    for (unsigned tries = 0; !mine;) {
        uint32_t s = tz_load_acquire(&once->state);
        if (s & DONE)
            break;
        if (s & TZ_WORD_QLOCK) {
            tz_word_wait(&tries);
        } else if (!s) {
            mine = tz_word_acquire(&once->state, &s, RUNNING, m->p->sole);
        } else if (tz_word_acquire(&once->state, &s, s | TZ_WORD_QLOCK, m->p->sole)) {
            tz_waiters_put(&once->queue, &w);
            m = tz_word_park(m, TZ_WAIT_MUTEX, &w, &once->state, s | WAITERS);
            break;
        }
    }
    tz_leave(m);
    return mine;
}

static TZ_NOINLINE void do_slow(tuza_once *once, void (*fn)(void *), void *arg)
{
    if (!begin(once))
        return;
    TUZA_DEFER(finish, once);
    tuza_call(fn, arg); /* so that what it defers has run */
}

void tuza_once_do(tuza_once *once, void (*fn)(void *), void *arg)
{
    if (TZ_UNLIKELY(!(tz_load_acquire(&once->state) & DONE))) /* pairs with finish */
        do_slow(once, fn, arg);
}
