/* SPDX-License-Identifier: BSD-3-Clause */
/* Which signals are wanted, and which have come; wanted.c has the protocol. */
#ifndef TZ_WANTED_H
#define TZ_WANTED_H

#include <signal.h>

#include "base/base.h"

/* Sets of signals: bit n - 1 is signal n. */
#define TZ_SIGNALS 64
TZ_INLINE uint64_t tz_signal_bit(int sig)
{
    return (uint64_t)1 << (sig - 1);
}
/* The lowest of a set that is not empty. */
TZ_INLINE int tz_signal_first(uint64_t set)
{
    return __builtin_ctzll(set) + 1;
}

/* Those that a program can have handled: not KILL and STOP, nor what libc keeps for itself. */
uint64_t tz_wanted_possible(void);

/*
 * The next three change dispositions: by one thread at a time, which may be
 * another each time.
 *
 * begin: signals of the set are noted down in the set of those that have
 * come, and nothing else becomes of them.
 */
void tz_wanted_begin(uint64_t set);
/* end: what was there before is back, or they are ignored. One that came before is noted down when this
 * returns; one that comes later has the disposition that is there then. */
void tz_wanted_end(uint64_t set, bool ignore);
/* In the child of a fork: what was there before is back, what came was the parent's. */
void tz_wanted_forked(void);

bool tz_wanted_ignored(int sig);

/* The set of those that have come and were not yet asked for. */
uint64_t tz_wanted_take(void);

/* A futex: counts what the thread of server.c shall look at: signals that came, handlers that have ended,
 * requests. Async-signal-safe. */
extern uint32_t tz_wanted_kicks;
void tz_wanted_kick(void);

#endif /* TZ_WANTED_H */
