/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors as goroutines see them: group NP of CONFORMANCE.md.
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

/* NP-01, NP-16: what is written on one side is read on the other; the end is 0. */
TEST(echo)
{
    for (int kind = 0; kind < 3; kind++) {
        int sv[2];
        char buf[16];
        if (kind == 0)
            tcp_pair(sv);
        else if (kind == 1)
            socket_pair(sv);
        else
            CHECK_EQ(pipe(sv), 0);
        int from = kind == 2 ? sv[1] : sv[0], to = kind == 2 ? sv[0] : sv[1];
        call c;
        call_start(&c, read_call, to, buf, sizeof buf);
        WAITING(1);
        CHECK_EQ(tuza_write(from, "hello", 5), 5);
        CHECK_EQ(call_result(&c), 5);
        CHECK_EQ(memcmp(buf, "hello", 5), 0);
        call_start(&c, read_call, to, buf, sizeof buf);
        CHECK_EQ(tuza_close(from), 0);
        CHECK_EQ(call_result(&c), 0);
        CHECK_EQ(tuza_close(to), 0);
    }
}

/* NP-01: so many wait, and few threads. NP-22: nobody is left in the end. */
TEST(many_readers)
{
    enum { MOST = 2000 };
    struct rlimit lim;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &lim), 0);
    lim.rlim_cur = lim.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &lim), 0);
    int n = MOST / SCALE;
    if (lim.rlim_cur < 5000)
        n = (int)lim.rlim_cur / 4;
    int before = tuza_num_goroutine();
    static int sv[MOST][2];
    static call calls[MOST];
    static char bytes[MOST];
    for (int i = 0; i < n; i++) {
        socket_pair(sv[i]);
        call_start(&calls[i], read_call, sv[i][0], &bytes[i], 1);
    }
    WAITING(n);
    CHECK(threads() < 40);
    for (int i = 0; i < n; i++)
        CHECK_EQ(tuza_write(sv[i][1], &(char){(char)i}, 1), 1);
    for (int i = 0; i < n; i++) {
        CHECK_EQ(call_result(&calls[i]), 1);
        CHECK_EQ(bytes[i], (char)i);
        CHECK_EQ(tuza_close(sv[i][0]), 0);
        CHECK_EQ(tuza_close(sv[i][1]), 0);
    }
    EVENTUALLY(tuza_num_goroutine() == before);
}

