/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * No goroutine holds up the others: not in a blocking call that nobody
 * announced, not in a loop without calls, also with a single P.
 *
 * Each test has goroutines that are stuck, and others that must get somewhere
 * meanwhile; only what these have done sets the stuck ones free. A scheduler
 * that waits for a stuck goroutine hangs here.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=1 TUZA_CHAOS=31
// ctest: env GOMAXPROCS=2 TUZA_CHAOS=32 | env GOMAXPROCS=1 TUZA_TEST_NO_MEMBARRIER=1
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "go/help.h"

static int stuck, over, stop;

static void reset(void)
{
    flag_set(&stuck, 0);
    flag_set(&over, 0);
    flag_set(&stop, 0);
}

static struct {
    tuza_chan *c[2];
} pair;

static void ping(void *arg)
{
    int n = (int)(intptr_t)arg, v;
    for (int i = 0; i < n; i++) {
        tuza_chan_recv(pair.c[0], &v);
        tuza_chan_send(pair.c[1], &v);
    }
}

/* What the others do meanwhile: switch, start, sleep. */
static void make_progress(void)
{
    enum { N = 1000 / SCALE };
    pair.c[0] = tuza_chan_make(sizeof(int), 0);
    pair.c[1] = tuza_chan_make(sizeof(int), 0);
    int before = tuza_num_goroutine();
    GO(ping, (void *)(intptr_t)N);
    for (int i = 0; i < N; i++) {
        int v;
        tuza_chan_send(pair.c[0], &i);
        tuza_chan_recv(pair.c[1], &v);
        CHECK_EQ(v, i);
    }
    for (int i = 0; i < 10; i++)
        tuza_sleep(TUZA_MILLISECOND / 10);
    settle(before);
    tuza_chan_unref(pair.c[0]);
    tuza_chan_unref(pair.c[1]);
}

static int pipes[2];
static void read_pipe(void *arg)
{
    (void)arg;
    char byte;
    flag_add(&stuck, 1);
    CHECK_EQ(read(pipes[0], &byte, 1), 1);
    CHECK_EQ(byte, 'x');
    flag_add(&over, 1);
}

/* PR-08, PR-10: goroutines in read() on an empty pipe: others go on, and end what they wait for. */
TEST(blocked_in_read)
{
    for (int round = 0; round < 3; round++) {
        enum { READERS = 5 };
        reset();
        CHECK_EQ(pipe(pipes), 0);
        for (int i = 0; i < READERS; i++)
            GO(read_pipe, NULL);
        EVENTUALLY(flag_get(&stuck) == READERS);
        make_progress();
        CHECK_EQ(flag_get(&over), 0);
        CHECK_EQ(write(pipes[1], "xxxxx", READERS), READERS);
        settle(1);
        CHECK_EQ(flag_get(&over), READERS);
        close(pipes[0]);
        close(pipes[1]);
    }
}

static void loop(void *arg)
{
    (void)arg;
    flag_add(&stuck, 1);
    while (!flag_get(&stop))
        ;
    flag_add(&over, 1);
}

/* PR-01, PR-02: goroutines in endless loops without a call: others go on, main is one of them. */
TEST(endless_loops)
{
    reset();
    GO(loop, NULL);
    GO(loop, NULL);
    EVENTUALLY(flag_get(&stuck) == 2);
    make_progress();
    CHECK_EQ(flag_get(&over), 0);
    flag_set(&stop, 1);
    settle(1);
    CHECK_EQ(flag_get(&over), 2);
}

static void sleepy(void *arg)
{
    (void)arg;
    flag_add(&stuck, 1);
    while (!flag_get(&stop)) {
        usleep(10000);
        tuza_chan_try_send(NULL, NULL);
        tuza_gosched();
    }
    flag_add(&over, 1);
}

