/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What goes to the client. Small answers are gathered in the connection's
 * buffer and written together before the server waits for the next request,
 * so that of pipelined requests many are answered by one write. What is
 * larger goes by itself: from memory together with what was gathered, from a
 * file by sendfile(2).
 */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <time.h>
#include <unistd.h>

#include "httpd.h"

enum { SENDFILE_MOST = 512 * 1024 }; /* of one call: others have their turn in between */

const char *status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 204:
        return "No Content";
    case 206:
        return "Partial Content";
    case 301:
        return "Moved Permanently";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 412:
        return "Precondition Failed";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 416:
        return "Range Not Satisfiable";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Unknown";
    }
}

/*
 * The client has this long for the len bytes that come now. The deadline is
 * moved only now and then; and the clock is not looked at for a small answer,
 * as its request has only just been read.
 */
static void allow_time(struct conn *c, size_t len)
{
    if (len > OUTPUT_SIZE / 4)
        c->now = tuza_now();
    if (c->write_deadline - c->now > options.write_ns / 2)
        return;
    c->write_deadline = c->now + options.write_ns;
    tuza_set_write_deadline(c->fd, c->write_deadline);
}

static void written(struct conn *c, ssize_t n, size_t wanted)
{
    if (n > 0)
        count_add(&c->counts, COUNT_SENT, (uint64_t)n);
    if (n != (ssize_t)wanted)
        c->broken = true;
}

/* All that was gathered, and then these bytes. */
static void write_with(struct conn *c, const char *bytes, size_t len)
{
    struct iovec parts[2] = {{c->buffers->out, c->out_len}, {(char *)(uintptr_t)bytes, len}};
    size_t all = c->out_len + len;
    c->out_len = 0;
    if (c->broken)
        return;
    allow_time(c, all);
    written(c, tuza_writev(c->fd, parts, 2), all);
}

void output_flush(struct conn *c)
{
    size_t len = c->out_len;
    c->out_len = 0;
    if (len == 0 || c->broken)
        return;
    allow_time(c, len);
    written(c, tuza_write(c->fd, c->buffers->out, len), len);
}

void output_add(struct conn *c, const char *bytes, size_t len)
{
    if (len > sizeof c->buffers->out - c->out_len) {
        write_with(c, bytes, len);
        return;
    }
    memcpy(c->buffers->out + c->out_len, bytes, len);
    c->out_len += len;
}

void output_format(struct conn *c, const char *format, ...)
{
    for (int i = 0; i < 2; i++) {
        size_t room = sizeof c->buffers->out - c->out_len;
        va_list args;
        va_start(args, format);
        int len = vsnprintf(c->buffers->out + c->out_len, room, format, args);
        va_end(args);
        if (len >= 0 && (size_t)len < room) {
            c->out_len += (size_t)len;
            return;
        }
        output_flush(c);
    }
    c->broken = true; /* no head is as long as the buffer */
}

/* Waits until the client takes more. */
static bool wait_to_write(struct conn *c)
{
    allow_time(c, SENDFILE_MOST);
    return tuza_wait_fd(c->fd, POLLOUT, 0) >= 0;
}

static void send_from_file(struct conn *c, const struct file *f, off_t at, off_t len)
{
    while (len > 0 && !c->broken) {
        ssize_t n = sendfile(c->fd, f->fd, &at, (size_t)(len < SENDFILE_MOST ? len : SENDFILE_MOST));
        if (n > 0) {
            len -= n;
            count_add(&c->counts, COUNT_SENT, (uint64_t)n);
            if (len > 0)
                tuza_gosched();
        } else if (n == 0) {
            c->broken = true; /* it is shorter than it was: what was promised can't be sent */
        } else if (errno == EAGAIN) {
            c->broken = !wait_to_write(c);
        } else if (errno != EINTR) {
            c->broken = true;
        }
    }
}

void output_file(struct conn *c, const struct file *f, off_t at, off_t len)
{
    if (f->content) {
        output_add(c, f->content + at, (size_t)len);
        return;
    }
    /* The first part goes with the head, in one packet. */
    if (c->out_len == sizeof c->buffers->out)
        output_flush(c); /* else nothing would be read, as if the file had ended */
    size_t room = sizeof c->buffers->out - c->out_len;
    ssize_t n = pread(f->fd, c->buffers->out + c->out_len, len < (off_t)room ? (size_t)len : room, at);
    if (n <= 0) { /* as below; but what came before can be sent */
        output_flush(c);
        c->broken = true;
        return;
    }
    c->out_len += (size_t)n;
    if (n == len)
        return;
    output_flush(c);
    send_from_file(c, f, at + n, len - n);
}

static void count_status(struct conn *c, int status)
{
    count_add(&c->counts,
              status < 300   ? COUNT_2XX
              : status < 400 ? COUNT_3XX
              : status < 500 ? COUNT_4XX
                             : COUNT_5XX,
              1);
}

void output_head(struct conn *c, int status)
{
    count_status(c, status);
    output_format(c, "HTTP/1.1 %d %s\r\nServer: tuza-httpd\r\n", status, status_text(status));
}

void output_head_end(struct conn *c)
{
    time_t now = time(NULL);
    if (now != c->date) {
        char date[DATE_SIZE];
        c->date = now;
        date_format(date, now);
        c->date_len = (size_t)snprintf(c->date_line, sizeof c->date_line, "Date: %s\r\n", date);
    }
    output_add(c, c->date_line, c->date_len);
    if (c->close)
        output_add(c, "Connection: close\r\n\r\n", 21);
    else if (c->parser.http_minor == 0)
        output_add(c, "Connection: keep-alive\r\n\r\n", 26);
    else
        output_add(c, "\r\n", 2);
}

void output_page(struct conn *c, int status, const char *type, const char *text, size_t len)
{
    output_head(c, status);
    output_format(c, "Content-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n", type, len);
    output_head_end(c);
    if (c->parser.method != HTTP_HEAD)
        output_add(c, text, len);
}

void output_error(struct conn *c, int status)
{
    char page[256];
    int len = snprintf(page, sizeof page,
                       "<!DOCTYPE html>\n<html lang=\"en\"><title>%d %s</title>\n<h1>%d %s</h1>\n</html>\n",
                       status, status_text(status), status, status_text(status));
    output_page(c, status, "text/html; charset=utf-8", page, (size_t)len);
}
