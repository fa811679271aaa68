/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring [goroutines [hops]]: a token goes round a ring of goroutines over
 * unbuffered channels; nanoseconds for each hop. The token counts the hops
 * that are left, so where it ends is known beforehand.
 */
#include "bench_tuza.h"

struct node {
    tuza_chan *in, *out, *done;
    int64_t index;
};

static void node_main(void *arg)
{
    const struct node *n = arg;
    for (;;) {
        int64_t left = bench_recv(n->in);
        if (left == 0)
            bench_send(n->done, n->index);
        else
            bench_send(n->out, left - 1);
    }
}

static int app(int argc, char **argv)
{
    int64_t size = bench_arg(argc, argv, 1, 1000, 1);
    int64_t hops = bench_arg(argc, argv, 2, 5000000, 1);
    struct node *nodes = bench_alloc((size_t)size, sizeof nodes[0]);
    tuza_chan *done = tuza_chan_make(sizeof(int64_t), 0);
    for (int64_t i = 0; i < size; i++)
        nodes[i] = (struct node){.in = tuza_chan_make(sizeof(int64_t), 0), .done = done, .index = i};
    for (int64_t i = 0; i < size; i++) {
        nodes[i].out = nodes[(i + 1) % size].in;
        bench_go(node_main, &nodes[i]);
    }

    int64_t start = bench_now();
    bench_send(nodes[0].in, hops);
    int64_t last = bench_recv(done);
    if (last != hops % size)
        bench_die("ring: the token ended at %" PRId64, last);
    bench_print_ns_each("ring", start, hops);
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
