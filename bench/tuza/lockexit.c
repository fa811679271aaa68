/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lockexit [goroutines]: one after the other, a goroutine is started, locks
 * itself to its thread, and ends so, which is the end of the thread;
 * microseconds for each, until the last of the threads is gone.
 */
#include "bench_tuza.h"

static tuza_chan *done;

static void task(void *arg)
{
    (void)arg;
    tuza_lock_os_thread();
    bench_send(done, 1);
}

static void run(int64_t n)
{
    while (n-- > 0) {
        bench_go(task, NULL);
        bench_recv(done);
    }
}

static int app(int argc, char **argv)
{
    int64_t tasks = bench_arg(argc, argv, 1, 10000, 1);
    done = tuza_chan_make(sizeof(int64_t), 0);
    run(100);
    tuza_sleep(100 * TUZA_MILLISECOND);
    int64_t threads = bench_status("Threads:");

    int64_t start = bench_now();
    run(tasks);
    while (bench_status("Threads:") > threads + 2) {
        if (bench_now() - start > 100 * TUZA_SECOND)
            bench_die("lockexit: threads are left over");
        tuza_sleep(100 * TUZA_MICROSECOND);
    }
    bench_print_us_each("lockexit", start, tasks);
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
