/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks of a back-end: it is up if it takes a connection in time. One that
 * is down is asked ever more seldom, to a bound. Sessions report failed
 * dials too, so a back-end that dies under load is known before its next check.
 */
#include "proxy.h"

enum { BACKOFF_MAX = 8 }; /* times the usual pause */

static int try_dial(const struct options *o, const char *address)
{
    tuza_context *ctx = tuza_context_with_timeout(tuza_context_background(), o->connect);
    int fd = tuza_dial_context(ctx, "tcp", address);
    tuza_context_cancel(ctx);
    tuza_context_unref(ctx);
    if (fd < 0)
        return fd;
    tuza_close(fd);
    return 0;
}

bool is_shortage(int err)
{
    return err == -EMFILE || err == -ENFILE || err == -ENOBUFS || err == -ENOMEM || err == -EADDRNOTAVAIL;
}

void check_backend(void *arg)
{
    const struct check c = *(struct check *)arg;
    const struct options *o = c.pool->options;
    int64_t pause = o->check;
    for (;;) {
        int err = try_dial(o, o->backends[c.backend]);
        if (!is_shortage(err))
            pool_checked(c.pool, c.backend, err);
        if (err == 0)
            pause = o->check;
        tuza_sleep(pause);
        if (err != 0 && pause < BACKOFF_MAX * o->check)
            pause *= 2;
    }
}
