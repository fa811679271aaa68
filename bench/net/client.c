/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client of all echo servers: one thread, epoll. Its server starts it:
 *
 *     client PORT PID echo CONNECTIONS SECONDS
 *     client PORT PID slow CONNECTIONS SECONDS cpu|sleep
 *     client PORT PID idle CONNECTIONS
 *     client PORT PID churn CONNECTIONS
 *
 * echo: each connection sends a message, waits for it and sends the next one,
 * for so many seconds after half a second of warm-up. The server's processor
 * time is read by its clock at both ends of the measured time.
 * slow: the same twice; the second time one connection in a hundred asks for
 * 10 ms of work with each message. Tells the others' p99 both times.
 * idle: so many connections that have had one answer and are then silent:
 * what the server's memory grows by.
 * churn: opens, uses and closes connections, a hundred at a time; counts the
 * server's descriptors, goroutines and memory before and after.
 */
#include <dirent.h>
#include <sys/epoll.h>

#include "echo.h"

enum { EVENTS = 256, SHARE = 100, BATCH = 100, PER_ADDRESS = 20000 };
#define WARM_UP_NS INT64_C(500000000)
#define SETTLE_NS  INT64_C(10000000000)

typedef struct connection {
    int fd;
    char kind;
    uint64_t number; /* of the message on its way */
    size_t got;      /* bytes of it that are back */
    int64_t sent_ns;
    char in[ECHO_MESSAGE];
} connection;

static int port;
static pid_t server;

/* Latencies: buckets of 1/128 of their value. */
enum { FINE = 128, BUCKETS = 40 * FINE };
typedef struct histogram {
    uint64_t buckets[BUCKETS];
    uint64_t count;
} histogram;

static void note(histogram *h, int64_t ns)
{
    uint64_t v = ns > 0 ? (uint64_t)ns : 0;
    unsigned shift = v < FINE ? 0 : 63u - (unsigned)__builtin_clzll(v) - 6u;
    size_t i = shift * (FINE / 2) + (v >> shift);
    h->buckets[i < BUCKETS ? i : BUCKETS - 1]++;
    h->count++;
}

static double percentile_us(const histogram *h, double share)
{
    uint64_t rank = (uint64_t)((double)h->count * share), seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > rank) {
            size_t shift = i < FINE ? 0 : i / (FINE / 2) - 1;
            return (double)((uint64_t)(i - shift * (FINE / 2)) << shift) / 1e3;
        }
    }
    bench_die("no answers at all");
}

static int64_t server_cpu(void)
{
    clockid_t clock;
    struct timespec t;
    int err = clock_getcpuclockid(server, &clock);
    if (err != 0 || clock_gettime(clock, &t) != 0)
        bench_die("the server's clock: %s", strerror(err ? err : errno));
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The i-th connection of all comes from an address that has ports to spare. */
static int dial(int64_t i)
{
    uint32_t from_address = INADDR_LOOPBACK + (uint32_t)(i / PER_ADDRESS);
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(from_address)}};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons((uint16_t)port)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        bench_die("connection %" PRId64 ": %s", i, strerror(errno));
    echo_no_delay(fd);
    return fd;
}

static void message_of(const connection *c, char out[ECHO_MESSAGE])
{
    memset(out, (int)(c->number & 0x7f), ECHO_MESSAGE);
    out[0] = c->kind;
    memcpy(out + 1, &c->number, sizeof c->number);
}

static void send_next(connection *c)
{
    char out[ECHO_MESSAGE];
    c->number++;
    c->got = 0;
    message_of(c, out);
    c->sent_ns = bench_now();
    if (send(c->fd, out, sizeof out, MSG_NOSIGNAL) != ECHO_MESSAGE)
        bench_die("send: %s", strerror(errno));
}

