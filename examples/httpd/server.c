/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accepts connections, knows them all, and ends them.
 *
 * Draining loses nothing that is under way. What the kernel has queued is
 * accepted still. Each connection says "Connection: close" with its next
 * answer; one whose client is silent is kept for grace_ns, since a request
 * may be on its way, and then closed.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "httpd.h"

#define PAUSE_LEAST (5 * TUZA_MILLISECOND)
#define PAUSE_MOST  TUZA_SECOND

static struct server {
    int listener;
    char url[128];
    TUZA_CHAN(int) events;
    atomic_bool draining;
    atomic_size_t open; /* connections, and 1 for who accepts */

    tuza_mutex lock; /* for the rest */
    struct conn *conns;
    struct totals ended; /* and accepted, refused */
} server;

void server_init(TUZA_CHAN(int) events)
{
    server.events = events;
    server.open = 1;
}

bool server_draining(void)
{
    return atomic_load_explicit(&server.draining, memory_order_relaxed);
}

static void tell(int event)
{
    TUZA_CHAN_TRY_SEND(server.events, event);
}

static void make_url(void)
{
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof a;
    char host[INET6_ADDRSTRLEN] = "";
    if (getsockname(server.listener, (struct sockaddr *)&a, &len) != 0)
        return;
    if (a.ss_family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(server.url, sizeof server.url, "http://[%s]:%d/", host, ntohs(in6->sin6_port));
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)&a;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(server.url, sizeof server.url, "http://%s:%d/", host, ntohs(in->sin_port));
    }
}

int server_listen(const char *address)
{
    server.listener = tuza_listen("tcp", address);
    if (server.listener < 0)
        return server.listener;
    make_url();
    return 0;
}

const char *server_url(void)
{
    return server.url;
}

/* The last one is gone. */
static void drop_open(void)
{
    if (atomic_fetch_sub_explicit(&server.open, 1, memory_order_acq_rel) == 1)
        tell(EVENT_DRAINED);
}

static void add_counts(struct totals *t, const struct counts *c)
{
    for (int i = 0; i < COUNTS; i++)
        t->n[i] += count_get(c, (enum count)i);
}

void server_left(struct conn *c)
{
    tuza_mutex_lock(&server.lock);
    *c->prev = c->next;
    if (c->next)
        c->next->prev = c->prev;
    add_counts(&server.ended, &c->counts);
    tuza_mutex_unlock(&server.lock);
    tuza_close(c->fd); /* not before: server_drain and server_cut use the descriptors in the list */
    free(c);
    drop_open();
}

/* There is no room for one more: says so, if that needs no waiting. */
static void refuse(int fd)
{
    static const char answer[] =
        "HTTP/1.1 503 Service Unavailable\r\nServer: tuza-httpd\r\nContent-Length: 0\r\n"
        "Retry-After: 1\r\nConnection: close\r\n\r\n";
    (void)!send(fd, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    tuza_close(fd);
    tuza_mutex_lock(&server.lock);
    server.ended.refused++;
    tuza_mutex_unlock(&server.lock);
}

static void start(int fd)
{
    struct conn *c = NULL;
    if (atomic_load_explicit(&server.open, memory_order_relaxed) <= options.connections)
        c = calloc(1, sizeof *c);
    if (!c) {
        refuse(fd);
        return;
    }
    c->fd = fd;
    atomic_fetch_add_explicit(&server.open, 1, memory_order_relaxed);
    tuza_mutex_lock(&server.lock);
    server.ended.accepted++;
    c->next = server.conns;
    c->prev = &server.conns;
    if (c->next)
        c->next->prev = &c->next;
    server.conns = c;
    tuza_mutex_unlock(&server.lock);
    if (tuza_go(conn_serve, c) != 0)
        server_left(c);
}

static bool is_short(int err)
{
    return err == -EMFILE || err == -ENFILE || err == -ENOBUFS || err == -ENOMEM;
}

/* What came in before the end. */
static void accept_rest(void)
{
    static const int on = 1;
    int fd;
    while ((fd = accept4(server.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0 || errno == EINTR ||
           errno == ECONNABORTED) {
        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        start(fd);
    }
}

void server_accept(void *unused)
{
    (void)unused;
    int64_t pause = PAUSE_LEAST;
    for (;;) {
        int fd = tuza_accept(server.listener);
        if (fd >= 0) {
            pause = PAUSE_LEAST;
            start(fd);
        } else if (is_short(fd)) {
            files_forget(); /* these are descriptors too */
            tuza_sleep(pause);
            pause = 2 * pause < PAUSE_MOST ? 2 * pause : PAUSE_MOST;
        } else {
            if (!server_draining())
                tell(EVENT_FAILED);
            break;
        }
    }
    accept_rest();
    tuza_close(server.listener);
    drop_open();
}

/*
 * A connection sets its read deadline and then looks whether the server
 * drains; here it is the other way round. So of the two deadlines this one is
 * the later, or else the connection sees that and sets the same.
 */
void server_drain(void)
{
    atomic_store_explicit(&server.draining, true, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
    tuza_cancel(server.listener);
    int64_t when = tuza_now() + options.grace_ns;
    tuza_mutex_lock(&server.lock);
    for (struct conn *c = server.conns; c; c = c->next)
        tuza_set_read_deadline(c->fd, when);
    tuza_mutex_unlock(&server.lock);
}

void server_cut(void)
{
    tuza_mutex_lock(&server.lock);
    for (struct conn *c = server.conns; c; c = c->next)
        tuza_cancel(c->fd);
    tuza_mutex_unlock(&server.lock);
}

void server_totals(struct totals *t)
{
    tuza_mutex_lock(&server.lock);
    *t = server.ended;
    for (struct conn *c = server.conns; c; c = c->next)
        add_counts(t, &c->counts);
    tuza_mutex_unlock(&server.lock);
    size_t open = atomic_load_explicit(&server.open, memory_order_relaxed);
    t->open = open - (server_draining() ? 0 : 1);
}
