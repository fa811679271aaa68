/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * spawn [threads [batch]]: start, run and join of an empty thread, batch of
 * them live; nanoseconds for each.
 */
#include <stdatomic.h>

#include "bench_pthread.h"

static _Atomic int64_t ran;

static void *task(void *arg)
{
    (void)arg;
    atomic_fetch_add_explicit(&ran, 1, memory_order_relaxed);
    return NULL;
}

int main(int argc, char **argv)
{
    int64_t threads = bench_arg(argc, argv, 1, 100000, 1);
    int64_t batch = bench_arg(argc, argv, 2, 1000, 1);
    pthread_t *live = bench_alloc((size_t)batch, sizeof live[0]);

    int64_t start = bench_now();
    for (int64_t left = threads; left > 0;) {
        int64_t n = left < batch ? left : batch;
        left -= n;
        for (int64_t i = 0; i < n; i++)
            live[i] = bench_thread(task, NULL);
        for (int64_t i = 0; i < n; i++)
            pthread_join(live[i], NULL);
    }
    if (atomic_load_explicit(&ran, memory_order_relaxed) != threads)
        bench_die("spawn: not every thread ran");
    bench_print_ns_each("spawn", start, threads);
    return 0;
}