/* Takes what is there; true when the whole message is back. */
static bool receive(connection *c)
{
    ssize_t n = recv(c->fd, c->in + c->got, sizeof c->in - c->got, 0);
    if (n <= 0)
        bench_die("the server hung up: %s", n < 0 ? strerror(errno) : "end");
    c->got += (size_t)n;
    if (c->got < sizeof c->in)
        return false;
    char expected[ECHO_MESSAGE];
    message_of(c, expected);
    if (c->kind != ECHO_COUNT && memcmp(c->in, expected, sizeof expected) != 0)
        bench_die("an answer differs from its message");
    return true;
}

static void ask(connection *c)
{
    send_next(c);
    while (!receive(c))
        ;
}

/* The number of goroutines; 0 where the server has none. */
static int64_t goroutines(void)
{
    connection c = {.fd = dial(0), .kind = ECHO_COUNT};
    ask(&c);
    close(c.fd);
    c.in[ECHO_MESSAGE - 1] = '\0';
    return strtoll(c.in + 1, NULL, 10);
}

/* A field of the server's status, in bytes. */
static int64_t memory(const char *field)
{
    char path[64], line[256];
    int64_t value = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)server);
    FILE *f = fopen(path, "r");
    while (f != NULL && value < 0 && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            value = strtoll(line + strlen(field), NULL, 10) * 1024;
    if (value < 0)
        bench_die("%s has no %s", path, field);
    fclose(f);
    return value;
}

static int64_t descriptors(void)
{
    char path[64];
    int64_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)server);
    DIR *list = opendir(path);
    if (list == NULL)
        bench_die("%s: %s", path, strerror(errno));
    while (readdir(list) != NULL)
        count++;
    closedir(list);
    return count;
}

typedef struct measured {
    histogram quick; /* of connections that ask for no work */
    uint64_t all;
    int64_t wall_ns, cpu_ns;
} measured;

static void ping_pong(int poller, connection *connections, int64_t count, int64_t seconds, measured *m)
{
    memset(m, 0, sizeof *m);
    for (int64_t i = 0; i < count; i++)
        send_next(&connections[i]);
    int64_t start = bench_now() + WARM_UP_NS, end = 0, now;
    int64_t in_flight = count;
    while (in_flight > 0) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(poller, events, EVENTS, -1);
        if (n < 0)
            bench_die("epoll_wait: %s", strerror(errno));
        now = bench_now();
        if (end == 0 && now >= start) {
            start = now;
            end = start + seconds * 1000000000;
            m->cpu_ns = server_cpu();
        }
        for (int i = 0; i < n; i++) {
            connection *c = events[i].data.ptr;
            if (!receive(c))
                continue;
            if (end != 0 && m->wall_ns == 0) {
                m->all++;
                if (c->kind == ECHO_PLAIN)
                    note(&m->quick, bench_now() - c->sent_ns);
            }
            if (m->wall_ns == 0)
                send_next(c);
            else
                in_flight--;
        }
        if (end != 0 && m->wall_ns == 0 && bench_now() >= end) {
            m->cpu_ns = server_cpu() - m->cpu_ns;
            m->wall_ns = bench_now() - start;
        }
    }
}

static connection *dial_all(int64_t count, int poller)
{
    connection *all = bench_alloc((size_t)count, sizeof *all);
    for (int64_t i = 0; i < count; i++) {
        all[i] = (connection){.fd = dial(i), .kind = ECHO_PLAIN};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        if (poller >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, all[i].fd, &event) != 0)
            bench_die("epoll_ctl: %s", strerror(errno));
    }
    return all;
}

static void echo(int64_t count, int64_t seconds)
{
    static measured m;
    int poller = epoll_create1(EPOLL_CLOEXEC);
    ping_pong(poller, dial_all(count, poller), count, seconds, &m);
    bench_print("echo_cpu", (double)m.cpu_ns / 1e3 / (double)m.all, "s/M");
    bench_print("echo_wall", (double)m.wall_ns / 1e3 / (double)m.all, "us");
    bench_print("echo_p50", percentile_us(&m.quick, 0.50), "us");
    bench_print("echo_p99", percentile_us(&m.quick, 0.99), "us");
}

