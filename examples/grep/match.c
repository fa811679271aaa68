/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which lines match. Patterns without special characters are looked for with
 * memmem, one alone in many lines at once; others are basic regular
 * expressions for regexec, line by line.
 *
 * A matcher belongs to one goroutine at a time: regexec takes a lock inside
 * the regex_t, so sharing one would make the goroutines run in turn.
 */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "grep.h"

struct pattern {
    bool fixed;
    char *string; /* what memmem looks for */
    size_t len;
    regex_t regex; /* where not fixed */
};

struct matcher {
    size_t count;
    struct pattern patterns[];
};

/* A regular expression that matches just this string; only -i needs one. */
static char *quoted(const char *string, size_t len)
{
    struct text t = {0};
    for (size_t i = 0; i < len; i++) {
        if (strchr("\\.[]*^$", string[i]) != NULL)
            text_add(&t, "\\", 1);
        text_add(&t, &string[i], 1);
    }
    text_add(&t, "", 1);
    return t.at;
}

static bool compile(struct pattern *p, const struct options *o, struct text *why)
{
    bool plain = o->fixed || strpbrk(p->string, "\\.[*^$") == NULL;
    p->fixed = plain && !o->ignore_case;
    if (p->fixed)
        return true;
    if (plain) {
        char *expression = quoted(p->string, p->len);
        free(p->string);
        p->string = expression;
    }
    int err = regcomp(&p->regex, p->string, REG_NOSUB | (o->ignore_case ? REG_ICASE : 0));
    if (err == 0)
        return true;
    char room[256];
    regerror(err, &p->regex, room, sizeof room);
    text_add_string(why, "grep: ");
    text_add_string(why, room);
    text_add_string(why, "\n");
    return false;
}

static void matcher_free(struct matcher *m)
{
    for (size_t i = 0; i < m->count; i++) {
        if (!m->patterns[i].fixed)
            regfree(&m->patterns[i].regex);
        free(m->patterns[i].string);
    }
    free(m);
}

struct matcher *matcher_new(const struct options *o, struct text *why)
{
    size_t count = 1;
    for (const char *p = o->patterns; (p = strchr(p, '\n')) != NULL; p++)
        count++;
    struct matcher *m = must_alloc(sizeof *m + count * sizeof m->patterns[0]);
    const char *at = o->patterns;
    for (m->count = 0; m->count < count; m->count++) {
        struct pattern *p = &m->patterns[m->count];
        p->len = strcspn(at, "\n");
        p->string = must_alloc(p->len + 1);
        memcpy(p->string, at, p->len);
        p->string[p->len] = '\0';
        if (!compile(p, o, why)) {
            free(p->string);
            matcher_free(m);
            return NULL;
        }
        at += p->len + 1;
    }
    return m;
}

static char *next_fixed(const struct pattern *p, char *at, char *end, char **line_end)
{
    char *hit = memmem(at, (size_t)(end - at), p->string, p->len);
    if (hit == NULL)
        return NULL;
    char *before = memrchr(at, '\n', (size_t)(hit - at));
    *line_end = memchr(hit, '\n', (size_t)(end - hit));
    return before != NULL ? before + 1 : at;
}

static bool line_matches(const struct matcher *m, char *line, char *newline)
{
    bool matches = false;
    *newline = '\0';
    for (size_t i = 0; i < m->count && !matches; i++) {
        const struct pattern *p = &m->patterns[i];
        if (p->fixed)
            matches = memmem(line, (size_t)(newline - line), p->string, p->len) != NULL;
        else
            matches = regexec(&p->regex, line, 0, NULL, 0) == 0;
    }
    *newline = '\n';
    return matches;
}

char *matcher_next(struct matcher *m, char *at, char *end, char **line_end)
{
    if (at == end)
        return NULL;
    if (m->count == 1 && m->patterns[0].fixed)
        return next_fixed(&m->patterns[0], at, end, line_end);
    while (at < end) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        if (line_matches(m, at, newline)) {
            *line_end = newline;
            return at;
        }
        at = newline + 1;
    }
    return NULL;
}
