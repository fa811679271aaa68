/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffered readers and writers. Reads come out short where the test wants
 * it: a SOCK_SEQPACKET socket gives one message to each read.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4 | env GOMAXPROCS=2 TUZA_CHAOS=5
#include <errno.h>
#include <sys/socket.h>
#include <tuza/net.h>

#include "help.h"

static void make_pair(int type, int fds[2])
{
    CHECK_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
}

static void put(int fd, const char *text, size_t n)
{
    CHECK_EQ(tuza_write(fd, text, n), (ssize_t)n);
}

static void put_string(int fd, const char *text)
{
    put(fd, text, strlen(text));
}

static void close_both(const int fds[2])
{
    CHECK_EQ(tuza_close(fds[0]), 0);
    CHECK_EQ(tuza_close(fds[1]), 0);
}

static void start(tuza_reader *r, int fd, void *buf, size_t size)
{
    CHECK_EQ(tuza_reader_init(r, fd, buf, size), 0);
}

#define CHECK_LINE(r, text)                            \
    do {                                               \
        char *line_;                                   \
        size_t n_;                                     \
        CHECK_EQ(tuza_reader_line(r, &line_, &n_), 1); \
        CHECK_STR(line_, text);                        \
        CHECK_EQ(n_, strlen(text));                    \
    } while (0)

static int line_result(tuza_reader *r)
{
    char *line;
    return tuza_reader_line(r, &line, NULL);
}

static void check_end(tuza_reader *r)
{
    CHECK_EQ(line_result(r), 0);
    CHECK_EQ(line_result(r), 0);
    CHECK_EQ(tuza_reader_buffered(r), 0);
}

static const char text[] = "one\ntwo\r\n\n\r\nwith\rin\n\r\rend\r\nlast";

static void check_text(tuza_reader *r)
{
    CHECK_LINE(r, "one");
    CHECK_LINE(r, "two");
    CHECK_LINE(r, "");
    CHECK_LINE(r, "");
    CHECK_LINE(r, "with\rin");
    CHECK_LINE(r, "\r\rend");
    CHECK_LINE(r, "last");
    check_end(r);
}

/* The same lines wherever the reads end: at each two points, and after each byte. */
TEST(lines_at_every_split)
{
    size_t n = sizeof text - 1;
    char buf[64];
    for (size_t i = 1; i < n; i++) {
        for (size_t j = i; j < n; j++) {
            int fds[2];
            tuza_reader r;
            make_pair(SOCK_SEQPACKET, fds);
            put(fds[1], text, i);
            if (j > i)
                put(fds[1], text + i, j - i);
            put(fds[1], text + j, n - j);
            CHECK_EQ(tuza_close(fds[1]), 0);
            start(&r, fds[0], buf, sizeof buf);
            check_text(&r);
            CHECK_EQ(tuza_close(fds[0]), 0);
        }
    }
}

TEST(lines_byte_by_byte)
{
    for (size_t size = TUZA_BUFIO_SIZE_MIN; size < 40; size++) {
        int fds[2];
        tuza_reader r;
        make_pair(SOCK_SEQPACKET, fds);
        for (size_t i = 0; i < sizeof text - 1; i++)
            put(fds[1], text + i, 1);
        CHECK_EQ(tuza_close(fds[1]), 0);
        start(&r, fds[0], NULL, size);
        check_text(&r);
        tuza_reader_free(&r);
        CHECK_EQ(tuza_close(fds[0]), 0);
    }
}

/* Any bytes may be in a line or be the delimiter. */
TEST(binary)
{
    int fds[2];
    char buf[32], *p;
    size_t n;
    tuza_reader r;
    make_pair(SOCK_STREAM, fds);
    put(fds[1], "a\0b\n\0\n\377x\377tail", 13);
    CHECK_EQ(tuza_close(fds[1]), 0);
    start(&r, fds[0], buf, sizeof buf);
    CHECK_EQ(tuza_reader_line(&r, &p, &n), 1);
    CHECK_EQ(n, 3);
    CHECK_EQ(memcmp(p, "a\0b", 4), 0);
    CHECK_EQ(tuza_reader_until(&r, '\0', &p), 1);
    CHECK_EQ(tuza_reader_until(&r, '\377', &p), 2);
    CHECK_EQ(memcmp(p, "\n\377", 2), 0);
    CHECK_EQ(tuza_reader_until(&r, '\377', &p), 2);
    CHECK_EQ(tuza_reader_until(&r, '\377', &p), 4); /* the rest, which has none */
    CHECK_EQ(memcmp(p, "tail", 4), 0);
    CHECK_EQ(tuza_reader_until(&r, '\377', &p), 0);
    CHECK_EQ(tuza_close(fds[0]), 0);
}

