/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * select8 [channels [items]]: one consumer selects over unbuffered channels,
 * each fed by a producer of its own; nanoseconds for each number. The sum of
 * what comes must be right.
 */
#include "bench_tuza.h"

struct producer {
    tuza_chan *c;
    int64_t first, count;
};

static void producer_main(void *arg)
{
    const struct producer *p = arg;
    for (int64_t i = 0; i < p->count; i++)
        bench_send(p->c, p->first + i);
}

static int app(int argc, char **argv)
{
    size_t channels = (size_t)bench_arg(argc, argv, 1, 8, 1);
    int64_t items = bench_arg(argc, argv, 2, 2000000, 1);
    tuza_case *cases = bench_alloc(channels, sizeof *cases);
    int64_t value, sum = 0;
    for (size_t i = 0; i < channels; i++)
        cases[i] = TUZA_RECV(tuza_chan_make(sizeof(int64_t), 0), &value);

    int64_t start = bench_now();
    for (size_t i = 0; i < channels; i++) {
        struct producer p = {cases[i].chan, items * (int64_t)i / (int64_t)channels, 0};
        p.count = items * (int64_t)(i + 1) / (int64_t)channels - p.first;
        bench_go_copy(producer_main, &p, sizeof p);
    }
    for (int64_t i = 0; i < items; i++) {
        if (!cases[tuza_select(cases, channels)].ok)
            bench_die("a channel was closed that nobody closes");
        sum += value;
    }
    if (sum != items * (items - 1) / 2)
        bench_die("select8: the sum is %" PRId64, sum);
    bench_print_ns_each("select8", start, items);
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
