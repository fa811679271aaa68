/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests made on the thread that sends signals: by functions that a
 * cancelled context calls there, as when it had the last references.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=2 TUZA_CHAOS=7
#include "context/context.h"

#include "go/help.h"

static const int both[] = {SIGUSR1, SIGUSR2};

typedef struct watcher {
    tz_context_node node;
    tuza_context *child, *outer;
    tuza_chan *c, *told;
} watcher;

static void (*handler_of(int sig))(int)
{
    struct sigaction act;
    CHECK_EQ(sigaction(sig, NULL, &act), 0);
    return act.sa_handler;
}

/* Drops what the program has of the context whose end this is, so that the thread has the last reference; and
 * changes everything else. */
static void told(tz_context_node *n)
{
    watcher *w = (watcher *)(void *)n;
    tuza_chan *c = tuza_chan_make(sizeof(int), 1), *to = w->told;
    tuza_context_unref(w->outer);
    tuza_context_unref(w->child);
    tuza_signal_stop(w->c);
    CHECK_EQ(tuza_signal_notify(c, both, 2), 0);
    CHECK(!tuza_signal_ignored(SIGUSR1));
    CHECK_EQ(tuza_signal_reset(both + 1, 1), 0);
    CHECK_EQ(tuza_signal_ignore(both + 1, 1), 0);
    CHECK(tuza_signal_ignored(SIGUSR2));
    tuza_signal_stop(c);
    tuza_chan_unref(c);
    tuza_chan_send(to, NULL);
}

static void one_round(tuza_chan *to)
{
    watcher w = {.node.done = told, .c = tuza_chan_make(sizeof(int), 1), .told = to};
    CHECK_EQ(tuza_signal_notify(w.c, both, 2), 0);
    w.outer = tuza_context_with_signals(tuza_context_background(), both, 2);
    w.child = tuza_context_with_cancel(w.outer);
    CHECK(tz_context_watch(w.child, &w.node));
    raise(SIGUSR1);
    tuza_chan_recv(to, NULL);
    tuza_signal_stop(w.c); /* behind whatever the thread does still */
    tuza_chan_unref(w.c);
    CHECK(handler_of(SIGUSR1) == SIG_DFL);
    CHECK(handler_of(SIGUSR2) == SIG_IGN);
    CHECK_EQ(tuza_signal_reset(both + 1, 1), 0);
    CHECK(handler_of(SIGUSR2) == SIG_DFL);
}

TEST(requests_on_the_thread)
{
    tuza_chan *to = tuza_chan_make(0, 0);
    for (int i = 0; i < 200 / SCALE + 2; i++)
        one_round(to);
    tuza_chan_unref(to);
}

TEST_MAIN_TUZA()