/* The end that a call saw is told once; it need not be for ever (a terminal's is not). */
TEST(more_after_the_end)
{
    int fds[2];
    char buf[32];
    tuza_reader r;
    make_pair(SOCK_SEQPACKET, fds);
    put_string(fds[1], "a\nlonger than what it follows");
    CHECK_EQ(send(fds[1], "", 0, 0), 0); /* reads as an end */
    put_string(fds[1], "more\n");
    start(&r, fds[0], buf, sizeof buf);
    CHECK_LINE(&r, "a");
    CHECK_LINE(&r, "longer than what it follows");
    CHECK_EQ(line_result(&r), 0);
    CHECK_LINE(&r, "more");
    close_both(fds);
}

/* A line that the buffer can't hold is an error, again and again, and none of it is lost. */
TEST(line_too_long)
{
    int fds[2];
    char buf[16], out[64], *p;
    tuza_reader r;
    make_pair(SOCK_STREAM, fds);
    put_string(fds[1], "fifteen bytes..\n" /* fits with its end */
                       "sixteen bytes...\nnext\n"
                       "sixteen at last.");
    CHECK_EQ(tuza_close(fds[1]), 0);
    start(&r, fds[0], buf, sizeof buf);
    CHECK_LINE(&r, "fifteen bytes..");
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(line_result(&r), -EMSGSIZE);
        CHECK_EQ(tuza_reader_until(&r, '\n', &p), -EMSGSIZE);
        CHECK_EQ(tuza_reader_buffered(&r), 16);
    }
    CHECK_EQ(tuza_reader_read_full(&r, out, 10), 10);
    CHECK_EQ(memcmp(out, "sixteen by", 10), 0);
    CHECK_LINE(&r, "tes...");
    CHECK_LINE(&r, "next");
    CHECK_EQ(line_result(&r), -EMSGSIZE);
    CHECK_EQ(tuza_reader_read(&r, out, sizeof out), 16);
    CHECK_EQ(memcmp(out, "sixteen at last.", 16), 0);
    check_end(&r);
    CHECK_EQ(tuza_close(fds[0]), 0);
}

TEST(peek_and_discard)
{
    int fds[2];
    char buf[16], *p;
    tuza_reader r;
    make_pair(SOCK_SEQPACKET, fds);
    put_string(fds[1], "abc");
    put_string(fds[1], "defg");
    put_string(fds[1], "hijkl");
    start(&r, fds[0], buf, sizeof buf);
    CHECK_EQ(tuza_reader_peek(&r, 0, &p), 0);
    CHECK_EQ(tuza_reader_buffered(&r), 0);
    CHECK_EQ(tuza_reader_peek(&r, 1, &p), 1);
    CHECK_EQ(tuza_reader_buffered(&r), 3); /* one read */
    CHECK_EQ(memcmp(p, "abc", 3), 0);
    CHECK_EQ(tuza_reader_peek(&r, 5, &p), 5);
    CHECK_EQ(tuza_reader_buffered(&r), 7);
    CHECK_EQ(memcmp(p, "abcdefg", 7), 0);
    CHECK_EQ(tuza_reader_peek(&r, 17, &p), -EMSGSIZE);
    CHECK_EQ(memcmp(p, "abcdefg", 7), 0);
    CHECK_EQ(tuza_reader_discard(&r, 0), 0);
    CHECK_EQ(tuza_reader_discard(&r, 2), 2);
    CHECK_EQ(tuza_reader_discard(&r, 6), 6); /* more than is buffered */
    put_string(fds[1], "rest of it");
    CHECK_EQ(tuza_close(fds[1]), 0);
    CHECK_EQ(tuza_reader_peek(&r, 16, &p), 14);
    CHECK_EQ(memcmp(p, "ijklrest of it", 14), 0);
    CHECK_EQ(tuza_reader_peek(&r, 16, &p), 14);
    CHECK_EQ(tuza_reader_discard(&r, SIZE_MAX), 14);
    CHECK_EQ(tuza_reader_discard(&r, 1), 0);
    CHECK_EQ(tuza_reader_peek(&r, 1, &p), 0);
    CHECK_EQ(tuza_close(fds[0]), 0);
}

