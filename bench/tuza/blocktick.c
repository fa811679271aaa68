/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blocktick [ticks [blockers]]: goroutines that each loop in a 10 ms usleep,
 * of which the runtime is told nothing, and one call of ours, while the main
 * goroutine ticks each millisecond. How late the ticks are, how many were
 * missed, and how long a blocker's round took (10 ms and what it waited for).
 */
#include <stdatomic.h>
#include <unistd.h>

#include "bench_tuza.h"

enum { BLOCK_US = 10000 };

static void blocker_main(void *arg)
{
    _Atomic int64_t *rounds = arg;
    for (;;) {
        usleep(BLOCK_US);
        tuza_gosched();
        atomic_fetch_add_explicit(rounds, 1, memory_order_relaxed);
    }
}

static int app(int argc, char **argv)
{
    size_t ticks = (size_t)bench_arg(argc, argv, 1, 3000, 100);
    int64_t blockers = bench_arg(argc, argv, 2, 100, 1);
    int64_t *late = bench_alloc(ticks, sizeof late[0]);
    _Atomic int64_t *rounds = bench_alloc((size_t)blockers, sizeof rounds[0]);

    int64_t start = bench_now();
    for (int64_t i = 0; i < blockers; i++)
        bench_go(blocker_main, &rounds[i]);
    int64_t skipped = bench_tick(TUZA_MILLISECOND, late, ticks);
    int64_t elapsed = bench_now() - start;

    int64_t total = 0;
    for (int64_t i = 0; i < blockers; i++) {
        int64_t made = atomic_load_explicit(&rounds[i], memory_order_relaxed);
        if (made == 0)
            bench_die("blocktick: blocker %" PRId64 " never came round", i);
        total += made;
    }
    bench_print_lateness("blocktick", late, ticks);
    bench_print("blocktick_missed", (double)skipped, "ticks");
    bench_print("blocktick_round", (double)elapsed / 1e6 * (double)blockers / (double)total, "ms");
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
