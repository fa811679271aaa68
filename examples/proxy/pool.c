/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The back-ends: which are up, how many connections each has, and the
 * connections that wait for a place at one.
 *
 * Places are handed over: who gives one back, or finds a back-end up again,
 * looks for the first waiter that can use it and takes it in that one's name.
 * So nobody is overtaken, and nobody wakes in vain. A waiter is told through
 * a channel of its own, once: by whom it was taken off the list.
 */
#include <stdio.h>
#include <stdlib.h>

#include "proxy.h"

struct waiter {
    struct waiter *next;
    uint64_t tried;
    TUZA_CHAN(int) answer; /* of capacity 1 */
};

void pool_init(struct pool *p, const struct options *o)
{
    *p = (struct pool){.options = o, .after = &p->first};
    p->backends = calloc(o->backend_count, sizeof *p->backends);
    if (p->backends == NULL) {
        fputs("proxy: no memory for the back-ends\n", stderr);
        tuza_exit(1);
    }
    for (size_t i = 0; i < o->backend_count; i++)
        p->backends[i] = (struct backend){.address = o->backends[i], .up = true};
}

/* The best back-end for a connection that has tried some; -EBUSY: those that are up are full. */
static int choose(struct pool *p, uint64_t tried)
{
    size_t n = p->options->backend_count;
    int best = -1;
    bool full = false;
    for (size_t i = 0; i < n; i++) {
        size_t k = (p->next + i) % n;
        struct backend *b = &p->backends[k];
        if (!b->up || (tried >> k & 1) != 0)
            continue;
        if (b->active >= p->options->backend_max)
            full = true;
        else if (best < 0 || (!p->options->round_robin && b->active < p->backends[best].active))
            best = (int)k;
    }
    if (best < 0)
        return full ? -EBUSY : -EHOSTUNREACH;
    p->next = ((size_t)best + 1) % n; /* equals take turns */
    p->backends[best].active++;
    p->backends[best].taken++;
    return best;
}

/* Takes the waiter at *at off the list and tells it; then it may be gone. */
static void answer(struct pool *p, struct waiter **at, int result)
{
    struct waiter *w = *at;
    *at = w->next;
    if (p->after == &w->next)
        p->after = at;
    TUZA_CHAN(int) c = TUZA_CHAN_REF(w->answer); /* its own reference is gone as soon as it has the answer */
    TUZA_CHAN_SEND(c, result);
    TUZA_CHAN_UNREF(c);
}

/* Tells the waiters for whom something has changed; the others stay. */
static void serve_waiters(struct pool *p)
{
    struct waiter **at = &p->first;
    while (*at != NULL) {
        struct waiter *w = *at;
        int result = choose(p, w->tried);
        if (result == -EBUSY)
            at = &w->next;
        else
            answer(p, at, result);
    }
}

/* Whether the waiter was on the list still. */
static bool take_off(struct pool *p, struct waiter *w)
{
    tuza_mutex_lock(&p->lock);
    struct waiter **at = &p->first;
    while (*at != NULL && *at != w)
        at = &(*at)->next;
    bool there = *at == w;
    if (there) {
        *at = w->next;
        if (p->after == &w->next)
            p->after = at;
    }
    tuza_mutex_unlock(&p->lock);
    return there;
}

/* With the lock held, which is given up. */
static int wait_for_place(struct pool *p, uint64_t tried)
{
    struct waiter w = {.tried = tried, .answer = TUZA_CHAN_MAKE(int, 1)};
    int result;
    *p->after = &w;
    p->after = &w.next;
    tuza_mutex_unlock(&p->lock);
    tuza_case cases[] = {TUZA_RECV_FROM(w.answer, &result), TUZA_TIMEOUT(p->options->wait)};
    if (tuza_select(cases, 2) == 1) {
        if (take_off(p, &w))
            result = -EBUSY;
        else /* it has come meanwhile */
            TUZA_CHAN_RECV(w.answer, &result);
    }
    TUZA_CHAN_UNREF(w.answer);
    return result;
}

int pool_take(struct pool *p, uint64_t tried)
{
    tuza_mutex_lock(&p->lock);
    int result = choose(p, tried);
    if (result == -EBUSY && !p->options->refuse)
        return wait_for_place(p, tried);
    tuza_mutex_unlock(&p->lock);
    return result;
}

void pool_give_back(struct pool *p, int backend)
{
    tuza_mutex_lock(&p->lock);
    p->backends[backend].active--;
    serve_waiters(p);
    tuza_mutex_unlock(&p->lock);
}

/* With the lock held. True where that is news. */
static bool mark(struct backend *b, bool up)
{
    if (b->up == up)
        return false;
    b->up = up;
    b->went_down += !up;
    return true;
}

void pool_failed(struct pool *p, int backend, int err)
{
    struct backend *b = &p->backends[backend];
    tuza_mutex_lock(&p->lock);
    b->active--;
    b->failed_dials++;
    bool news = mark(b, false);
    serve_waiters(p);
    tuza_mutex_unlock(&p->lock);
    if (news)
        printf("proxy: %s is down: %s\n", b->address, tuza_strerror(err));
}

void pool_checked(struct pool *p, int backend, int err)
{
    struct backend *b = &p->backends[backend];
    tuza_mutex_lock(&p->lock);
    bool news = mark(b, err == 0);
    if (news)
        serve_waiters(p);
    tuza_mutex_unlock(&p->lock);
    if (news && err == 0)
        printf("proxy: %s is up again\n", b->address);
    else if (news)
        printf("proxy: %s is down: %s\n", b->address, tuza_strerror(err));
}

void pool_count(struct pool *p, enum outcome how, uint64_t up_bytes, uint64_t down_bytes)
{
    tuza_mutex_lock(&p->lock);
    p->outcomes[how]++;
    p->up_bytes += up_bytes;
    p->down_bytes += down_bytes;
    tuza_mutex_unlock(&p->lock);
}

void pool_report(struct pool *p)
{
    static const char *const names[OUTCOMES] = {"served", "broken", "idle", "cut", "refused", "unreached"};
    tuza_mutex_lock(&p->lock);
    fputs("proxy: connections:", stdout);
    for (int i = 0; i < OUTCOMES; i++)
        printf(" %s %llu", names[i], (unsigned long long)p->outcomes[i]);
    printf("\nproxy: bytes: to back-ends %llu, to clients %llu\n", (unsigned long long)p->up_bytes,
           (unsigned long long)p->down_bytes);
    for (size_t i = 0; i < p->options->backend_count; i++) {
        const struct backend *b = &p->backends[i];
        printf("proxy: %s: connections %llu, failed dials %llu, went down %llu\n", b->address,
               (unsigned long long)b->taken, (unsigned long long)b->failed_dials,
               (unsigned long long)b->went_down);
    }
    tuza_mutex_unlock(&p->lock);
}
