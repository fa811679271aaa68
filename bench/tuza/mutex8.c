/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mutex8 [operations [tasks]]: so many goroutines (8) lock one mutex, count,
 * and unlock it, each of them so often (1 M); nanoseconds for each time.
 * mutex1 is one goroutine alone, with nobody to share with.
 */
#include "bench_tuza.h"

static tuza_mutex mutex;
static int64_t counter;

struct task {
    tuza_waitgroup *done;
    int64_t operations;
};

static void count(void *arg)
{
    const struct task *t = arg;
    for (int64_t i = 0; i < t->operations; i++) {
        tuza_mutex_lock(&mutex);
        counter++;
        tuza_mutex_unlock(&mutex);
    }
    tuza_waitgroup_done(t->done);
}

static void measure(const char *name, int64_t tasks, int64_t operations)
{
    tuza_waitgroup done = TUZA_WAITGROUP_INIT;
    struct task t = {&done, operations};
    counter = 0;
    tuza_waitgroup_add(&done, (int)tasks);
    int64_t start = bench_now();
    for (int64_t i = 0; i < tasks; i++)
        bench_go(count, &t);
    tuza_waitgroup_wait(&done);
    bench_print_ns_each(name, start, tasks * operations);
    if (counter != tasks * operations)
        bench_die("%s: the counter is %" PRId64, name, counter);
}

static int app(int argc, char **argv)
{
    int64_t operations = bench_arg(argc, argv, 1, 1000000, 1);
    int64_t tasks = bench_arg(argc, argv, 2, 8, 1);
    measure("mutex1", 1, tasks * operations);
    measure("mutex8", tasks, operations);
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
