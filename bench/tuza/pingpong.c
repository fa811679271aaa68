/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pingpong [round trips]: two goroutines hand a number to and fro over two
 * unbuffered channels; nanoseconds for each round trip. Each side adds one,
 * so the number counts the hand-overs.
 */
#include "bench_tuza.h"

struct table {
    tuza_chan *ping, *pong, *done;
    int64_t trips;
};

static void ping_main(void *arg)
{
    const struct table *t = arg;
    int64_t value = 0;
    for (int64_t i = 0; i < t->trips; i++) {
        bench_send(t->ping, value + 1);
        value = bench_recv(t->pong);
    }
    bench_send(t->done, value);
}

static void pong_main(void *arg)
{
    const struct table *t = arg;
    for (int64_t i = 0; i < t->trips; i++)
        bench_send(t->pong, bench_recv(t->ping) + 1);
}

static int app(int argc, char **argv)
{
    struct table t = {
        .ping = tuza_chan_make(sizeof(int64_t), 0),
        .pong = tuza_chan_make(sizeof(int64_t), 0),
        .done = tuza_chan_make(sizeof(int64_t), 0),
        .trips = bench_arg(argc, argv, 1, 2000000, 1),
    };

    int64_t start = bench_now();
    bench_go(ping_main, &t);
    bench_go(pong_main, &t);
    int64_t value = bench_recv(t.done);
    if (value != 2 * t.trips)
        bench_die("pingpong: %" PRId64 " hand-overs", value);
    bench_print_ns_each("pingpong", start, t.trips);
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