/* What is read into the caller's own memory, past the buffer, and what goes through it. */
TEST(reads)
{
    int fds[2];
    char buf[16], out[64];
    tuza_reader r;
    make_pair(SOCK_SEQPACKET, fds);
    put_string(fds[1], "0123456789abcdef0123456789");
    put_string(fds[1], "short");
    put_string(fds[1], "shorter");
    start(&r, fds[0], buf, sizeof buf);
    CHECK_EQ(tuza_reader_read(&r, out, 0), 0);
    CHECK_EQ(tuza_reader_read(&r, out, sizeof out), 26); /* at once, though the buffer is smaller */
    CHECK_EQ(tuza_reader_read(&r, out, 2), 2);
    CHECK_EQ(tuza_reader_buffered(&r), 3);
    CHECK_EQ(tuza_reader_read(&r, out, sizeof out), 3); /* no second read */
    CHECK_EQ(tuza_reader_read_full(&r, out, 0), 0);
    put_string(fds[1], "0123456789abcdef0123456789");
    CHECK_EQ(tuza_reader_read_full(&r, out, 3), 3);
    CHECK_EQ(tuza_reader_read_full(&r, out, 30), 30);
    CHECK_EQ(memcmp(out, "rter0123456789abcdef0123456789", 30), 0);
    put_string(fds[1], "only");
    CHECK_EQ(tuza_close(fds[1]), 0);
    CHECK_EQ(tuza_reader_read_full(&r, out, 5), 4);
    CHECK_EQ(tuza_reader_read_full(&r, out, 5), 0);
    CHECK_EQ(tuza_reader_read(&r, out, 5), 0);
    CHECK_EQ(tuza_close(fds[0]), 0);
}

/* NP-03, NP-05: a time-out in the middle of a line loses nothing, and a later deadline goes on with it. */
TEST(timeout_in_a_line)
{
    int fds[2];
    char *p;
    tuza_reader r;
    make_pair(SOCK_STREAM, fds);
    start(&r, fds[0], NULL, 0);
    put_string(fds[1], "par");
    CHECK_EQ(tuza_reader_peek(&r, 3, &p), 3);
    CHECK_EQ(tuza_set_read_deadline(fds[0], tuza_now() + TUZA_MILLISECOND), 0);
    CHECK_EQ(line_result(&r), -ETIMEDOUT);
    CHECK_EQ(line_result(&r), -ETIMEDOUT);
    CHECK_EQ(tuza_reader_peek(&r, 4, &p), -ETIMEDOUT);
    CHECK_EQ(tuza_reader_peek(&r, 3, &p), 3);
    CHECK_EQ(memcmp(p, "par", 3), 0);
    CHECK_EQ(tuza_set_read_deadline(fds[0], 0), 0);
    put_string(fds[1], "tial\n");
    CHECK_LINE(&r, "partial");
    CHECK_EQ(tuza_set_read_deadline(fds[0], 1), 0);
    put_string(fds[1], "12");
    CHECK_EQ(tuza_reader_discard(&r, 3), -ETIMEDOUT);
    CHECK_EQ(tuza_set_read_deadline(fds[0], 0), 0);
    CHECK_EQ(tuza_reader_discard(&r, 2), 2);
    tuza_reader_free(&r);
    close_both(fds);
}

/* The kernel tells once that a connection was reset, and then the end: the reader stays with the error. */
TEST(reset_stays)
{
    int fds[2];
    char buf[64], out[64], *p;
    tuza_reader r;
    for (int how = 0; how < 3; how++) {
        make_pair(SOCK_STREAM, fds);
        put_string(fds[0], "never read");
        put_string(fds[1], "line\npart");
        CHECK_EQ(tuza_close(fds[1]), 0);
        start(&r, fds[0], buf, sizeof buf);
        CHECK_LINE(&r, "line");
        if (how == 0)
            CHECK_EQ(tuza_reader_read_full(&r, out, sizeof out), 4);
        else if (how == 1)
            CHECK_EQ(tuza_reader_peek(&r, 5, &p), -ECONNRESET);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(line_result(&r), -ECONNRESET); /* and not "part" */
        CHECK_EQ(tuza_reader_peek(&r, 10, &p), -ECONNRESET);
        CHECK_EQ(tuza_reader_buffered(&r), how == 0 ? 0 : 4);
        CHECK_EQ(tuza_reader_discard(&r, 10), how == 0 ? -ECONNRESET : 4);
        CHECK_EQ(tuza_reader_read(&r, out, 1), -ECONNRESET);
        CHECK_EQ(tuza_reader_read(&r, out, sizeof out), -ECONNRESET);
        CHECK_EQ(tuza_read(fds[0], out, 1), -ECONNRESET);
        CHECK_EQ(tuza_close(fds[0]), 0);
    }
    tuza_reader_reset(&r, -1);
    CHECK_EQ(line_result(&r), -EBADF);
    make_pair(SOCK_STREAM, fds);
    put_string(fds[1], "fresh\n");
    tuza_reader_reset(&r, fds[0]);
    CHECK_LINE(&r, "fresh");
    close_both(fds);
}

