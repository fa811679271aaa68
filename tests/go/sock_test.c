/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets of all kinds, addresses, and arguments that are wrong.
 *
 * ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2
 * ctest: env GOMAXPROCS=8 TUZA_CHAOS=41 | env GOMAXPROCS=1 TUZA_CHAOS=42
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "go/net.h"

/* No new descriptor is to be had: they would have to be below 1, and 0 is taken. Also where the runtime gives
 * one of its own back meanwhile. */
static struct rlimit no_limit;
static void take_descriptors(void)
{
    struct rlimit low;
    CHECK(fcntl(0, F_GETFD) >= 0 || open("/dev/null", O_RDONLY) == 0);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &no_limit), 0);
    low = no_limit;
    low.rlim_cur = 1;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
}
static void give_descriptors_back(void)
{
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &no_limit), 0);
}

/* What is missing are descriptors, not the name. The first test: when glibc has once read how names are
 * looked up, it says so by itself. */
TEST(name_without_descriptors)
{
    take_descriptors();
    CHECK_EQ(tuza_dial("tcp", "localhost:1"), -EMFILE);
    CHECK_EQ(tuza_listen("tcp", "localhost:0"), -EMFILE);
    CHECK_EQ(tuza_listen("tcp", "127.0.0.1:no-such-service"), -EMFILE);
    give_descriptors_back();
    CHECK_EQ(tuza_listen("tcp", "127.0.0.1:no-such-service"), TUZA_ENONAME);
}

/* NP-15, and bad arguments. */
TEST(arguments)
{
    int sv[2];
    char buf[4];
    socket_pair(sv);
    CHECK_EQ(tuza_read(sv[0], buf, 0), 0);
    CHECK_EQ(tuza_write(sv[0], buf, 0), 0);
    CHECK_EQ(tuza_readv(sv[0], NULL, 1), -EINVAL);
    CHECK_EQ(tuza_readv(sv[0], NULL, -1), -EINVAL);
    CHECK_EQ(tuza_writev(sv[0], &(struct iovec){buf, SIZE_MAX}, 1), -EINVAL);
    CHECK_EQ(tuza_set_deadline(sv[0], -1), -EINVAL);
    CHECK_EQ(tuza_wait_fd(sv[0], 0, 0), -EINVAL);
    CHECK_EQ(tuza_wait_fd(sv[0], POLLRDHUP, SOON(TUZA_MILLISECOND)), -EINVAL);
    CHECK_EQ(tuza_wait_fd(sv[0], POLLRDHUP | POLLOUT, 0), POLLOUT);
    CHECK_EQ(tuza_accept(sv[0]), -EINVAL);
    CHECK_EQ(tuza_close(sv[0]), 0);
    CHECK_EQ(tuza_read(sv[0], buf, 0), -EBADF);
    CHECK_EQ(tuza_close(sv[1]), 0);
    static const int bad[] = {-1, -1000, 1 << 19, 0x7fffffff, (int)0x80000000};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(tuza_read(bad[i], buf, 1), -EBADF);
        CHECK_EQ(tuza_write(bad[i], buf, 1), -EBADF);
        CHECK_EQ(tuza_accept(bad[i]), -EBADF);
        CHECK_EQ(tuza_set_deadline(bad[i], 0), -EBADF);
        CHECK_EQ(tuza_cancel(bad[i]), -EBADF);
        CHECK_EQ(tuza_shutdown(bad[i], SHUT_RD), -EBADF);
        CHECK_EQ(tuza_wait_fd(bad[i], POLLIN, 0), -EBADF);
        CHECK_EQ(tuza_close(bad[i]), -EBADF);
    }
    static const struct {
        const char *network, *address;
        int err;
    } wrong[] = {
        {"tcp9", "127.0.0.1:0", -EINVAL},
        {"tcp", "", -EINVAL},
        {"tcp", "127.0.0.1", -EINVAL},
        {"tcp", "127.0.0.1:", -EINVAL},
        {"tcp", "::1:80", -EINVAL},
        {"tcp", "[::1:80", -EINVAL},
        {"tcp", "[::1]80", -EINVAL},
        {"unix", "", -EINVAL},
        {"tcp", "127.0.0.1:65536", -EINVAL},
        {"tcp", "127.0.0.1:73616", -EINVAL},
        {"udp", "127.0.0.1:18446744073709551617", -EINVAL},
        {"tcp", "127.0.0.1:-1", -EINVAL},
        {"tcp", ": 8123", -EINVAL},
        {"tcp", ":+8123", -EINVAL},
        {"tcp", "127.0.0.1:8123 ", TUZA_ENONAME},
        {"tcp", "127.0.0.1:0x50", TUZA_ENONAME},
        {"tcp4", "[::1]:0", TUZA_ENONAME},
        {"tcp", "127.0.0.1:no-such-service", TUZA_ENONAME},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_EQ(tuza_listen(wrong[i].network, wrong[i].address), wrong[i].err);
        CHECK_EQ(tuza_dial(wrong[i].network, wrong[i].address), wrong[i].err);
    }
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    CHECK_EQ(tuza_wait_fd(file, POLLRDHUP, 0), -EINVAL);
    CHECK_EQ(tuza_wait_fd(file, POLLRDHUP | POLLIN, 0), POLLIN);
    CHECK_EQ(close(file), 0);
    char path[200];
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = 0;
    CHECK_EQ(tuza_listen("unix", path), -ENAMETOOLONG);
    CHECK_STR(tuza_strerror(-ECONNREFUSED), "Connection refused");
    CHECK_STR(tuza_strerror(TUZA_ENONAME), "Name or service not known");
    CHECK(tuza_strerror(-100000) != NULL);
}

