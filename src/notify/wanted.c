/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handlers that note down which signals have come, and the dispositions of
 * signals that are wanted or ignored.
 *
 * A signal that has no handler of signal/ gets ours, and what was there is put
 * back in the end. One that has is not touched: signal/ asks us, in its
 * handler, before it does anything (tz_signal_hooks), for what somebody has
 * sent; a fault is never asked for. Signal/'s handlers may come after ours
 * (tuza_start, tuza_run): then they inherit what we had found, and ours gives
 * way, with no moment in between at which a signal would find neither.
 *
 * A handler may be on its way on any thread while its signal is wanted no
 * more. So that none vanishes, each signal has one word: WANTED, IGNORED, and
 * the number of handlers that are in it. By the addition with which a handler
 * counts itself in, it learns what it shall do; who withdraws WANTED, after
 * the former disposition is back, waits until those that are in are out, and
 * then finds noted down whatever they took. A handler that comes too late to
 * be counted raises its signal anew, for the disposition that is there by then
 * (signal/'s handler goes on with what it does).
 *
 * What a handler writes: the word, by addition and subtraction; the set, by
 * or; then it kicks. The order: the set before the subtraction (release,
 * which pairs with the acquire in drain), that before the kick (release,
 * which pairs with the acquire of whoever sleeps on it): the sleeper reads the
 * kicks first, then the words and the set, and so misses nothing.
 *
 * A handler in another process than the one that set it up is in a child that
 * shares its memory or was made behind libc's back (vfork, clone), or has only
 * just come out of fork: it puts the former disposition back there, and the
 * signal takes that.
 */
#include "notify/wanted.h"

#include "base/atomic.h"
#include "os/os.h"
#include "signal/signal.h"

#define WANTED  0x80000000u
#define IGNORED 0x40000000u
#define INSIDE  0x3fffffffu

/* Whose the disposition is. */
enum { THEIRS, HANDLED, SET_TO_IGNORE };

static struct entry {
    uint32_t word;      /* atomic */
    int disposition;    /* by who may change it */
    tz_os_action found; /* const unless THEIRS */
} entries[TZ_SIGNALS + 1];

static uint64_t came;    /* atomic */
static uint32_t process; /* atomic: whose signals are wanted; 0: nobody's yet */
uint32_t tz_wanted_kicks;

void tz_wanted_kick(void)
{
    tz_add_acq_rel(&tz_wanted_kicks, 1);
    tz_os_futex_wake(&tz_wanted_kicks, 1);
}

uint64_t tz_wanted_possible(void)
{
    static const uint64_t standard =
        (uint64_t)0x7fffffff & ~((uint64_t)1 << (SIGKILL - 1)) & ~((uint64_t)1 << (SIGSTOP - 1));
    return standard | ~(uint64_t)0 << (SIGRTMIN - 1);
}

/* In a handler; false: it is not ours. */
static bool take(int sig)
{
    struct entry *e = &entries[sig];
    uint32_t word = tz_add_acq_rel(&e->word, 1);
    bool wanted = (word & WANTED) && tz_load_relaxed(&process) == (uint32_t)tz_os_pid();
    if (wanted)
        tz_or_release(&came, tz_signal_bit(sig)); /* pairs with tz_wanted_take */
    tz_sub_release(&e->word, 1);
    tz_wanted_kick();
    return wanted || (word & IGNORED);
}

static void handler(int sig, siginfo_t *info, void *context)
{
    struct entry *e = &entries[sig];
    if (tz_signal_is_raised(sig, info)) {
        if (!tz_os_action_call(&e->found, sig, info, context))
            tz_os_signal_die(sig, info);
    } else if (!take(sig)) {
        if (tz_load_relaxed(&process) != (uint32_t)tz_os_pid())
            tz_os_signal_restore(sig, &e->found);
        tz_os_signal_again(sig, info);
    }
}

static bool is_in_place(int sig)
{
    uintptr_t ours = entries[sig].disposition == HANDLED ? (uintptr_t)handler : (uintptr_t)SIG_IGN;
    return tz_os_signal_action(sig).handler == ours;
}

static void set_disposition(int sig, int to)
{
    struct entry *e = &entries[sig];
    if (e->disposition != THEIRS && !is_in_place(sig))
        e->disposition = THEIRS; /* the program has put another there since */
    if (to == e->disposition || (e->disposition == THEIRS && tz_signal_owns(sig)))
        return;
    if (e->disposition == THEIRS)
        e->found = tz_os_signal_action(sig);
    if (to == HANDLED) {
        sigset_t mask;
        tz_signal_mask(&mask);
        tz_os_signal_handle(sig, handler, &mask);
    } else if (to == SET_TO_IGNORE) {
        tz_os_signal_restore(sig, &(tz_os_action){.handler = (uintptr_t)SIG_IGN});
    } else {
        tz_os_signal_restore(sig, &e->found);
    }
    e->disposition = to;
}

void tz_wanted_begin(uint64_t set)
{
    tz_store_relaxed(&process, (uint32_t)tz_os_pid());
    for (; set; set &= set - 1) {
        int sig = tz_signal_first(set);
        uint32_t *word = &entries[sig].word;
        tz_or_release(word, WANTED);
        tz_and_acq_rel(word, ~IGNORED);
        set_disposition(sig, HANDLED);
    }
}

/* Nobody enters any more who would take it. */
static void drain(const uint32_t *word)
{
    for (;;) {
        uint32_t kicks = tz_load_acquire(&tz_wanted_kicks);
        if ((tz_load_acquire(word) & INSIDE) == 0)
            return;
        tz_os_futex_wait(&tz_wanted_kicks, kicks, TZ_OS_FOREVER);
    }
}

void tz_wanted_end(uint64_t set, bool ignore)
{
    for (; set; set &= set - 1) {
        int sig = tz_signal_first(set);
        uint32_t *word = &entries[sig].word;
        if (ignore)
            tz_or_release(word, IGNORED); /* as WANTED: pairs with the acquire in take */
        set_disposition(sig, ignore ? SET_TO_IGNORE : THEIRS);
        tz_and_acq_rel(word, ignore ? ~WANTED : ~(WANTED | IGNORED));
        drain(word);
    }
}

void tz_wanted_forked(void)
{
    for (int sig = 1; sig <= TZ_SIGNALS; sig++) {
        entries[sig].word &= IGNORED;
        if (entries[sig].disposition == HANDLED)
            set_disposition(sig, THEIRS);
    }
    came = 0;
    process = 0;
}

bool tz_wanted_ignored(int sig)
{
    uint32_t word = tz_load_relaxed(&entries[sig].word);
    if (word & WANTED)
        return false;
    if (tz_signal_owns(sig))
        return (word & IGNORED) || tz_signal_drops(sig);
    return tz_os_signal_action(sig).handler == (uintptr_t)SIG_IGN;
}

uint64_t tz_wanted_take(void)
{
    return tz_load_relaxed(&came) ? tz_xchg_acquire(&came, 0) : 0;
}

static void found(int sig, tz_os_action *action)
{
    if (entries[sig].disposition != THEIRS && is_in_place(sig))
        *action = entries[sig].found;
}

static __attribute__((constructor)) void wire(void)
{
    tz_signal_hooks = (tz_signal_hooks_t){.take = take, .found = found};
}