TEST(buffers)
{
    char buf[TUZA_BUFIO_SIZE_MIN];
    tuza_reader r, moved;
    tuza_writer w;
    CHECK_EQ(tuza_reader_init(&r, 0, buf, TUZA_BUFIO_SIZE_MIN - 1), -EINVAL);
    CHECK_EQ(tuza_reader_init(&r, 0, buf, 0), -EINVAL);
    CHECK_EQ(tuza_reader_init(&r, 0, NULL, 1), -EINVAL);
    CHECK_EQ(tuza_reader_init(&r, 0, NULL, SIZE_MAX), -EINVAL);
    tuza_reader_free(&r);
    CHECK_EQ(tuza_writer_init(&w, 1, buf, 1), -EINVAL);
    CHECK_EQ(tuza_writer_init(&w, 1, NULL, SIZE_MAX), -EINVAL);
    tuza_writer_free(&w);
    memset(&r, 0, sizeof r);
    memset(&w, 0, sizeof w);
    tuza_reader_free(&r);
    tuza_writer_free(&w);

    int fds[2];
    make_pair(SOCK_STREAM, fds);
    start(&r, fds[0], NULL, 0);
    put_string(fds[1], "a\nb\n");
    CHECK_LINE(&r, "a");
    moved = r;
    CHECK_LINE(&moved, "b");
    tuza_reader_free(&moved);
    tuza_reader_free(&moved);
    close_both(fds);
}

/* What has arrived at fd by now. */
static void check_arrived(int fd, const char *expected)
{
    char got[256];
    ssize_t n = recv(fd, got, sizeof got, MSG_DONTWAIT);
    CHECK_EQ(n, *expected ? (ssize_t)strlen(expected) : -1);
    CHECK_EQ(memcmp(got, expected, strlen(expected)), 0);
}

TEST(writes)
{
    int fds[2];
    char buf[16];
    tuza_writer w;
    make_pair(SOCK_STREAM, fds);
    CHECK_EQ(tuza_writer_init(&w, fds[0], buf, sizeof buf), 0);
    CHECK_EQ(tuza_writer_flush(&w), 0);
    CHECK_EQ(tuza_writer_write(&w, NULL, 0), 0);
    CHECK_EQ(tuza_writer_write(&w, "0123456789", 10), 10);
    CHECK_EQ(tuza_writer_write(&w, "abcdef", 6), 6); /* full */
    check_arrived(fds[1], "");
    CHECK_EQ(tuza_writer_buffered(&w), 16);
    CHECK_EQ(tuza_writer_write(&w, "g", 1), 1);
    check_arrived(fds[1], "0123456789abcdefg");
    CHECK_EQ(tuza_writer_write(&w, "h", 1), 1);
    check_arrived(fds[1], "");
    CHECK_EQ(tuza_writer_flush(&w), 0);
    CHECK_EQ(tuza_writer_buffered(&w), 0);
    check_arrived(fds[1], "h");
    CHECK_EQ(tuza_writer_write(&w, "seventeen bytes..", 17), 17);
    check_arrived(fds[1], "seventeen bytes..");
    close_both(fds);
}

TEST(prints)
{
    int fds[2];
    char buf[16];
    tuza_writer w;
    make_pair(SOCK_STREAM, fds);
    CHECK_EQ(tuza_writer_init(&w, fds[0], buf, sizeof buf), 0);
    CHECK_EQ(tuza_writer_printf(&w, "%d-%s", 12, "ab"), 5);
    CHECK_EQ(tuza_writer_printf(&w, "%s", ""), 0);
    CHECK_EQ(tuza_writer_printf(&w, "%010d", 7), 10);
    check_arrived(fds[1], "");
    CHECK_EQ(tuza_writer_printf(&w, "%s", "x"), 1); /* fits but for its NUL */
    check_arrived(fds[1], "12-ab0000000007");
    CHECK_EQ(tuza_writer_printf(&w, "%s", "sixteen bytes..."), -EMSGSIZE);
    CHECK_EQ(tuza_writer_printf(&w, "%s", "fifteen bytes.."), 15);
    check_arrived(fds[1], "x");
    CHECK_EQ(tuza_writer_flush(&w), 0);
    check_arrived(fds[1], "fifteen bytes..");
    CHECK_EQ(tuza_writer_write(&w, "0123456789abcdef", 16), 16);
    CHECK_EQ(tuza_writer_printf(&w, "%s", "after"), 5);
    check_arrived(fds[1], "0123456789abcdef");
    close_both(fds);
}

