/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of panic and defer share: a trail of what happened, and functions to defer. */
#ifndef GO_TRAIL_H
#define GO_TRAIL_H

#include "go/help.h"

/* What happened, in order: one letter each. Of the main goroutine alone. */
static char trail[256];
static size_t steps;

static inline void step(char c)
{
    CHECK(steps < sizeof trail - 1);
    trail[steps++] = c;
    trail[steps] = 0;
}

static inline void mark(void *letter)
{
    step(*(const char *)letter);
}

/* The trail is s, and begins anew. */
#define TRAIL(s)             \
    do {                     \
        CHECK_STR(trail, s); \
        steps = 0;           \
        trail[0] = 0;        \
    } while (0)

static inline void mark_recover(void *letter)
{
    step(*(const char *)letter);
    const char *text = tuza_recover();
    for (; text && *text; text++)
        step(*text);
}

static inline bool call(void (*fn)(void *))
{
    return tuza_call(fn, NULL);
}

/* PN-01: last in, first out, at a return; the argument is fixed at registration. */
static inline void three(void *unused)
{
    (void)unused;
    tuza_defer(mark, "a");
    tuza_defer(mark, "b");
    tuza_defer(mark, "c");
    step('.');
}

/* PN-01, PN-07: at a panic too; after a recovery the rest runs, and the caller goes on. */
static inline void panics(void *unused)
{
    (void)unused;
    tuza_defer(mark_recover, "a");
    tuza_defer(mark_recover, "b");
    tuza_defer(mark, "c");
    tuza_panic("%s%d", "x", 1);
}

/* The process's resident memory. */
static inline long resident(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f && fscanf(f, "%*d %ld", &pages) == 1);
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

/* It has grown by less than that many MiB since; sanitizers keep what they like. */
#define CHECK_GREW(before, mib) CHECK(HELP_ASAN || HELP_TSAN || resident() - (before) < (mib) << 20)

/* What was recovered last. */
static const char *text_seen;
static inline void keep_text(void *unused)
{
    (void)unused;
    text_seen = tuza_recover();
}

static inline void check_text(void *want)
{
    CHECK_STR(text_seen, want);
    CHECK_STR(tuza_recover(), NULL);
}

#endif /* GO_TRAIL_H */
