/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * select8 [items]: one consumer selects over eight unbuffered channels, each
 * fed by a producer of its own; nanoseconds for each number. The sum of what
 * comes must be right.
 */
#include "bench_tuza.h"

enum { CHANNELS = 8 };

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
    int64_t items = bench_arg(argc, argv, 1, 2000000, 1);
    tuza_case cases[CHANNELS];
    int64_t value, sum = 0;
    for (int64_t i = 0; i < CHANNELS; i++)
        cases[i] = TUZA_RECV(tuza_chan_make(sizeof(int64_t), 0), &value);

    int64_t start = bench_now();
    for (int64_t i = 0; i < CHANNELS; i++) {
        struct producer p = {cases[i].chan, items * i / CHANNELS, 0};
        p.count = items * (i + 1) / CHANNELS - p.first;
        bench_go_copy(producer_main, &p, sizeof p);
    }
    for (int64_t i = 0; i < items; i++) {
        if (!cases[tuza_select(cases, CHANNELS)].ok)
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
