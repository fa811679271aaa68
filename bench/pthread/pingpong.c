/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pingpong [round trips]: two threads hand a number to and fro over two
 * queues of capacity 1 (mutex and condition variables).
 */
#include "bench_pthread.h"

struct table {
    struct bench_queue ping, pong;
    int64_t trips;
};

static void *pong_main(void *arg)
{
    struct table *t = arg;
    for (int64_t i = 0; i < t->trips; i++)
        bench_queue_send(&t->pong, bench_queue_recv(&t->ping) + 1);
    return NULL;
}

int main(int argc, char **argv)
{
    struct table t = {.trips = bench_arg(argc, argv, 1, 300000, 1)};
    bench_queue_init(&t.ping, 1);
    bench_queue_init(&t.pong, 1);

    int64_t start = bench_now();
    pthread_t pong = bench_thread(pong_main, &t);
    int64_t value = 0;
    for (int64_t i = 0; i < t.trips; i++) {
        bench_queue_send(&t.ping, value + 1);
        value = bench_queue_recv(&t.pong);
    }
    pthread_join(pong, NULL);
    if (value != 2 * t.trips)
        bench_die("pingpong: %" PRId64 " hand-overs", value);
    bench_print_ns_each("pingpong", start, t.trips);
    return 0;
}
