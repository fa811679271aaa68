/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffered readers and writers, on the public calls of net.h alone: nothing
 * here enters the runtime.
 *
 * The reader's state is where an error waits while bytes that came before it
 * are given out. The kernel tells an error of a connection once and then
 * reads as the end, so what was cut off would seem whole: hence it stays.
 * Not so -ETIMEDOUT, since a later deadline makes the descriptor good again,
 * and the end, which on a terminal is not for ever.
 */
#include "tuza/bufio.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "tuza/net.h"

enum { AT_END = 1 }; /* tuza_reader.state */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The buffer of a reader or writer: given, or made here. */
static int take_buffer(char **buf, size_t *size, bool *owns)
{
    *owns = !*buf;
    if (!*buf && *size == 0)
        *size = TUZA_BUFIO_SIZE;
    if (*size < TUZA_BUFIO_SIZE_MIN || *size > PTRDIFF_MAX)
        return -EINVAL;
    if (!*buf)
        *buf = malloc(*size);
    return *buf ? 0 : -ENOMEM;
}

int tuza_reader_init(tuza_reader *r, int fd, void *buf, size_t size)
{
    *r = (tuza_reader){.buf = buf, .size = size, .fd = fd};
    int err = take_buffer(&r->buf, &r->size, &r->owns);
    if (err)
        *r = (tuza_reader){.fd = -1};
    return err;
}

void tuza_reader_reset(tuza_reader *r, int fd)
{
    r->fd = fd;
    r->at = r->end = 0;
    r->state = 0;
}

void tuza_reader_free(tuza_reader *r)
{
    if (r->owns)
        free(r->buf);
    *r = (tuza_reader){.fd = -1};
}

size_t tuza_reader_buffered(const tuza_reader *r)
{
    return r->end - r->at;
}

/* What a call returns that has nothing to give out but the state. */
static int tell(tuza_reader *r)
{
    int state = r->state;
    if (state == AT_END || state == -ETIMEDOUT)
        r->state = 0;
    return state == AT_END ? 0 : state;
}

/* Reads once, to p. Returns the number of bytes; 0: the state says why. */
static size_t read_some(tuza_reader *r, char *p, size_t n)
{
    if (r->state)
        return 0;
    ssize_t got = tuza_read(r->fd, p, n);
    if (got > 0)
        return (size_t)got;
    r->state = got == 0 ? AT_END : (int)got;
    return 0;
}

/* Reads once into the buffer, which is not full. False: the state says why. */
static bool fill(tuza_reader *r)
{
    if (r->at > 0) {
        memmove(r->buf, r->buf + r->at, r->end - r->at);
        r->end -= r->at;
        r->at = 0;
    }
    size_t got = read_some(r, r->buf + r->end, r->size - r->end);
    r->end += got;
    return got > 0;
}

/* Gives out what is buffered, at most n bytes; p NULL: to nobody. */
static size_t give(tuza_reader *r, char *p, size_t n)
{
    n = least(n, r->end - r->at);
    if (p && n > 0)
        memcpy(p, r->buf + r->at, n);
    r->at += n;
    return n;
}

ssize_t tuza_reader_read(tuza_reader *r, void *p, size_t n)
{
    if (n == 0)
        return 0;
    size_t got = 0;
    if (r->at < r->end)
        got = give(r, p, n);
    else if (n >= r->size)
        got = read_some(r, p, n);
    else if (fill(r))
        got = give(r, p, n);
    return got > 0 ? (ssize_t)got : tell(r);
}

ssize_t tuza_reader_read_full(tuza_reader *r, void *p, size_t n)
{
    size_t done = give(r, p, n);
    while (done < n) {
        size_t got;
        if (n - done >= r->size)
            got = read_some(r, (char *)p + done, n - done);
        else
            got = fill(r) ? give(r, (char *)p + done, n - done) : 0;
        if (got == 0)
            break;
        done += got;
    }
    return done > 0 || n == 0 ? (ssize_t)done : tell(r);
}

ssize_t tuza_reader_peek(tuza_reader *r, size_t n, char **p)
{
    bool more = n <= r->size;
    while (more && r->end - r->at < n)
        more = fill(r);
    *p = r->buf + r->at;
    size_t there = r->end - r->at;
    if (there >= n)
        return (ssize_t)n;
    if (n > r->size)
        return -EMSGSIZE;
    return r->state == AT_END && there > 0 ? (ssize_t)there : tell(r);
}

