/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The limit for bench/http.py: one thread with epoll that takes whatever
 * comes for a request and answers it with the same bytes, 1 KiB of body. No
 * parsing, no file. Runs until it is killed.
 */
#include <sys/epoll.h>

#include "echo.h"

enum { EVENTS = 256, BODY = 1024 };

static char reply[BODY + 512];
static size_t reply_len;

static void make_reply(void)
{
    int head = snprintf(reply, sizeof reply - BODY,
                        "HTTP/1.1 200 OK\r\nServer: epoll\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "Content-Length: %d\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                        "ETag: \"18eb9c3d07ea983b-400-a9a1f9\"\r\nAccept-Ranges: bytes\r\n"
                        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
                        BODY);
    memset(reply + head, 'x', BODY);
    reply_len = (size_t)head + BODY;
}

static void add(int poller, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_die("epoll_ctl: %s", strerror(errno));
}

static void answer(int fd)
{
    char buf[4096];
    if (recv(fd, buf, sizeof buf, 0) <= 0 || send(fd, reply, reply_len, MSG_NOSIGNAL) < 0)
        close(fd);
}

int main(void)
{
    int listener = echo_listen();
    int poller = epoll_create1(EPOLL_CLOEXEC);
    make_reply();
    add(poller, listener);
    printf("http://127.0.0.1:%d/\n", echo_port(listener));
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                answer(fd);
            } else if ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
                echo_no_delay(fd);
                add(poller, fd);
            }
        }
    }
}
