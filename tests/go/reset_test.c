/* SPDX-License-Identifier: BSD-3-Clause */
/* Resets, of which the kernel tells once: after data, by one event with data, to a writer and not the
 * reader. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <tuza/net.h>

#define BOUND_S 30
#include "go/net.h"

static struct {
    int fd;
    int state; /* 1 to be read, 2 read to its end */
    ssize_t bytes, end;
} now;

static void read_to_the_end(void *arg)
{
    (void)arg;
    char buf[16];
    ssize_t n;
    now.bytes = 0;
    flag_set(&now.state, 1);
    while ((n = tuza_read(now.fd, buf, sizeof buf)) > 0)
        now.bytes += n;
    now.end = n;
    flag_set(&now.state, 2);
}

/* NP-19: no event is missed: the reset is told after the data, whether or not the reader came in between. */
TEST(data_and_reset)
{
    int listener = tuza_listen("tcp", "127.0.0.1:0");
    CHECK(listener >= 0);
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    const struct linger reset = {.l_onoff = 1};
    for (int i = 0; i < 4000 / SCALE; i++) {
        int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(peer >= 0);
        CHECK_EQ(connect(peer, (struct sockaddr *)&address, len), 0);
        CHECK_EQ(setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
        now.fd = tuza_accept(listener);
        CHECK(now.fd >= 0);
        flag_set(&now.state, 0);
        GO(read_to_the_end, NULL);
        while (flag_get(&now.state) == 0)
            tuza_gosched();
        if (i % 4)
            tuza_sleep(i % 4 * 20 * TUZA_MICROSECOND); /* it waits by then, mostly */
        CHECK_EQ(send(peer, "data", 4, MSG_NOSIGNAL), 4);
        CHECK_EQ(close(peer), 0);
        EVENTUALLY(flag_get(&now.state) == 2);
        CHECK_EQ(now.end, -ECONNRESET);
        CHECK(now.bytes == 4 || now.bytes == 0); /* a reset may overtake */
        CHECK_EQ(tuza_close(now.fd), 0);
    }
    CHECK_EQ(tuza_close(listener), 0);
}

static void reset(int fd)
{
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger)), 0);
    CHECK_EQ(tuza_close(fd), 0);
}

static bool hangs_up(int fd)
{
    struct pollfd p = {.fd = fd};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

/* A connection with "abc" to be read, then reset, which a write of the given kind is told of. */
static int lost_connection(int how)
{
    int sv[2];
    static char much[16 << 20];
    call c;
    tcp_pair(sv);
    CHECK_EQ(tuza_write(sv[1], "abc", 3), 3);
    CHECK_EQ(tuza_wait_fd(sv[0], POLLIN, 0), POLLIN);
    if (how == 2) { /* it has written a part: so it returns that, and keeps the reset to itself */
        call_start(&c, write_call, sv[0], much, sizeof much);
        WAITING(1);
    }
    reset(sv[1]);
    EVENTUALLY(hangs_up(sv[0]));
    if (how == 0) {
        CHECK_EQ(tuza_write(sv[0], "x", 1), -ECONNRESET);
    } else if (how == 1) {
        CHECK_EQ(tuza_sendto(sv[0], "x", 1, NULL, 0), -ECONNRESET);
    } else {
        CHECK(call_result(&c) > 0 && c.result < (ssize_t)sizeof much);
        CHECK_EQ(tuza_write(sv[0], "x", 1), -EPIPE);
    }
    return sv[0];
}

/* NP-16: what was cut off has no end, also where a write has used up the kernel's word. */
TEST(writer_is_told)
{
    char buf[16];
    for (int how = 0; how < 3; how++) {
        int fd = lost_connection(how);
        CHECK_EQ(tuza_read(fd, buf, sizeof buf), 3);
        CHECK_EQ(tuza_read(fd, buf, 0), 0);
        CHECK_EQ(tuza_read(fd, buf, sizeof buf), -ECONNRESET);
        CHECK_EQ(tuza_recvfrom(fd, buf, sizeof buf, NULL, NULL), -ECONNRESET);
        CHECK_EQ(tuza_close(fd), 0);
        fd = lost_connection(how);
        CHECK_EQ(tuza_read_full(fd, buf, sizeof buf), 3);
        CHECK_EQ(tuza_read_full(fd, buf, sizeof buf), -ECONNRESET);
        CHECK_EQ(tuza_close(fd), 0);
    }
}

/* ... as it stays cut off where a read was told; but an error that is about the call says nothing of it. */
TEST(reader_is_told)
{
    static char much[4 << 20];
    char buf[16];
    int sv[2];
    tcp_pair(sv);
    reset(sv[1]);
    CHECK_EQ(tuza_read(sv[0], buf, sizeof buf), -ECONNRESET);
    CHECK_EQ(tuza_read(sv[0], buf, sizeof buf), -ECONNRESET);
    CHECK_EQ(tuza_close(sv[0]), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
    CHECK_EQ(close(sv[1]), 0);
    CHECK_EQ(tuza_read(sv[0], buf, sizeof buf), 0);
    CHECK_EQ(tuza_write(sv[0], much, sizeof much), -EMSGSIZE);
    CHECK_EQ(tuza_read(sv[0], buf, sizeof buf), 0);
    CHECK_EQ(tuza_close(sv[0]), 0);
}

/* ... and the number's next owner has its end, whoever closed. */
TEST(told_of_that_connection)
{
    char buf[16];
    for (int plain = 0; plain < 2; plain++) {
        int fd = lost_connection(0), next[2];
        CHECK_EQ(plain ? close(fd) : tuza_close(fd), 0);
        socket_pair(next);
        CHECK(next[0] == fd || next[1] == fd);
        CHECK_EQ(tuza_close(next[next[0] == fd]), 0);
        CHECK_EQ(tuza_read(fd, buf, sizeof buf), 0);
        CHECK_EQ(tuza_close(fd), 0);
    }
}

/* NP-16: a reader and a writer wait; one of them is told first, and the reader has no end, whichever it
 * was. */
TEST(reader_and_writer)
{
    static char much[1 << 20];
    char buf[16];
    for (int i = 0; i < 1000 / SCALE; i++) {
        int sv[2];
        call r, w;
        tcp_pair(sv);
        CHECK_EQ(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &(int){16384}, sizeof(int)), 0);
        CHECK_EQ(setsockopt(sv[1], SOL_SOCKET, SO_RCVBUF, &(int){16384}, sizeof(int)), 0);
        call_start(&r, read_call, sv[0], buf, sizeof buf);
        call_start(&w, write_call, sv[0], much, sizeof much);
        WAITING(2);
        reset(sv[1]);
        CHECK_EQ(call_result(&r), -ECONNRESET);
        CHECK(call_result(&w) < (ssize_t)sizeof much);
        CHECK_EQ(tuza_close(sv[0]), 0);
    }
}

TEST_MAIN_TUZA()
