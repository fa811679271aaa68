/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Searches one file, with open and read as any C program calls them: when the
 * disk is slow, only this goroutine waits.
 *
 * What counts as binary is part of the output, so it follows GNU grep: a file
 * is binary from the first read on that brought a NUL byte, or if it has a
 * hole; lines shown by then stay shown. From there on NULs end lines as
 * newlines do, and the first match is reported in one sentence and ends the
 * search. The size and alignment of reads are GNU grep's too for that reason.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "grep.h"

enum {
    READ_ALIGN = 4096,
    READ_SIZE = 96 * 1024,
    PIECE_SIZE = 32 * 1024, /* output is sent on when it has grown to this */
};

struct search {
    const struct job *job;
    const char *name;
    struct searcher *searcher;
    struct piece piece;     /* collected, not yet sent */
    unsigned long newlines; /* seen before `counted` */
    bool binary;
};

static void send_piece(struct search *s)
{
    if (s->piece.text.len > 0)
        TUZA_CHAN_SEND_AT(s->job->pieces, &s->piece);
    s->piece = (struct piece){0};
}

/* Messages keep their place among the lines. */
static struct text *begin_message(struct search *s, bool is_error)
{
    send_piece(s);
    s->piece.is_message = true;
    s->piece.is_error = is_error;
    return &s->piece.text;
}

static void report_error(struct search *s, int err)
{
    text_add_error(begin_message(s, true), s->name, err);
    send_piece(s);
}

static unsigned long count_newlines(const char *at, const char *end)
{
    unsigned long n = 0;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        n++;
        at++;
    }
    return n;
}

static void show_line(struct search *s, const char *line, const char *newline)
{
    struct text *t = &s->piece.text;
    if (s->job->show_name) {
        text_add_string(t, s->name);
        text_add(t, ":", 1);
    }
    text_add_number(t, s->newlines + 1);
    text_add(t, ":", 1);
    text_add(t, line, (size_t)(newline + 1 - line));
    s->piece.matches++;
    if (t->len >= PIECE_SIZE)
        send_piece(s);
}

/* The whole lines in [at, end). Returns whether to go on. */
static bool search_lines(struct search *s, char *at, char *end)
{
    char *line;
    char *newline;
    while ((line = matcher_next(s->searcher->matcher, at, end, &newline)) != NULL) {
        if (s->binary) {
            struct text *t = begin_message(s, false);
            text_add_string(t, "grep: ");
            text_add_string(t, s->name);
            text_add_string(t, ": binary file matches\n");
            s->piece.matches = 1;
            return false;
        }
        s->newlines += count_newlines(at, line);
        show_line(s, line, newline);
        s->newlines++;
        at = newline + 1;
    }
    if (!s->binary)
        s->newlines += count_newlines(at, end);
    return true;
}

/* Whether the file has a hole, which reads as NULs, after what was read. */
static bool has_hole(int fd, const struct stat *st, size_t already)
{
    if (!S_ISREG(st->st_mode) || (off_t)already >= st->st_size)
        return false;
    off_t here = lseek(fd, 0, SEEK_CUR);
    off_t hole = here < 0 ? -1 : lseek(fd, here, SEEK_HOLE);
    if (hole < 0)
        return false;
    return lseek(fd, here, SEEK_SET) == here && hole < st->st_size;
}

/* Room in the buffer for what is kept of a line, and behind it for a read that starts at a page. */
static size_t make_room(struct searcher *s, size_t kept)
{
    size_t start = (kept + READ_ALIGN) / READ_ALIGN * READ_ALIGN;
    if (s->buffer == NULL)
        s->cap = READ_ALIGN + READ_SIZE;
    while (s->cap - READ_ALIGN < start)
        s->cap += s->cap / 2 / READ_ALIGN * READ_ALIGN;
    return start;
}

static void end_lines_at_nuls(char *at, char *end)
{
    while (at < end && (at = memchr(at, '\0', (size_t)(end - at))) != NULL)
        *at++ = '\n';
}

static ssize_t read_again(int fd, char *to, size_t size)
{
    ssize_t n;
    do {
        n = read(fd, to, size);
    } while (n < 0 && errno == EINTR);
    return n;
}

static void search_open_file(struct search *s, int fd, const struct stat *st)
{
    struct searcher *b = s->searcher;
    size_t rest = 0; /* where the line that the last read left incomplete begins, */
    size_t kept = 0; /* and how much of it there is */
    for (bool first = true;; first = false) {
        size_t old_cap = b->cap;
        size_t start = make_room(b, kept);
        if (b->cap != old_cap || b->buffer == NULL)
            b->buffer = must_realloc(b->buffer, b->cap + 1);
        char *fresh = b->buffer + start;
        memmove(fresh - kept, b->buffer + rest, kept);
        ssize_t n = read_again(fd, fresh, b->cap - start);
        if (n < 0) {
            report_error(s, errno);
            return;
        }
        if (n == 0) {
            if (kept > 0) {
                *fresh = '\n';
                search_lines(s, fresh - kept, fresh + 1);
            }
            return;
        }
        char *end = fresh + n;
        if (!s->binary)
            s->binary = memchr(fresh, '\0', (size_t)n) != NULL || (first && has_hole(fd, st, (size_t)n));
        if (s->binary)
            end_lines_at_nuls(fresh, end);
        char *newline = memrchr(fresh, '\n', (size_t)n);
        char *lines_end = newline != NULL ? newline + 1 : fresh - kept;
        if (!search_lines(s, fresh - kept, lines_end))
            return;
        rest = (size_t)(lines_end - b->buffer);
        kept = (size_t)(end - lines_end);
    }
}

static bool is_device(mode_t mode)
{
    return S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode);
}

/* Lines added to a file that is being searched would be found in turn, without end. */
static bool is_output(const struct options *o, const struct stat *st)
{
    return o->out_regular && S_ISREG(st->st_mode) && st->st_dev == o->out_stat.st_dev &&
           st->st_ino == o->out_stat.st_ino;
}

static void search_file(struct search *s)
{
    const struct job *job = s->job;
    /* A device found on the way is not even waited for at open. */
    int fd = open_path(job->path, O_RDONLY | O_NOCTTY | (job->is_operand ? 0 : O_NOFOLLOW | O_NONBLOCK));
    if (fd < 0) {
        if (job->is_operand || errno != ELOOP) /* a link since the walker saw it */
            report_error(s, errno);
        return;
    }
    struct stat st;
    if (fstat(fd, &st) != 0) {
        report_error(s, errno);
    } else if (is_output(job->options, &st)) {
        struct text *t = begin_message(s, true);
        text_add_string(t, "grep: ");
        text_add_string(t, s->name);
        text_add_string(t, ": input file is also the output\n");
    } else if (job->is_operand || !is_device(st.st_mode)) {
        search_open_file(s, fd, &st);
    }
    close(fd);
}

void search_job(void *arg)
{
    struct job *job = arg;
    struct search s = {.job = job, .name = job->path, .searcher = job->searcher};
    if (job->options->strip_dot && strncmp(s.name, "./", 2) == 0)
        s.name += 2;
    search_file(&s);
    /* Before the last piece is sent: that may wait for the printer, and no file is open any more. */
    TUZA_CHAN_SEND(job->searchers, job->searcher);
    send_piece(&s);
    TUZA_CHAN_CLOSE(job->pieces);
    TUZA_CHAN_UNREF(job->pieces);
    free(job->path);
    free(job);
}
