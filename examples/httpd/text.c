/* SPDX-License-Identifier: BSD-3-Clause */
/* Text that grows, and what makes it safe within a page or a reference. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "httpd.h"

static bool room_for(struct text *t, size_t len)
{
    if (t->failed || t->cap - t->len >= len)
        return !t->failed;
    size_t cap = t->cap ? t->cap : 1024;
    while (cap - t->len < len)
        cap *= 2;
    char *at = realloc(t->at, cap);
    if (!at) {
        t->failed = true;
        return false;
    }
    t->at = at;
    t->cap = cap;
    return true;
}

void text_add(struct text *t, const char *bytes, size_t len)
{
    if (len == 0 || !room_for(t, len))
        return;
    memcpy(t->at + t->len, bytes, len);
    t->len += len;
}

void text_string(struct text *t, const char *string)
{
    text_add(t, string, strlen(string));
}

void text_format(struct text *t, const char *format, ...)
{
    va_list args;
    char room[256];
    va_start(args, format);
    int len = vsnprintf(room, sizeof room, format, args);
    va_end(args);
    if (len < 0)
        return;
    if ((size_t)len < sizeof room) {
        text_add(t, room, (size_t)len);
    } else if (room_for(t, (size_t)len + 1)) {
        va_start(args, format);
        vsnprintf(t->at + t->len, (size_t)len + 1, format, args);
        va_end(args);
        t->len += (size_t)len;
    }
}

void text_html(struct text *t, const char *string)
{
    for (;;) {
        size_t plain = strcspn(string, "<>&\"'");
        text_add(t, string, plain);
        string += plain;
        if (*string == '\0')
            return;
        text_format(t, "&#%d;", *string++);
    }
}

void text_url(struct text *t, const char *path)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    for (;;) {
        size_t n = strspn(path, plain);
        text_add(t, path, n);
        path += n;
        if (*path == '\0')
            return;
        text_format(t, "%%%02X", (unsigned char)*path++);
    }
}