TEST(write_errors_stay)
{
    int fds[2];
    tuza_writer w;
    make_pair(SOCK_STREAM, fds);
    CHECK_EQ(tuza_writer_init(&w, fds[0], NULL, 0), 0);
    CHECK_EQ(tuza_close(fds[1]), 0);
    CHECK_EQ(tuza_writer_printf(&w, "into the void\n"), 14);
    CHECK_EQ(tuza_writer_flush(&w), -EPIPE);
    CHECK_EQ(tuza_writer_buffered(&w), 14);
    CHECK_EQ(tuza_writer_write(&w, "x", 1), -EPIPE);
    CHECK_EQ(tuza_writer_printf(&w, "x"), -EPIPE);
    CHECK_EQ(tuza_writer_flush(&w), -EPIPE);
    CHECK_EQ(tuza_close(fds[0]), 0);
    make_pair(SOCK_STREAM, fds);
    tuza_writer_reset(&w, fds[0]);
    CHECK_EQ(tuza_writer_buffered(&w), 0);
    CHECK_EQ(tuza_writer_printf(&w, "fine"), 4);
    CHECK_EQ(tuza_writer_flush(&w), 0);
    check_arrived(fds[1], "fine");
    tuza_writer_free(&w);
    close_both(fds);
}

/* NP-07: a deadline cuts a write in the middle: an error from then on; what has gone is a beginning. */
TEST(write_cut_by_deadline)
{
    int fds[2];
    enum { SIZE = 1 << 20 };
    char *data = malloc(SIZE), *got = malloc(SIZE);
    CHECK(data && got);
    for (int i = 0; i < SIZE; i++)
        data[i] = (char)(i * 7 + i / 251);
    tuza_writer w;
    make_pair(SOCK_STREAM, fds);
    CHECK_EQ(tuza_writer_init(&w, fds[0], NULL, SIZE), 0);
    CHECK_EQ(tuza_writer_write(&w, data, SIZE - 1), SIZE - 1);
    CHECK_EQ(tuza_set_write_deadline(fds[0], tuza_now() + 10 * TUZA_MILLISECOND), 0);
    CHECK_EQ(tuza_writer_flush(&w), -ETIMEDOUT);
    CHECK_EQ(tuza_set_write_deadline(fds[0], 0), 0);
    CHECK_EQ(tuza_writer_flush(&w), -ETIMEDOUT);
    size_t left = tuza_writer_buffered(&w);
    CHECK(left > 0 && left < SIZE - 1);
    CHECK_EQ(tuza_close(fds[0]), 0);
    CHECK_EQ(tuza_read_full(fds[1], got, SIZE), (ssize_t)(SIZE - 1 - left));
    CHECK_EQ(memcmp(got, data, SIZE - 1 - left), 0);
    CHECK_EQ(tuza_close(fds[1]), 0);
    tuza_writer_free(&w);
    free(data);
    free(got);
}

/* A long text by every call in random turn, against what was written. */
enum { LONG = 200000 };

static uint32_t next_random(uint64_t *state, uint32_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % below;
}

static char *long_text(void)
{
    char *data = malloc(LONG);
    CHECK(data != NULL);
    uint64_t random = 5;
    for (size_t i = 0; i < LONG; i++) {
        uint32_t c = next_random(&random, 40);
        data[i] = (char)(c == 0 ? '\n' : c == 1 ? '\r' : c == 2 ? '\0' : (int)(c + 60));
    }
    return data;
}

typedef struct flow {
    const char *data;
    int fd;
    size_t buffer;
} flow;