/* NP-03: the deadline wins over data. NP-05: without it, or with a later one, all is as before. */
TEST(past_deadline)
{
    int sv[2];
    char buf[8];
    tcp_pair(sv);
    CHECK_EQ(tuza_write(sv[0], "abc", 3), 3);
    CHECK_EQ(tuza_set_read_deadline(sv[1], 1), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(tuza_read(sv[1], buf, 1), -ETIMEDOUT);
    CHECK_EQ(tuza_set_read_deadline(sv[1], 0), 0);
    CHECK_EQ(tuza_read(sv[1], buf, 1), 1);
    CHECK_EQ(tuza_set_read_deadline(sv[1], SOON(LONG)), 0);
    CHECK_EQ(tuza_read(sv[1], buf, sizeof buf), 2);
    CHECK_EQ(tuza_set_write_deadline(sv[1], 1), 0);
    CHECK_EQ(tuza_write(sv[1], "x", 1), -ETIMEDOUT);
    CHECK_EQ(tuza_set_read_deadline(sv[1], SOON(TUZA_MILLISECOND)), 0);
    CHECK_EQ(tuza_read(sv[1], buf, sizeof buf), -ETIMEDOUT);
    CHECK_EQ(tuza_close(sv[0]), 0);
    CHECK_EQ(tuza_close(sv[1]), 0);
}

/* NP-04: a goroutine that waits is woken by a deadline that has passed, or comes; NP-07: each side has
 * its own. */
TEST(deadline_wakes)
{
    for (int round = 0; round < 20; round++) {
        int sv[2];
        char buf[8];
        call c;
        socket_pair(sv);
        call_start(&c, read_call, sv[0], buf, sizeof buf);
        if (round % 2)
            WAITING(1);
        CHECK_EQ(tuza_set_write_deadline(sv[0], 1), 0);
        CHECK_EQ(flag_get(&c.done), 0);
        CHECK_EQ(tuza_set_read_deadline(sv[0], round % 3 ? 1 : SOON(TUZA_MILLISECOND)), 0);
        CHECK_EQ(call_result(&c), -ETIMEDOUT);
        CHECK_EQ(tuza_close(sv[0]), 0);
        CHECK_EQ(tuza_close(sv[1]), 0);
    }
}

/* NP-06, NP-08: moved ahead while somebody waits, it does not come at the old time; moved back it does
 * not wait for that. */
TEST(deadline_moves)
{
    int sv[2];
    char buf[8];
    call c;
    socket_pair(sv);
    CHECK_EQ(tuza_set_deadline(sv[0], SOON(5 * TUZA_MILLISECOND)), 0);
    CHECK_EQ(tuza_set_deadline(sv[0], SOON(LONG)), 0);
    call_start(&c, read_call, sv[0], buf, sizeof buf);
    WAITING(1);
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(tuza_set_read_deadline(sv[0], SOON(2 * LONG)), 0);
        CHECK_EQ(tuza_set_read_deadline(sv[0], SOON(LONG)), 0);
    }
    tuza_sleep(10 * TUZA_MILLISECOND);
    CHECK_EQ(flag_get(&c.done), 0);
    CHECK_EQ(tuza_set_read_deadline(sv[0], 0), 0);
    tuza_sleep(TUZA_MILLISECOND);
    CHECK_EQ(flag_get(&c.done), 0);
    CHECK_EQ(tuza_set_read_deadline(sv[0], SOON(TUZA_MILLISECOND)), 0);
    CHECK_EQ(call_result(&c), -ETIMEDOUT);
    CHECK_EQ(tuza_set_read_deadline(sv[0], 0), 0);
    call_start(&c, read_call, sv[0], buf, sizeof buf);
    CHECK_EQ(tuza_write(sv[1], "y", 1), 1);
    CHECK_EQ(call_result(&c), 1);
    CHECK_EQ(tuza_close(sv[0]), 0);
    CHECK_EQ(tuza_close(sv[1]), 0);
}

/* NP-09, NP-26: regular files are read by the plain call, and nothing can end that. */
TEST(regular_file)
{
    char path[] = "/tmp/tuza_net_XXXXXX", buf[32];
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(tuza_set_deadline(fd, 1), -ENOTSUP);
    CHECK_EQ(tuza_cancel(fd), -ENOTSUP);
    CHECK_EQ(tuza_set_context(fd, tuza_context_background()), -ENOTSUP);
    CHECK_EQ(tuza_write(fd, "one two", 7), 7);
    CHECK_EQ(tuza_writev(fd, (struct iovec[]){{(void *)"three", 5}, {NULL, 0}, {(void *)"x", 1}}, 3), 6);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(tuza_read(fd, buf, 3), 3);
    CHECK_EQ(tuza_readv(fd, (struct iovec[]){{buf + 3, 4}, {buf + 7, 20}}, 2), 10);
    CHECK_EQ(memcmp(buf, "one twothreex", 13), 0);
    CHECK_EQ(tuza_read(fd, buf, 3), 0);
    CHECK_EQ(tuza_wait_fd(fd, POLLIN, 1) & POLLIN, POLLIN);
    CHECK_EQ(tuza_close(fd), 0);
    CHECK_EQ(tuza_read(fd, buf, 1), -EBADF);
}

/* A terminal is written to a part at a time: nothing else says if it would wait. Empty ones are none. */
TEST(terminal)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(slave >= 0);
    char buf[8];
    CHECK_EQ(
        tuza_writev(slave, (struct iovec[]){{NULL, 0}, {(void *)"ab", 2}, {NULL, 0}, {(void *)"c", 1}}, 4),
        3);
    CHECK_EQ(tuza_read_full(master, buf, 3), 3);
    CHECK_EQ(memcmp(buf, "abc", 3), 0);
    CHECK_EQ(tuza_writev(slave, (struct iovec[]){{NULL, 0}, {NULL, 0}}, 2), 0);
    CHECK_EQ(tuza_close(slave), 0);
    CHECK_EQ(tuza_close(master), 0);
}

