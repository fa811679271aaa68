/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals sent to channels. What ends the process is in crash/notify.c. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=2 TUZA_CHAOS=7
#include "go/notify.h"

#include <pthread.h>

/* The emulator keeps the last ones to itself. */
#define LAST (HELP_EMULATED ? SIGRTMAX - 4 : SIGRTMAX)

/* SG-11, SG-14: TestSignal. */
TEST(signal)
{
    tuza_chan *c = make(1), *all = make(10);
    notify(c, SIGHUP);
    raise(SIGHUP);
    wait_sig(c, SIGHUP);
    CHECK_EQ(tuza_signal_notify(all, NULL, 0), 0);
    raise(SIGWINCH);
    wait_sig(all, SIGWINCH);
    raise(SIGHUP);
    wait_sig(all, SIGHUP);
    wait_sig(c, SIGHUP);
    raise(SIGRTMIN + 3);
    wait_sig(all, SIGRTMIN + 3);
    raise(LAST);
    wait_sig(all, LAST);
    CHECK_EQ(tuza_chan_len(c), 0);
    done(c);
    done(all);
}

/* SG-11: a channel that is full gets no more, and nobody waits for it. */
TEST(full_channel_drops)
{
    tuza_chan *c = make(1), *other = make(4), *none = make(0);
    int both[] = {SIGUSR1, SIGUSR2};
    CHECK_EQ(tuza_signal_notify(c, both, 2), 0);
    CHECK_EQ(tuza_signal_notify(none, both, 2), 0);
    CHECK_EQ(tuza_signal_notify(other, both, 2), 0);
    raise(SIGUSR1);
    wait_sig(other, SIGUSR1);
    raise(SIGUSR2);
    wait_sig(other, SIGUSR2);
    done(none);
    tuza_signal_stop(c); /* all that comes has come */
    wait_sig(c, SIGUSR1);
    CHECK_EQ(tuza_chan_len(c), 0);
    tuza_chan_unref(c);
    done(other);
}

/* SG-11: with room for one, something comes after the last signal, however many there were. */
TEST(one_comes_after_the_last)
{
    tuza_chan *c = make(1);
    notify(c, SIGUSR1);
    for (int round = 0; round < 2000 / SCALE; round++) {
        for (int i = 0; i < round % 7 + 1; i++)
            raise(SIGUSR1);
        wait_sig(c, SIGUSR1);
    }
    done(c);
}

static void add_one(void *arg)
{
    tuza_chan *c = arg;
    notify(c, SIGUSR2);
}

/* Further calls add; a channel is listed once; goroutines may do it. */
TEST(calls_add_up)
{
    tuza_chan *c = make(4);
    notify(c, SIGUSR1);
    notify(c, SIGUSR1);
    GO(add_one, c);
    settle(1);
    raise(SIGUSR1);
    wait_sig(c, SIGUSR1);
    raise(SIGUSR2);
    wait_sig(c, SIGUSR2);
    tuza_signal_stop(c);
    CHECK_EQ(tuza_chan_len(c), 0);
    CHECK(handler_of(SIGUSR1) == SIG_DFL);
    CHECK(handler_of(SIGUSR2) == SIG_DFL);
    tuza_signal_stop(c);
    tuza_signal_stop(NULL);
    tuza_chan_unref(c);
}

/* SG-13, SG-15: TestStop; a handler that was there is not called meanwhile, and has its place back. */
TEST(stop)
{
    static const int signals[] = {SIGWINCH, SIGHUP, SIGUSR1};
    for (size_t i = 0; i < 3; i++) {
        int sig = signals[i];
        set_handler(sig, count);
        handled = 0;
        raise(sig);
        CHECK_EQ(flag_get(&handled), 1);
        tuza_chan *c = make(1);
        notify(c, sig);
        raise(sig);
        wait_sig(c, sig);
        CHECK_EQ(flag_get(&handled), 1);
        tuza_signal_stop(c);
        CHECK(handler_of(sig) == count);
        raise(sig);
        CHECK_EQ(flag_get(&handled), 2);
        CHECK_EQ(tuza_chan_len(c), 0);
        tuza_chan_unref(c);
        set_handler(sig, SIG_DFL);
    }
}