/* Datagrams, by name and connected; Unix ones as well. */
TEST(datagrams)
{
    char at[32], buf[64];
    int a = tuza_listen("udp", "127.0.0.1:0"), b = tuza_listen("udp", "127.0.0.1:0");
    CHECK(a >= 0 && b >= 0);
    int c = tuza_dial("udp", address_of(a, at));
    CHECK(c >= 0);
    call r;
    call_start(&r, read_call, a, buf, sizeof buf);
    WAITING(1);
    CHECK_EQ(tuza_write(c, "one", 3), 3);
    CHECK_EQ(call_result(&r), 3);
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    CHECK_EQ(tuza_write(c, "", 0), 0);
    CHECK_EQ(tuza_recvfrom(a, buf, sizeof buf, (struct sockaddr *)&from, &len), 0);
    CHECK_EQ(tuza_sendto(b, "twoandmore", 10, (struct sockaddr *)&from, len), 10); /* not its peer: dropped */
    CHECK_EQ(tuza_sendto(a, "three", 5, (struct sockaddr *)&from, len), 5);
    CHECK_EQ(tuza_recvfrom(c, buf, 2, NULL, NULL), 2);
    CHECK_EQ(memcmp(buf, "th", 2), 0);
    CHECK_EQ(tuza_set_read_deadline(c, SOON(TUZA_MILLISECOND)), 0);
    CHECK_EQ(tuza_recvfrom(c, buf, 2, NULL, NULL), -ETIMEDOUT);
    CHECK_EQ(tuza_close(a), 0);
    CHECK_EQ(tuza_close(b), 0);
    CHECK_EQ(tuza_close(c), 0);
    char path[64];
    sprintf(path, "@tuza-net-test-%d", getpid());
    a = tuza_listen("unixgram", path);
    CHECK(a >= 0);
    b = tuza_dial("unixgram", path);
    CHECK(b >= 0);
    CHECK_EQ(tuza_write(b, "unix", 4), 4);
    CHECK_EQ(tuza_read(a, buf, sizeof buf), 4);
    CHECK_EQ(tuza_close(a), 0);
    CHECK_EQ(tuza_close(b), 0);
}

/* A Unix listener's file is there as long as it is; a full queue is waited for. */
TEST(unix_listener)
{
    char path[64], buf[4];
    sprintf(path, "/tmp/tuza-net-test-%d", getpid());
    int listener = tuza_listen("unix", path);
    CHECK(listener >= 0);
    CHECK_EQ(tuza_listen("unix", path), -EADDRINUSE);
    int c = tuza_dial("unix", path);
    CHECK(c >= 0);
    int s = tuza_accept(listener);
    CHECK(s >= 0);
    CHECK(fcntl(s, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(s, F_GETFD) & FD_CLOEXEC);
    CHECK_EQ(tuza_write(c, "hi", 2), 2);
    CHECK_EQ(tuza_shutdown(c, SHUT_WR), 0);
    CHECK_EQ(tuza_read_full(s, buf, 4), 2);
    CHECK_EQ(tuza_write(s, "ho", 2), 2);
    CHECK_EQ(tuza_read_full(c, buf, 2), 2);
    CHECK_EQ(tuza_close(s), 0);
    CHECK_EQ(tuza_close(c), 0);
    CHECK_EQ(access(path, F_OK), 0);
    CHECK_EQ(tuza_close(listener), 0);
    CHECK_EQ(access(path, F_OK), -1);
    CHECK_EQ(tuza_dial("unix", path), -ENOENT);
}

/* It goes with its listener alone: the next owner of a number that was given back by plain close() has no
 * claim to it. */
TEST(path_of_another)
{
    char path[64];
    sprintf(path, "/tmp/tuza-net-test-%d", getpid());
    for (int registered = 0; registered < 2; registered++) {
        int a = tuza_listen("unix", path);
        CHECK(a >= 0);
        if (registered)
            CHECK_EQ(tuza_set_deadline(a, 0), 0);
        CHECK_EQ(close(a), 0);
        CHECK_EQ(unlink(path), 0);
        int x = registered ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)
                           : open("/dev/null", O_RDWR | O_CLOEXEC);
        CHECK_EQ(x, a);
        int b = tuza_listen("unix", path);
        CHECK(b >= 0);
        CHECK_EQ(tuza_close(x), 0);
        CHECK_EQ(access(path, F_OK), 0);
        CHECK_EQ(tuza_close(b), 0);
        CHECK_EQ(access(path, F_OK), -1);
    }
}

