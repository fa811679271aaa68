/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bufchan [producers [consumers [items [capacity]]]]: numbers through one
 * queue (mutex and condition variables) from threads to threads; nanoseconds
 * for each. The consumers' sums must add up.
 */
#include "bench_pthread.h"

struct worker {
    struct bench_queue *items;
    int64_t first, count, sum;
    pthread_t thread;
};

static void *producer_main(void *arg)
{
    const struct worker *w = arg;
    for (int64_t i = 0; i < w->count; i++)
        bench_queue_send(w->items, w->first + i);
    return NULL;
}

static void *consumer_main(void *arg)
{
    struct worker *w = arg;
    int64_t sum = 0;
    for (int64_t i = 0; i < w->count; i++)
        sum += bench_queue_recv(w->items);
    w->sum = sum;
    return NULL;
}

/* Starts n workers that share the numbers from 0 to items - 1 between them. */
static struct worker *start_workers(void *(*fn)(void *), struct bench_queue *q, int64_t n, int64_t items)
{
    struct worker *workers = bench_alloc((size_t)n, sizeof workers[0]);
    for (int64_t i = 0; i < n; i++) {
        int64_t first = items * i / n;
        workers[i] = (struct worker){.items = q, .first = first, .count = items * (i + 1) / n - first};
        workers[i].thread = bench_thread(fn, &workers[i]);
    }
    return workers;
}

int main(int argc, char **argv)
{
    int64_t producers = bench_arg(argc, argv, 1, 1, 1);
    int64_t consumers = bench_arg(argc, argv, 2, 1, 1);
    int64_t items = bench_arg(argc, argv, 3, 10000000, 1);
    int64_t capacity = bench_arg(argc, argv, 4, 128, 1);
    struct bench_queue queue;
    bench_queue_init(&queue, (size_t)capacity);

    int64_t start = bench_now();
    struct worker *senders = start_workers(producer_main, &queue, producers, items);
    struct worker *receivers = start_workers(consumer_main, &queue, consumers, items);
    for (int64_t i = 0; i < producers; i++)
        pthread_join(senders[i].thread, NULL);
    int64_t sum = 0;
    for (int64_t i = 0; i < consumers; i++) {
        pthread_join(receivers[i].thread, NULL);
        sum += receivers[i].sum;
    }
    if (sum != items * (items - 1) / 2)
        bench_die("bufchan: the sum is %" PRId64, sum);
    bench_print_ns_each("bufchan", start, items);
    return 0;
}
