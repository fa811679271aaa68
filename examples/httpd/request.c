/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request, read by llhttp: its callbacks note where in the input the target
 * and the fields that matter lie. Input comes in pieces, so a name or value
 * may be told in parts; the input may move between two pieces, so places are
 * kept as distances from the request's beginning.
 *
 * A body is of no use to this server. One that fits into the input beside the
 * head is read and forgotten; a longer one is refused where it begins.
 */
#include <string.h>
#include <strings.h>

#include "httpd.h"

static llhttp_settings_t settings;

static struct request *request_of(llhttp_t *p)
{
    return &((struct conn *)p->data)->request;
}

static int refuse(struct request *r, int status)
{
    r->status = status;
    return -1;
}

static uint32_t place(const struct request *r, const char *at)
{
    return (uint32_t)(at - r->base);
}

/* Whether the piece goes on where the slice ends; it does then. */
static bool extend(struct slice *s, uint32_t at, size_t len)
{
    if (s->at + s->len != at)
        return false;
    s->len += (uint32_t)len;
    return true;
}

static int on_target(llhttp_t *p, const char *at, size_t len)
{
    struct request *r = request_of(p);
    if (r->target.len == 0)
        r->target.at = place(r, at);
    return extend(&r->target, place(r, at), len) ? 0 : refuse(r, 400);
}

static int on_version(llhttp_t *p)
{
    return p->http_major == 1 ? 0 : refuse(request_of(p), 505);
}

static int on_target_complete(llhttp_t *p)
{
    request_of(p)->target_read = true;
    return 0;
}

static enum field field_named(const char *name, size_t len)
{
    static const struct {
        const char *name;
        size_t len;
    } names[FIELDS] = {
        [FIELD_HOST] = {"Host", 4},
        [FIELD_RANGE] = {"Range", 5},
        [FIELD_IF_RANGE] = {"If-Range", 8},
        [FIELD_IF_MATCH] = {"If-Match", 8},
        [FIELD_IF_NONE_MATCH] = {"If-None-Match", 13},
        [FIELD_IF_MODIFIED_SINCE] = {"If-Modified-Since", 17},
        [FIELD_IF_UNMODIFIED_SINCE] = {"If-Unmodified-Since", 19},
        [FIELD_TRANSFER_ENCODING] = {"Transfer-Encoding", 17},
        [FIELD_EXPECT] = {"Expect", 6},
    };
    for (int i = 0; i < FIELDS; i++)
        if (len == names[i].len && strncasecmp(name, names[i].name, len) == 0)
            return (enum field)i;
    return FIELD_OTHER;
}

/* Whether it may be a host, with or without a port: these are the characters of one (RFC 3986, 3.2). */
static bool is_host(const char *at, size_t len)
{
    static const char marks[] = "-._~%!$&'()*+,;=:[]";
    for (size_t i = 0; i < len; i++) {
        char lower = (char)(at[i] | 32);
        bool plain = (lower >= 'a' && lower <= 'z') || (at[i] >= '0' && at[i] <= '9');
        if (!plain && !memchr(marks, at[i], sizeof marks - 1))
            return false;
    }
    return true;
}

static struct slice without_blanks(const struct request *r, struct slice value)
{
    while (value.len > 0 && strchr(" \t", r->base[value.at]))
        value.at++, value.len--;
    while (value.len > 0 && strchr(" \t", r->base[value.at + value.len - 1]))
        value.len--;
    return value;
}

/* A list is hardly ever in two lines, so a request has no place for the second: it is looked for in the head,
 * whose form llhttp has seen to. */
bool request_more(const struct request *r, enum field which, struct slice *value)
{
    const char *at = request_text(r, *value) + value->len, *end = r->base + r->fields_end;
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        const char *name = at + 1;
        const char *colon = memchr(name, ':', (size_t)(end - name));
        if (!colon)
            return false;
        at = colon + 1;
        if (field_named(name, (size_t)(colon - name)) == which) {
            const char *line_end = memchr(at, '\r', (size_t)(end - at));
            size_t len = (size_t)((line_end ? line_end : end) - at);
            *value = without_blanks(r, (struct slice){place(r, at), (uint32_t)len});
            return true;
        }
    }
    return false;
}

