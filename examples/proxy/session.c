/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection: a back-end is found, then two goroutines pass bytes on, one
 * for each direction, until both sides have ended.
 *
 * An end is passed on as an end: the other direction goes on (half-close).
 * What did not come to its end is not given one: that socket is reset, so
 * that nobody takes what was cut off for whole.
 *
 * Idle means that nothing moves in either direction: a download on which the
 * client says nothing for an hour is not idle. So deadlines are set once, and
 * looked at when they have passed: if something has moved meanwhile, a later
 * one is set and the call made again. Nothing is set anew with each read.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>

#include "proxy.h"

enum { PIECE = 16 * 1024 };

struct session {
    int64_t idle;          /* 0: never */
    _Atomic int64_t moved; /* when: written by both directions */
};

struct way {
    struct session *session;
    int from, to;
    int64_t read_until, write_until; /* deadlines that are set; 0: none */
    uint64_t bytes;
    int err; /* why it ended; 0: from has ended */
};

void close_broken(int fd)
{
    const struct linger now = {.l_onoff = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    tuza_close(fd);
}

/*
 * Whether a call that timed out is to be made again, with a new deadline.
 * -ETIMEDOUT before ours is the connection's own: its peer does not answer.
 */
static bool goes_on(const struct session *s, int fd, int64_t *until, int (*set)(int, int64_t))
{
    int64_t now = tuza_now();
    if (s->idle == 0 || now < *until)
        return false;
    int64_t next = atomic_load_explicit(&s->moved, memory_order_relaxed) + s->idle;
    if (next <= now)
        return false;
    *until = next;
    return set(fd, next) == 0;
}

static void has_moved(struct session *s)
{
    if (s->idle != 0)
        atomic_store_explicit(&s->moved, tuza_now(), memory_order_relaxed);
}

static ssize_t read_piece(struct way *w, char *buf)
{
    ssize_t n;
    do {
        n = tuza_read(w->from, buf, PIECE);
    } while (n == -ETIMEDOUT && goes_on(w->session, w->from, &w->read_until, tuza_set_read_deadline));
    return n;
}

/* 0 when all is written, or a negative errno. */
static int write_piece(struct way *w, const char *buf, size_t n)
{
    while (n > 0) {
        ssize_t done = tuza_write(w->to, buf, n); /* short where an error comes: the next call tells */
        if (done > 0) {
            has_moved(w->session);
            w->bytes += (uint64_t)done;
            buf += done;
            n -= (size_t)done;
        } else if (done != -ETIMEDOUT ||
                   !goes_on(w->session, w->to, &w->write_until, tuza_set_write_deadline)) {
            return (int)done;
        }
    }
    return 0;
}

/*
 * One direction, to its end. Where `to` takes no more it may have sent all it
 * had to say: the other direction goes on and sees its end. What comes here
 * is thrown away until then, since a socket that is closed with input unread
 * loses its output.
 */
static void pass_on(struct way *w)
{
    char buf[PIECE];
    bool refused = false;
    int err = 0;
    ssize_t n;
    while (err == 0 && (n = read_piece(w, buf)) != 0) {
        if (n < 0)
            err = (int)n;
        else if (!refused)
            err = write_piece(w, buf, (size_t)n);
        if (n > 0 && (err == -EPIPE || err == -ECONNRESET)) {
            refused = true;
            err = 0;
        }
    }
    w->err = err != 0 ? err : refused ? -EPIPE : 0;
    if (w->err == 0)
        (void)tuza_shutdown(w->to, SHUT_WR); /* where it is gone already, the other direction learns how */
    if (err != 0) {
        tuza_cancel(w->from);
        tuza_cancel(w->to);
    }
}

struct beside {
    struct way *way;
    TUZA_CHAN(tuza_empty) done; /* of capacity 1; a reference */
};

/* A goroutine's body. When it has said that it is done, the way is gone. */
static void pass_on_beside(void *arg)
{
    const struct beside b = *(struct beside *)arg;
    pass_on(b.way);
    TUZA_CHAN_SEND(b.done, TUZA_EMPTY);
    TUZA_CHAN_UNREF(b.done);
}

/* Both directions at once. 0, or a negative errno where that could not be started. */
static int pass_on_both(struct way *up, struct way *down)
{
    TUZA_CHAN(tuza_empty) done = TUZA_CHAN_MAKE(tuza_empty, 1);
    struct beside b = {down, TUZA_CHAN_REF(done)};
    int err = tuza_go_copy(pass_on_beside, &b, sizeof b);
    if (err == 0) {
        pass_on(up);
        TUZA_CHAN_RECV(done, NULL);
    } else {
        up->err = down->err = err;
        TUZA_CHAN_UNREF(b.done);
    }
    TUZA_CHAN_UNREF(done);
    return err;
}

/* The direction that failed first has the reason; the other was cancelled by it, or both by the context. */
static enum outcome outcome_of(int up, int down)
{
    int err = up == 0 || up == -ECANCELED ? (down != 0 ? down : up) : up;
    if (err == 0)
        return SERVED;
    return err == -ETIMEDOUT ? IDLE : err == -ECANCELED ? CUT : BROKEN;
}

static void set_up(int fd, tuza_context *ctx, int64_t until)
{
    (void)tuza_set_context(fd, ctx);
    if (until != 0)
        (void)tuza_set_deadline(fd, until);
}

static void close_after(int fd, const struct way *into)
{
    if (into->err == 0)
        tuza_close(fd);
    else
        close_broken(fd);
}

/* Between two open connections, until both have ended; closes them. */
static void relay(struct pool *p, tuza_context *ctx, int client, int server)
{
    struct session s = {.idle = p->options->idle};
    int64_t until = s.idle != 0 ? tuza_now() + s.idle : 0;
    has_moved(&s);
    set_up(client, ctx, until);
    set_up(server, ctx, until);
    struct way up = {&s, client, server, until, until, 0, 0};
    struct way down = {&s, server, client, until, until, 0, 0};
    int err = pass_on_both(&up, &down);
    close_after(client, &down);
    close_after(server, &up);
    pool_count(p, err != 0 ? REFUSED : outcome_of(up.err, down.err), up.bytes, down.bytes);
}

static int dial(const struct pool *p, tuza_context *all, const char *address)
{
    tuza_context *ctx = tuza_context_with_timeout(all, p->options->connect);
    int fd = tuza_dial_context(ctx, "tcp", address);
    tuza_context_cancel(ctx);
    tuza_context_unref(ctx);
    return fd;
}

/* A connection to a back-end, each tried once. Returns the descriptor and *backend, or why there is none. */
static int connect_backend(struct pool *p, tuza_context *ctx, int *backend)
{
    uint64_t tried = 0;
    for (;;) {
        int b = pool_take(p, tried);
        if (b < 0)
            return b;
        int fd = dial(p, ctx, p->options->backends[b]);
        if (fd >= 0) {
            *backend = b;
            return fd;
        }
        if (is_shortage(fd) || tuza_context_err(ctx) != 0) {
            pool_give_back(p, b);
            return fd;
        }
        pool_failed(p, b, fd);
        tried |= (uint64_t)1 << b;
    }
}

void serve(void *arg)
{
    const struct session_start start = *(struct session_start *)arg;
    int backend = -1;
    int server = connect_backend(start.pool, start.ctx, &backend);
    if (server >= 0) {
        relay(start.pool, start.ctx, start.client, server);
        pool_give_back(start.pool, backend);
    } else {
        close_broken(start.client);
        pool_count(start.pool,
                   server == -EHOSTUNREACH ? UNREACHED
                   : server == -ECANCELED  ? CUT
                                           : REFUSED,
                   0, 0);
    }
    TUZA_CHAN_RECV(start.slots, NULL);
}
