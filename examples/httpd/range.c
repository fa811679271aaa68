/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ranges of a file: one goes as it is, several as parts of a
 * multipart/byteranges. A request whose ranges together ask for more than the
 * file has, or for very many, gets the whole file: overlapping ranges are how
 * a server is made to send much for little.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "httpd.h"

enum { PART_HEAD_SIZE = 512 };

/* Of all ranges together: so much that with what stands between them the length is still a number. */
#define SUM_MOST (INT64_MAX - (RANGES_MAX + 1) * PART_HEAD_SIZE)

/* Between the parts: no file has it, since nobody can know it. */
static char boundary[33];

void range_setup(void)
{
    uint64_t n[2];
    if (getrandom(n, sizeof n, 0) != sizeof n)
        n[0] = (uint64_t)tuza_now(), n[1] = (uint64_t)getpid();
    snprintf(boundary, sizeof boundary, "%016jx%016jx", (uintmax_t)n[0], (uintmax_t)n[1]);
}

/* Reads digits, at most 18 of them; false: there is none. */
static bool number(const char **at, const char *end, off_t *n)
{
    const char *begin = *at;
    for (*n = 0; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
        if (*at - begin >= 18)
            return false;
        *n = *n * 10 + (**at - '0');
    }
    return *at > begin;
}

static void skip_blanks(const char **at, const char *end)
{
    while (*at < end && (**at == ' ' || **at == '\t'))
        (*at)++;
}

/* "FIRST-LAST", "FIRST-" or "-COUNT". False: it is none. r->len is 0 where it does not lie in the file. */
static bool one_range(const char **at, const char *end, off_t size, struct range *r)
{
    off_t first = 0, last = size - 1;
    bool has_first = number(at, end, &first);
    if (*at == end || **at != '-')
        return false;
    (*at)++;
    const char *digits = *at;
    bool has_last = number(at, end, &last);
    if (!has_last && (!has_first || *at != digits))
        return false;
    if (!has_first) { /* so many at the end */
        first = last < size ? size - last : 0;
        last = last > 0 ? size - 1 : -1;
    } else if (!has_last) {
        last = size - 1;
    } else if (last < first) {
        return false;
    }
    if (last >= size)
        last = size - 1;
    *r = (struct range){first, last >= first ? last - first + 1 : 0};
    return true;
}

int range_parse(struct range ranges[RANGES_MAX], const char *text, size_t len, off_t size)
{
    const char *at = text, *end = text + len;
    int n = 0;
    bool any = false;
    off_t sum = 0;
    if (len < 6 || strncasecmp(at, "bytes=", 6) != 0)
        return 0;
    at += 6;
    while (at < end) {
        struct range r;
        skip_blanks(&at, end);
        if (at < end && *at == ',') { /* a list may have empty places */
            at++;
            continue;
        }
        if (at == end)
            break;
        if (!one_range(&at, end, size, &r))
            return 0;
        skip_blanks(&at, end);
        if (at < end && *at++ != ',')
            return 0;
        any = true;
        if (r.len == 0)
            continue;
        if (n == RANGES_MAX || r.len > SUM_MOST - sum)
            return 0;
        ranges[n++] = r;
        sum += r.len;
    }
    if (!any || (n > 1 && sum > size))
        return 0;
    return n > 0 ? n : -1;
}

static int part_head(char *out, size_t size, const struct file *f, const struct range *r)
{
    return snprintf(out, size, "\r\n--%s\r\nContent-Type: %s\r\nContent-Range: bytes %jd-%jd/%jd\r\n\r\n",
                    boundary, f->type, (intmax_t)r->at, (intmax_t)(r->at + r->len - 1), (intmax_t)f->size);
}

static void several(struct conn *c, const struct file *f, const struct range *ranges, int n)
{
    char head[PART_HEAD_SIZE], tail[64];
    int tail_len = snprintf(tail, sizeof tail, "\r\n--%s--\r\n", boundary);
    intmax_t length = tail_len;
    for (int i = 0; i < n; i++)
        length += part_head(head, sizeof head, f, &ranges[i]) + ranges[i].len;
    output_format(c, "Content-Type: multipart/byteranges; boundary=%s\r\nContent-Length: %jd\r\n", boundary,
                  length);
    output_head_end(c);
    for (int i = 0; i < n; i++) {
        int len = part_head(head, sizeof head, f, &ranges[i]);
        output_add(c, head, (size_t)len);
        output_file(c, f, ranges[i].at, ranges[i].len);
    }
    output_add(c, tail, (size_t)tail_len);
}

void range_answer(struct conn *c, const struct file *f, const struct range *ranges, int n)
{
    output_head(c, 206);
    output_format(c, "Accept-Ranges: bytes\r\nETag: %s\r\nLast-Modified: %s\r\n", f->etag, f->modified_text);
    if (n > 1) {
        several(c, f, ranges, n);
        return;
    }
    output_format(c, "Content-Type: %s\r\nContent-Length: %jd\r\nContent-Range: bytes %jd-%jd/%jd\r\n",
                  f->type, (intmax_t)ranges->len, (intmax_t)ranges->at,
                  (intmax_t)(ranges->at + ranges->len - 1), (intmax_t)f->size);
    output_head_end(c);
    output_file(c, f, ranges->at, ranges->len);
}
