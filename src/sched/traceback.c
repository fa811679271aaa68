/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a crash prints of the goroutines: a header for each in Go's form,
 * "goroutine 7 [chan receive, 3 minutes]:". The failing one comes first.
 */
#include "base/fatal.h"
#include "os/os.h"
#include "sched/proc.h"
#include "sched/sched.h"

const char *tz_wait_reason_text(uint32_t reason)
{
    static const char *const text[TZ_WAIT_REASONS] = {
        [TZ_WAIT_NONE] = "waiting",
        [TZ_WAIT_CHAN_SEND] = "chan send",
        [TZ_WAIT_CHAN_RECV] = "chan receive",
        [TZ_WAIT_CHAN_SEND_NIL] = "chan send (nil chan)",
        [TZ_WAIT_CHAN_RECV_NIL] = "chan receive (nil chan)",
        [TZ_WAIT_SLEEP] = "sleep",
        [TZ_WAIT_EXIT] = "exit",
    };
    return reason < TZ_WAIT_REASONS ? text[reason] : "unknown";
}

/* Without the lock: Ms are type-stable, and a crash may have happened under it. */
static bool is_running(tz_g *g)
{
    for (tz_m *m = tz_load_acquire(&tz_sched.allm); m; m = tz_load_acquire(&m->alllink))
        if (tz_load_relaxed(&m->g) == g)
            return true;
    return false;
}

static const char *status_text(tz_g *g)
{
    switch (tz_load_relaxed(&g->status)) {
    case TZ_G_RUNNABLE:
        return is_running(g) ? "running" : "runnable";
    case TZ_G_WAITING:
        return tz_wait_reason_text(tz_load_relaxed(&g->wait_reason));
    default:
        return "dead";
    }
}

static void header(tz_g *g)
{
    char id[24], parent[24];
    tz_print("\ngoroutine ", tz_decimal(id, tz_load_relaxed(&g->goid)), " [", status_text(g), "]:\n", NULL);
    char name[sizeof g->name];
    for (size_t i = 0; i < sizeof name; i++) /* it may be changing */
        name[i] = tz_load_relaxed(&g->name[i]);
    name[sizeof name - 1] = 0;
    if (name[0])
        tz_print("\tnamed ", name, "\n", NULL);
    uint64_t started_by = tz_load_relaxed(&g->parent_goid);
    if (started_by)
        tz_print("created by goroutine ", tz_decimal(parent, started_by), "\n", NULL);
}

static bool one(tz_stack *s, void *arg)
{
    tz_g *g = (tz_g *)(void *)s;
    uint32_t status = tz_load_relaxed(&g->status);
    if (g != arg && status != TZ_G_IDLE && status != TZ_G_DEAD)
        header(g);
    return true;
}

static void not_started(tz_start *s, void *unused)
{
    (void)unused;
    char id[24], parent[24];
    tz_print("\ngoroutine ", tz_decimal(id, tz_load_relaxed(&s->goid)), " [runnable]:\ncreated by goroutine ",
             tz_decimal(parent, tz_load_relaxed(&s->parent_goid) & ~TZ_START_COPIED), "\n", NULL);
}

void tz_traceback(bool all)
{
    tz_m *m = tz_self_m;
    tz_g *self = m->g != m->g0 ? m->g : NULL;
    if (self)
        header(self);
    if (all) {
        tz_stack_each(one, self);
        tz_starts_each(not_started, NULL);
    }
}
