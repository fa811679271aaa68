/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parked1m [goroutines]: goroutines parked on a channel receive. Resident
 * memory and page tables for each of them, nanoseconds to create, run and
 * park each, and to wake and end each when the channel is closed.
 *
 * A goroutine counts itself just before it parks, so the last few may still
 * be on their way when the count is full: nothing beside a million.
 */
#include <stdatomic.h>

#include "bench_tuza.h"

static tuza_chan *gate, *all_done;
static _Atomic int64_t parked;

static void sleeper_main(void *arg)
{
    (void)arg;
    int64_t value = 1;
    atomic_fetch_add_explicit(&parked, 1, memory_order_relaxed);
    if (tuza_chan_recv(gate, &value) || value != 0)
        bench_die("parked1m: a value from a channel that nobody sends to");
    if (atomic_fetch_sub_explicit(&parked, 1, memory_order_acq_rel) == 1)
        bench_send(all_done, 0);
}

static int app(int argc, char **argv)
{
    int64_t count = bench_arg(argc, argv, 1, 1000000, 1);
    gate = tuza_chan_make(sizeof(int64_t), 0);
    all_done = tuza_chan_make(sizeof(int64_t), 1);
    int64_t rss = bench_status_bytes("VmRSS:");
    int64_t pte = bench_status_bytes("VmPTE:");

    int64_t start = bench_now();
    for (int64_t i = 0; i < count; i++)
        bench_go(sleeper_main, NULL);
    while (atomic_load_explicit(&parked, memory_order_relaxed) < count)
        tuza_gosched();
    bench_print_ns_each("parked1m_create", start, count);
    rss = bench_status_bytes("VmRSS:") - rss;
    pte = bench_status_bytes("VmPTE:") - pte;
    bench_print("parked1m_rss", (double)rss / (double)count, "bytes");
    bench_print("parked1m_pte", (double)pte / (double)count, "bytes");

    start = bench_now();
    tuza_chan_close(gate);
    bench_recv(all_done);
    bench_print_ns_each("parked1m_wake", start, count);
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
