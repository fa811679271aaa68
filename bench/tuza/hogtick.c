/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hogtick [ticks [first]]: one goroutine for each P that computes for ever
 * and never calls the runtime, while the main goroutine ticks each
 * millisecond. How late the first ticks are, and the others, by when the
 * runtime should know its hogs.
 */
#include <stdatomic.h>

#include "bench_tuza.h"

static _Atomic int hogs_begun;

static void hog_main(void *arg)
{
    (void)arg;
    atomic_fetch_add_explicit(&hogs_begun, 1, memory_order_relaxed);
    for (volatile uint64_t x = 0;; x = x + 1)
        continue;
}

static int app(int argc, char **argv)
{
    size_t ticks = (size_t)bench_arg(argc, argv, 1, 1000, 2);
    size_t first = (size_t)bench_arg(argc, argv, 2, 200, 1);
    if (first >= ticks)
        bench_die("hogtick: %zu first ticks of %zu", first, ticks);
    int64_t *late = bench_alloc(ticks, sizeof late[0]);
    int hogs = tuza_gomaxprocs(0);

    for (int i = 0; i < hogs; i++)
        bench_go(hog_main, NULL);
    int64_t skipped = bench_tick(TUZA_MILLISECOND, late, ticks);
    if (atomic_load_explicit(&hogs_begun, memory_order_relaxed) != hogs)
        bench_die("hogtick: a hog never ran");
    bench_print_lateness("hogtick_first", late, first);
    bench_print_lateness("hogtick", late + first, ticks - first);
    bench_print("hogtick_missed", (double)skipped, "ticks");
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
