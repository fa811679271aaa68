/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Debug builds only: every thread remembers the locks it holds, and dies when
 * it takes one out of order, takes one twice, or releases what it has not.
 * Locks taken in ascending rank by everybody cannot be waited for in a circle.
 *
 * Ranks ascend strictly, so a thread can hold no more locks than there are
 * ranks: the array below is as large as it can ever get. The record belongs to
 * the thread, and a lock taken on one stack may be released on another as long
 * as the thread is the same (an after-switch action does so).
 */
#include <stdlib.h>
#include <string.h>

#include "lock/lock.h"
#include "os/os.h"

#ifdef TZ_DEBUG

static __thread struct held {
    const void *lock;
    int rank;
} held[TZ_RANK_MAX];
static __thread int nheld;

static const char *rank_name(int rank)
{
    static const char *const names[TZ_RANK_MAX] = {
        [TZ_RANK_START] = "start",   [TZ_RANK_NOTIFY] = "notify", [TZ_RANK_STW] = "stw",
        [TZ_RANK_ALLM] = "allm",     [TZ_RANK_CHAN] = "chan",     [TZ_RANK_ASK] = "ask",
        [TZ_RANK_FD] = "fd",         [TZ_RANK_POLL] = "poll",     [TZ_RANK_TIMERS] = "timers",
        [TZ_RANK_BUBBLE] = "bubble", [TZ_RANK_BOTH] = "both",     [TZ_RANK_SCHED] = "sched",
        [TZ_RANK_GFREE] = "gfree",   [TZ_RANK_MPOOL] = "mpool",   [TZ_RANK_ARENA] = "arena",
    };
    return rank > 0 && rank < TZ_RANK_MAX ? names[rank] : "?";
}

static void say(const char *text)
{
    tz_os_write(2, text, strlen(text));
}

TZ_COLD TZ_NORETURN static void die(const char *what, int rank)
{
    say("fatal error: tuza: ");
    say(what);
    say(" lock of rank ");
    say(rank_name(rank));
    say("; held, oldest first:");
    for (int i = 0; i < nheld; i++) {
        say(" ");
        say(rank_name(held[i].rank));
    }
    say("\n");
    abort();
}

void tz_rank_acquire(const void *lock, int rank)
{
    if (rank <= 0 || rank >= TZ_RANK_MAX)
        die("acquired a", rank);
    for (int i = 0; i < nheld; i++) {
        if (held[i].rank >= rank)
            die("acquired out of order: a", rank);
    }
    held[nheld++] = (struct held){.lock = lock, .rank = rank};
}

void tz_rank_release(const void *lock, int rank)
{
    for (int i = nheld; i-- > 0;) {
        if (held[i].lock == lock && held[i].rank == rank) {
            nheld--;
            memmove(&held[i], &held[i + 1], (size_t)(nheld - i) * sizeof held[0]);
            return;
        }
    }
    die("released what this thread does not hold: a", rank);
}

#endif