ssize_t tuza_reader_discard(tuza_reader *r, size_t n)
{
    n = least(n, PTRDIFF_MAX);
    size_t done = give(r, NULL, n);
    while (done < n && fill(r))
        done += give(r, NULL, n - done);
    return done > 0 || n == 0 ? (ssize_t)done : tell(r);
}

ssize_t tuza_reader_until(tuza_reader *r, char delim, char **p)
{
    size_t seen = 0; /* of what is buffered: has no delim */
    for (;;) {
        size_t there = r->end - r->at;
        *p = r->buf + r->at;
        char *found = there > seen ? memchr(*p + seen, delim, there - seen) : NULL;
        if (found) {
            size_t n = (size_t)(found - *p) + 1;
            r->at += n;
            return (ssize_t)n;
        }
        seen = there;
        if (there == r->size)
            return -EMSGSIZE;
        if (!fill(r))
            break;
    }
    *p = r->buf + r->at; /* fill has moved it */
    return r->state == AT_END && seen > 0 ? (ssize_t)give(r, NULL, seen) : tell(r);
}

int tuza_reader_line(tuza_reader *r, char **line, size_t *n)
{
    ssize_t got = tuza_reader_until(r, '\n', line);
    size_t len = got > 0 ? (size_t)got : 0;
    if (len > 0 && (*line)[len - 1] == '\n') {
        len--;
        if (len > 0 && (*line)[len - 1] == '\r')
            len--;
    }
    if (got > 0)
        (*line)[len] = '\0'; /* without a newline it is the end, and the buffer not full */
    if (n)
        *n = len;
    return got > 0 ? 1 : (int)got;
}

int tuza_writer_init(tuza_writer *w, int fd, void *buf, size_t size)
{
    *w = (tuza_writer){.buf = buf, .size = size, .fd = fd};
    int err = take_buffer(&w->buf, &w->size, &w->owns);
    if (err)
        *w = (tuza_writer){.fd = -1};
    return err;
}

void tuza_writer_reset(tuza_writer *w, int fd)
{
    w->fd = fd;
    w->len = 0;
    w->err = 0;
}

void tuza_writer_free(tuza_writer *w)
{
    if (w->owns)
        free(w->buf);
    *w = (tuza_writer){.fd = -1};
}

size_t tuza_writer_buffered(const tuza_writer *w)
{
    return w->len;
}

/*
 * Writes out what is buffered and the n bytes at p, in one call where it is
 * not cut off. A short write is followed by another, which tells the error.
 */
static int drain(tuza_writer *w, const char *p, size_t n)
{
    while (!w->err && (w->len > 0 || n > 0)) {
        struct iovec iov[] = {{w->buf, w->len}, {(void *)(uintptr_t)p, n}};
        ssize_t done = n == 0        ? tuza_write(w->fd, w->buf, w->len)
                       : w->len == 0 ? tuza_write(w->fd, p, n)
                                     : tuza_writev(w->fd, iov, 2);
        if (done <= 0) {
            w->err = done < 0 ? (int)done : -EIO; /* nothing written of something: no way on */
            break;
        }
        size_t old = least((size_t)done, w->len);
        w->len -= old;
        memmove(w->buf, w->buf + old, w->len);
        p += (size_t)done - old;
        n -= (size_t)done - old;
    }
    return w->err;
}

ssize_t tuza_writer_write(tuza_writer *w, const void *p, size_t n)
{
    if (w->err)
        return w->err;
    if (n <= w->size - w->len) {
        if (n > 0)
            memcpy(w->buf + w->len, p, n);
        w->len += n;
        return (ssize_t)n;
    }
    int err = drain(w, p, n);
    return err ? err : (ssize_t)n;
}

ssize_t tuza_writer_printf(tuza_writer *w, const char *format, ...)
{
    for (;;) {
        if (w->err)
            return w->err;
        va_list args;
        va_start(args, format);
        int n = vsnprintf(w->buf + w->len, w->size - w->len, format, args);
        va_end(args);
        if (n < 0)
            return -EINVAL;
        if ((size_t)n < w->size - w->len) {
            w->len += (size_t)n;
            return n;
        }
        if ((size_t)n >= w->size)
            return -EMSGSIZE;
        (void)drain(w, "", 0);
    }
}

int tuza_writer_flush(tuza_writer *w)
{
    return drain(w, "", 0);
}