/* A blocking listener of the program's, on the number of one of ours that was given back by plain close():
 * nobody waits in accept(2), from where cancel and close could not call him back. */
TEST(listener_on_an_old_number)
{
    char at[32];
    int ours = tuza_listen("tcp", "127.0.0.1:0");
    CHECK(ours >= 0);
    CHECK_EQ(close(ours), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(fd, ours);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_EQ(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
    CHECK_EQ(listen(fd, 10), 0);
    call c;
    call_start(&c, accept_call, fd, NULL, 0);
    WAITING(1);
    int peer = tuza_dial("tcp", address_of(fd, at));
    CHECK(peer >= 0);
    CHECK(call_result(&c) >= 0);
    CHECK_EQ(tuza_close((int)c.result), 0);
    CHECK_EQ(tuza_close(peer), 0);
    call_start(&c, accept_call, fd, NULL, 0);
    WAITING(1);
    CHECK_EQ(tuza_cancel(fd), 0);
    CHECK_EQ(call_result(&c), -ECANCELED);
    CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
    CHECK_EQ(tuza_close(fd), 0);
}

/* IPv6 and names, as far as the machine has them. */
TEST(families)
{
    char at[64];
    int listener = tuza_listen("tcp", "localhost:0");
    CHECK(listener >= 0);
    int c = tuza_dial("tcp4", address_of(listener, at));
    CHECK(c >= 0);
    CHECK_EQ(tuza_close(c), 0);
    sprintf(at, "localhost:%s", strchr(at, ':') + 1);
    c = tuza_dial("tcp", at);
    CHECK(c >= 0);
    CHECK_EQ(tuza_close(c), 0);
    CHECK_EQ(tuza_close(listener), 0);
    CHECK_EQ(tuza_dial("tcp4", at), -ECONNREFUSED);
    listener = tuza_listen("tcp", "[::1]:0");
    if (listener >= 0) {
        struct sockaddr_in6 a;
        socklen_t len = sizeof a;
        CHECK_EQ(getsockname(listener, (struct sockaddr *)&a, &len), 0);
        sprintf(at, "[::1]:%d", ntohs(a.sin6_port));
        c = tuza_dial("tcp", at);
        CHECK(c >= 0);
        CHECK_EQ(tuza_close(c), 0);
        CHECK_EQ(tuza_close(listener), 0);
    }
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    tuza_context_cancel(ctx);
    CHECK_EQ(tuza_dial_context(ctx, "tcp", "127.0.0.1:1"), -ECANCELED);
    tuza_context_unref(ctx);
    ctx = tuza_context_with_timeout(tuza_context_background(), 20 * TUZA_MILLISECOND);
    int r = tuza_dial_context(ctx, "tcp", "a.name.that.cannot.be.invalid:80");
    CHECK(r == -ETIMEDOUT || r == TUZA_ENONAME || r == TUZA_EAGAIN || r == TUZA_ENAMEFAIL);
    tuza_context_unref(ctx);
}

/* A connection that never comes to be ends with its context: a full queue answers nobody. */
TEST(dial_gives_up)
{
    char at[32];
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_EQ(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    CHECK_EQ(listen(listener, 0), 0);
    address_of(listener, at);
    int held[64], n = 0;
    for (;;) {
        tuza_context *ctx = tuza_context_with_timeout(tuza_context_background(), 200 * TUZA_MILLISECOND);
        int c = tuza_dial_context(ctx, "tcp", at);
        tuza_context_unref(ctx);
        if (c < 0) {
            CHECK_EQ(c, -ETIMEDOUT);
            break;
        }
        CHECK(n < 64);
        held[n++] = c;
    }
    while (n > 0)
        CHECK_EQ(tuza_close(held[--n]), 0);
    CHECK_EQ(close(listener), 0);
}

/* A full table of descriptors: accept says so, leaves the connection there, and goes on when there is
 * room. */
TEST(no_descriptors_left)
{
    char at[32];
    int listener = tuza_listen("tcp", "127.0.0.1:0");
    CHECK(listener >= 0);
    address_of(listener, at);
    int c = tuza_dial("tcp", at);
    CHECK(c >= 0);
    take_descriptors();
    CHECK_EQ(tuza_accept(listener), -EMFILE);
    CHECK_EQ(tuza_listen("tcp", "127.0.0.1:0"), -EMFILE);
    CHECK_EQ(tuza_dial("tcp", at), -EMFILE);
    give_descriptors_back();
    int s = tuza_accept(listener);
    CHECK(s >= 0);
    CHECK_EQ(tuza_close(s), 0);
    CHECK_EQ(tuza_close(c), 0);
    CHECK_EQ(tuza_close(listener), 0);
}

TEST_MAIN_TUZA()
