/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The other limit for echo servers: one thread, io_uring with deferred task
 * work, one recv and one send for each message. Completions are taken in
 * batches, and what they lead to is submitted with the next wait.
 */
#include <liburing.h>

#include "echo.h"

enum { ENTRIES = 4096, BATCH = 256 };

typedef struct connection {
    int fd;
    bool sending;
    size_t len;
    char buf[4 * ECHO_MESSAGE];
} connection;

static struct io_uring ring;
static int listener;
static char accepting, ending; /* their addresses tell these two from connections */

static struct io_uring_sqe *entry(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    if (sqe == NULL) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
    }
    if (sqe == NULL)
        bench_die("no submission entry");
    return sqe;
}

static void recv_next(connection *c)
{
    struct io_uring_sqe *sqe = entry();
    c->sending = false;
    io_uring_prep_recv(sqe, c->fd, c->buf, sizeof c->buf, 0);
    io_uring_sqe_set_data(sqe, c);
}

static void send_back(connection *c, size_t n)
{
    struct io_uring_sqe *sqe = entry();
    c->sending = true;
    c->len = n;
    io_uring_prep_send(sqe, c->fd, c->buf, n, MSG_NOSIGNAL);
    io_uring_sqe_set_data(sqe, c);
}

static void accept_next(void)
{
    struct io_uring_sqe *sqe = entry();
    io_uring_prep_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data(sqe, &accepting);
}

static void connected(int fd)
{
    if (fd >= 0) {
        connection *c = bench_alloc(1, sizeof *c);
        c->fd = fd;
        echo_no_delay(fd);
        recv_next(c);
    }
    accept_next();
}

static void completed(connection *c, int result)
{
    if (result <= 0) {
        close(c->fd);
        free(c);
    } else if (!c->sending) {
        send_back(c, (size_t)result);
    } else if ((size_t)result == c->len) {
        recv_next(c);
    } else {
        bench_die("a short send");
    }
}

int main(int argc, char **argv)
{
    char byte;
    echo_raise_limit();
    listener = echo_listen();
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                              IORING_SETUP_CQSIZE,
                                     .cq_entries = 4 * ENTRIES};
    int err = io_uring_queue_init_params(ENTRIES, &ring, &params);
    if (err != 0)
        bench_die("io_uring: %s", strerror(-err));
    echo_client client = echo_start_client(listener, argc, argv);
    struct io_uring_sqe *sqe = entry();
    io_uring_prep_read(sqe, client.ended, &byte, 1, 0);
    io_uring_sqe_set_data(sqe, &ending);
    accept_next();
    for (;;) {
        struct io_uring_cqe *cqes[BATCH];
        io_uring_submit_and_wait(&ring, 1);
        unsigned n = io_uring_peek_batch_cqe(&ring, cqes, BATCH);
        for (unsigned i = 0; i < n; i++) {
            void *data = io_uring_cqe_get_data(cqes[i]);
            if (data == &ending)
                return echo_client_result(&client);
            if (data == &accepting)
                connected(cqes[i]->res);
            else
                completed(data, cqes[i]->res);
        }
        io_uring_cq_advance(&ring, n);
    }
}