/* The field that was read is complete. */
static int end_field(struct request *r)
{
    if (r->name.len == 0)
        return 0;
    if (++r->field_count > FIELDS_MAX)
        return refuse(r, 431);
    enum field which = field_named(r->base + r->name.at, r->name.len);
    r->name.len = 0;
    if (which == FIELD_OTHER || r->head_read) /* behind a body: it comes too late to mean anything */
        return 0;
    if (r->fields[which].at == 0)
        r->fields[which] = without_blanks(r, r->value);
    else if (which != FIELD_IF_MATCH && which != FIELD_IF_NONE_MATCH) /* lists, which may come in parts */
        return refuse(r, 400);
    return 0;
}

static int on_field(llhttp_t *p, const char *at, size_t len)
{
    struct request *r = request_of(p);
    uint32_t here = place(r, at);
    if (r->name.len > 0 && extend(&r->name, here, len))
        return 0;
    if (end_field(r) != 0)
        return -1;
    r->name = (struct slice){here, (uint32_t)len};
    r->value = (struct slice){here + (uint32_t)len, 0};
    r->in_value = false;
    return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t len)
{
    struct request *r = request_of(p);
    uint32_t here = place(r, at);
    if (len == 0) /* of an empty one llhttp tells where the next line begins: it stays behind its name */
        return 0;
    if (r->in_value)
        return extend(&r->value, here, len) ? 0 : refuse(r, 400); /* a line that is a value's continuation */
    r->value = (struct slice){here, (uint32_t)len};
    r->in_value = true;
    return 0;
}

static bool field_is(const struct request *r, enum field which, const char *value)
{
    struct slice s = r->fields[which];
    return s.len == strlen(value) && strncasecmp(request_text(r, s), value, s.len) == 0;
}

static int on_head(llhttp_t *p)
{
    struct request *r = request_of(p);
    if (end_field(r) != 0)
        return -1;
    r->fields_end = r->value.at + r->value.len;
    struct slice host = r->fields[FIELD_HOST];
    if ((p->http_minor > 0 && host.at == 0) || !is_host(request_text(r, host), host.len))
        return refuse(r, 400);
    bool chunked = (p->flags & F_CHUNKED) != 0;
    bool body = chunked || p->content_length > 0;
    /* Another coding beneath: unknown here. Where chunked is not the last one, llhttp refuses. */
    if (chunked && !field_is(r, FIELD_TRANSFER_ENCODING, "chunked"))
        return refuse(r, 501);
    r->head_read = true;
    r->waits = body && p->http_minor > 0 && field_is(r, FIELD_EXPECT, "100-continue");
    /* HTTP/1.0 has no transfer codings: where such a body ends is anybody's guess (RFC 9112, 6.1) */
    bool unsure = p->http_minor == 0 && (p->flags & F_TRANSFER_ENCODING) != 0;
    r->keep = llhttp_should_keep_alive(p) && !unsure;
    p->upgrade = 0; /* there is nothing to upgrade to: the request is answered as it is */
    if (p->content_length > INPUT_SIZE)
        return refuse(r, 413);
    return 0;
}

static int on_complete(llhttp_t *p)
{
    request_of(p)->complete = true;
    return HPE_PAUSED;
}

void request_setup(void)
{
    llhttp_settings_init(&settings);
    settings.on_url = on_target;
    settings.on_url_complete = on_target_complete;
    settings.on_version_complete = on_version;
    settings.on_header_field = on_field;
    settings.on_header_value = on_value;
    settings.on_headers_complete = on_head;
    settings.on_message_complete = on_complete;
}

void request_init(struct conn *c)
{
    llhttp_init(&c->parser, HTTP_REQUEST, &settings);
    c->parser.lenient_flags |= LENIENT_VERSION; /* else it knows no 1.2, which is to be taken for 1.1 */
    c->parser.data = c;
}

void request_begin(struct conn *c)
{
    c->request = (struct request){0};
    llhttp_reset(&c->parser);
}

/* Whether the input begins with what might be a method of some protocol's. */
static bool has_method(const char *at, size_t len)
{
    size_t n = 0;
    while (n < len && n < 32 && at[n] >= 'A' && at[n] <= 'Z')
        n++;
    return n > 0 && n < len && at[n] == ' ';
}

size_t request_parse(struct conn *c, const char *base, size_t len, size_t seen)
{
    struct request *r = &c->request;
    r->base = base;
    llhttp_errno_t err = llhttp_execute(&c->parser, base + seen, len - seen);
    if (err == HPE_OK)
        return len;
    if (!r->complete && r->status == 0)
        r->status = err == HPE_INVALID_METHOD && has_method(base, len)           ? 501
                    : err == HPE_INVALID_VERSION || err == HPE_PAUSED_H2_UPGRADE ? 505
                                                                                 : 400;
    return (size_t)(llhttp_get_error_pos(&c->parser) - base);
}
