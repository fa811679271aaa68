/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sleepers1m [goroutines [base]]: goroutine i sleeps until i mod 1000
 * milliseconds after a moment base ms from the start, so that all wake, and
 * end, within a second. Nanoseconds to create, run and put to sleep each;
 * then the processor time to wake all of them, and how late the last is.
 */
#include <stdatomic.h>

#include "bench_tuza.h"

static int64_t base;
static _Atomic int64_t begun, left, late;
static tuza_chan *all_done;

static void sleeper_main(void *arg)
{
    int64_t due = base + (int64_t)(intptr_t)arg % 1000 * TUZA_MILLISECOND;
    atomic_fetch_add_explicit(&begun, 1, memory_order_relaxed);
    tuza_sleep(due - tuza_now());
    int64_t by = tuza_now() - due;
    if (by < 0)
        bench_die("sleepers1m: a sleep ended %" PRId64 " ns early", -by);
    if (atomic_fetch_sub_explicit(&left, 1, memory_order_acq_rel) == 1) {
        atomic_store_explicit(&late, by, memory_order_relaxed);
        bench_send(all_done, 0);
    }
}

static int app(int argc, char **argv)
{
    int64_t count = bench_arg(argc, argv, 1, 1000000, 1);
    int64_t before = bench_arg(argc, argv, 2, 5000, 1);
    all_done = tuza_chan_make(sizeof(int64_t), 1);
    atomic_store_explicit(&left, count, memory_order_relaxed);
    int64_t rss = bench_status_bytes("VmRSS:");

    int64_t start = bench_now();
    base = tuza_now() + before * TUZA_MILLISECOND;
    for (int64_t i = 0; i < count; i++)
        bench_go(sleeper_main, (void *)(intptr_t)i);
    while (atomic_load_explicit(&begun, memory_order_relaxed) < count)
        tuza_gosched();
    bench_print_ns_each("sleepers1m_create", start, count);
    if (tuza_now() >= base)
        bench_die("sleepers1m: it took longer than %" PRId64 " ms to start all", before);
    bench_print("sleepers1m_rss", (double)(bench_status_bytes("VmRSS:") - rss) / (double)count, "bytes");

    tuza_sleep(base - TUZA_MILLISECOND - tuza_now());
    int64_t cpu = bench_cpu();
    bench_recv(all_done);
    bench_print("sleepers1m_cpu", (double)(bench_cpu() - cpu) / 1e6, "ms");
    bench_print("sleepers1m_late", (double)atomic_load_explicit(&late, memory_order_relaxed) / 1e3, "us");
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
