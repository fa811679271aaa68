/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests on signals share. */
#ifndef TZ_GO_NOTIFY_H
#define TZ_GO_NOTIFY_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "go/help.h"

/* Blocked before tuza_run, in every thread of the process. */
#define BLOCKED SIGIO

static inline tuza_chan *make(size_t capacity)
{
    return tuza_chan_make(sizeof(int), capacity);
}

static inline void notify(tuza_chan *c, int sig)
{
    CHECK_EQ(tuza_signal_notify(c, &sig, 1), 0);
}

static inline void ignore(int sig)
{
    CHECK_EQ(tuza_signal_ignore(&sig, 1), 0);
}

static inline void reset(int sig)
{
    CHECK_EQ(tuza_signal_reset(&sig, 1), 0);
}

static inline void wait_sig(tuza_chan *c, int sig)
{
    int got = 0;
    CHECK(tuza_chan_recv(c, &got));
    CHECK_EQ(got, sig);
}

static inline void done(tuza_chan *c)
{
    tuza_signal_stop(c);
    tuza_chan_unref(c);
}

static int handled __attribute__((unused));

static inline void count(int sig)
{
    (void)sig;
    flag_add(&handled, 1);
}

static inline void set_handler(int sig, void (*fn)(int))
{
    struct sigaction act = {.sa_handler = fn, .sa_flags = SA_RESTART | SA_ONSTACK};
    CHECK_EQ(sigaction(sig, &act, NULL), 0);
}

static inline void (*handler_of(int sig))(int)
{
    struct sigaction act;
    CHECK_EQ(sigaction(sig, NULL, &act), 0);
    return act.sa_handler;
}

static const char *recovered __attribute__((unused));

static inline void keep_text(void *unused)
{
    (void)unused;
    recovered = tuza_recover();
}

static inline tuza_context *with(int sig)
{
    return tuza_context_with_signals(tuza_context_background(), &sig, 1);
}

static inline bool is_done(tuza_context *ctx)
{
    tuza_chan_recv(tuza_context_done(ctx), NULL);
    return tuza_context_err(ctx) == -ECANCELED;
}

/* The tests in goroutines, with BLOCKED blocked. */
#define TEST_MAIN_NOTIFY()                                                       \
    int main(int argc, char **argv)                                              \
    {                                                                            \
        sigset_t set;                                                            \
        sigemptyset(&set);                                                       \
        sigaddset(&set, BLOCKED);                                                \
        pthread_sigmask(SIG_BLOCK, &set, NULL);                                  \
        int err = tuza_run(tz_test_main, argc, argv);                            \
        tz_test_fail(__FILE__, __LINE__, "tuza_run returned %d, the call", err); \
    }

#endif /* TZ_GO_NOTIFY_H */
