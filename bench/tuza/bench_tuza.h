/* SPDX-License-Identifier: BSD-3-Clause */
/* What the programs of this folder share beyond bench.h: starts that must not fail, and the ticker. */
#ifndef BENCH_TUZA_H
#define BENCH_TUZA_H

#include <tuza.h>

#include "../bench.h"

static inline void bench_go(void (*fn)(void *), void *arg)
{
    int err = tuza_go(fn, arg);
    if (err != 0)
        bench_die("tuza_go: %s", strerror(-err));
}

static inline void bench_go_copy(void (*fn)(void *), const void *arg, size_t size)
{
    int err = tuza_go_copy(fn, arg, size);
    if (err != 0)
        bench_die("tuza_go_copy: %s", strerror(-err));
}

static inline void bench_send(tuza_chan *c, int64_t value)
{
    tuza_chan_send(c, &value);
}

static inline int64_t bench_recv(tuza_chan *c)
{
    int64_t value;
    if (!tuza_chan_recv(c, &value))
        bench_die("a channel was closed that nobody closes");
    return value;
}

/*
 * Wakes at count points of a fixed grid of period nanoseconds and notes how
 * late each wake is. A point that has passed when the ticker gets to it is
 * skipped, as a Go ticker drops ticks: one delay is one sample, and does not
 * count again for each point it covered. Returns how many were skipped.
 */
static inline int64_t bench_tick(int64_t period, int64_t *late, size_t count)
{
    int64_t skipped = 0;
    int64_t next = tuza_now() + period;
    for (size_t i = 0; i < count; i++) {
        int64_t now = tuza_now();
        while (next <= now) {
            next += period;
            skipped++;
        }
        tuza_sleep(next - now);
        late[i] = tuza_now() - next;
        if (late[i] < 0)
            bench_die("a sleep ended %" PRId64 " ns early", -late[i]);
        next += period;
    }
    return skipped;
}

#endif /* BENCH_TUZA_H */