/* NP-10: close wakes whoever waits, for its side and for the right to it; NP-12: nothing afterwards. */
TEST(close_wakes)
{
    for (int round = 0; round < 20; round++) {
        int sv[2], listener = tuza_listen("tcp", "127.0.0.1:0");
        char buf[4];
        static char big[8 << 20];
        call reads[3], write, accept;
        tcp_pair(sv);
        for (int i = 0; i < 3; i++)
            call_start(&reads[i], read_call, sv[0], buf, sizeof buf);
        call_start(&write, write_call, sv[0], big, sizeof big);
        call_start(&accept, accept_call, listener, NULL, 0);
        if (round % 2)
            EVENTUALLY(count_in("[IO wait") == 3 && count_in("[semacquire") == 2);
        else
            EVENTUALLY(flag_get(&reads[0].begun) && flag_get(&reads[2].begun) && flag_get(&write.begun) &&
                       flag_get(&accept.begun));
        CHECK_EQ(tuza_close(sv[0]), 0);
        CHECK_EQ(tuza_close(listener), 0);
        for (int i = 0; i < 3; i++) {
            ssize_t r = call_result(&reads[i]);
            CHECK(r == -ECANCELED || (r == -EBADF && round % 2 == 0));
        }
        ssize_t r = call_result(&write), a = call_result(&accept);
        CHECK(r == -ECANCELED || (r == -EBADF && round % 2 == 0));
        CHECK(a == -ECANCELED || (a == -EBADF && round % 2 == 0));
        CHECK_EQ(tuza_read(sv[0], buf, 1), -EBADF);
        CHECK_EQ(tuza_close(sv[0]), -EBADF);
        CHECK_EQ(tuza_set_deadline(sv[0], 5), -EBADF);
        CHECK_EQ(tuza_close(sv[1]), 0);
    }
}

/* NP-11: the number is not another's while a call runs on it. */
TEST(close_waits)
{
    for (int round = 0; round < 50; round++) {
        int sv[2], other[2];
        char buf[4];
        call c;
        socket_pair(sv);
        call_start(&c, read_call, sv[0], buf, sizeof buf);
        WAITING(1);
        CHECK_EQ(tuza_close(sv[0]), 0);
        socket_pair(other);
        CHECK_EQ(tuza_write(other[1], "z", 1), 1); /* to whom the reader must not come */
        CHECK_EQ(call_result(&c), -ECANCELED);
        CHECK_EQ(tuza_read(other[0], buf, 4), 1);
        CHECK_EQ(tuza_close(other[0]), 0);
        CHECK_EQ(tuza_close(other[1]), 0);
        CHECK_EQ(tuza_close(sv[1]), 0);
    }
}

static ssize_t big_write(call *c)
{
    return tuza_write(c->fd, c->buf, c->n);
}

/* NP-13, NP-18: a write is all of it, and together; reads are one after the other. */
TEST(writes_together)
{
    enum { WRITERS = 4, SIZE = 300000 };
    int sv[2];
    call calls[WRITERS];
    tcp_pair(sv);
    for (int i = 0; i < WRITERS; i++) {
        char *buf = malloc(SIZE);
        memset(buf, 'a' + i, SIZE);
        call_start(&calls[i], big_write, sv[0], buf, SIZE);
    }
    char *all = malloc(SIZE);
    unsigned seen = 0;
    for (int i = 0; i < WRITERS; i++) {
        CHECK_EQ(tuza_read_full(sv[1], all, SIZE), SIZE);
        for (int k = 1; k < SIZE; k++)
            CHECK_EQ(all[k], all[0]);
        seen |= 1u << (all[0] - 'a');
    }
    CHECK_EQ(seen, (1u << WRITERS) - 1);
    for (int i = 0; i < WRITERS; i++) {
        CHECK_EQ(call_result(&calls[i]), SIZE);
        free(calls[i].buf);
    }
    free(all);
    CHECK_EQ(tuza_close(sv[0]), 0);
    CHECK_EQ(tuza_read(sv[1], &(char){0}, 1), 0);
    CHECK_EQ(tuza_close(sv[1]), 0);
}

static ssize_t vector_write(call *c)
{
    return tuza_writev(c->fd, c->buf, (int)c->n);
}