static void slow(int64_t count, int64_t seconds, char kind)
{
    static measured m;
    int poller = epoll_create1(EPOLL_CLOEXEC);
    connection *all = dial_all(count, poller);
    ping_pong(poller, all, count, seconds, &m);
    double without = percentile_us(&m.quick, 0.99);
    for (int64_t i = 0; i < count; i += SHARE)
        all[i].kind = kind;
    ping_pong(poller, all, count, seconds, &m);
    double with = percentile_us(&m.quick, 0.99);
    bench_print("slow_without_p99", without, "us");
    bench_print("slow_p99", with, "us");
    bench_print("slow_ratio", with / without, "times");
    bench_print("slow_requests", (double)(m.all - m.quick.count) / (double)seconds, "1/s");
}

static void idle(int64_t count)
{
    connection first = {.fd = dial(0), .kind = ECHO_PLAIN};
    ask(&first);
    int64_t resident = memory("VmRSS:"), tables = memory("VmPTE:");
    connection *all = dial_all(count, -1);
    for (int64_t i = 0; i < count; i++)
        ask(&all[i]);
    bench_print("idle_rss", (double)(memory("VmRSS:") - resident) / (double)count, "bytes");
    bench_print("idle_pte", (double)(memory("VmPTE:") - tables) / (double)count, "bytes");
    for (int64_t i = 0; i < count; i++)
        ask(&all[i]); /* they all still live */
}

static void open_and_close(int64_t from, int64_t to)
{
    static connection batch[BATCH];
    while (from < to) {
        int n = to - from < BATCH ? (int)(to - from) : BATCH;
        for (int i = 0; i < n; i++) {
            batch[i] = (connection){.fd = dial(from + i), .kind = ECHO_PLAIN};
            send_next(&batch[i]);
        }
        for (int i = 0; i < n; i++) {
            while (!receive(&batch[i]))
                ;
            close(batch[i].fd);
        }
        from += n;
    }
}

typedef struct census {
    int64_t goroutines, descriptors, resident;
} census;

/* A moment after the last connection was closed, so that the server has seen it. */
static census look(void)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    census c = {0};
    nanosleep(&pause, NULL);
    c.goroutines = goroutines();
    nanosleep(&pause, NULL);
    c.descriptors = descriptors();
    c.resident = memory("VmRSS:");
    return c;
}

static void churn(int64_t count)
{
    int64_t warm_up = count / 20;
    open_and_close(0, warm_up);
    census before = look(), after;
    int64_t start = bench_now();
    open_and_close(warm_up, warm_up + count);
    bench_print_us_each("churn_each", start, count);
    int64_t end = bench_now() + SETTLE_NS;
    do {
        after = look();
    } while ((after.goroutines > before.goroutines || after.descriptors > before.descriptors) &&
             bench_now() < end);
    bench_print("churn_descriptors", (double)(after.descriptors - before.descriptors), "more");
    bench_print("churn_goroutines", (double)(after.goroutines - before.goroutines), "more");
    bench_print("churn_rss", (double)(after.resident - before.resident) / 1024, "KiB");
}

int main(int argc, char **argv)
{
    port = (int)bench_arg(argc, argv, 1, 0, 1);
    server = (pid_t)bench_arg(argc, argv, 2, 0, 1);
    const char *mode = argc > 3 ? argv[3] : "echo";
    int64_t count = bench_arg(argc, argv, 4, 100, 1);
    int64_t seconds =
        strcmp(mode, "echo") == 0 || strcmp(mode, "slow") == 0 ? bench_arg(argc, argv, 5, 5, 1) : 0;
    echo_raise_limit();
    if (strcmp(mode, "echo") == 0)
        echo(count, seconds);
    else if (strcmp(mode, "slow") == 0)
        slow(count, seconds, argc > 6 && strcmp(argv[6], "sleep") == 0 ? ECHO_SLEEP : ECHO_CPU);
    else if (strcmp(mode, "idle") == 0)
        idle(count);
    else if (strcmp(mode, "churn") == 0)
        churn(count);
    else
        bench_die("%s: echo, slow, idle or churn", mode);
    return 0;
}
