/* SPDX-License-Identifier: BSD-3-Clause */
/* See print.h. */
#include "base/print.h"

#include <string.h>

const char *tz_decimal(char buf[24], uint64_t n)
{
    char *p = buf + 23;
    *p = 0;
    do {
        *--p = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    return p;
}

void tz_put(tz_sink *s, const char *text)
{
    if (text)
        s->put(s, text, strlen(text));
}

void tz_put_decimal(tz_sink *s, uint64_t n)
{
    char buf[24];
    tz_put(s, tz_decimal(buf, n));
}

/* The digits end at `end`, at least `least` of them, after 0x. */
static char *hex(char *end, uint64_t n, int least)
{
    do {
        *--end = "0123456789abcdef"[n & 15];
        n >>= 4;
        least--;
    } while (n || least > 0);
    *--end = 'x';
    *--end = '0';
    return end;
}

const char *tz_hex(char buf[24], uint64_t n)
{
    buf[23] = 0;
    return hex(buf + 23, n, 1);
}

void tz_put_hex(tz_sink *s, uint64_t n)
{
    char buf[24];
    tz_put(s, tz_hex(buf, n));
}

void tz_put_word(tz_sink *s, uintptr_t value)
{
    char buf[2 + 2 * sizeof value];
    char *end = buf + sizeof buf;
    char *p = hex(end, value, 2 * (int)sizeof value);
    s->put(s, p, (size_t)(end - p));
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '/' || c == '-';
}

void tz_put_quoted(tz_sink *s, const char *text)
{
    size_t n = strlen(text), plain = 0;
    while (is_plain(text[plain]))
        plain++;
    if (n && plain == n) {
        s->put(s, text, n);
        return;
    }
    tz_put(s, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            s->put(s, (char[2]){'\\', (char)c}, 2);
        } else if (c == '\n') {
            tz_put(s, "\\n");
        } else if (c < ' ' || c == 0x7f) {
            s->put(s, (char[4]){'\\', 'x', "0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15]}, 4);
        } else { /* bytes of UTF-8 as they are */
            s->put(s, text, 1);
        }
    }
    tz_put(s, "\"");
}

static void buffer_put(tz_sink *s, const char *text, size_t n)
{
    tz_buffer_sink *b = (tz_buffer_sink *)(void *)s;
    if (b->length + 1 < b->size) {
        size_t room = b->size - 1 - b->length;
        size_t fits = n < room ? n : room;
        memcpy(b->text + b->length, text, fits);
        b->text[b->length + fits] = 0;
    }
    b->length += n;
}

void tz_buffer_begin(tz_buffer_sink *b, char *text, size_t size)
{
    *b = (tz_buffer_sink){{buffer_put}, text, size, 0};
    if (size)
        text[0] = 0;
}
