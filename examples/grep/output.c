/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The printer, and the progress line.
 *
 * Only the printer writes results: lines are collected and written in large
 * parts, messages at once and in their place among the lines.
 *
 * When standard error is a terminal, a goroutine draws a progress line there
 * every 100 ms. Printer and progress share the terminal, and the counters,
 * under a mutex. At the end the printer keeps it, so nothing is drawn after
 * the line has been erased.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "grep.h"

enum { WRITE_SIZE = 64 * 1024 };

struct screen {
    bool on; /* there is a progress line: the rest is under the lock */
    tuza_mutex lock;
    bool shown;
    unsigned long files, matches;
};

struct printer {
    struct screen *screen;
    struct text out;
    bool interactive;
    bool matched, failed; /* what the exit code says */
    bool reader_gone;
};

/* Returns 0 or what errno said. */
static int write_all(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static void erase(struct screen *s)
{
    static const char sequence[] = "\r\033[K";
    if (s->shown)
        (void)write_all(STDERR_FILENO, sequence, sizeof sequence - 1);
    s->shown = false;
}

/* The progress goroutine's body; it ends with the process. */
static void show_progress(void *arg)
{
    struct screen *s = arg;
    for (;;) {
        tuza_sleep(100 * TUZA_MILLISECOND);
        tuza_mutex_lock(&s->lock);
        char line[160];
        int len = snprintf(line, sizeof line, "\r\033[K%lu files, %lu matches, %d goroutines", s->files,
                           s->matches, tuza_num_goroutine());
        s->shown = write_all(STDERR_FILENO, line, (size_t)len) == 0;
        tuza_mutex_unlock(&s->lock);
    }
}

static void write_over_progress(struct printer *p, int fd, const struct text *t)
{
    if (p->screen->on) {
        tuza_mutex_lock(&p->screen->lock);
        erase(p->screen);
    }
    int err = write_all(fd, t->at, t->len);
    if (err != 0 && fd == STDOUT_FILENO) {
        p->failed = true;
        p->reader_gone = true;
        if (err != EPIPE) {
            struct text message = {0};
            text_add_error(&message, "write error", err);
            (void)write_all(STDERR_FILENO, message.at, message.len);
            free(message.at);
        }
    }
    if (p->screen->on)
        tuza_mutex_unlock(&p->screen->lock);
}

static void flush(struct printer *p)
{
    if (p->out.len > 0)
        write_over_progress(p, STDOUT_FILENO, &p->out);
    p->out.len = 0;
}

static void print_piece(struct printer *p, const struct piece *piece)
{
    p->matched |= piece->matches > 0;
    p->failed |= piece->is_error;
    if (piece->is_message) {
        flush(p);
        write_over_progress(p, STDERR_FILENO, &piece->text);
    } else {
        text_add(&p->out, piece->text.at, piece->text.len);
        if (p->out.len >= WRITE_SIZE)
            flush(p);
    }
    free(piece->text.at);
}

static void count(struct screen *s, unsigned long files, unsigned long matches)
{
    if (!s->on)
        return;
    tuza_mutex_lock(&s->lock);
    s->files += files;
    s->matches += matches;
    tuza_mutex_unlock(&s->lock);
}

/* The next channel of results; someone who watches sees all there is before the printer waits. */
static bool next_results(struct printer *p, TUZA_CHAN(results) order, results *pieces)
{
    bool ok;
    if (p->interactive) {
        if (TUZA_CHAN_TRY_RECV(order, pieces, &ok))
            return ok;
        flush(p);
    }
    return TUZA_CHAN_RECV(order, pieces);
}

static void start_progress(struct screen *s)
{
    if (!isatty(STDERR_FILENO))
        return;
    s->on = tuza_go(show_progress, s) == 0; /* else the search goes on without the line */
}

int print_in_order(TUZA_CHAN(results) order)
{
    static struct screen screen; /* the progress goroutine may outlive this call */
    struct printer p = {.screen = &screen, .interactive = isatty(STDOUT_FILENO) == 1};
    start_progress(&screen);
    results pieces;
    while (!p.reader_gone && next_results(&p, order, &pieces)) {
        struct piece piece;
        while (!p.reader_gone && TUZA_CHAN_RECV(pieces, &piece)) {
            count(&screen, 0, piece.matches);
            print_piece(&p, &piece);
        }
        count(&screen, 1, 0);
        if (!p.reader_gone)
            TUZA_CHAN_UNREF(pieces);
    }
    if (!p.reader_gone)
        flush(&p);
    free(p.out.at);
    if (screen.on) {
        tuza_mutex_lock(&screen.lock);
        erase(&screen);
    }
    return p.failed ? 2 : p.matched ? 0 : 1;
}