/* SG-14, SG-15: one of several stops. */
TEST(stop_one_of_two)
{
    set_handler(SIGUSR1, count);
    handled = 0;
    tuza_chan *a = make(1), *b = make(1);
    notify(a, SIGUSR1);
    notify(b, SIGUSR1);
    raise(SIGUSR1);
    wait_sig(a, SIGUSR1);
    wait_sig(b, SIGUSR1);
    raise(SIGUSR1);
    tuza_signal_stop(a);
    CHECK_EQ(tuza_chan_len(a), 1); /* what came before the stop has been sent */
    raise(SIGUSR1);
    wait_sig(b, SIGUSR1);
    CHECK_EQ(handled, 0);
    CHECK_EQ(tuza_chan_len(a), 1);
    tuza_signal_stop(b);
    raise(SIGUSR1);
    CHECK_EQ(handled, 1);
    tuza_chan_unref(a);
    tuza_chan_unref(b);
    set_handler(SIGUSR1, SIG_DFL);
}

struct race {
    int go, raised, rounds;
};

static void *raiser(void *arg)
{
    struct race *r = arg;
    for (int i = 1; i <= r->rounds; i++) {
        SPIN_UNTIL(flag_get(&r->go) >= i);
        for (volatile int spin = i * 37 % 1000; spin > 0; spin--)
            ;
        raise(SIGUSR1);
        flag_set(&r->raised, i);
    }
    return NULL;
}

/* SG-13: TestAtomicStop: a signal that comes during a stop is sent, or its handler is called. */
TEST(stop_is_atomic)
{
    struct race r = {.rounds = 3000 / SCALE};
    pthread_t t;
    int sent = 0;
    set_handler(SIGUSR1, count);
    CHECK_EQ(pthread_create(&t, NULL, raiser, &r), 0);
    for (int i = 1; i <= r.rounds; i++) {
        tuza_chan *c = make(1);
        handled = 0;
        notify(c, SIGUSR1);
        flag_set(&r.go, i);
        tuza_signal_stop(c);
        size_t got = tuza_chan_len(c);
        SPIN_UNTIL(flag_get(&r.raised) == i);
        CHECK_EQ(tuza_chan_len(c), got);
        CHECK_EQ((int)got + flag_get(&handled), 1);
        sent += (int)got;
        tuza_chan_unref(c);
    }
    pthread_join(t, NULL);
    printf("(%d of %d sent) ", sent, r.rounds);
    set_handler(SIGUSR1, SIG_DFL);
}

/* SG-10: TestIgnore, TestIgnored, TestReset. */
TEST(ignore_and_reset)
{
    tuza_chan *c = make(1);
    set_handler(SIGUSR1, count);
    handled = 0;
    notify(c, SIGUSR1);
    CHECK(!tuza_signal_ignored(SIGUSR1));
    ignore(SIGUSR1);
    CHECK(tuza_signal_ignored(SIGUSR1));
    CHECK(handler_of(SIGUSR1) == SIG_IGN);
    raise(SIGUSR1);
    notify(c, SIGUSR1);
    CHECK(!tuza_signal_ignored(SIGUSR1));
    CHECK_EQ(tuza_chan_len(c), 0);
    raise(SIGUSR1);
    wait_sig(c, SIGUSR1);
    reset(SIGUSR1);
    CHECK(handler_of(SIGUSR1) == count);
    raise(SIGUSR1);
    CHECK_EQ(handled, 1);
    CHECK_EQ(tuza_chan_len(c), 0);
    ignore(SIGUSR1);
    reset(SIGUSR1);
    CHECK(handler_of(SIGUSR1) == count);
    tuza_chan_unref(c);
    set_handler(SIGUSR1, SIG_DFL);
}

/* SG-10: what is ignored from the start (nohup). */
TEST(ignored_at_the_start)
{
    tuza_chan *c = make(1);
    set_handler(SIGHUP, SIG_IGN);
    CHECK(tuza_signal_ignored(SIGHUP));
    CHECK(!tuza_signal_ignored(SIGCHLD)); /* by default nothing happens, but that is another thing */
    raise(SIGHUP);
    notify(c, SIGHUP);
    CHECK(!tuza_signal_ignored(SIGHUP));
    raise(SIGHUP);
    wait_sig(c, SIGHUP);
    reset(SIGHUP);
    CHECK(tuza_signal_ignored(SIGHUP));
    raise(SIGHUP);
    notify(c, SIGHUP);
    tuza_signal_stop(c);
    CHECK(tuza_signal_ignored(SIGHUP));
    CHECK(handler_of(SIGHUP) == SIG_IGN);
    CHECK_EQ(tuza_chan_len(c), 0);
    tuza_chan_unref(c);
    set_handler(SIGHUP, SIG_DFL);
}

