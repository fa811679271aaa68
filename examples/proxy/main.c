/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * proxy: passes TCP connections on to back-ends. This file accepts, and ends:
 * proxy.h shows the parts.
 *
 * With the first SIGINT or SIGTERM nothing is accepted any more, and the
 * connections there are may go on for a while; with a second signal, or when
 * that time is over, they are cut. Then the counts are printed.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy.h"

#define ACCEPT_PAUSE     (5 * TUZA_MILLISECOND)
#define ACCEPT_PAUSE_MAX TUZA_SECOND

struct server {
    struct options options;
    struct pool pool;
    tuza_context *ctx;           /* done when sessions are to end */
    TUZA_CHAN(tuza_empty) slots; /* an element for each connection; of capacity options.max */
    TUZA_CHAN(int) signals;
    int listener;
};

/* Those that wait for a place get one as sessions end, and can't dial any more. */
static void cut_all(void *ctx)
{
    tuza_context_cancel(ctx);
}

/* A goroutine's body. */
static void wait_for_signals(void *arg)
{
    struct server *s = arg;
    int sig;
    TUZA_CHAN_RECV(s->signals, &sig);
    printf("proxy: %s: no new connections; those there are have %.3g s to end\n", strsignal(sig),
           (double)s->options.drain / (double)TUZA_SECOND);
    /* The accept loop owns the descriptor and closes it. Peers are refused from here on. */
    tuza_cancel(s->listener);
    tuza_shutdown(s->listener, SHUT_RDWR);
    tuza_timer_detach(tuza_after_func(s->options.drain, cut_all, s->ctx));
    TUZA_CHAN_RECV(s->signals, &sig);
    cut_all(s->ctx);
}

/* The next connection, with a slot taken for it; a negative errno when there will be none. */
static int next_connection(struct server *s)
{
    int64_t pause = 0;
    for (;;) {
        if (!s->options.refuse)
            TUZA_CHAN_SEND(s->slots, TUZA_EMPTY);
        int fd = tuza_accept(s->listener);
        if (fd >= 0 && (!s->options.refuse || TUZA_CHAN_TRY_SEND(s->slots, TUZA_EMPTY)))
            return fd;
        if (!s->options.refuse)
            TUZA_CHAN_RECV(s->slots, NULL);
        if (fd >= 0) {
            close_broken(fd);
            pool_count(&s->pool, REFUSED, 0, 0);
        } else if (is_shortage(fd)) { /* the connection stays in the queue, until others have ended */
            if (pause == 0)
                fprintf(stderr, "proxy: accept: %s\n", tuza_strerror(fd));
            pause = pause == 0 ? ACCEPT_PAUSE : pause < ACCEPT_PAUSE_MAX ? pause * 2 : pause;
            tuza_sleep(pause);
        } else {
            return fd;
        }
    }
}

static void accept_loop(struct server *s)
{
    int fd;
    while ((fd = next_connection(s)) >= 0) {
        struct session_start start = {&s->pool, s->ctx, s->slots, fd};
        if (tuza_go_copy(serve, &start, sizeof start) != 0) { /* no memory: shed this one */
            close_broken(fd);
            pool_count(&s->pool, REFUSED, 0, 0);
            TUZA_CHAN_RECV(s->slots, NULL);
        }
    }
    if (fd != -ECANCELED)
        fprintf(stderr, "proxy: accept: %s\n", tuza_strerror(fd));
    tuza_close(s->listener);
}

/* The address in use, which tells the port where 0 was asked for. */
static void print_address(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char host[INET6_ADDRSTRLEN] = "?";
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return;
    if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        printf("proxy: listening on [%s]:%d\n", host, ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        printf("proxy: listening on %s:%d\n", host, ntohs(v4->sin_port));
    }
}

/* The goroutines that go on beside the accept loop. Signals are ours before anybody can know that we run. */
static bool start_helpers(struct server *s)
{
    static const int signals[] = {SIGINT, SIGTERM};
    s->signals = TUZA_CHAN_MAKE(int, 2);
    int err = tuza_signal_notify(TUZA_CHAN_UNTYPED(s->signals), signals, 2);
    if (err != 0) {
        fprintf(stderr, "proxy: signals: %s\n", tuza_strerror(err));
        return false;
    }
    err = tuza_go(wait_for_signals, s);
    for (size_t i = 0; i < s->options.backend_count && err == 0; i++) {
        struct check check = {&s->pool, (int)i};
        err = tuza_go_copy(check_backend, &check, sizeof check);
    }
    if (err != 0)
        fprintf(stderr, "proxy: no goroutine: %s\n", tuza_strerror(err));
    return err == 0;
}

static int app(int argc, char **argv)
{
    static struct server s; /* checks go on until the process ends */
    bool help;
    if (!parse_options(&s.options, argc, argv, &help))
        return 2;
    if (help)
        return 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    s.listener = tuza_listen("tcp", s.options.listen);
    if (s.listener < 0) {
        fprintf(stderr, "proxy: %s: %s\n", s.options.listen, tuza_strerror(s.listener));
        return 1;
    }
    pool_init(&s.pool, &s.options);
    s.ctx = tuza_context_with_cancel(tuza_context_background());
    s.slots = TUZA_CHAN_MAKE(tuza_empty, s.options.max);
    if (!start_helpers(&s))
        return 1;
    print_address(s.listener);
    accept_loop(&s);
    for (size_t i = 0; i < s.options.max; i++)
        TUZA_CHAN_SEND(s.slots, TUZA_EMPTY); /* all slots are ours: no session is left */
    pool_report(&s.pool);
    return 0;
}

int main(int argc, char **argv)
{
    int err = tuza_run(app, argc, argv);
    fprintf(stderr, "proxy: the runtime does not start: %s\n", tuza_strerror(err));
    return 2;
}
