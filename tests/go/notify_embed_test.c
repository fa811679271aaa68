/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals sent to channels in programs that keep their own main. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=2 TUZA_CHAOS=7
#include "go/help.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static int handled;

static void count(int sig)
{
    (void)sig;
    flag_add(&handled, 1);
}

static void (*handler_of(int sig))(int)
{
    struct sigaction act;
    CHECK_EQ(sigaction(sig, NULL, &act), 0);
    return act.sa_handler;
}

static const int both[] = {SIGUSR1, SIGQUIT};

static void wait_sig(tuza_chan *c, int sig)
{
    int got = 0;
    CHECK(tuza_chan_recv(c, &got));
    CHECK_EQ(got, sig);
}

/* Ignoring starts no runtime, so forks are free. */
TEST(ignore_starts_nothing)
{
    int sig = SIGUSR2;
    CHECK_EQ(tuza_signal_ignore(&sig, 1), 0);
    CHECK(tuza_signal_ignored(sig));
    CHECK_EQ(tuza_signal_reset(&sig, 1), 0);
    CHECK(handler_of(SIGUSR2) == SIG_DFL);
    tuza_options o = {.max_procs = 3};
    CHECK_EQ(tuza_start(&o), 0); /* options are refused where it runs already */
    CHECK_EQ(tuza_stop(0), 0);
}

/* Whoever has refused signals has refused these. */
TEST(refused)
{
    tuza_options o = {.flags = TUZA_NO_SIGNALS};
    tuza_chan *c = tuza_chan_make(sizeof(int), 1);
    CHECK_EQ(tuza_start(&o), 0);
    CHECK_EQ(tuza_signal_notify(c, both, 2), -ENOTSUP);
    CHECK_EQ(tuza_signal_ignore(both, 2), -ENOTSUP);
    CHECK(!tuza_signal_ignored(SIGUSR1));
    CHECK_EQ(tuza_signal_reset(both, 2), 0);
    tuza_signal_stop(c);
    CHECK(handler_of(SIGUSR1) == SIG_DFL);
    CHECK(handler_of(SIGQUIT) == SIG_DFL);
    CHECK_EQ(tuza_stop(0), 0);
    tuza_chan_unref(c);
}

/* The last tuza_stop stops all channels and puts back what was there; then it starts anew. */
TEST(last_stop)
{
    struct sigaction act = {.sa_handler = count, .sa_flags = SA_RESTART};
    tuza_chan *c = tuza_chan_make(sizeof(int), 1);
    CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
    for (int i = 0; i < 20; i++) {
        handled = 0;
        CHECK_EQ(tuza_start(NULL), 0);
        CHECK_EQ(tuza_signal_notify(c, both, 2), 0);
        raise(SIGUSR1);
        wait_sig(c, SIGUSR1);
        raise(SIGQUIT);
        wait_sig(c, SIGQUIT);
        if (i % 2)
            CHECK_EQ(tuza_signal_ignore(both, 1), 0);
        CHECK_EQ(tuza_stop(0), 0);
        CHECK(handler_of(SIGUSR1) == count);
        CHECK(handler_of(SIGQUIT) == SIG_DFL);
        raise(SIGUSR1);
        CHECK_EQ(handled, 1);
        CHECK_EQ(tuza_chan_len(c), 0);
    }
    tuza_chan_unref(c);
    signal(SIGUSR1, SIG_DFL);
}

static void nothing(void *arg)
{
    (void)arg;
}

/* Asked for before the runtime has handlers, then with them, then without. */
TEST(handlers_come_later)
{
    tuza_chan *c = tuza_chan_make(sizeof(int), 1);
    CHECK_EQ(tuza_signal_notify(c, both, 2), 0);
    void (*notes)(int) = handler_of(SIGQUIT);
    CHECK(notes == handler_of(SIGUSR1));
    raise(SIGQUIT);
    wait_sig(c, SIGQUIT);
    CHECK_EQ(tuza_start(NULL), 0);
    CHECK(notes != handler_of(SIGQUIT)); /* the one for reports, which asks first */
    CHECK(notes == handler_of(SIGUSR1));
    raise(SIGQUIT);
    wait_sig(c, SIGQUIT);
    GO(nothing, NULL);
    tuza_signal_stop(c);
    CHECK(SIG_DFL != handler_of(SIGQUIT));
    CHECK(SIG_DFL == handler_of(SIGUSR1));
    CHECK_EQ(tuza_signal_notify(c, both, 2), 0);
    CHECK_EQ(tuza_stop(0), 0);
    CHECK(SIG_DFL == handler_of(SIGQUIT));
    CHECK(SIG_DFL == handler_of(SIGUSR1));
    tuza_chan_unref(c);
}

/* A child that had no goroutines has a runtime of its own, and no channels of its parent's. */
TEST(child_with_its_own)
{
    if (!HELP_FORKS)
        SKIP("no threads in children");
    tuza_chan *c = tuza_chan_make(sizeof(int), 1);
    CHECK_EQ(tuza_signal_notify(c, both, 2), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (handler_of(SIGUSR1) != SIG_DFL || handler_of(SIGQUIT) != SIG_DFL)
            _exit(1);
        tuza_chan *own = tuza_chan_make(sizeof(int), 1);
        int got = 0;
        if (tuza_signal_notify(own, both, 1) != 0)
            _exit(2);
        raise(SIGUSR1);
        if (!tuza_chan_recv(own, &got) || got != SIGUSR1 || tuza_chan_len(c))
            _exit(3);
        _exit(0);
    }
    int status = 0;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    raise(SIGUSR1);
    wait_sig(c, SIGUSR1);
    tuza_signal_stop(c);
    tuza_chan_unref(c);
}

TEST_MAIN()
