/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a crash prints: the goroutine that failed, then the others, as
 * GOTRACEBACK says.
 *
 * The process may be in any state, with any lock held, by this thread or by
 * others that run on meanwhile. So nothing here takes a lock or waits without
 * a limit, and what is read of goroutines may be changing: Gs and Ms are
 * type-stable, lists are followed as far as they go, stacks are read with
 * care (trace/unwind.c). All that is static belongs to the report whose turn
 * it is (base/fatal.c).
 */
#include "sched/traceback.h"
#include "base/fatal.h"
#include "os/os.h"
#include "sched/bubble.h"
#include "sched/proc.h"
#include "sched/sched.h"

bool (*tz_walk_other)(tz_m *m, tz_g *g, tz_trace *t);

static tz_trace trace;
static tz_cfi_cache rules;
static bool did_others; /* one report shows them */

typedef struct report {
    tz_sink *out;
    tz_symbolizer names;
    tz_style style;
    tz_g *self;
} report;

static void print_g(report *r, const tz_gview *v)
{
    tz_put(r->out, "\n");
    tz_print_header(r->out, v, &r->style);
    if (!v->begun) {
        tz_print_entry(r->out, &r->names, v, &r->style);
    } else if (!v->m || (tz_walk_other && tz_walk_other(v->m, v->g, &trace))) {
        if (!v->m)
            tz_gview_walk(&trace, v->g, &rules);
        tz_print_trace(r->out, &r->names, &trace, v, &r->style);
    } else {
        tz_print_unavailable(r->out);
    }
    tz_print_created_by(r->out, &r->names, v, &r->style);
}

/* Of one bubble, or all of them where that is 0. */
static void print_others(report *r, uint64_t bubble)
{
    tz_running running;
    tz_goroutines all;
    tz_running_take(&running);
    tz_goroutines_take(&all);
    for (size_t i = 0; i < all.n; i++) {
        tz_gview v;
        if (tz_gview_take(&v, &all.list[i], &running) && v.g != r->self && (!bubble || v.bubble == bubble))
            print_g(r, &v);
    }
    tz_goroutines_free(&all);
    tz_running_free(&running);
}

/* The failing thread's own stack, which is a goroutine's or not. */
static void print_self(report *r, tz_m *m, const tz_regs *regs, uintptr_t from_pc, bool throwing, bool quiet)
{
    tz_style style = {.level = r->style.level, .throwing = throwing, .dump = true};
    tz_gview v;
    if (r->self) {
        tz_gview_of_g(&v, r->self, m);
        tz_put(r->out, "\n");
        tz_print_header(r->out, &v, &style);
        tz_trace_take(&trace, regs, (uintptr_t)r->self->stack.lo, (uintptr_t)r->self->stack.hi, &rules,
                      from_pc);
        tz_print_trace(r->out, &r->names, &trace, &v, &style);
        tz_print_created_by(r->out, &r->names, &v, &style);
        return;
    }
    if (m == &tz_nobody && !quiet) {
        tz_put(r->out, "\nthread ");
        tz_put_decimal(r->out, (uint64_t)tz_os_tid());
        tz_put(r->out, " [running]:\n");
    } else if (style.level >= 2 || throwing) {
        tz_put(r->out, "\nruntime stack:\n");
    } else {
        return;
    }
    tz_trace_take(&trace, regs, 0, 0, &rules, from_pc);
    tz_print_trace(r->out, &r->names, &trace, NULL, &style);
}

static void traceback(tz_report_kind kind, int why, const tz_regs *regs, uintptr_t from_pc)
{
    tz_m *m = tz_self_m;
    tz_traceback_level wanted = tz_gotraceback();
    if (wanted.level == 0)
        return;
    report r = {
        .out = tz_report_sink(),
        .style = {.level = wanted.level, .dump = true},
        .self = m->g != m->g0 ? m->g : NULL,
    };
    bool throwing = kind == TZ_REPORT_THROW;
    tz_symbolizer_open(&r.names, why);
    print_self(&r, m, regs, from_pc, throwing, kind == TZ_REPORT_DEADLOCK);
    bool all = throwing || wanted.all || (!r.self && m != &tz_nobody) || kind == TZ_REPORT_DEADLOCK;
    if ((all || tz_bubble_reported) && !did_others && tz_report_depth() < 2) {
        did_others = true;
        print_others(&r, tz_bubble_reported);
    }
    tz_symbolizer_close(&r.names);
}

void tz_traceback(tz_report_kind kind, const void *pc)
{
    tz_regs regs;
    tz_regs_here(&regs);
    traceback(kind, TZ_ASK_IN_CRASH, &regs, (uintptr_t)pc);
}

void tz_traceback_regs(tz_report_kind kind, const tz_regs *regs)
{
    traceback(kind, TZ_ASK_IN_HANDLER, regs, 0);
}
