/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bufchan [producers [consumers [items [capacity]]]]: numbers through one
 * buffered channel; nanoseconds for each. Each number is sent once, and the
 * consumers' sums must add up.
 */
#include "bench_tuza.h"

struct worker {
    tuza_chan *items, *sums;
    int64_t first, count;
};

static void producer_main(void *arg)
{
    const struct worker *w = arg;
    for (int64_t i = 0; i < w->count; i++)
        bench_send(w->items, w->first + i);
}

static void consumer_main(void *arg)
{
    const struct worker *w = arg;
    int64_t sum = 0;
    for (int64_t i = 0; i < w->count; i++)
        sum += bench_recv(w->items);
    bench_send(w->sums, sum);
}

/* Starts n workers that share the numbers from 0 to items - 1 between them. */
static void start_workers(void (*fn)(void *), struct worker w, int64_t n, int64_t items)
{
    for (int64_t i = 0; i < n; i++) {
        w.first = items * i / n;
        w.count = items * (i + 1) / n - w.first;
        bench_go_copy(fn, &w, sizeof w);
    }
}

static int app(int argc, char **argv)
{
    int64_t producers = bench_arg(argc, argv, 1, 1, 1);
    int64_t consumers = bench_arg(argc, argv, 2, 1, 1);
    int64_t items = bench_arg(argc, argv, 3, 10000000, 1);
    int64_t capacity = bench_arg(argc, argv, 4, 128, 0);
    struct worker w = {
        .items = tuza_chan_make(sizeof(int64_t), (size_t)capacity),
        .sums = tuza_chan_make(sizeof(int64_t), 0),
    };

    int64_t start = bench_now();
    start_workers(producer_main, w, producers, items);
    start_workers(consumer_main, w, consumers, items);
    int64_t sum = 0;
    for (int64_t i = 0; i < consumers; i++)
        sum += bench_recv(w.sums);
    if (sum != items * (items - 1) / 2)
        bench_die("bufchan: the sum is %" PRId64, sum);
    bench_print_ns_each("bufchan", start, items);
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
