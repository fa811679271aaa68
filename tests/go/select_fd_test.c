/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Select on descriptors, which Go has not: TUZA_READABLE and TUZA_WRITABLE
 * beside each other, channels, times and contexts.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=1 TUZA_CHAOS=31
// ctest: env GOMAXPROCS=4 TUZA_CHAOS=32 | env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

#include "go/select.h"

static void pair(int fds[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void close_pair(int fds[2])
{
    CHECK_EQ(tuza_close(fds[0]), 0);
    CHECK_EQ(tuza_close(fds[1]), 0);
}

/* As much as fits. */
static void fill(int fd)
{
    static char some[1 << 14];
    while (send(fd, some, sizeof some, MSG_DONTWAIT) > 0)
        ;
    CHECK(errno == EAGAIN);
}

static void drain(int fd)
{
    static char some[1 << 14];
    while (recv(fd, some, sizeof some, MSG_DONTWAIT) > 0)
        ;
}

static int now(tuza_case k)
{
    return tuza_try_select(&k, 1);
}

/* What is ready without waiting: as poll says, and whatever the next call would fail for. */
TEST(ready_at_once)
{
    int s[2];
    pair(s);
    CHECK_EQ(now(TUZA_READABLE(s[0])), -1);
    CHECK_EQ(now(TUZA_WRITABLE(s[0])), 0);
    CHECK_EQ(tuza_write(s[1], "x", 1), 1);
    CHECK_EQ(now(TUZA_READABLE(s[0])), 0);
    CHECK_EQ(now(TUZA_READABLE(s[0])), 0); /* it was only looked at */
    drain(s[0]);
    CHECK_EQ(now(TUZA_READABLE(s[0])), -1);
    fill(s[0]);
    CHECK_EQ(now(TUZA_WRITABLE(s[0])), -1);
    CHECK_EQ(tuza_set_read_deadline(s[0], 1), 0);
    CHECK_EQ(now(TUZA_READABLE(s[0])), 0);
    CHECK_EQ(now(TUZA_WRITABLE(s[0])), -1);
    CHECK_EQ(tuza_set_deadline(s[0], 0), 0);
    CHECK_EQ(now(TUZA_READABLE(s[0])), -1);
    CHECK_EQ(tuza_cancel(s[0]), 0);
    CHECK_EQ(now(TUZA_READABLE(s[0])), 0);
    CHECK_EQ(now(TUZA_WRITABLE(s[0])), 0);
    CHECK_EQ(tuza_close(s[0]), 0);
    CHECK_EQ(now(TUZA_READABLE(s[1])), 0); /* the end */
    CHECK_EQ(tuza_close(s[1]), 0);
    CHECK_EQ(now(TUZA_READABLE(s[1])), 0); /* no descriptor */
    CHECK_EQ(now(TUZA_READABLE(-1)), 0);
    CHECK_EQ(now(TUZA_WRITABLE(1 << 30)), 0);
    CHECK_EQ(now(TUZA_READABLE(((int64_t)1 << 32) + s[1])), 0);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    tuza_case k[] = {TUZA_READABLE(file), TUZA_TIMEOUT(INT64_MAX)};
    CHECK_EQ(tuza_select(k, 2), 0); /* can't be waited for */
    CHECK_EQ(close(file), 0);
}

/* ---- waiting ---- */

static struct {
    int s[2];
    tuza_chan *c;
    tuza_context *ctx;
    int side;
    size_t at;
    int done;
} stage;

static void select_staged(void *arg)
{
    (void)arg;
    int64_t v;
    tuza_case cases[] = {stage.side ? TUZA_WRITABLE(stage.s[0]) : TUZA_READABLE(stage.s[0]),
                         TUZA_RECV(stage.c, &v), TUZA_TIMEOUT(TUZA_SECOND * 100000)};
    flag_set(&stage.at, tuza_select(cases, 3));
    flag_add(&stage.done, 1);
}

static void *write_from_thread(void *arg)
{
    (void)arg;
    CHECK_EQ(write(stage.s[1], "x", 1), 1);
    return NULL;
}

enum { PEER, PEER_THREAD, PEER_CLOSES, DEADLINE, DEADLINE_SOON, CANCEL, CONTEXT, CLOSE, CHANNEL, WAYS };

/* Each way to wake a select that waits for a side, and then it does wait no more: nothing is left behind. */
TEST(each_way_wakes)
{
    for (int i = 0; i < 2 * WAYS; i++) {
        int how = i / 2;
        stage.side = i % 2;
        stage.done = 0;
        pair(stage.s);
        stage.c = tuza_chan_make(sizeof(int64_t), 0);
        stage.ctx = tuza_context_with_cancel(tuza_context_background());
        CHECK_EQ(tuza_set_context(stage.s[0], stage.ctx), 0);
        if (stage.side)
            fill(stage.s[0]);
        GO(select_staged, NULL);
        EVENTUALLY(any_waits("[select]"));
        pthread_t thread;
        int64_t v = 1;
        switch (how) {
        case PEER:
            if (stage.side)
                drain(stage.s[1]);
            else
                CHECK_EQ(tuza_write(stage.s[1], "x", 1), 1);
            break;
        case PEER_THREAD:
            if (stage.side) {
                drain(stage.s[1]);
                break;
            }
            CHECK_EQ(pthread_create(&thread, NULL, write_from_thread, NULL), 0);
            EVENTUALLY(flag_get(&stage.done));
            CHECK_EQ(pthread_join(thread, NULL), 0);
            break;
        case PEER_CLOSES:
            CHECK_EQ(shutdown(stage.s[1], SHUT_RDWR), 0);
            break;
        case DEADLINE:
            CHECK_EQ(tuza_set_deadline(stage.s[0], 1), 0);
            break;
        case DEADLINE_SOON:
            CHECK_EQ(tuza_set_deadline(stage.s[0], tuza_now() + TUZA_SECOND * 1000), 0);
            CHECK_EQ(tuza_set_deadline(stage.s[0], tuza_now() + 20 * TUZA_MILLISECOND), 0);
            break;
        case CANCEL:
            CHECK_EQ(tuza_cancel(stage.s[0]), 0);
            break;
        case CONTEXT:
            tuza_context_cancel(stage.ctx);
            break;
        case CLOSE: /* waits until the select is gone */
            CHECK_EQ(tuza_close(stage.s[0]), 0);
            break;
        case CHANNEL:
            tuza_chan_send(stage.c, &v);
        }
        EVENTUALLY(flag_get(&stage.done));
        CHECK_EQ(stage.at, how == CHANNEL);
        settle(1);
        if (how != CLOSE)
            CHECK_EQ(tuza_close(stage.s[0]), 0);
        CHECK_EQ(tuza_close(stage.s[1]), 0);
        tuza_context_unref(stage.ctx);
        tuza_chan_unref(stage.c);
    }
}

/* A deadline that was set before the wait ends it, too. */
TEST(earlier_deadline)
{
    int s[2];
    pair(s);
    CHECK_EQ(tuza_set_read_deadline(s[0], tuza_now() + 20 * TUZA_MILLISECOND), 0);
    tuza_case cases[] = {TUZA_READABLE(s[0]), TUZA_READABLE(s[1])};
    CHECK_EQ(tuza_select(cases, 2), 0);
    char x;
    CHECK_EQ(tuza_read(s[0], &x, 1), -ETIMEDOUT);
    close_pair(s);
}

static void read_one(void *arg)
{
    char x;
    CHECK_EQ(tuza_read(stage.s[0], &x, 1), 1);
    flag_add((int *)arg, 1);
}

/* A reader that waits has the right to the side; selects wait beside it, any number, and all are told. */
TEST(beside_a_reader)
{
    enum { N = 20 };
    int read = 0;
    pair(stage.s);
    stage.c = tuza_chan_make(sizeof(int64_t), 0);
    stage.side = stage.done = 0;
    GO(read_one, &read);
    EVENTUALLY(any_waits("[IO wait]"));
    tuza_case cases[] = {TUZA_READABLE(stage.s[0]), TUZA_TIMEOUT(TUZA_MILLISECOND)};
    CHECK_EQ(tuza_select(cases, 2), 1); /* it came and went */
    for (int i = 0; i < N; i++)
        GO(select_staged, NULL);
    EVENTUALLY(any_waits("[select]"));
    CHECK_EQ(tuza_write(stage.s[1], "ab", 2), 2); /* one for the reader, one to stay */
    EVENTUALLY(flag_get(&stage.done) == N);
    EVENTUALLY(flag_get(&read));
    settle(1);
    drain(stage.s[0]);
    CHECK_EQ(now(TUZA_READABLE(stage.s[0])), -1);
    close_pair(stage.s);
    tuza_chan_unref(stage.c);
}

/* Both directions of one descriptor, and the same direction twice. */
TEST(both_directions)
{
    int s[2];
    pair(s);
    fill(s[0]);
    for (int i = 0; i < 20; i++) {
        tuza_case cases[] = {TUZA_READABLE(s[0]), TUZA_WRITABLE(s[0]), TUZA_READABLE(s[0]),
                             TUZA_TIMEOUT(i % 2 ? TUZA_MILLISECOND : TUZA_SECOND * 1000)};
        if (i % 2) {
            CHECK_EQ(tuza_select(cases, 4), 3);
        } else {
            CHECK_EQ(send(s[1], "x", 1, MSG_DONTWAIT), 1);
            size_t at = tuza_select(cases, 4);
            CHECK(at == 0 || at == 2);
            drain(s[0]);
        }
    }
    close_pair(s);
}

struct echo {
    int fd;
    tuza_chan *stop;
};

/* Serves by select alone: reads without waiting when there is something to read. */
static void echo_main(void *arg)
{
    struct echo *e = arg;
    char buf[100];
    for (;;) {
        tuza_case cases[] = {TUZA_READABLE(e->fd), TUZA_RECV(e->stop, NULL)};
        if (tuza_select(cases, 2) == 1)
            return;
        ssize_t n = recv(e->fd, buf, sizeof buf, MSG_DONTWAIT);
        if (n > 0)
            CHECK_EQ(tuza_write(e->fd, buf, (size_t)n), n);
    }
}

/* Events are not missed, however they fall between a look and the wait. */
TEST(ping_pong)
{
    enum { ROUNDS = 5000 };
    int s[2];
    pair(s);
    struct echo e = {s[1], tuza_chan_make(0, 0)};
    GO(echo_main, &e);
    for (int i = 0; i < ROUNDS / SCALE; i++) {
        char out = (char)i, in = (char)~i;
        CHECK_EQ(tuza_write(s[0], &out, 1), 1);
        tuza_case cases[] = {TUZA_READABLE(s[0]), TUZA_TIMEOUT(TUZA_SECOND * BOUND_S)};
        CHECK_EQ(tuza_select(cases, 2), 0);
        CHECK_EQ(recv(s[0], &in, 1, MSG_DONTWAIT), 1);
        CHECK_EQ(in, out);
    }
    tuza_chan_close(e.stop);
    settle(1);
    tuza_chan_unref(e.stop);
    close_pair(s);
}

/* SE-05: descriptors that are ready have the same chance as channels. */
TEST(fairness)
{
    enum { N = 4000 };
    int s[2];
    pair(s);
    tuza_chan *closed = tuza_chan_make(0, 0);
    tuza_chan_close(closed);
    int64_t seen[3] = {0, 0, 0};
    CHECK_EQ(tuza_write(s[1], "x", 1), 1);
    for (int i = 0; i < N; i++) {
        tuza_case cases[] = {TUZA_READABLE(s[0]), TUZA_RECV(closed, NULL), TUZA_WRITABLE(s[0])};
        seen[tuza_select(cases, 3)]++;
    }
    for (int i = 0; i < 3; i++) { /* sigma is 30 */
        CHECK(seen[i] > N / 3 - 300);
        CHECK(seen[i] < N / 3 + 300);
    }
    tuza_chan_unref(closed);
    close_pair(s);
}

/* More descriptors than have room in the frame. */
TEST(many)
{
    enum { N = 60 };
    int s[N][2];
    tuza_case cases[N];
    for (int i = 0; i < N; i++) {
        pair(s[i]);
        cases[i] = TUZA_READABLE(s[i][0]);
    }
    CHECK_EQ(tuza_try_select(cases, N), -1);
    for (int i = 0; i < N; i++) {
        int which = i * 7 % N;
        CHECK_EQ(tuza_write(s[which][1], "x", 1), 1);
        CHECK_EQ(tuza_select(cases, N), which);
        drain(s[which][0]);
    }
    for (int i = 0; i < N; i++)
        close_pair(s[i]);
}

TEST_MAIN_TUZA()
