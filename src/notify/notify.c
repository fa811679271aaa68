/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals sent to channels, and contexts that end with a signal: the public functions. */
#include "notify/notify.h"

#include <errno.h>
#include <stdlib.h>

#include "notify/server.h"
#include "notify/wanted.h"
#include "panic/panic.h"
#include "signal/signal.h"
#include "tuza/signal.h"

static tz_taker *make_taker(tuza_chan *c, tuza_context *ctx)
{
    int saved = errno;
    tz_taker *t = malloc(sizeof *t);
    errno = saved;
    if (t)
        *t = (tz_taker){.chan = c, .ctx = ctx};
    return t;
}

/* r has a new taker. */
static int notify(tz_request *r)
{
    int err;
    do
        err = tz_server_start();
    while (err == 0 && (err = tz_server_ask(r)) == -EAGAIN); /* a tuza_stop was faster: once more */
    return err;
}

int tuza_signal_notify(tuza_chan *c, const int *signals, size_t n)
{
    tz_request r = {.what = TZ_ASK_NOTIFY};
    if (!c)
        tz_panic_outside("os/signal: Notify using nil channel");
    if (tuza_chan_elem_size(c) != sizeof(int))
        tz_panic_outside("tuza: elements of a channel for signals must be int");
    if (!tz_server_set(signals, n, &r.signals))
        return -EINVAL;
    r.taker = make_taker(c, NULL);
    if (!r.taker)
        return -ENOMEM;
    tuza_chan_ref(c);
    int err = notify(&r);
    tz_server_forget(r.taker);
    return err;
}

void tuza_signal_stop(tuza_chan *c)
{
    tz_request r = {.what = TZ_ASK_STOP, .chan = c};
    if (!c)
        return;
    (void)tz_server_ask(&r);
    tz_server_forget(r.gone);
}

static int change(int what, const int *signals, size_t n)
{
    tz_request r = {.what = what};
    if (!tz_server_set(signals, n, &r.signals))
        return -EINVAL;
    int err = tz_server_ask(&r);
    tz_server_forget(r.gone);
    return err;
}

int tuza_signal_ignore(const int *signals, size_t n)
{
    int err = tz_sched_want_signals(NULL);
    return err < 0 ? err : change(TZ_ASK_IGNORE, signals, n);
}

int tuza_signal_reset(const int *signals, size_t n)
{
    return change(TZ_ASK_RESET, signals, n);
}

bool tuza_signal_ignored(int sig)
{
    uint64_t set;
    if (!tz_server_set(&sig, 1, &set))
        return false;
    bool locked = tz_server_lock();
    bool ignored = tz_wanted_ignored(sig);
    if (locked)
        tz_server_unlock();
    return ignored;
}

/* The last reference to a context with signals is gone. */
static void stop_context(void *taker)
{
    tz_request r = {.what = TZ_ASK_STOP, .taker = taker};
    if (tz_server_ask(&r) == 0) /* else the thread may have it in hand */
        free(taker);
}

tuza_context *tuza_context_with_signals(tuza_context *parent, const int *signals, size_t n)
{
    static const char key;
    tz_request r = {.what = TZ_ASK_NOTIFY};
    if (!tz_server_set(signals, n, &r.signals))
        tz_panic_outside("tuza: a context can't end with what is no signal");
    /* What the signal cancels, and above it what is the program's: its value is what there is to stop. */
    tuza_context *ctx = tuza_context_with_cancel(parent);
    tz_taker *t = r.taker = make_taker(NULL, ctx);
    if (!t)
        tz_throw("out of memory");
    tuza_context *outer = tuza_context_with_value_free(ctx, &key, t, stop_context);
    int err = notify(&r);
    if (err == -ENOMEM || err == -EAGAIN)
        tz_throw("tuza: no thread to be had for signals");
    tuza_context_unref(ctx);
    return outer;
}

void tz_notify_handle_signals(bool on)
{
    bool locked = tz_server_lock();
    tz_signal_handle(on);
    if (locked)
        tz_server_unlock();
}
