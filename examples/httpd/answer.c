/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which answer a request gets: from the method, the path and what is there,
 * the conditions, in the order that RFC 9110 gives (13.2.2), to the range.
 */
#include <stdlib.h>
#include <string.h>

#include "httpd.h"

static bool has(const struct request *r, enum field which)
{
    return r->fields[which].at != 0;
}

/* The value of a field; one that is not there is empty. */
static const char *field(const struct request *r, enum field which, size_t *len)
{
    *len = r->fields[which].len;
    return request_text(r, r->fields[which]);
}

/* Whether a list of entity tags, or "*", has the tag; W/ in front is passed over where weak is enough. */
static bool has_tag(const char *list, size_t len, const char *tag, bool weak)
{
    const char *at = list, *end = list + len;
    size_t tag_len = strlen(tag);
    if (len == 1 && *list == '*')
        return true;
    while (at < end) {
        bool is_weak = false;
        while (at < end && strchr(" \t,", *at))
            at++;
        if (end - at > 2 && at[0] == 'W' && at[1] == '/') {
            is_weak = true;
            at += 2;
        }
        if (at == end || *at != '"')
            return false;
        const char *quote = memchr(at + 1, '"', (size_t)(end - at - 1));
        if (!quote)
            return false;
        size_t n = (size_t)(quote + 1 - at);
        if (n == tag_len && memcmp(at, tag, n) == 0 && (weak || !is_weak))
            return true;
        at = quote + 1;
    }
    return false;
}

/* The same for a field, be it in one line or in more. */
static bool field_has_tag(const struct request *r, enum field which, const char *tag, bool weak)
{
    struct slice list = r->fields[which];
    do {
        if (has_tag(request_text(r, list), list.len, tag, weak))
            return true;
    } while (request_more(r, which, &list));
    return false;
}

static bool field_date(const struct request *r, enum field which, time_t *when)
{
    size_t len;
    const char *text = field(r, which, &len);
    return has(r, which) && date_parse(text, len, when);
}

/* 0: go on; else the answer is this: 412 or 304. */
static int precondition(const struct request *r, const struct file *f)
{
    time_t when;
    if (has(r, FIELD_IF_MATCH)) {
        if (!field_has_tag(r, FIELD_IF_MATCH, f->etag, false))
            return 412;
    } else if (field_date(r, FIELD_IF_UNMODIFIED_SINCE, &when) && f->modified > when) {
        return 412;
    }
    if (has(r, FIELD_IF_NONE_MATCH))
        return field_has_tag(r, FIELD_IF_NONE_MATCH, f->etag, true) ? 304 : 0;
    return field_date(r, FIELD_IF_MODIFIED_SINCE, &when) && f->modified <= when ? 304 : 0;
}

/* Whether a Range field counts: the client's part is of the file as it is now. */
static bool range_counts(const struct request *r, const struct file *f)
{
    size_t len;
    time_t when;
    const char *text = field(r, FIELD_IF_RANGE, &len);
    if (!has(r, FIELD_IF_RANGE))
        return true;
    if (len > 0 && (*text == '"' || *text == 'W'))
        return len == strlen(f->etag) && memcmp(text, f->etag, len) == 0;
    return field_date(r, FIELD_IF_RANGE, &when) && when == f->modified;
}

static void not_modified(struct conn *c, const struct file *f)
{
    output_head(c, 304);
    output_format(c, "ETag: %s\r\nLast-Modified: %s\r\n", f->etag, f->modified_text);
    output_head_end(c);
}

static void unsatisfiable(struct conn *c, const struct file *f)
{
    output_head(c, 416);
    output_format(c, "Content-Range: bytes */%jd\r\nContent-Length: 0\r\n", (intmax_t)f->size);
    output_head_end(c);
}

static void whole(struct conn *c, const struct file *f)
{
    count_add(&c->counts, COUNT_2XX, 1);
    output_add(c, f->head, f->head_len);
    output_head_end(c);
    if (c->parser.method != HTTP_HEAD)
        output_file(c, f, 0, f->size);
}

