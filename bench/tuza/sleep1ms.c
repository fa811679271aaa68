/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sleep1ms [goroutines [sleeps]]: each goroutine sleeps 1 ms again and
 * again. How late the wakes are, and the processor time for each sleep.
 */
#include "bench_tuza.h"

struct sleeper {
    tuza_chan *done;
    int64_t *late;
    int64_t sleeps;
};

static void sleeper_main(void *arg)
{
    const struct sleeper *s = arg;
    int64_t early = 0;
    for (int64_t i = 0; i < s->sleeps; i++) {
        int64_t due = tuza_now() + TUZA_MILLISECOND;
        tuza_sleep(TUZA_MILLISECOND);
        s->late[i] = tuza_now() - due;
        early += s->late[i] < 0;
    }
    bench_send(s->done, early);
}

static int app(int argc, char **argv)
{
    int64_t count = bench_arg(argc, argv, 1, 1000, 1);
    int64_t sleeps = bench_arg(argc, argv, 2, 500, 1);
    int64_t *late = bench_alloc((size_t)(count * sleeps), sizeof late[0]);
    memset(late, 1, (size_t)(count * sleeps) * sizeof late[0]); /* no page faults while we measure */
    struct sleeper s = {.done = tuza_chan_make(sizeof(int64_t), 0), .sleeps = sleeps};

    int64_t cpu = bench_cpu();
    for (int64_t i = 0; i < count; i++) {
        s.late = late + i * sleeps;
        bench_go_copy(sleeper_main, &s, sizeof s);
    }
    int64_t early = 0;
    for (int64_t i = 0; i < count; i++)
        early += bench_recv(s.done);
    cpu = bench_cpu() - cpu;
    if (early != 0)
        bench_die("sleep1ms: %" PRId64 " sleeps ended early", early);
    bench_print_lateness("sleep1ms", late, (size_t)(count * sleeps));
    bench_print("sleep1ms_cpu", (double)cpu / (double)(count * sleeps), "ns");
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