/* A vector that is longer than what is written at once, with parts that are empty, cut off anywhere. */
TEST(long_vectors)
{
    enum { PARTS = 300 };
    static struct iovec iov[PARTS];
    static char data[PARTS * 4000], in[PARTS * 4000];
    size_t all = 0;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7 + i / 251);
    for (int i = 0; i < PARTS; i++) {
        size_t n = i % 3 == 1 ? 0 : (size_t)(i * 131 % 4000);
        iov[i] = (struct iovec){i % 2 || n ? data + all : NULL, n};
        all += n;
    }
    for (int kind = 0; kind < 2; kind++) {
        int sv[2];
        call c;
        if (kind)
            tcp_pair(sv);
        else
            socket_pair(sv);
        call_start(&c, vector_write, sv[0], iov, PARTS);
        size_t got = 0;
        while (got < all) { /* by odd parts, so that it is cut off in odd places */
            ssize_t r = tuza_read(sv[1], in + got, all - got < 1777 ? all - got : 1777);
            CHECK(r > 0);
            got += (size_t)r;
        }
        CHECK_EQ(call_result(&c), all);
        CHECK_EQ(memcmp(in, data, all), 0);
        CHECK_EQ(tuza_close(sv[0]), 0);
        CHECK_EQ(tuza_close(sv[1]), 0);
    }
}

/* NP-19: readiness that comes before the wait is not lost, however often and whoever looks. */
TEST(readiness_is_kept)
{
    int sv[2];
    char buf[4];
    tcp_pair(sv);
    for (int i = 0; i < 300; i++) {
        CHECK_EQ(tuza_write(sv[0], "a", 1), 1);
        if (i % 3 == 0)
            CHECK(tuza_wait_fd(sv[1], POLLIN, SOON(LONG)) & POLLIN);
        CHECK_EQ(tuza_read(sv[1], buf, sizeof buf), 1);
        if (i % 7 == 0)
            CHECK_EQ(tuza_wait_fd(sv[1], POLLIN, 1), -ETIMEDOUT);
        if (i % 5 == 0) { /* both, and by parts */
            CHECK_EQ(tuza_write(sv[0], "bc", 2), 2);
            CHECK_EQ(tuza_read(sv[1], buf, 1), 1);
            CHECK_EQ(tuza_read(sv[1], buf, sizeof buf), 1);
        }
    }
    CHECK_EQ(tuza_close(sv[0]), 0);
    CHECK_EQ(tuza_close(sv[1]), 0);
}

/* Urgent data makes a read shorter than what is there: the rest is not forgotten. */
TEST(urgent_data)
{
    int sv[2];
    char buf[16];
    tcp_pair(sv);
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(send(sv[0], "ab", 2, 0), 2);
        CHECK_EQ(send(sv[0], "!", 1, MSG_OOB), 1);
        CHECK_EQ(send(sv[0], "cd", 2, 0), 2);
        ssize_t got = 0;
        while (got < 4) {
            ssize_t r = tuza_read(sv[1], buf + got, sizeof buf - (size_t)got);
            CHECK(r > 0);
            got += r;
        }
        CHECK_EQ(got, 4);
        CHECK_EQ(memcmp(buf, "abcd", 4), 0);
    }
    CHECK_EQ(tuza_close(sv[0]), 0);
    CHECK_EQ(tuza_close(sv[1]), 0);
}