/* All at once: no number is one that libc or the kernel keeps. */
TEST(all_signals)
{
    struct sigaction before[65], now;
    for (int sig = 1; sig <= 64; sig++)
        if (sigaction(sig, NULL, &before[sig]) != 0)
            before[sig].sa_flags = -1;
    tuza_chan *c = make(1);
    CHECK_EQ(tuza_signal_notify(c, NULL, 0), 0);
    for (int sig = 1; sig <= 64; sig++) {
        CHECK(!tuza_signal_ignored(sig));
        if (sig == SIGKILL || sig == SIGSTOP || sig == BLOCKED || before[sig].sa_flags == -1 ||
            (sig > 31 && sig < SIGRTMIN))
            continue;
        if (sig > LAST)
            continue;
        raise(sig);
        wait_sig(c, sig);
    }
    CHECK_EQ(tuza_signal_reset(NULL, 0), 0);
    for (int sig = 1; sig <= 64; sig++) {
        if (before[sig].sa_flags == -1 || sigaction(sig, NULL, &now) != 0)
            continue;
        CHECK(now.sa_sigaction == before[sig].sa_sigaction);
    }
    tuza_chan_unref(c);
}

/* SG-16: TestSIGCONT; SIGTSTP, which would stop the process. */
TEST(cont_and_stop)
{
    tuza_chan *c = make(2);
    notify(c, SIGCONT);
    notify(c, SIGTSTP);
    raise(SIGCONT);
    wait_sig(c, SIGCONT);
    raise(SIGTSTP);
    wait_sig(c, SIGTSTP);
    done(c);
}

/* SG-18: numbers that are no signals change nothing. */
TEST(bad_numbers)
{
    static const int bad[] = {0, -1, 65, 1000, INT32_MAX, INT32_MIN, SIGKILL, SIGSTOP};
    tuza_chan *c = make(1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int two[] = {SIGUSR1, bad[i]};
        CHECK_EQ(tuza_signal_notify(c, two, 2), -EINVAL);
        CHECK_EQ(tuza_signal_ignore(two, 2), -EINVAL);
        CHECK_EQ(tuza_signal_reset(two, 2), -EINVAL);
        CHECK(!tuza_signal_ignored(bad[i]));
    }
    for (int sig = 32; sig < SIGRTMIN; sig++)
        CHECK_EQ(tuza_signal_notify(c, &sig, 1), -EINVAL);
    CHECK_EQ(tuza_signal_notify(c, NULL, 1), -EINVAL);
    CHECK(handler_of(SIGUSR1) == SIG_DFL);
    tuza_chan_unref(c);
}

static void notify_nil(void *unused)
{
    (void)unused;
    tuza_defer(keep_text, NULL);
    int sig = SIGUSR1;
    (void)tuza_signal_notify(NULL, &sig, 1);
}

static void notify_wide(void *c)
{
    tuza_defer(keep_text, NULL);
    int sig = SIGUSR1;
    (void)tuza_signal_notify(c, &sig, 1);
}

/* SG-12. */
TEST(panics)
{
    tuza_chan *wide = tuza_chan_make(8, 1);
    CHECK(!tuza_call(notify_nil, NULL));
    CHECK_STR(recovered, "os/signal: Notify using nil channel");
    CHECK(!tuza_call(notify_wide, wide));
    CHECK_STR(recovered, "tuza: elements of a channel for signals must be int");
    tuza_chan_unref(wide);
    tuza_chan *c = make(1); /* nothing is left behind */
    notify(c, SIGUSR1);
    raise(SIGUSR1);
    wait_sig(c, SIGUSR1);
    done(c);
}

/* SG-20: every thread of the program's blocks it. Afterwards it is blocked everywhere again. */
TEST(blocked_everywhere)
{
    set_handler(BLOCKED, count);
    handled = 0;
    tuza_chan *c = make(1);
    for (int i = 0; i < 10; i++) {
        sigset_t set;
        notify(c, BLOCKED);
        kill(getpid(), BLOCKED);
        wait_sig(c, BLOCKED);
        tuza_signal_stop(c);
        kill(getpid(), BLOCKED);
        sigemptyset(&set);
        sigaddset(&set, BLOCKED);
        CHECK_EQ(sigwaitinfo(&set, NULL), BLOCKED);
        CHECK_EQ(tuza_chan_len(c), 0);
        kill(getpid(), BLOCKED); /* waits for whoever asks next */
        notify(c, BLOCKED);
        wait_sig(c, BLOCKED);
    }
    CHECK_EQ(handled, 0);
    done(c);
}