static void write_randomly(void *arg)
{
    flow f = *(flow *)arg;
    uint64_t random = f.buffer;
    tuza_writer w;
    CHECK_EQ(tuza_writer_init(&w, f.fd, NULL, f.buffer), 0);
    for (size_t at = 0; at < LONG;) {
        size_t n = next_random(&random, 60);
        n = n < LONG - at ? n : LONG - at;
        CHECK_EQ(tuza_writer_write(&w, f.data + at, n), (ssize_t)n);
        at += n;
        if (next_random(&random, 20) == 0)
            CHECK_EQ(tuza_writer_flush(&w), 0);
    }
    CHECK_EQ(tuza_writer_flush(&w), 0);
    tuza_writer_free(&w);
    CHECK_EQ(tuza_close(f.fd), 0);
}

/* One call on the reader, which stands at data[at]; returns how far it came. */
static size_t one_step(tuza_reader *r, const char *data, size_t at, uint64_t *random)
{
    char out[80], *p = out;
    size_t left = LONG - at, n = next_random(random, sizeof out) + 1, expected = n < left ? n : left;
    const char *nl = memchr(data + at, '\n', left);
    size_t line = nl ? (size_t)(nl - data) + 1 - at : left;
    ssize_t got = 0;
    switch (next_random(random, 5)) {
    case 0:
        got = tuza_reader_read(r, out, n);
        CHECK(got > 0 && (size_t)got <= n);
        break;
    case 1:
        got = tuza_reader_read_full(r, out, n);
        CHECK_EQ(got, expected);
        break;
    case 2:
        n = n < r->size ? n : r->size;
        got = tuza_reader_peek(r, n, &p);
        CHECK_EQ(got, n < left ? n : left);
        CHECK_EQ(memcmp(p, data + at, tuza_reader_buffered(r)), 0);
        return 0;
    case 3:
        CHECK_EQ(tuza_reader_discard(r, n), expected);
        return expected;
    case 4:
        got = tuza_reader_until(r, '\n', &p);
        if (got == -EMSGSIZE) {
            CHECK(line > r->size || (!nl && line == r->size));
            CHECK_EQ(tuza_reader_buffered(r), r->size);
            return 0;
        }
        CHECK_EQ(got, line);
        break;
    }
    CHECK_EQ(memcmp(p, data + at, (size_t)got), 0);
    return (size_t)got;
}

TEST(every_call_in_random_turn)
{
    char *data = long_text();
    for (size_t size = TUZA_BUFIO_SIZE_MIN; size <= 4096; size *= 4) {
        int fds[2];
        make_pair(SOCK_STREAM, fds);
        flow f = {data, fds[1], size};
        CHECK_EQ(tuza_go_copy(write_randomly, &f, sizeof f), 0);
        uint64_t random = size + 1;
        tuza_reader r;
        start(&r, fds[0], NULL, size);
        size_t at = 0;
        while (at < LONG)
            at += one_step(&r, data, at, &random);
        check_end(&r);
        tuza_reader_free(&r);
        CHECK_EQ(tuza_close(fds[0]), 0);
    }
    settle(1);
    free(data);
}

/* A conversation: each side waits for the other's line. */
static void answer(void *arg)
{
    int fd = *(int *)arg;
    char in[64], out[64], *line;
    tuza_reader r;
    tuza_writer w;
    start(&r, fd, in, sizeof in);
    CHECK_EQ(tuza_writer_init(&w, fd, out, sizeof out), 0);
    while (tuza_reader_line(&r, &line, NULL) == 1) {
        CHECK(tuza_writer_printf(&w, "you said %s\r\n", line) > 0);
        CHECK_EQ(tuza_writer_flush(&w), 0);
    }
    CHECK_EQ(tuza_close(fd), 0);
}

TEST(conversation)
{
    int fds[2];
    make_pair(SOCK_STREAM, fds);
    CHECK_EQ(tuza_go_copy(answer, &fds[1], sizeof fds[1]), 0);
    tuza_reader r;
    tuza_writer w;
    start(&r, fds[0], NULL, 0);
    CHECK_EQ(tuza_writer_init(&w, fds[0], NULL, 0), 0);
    for (int i = 0; i < 5000 / SCALE; i++) {
        char expected[64];
        CHECK(tuza_writer_printf(&w, "number %d\n", i) > 0);
        CHECK_EQ(tuza_writer_flush(&w), 0);
        snprintf(expected, sizeof expected, "you said number %d", i);
        CHECK_LINE(&r, expected);
    }
    CHECK_EQ(tuza_shutdown(fds[0], SHUT_WR), 0);
    check_end(&r);
    tuza_reader_free(&r);
    tuza_writer_free(&w);
    CHECK_EQ(tuza_close(fds[0]), 0);
    settle(1);
}

TEST_MAIN_TUZA()