/* NP-21: what was said of a file ends with it, also where the program closes it by plain close(). */
TEST(reused_number)
{
    char buf[4];
    for (int round = 0; round < 12; round++) {
        int old[2], sv[2];
        call c;
        if (round % 2)
            tcp_pair(old);
        else
            socket_pair(old);
        CHECK_EQ(tuza_write(old[1], "a", 1), 1);
        CHECK_EQ(tuza_read(old[0], buf, 1), 1);
        switch (round / 2) {
        case 0:
            CHECK_EQ(tuza_set_deadline(old[0], 1), 0);
            break;
        case 1:
            CHECK_EQ(tuza_cancel(old[0]), 0);
            break;
        case 2:
            CHECK_EQ(tuza_set_deadline(old[0], SOON(TUZA_MILLISECOND)), 0);
            CHECK_EQ(tuza_read(old[0], buf, 1), -ETIMEDOUT);
            break;
        case 3: {
            tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
            CHECK_EQ(tuza_set_context(old[0], ctx), 0);
            tuza_context_cancel(ctx);
            CHECK_EQ(tuza_read(old[0], buf, 1), -ECANCELED);
            tuza_context_unref(ctx);
            break;
        }
        default:
            break;
        }
        int fillers[64], n = 0; /* so that the number is the next */
        while ((fillers[n] = dup(old[1])) < old[0])
            CHECK(++n < 63);
        CHECK_EQ(close(fillers[n]), 0);
        CHECK_EQ(close(old[0]), 0);
        if (round / 2 == 4)
            CHECK_EQ(pipe(sv), 0);
        else
            socket_pair(sv);
        CHECK_EQ(sv[0], old[0]);
        call_start(&c, read_call, sv[0], buf, sizeof buf);
        WAITING(1);
        CHECK_EQ(tuza_write(sv[1], "bc", 2), 2);
        CHECK_EQ(call_result(&c), 2);
        CHECK_EQ(tuza_close(sv[0]), 0);
        CHECK_EQ(tuza_close(sv[1]), 0);
        CHECK_EQ(tuza_close(old[1]), 0);
        while (n > 0)
            CHECK_EQ(close(fillers[--n]), 0);
    }
}

/* Blocked and later calls end, until the descriptor is closed. */
TEST(cancel)
{
    int sv[2];
    char buf[4];
    call c;
    socket_pair(sv);
    call_start(&c, read_call, sv[0], buf, sizeof buf);
    WAITING(1);
    CHECK_EQ(tuza_cancel(sv[0]), 0);
    CHECK_EQ(tuza_cancel(sv[0]), 0);
    CHECK_EQ(call_result(&c), -ECANCELED);
    CHECK_EQ(tuza_read(sv[0], buf, 1), -ECANCELED);
    CHECK_EQ(tuza_write(sv[0], buf, 1), -ECANCELED);
    CHECK_EQ(tuza_wait_fd(sv[0], POLLOUT, 0), -ECANCELED);
    CHECK_EQ(tuza_set_context(sv[0], NULL), 0);
    CHECK_EQ(tuza_read(sv[0], buf, 1), -ECANCELED);
    CHECK_EQ(tuza_close(sv[0]), 0);
    CHECK_EQ(tuza_close(sv[1]), 0);
}

/* A context ends calls, and another one lets them go on. */
TEST(context)
{
    int sv[2];
    char buf[4];
    call c;
    socket_pair(sv);
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    CHECK_EQ(tuza_set_context(sv[0], ctx), 0);
    call_start(&c, read_call, sv[0], buf, sizeof buf);
    WAITING(1);
    tuza_context_cancel(ctx);
    CHECK_EQ(call_result(&c), -ECANCELED);
    CHECK_EQ(tuza_read(sv[0], buf, 1), -ECANCELED);
    CHECK_EQ(tuza_set_context(sv[0], NULL), 0);
    CHECK_EQ(tuza_write(sv[1], "q", 1), 1);
    CHECK_EQ(tuza_read(sv[0], buf, 1), 1);
    CHECK_EQ(tuza_set_context(sv[0], ctx), 0); /* done already */
    CHECK_EQ(tuza_read(sv[0], buf, 1), -ECANCELED);
    tuza_context_unref(ctx);
    ctx = tuza_context_with_timeout(tuza_context_background(), TUZA_MILLISECOND);
    CHECK_EQ(tuza_set_context(sv[0], ctx), 0);
    CHECK_EQ(tuza_read(sv[0], buf, 1), -ETIMEDOUT);
    CHECK_EQ(tuza_close(sv[0]), 0);
    tuza_context_unref(ctx);
    CHECK_EQ(tuza_close(sv[1]), 0);
}

static ssize_t wait_both(call *c)
{
    return tuza_wait_fd(c->fd, POLLIN | POLLOUT, 0);
}

