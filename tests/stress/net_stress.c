/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets under load: every byte that is written is read once, at its place,
 * whatever deadlines do meanwhile, however many connections there are, and
 * when descriptors run out.
 */
// ctest: timeout 900 | env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=1 TUZA_CHAOS=1 | env GOMAXPROCS=2 TUZA_CHAOS=2 | env GOMAXPROCS=8 TUZA_CHAOS=3
#include "stress/net.h"

enum { PIECE = 4096 };

/* --- Many connections at once --- */

static struct {
    char address[32];
    int listener;
    uint64_t bytes; /* for each to send and get back */
    long count, connected;
    tuza_chan *all_connected;
} many;

static void echo_back(void *arg)
{
    int fd = (int)(intptr_t)arg;
    unsigned char buf[PIECE];
    ssize_t n;
    while ((n = tuza_read(fd, buf, sizeof buf)) > 0)
        CHECK_EQ(tuza_write(fd, buf, (size_t)n), n);
    CHECK_EQ(n, 0);
    CHECK_EQ(tuza_close(fd), 0);
}

static void accept_many(void *arg)
{
    (void)arg;
    for (long i = 0; i < many.count; i++) {
        int fd = tuza_accept(many.listener);
        CHECK(fd >= 0);
        GO(echo_back, (void *)(intptr_t)fd);
    }
}

typedef struct stream {
    int fd;
    uint64_t id;
    uint64_t bytes;
} stream;

static void send_stream(void *arg)
{
    const stream *s = arg;
    unsigned char buf[PIECE];
    stress_random r = stress_start(s->id);
    for (uint64_t at = 0; at < s->bytes;) {
        size_t n = 1 + stress_next(&r, PIECE);
        n = n < s->bytes - at ? n : (size_t)(s->bytes - at);
        net_fill(buf, n, s->id, at);
        CHECK_EQ(tuza_write(s->fd, buf, n), (ssize_t)n);
        at += n;
    }
    CHECK_EQ(tuza_shutdown(s->fd, SHUT_WR), 0);
}

