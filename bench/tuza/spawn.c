/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * spawn [tasks [batch]]: start, run and end of an empty goroutine, batch of
 * them started before each wait; nanoseconds for each, and the process's
 * peak memory (which matters where batch is large: "1 M at once").
 *
 * The join is a counter that each task lowers; the last one sends on a
 * channel. A task that is lost leaves the program waiting (the runtime
 * reports the deadlock); one that runs twice leaves the counter wrong.
 */
#include <stdatomic.h>

#include "bench_tuza.h"

static _Atomic int64_t live;
static tuza_chan *all_done;

static void task(void *arg)
{
    (void)arg;
    if (atomic_fetch_sub_explicit(&live, 1, memory_order_acq_rel) == 1)
        bench_send(all_done, 0);
}

static int app(int argc, char **argv)
{
    int64_t tasks = bench_arg(argc, argv, 1, 1000000, 1);
    int64_t batch = bench_arg(argc, argv, 2, 1000, 1);
    all_done = tuza_chan_make(sizeof(int64_t), 1);

    int64_t start = bench_now();
    for (int64_t left = tasks; left > 0;) {
        int64_t n = left < batch ? left : batch;
        left -= n;
        atomic_store_explicit(&live, n, memory_order_relaxed);
        while (n-- > 0)
            bench_go(task, NULL);
        bench_recv(all_done);
        if (atomic_load_explicit(&live, memory_order_acquire) != 0)
            bench_die("spawn: a task ran more than once");
    }
    bench_print_ns_each("spawn", start, tasks);
    bench_print("spawn_peak", (double)bench_status_bytes("VmHWM:") / (1 << 20), "MiB");
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
