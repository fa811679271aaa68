/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lockpingpong [round trips [locked]]: pingpong with one side locked to its
 * thread, or both (locked is 1 or 2); microseconds for each round trip. A
 * locked side must stay on its thread all the time.
 */
#include <sys/syscall.h>
#include <unistd.h>

#include "bench_tuza.h"

struct table {
    tuza_chan *ping, *pong, *done;
    int64_t trips, locked;
};

static long lock_thread(void)
{
    tuza_lock_os_thread();
    return syscall(SYS_gettid);
}

static void unlock_thread(long tid)
{
    if (syscall(SYS_gettid) != tid)
        bench_die("lockpingpong: a locked goroutine has changed its thread");
    tuza_unlock_os_thread();
}

static void ping_main(void *arg)
{
    const struct table *t = arg;
    int64_t value = 0;
    long tid = lock_thread();
    for (int64_t i = 0; i < t->trips; i++) {
        bench_send(t->ping, value + 1);
        value = bench_recv(t->pong);
    }
    unlock_thread(tid);
    bench_send(t->done, value);
}

static void pong_main(void *arg)
{
    const struct table *t = arg;
    long tid = t->locked > 1 ? lock_thread() : 0;
    for (int64_t i = 0; i < t->trips; i++)
        bench_send(t->pong, bench_recv(t->ping) + 1);
    if (t->locked > 1)
        unlock_thread(tid);
}

static int app(int argc, char **argv)
{
    struct table t = {
        .ping = tuza_chan_make(sizeof(int64_t), 0),
        .pong = tuza_chan_make(sizeof(int64_t), 0),
        .done = tuza_chan_make(sizeof(int64_t), 0),
        .trips = bench_arg(argc, argv, 1, 50000, 1),
        .locked = bench_arg(argc, argv, 2, 1, 1),
    };

    int64_t start = bench_now();
    bench_go(ping_main, &t);
    bench_go(pong_main, &t);
    int64_t value = bench_recv(t.done);
    if (value != 2 * t.trips)
        bench_die("lockpingpong: %" PRId64 " hand-overs", value);
    bench_print_us_each("lockpingpong", start, t.trips);
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
