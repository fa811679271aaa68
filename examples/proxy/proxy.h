/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parts of the proxy example and who talks to whom.
 *
 *     accept loop (main.c) --a slot--> a goroutine for each connection (session.c)
 *                                          |  takes a back-end from, gives it back to
 *                                          v
 *     a goroutine for each back-end ---> pool (pool.c): who is up, how busy, who waits
 *     that checks it (health.c)
 *
 * A session is two goroutines, one for each direction: they read here, write
 * there, and pass on the end of what they read. All I/O is written as if it
 * blocked. What ends it early: deadlines on the descriptors (nothing moves),
 * tuza_cancel (the other direction failed), and the context that all
 * descriptors share (the drain is over).
 *
 * Limits are places in channels: `slots` has one for each connection there
 * may be, and who can't send there has to wait. At the end whoever has filled
 * all slots himself knows that no session is left.
 */
#ifndef EXAMPLE_PROXY_H
#define EXAMPLE_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tuza.h>

enum { BACKENDS_MAX = 64 };

/* Settings: constant once the proxy runs. Times are nanoseconds. */
struct options {
    const char *listen;
    char **backends;
    size_t backend_count;
    size_t max, backend_max; /* connections overall, and at each back-end */
    bool round_robin;        /* else the least busy back-end */
    bool refuse;             /* over a limit: close at once, do not wait */
    int64_t wait;            /* for a place at a back-end */
    int64_t connect, idle, check, drain;
};
/* options.c: false, after a message, where the command line is wrong; *help: it only asks. */
bool parse_options(struct options *o, int argc, char **argv, bool *help);

/* How a connection ended. */
enum outcome {
    SERVED,    /* both sides have ended what they sent */
    BROKEN,    /* one of them failed in between */
    IDLE,      /* nothing moved for too long */
    CUT,       /* by the end of the drain */
    REFUSED,   /* over a limit */
    UNREACHED, /* no back-end was up */
    OUTCOMES
};

struct backend {
    const char *address;
    bool up;
    size_t active;
    uint64_t taken, failed_dials, went_down;
};

/* pool.c. All but options is under the lock. */
struct waiter;
struct pool {
    const struct options *options;
    tuza_mutex lock;
    struct backend *backends;
    size_t next;                   /* where the next choice begins */
    struct waiter *first, **after; /* wait for a place, in order */
    uint64_t outcomes[OUTCOMES], up_bytes, down_bytes;
};
void pool_init(struct pool *p, const struct options *o);
/*
 * A back-end with a free place, which is taken; none of those in `tried`
 * (bits). Waits for one where all are full, if that is allowed.
 * Returns its number; -EHOSTUNREACH: none is up; -EBUSY: no free place, or
 * not in time.
 */
int pool_take(struct pool *p, uint64_t tried);
void pool_give_back(struct pool *p, int backend);
/* As give_back, of one that could not be dialled: it is down. */
void pool_failed(struct pool *p, int backend, int err);
/* What a check came to: 0, or why the back-end is down. */
void pool_checked(struct pool *p, int backend, int err);
void pool_count(struct pool *p, enum outcome how, uint64_t up_bytes, uint64_t down_bytes);
void pool_report(struct pool *p);

/* health.c: a goroutine's body; checks one back-end for ever. */
struct check {
    struct pool *pool;
    int backend;
};
void check_backend(void *check);
/* Whether an error tells of this machine being short of something, not of the peer. */
bool is_shortage(int err);

/* session.c: a goroutine's body; serves a connection and closes it, then gives its slot back. */
struct session_start {
    struct pool *pool;
    tuza_context *ctx; /* done when all sessions are to end */
    TUZA_CHAN(tuza_empty) slots;
    int client;
};
void serve(void *session_start);
/* Closes so that the peer sees a broken connection, not an end. */
void close_broken(int fd);

#endif /* EXAMPLE_PROXY_H */
