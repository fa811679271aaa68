/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * skynet [leaves]: a tree of goroutines, ten below each; each leaf sends its
 * number up an unbuffered channel, each inner node the sum of its ten. Time
 * for the whole tree in milliseconds, and peak memory.
 *
 * Each child holds a reference of its parent's channel: the parent may have
 * its ten numbers, and drop the channel, before the last child has come back
 * from its send.
 */
#include "bench_tuza.h"

enum { FANOUT = 10 };

struct node {
    tuza_chan *up;
    int64_t first, leaves;
};

static void node_main(void *arg)
{
    const struct node *n = arg;
    int64_t sum = n->first;
    if (n->leaves > 1) {
        tuza_chan *down = tuza_chan_make(sizeof(int64_t), 0);
        struct node child = {.up = down, .leaves = n->leaves / FANOUT};
        for (int64_t i = 0; i < FANOUT; i++) {
            child.first = n->first + i * child.leaves;
            tuza_chan_ref(down);
            bench_go_copy(node_main, &child, sizeof child);
        }
        sum = 0;
        for (int64_t i = 0; i < FANOUT; i++)
            sum += bench_recv(down);
        tuza_chan_unref(down);
    }
    bench_send(n->up, sum);
    tuza_chan_unref(n->up);
}

static int app(int argc, char **argv)
{
    int64_t leaves = bench_arg(argc, argv, 1, 1000000, 1);
    for (int64_t n = leaves; n > 1; n /= FANOUT)
        if (n % FANOUT != 0)
            bench_die("skynet: %" PRId64 " is no power of %d", leaves, FANOUT);

    int64_t start = bench_now();
    tuza_chan *result = tuza_chan_make(sizeof(int64_t), 0);
    struct node root = {.up = tuza_chan_ref(result), .leaves = leaves};
    bench_go_copy(node_main, &root, sizeof root);
    int64_t sum = bench_recv(result);
    if (sum != leaves * (leaves - 1) / 2)
        bench_die("skynet: the sum is %" PRId64, sum);
    bench_print("skynet", (double)(bench_now() - start) / 1e6, "ms");
    bench_print("skynet_peak", (double)bench_status_bytes("VmHWM:") / (1 << 20), "MiB");
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
