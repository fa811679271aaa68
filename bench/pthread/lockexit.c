/* SPDX-License-Identifier: BSD-3-Clause */
/* lockexit [threads]: one after the other, a thread is created and joined; microseconds for each. */
#include "bench_pthread.h"

static int64_t ran;

static void *task(void *arg)
{
    (void)arg;
    ran++;
    return NULL;
}

int main(int argc, char **argv)
{
    int64_t threads = bench_arg(argc, argv, 1, 10000, 1);
    int64_t start = bench_now();
    for (int64_t i = 0; i < threads; i++)
        pthread_join(bench_thread(task, NULL), NULL);
    if (ran != threads)
        bench_die("lockexit: not every thread ran");
    bench_print_us_each("lockexit", start, threads);
    return 0;
}
