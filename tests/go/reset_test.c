/* SPDX-License-Identifier: BSD-3-Clause */
/* A reader that waits, and data and a reset that come together: the kernel may tell of both by one event. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <tuza/net.h>

#define BOUND_S 30
#include "help.h"

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

TEST_MAIN_TUZA()
