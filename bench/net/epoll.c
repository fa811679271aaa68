/* SPDX-License-Identifier: BSD-3-Clause */
/* The limit for echo servers: one thread, level-triggered epoll, a recv and a send for each message. */
#include <sys/epoll.h>

#include "echo.h"

enum { EVENTS = 256 };

static void add(int poller, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_die("epoll_ctl: %s", strerror(errno));
}

static void accept_one(int poller, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    echo_no_delay(fd);
    add(poller, fd);
}

static void answer(int fd)
{
    char buf[4 * ECHO_MESSAGE];
    ssize_t n = recv(fd, buf, sizeof buf, 0);
    if (n <= 0)
        close(fd);
    else if (send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
        bench_die("send: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    echo_raise_limit();
    int listener = echo_listen();
    int poller = epoll_create1(EPOLL_CLOEXEC);
    echo_client client = echo_start_client(listener, argc, argv);
    add(poller, listener);
    add(poller, client.ended);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_one(poller, listener);
            else if (events[i].data.fd == client.ended)
                return echo_client_result(&client);
            else
                answer(events[i].data.fd);
        }
    }
}