static void *plain(void *c)
{
    int got = 0;
    notify(c, SIGUSR1);
    raise(SIGUSR1);
    CHECK(tuza_chan_recv(c, &got));
    CHECK_EQ(got, SIGUSR1);
    tuza_signal_stop(c);
    CHECK_EQ(tuza_chan_len(c), 0);
    return c;
}

/* Plain threads ask and wait too; the thread that sends is in no traceback, nor a goroutine. */
TEST(plain_threads)
{
    tuza_chan *c = make(1);
    pthread_t t;
    CHECK_EQ(pthread_create(&t, NULL, plain, c), 0);
    EVENTUALLY(pthread_tryjoin_np(t, NULL) == 0);
    CHECK_EQ(tuza_num_goroutine(), 1);
    static char text[1 << 16];
    tuza_stack(text, sizeof text, true);
    CHECK(!strstr(text, "thread "));
    tuza_chan_unref(c);
}

/* SG-04, SG-08: of what tuza has handlers for: what is sent goes to the channel, no report comes. */
TEST(signals_of_reports)
{
    static const int signals[] = {SIGQUIT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGURG};
    tuza_chan *c = make(1);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        void (*ours)(int) = handler_of(signals[i]);
        notify(c, signals[i]);
        raise(signals[i]);
        wait_sig(c, signals[i]);
        ignore(signals[i]);
        CHECK(tuza_signal_ignored(signals[i]));
        raise(signals[i]);
        CHECK(handler_of(signals[i]) == ours);
        reset(signals[i]);
        CHECK(!tuza_signal_ignored(signals[i]));
        CHECK_EQ(tuza_chan_len(c), 0);
    }
    done(c);
}

static int spinning;

__attribute__((noinline)) static void spin_here(void *arg)
{
    (void)arg;
    flag_set(&spinning, 1);
    while (flag_get(&spinning))
        ;
}

/* By SIGURG threads are asked for their frames, whoever else wants it. */
TEST(urg_is_for_tracebacks_too)
{
    if (HELP_TSAN)
        SKIP("the signal waits until libc is called");
    static char text[1 << 16];
    tuza_chan *c = make(1);
    notify(c, SIGURG);
    GO(spin_here, NULL);
    EVENTUALLY(flag_get(&spinning));
    EVENTUALLY(tuza_stack(text, sizeof text, true) && strstr(text, "spin_here("));
    wait_sig(c, SIGURG);
    flag_set(&spinning, 0);
    settle(1);
    done(c);
}

/* What the program puts in the place of our handler stays there. */
TEST(handler_of_the_program)
{
    tuza_chan *c = make(1);
    notify(c, SIGUSR1);
    set_handler(SIGUSR1, count);
    handled = 0;
    raise(SIGUSR1);
    CHECK_EQ(handled, 1);
    notify(c, SIGUSR1);
    raise(SIGUSR1);
    wait_sig(c, SIGUSR1);
    tuza_signal_stop(c);
    CHECK(handler_of(SIGUSR1) == count);
    notify(c, SIGUSR1);
    set_handler(SIGUSR1, SIG_DFL);
    tuza_signal_stop(c);
    CHECK(handler_of(SIGUSR1) == SIG_DFL);
    tuza_chan_unref(c);
}

/* NP-28: whoever asks for SIGPIPE, or ignores it, gets the error. */
TEST(pipe_without_a_reader)
{
    int fd[2];
    tuza_chan *c = make(1);
    CHECK_EQ(pipe(fd), 0);
    close(fd[0]);
    notify(c, SIGPIPE);
    CHECK_EQ(write(fd[1], "x", 1), -1);
    CHECK_EQ(errno, EPIPE);
    wait_sig(c, SIGPIPE);
    ignore(SIGPIPE);
    CHECK_EQ(write(fd[1], "x", 1), -1);
    CHECK_EQ(errno, EPIPE);
    CHECK_EQ(tuza_chan_len(c), 0);
    close(fd[1]);
    tuza_chan_unref(c);
    reset(SIGPIPE);
}

TEST_MAIN_NOTIFY()
