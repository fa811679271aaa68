/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests on select share. */
#ifndef TZ_GO_SELECT_H
#define TZ_GO_SELECT_H

#include "go/help.h"

static inline tuza_chan *chan_of(size_t capacity)
{
    return tuza_chan_make(sizeof(int64_t), capacity);
}

static inline void put(tuza_chan *c, int64_t v)
{
    tuza_chan_send(c, &v);
}

static inline int64_t get(tuza_chan *c)
{
    int64_t v;
    CHECK(tuza_chan_recv(c, &v));
    return v;
}

/* Whether a goroutine waits for that reason. */
static inline bool any_waits(const char *reason)
{
    static char text[1 << 16];
    tuza_stack(text, sizeof text, true);
    return strstr(text, reason) != NULL;
}

static const char *select_caught;

static inline void note_panic(void *arg)
{
    (void)arg;
    const char *text = tuza_recover();
    static char copy[100];
    snprintf(copy, sizeof copy, "%s", text ? text : "none");
    select_caught = copy;
}

struct select_call {
    tuza_case *cases;
    size_t n;
    bool wait;
};

static inline void select_guarded(void *arg)
{
    struct select_call *c = arg;
    TUZA_DEFER(note_panic, NULL);
    if (c->wait)
        tuza_select(c->cases, c->n);
    else
        tuza_try_select(c->cases, c->n);
}

static inline const char *panic_of(tuza_case *cases, size_t n, bool wait)
{
    struct select_call c = {cases, n, wait};
    select_caught = NULL;
    tuza_call(select_guarded, &c);
    return select_caught;
}

#endif /* TZ_GO_SELECT_H */
