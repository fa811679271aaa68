/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * idle [goroutines [seconds]]: goroutines parked on a channel each, no timer
 * due. The processor time the process uses meanwhile, in percent of one
 * processor, after two seconds in which the start may settle.
 */
#include <stdatomic.h>

#include "bench_tuza.h"

static _Atomic int64_t parked;

static void sleeper_main(void *arg)
{
    atomic_fetch_add_explicit(&parked, 1, memory_order_relaxed);
    bench_recv(arg);
    bench_die("idle: a value from a channel that nobody sends to");
}

static int app(int argc, char **argv)
{
    int64_t count = bench_arg(argc, argv, 1, 10000, 1);
    int64_t seconds = bench_arg(argc, argv, 2, 10, 1);
    for (int64_t i = 0; i < count; i++)
        bench_go(sleeper_main, tuza_chan_make(sizeof(int64_t), 0));
    tuza_sleep(2 * TUZA_SECOND);
    if (atomic_load_explicit(&parked, memory_order_relaxed) != count)
        bench_die("idle: not all goroutines had begun after two seconds");

    int64_t start = bench_now();
    int64_t cpu = bench_cpu();
    tuza_sleep(seconds * TUZA_SECOND);
    cpu = bench_cpu() - cpu;
    bench_print("idle", 100.0 * (double)cpu / (double)(bench_now() - start), "%");
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