static void connect_one(void *arg)
{
    stream s = {.id = (uint64_t)(uintptr_t)arg, .bytes = many.bytes};
    s.fd = tuza_dial("tcp", many.address);
    if (s.fd < 0)
        tz_test_fail(__FILE__, __LINE__, "tuza_dial: %s:", tuza_strerror(s.fd));
    if (flag_add(&many.connected, 1) == many.count)
        tuza_chan_close(many.all_connected);
    tuza_chan_recv(many.all_connected, NULL);
    team t = {0};
    team_go(&t, send_stream, &s);
    unsigned char buf[PIECE];
    uint64_t at = 0;
    ssize_t n;
    while ((n = tuza_read(s.fd, buf, sizeof buf)) > 0) {
        net_check(buf, (size_t)n, s.id, at);
        at += (uint64_t)n;
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(at, s.bytes);
    team_wait(&t);
    CHECK_EQ(tuza_close(s.fd), 0);
}

/* NP-01, NP-13, NP-18: 2,000 connections are open at once; each reads and writes at the same time. */
TEST(many_connections)
{
    long limit = (net_raise_limit() - 100) / 2;
    many.count = SCALE == 1 && !help_chaos() ? 2000 : 300;
    many.count = many.count < limit ? many.count : limit;
    many.bytes = (uint64_t)stress_amount(64 << 10);
    many.connected = 0;
    many.all_connected = tuza_chan_make(0, 0);
    many.listener = net_listen(many.address);
    int before = net_descriptors();
    team t = {0};
    team_go(&t, accept_many, NULL);
    for (long i = 0; i < many.count; i++)
        team_go(&t, connect_one, (void *)(uintptr_t)(i + 1));
    team_wait(&t);
    settle_slowly();
    CHECK_EQ(net_descriptors(), before);
    CHECK_EQ(tuza_close(many.listener), 0);
    tuza_chan_unref(many.all_connected);
}

/* --- Deadlines that change all the time --- */

typedef struct churned {
    int fds[2];
    uint64_t id, bytes;
    int quiet;   /* no deadline is set any more, nor comes again */
    int over[2]; /* the reader, the writer has ended */
    long timeouts[2];
} churned;

/* Whether a call has timed out, and is to be made again; it must not where no deadline was set before it. */
static bool timed_out(ssize_t result, bool quiet, long *count)
{
    if (result != -ETIMEDOUT)
        return false;
    CHECK(!quiet);
    ++*count;
    tuza_gosched();
    return true;
}

static void churned_writer(void *arg)
{
    churned *c = arg;
    unsigned char buf[PIECE];
    stress_random r = stress_start(c->id * 3);
    for (uint64_t at = 0; at < c->bytes;) {
        size_t n = 1 + stress_next(&r, PIECE);
        n = n < c->bytes - at ? n : (size_t)(c->bytes - at);
        net_fill(buf, n, c->id, at);
        bool quiet = flag_get(&c->quiet);
        ssize_t done = tuza_write(c->fds[1], buf, n);
        if (timed_out(done, quiet, &c->timeouts[1]))
            continue;
        CHECK(done > 0 && (done == (ssize_t)n || !quiet));
        at += (uint64_t)done;
    }
    flag_set(&c->over[1], 1);
    CHECK_EQ(tuza_shutdown(c->fds[1], SHUT_WR), 0);
}

static void churned_reader(void *arg)
{
    churned *c = arg;
    unsigned char buf[PIECE];
    stress_random r = stress_start(c->id * 3 + 1);
    uint64_t at = 0;
    for (;;) {
        bool quiet = flag_get(&c->quiet);
        ssize_t n = tuza_read(c->fds[0], buf, 1 + stress_next(&r, PIECE));
        if (timed_out(n, quiet, &c->timeouts[0]))
            continue;
        if (n == 0)
            break;
        CHECK(n > 0);
        net_check(buf, (size_t)n, c->id, at);
        at += (uint64_t)n;
        if (stress_next(&r, 50) == 0)
            tuza_sleep(stress_next(&r, 200) * TUZA_MICROSECOND); /* the writer gets to wait as well */
    }
    CHECK_EQ(at, c->bytes);
    flag_set(&c->over[0], 1);
}

static int64_t some_deadline(stress_random *r)
{
    switch (stress_next(r, 5)) {
    case 0:
        return 0;
    case 1:
        return tuza_now() - stress_next(r, 1000);
    case 2:
        return tuza_now() + 3600 * TUZA_SECOND;
    default:
        return tuza_now() + stress_next(r, 300) * TUZA_MICROSECOND;
    }
}

static void churner(void *arg)
{
    churned *c = arg;
    stress_random r = stress_start(c->id * 3 + 2);
    for (long i = 0; i < stress_amount(4000) + 50 && !flag_get(&c->over[0]); i++) {
        int64_t when = some_deadline(&r);
        switch (stress_next(&r, 4)) {
        case 0:
            CHECK_EQ(tuza_set_deadline(c->fds[stress_next(&r, 2)], when), 0);
            break;
        case 1:
            CHECK_EQ(tuza_set_write_deadline(c->fds[1], when), 0);
            break;
        default:
            CHECK_EQ(tuza_set_read_deadline(c->fds[0], when), 0);
            break;
        }
        if (stress_next(&r, 3))
            tuza_sleep(stress_next(&r, 100) * TUZA_MICROSECOND);
    }
    CHECK_EQ(tuza_set_deadline(c->fds[0], 0), 0);
    CHECK_EQ(tuza_set_deadline(c->fds[1], 0), 0);
    flag_set(&c->quiet, 1);
}

/*
 * NP-03 to NP-08, NP-29: two goroutines set deadlines on each pair, in the past, soon, far and none. None is
 * late: once they have ended with "none", no call that begins then times out.
 */
TEST(deadline_churn)
{
    enum { PAIRS = 24 };
    static churned pairs[PAIRS];
    int before = net_descriptors();
    long timeouts = 0;
    team t = {0};
    for (uint64_t i = 0; i < PAIRS; i++) {
        churned *c = &pairs[i];
        *c = (churned){.id = i + 1, .bytes = (uint64_t)stress_amount(12 << 20) + 100000};
        net_pair(c->fds);
        team_go(&t, churned_writer, c);
        team_go(&t, churned_reader, c);
        team_go(&t, churner, c);
    }
    team_wait(&t);
    for (int i = 0; i < PAIRS; i++) {
        timeouts += pairs[i].timeouts[0] + pairs[i].timeouts[1];
        CHECK_EQ(tuza_close(pairs[i].fds[0]), 0);
        CHECK_EQ(tuza_close(pairs[i].fds[1]), 0);
    }
    CHECK(timeouts > PAIRS);
    settle_slowly();
    CHECK_EQ(net_descriptors(), before);
}

/* --- Whole calls --- */

enum { WRITERS = 6, RECORD_MAX = 40000 };
typedef struct record {
    uint32_t writer, number;
    uint64_t size;
} record;

static int shared[2];
static uint32_t records_each;

static void write_records(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg;
    stress_random r = stress_start(me + 70);
    unsigned char *buf = malloc(sizeof(record) + RECORD_MAX);
    CHECK(buf != NULL);
    for (uint32_t i = 0; i < records_each; i++) {
        record head = {me, i, stress_next(&r, stress_next(&r, 10) ? 100 : RECORD_MAX)};
        memcpy(buf, &head, sizeof head);
        net_fill(buf + sizeof head, head.size, me, i);
        ssize_t n = (ssize_t)(sizeof head + head.size);
        if (stress_next(&r, 2)) {
            struct iovec iov[2] = {{buf, 9}, {buf + 9, (size_t)n - 9}};
            CHECK_EQ(tuza_writev(shared[1], iov, 2), n);
        } else {
            CHECK_EQ(tuza_write(shared[1], buf, (size_t)n), n);
        }
    }
    free(buf);
}

static uint64_t read_all_records(void)
{
    uint32_t next[WRITERS] = {0};
    uint64_t count = 0;
    unsigned char *buf = malloc(RECORD_MAX);
    CHECK(buf != NULL);
    record head;
    ssize_t n;
    while ((n = tuza_read_full(shared[0], &head, sizeof head)) == sizeof head) {
        CHECK(head.writer < WRITERS && head.size < RECORD_MAX);
        CHECK_EQ(head.number, next[head.writer]);
        next[head.writer]++;
        CHECK_EQ(tuza_read_full(shared[0], buf, head.size), (ssize_t)head.size);
        net_check(buf, head.size, head.writer, head.number);
        count++;
    }
    CHECK_EQ(n, 0);
    free(buf);
    return count;
}

static void wait_and_end(void *arg)
{
    team_wait(arg);
    CHECK_EQ(tuza_shutdown(shared[1], SHUT_WR), 0);
}

/* NP-13, NP-18: what one call writes stays together, though it waits for room in the middle. */
TEST(writes_stay_together)
{
    net_pair(shared);
    records_each = (uint32_t)stress_amount(6000) + 20;
    static team writers;
    team ender = {0};
    for (uintptr_t i = 0; i < WRITERS; i++)
        team_go(&writers, write_records, (void *)i);
    team_go(&ender, wait_and_end, &writers);
    CHECK_EQ(read_all_records(), (uint64_t)records_each * WRITERS);
    team_wait(&ender);
    CHECK_EQ(tuza_close(shared[0]), 0);
    CHECK_EQ(tuza_close(shared[1]), 0);
}

enum { WHOLE = 3000 };
static long wholes_read;

static void read_wholes(void *arg)
{
    (void)arg;
    unsigned char buf[WHOLE];
    ssize_t n;
    while ((n = tuza_read_full(shared[0], buf, sizeof buf)) == WHOLE) {
        uint64_t id;
        memcpy(&id, buf, sizeof id);
        net_check(buf + sizeof id, sizeof buf - sizeof id, id, 0);
        flag_add(&wholes_read, 1);
    }
    CHECK_EQ(n, 0);
}

/* NP-13: several that read whole records off one stream each get whole ones. */
TEST(reads_stay_together)
{
    net_pair(shared);
    wholes_read = 0;
    long count = stress_amount(20000) + 50;
    stress_random r = stress_start(80);
    team readers = {0};
    for (int i = 0; i < 5; i++)
        team_go(&readers, read_wholes, NULL);
    for (long i = 0; i < count; i++) {
        unsigned char buf[WHOLE];
        uint64_t id = (uint64_t)i;
        memcpy(buf, &id, sizeof id);
        net_fill(buf + sizeof id, sizeof buf - sizeof id, id, 0);
        size_t cut = stress_next(&r, WHOLE);
        CHECK_EQ(tuza_write(shared[1], buf, cut), (ssize_t)cut);
        CHECK_EQ(tuza_write(shared[1], buf + cut, WHOLE - cut), (ssize_t)(WHOLE - cut));
    }
    CHECK_EQ(tuza_shutdown(shared[1], SHUT_WR), 0);
    team_wait(&readers);
    CHECK_EQ(wholes_read, count);
    CHECK_EQ(tuza_close(shared[0]), 0);
    CHECK_EQ(tuza_close(shared[1]), 0);
}

/* --- Too few descriptors --- */

enum { CLIENTS = 80, SPARE = 25 }; /* the runtime may take some of them */
static struct {
    int listener, clients[CLIENTS];
    long shortages, served, beside;
    int over;
} few;

static void serve_once(void *arg)
{
    int fd = (int)(intptr_t)arg;
    unsigned char byte;
    CHECK_EQ(tuza_read(fd, &byte, 1), 1);
    CHECK_EQ(tuza_write(fd, &byte, 1), 1);
    CHECK_EQ(tuza_close(fd), 0);
    flag_add(&few.served, 1);
}

static void accept_few(void *arg)
{
    (void)arg;
    for (int accepted = 0; accepted < CLIENTS;) {
        int fd = tuza_accept(few.listener);
        if (fd >= 0) {
            GO(serve_once, (void *)(intptr_t)fd);
            accepted++;
        } else {
            CHECK_EQ(fd, -EMFILE);
            flag_add(&few.shortages, 1);
            tuza_sleep(TUZA_MILLISECOND / 10);
        }
    }
}

/* Others go on meanwhile: a token on a pair that was there before. */
static void pass_token(void *arg)
{
    const int *fds = arg;
    unsigned char byte = 'x';
    while (!flag_get(&few.over)) {
        CHECK_EQ(tuza_write(fds[0], &byte, 1), 1);
        CHECK_EQ(tuza_read(fds[1], &byte, 1), 1);
        flag_add(&few.beside, 1);
    }
}

/* Accept without descriptors to be had is -EMFILE, loses nobody, and goes on when there are some again. */
TEST(descriptors_run_out)
{
    char address[32];
    int fds[2];
    memset(&few, 0, sizeof few);
    net_pair(fds);
    few.listener = net_listen(address);
    for (int i = 0; i < CLIENTS; i++) {
        few.clients[i] = tuza_dial("tcp", address);
        CHECK(few.clients[i] >= 0);
    }
    struct rlimit limit, low;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    int next = dup(few.listener); /* the lowest number that is free: all below are taken */
    CHECK(next >= 0);
    close(next);
    low.rlim_cur = (rlim_t)next + SPARE;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    team t = {0}, beside = {0};
    team_go(&t, accept_few, NULL);
    team_go(&beside, pass_token, fds);
    EVENTUALLY(flag_get(&few.shortages) > 3);
    long before = flag_get(&few.beside);
    EVENTUALLY(flag_get(&few.beside) > before + 10);
    CHECK_EQ(flag_get(&few.served), 0);
    for (int i = 0; i < CLIENTS; i++) { /* in the order of the queue: each frees a place for another */
        unsigned char byte = (unsigned char)i;
        CHECK_EQ(tuza_write(few.clients[i], &byte, 1), 1);
        CHECK_EQ(tuza_read(few.clients[i], &byte, 1), 1);
        CHECK_EQ(byte, i);
        CHECK_EQ(tuza_close(few.clients[i]), 0);
    }
    team_wait(&t);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    flag_set(&few.over, 1);
    team_wait(&beside);
    settle_slowly();
    CHECK_EQ(few.served, CLIENTS);
    CHECK_EQ(tuza_close(few.listener), 0);
    CHECK_EQ(tuza_close(fds[0]), 0);
    CHECK_EQ(tuza_close(fds[1]), 0);
}

TEST_MAIN_TUZA()
