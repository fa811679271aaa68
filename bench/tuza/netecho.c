/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An echo server with a goroutine for each connection: netecho MODE ...; the
 * client (bench/net/client.c) has the modes and prints the figures. Under
 * "echo" it reads and writes and does nothing else.
 */
#include <tuza/net.h>

#include "../net/echo.h"
#include "bench_tuza.h"

static volatile uint64_t work_done;
static uint64_t work_rounds; /* that take 10 ms */

static void work(uint64_t rounds)
{
    uint64_t v = rounds | 1;
    for (uint64_t i = 0; i < rounds; i++)
        v = v * 6364136223846793005u + i;
    work_done = v;
}

static void calibrate(void)
{
    int64_t start = bench_cpu();
    const uint64_t rounds = 20000000;
    work(rounds);
    work_rounds = (uint64_t)((double)rounds * ECHO_SLOW_NS / (double)(bench_cpu() - start));
}

static void serve_plain(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[4 * ECHO_MESSAGE];
    ssize_t n;
    while ((n = tuza_read(fd, buf, sizeof buf)) > 0)
        if (tuza_write(fd, buf, (size_t)n) != n)
            break;
    tuza_close(fd);
}

static void serve_working(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[ECHO_MESSAGE];
    while (tuza_read_full(fd, buf, sizeof buf) == ECHO_MESSAGE) {
        if (buf[0] == ECHO_CPU)
            work(work_rounds);
        else if (buf[0] == ECHO_SLEEP)
            usleep(ECHO_SLOW_NS / 1000); /* not announced: as a library's blocking call would be */
        else if (buf[0] == ECHO_COUNT)
            snprintf(buf + 1, sizeof buf - 1, "%d", tuza_num_goroutine());
        if (tuza_write(fd, buf, sizeof buf) != ECHO_MESSAGE)
            break;
    }
    tuza_close(fd);
}

static echo_client client;

static void wait_client(void *arg)
{
    char byte;
    (void)arg;
    tuza_read(client.ended, &byte, 1);
    tuza_exit(echo_client_result(&client));
}

static int app(int argc, char **argv)
{
    void (*serve)(void *) = serve_working;
    echo_raise_limit();
    if (argc > 1 && strcmp(argv[1], "echo") == 0)
        serve = serve_plain;
    else
        calibrate();
    int listener = tuza_listen("tcp", "127.0.0.1:0");
    if (listener < 0)
        bench_die("tuza_listen: %s", tuza_strerror(listener));
    client = echo_start_client(listener, argc, argv);
    bench_go(wait_client, NULL);
    for (;;) {
        int fd = tuza_accept(listener);
        if (fd < 0)
            bench_die("tuza_accept: %s", tuza_strerror(fd));
        bench_go(serve, (void *)(intptr_t)fd);
    }
}

int main(int argc, char **argv)
{
    int err = tuza_run(app, argc, argv);
    bench_die("tuza_run: %s", strerror(-err));
}
