/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * yield [yields]: two goroutines yield to each other; nanoseconds for each
 * yield. With one P each yield is a switch; with more the two may sit on
 * two Ps, and then a yield finds nothing else to run.
 */
#include "bench_tuza.h"

struct yielder {
    tuza_chan *done;
    int64_t count;
};

static void yielder_main(void *arg)
{
    const struct yielder *y = arg;
    int64_t made = 0;
    for (; made < y->count; made++)
        tuza_gosched();
    bench_send(y->done, made);
}

static int app(int argc, char **argv)
{
    int64_t yields = bench_arg(argc, argv, 1, 10000000, 2);
    struct yielder y = {.done = tuza_chan_make(sizeof(int64_t), 2), .count = yields / 2};

    int64_t start = bench_now();
    bench_go(yielder_main, &y);
    bench_go(yielder_main, &y);
    int64_t made = bench_recv(y.done);
    made += bench_recv(y.done);
    if (made != yields / 2 * 2)
        bench_die("yield: %" PRId64 " yields made", made);
    bench_print_ns_each("yield", start, made);
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
