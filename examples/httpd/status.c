/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /debug/tuza: what the runtime and the server do just now, as a page that
 * loads itself anew every second. Rates are taken since an earlier look, half
 * a second ago or more.
 */
#include <stdlib.h>
#include <unistd.h>

#include "httpd.h"

#define RATE_LEAST (TUZA_SECOND / 2)

enum { PROCS_SHOWN = 256 };

struct sample {
    tuza_stats stats;
    struct totals totals;
};

static tuza_mutex lock;
static struct sample last, before; /* under the lock: the one to compare with is `before` */
static int64_t started;

void status_init(void)
{
    started = tuza_now();
}

static void take(struct sample *s)
{
    tuza_stats_get(&s->stats);
    server_totals(&s->totals);
}

/* What there was some time ago; now takes its place for the looks to come. */
static void compare_with(struct sample *old, const struct sample *now)
{
    tuza_mutex_lock(&lock);
    if (now->stats.time - last.stats.time >= RATE_LEAST) {
        before = last;
        last = *now;
    }
    *old = before;
    tuza_mutex_unlock(&lock);
}

static void row(struct text *page, const char *name, uint64_t n)
{
    text_format(page, "<tr><td>%s<td id=\"%s\">%ju</tr>\n", name, name, (uintmax_t)n);
}

/* A count since the start, and how fast it grows. */
static void rate(struct text *page, const char *name, uint64_t n, uint64_t more, int64_t ns)
{
    text_format(page, "<tr><td>%s<td id=\"%s\">%ju<td>%.1f</tr>\n", name, name, (uintmax_t)n,
                ns > 0 ? (double)more * 1e9 / (double)ns : 0.0);
}

static void begin_table(struct text *page, const char *heads)
{
    text_format(page, "<table><tr>%s</tr>\n", heads);
}

static void goroutines(struct text *page, const tuza_stats *s)
{
    begin_table(page, "<th>goroutines<th>");
    row(page, "running", s->running);
    row(page, "runnable", s->runnable);
    row(page, "waiting", s->waiting);
    for (int i = 0; i < TUZA_STATS_WAITS && s->waits[i].reason; i++)
        text_format(page, "<tr><td>&nbsp; %s<td>%ju</tr>\n", s->waits[i].reason,
                    (uintmax_t)s->waits[i].count);
    text_string(page, "</table>\n");
}

static void threads(struct text *page, const tuza_stats *s)
{
    begin_table(page, "<th>threads (M)<th>");
    row(page, "threads", s->threads);
    row(page, "idle", s->threads_idle);
    row(page, "spinning", s->threads_spinning);
    row(page, "stuck", s->threads_stuck);
    row(page, "locked", s->threads_locked);
    text_string(page, "</table>\n");
}

static void processors(struct text *page, const tuza_stats *s)
{
    static const char *const states[] = {"idle", "ready", "running", "stopped"};
    tuza_stats_proc procs[PROCS_SHOWN];
    size_t n = tuza_stats_procs(procs, PROCS_SHOWN);
    begin_table(page,
                "<th>processor (P)<th>state<th>thread<th>queue<th>timers<th>switches<th>steals<th>retakes"
                "<th>handoffs");
    for (size_t i = 0; i < n && i < PROCS_SHOWN; i++) {
        const tuza_stats_proc *p = &procs[i];
        text_format(page, "<tr class=\"p\"><td>%zu<td>%s<td>", i, states[p->state]);
        if (p->thread >= 0)
            text_format(page, "%jd", (intmax_t)p->thread);
        text_format(page, "<td>%u<td>%u<td>%u<td>%u<td>%u<td>%u</tr>\n", p->queue, p->timers, p->switches,
                    p->steals, p->retakes, p->handoffs);
    }
    if (n > PROCS_SHOWN)
        text_format(page, "<tr><td>and %zu more</tr>\n", n - PROCS_SHOWN);
    text_format(page, "<tr><td>all<td>%u idle<td><td id=\"queue\">%u<td id=\"timers\">%ju</tr></table>\n",
                s->procs_idle, s->queue, (uintmax_t)s->timers);
}

static void happened(struct text *page, const struct sample *now, const struct sample *old)
{
    const tuza_stats *s = &now->stats, *o = &old->stats;
    int64_t ns = o->time ? s->time - o->time : 0;
    begin_table(page, "<th>since the start<th><th>a second");
    rate(page, "switches", s->switches, s->switches - o->switches, ns);
    rate(page, "wake-ups", s->wakes, s->wakes - o->wakes, ns);
    rate(page, "steals", s->steals, s->steals - o->steals, ns);
    rate(page, "stolen", s->stolen, s->stolen - o->stolen, ns);
    rate(page, "retakes", s->retakes, s->retakes - o->retakes, ns);
    rate(page, "handoffs", s->handoffs, s->handoffs - o->handoffs, ns);
    rate(page, "timers-run", s->timers_run, s->timers_run - o->timers_run, ns);
    text_string(page, "</table>\n");
}

static void served(struct text *page, const struct sample *now, const struct sample *old)
{
    static const char *const names[COUNTS] = {"requests", "2xx", "3xx", "4xx", "5xx", "bytes-sent"};
    int64_t ns = old->stats.time ? now->stats.time - old->stats.time : 0;
    begin_table(page, "<th>server<th><th>a second");
    for (int i = 0; i < COUNTS; i++)
        rate(page, names[i], now->totals.n[i], now->totals.n[i] - old->totals.n[i], ns);
    rate(page, "accepted", now->totals.accepted, now->totals.accepted - old->totals.accepted, ns);
    rate(page, "refused", now->totals.refused, now->totals.refused - old->totals.refused, ns);
    row(page, "connections", now->totals.open);
    text_string(page, "</table>\n");
}

void status_make(struct text *page)
{
    struct sample now, old;
    take(&now);
    compare_with(&old, &now);
    text_string(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta http-equiv=\"refresh\" content=\"1\"><title>tuza</title>\n"
        "<style>body{font-family:sans-serif;display:flex;flex-wrap:wrap;gap:1em 3em}h1{width:100%;margin:0}"
        "td,th{text-align:right;padding:0 .6em;font-variant-numeric:tabular-nums}"
        "td:first-child,th:first-child{text-align:left}table{border-collapse:collapse}"
        "div{display:flex;flex-direction:column;gap:1em}tr{border-bottom:1px solid "
        "#ddd}</style></head>\n<body>"
        "<h1>tuza</h1>\n<div>");
    text_format(page, "<p>process %d, up %.0f s</p>\n", (int)getpid(),
                (double)(now.stats.time - started) / (double)TUZA_SECOND);
    goroutines(page, &now.stats);
    threads(page, &now.stats);
    text_string(page, "</div><div>");
    happened(page, &now, &old);
    served(page, &now, &old);
    text_string(page, "</div><div>");
    processors(page, &now.stats);
    text_string(page, "</div></body></html>\n");
}
