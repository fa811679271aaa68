/* SPDX-License-Identifier: BSD-3-Clause */
/* The poller's wait: what ends it, and that no call shows that it was interrupted. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4 | env GOMAXPROCS=2 TUZA_CHAOS=5
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "go/net.h"

static int held[2]; /* somebody waits for it all the time: so the poller is at work, without a limit */
static void wait_for_held(void *arg)
{
    (void)arg;
    char c;
    CHECK_EQ(tuza_read(held[0], &c, 1), 1);
}
static void hold(void)
{
    socket_pair(held);
    GO(wait_for_held, NULL);
}
static void let_go(void)
{
    CHECK_EQ(tuza_write(held[1], "x", 1), 1);
    settle(1);
    CHECK_EQ(tuza_close(held[0]), 0);
    CHECK_EQ(tuza_close(held[1]), 0);
}

enum { ROUNDS = 20000 / SCALE };
static tuza_chan *asks, *answers;

/* Each time the sender is another thread, at another moment of the poller's way to its rest. */
static void *ask(void *arg)
{
    (void)arg;
    for (int64_t i = 0, got; i < ROUNDS; i++) {
        for (volatile int64_t k = 0; k < i % 1000; k++)
            ;
        tuza_chan_send(asks, &i);
        CHECK(tuza_chan_recv(answers, &got) && got == i);
    }
    return NULL;
}

/* NP-23: whoever makes a goroutine runnable while the poller waits wakes it, each time. */
TEST(woken_for_work)
{
    hold();
    asks = tuza_chan_make(8, 0);
    answers = tuza_chan_make(8, 0);
    pthread_t t;
    CHECK_EQ(pthread_create(&t, NULL, ask, NULL), 0);
    for (int64_t i = 0, v; i < ROUNDS; i++) {
        CHECK(tuza_chan_recv(asks, &v) && v == i);
        tuza_chan_send(answers, &v);
    }
    CHECK_EQ(pthread_join(t, NULL), 0);
    tuza_chan_unref(asks);
    tuza_chan_unref(answers);
    let_go();
}

static void *set_earlier(void *timer)
{
    usleep(2000);
    tuza_timer_reset((tuza_timer *)timer, TUZA_MILLISECOND);
    return NULL;
}

/* NP-24: the poller waits until the next timer and no longer, also where that is set to an earlier time by
 * a thread that does not poll. Else this takes an hour. */
TEST(woken_for_timers)
{
    hold();
    tuza_sleep(TUZA_MILLISECOND);
    for (int i = 0; i < 50; i++) {
        tuza_timer *t = tuza_timer_new(3600 * TUZA_SECOND);
        pthread_t other;
        CHECK_EQ(pthread_create(&other, NULL, set_earlier, t), 0);
        int64_t due;
        CHECK(tuza_chan_recv(tuza_timer_chan(t), &due));
        CHECK_EQ(pthread_join(other, NULL), 0);
        tuza_timer_free(t);
    }
    let_go();
}

static int interrupted;
static void on_alarm(int sig)
{
    (void)sig;
    flag_add(&interrupted, 1);
}

static void echo(void *arg)
{
    int fd = *(int *)arg;
    char buf[4096];
    for (ssize_t n; (n = tuza_read(fd, buf, sizeof buf)) != 0;) {
        CHECK(n > 0);
        CHECK_EQ(tuza_write(fd, buf, (size_t)n), n);
    }
    CHECK_EQ(tuza_close(fd), 0);
}

/* A descriptor that blocks its thread: the system call itself is interrupted. */
static void read_file(void)
{
    char buf[4096];
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    for (ssize_t n; (n = tuza_read(fd, buf, sizeof buf)) != 0;)
        CHECK(n > 0);
    CHECK_EQ(tuza_close(fd), 0);
}

/* NP-17: under a storm of signals whose handler is not to restart calls, no call says -EINTR: reads, writes,
 * connections and their ends, files. */
TEST(interrupted_calls)
{
    struct sigaction act = {.sa_handler = on_alarm, .sa_flags = SA_ONSTACK}, before;
    struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    CHECK_EQ(sigaction(SIGALRM, &act, &before), 0);
    int listener = tuza_listen("tcp", "127.0.0.1:0");
    CHECK(listener >= 0);
    char address[64], data[3000] = {0}, back[3000];
    address_of(listener, address);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (int i = 0; i < 400 / SCALE || flag_get(&interrupted) < 10; i++) {
        int fd = tuza_dial("tcp", address);
        CHECK(fd >= 0);
        int peer = tuza_accept(listener);
        CHECK(peer >= 0);
        CHECK_EQ(tuza_go_copy(echo, &peer, sizeof peer), 0);
        for (int k = 0; k < 5; k++) {
            CHECK_EQ(tuza_write(fd, data, sizeof data), sizeof data);
            CHECK_EQ(tuza_read_full(fd, back, sizeof back), sizeof back);
        }
        read_file();
        CHECK_EQ(tuza_wait_fd(fd, POLLOUT, 0), POLLOUT);
        CHECK_EQ(tuza_close(fd), 0);
    }
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    CHECK_EQ(tuza_close(listener), 0);
    settle(1);
    signal(SIGALRM, SIG_IGN); /* which drops the one that may be on its way still */
    CHECK_EQ(sigaction(SIGALRM, &before, NULL), 0);
}

TEST_MAIN_TUZA()
