/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program's own handlers beside tuza's: which stack they run on, on
 * threads of every kind, and while threads and goroutines come and go.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=2 TUZA_CHAOS=7
#include "go/help.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

static bool on_alternate(const void *p, stack_t *s)
{
    CHECK_EQ(sigaltstack(NULL, s), 0);
    return !(s->ss_flags & SS_DISABLE) && (uintptr_t)p - (uintptr_t)s->ss_sp < s->ss_size;
}

static int handled, misplaced, bad_mask;

static void handler(int sig)
{
    char here = 0;
    stack_t s;
    (void)sig;
    if (!on_alternate(&here, &s))
        flag_add(&misplaced, 1);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (sigismember(&mask, SIGSEGV) && !HELP_TSAN) /* which blocks everything around its handlers */
        flag_add(&bad_mask, 1);
    errno = 4711;
    errno = 0;
    flag_add(&handled, 1);
}

static void handle(int sig, void (*fn)(int))
{
    struct sigaction act = {.sa_handler = fn, .sa_flags = SA_ONSTACK | SA_RESTART};
    CHECK_EQ(sigaction(sig, &act, NULL), 0);
}

static void raise_it(void *arg)
{
    tuza_chan *c = arg;
    tuza_lock_os_thread(); /* the thread that the stack belongs to */
    char here = 0;
    stack_t s;
    CHECK(!on_alternate(&here, &s));
    CHECK(!(s.ss_flags & SS_DISABLE));
    CHECK(s.ss_size >= (64 << 10));
    raise(SIGUSR1);
    tuza_unlock_os_thread();
    tuza_chan_send(c, NULL);
}

/* SG-21: on goroutines' threads handlers that ask for it have an alternate stack. */
TEST(goroutines_have_signal_stacks)
{
    handle(SIGUSR1, handler);
    handled = 0;
    tuza_chan *c = tuza_chan_make(0, 0);
    for (int i = 0; i < 50; i++)
        GO(raise_it, c);
    for (int i = 0; i < 50; i++)
        tuza_chan_recv(c, NULL);
    EVENTUALLY(flag_get(&handled) == 50);
    CHECK_EQ(misplaced, 0);
    CHECK_EQ(bad_mask, 0);
    settle(1);
    tuza_chan_unref(c);
}

struct own {
    tuza_chan *c;
    bool has;
    int done;
};

static void *foreign(void *arg)
{
    struct own *own = arg;
    static _Thread_local char memory[128 << 10];
    stack_t s = {.ss_sp = memory, .ss_size = sizeof memory}, now;
    if (own->has) {
        CHECK_EQ(sigaltstack(&s, NULL), 0);
    } else {
        stack_t none = {.ss_flags = SS_DISABLE};
        CHECK_EQ(sigaltstack(&none, NULL), 0);
    }
    tuza_chan_send(own->c, NULL);
    CHECK_EQ(sigaltstack(NULL, &now), 0);
    CHECK(!(now.ss_flags & SS_DISABLE));
    CHECK_EQ(now.ss_sp == memory, own->has);
    pthread_kill(pthread_self(), SIGUSR1);
    CHECK_EQ(sigaltstack(NULL, &now), 0);
    CHECK_EQ(now.ss_sp == memory, own->has);
    if (own->has && HELP_ASAN) { /* it unmaps what is set at the end */
        stack_t none = {.ss_flags = SS_DISABLE};
        CHECK_EQ(sigaltstack(&none, NULL), 0);
    }
    flag_set(&own->done, 1);
    return NULL;
}

/* FT-12: a foreign thread gets a signal stack with its first call, or keeps its own. */
TEST(foreign_threads_keep_theirs)
{
    handle(SIGUSR1, handler);
    for (int i = 0; i < 20; i++) {
        struct own own = {.c = tuza_chan_make(0, 1), .has = i % 2};
        pthread_t t;
        handled = 0;
        CHECK_EQ(pthread_create(&t, NULL, foreign, &own), 0);
        EVENTUALLY(flag_get(&own.done));
        pthread_join(t, NULL);
        CHECK_EQ(handled, 1);
        tuza_chan_unref(own.c);
    }
    CHECK_EQ(misplaced, 0);
}

static int mappings(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    CHECK(f);
    int n = 0;
    for (int c; (c = getc(f)) != EOF;)
        n += c == '\n';
    fclose(f);
    return n;
}

static void ends_locked(void *arg)
{
    tuza_lock_os_thread();
    tuza_chan_send(arg, NULL);
}

/* LK-21: the signal stacks of threads that have ended are the next ones'. */
TEST(ended_threads_leave_no_stack)
{
    tuza_chan *c = tuza_chan_make(0, 0);
    int before = 0;
    for (int i = 0; i < 600; i++) {
        GO(ends_locked, c);
        tuza_chan_recv(c, NULL);
        if (i == 100)
            before = mappings();
    }
    settle(1);
    /* The last ones are given back within seconds. 500 left would be 1,000 mappings; under
     * AddressSanitizer and an emulator guards are mappings of their own, so each thread that there was
     * at once has more of them. */
    SPIN_UNTIL(mappings() < before + (HELP_ASAN || HELP_EMULATED ? 600 : 100));
    tuza_chan_unref(c);
}

static int ticks;

static void tick(int sig)
{
    (void)sig;
    int saved = errno;
    errno = 1;
    flag_add(&ticks, 1);
    errno = saved;
}

static int stop;

static void busy(void *arg)
{
    tuza_chan *c = arg;
    while (!flag_get(&stop)) {
        tuza_chan_send(c, NULL);
        tuza_chan_recv(c, NULL);
        tuza_gosched();
    }
}

static void *attaches(void *arg)
{
    tuza_chan *c = arg;
    errno = 99;
    tuza_chan_try_send(c, NULL);
    tuza_chan_try_recv(c, NULL, NULL);
    CHECK_EQ(errno, 99);
    return NULL;
}

/* SG-23, FT-08: a profiler's signals hit goroutines, the scheduler, threads that come and go. */
TEST(profiling_signals)
{
    handle(SIGPROF, tick);
    struct itimerval timer = {{0, 1000}, {0, 1000}};
    CHECK_EQ(setitimer(ITIMER_PROF, &timer, NULL), 0);
    tuza_chan *c = tuza_chan_make(0, 4), *ends = tuza_chan_make(0, 0);
    stop = 0;
    for (int i = 0; i < 8; i++)
        GO(busy, c);
    int want = 500 / SCALE; /* some 4 ms each */
    double end = tz_test_seconds() + BOUND_S;
    for (int i = 0; flag_get(&ticks) < want || i < 100; i++) {
        CHECK(tz_test_seconds() < end);
        GO(ends_locked, ends);
        tuza_chan_recv(ends, NULL);
        pthread_t t;
        CHECK_EQ(pthread_create(&t, NULL, attaches, c), 0);
        pthread_join(t, NULL);
    }
    flag_set(&stop, 1);
    struct itimerval off = {{0, 0}, {0, 0}};
    CHECK_EQ(setitimer(ITIMER_PROF, &off, NULL), 0);
    while (tuza_num_goroutine() > 1) {
        CHECK(tz_test_seconds() < end);
        tuza_chan_try_recv(c, NULL, NULL);
        tuza_chan_try_send(c, NULL);
        tuza_sleep(TUZA_MILLISECOND);
    }
    signal(SIGPROF, SIG_IGN);
    tuza_chan_unref(c);
    tuza_chan_unref(ends);
}

TEST_MAIN_TUZA()
