/* SPDX-License-Identifier: BSD-3-Clause */
/* Who wants which signals, as the files of notify/ see it: requests to the thread that sends them. */
#ifndef TZ_SERVER_H
#define TZ_SERVER_H

#include "tuza/chan.h"
#include "tuza/context.h"

/* Who wants signals: a channel, to which they are sent; or a context, which the first one ends. All but the
 * pointers is server.c's. */
typedef struct tz_taker {
    struct tz_taker *next;
    tuza_chan *chan;   /* const: NULL: it is a context's */
    tuza_context *ctx; /* const */
    uint64_t signals;
    uint64_t due; /* have come, and are to be sent */
} tz_taker;

enum { TZ_ASK_NOTIFY, TZ_ASK_STOP, TZ_ASK_IGNORE, TZ_ASK_RESET, TZ_ASK_END };

typedef struct tz_request {
    int what;
    tuza_chan *chan;  /* STOP: whose signals, or NULL: */
    tz_taker *taker;  /* the context's; NOTIFY: a new one, NULL afterwards if it was taken up */
    uint64_t signals; /* NOTIFY, IGNORE, RESET */
    tz_taker *gone;   /* channels that want nothing any more, for the asker to free */
} tz_request;

/* The runtime and the thread run. 0 or a negative errno: -ENOTSUP where signals are refused. */
int tz_server_start(void);
/* Has it done; waits for the thread. -ECANCELED: the process ends, and nothing is done; -EAGAIN: NOTIFY, and
 * there is no thread (any more). */
int tz_server_ask(tz_request *r);
/* Drops what the request has left. */
void tz_server_forget(tz_taker *t);

/* Keeps requests out for the moment, where the process goes on. */
bool tz_server_lock(void);
void tz_server_unlock(void);

/* The set that (signals, n) stands for; false: a number is no signal that could be had. */
bool tz_server_set(const int *signals, size_t n, uint64_t *set);

#endif /* TZ_SERVER_H */