/* PR-08: goroutines that block again and again (known blockers): others go on. */
TEST(usleep_loops)
{
    reset();
    for (int i = 0; i < 20; i++)
        GO(sleepy, NULL);
    EVENTUALLY(flag_get(&stuck) == 20);
    for (int i = 0; i < 5; i++)
        make_progress();
    flag_set(&stop, 1);
    settle(1);
    CHECK_EQ(flag_get(&over), 20);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void hold_mutex(void *arg)
{
    (void)arg;
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    flag_set(&stuck, 1);
    while (!flag_get(&stop))
        usleep(1000); /* stays on its thread: a mutex is released by who took it */
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

static void take_mutex(void *arg)
{
    (void)arg;
    flag_add(&stuck, 1);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    flag_add(&over, 1);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

/* PR-08: goroutines that wait for a libc mutex which another goroutine holds: others go on, and free it. */
TEST(blocked_in_mutex)
{
    reset();
    GO(hold_mutex, NULL);
    EVENTUALLY(flag_get(&stuck) == 1);
    for (int i = 0; i < 5; i++)
        GO(take_mutex, NULL);
    EVENTUALLY(flag_get(&stuck) == 6);
    make_progress();
    CHECK_EQ(flag_get(&over), 0);
    flag_set(&stop, 1);
    settle(1);
    CHECK_EQ(flag_get(&over), 5);
}

/* PR-08: main itself is stuck, in a loop and in a blocking call, and the others end it. */
static void free_main(void *arg)
{
    make_progress();
    if (arg)
        CHECK_EQ(write(pipes[1], "m", 1), 1);
    flag_set(&stop, 1);
}

TEST(main_is_stuck)
{
    reset();
    GO(free_main, NULL);
    SPIN_UNTIL(flag_get(&stop));
    settle(1);
    reset();
    CHECK_EQ(pipe(pipes), 0);
    GO(free_main, &stop);
    char byte = 0;
    CHECK_EQ(read(pipes[0], &byte, 1), 1);
    CHECK_EQ(byte, 'm');
    settle(1);
    close(pipes[0]);
    close(pipes[1]);
}

static void child_and_wait(void *arg)
{
    (void)arg;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        usleep(50000);
        _exit(7);
    }
    int status;
    flag_add(&stuck, 1);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    flag_add(&over, 1);
}

/* PR-08: a goroutine that waits for a child process. */
TEST(blocked_in_waitpid)
{
    if (HELP_TSAN)
        SKIP("fork of many threads");
    reset();
    GO(child_and_wait, NULL);
    make_progress();
    settle(1);
    CHECK_EQ(flag_get(&over), 1);
}

static void syscall_then_loop(void *arg)
{
    useconds_t us = (useconds_t)(uintptr_t)arg;
    flag_add(&stuck, 1);
    usleep(us);
    while (!flag_get(&stop))
        ;
}

/* PR-05: out of a system call of 10, 100 or 1000 us into a loop: the P is taken all the same. */
TEST(loop_after_syscall)
{
    for (uintptr_t us = 10; us <= 1000; us *= 10) {
        reset();
        GO(syscall_then_loop, (void *)us);
        EVENTUALLY(flag_get(&stuck) == 1);
        make_progress();
        flag_set(&stop, 1);
        settle(1);
    }
}

/* PR-04: stopping the world reaches goroutines in tight loops and blocking calls,
 * and start it again does not need them. */
TEST(stop_the_world)
{
    int was = tuza_gomaxprocs(0);
    reset();
    CHECK_EQ(pipe(pipes), 0);
    GO(loop, NULL);
    GO(loop, NULL);
    GO(read_pipe, NULL);
    EVENTUALLY(flag_get(&stuck) == 3);
    for (int i = 0; i < 20; i++) {
        tuza_gomaxprocs(1 + i % 4);
        CHECK_EQ(tuza_gomaxprocs(0), 1 + i % 4);
    }
    make_progress();
    CHECK_EQ(flag_get(&over), 0);
    flag_set(&stop, 1);
    CHECK_EQ(write(pipes[1], "x", 1), 1);
    settle(1);
    CHECK_EQ(flag_get(&over), 3);
    close(pipes[0]);
    close(pipes[1]);
    tuza_gomaxprocs(was);
}

static long hog_units, light_units;

static void work_unit(void)
{
    for (volatile int i = 0; i < 5000; i++)
        ;
}

static void hog(void *arg)
{
    while (!flag_get(&stop)) {
        work_unit();
        flag_add(&hog_units, 1);
        CHECK(!tuza_chan_try_recv(arg, NULL, NULL));
    }
}

static void light(void *arg)
{
    tuza_chan **c = arg;
    while (tuza_chan_recv(c[0], NULL)) {
        work_unit();
        if (flag_get(&stop)) {
            tuza_chan_close(c[1]);
            return;
        }
        flag_add(&light_units, 1);
        tuza_chan_send(c[1], NULL);
    }
}

/* PR-03, PR-16: a pair that passes control to and fro shares one slice, and a goroutine that only polls has
 * one of its own: neither gets more than 20 times what the other does. */
TEST(ping_pong_hog)
{
    double ratio = 0;
    for (int attempt = 0; attempt < 5; attempt++) {
        tuza_chan *c[3] = {tuza_chan_make(0, 0), tuza_chan_make(0, 0), tuza_chan_make(0, 0)};
        tuza_chan *there[2] = {c[0], c[1]}, *back[2] = {c[1], c[0]};
        reset();
        flag_set(&hog_units, 0);
        flag_set(&light_units, 0);
        GO(hog, c[2]);
        GO(light, there);
        GO(light, back);
        tuza_chan_send(c[0], NULL);
        EVENTUALLY(flag_get(&hog_units) + flag_get(&light_units) > 20000 / SCALE);
        double h = (double)flag_get(&hog_units) + 1, l = (double)flag_get(&light_units) + 1;
        flag_set(&stop, 1);
        settle(1);
        for (int i = 0; i < 3; i++)
            tuza_chan_unref(c[i]);
        ratio = h > l ? h / l : l / h;
        /* Chaos costs the pair, which makes many calls, far more than the other. */
        if (ratio <= (help_chaos() ? 400 : 20))
            return;
    }
    tz_test_fail(__FILE__, __LINE__, "a ratio of %.1f, five times:", ratio);
}

static int signals;
static void on_signal(int sig)
{
    (void)sig;
    flag_add(&signals, 1);
}

/* PR-17: signals during goroutines' execution are handled on whatever stack they find,
 * and disturb nothing. */
TEST(signal_storm)
{
    if (HELP_TSAN)
        SKIP("the sanitizer keeps signals back from threads that sleep in the kernel");
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
    CHECK_EQ(sigaction(SIGUSR1, &a, &old), 0);
    reset();
    flag_set(&signals, 0);
    for (int i = 0; i < 4; i++)
        GO(sleepy, NULL);
    for (int i = 0; i < 200 / SCALE; i++) {
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        if (i % 10 == 0)
            make_progress();
    }
    EVENTUALLY(flag_get(&signals) > 0);
    flag_set(&stop, 1);
    settle(1);
    CHECK_EQ(flag_get(&over), 4);
    signal(SIGUSR1, SIG_IGN); /* which drops one that may be on its way still */
    CHECK_EQ(sigaction(SIGUSR1, &old, NULL), 0);
}

enum { MANY = HELP_TSAN || HELP_EMULATED ? 20 : 100 };
static void read_then_tell(void *arg)
{
    read_pipe(NULL);
    tuza_chan_send(arg, NULL);
    tuza_chan_unref(arg);
}

/* PR-12: as many goroutines as one likes may be in blocking calls at once, each with a thread of its own. */
TEST(many_blocked)
{
    reset();
    CHECK_EQ(pipe(pipes), 0);
    tuza_chan *c = tuza_chan_make(0, 0);
    for (int i = 0; i < MANY; i++)
        GO(read_then_tell, tuza_chan_ref(c));
    EVENTUALLY(flag_get(&stuck) == MANY);
    make_progress();
    CHECK_EQ(flag_get(&over), 0);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(write(pipes[1], "x", 1), 1);
    for (int i = 0; i < MANY; i++)
        CHECK(tuza_chan_recv(c, NULL));
    settle(1);
    tuza_chan_unref(c);
    close(pipes[0]);
    close(pipes[1]);
}

TEST_MAIN_TUZA()