static void answer_file(struct conn *c, const struct file *f)
{
    struct request *r = &c->request;
    int status = precondition(r, f);
    if (status == 304) {
        not_modified(c, f);
    } else if (status != 0) {
        output_error(c, status);
    } else if (has(r, FIELD_RANGE) && c->parser.method == HTTP_GET && range_counts(r, f)) {
        struct range ranges[RANGES_MAX];
        size_t len;
        const char *text = field(r, FIELD_RANGE, &len);
        int n = range_parse(ranges, text, len, f->size);
        if (n > 0)
            range_answer(c, f, ranges, n);
        else if (n < 0)
            unsatisfiable(c, f);
        else
            whole(c, f);
    } else {
        whole(c, f);
    }
}

/* A directory was asked for without its last "/": references in its page would lead astray. */
static void redirect(struct conn *c, const struct path *p)
{
    struct request *r = &c->request;
    struct text to = {0};
    const char *target = request_text(r, r->target);
    const char *query = memchr(target, '?', r->target.len);
    text_string(&to, "/");
    text_url(&to, p->text);
    text_string(&to, "/");
    if (query)
        text_add(&to, query, r->target.len - (size_t)(query - target));
    if (to.failed) {
        output_error(c, 503);
    } else {
        output_head(c, 301);
        output_format(c, "Content-Length: 0\r\nLocation: ");
        output_add(c, to.at, to.len);
        output_add(c, "\r\n", 2);
        output_head_end(c);
    }
    free(to.at);
}

static void answer_page(struct conn *c, struct text *page, bool made)
{
    c->now = tuza_now();
    if (made && !page->failed)
        output_page(c, 200, "text/html; charset=utf-8", page->at, page->len);
    else
        output_error(c, page->failed ? 503 : 403);
    free(page->at);
}

/* Its index.html, or a list of what is in it. */
static void answer_directory(struct conn *c, struct path *p)
{
    static const char index[] = "index.html";
    struct text page = {0};
    size_t len = p->len;
    int status = 404;
    struct file *f = NULL;
    if (len + 1 + sizeof index <= sizeof p->text) {
        p->text[p->len++] = '/';
        memcpy(p->text + p->len, index, sizeof index);
        p->len += sizeof index - 1;
        f = file_get(p, &c->now, &status);
    }
    if (f && !f->is_directory) {
        answer_file(c, f);
    } else if (!f && status != 404) {
        output_error(c, status);
    } else if (!options.listings) {
        output_error(c, 403);
    } else {
        p->text[p->len = len] = '\0';
        answer_page(c, &page, listing_make(&page, p));
    }
    if (f)
        file_put(f);
}

static void answer_path(struct conn *c, struct path *p)
{
    int status;
    struct file *f = file_get(p, &c->now, &status);
    if (!f) {
        output_error(c, status);
        return;
    }
    if (!f->is_directory && !p->slash)
        answer_file(c, f);
    else if (!f->is_directory)
        output_error(c, 404);
    else if (!p->slash)
        redirect(c, p);
    else
        answer_directory(c, p);
    file_put(f);
}

static void answer_other_method(struct conn *c)
{
    if (c->parser.method != HTTP_OPTIONS) {
        output_head(c, 405);
        output_format(c, "Allow: GET, HEAD, OPTIONS\r\nContent-Length: 0\r\n");
    } else {
        output_head(c, 204);
        output_format(c, "Allow: GET, HEAD, OPTIONS\r\n");
    }
    output_head_end(c);
}

void answer_waiting(struct conn *c)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct request *r = &c->request;
    r->waits = false;
    if (c->parser.method == HTTP_GET || c->parser.method == HTTP_HEAD || c->parser.method == HTTP_OPTIONS)
        output_add(c, go_on, sizeof go_on - 1);
    else
        r->status = 405;
}

void answer(struct conn *c)
{
    struct request *r = &c->request;
    struct path *p = &c->buffers->path;
    count_add(&c->counts, COUNT_REQUESTS, 1);
    if (r->status != 0) {
        c->close = true;
        if (r->status == 405)
            answer_other_method(c);
        else
            output_error(c, r->status);
        return;
    }
    c->close = !r->keep || server_draining();
    if (c->parser.method != HTTP_GET && c->parser.method != HTTP_HEAD) {
        answer_other_method(c);
        return;
    }
    enum path_result result = path_decode(p, request_text(r, r->target), r->target.len);
    if (result != PATH_FINE) {
        output_error(c, result == PATH_BAD ? 400 : 414);
    } else if (options.status && strcmp(p->text, "debug/tuza") == 0) {
        struct text page = {0};
        status_make(&page);
        answer_page(c, &page, true);
    } else {
        answer_path(c, p);
    }
}
