/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tuza_report_blocked, or blocked=MS in TUZA_DEBUG: goroutines that have been
 * blocked for longer than that are shown on standard error, once for each
 * wait.
 *
 * Since when a goroutine waits is noted by waits.c, in its wait_reason; here
 * rounds of that are made often enough, by a thread of its own that is there
 * only while this is on: sysmon must not stand still in a write. That a wait
 * was reported is a bit beside the reason, which the next park wipes out, as
 * it does the note. A round changes nothing and stops nobody; only when it
 * finds somebody the world is stopped, so that stacks stand still while they
 * are walked.
 */
#include <string.h>

#include "base/fatal.h"
#include "os/os.h"
#include "sched/proc.h"
#include "sched/sched.h"
#include "sched/traceback.h"
#include "tuza/debug.h"

#define STACK  ((size_t)256 << 10)
#define ROUNDS 4       /* in the length of a wait to be reported: it comes so much late at most */
#define LEAST  1000000 /* between rounds */

static int64_t limit; /* atomic; 0: off */

/* Whether g is to be reported now. A sleep is not: its end is known. */
static bool is_overdue(tz_g *g, int64_t *since)
{
    uint64_t reason = tz_load_relaxed(&g->wait_reason);
    *since = tz_waits_since(reason);
    return tz_load_relaxed(&g->status) == TZ_G_WAITING && *since && !(reason & TZ_WAIT_REPORTED) &&
           (reason & TZ_WAIT_REASON) != TZ_WAIT_SLEEP && tz_os_now() - *since >= tz_load_relaxed(&limit);
}

static bool find(tz_stack *s, void *found)
{
    int64_t since;
    *(bool *)found |= is_overdue((tz_g *)(void *)s, &since);
    return !*(bool *)found;
}

static bool any_overdue(void)
{
    bool found = false;
    int64_t since;
    tz_stack_each(find, &found);
    for (tz_m *m = tz_load_acquire(&tz_sched.allm); m && !found; m = tz_load_acquire(&m->alllink))
        found = m->foreign && !m->service && is_overdue(&m->g0_block, &since);
    return found;
}

/* In a stopped world: whether to show g, which counts as reported then. */
static bool show(tz_g *g)
{
    int64_t since;
    uint64_t reason = tz_load_relaxed(&g->wait_reason);
    return is_overdue(g, &since) && tz_cas_relaxed(&g->wait_reason, &reason, reason | TZ_WAIT_REPORTED);
}

/* To standard error, in pieces as large as may be. */
typedef struct out {
    tz_sink sink;
    size_t n;
    char text[4096];
} out;

static void flush(out *o)
{
    tz_os_write(2, o->text, o->n);
    o->n = 0;
}

static void put(tz_sink *s, const char *text, size_t n)
{
    out *o = TZ_CONTAINER_OF(s, out, sink);
    while (n > 0) {
        if (o->n == sizeof o->text)
            flush(o);
        size_t room = sizeof o->text - o->n, take = n < room ? n : room;
        memcpy(o->text + o->n, text, take);
        o->n += take;
        text += take;
        n -= take;
    }
}

static void report(void)
{
    out o = {.sink.put = put};
    tz_put(&o.sink, "tuza: blocked for more than ");
    tz_put_decimal(&o.sink, (uint64_t)(tz_load_relaxed(&limit) / 1000000));
    tz_put(&o.sink, " ms:\n\n");
    tz_stack_show(&o.sink, show);
    tz_put(&o.sink, "\n");
    flush(&o);
}

static void watcher(void *unused)
{
    (void)unused;
    for (;;) {
        tz_note_clear(&tz_sched.blocked_note);
        /* Before the looks: who changes the limit, or has this thread end, wakes the note afterwards. */
        tz_fence_store_load();
        if (TZ_UNLIKELY(tz_load_relaxed(&tz_sched.stopping)))
            return;
        int64_t ns = tz_load_relaxed(&limit), until = TZ_OS_FOREVER;
        if (ns) {
            int64_t now = tz_os_now();
            tz_waits_look(now);
            if (any_overdue())
                report();
            until = now + (ns / ROUNDS > LEAST ? ns / ROUNDS : LEAST);
        }
        tz_note_sleep_until(&tz_sched.blocked_note, until);
    }
}

int tz_blocked_start_locked(void)
{
    if (!tz_load_relaxed(&limit) || tz_sched.watching)
        return 0;
    int err = tz_os_thread_start(watcher, NULL, STACK, "tuza-blocked");
    if (err < 0)
        return err;
    tz_sched.watching = true;
    return 1;
}

void tz_blocked_init(void)
{
    if (tz_godebug.blocked > 0)
        tz_store_relaxed(&limit, tz_godebug.blocked * (int64_t)1000000);
}

int tuza_report_blocked(int64_t ns)
{
    tz_need_runtime();
    tz_store_relaxed(&limit, ns > 0 ? ns : 0);
    tz_note_wake(&tz_sched.blocked_note);
    return ns > 0 ? tz_need_threads() : 0;
}