/* For other libraries: readiness, of both sides at once as well, and its limit. */
TEST(wait_fd)
{
    static char big[1 << 16];
    for (int round = 0; round < 20; round++) {
        int sv[2];
        call c;
        socket_pair(sv);
        CHECK_EQ(tuza_wait_fd(sv[0], POLLOUT, SOON(LONG)), POLLOUT);
        CHECK_EQ(tuza_wait_fd(sv[0], POLLIN | POLLOUT, SOON(LONG)), POLLOUT);
        CHECK_EQ(tuza_wait_fd(sv[0], POLLIN, SOON(TUZA_MILLISECOND)), -ETIMEDOUT);
        while (send(sv[0], big, sizeof big, MSG_DONTWAIT) > 0)
            ;
        call_start(&c, wait_both, sv[0], NULL, 0);
        if (round % 3)
            WAITING(1);
        switch (round % 4) {
        case 0:
            CHECK_EQ(tuza_write(sv[1], "x", 1), 1);
            CHECK_EQ(call_result(&c), POLLIN);
            break;
        case 1:
            while (recv(sv[1], big, sizeof big, MSG_DONTWAIT) > 0)
                ;
            CHECK_EQ(call_result(&c), POLLOUT);
            break;
        case 2:
            CHECK_EQ(tuza_set_write_deadline(sv[0], 1), 0);
            CHECK_EQ(call_result(&c), -ETIMEDOUT);
            break;
        default:
            CHECK_EQ(tuza_close(sv[1]), 0);
            sv[1] = -1;
            CHECK(call_result(&c) & POLLHUP);
            break;
        }
        CHECK_EQ(tuza_close(sv[0]), 0);
        CHECK(sv[1] < 0 || tuza_close(sv[1]) == 0);
    }
}

/* NP-28, the part that does not end the process: no SIGPIPE, for whatever descriptor. */
TEST(broken_pipe)
{
    for (int kind = 0; kind < 2; kind++) {
        int sv[2];
        if (kind)
            CHECK_EQ(pipe(sv), 0);
        else
            socket_pair(sv);
        CHECK_EQ(close(sv[0]), 0);
        CHECK_EQ(tuza_write(sv[1], "x", 1), -EPIPE);
        CHECK_EQ(tuza_writev(sv[1], (struct iovec[]){{(void *)"x", 1}, {(void *)"y", 1}}, 2), -EPIPE);
        CHECK_EQ(tuza_close(sv[1]), 0);
    }
}

/* Descriptors of others keep their flags, and yet nobody blocks. */
TEST(flags_stay)
{
    int p[2];
    static char big[1 << 20];
    call r, w;
    CHECK_EQ(pipe(p), 0);
    call_start(&w, write_call, p[1], big, sizeof big);
    WAITING(1);
    CHECK_EQ(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0);
    CHECK_EQ(fcntl(p[1], F_GETFL) & O_NONBLOCK, 0);
    static char in[1 << 20];
    CHECK_EQ(tuza_read_full(p[0], in, sizeof in), sizeof in);
    CHECK_EQ(call_result(&w), sizeof big);
    call_start(&r, read_call, p[0], in, 1);
    WAITING(1);
    CHECK_EQ(tuza_set_read_deadline(p[0], 1), 0);
    CHECK_EQ(call_result(&r), -ETIMEDOUT);
    CHECK_EQ(tuza_close(p[0]), 0);
    CHECK_EQ(tuza_close(p[1]), 0);
}

/* A write that is cut off says so, and how much went before only where the deadline did it. */
TEST(write_cut_off)
{
    static char big[8 << 20];
    for (int how = 0; how < 3; how++) {
        int sv[2];
        call c;
        tcp_pair(sv);
        call_start(&c, write_call, sv[0], big, sizeof big);
        WAITING(1);
        if (how == 0) {
            CHECK_EQ(tuza_set_write_deadline(sv[0], 1), 0);
            ssize_t r = call_result(&c);
            CHECK(r > 0 && (size_t)r < sizeof big);
            CHECK_EQ(tuza_write(sv[0], "x", 1), -ETIMEDOUT);
        } else if (how == 1) {
            CHECK_EQ(tuza_cancel(sv[0]), 0);
            CHECK_EQ(call_result(&c), -ECANCELED);
        }
        CHECK_EQ(tuza_close(sv[0]), 0);
        if (how == 2)
            CHECK_EQ(call_result(&c), -ECANCELED);
        CHECK_EQ(tuza_close(sv[1]), 0);
    }
}

TEST_MAIN_TUZA()
