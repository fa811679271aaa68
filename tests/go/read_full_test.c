/* SPDX-License-Identifier: BSD-3-Clause */
/* tuza_read_full, and what comes after one that was cut off. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4
#include <errno.h>
#include <sys/socket.h>
#include <tuza/net.h>

#include "help.h"

static void make_pair(int fds[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

/* The end after a part is told by the next call; so is a reset, though the kernel tells of it only once. */
TEST(next_call_tells)
{
    char buf[16];
    for (int reset = 0; reset < 2; reset++) {
        int fds[2];
        make_pair(fds);
        if (reset)
            CHECK_EQ(tuza_write(fds[0], "never read", 10), 10);
        CHECK_EQ(tuza_write(fds[1], "part", 4), 4);
        CHECK_EQ(tuza_close(fds[1]), 0);
        CHECK_EQ(tuza_read_full(fds[0], buf, sizeof buf), 4);
        CHECK_EQ(memcmp(buf, "part", 4), 0);
        CHECK_EQ(tuza_read_full(fds[0], buf, sizeof buf), reset ? -ECONNRESET : 0);
        CHECK_EQ(tuza_read(fds[0], buf, sizeof buf), reset ? -ECONNRESET : 0);
        CHECK_EQ(tuza_close(fds[0]), 0);
    }
}

/* ... and not by the number's next owner. */
TEST(not_told_to_others)
{
    char buf[16];
    for (int plain = 0; plain < 2; plain++) {
        int fds[2], next[2];
        make_pair(fds);
        CHECK_EQ(tuza_write(fds[0], "never read", 10), 10);
        CHECK_EQ(tuza_write(fds[1], "part", 4), 4);
        CHECK_EQ(tuza_close(fds[1]), 0);
        CHECK_EQ(tuza_read_full(fds[0], buf, sizeof buf), 4);
        CHECK_EQ(plain ? close(fds[0]) : tuza_close(fds[0]), 0);
        make_pair(next);
        CHECK(next[0] == fds[0] || next[1] == fds[0]);
        int at = next[1] == fds[0];
        CHECK_EQ(tuza_write(next[!at], "new", 3), 3);
        CHECK_EQ(tuza_read(next[at], buf, sizeof buf), 3);
        CHECK_EQ(tuza_close(next[0]), 0);
        CHECK_EQ(tuza_close(next[1]), 0);
    }
}

/* Time-outs are no errors of the file's: a later deadline takes them back. */
TEST(timeout_after_a_part)
{
    int fds[2];
    char buf[16];
    make_pair(fds);
    CHECK_EQ(tuza_write(fds[1], "part", 4), 4);
    CHECK_EQ(tuza_set_read_deadline(fds[0], tuza_now() + 5 * TUZA_MILLISECOND), 0);
    ssize_t n = tuza_read_full(fds[0], buf, 8);
    CHECK(n == 4 || n == -ETIMEDOUT); /* before the first byte, on a slow machine */
    CHECK_EQ(tuza_read_full(fds[0], buf, 8), -ETIMEDOUT);
    CHECK_EQ(tuza_set_read_deadline(fds[0], 0), 0);
    CHECK_EQ(tuza_write(fds[1], "12345678", 8), 8);
    CHECK_EQ(tuza_read_full(fds[0], buf, 8), 8);
    close(fds[0]);
    close(fds[1]);
}

TEST_MAIN_TUZA()
