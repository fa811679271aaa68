/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * yield [yields]: two threads pinned to one processor yield to each other by
 * sched_yield; nanoseconds for each yield.
 */
#include <sched.h>

#include "bench_pthread.h"

static void *yielder_main(void *arg)
{
    int64_t count = *(int64_t *)arg;
    while (count-- > 0)
        sched_yield();
    return NULL;
}

/* The first processor that we may use becomes the only one; threads inherit it. */
static void pin_to_one(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        bench_die("sched_getaffinity: %m");
    size_t cpu = 0;
    while (!CPU_ISSET(cpu, &set))
        cpu++;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        bench_die("sched_setaffinity: %m");
}

int main(int argc, char **argv)
{
    int64_t each = bench_arg(argc, argv, 1, 10000000, 2) / 2;
    pin_to_one();

    int64_t start = bench_now();
    pthread_t a = bench_thread(yielder_main, &each);
    pthread_t b = bench_thread(yielder_main, &each);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    bench_print_ns_each("yield", start, 2 * each);
    return 0;
}
