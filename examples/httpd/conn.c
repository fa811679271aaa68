/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection: reads a request, answers it, and begins again, until one
 * side has enough.
 *
 * Time limits. A request must be complete head_ns after its first byte (408),
 * so a client that sends it drop by drop does not hold the connection for
 * ever; between two requests idle_ns may pass. To set a deadline for each
 * request would be a waste where requests follow each other: while they do,
 * one that was set some seconds ahead stands, and is moved now and then. A
 * connection that has been silent for that long gives its buffers back, and
 * then waits with a deadline of its own.
 *
 * The end. A connection that the server closes is first closed for writing;
 * then what the client still sends is read and thrown away for a moment. Else
 * the kernel would answer that with a reset, which may overtake the answer.
 */
#include <poll.h>
#include <stdlib.h>

#include "httpd.h"

#define SILENT_MOST (4 * TUZA_SECOND)
#define LINGER_NS   (2 * TUZA_SECOND)
#define EMPTY_LINES 8 /* bytes of them before a request */

enum { LINGER_MOST = 256 * 1024 };

/* While the server drains it has set a deadline of its own, which must stand: see server_drain. */
static void set_read_deadline(struct conn *c, int64_t when)
{
    c->read_deadline = when;
    tuza_set_read_deadline(c->fd, when);
    atomic_thread_fence(memory_order_seq_cst);
    if (server_draining())
        tuza_set_read_deadline(c->fd, tuza_now() + options.grace_ns);
}

static bool get_buffers(struct conn *c)
{
    c->buffers = malloc(sizeof *c->buffers);
    c->now = tuza_now();
    return c->buffers && tuza_reader_init(&c->in, c->fd, c->buffers->in, sizeof c->buffers->in) == 0;
}

static void drop_buffers(struct conn *c)
{
    free(c->buffers);
    c->buffers = NULL;
}

/* After so long a silence the buffers are given back. */
static int64_t silent_ns(void)
{
    return options.idle_ns / 2 < SILENT_MOST ? options.idle_ns / 2 : SILENT_MOST;
}

/* A request may come at any time. */
static void allow_silence(struct conn *c)
{
    int64_t ahead = c->read_deadline - c->now, silent = silent_ns();
    if (ahead <= silent / 2 || ahead > silent)
        set_read_deadline(c, c->now + silent);
}

/* Nothing has come for a while. False: nothing will. */
static bool wait_without_buffers(struct conn *c)
{
    if (server_draining())
        return false;
    drop_buffers(c);
    set_read_deadline(c, tuza_now() + options.idle_ns - silent_ns());
    return tuza_wait_fd(c->fd, POLLIN, 0) > 0 && get_buffers(c);
}

/* Reading has ended before the request has; n says why. False: there is nobody to answer. */
static bool cut_short(struct request *r, ssize_t n)
{
    if (n == -EMSGSIZE)
        r->status = r->head_read ? 413 : r->target_read ? 431 : 414;
    else if (n == -ETIMEDOUT)
        r->status = 408;
    return r->status != 0;
}

/* Empty lines before a request are not its beginning (RFC 9112, 2.2), as long as there are few: who sends
 * nothing else is not silent. Whether there were any; *room is for more. */
static bool skip_empty_lines(struct conn *c, const char *in, size_t *room)
{
    size_t all = tuza_reader_buffered(&c->in), n = 0;
    while (n < all && n < *room && (in[n] == '\r' || in[n] == '\n'))
        n++;
    if (n > 0)
        tuza_reader_discard(&c->in, n);
    *room -= n;
    return n > 0;
}

/* False: the connection is over. */
static bool read_request(struct conn *c)
{
    struct request *r = &c->request;
    size_t seen = 0, room = EMPTY_LINES;
    bool limited = false;
    request_begin(c);
    while (!r->complete && r->status == 0) {
        char *in;
        if (tuza_reader_buffered(&c->in) == seen) { /* it must be waited for */
            output_flush(c);
            if (c->broken)
                return false;
            if (seen == 0)
                allow_silence(c);
            else if (!limited)
                set_read_deadline(c, c->now + options.head_ns);
            limited = seen > 0;
        }
        ssize_t n = tuza_reader_peek(&c->in, seen + 1, &in);
        c->now = tuza_now();
        if (n == -ETIMEDOUT && seen == 0) {
            if (!wait_without_buffers(c))
                return false;
            continue;
        }
        if (n <= (ssize_t)seen)
            return cut_short(r, n);
        if (seen == 0 && skip_empty_lines(c, in, &room))
            continue;
        seen = request_parse(c, in, tuza_reader_buffered(&c->in), seen);
        if (r->waits && !r->complete && r->status == 0)
            answer_waiting(c);
    }
    c->length = seen;
    return true;
}

static void linger(struct conn *c)
{
    ssize_t n;
    size_t all = 0;
    tuza_shutdown(c->fd, SHUT_WR);
    set_read_deadline(c, tuza_now() + LINGER_NS);
    while (all < LINGER_MOST && (n = tuza_read(c->fd, c->buffers->in, sizeof c->buffers->in)) > 0)
        all += (size_t)n;
}

void conn_serve(void *arg)
{
    struct conn *c = arg;
    request_init(c);
    if (get_buffers(c)) {
        while (!c->close && !c->broken && read_request(c)) {
            answer(c);
            if (!c->close)
                tuza_reader_discard(&c->in, c->length);
        }
        if (c->buffers)
            output_flush(c);
        if (c->close && !c->broken)
            linger(c);
    }
    drop_buffers(c);
    server_left(c);
}
