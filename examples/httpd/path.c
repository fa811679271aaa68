/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a request's target to a path beneath the root: the query cut off,
 * %XX decoded, "." and ".." resolved by their text. What leads above the root,
 * is no valid escape, or has a NUL in it is refused. Links are not looked at
 * here: file.c makes sure that none leads out.
 */
#include <string.h>
#include <strings.h>

#include "httpd.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'f')
        return (c | 32) - 'a' + 10;
    return -1;
}

/* The next character of the target, decoded; false: a wrong escape, or NUL. */
static bool next_char(const char **at, const char *end, char *c)
{
    if (**at != '%') {
        *c = *(*at)++;
        return *c != '\0';
    }
    int high = end - *at > 2 ? hex_digit((*at)[1]) : -1;
    int low = high >= 0 ? hex_digit((*at)[2]) : -1;
    if (low < 0)
        return false;
    *at += 3;
    *c = (char)(high << 4 | low);
    return *c != '\0';
}

/* Ends the part of the path that begins at `part`: "." and "" vanish, ".." takes the one before along. False:
 * there is none. */
static bool end_part(struct path *p, size_t part)
{
    size_t len = p->len - part;
    const char *text = p->text + part;
    if (len == 0 || (len == 1 && text[0] == '.')) {
        p->len = part;
    } else if (len == 2 && text[0] == '.' && text[1] == '.') {
        if (part == 0)
            return false;
        p->len = part - 1; /* at the "/" that ends the one before */
        while (p->len > 0 && p->text[p->len - 1] != '/')
            p->len--;
    } else {
        p->text[p->len++] = '/';
    }
    return true;
}

/* Past "http://host" where the target has it; NULL: it is no path. */
static const char *skip_authority(const char *at, const char *end)
{
    if (at < end && *at == '/')
        return at;
    size_t len = (size_t)(end - at);
    size_t scheme = len > 7 && strncasecmp(at, "http://", 7) == 0    ? 7
                    : len > 8 && strncasecmp(at, "https://", 8) == 0 ? 8
                                                                     : 0;
    if (scheme == 0)
        return NULL;
    for (at += scheme; at < end; at++)
        if (*at == '/' || *at == '?' || *at == '#')
            return at;
    return end;
}

enum path_result path_decode(struct path *p, const char *target, size_t len)
{
    const char *end = target + len;
    const char *at = skip_authority(target, end);
    size_t part = 0;
    if (!at)
        return PATH_BAD;
    p->len = 0;
    p->slash = true;
    while (at < end && *at != '?' && *at != '#') {
        char c;
        if (!next_char(&at, end, &c))
            return PATH_BAD;
        if (p->len + 3 > sizeof p->text) /* it, a "/" and NUL */
            return PATH_TOO_LONG;
        if (c != '/') {
            p->text[p->len++] = c;
            continue;
        }
        if (!end_part(p, part))
            return PATH_BAD;
        part = p->len;
    }
    if (p->len > part) { /* the last one has no "/" behind it */
        if (!end_part(p, part))
            return PATH_BAD;
        p->slash = p->len <= part;
    }
    if (p->len > 0)
        p->len--; /* without the last "/" */
    else
        p->text[p->len++] = '.';
    p->text[p->len] = '\0';
    return PATH_FINE;
}
