/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Goroutines in Go's form: the header, two lines for each function, who
 * created it.
 *
 *     goroutine 7 [chan receive, 3 minutes]:
 *     worker(...)
 *             /src/app/worker.c:31 +0x1c
 *     created by main_goroutine in goroutine 1
 *             /src/app/main.c:12 +0x40
 */
#include <string.h>

#include "sched/traceback.h"

#define ENDS 50u /* of a deep stack: so many functions from each end */

void tz_print_header(tz_sink *s, const tz_gview *v, const tz_style *style)
{
    tz_put(s, v->tid ? "thread " : "goroutine ");
    tz_put_decimal(s, v->tid ? (uint64_t)v->tid : v->goid);
    if (style->throwing || style->level >= 2) {
        tz_put(s, " gp=");
        tz_put_hex(s, (uintptr_t)v->g);
        if (v->m) {
            tz_put(s, " m=");
            tz_put_decimal(s, (uint64_t)v->m->id);
            tz_put(s, " mp=");
            tz_put_hex(s, (uintptr_t)v->m);
        } else {
            tz_put(s, " m=nil");
        }
    }
    tz_put(s, " [");
    tz_put(s, v->status);
    if (v->durable)
        tz_put(s, " (durable)");
    if (v->minutes) {
        tz_put(s, ", ");
        tz_put_decimal(s, v->minutes);
        tz_put(s, " minutes");
    }
    if (v->locked)
        tz_put(s, ", locked to thread");
    if (v->bubble) {
        tz_put(s, ", synctest bubble ");
        tz_put_decimal(s, v->bubble);
    }
    tz_put(s, "]");
    if (v->name[0]) {
        tz_put(s, " {name: ");
        tz_put_quoted(s, v->name);
        tz_put(s, "}");
    }
    tz_put(s, ":\n");
}

static void print_place(tz_sink *s, const tz_symbol *f, uintptr_t pc)
{
    tz_put(s, "\t");
    tz_put(s, f->file ? f->file : "?");
    tz_put(s, ":");
    tz_put_decimal(s, f->line);
    if (!f->inlined && f->entry && pc > f->entry) {
        tz_put(s, " +");
        tz_put_hex(s, pc - f->entry);
    }
}

static uintptr_t look_at(const tz_frame *f)
{
    return f->pc - !f->exact;
}

/* Go's rule: the runtime's own functions are hidden, but for the panic in the middle of a stack, where the
 * functions begin that it called. */
static bool is_shown(const tz_symbol *f, bool first, const tz_style *style)
{
    if (style->throwing || style->level >= 2 || !f->runtime)
        return true;
    return !first && strcmp(f->function, "tuza_panic") == 0;
}

/* Goes through the functions of a trace that are shown, numbering them, and prints those before `head` and
 * from `tail` on. */
typedef struct pass {
    tz_sink *sink; /* NULL: only counts */
    tz_symbolizer *z;
    const tz_style *style;
    bool hidden_too;
    uint32_t head, tail;
    uint32_t n, before_gap, gap;
} pass;

static void print_function(pass *p, const tz_symbol *function, const tz_frame *f)
{
    tz_put(p->sink, function->function);
    tz_put(p->sink, "(...)\n");
    print_place(p->sink, function, f->pc);
    if (!function->inlined && (p->style->throwing || p->style->level >= 2)) {
        tz_put(p->sink, " fp=");
        tz_put_hex(p->sink, f->fp);
        tz_put(p->sink, " sp=");
        tz_put_hex(p->sink, f->sp);
        tz_put(p->sink, " pc=");
        tz_put_hex(p->sink, f->pc);
    }
    tz_put(p->sink, "\n");
}

static void one_frame(pass *p, const tz_frame *f)
{
    uint32_t n;
    const tz_symbol *symbols = tz_symbolizer_get(p->z, look_at(f), &n);
    for (uint32_t i = 0; i < n; i++) {
        if (!p->hidden_too && !is_shown(&symbols[i], p->n == 0, p->style))
            continue;
        uint32_t number = p->n++;
        if (p->sink && (number < p->head || number >= p->tail))
            print_function(p, &symbols[i], f);
        if (p->sink && p->n == p->head && p->head != p->tail) {
            tz_put(p->sink, "...");
            tz_put_decimal(p->sink, p->tail - p->head);
            tz_put(p->sink, " frames elided...\n");
        }
    }
}

/* A frame that was not kept counts as one function. */
static void all_frames(pass *p, const tz_trace *t)
{
    p->n = p->gap = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        const tz_frame *f = tz_trace_frame(t, i);
        if (f) {
            one_frame(p, f);
            continue;
        }
        p->before_gap = p->n;
        p->gap = t->n - TZ_TRACE_KEEP - i;
        p->n += p->gap;
        i += p->gap - 1;
    }
}

static void want_all(tz_symbolizer *z, const tz_trace *t)
{
    uintptr_t at[2 * TZ_TRACE_KEEP];
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        const tz_frame *f = tz_trace_frame(t, i);
        if (f)
            at[n++] = look_at(f);
        else
            i = t->n - TZ_TRACE_KEEP - 1;
    }
    tz_symbolizer_want(z, at, n);
}

/* The words around the frame that does not unwind, those that are code with their names. */
static void print_dump(tz_sink *s, tz_symbolizer *z, const tz_trace *t, uintptr_t sp, uintptr_t fp)
{
    const uintptr_t word = sizeof(uintptr_t), expand = 32 * word, most = 256 * word;
    tz_bounds b = {t->lo, t->hi};
    uintptr_t lo = fp && fp < sp ? fp : sp, hi = fp > sp ? fp : sp;
    lo = lo > expand ? lo - expand : 0;
    hi = hi < UINTPTR_MAX - expand ? hi + expand : hi;
    if (sp > most && lo < sp - most)
        lo = sp - most;
    if (sp < UINTPTR_MAX - most && hi > sp + most)
        hi = sp + most;
    if (t->hi) {
        lo = lo < t->lo ? t->lo : lo;
        hi = hi > t->hi ? t->hi : hi;
    }
    lo &= ~(word - 1);
    tz_put(s, "stack: frame={sp:");
    tz_put_hex(s, sp);
    tz_put(s, ", fp:");
    tz_put_hex(s, fp);
    tz_put(s, "} stack=[");
    tz_put_hex(s, t->lo);
    tz_put(s, ",");
    tz_put_hex(s, t->hi);
    tz_put(s, ")\n");
    for (uintptr_t p = lo; p < hi; p += word) {
        uintptr_t value;
        tz_object o;
        tz_cfi_row row;
        uint32_t n;
        if (!tz_read_word(&b, p, &value))
            continue;
        if ((p - lo) % 16 == 0) {
            tz_put(s, p == lo ? "" : "\n");
            tz_put_word(s, p);
            tz_put(s, ": ");
        }
        tz_put(s, p == fp ? ">" : p == sp ? "<" : " ");
        tz_put_word(s, value);
        tz_put(s, " ");
        if (!tz_object_find(value, &o) || !tz_cfi_find(&o, value, &row))
            continue;
        const tz_symbol *symbols = tz_symbolizer_get(z, value, &n), *f = &symbols[n - 1];
        tz_put(s, "<");
        tz_put(s, f->function);
        if (f->entry && value >= f->entry) {
            tz_put(s, "+");
            tz_put_hex(s, value - f->entry);
        }
        tz_put(s, "> ");
    }
    tz_put(s, "\n");
}

static void print_trouble(tz_sink *s, tz_symbolizer *z, const tz_trace *t, const tz_gview *v,
                          const tz_style *style)
{
    const tz_frame *last = t->n ? tz_trace_frame(t, t->n - 1) : NULL;
    tz_put(s, "runtime: g ");
    tz_put_decimal(s, v ? v->goid : 0);
    if (!last) {
        tz_put(s, ": unknown pc ");
        tz_put_hex(s, t->bad);
    } else {
        uint32_t n;
        const tz_symbol *symbols = tz_symbolizer_get(z, look_at(last), &n);
        tz_put(s,
               t->end == TZ_WALK_UNKNOWN ? ": unexpected return pc for " : ": no caller's frame found for ");
        tz_put(s, symbols[n - 1].function);
        tz_put(s, t->end == TZ_WALK_UNKNOWN ? " called from " : " at ");
        tz_put_hex(s, t->end == TZ_WALK_UNKNOWN ? t->bad : last->pc);
    }
    tz_put(s, "\n");
    if (style->dump)
        print_dump(s, z, t, last ? last->sp : t->sp, last ? last->fp : 0);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void tz_print_trace(tz_sink *s, tz_symbolizer *z, const tz_trace *t, const tz_gview *v, const tz_style *style)
{
    pass p = {.z = z, .style = style};
    want_all(z, t);
    all_frames(&p, t);
    if (p.n == 0) {
        p.hidden_too = true;
        all_frames(&p, t);
    }
    p.head = p.tail = p.n;
    if (p.gap) {
        p.head = least(ENDS, p.before_gap);
        p.tail = p.n - least(ENDS, p.n - p.before_gap - p.gap);
    } else if (p.n > 2 * ENDS) {
        p.head = ENDS;
        p.tail = p.n - ENDS;
    }
    p.sink = s;
    all_frames(&p, t);
    if (t->end != TZ_WALK_DONE)
        print_trouble(s, z, t, v, style);
}

void tz_print_entry(tz_sink *s, tz_symbolizer *z, const tz_gview *v, const tz_style *style)
{
    pass p = {.sink = s, .z = z, .style = style, .hidden_too = true, .head = UINT32_MAX, .tail = UINT32_MAX};
    one_frame(&p, &(tz_frame){v->fn, 0, 0, true});
}

void tz_print_created_by(tz_sink *s, tz_symbolizer *z, const tz_gview *v, const tz_style *style)
{
    uint32_t n;
    uintptr_t pc = (uintptr_t)v->go_pc;
    if (!pc || v->goid == 1)
        return;
    const tz_symbol *f = tz_symbolizer_get(z, pc - 1, &n);
    f += n - 1; /* not what wraps tuza_go and is inlined into it */
    if (!is_shown(f, false, style))
        return;
    tz_put(s, "created by ");
    tz_put(s, f->function);
    if (v->parent) {
        tz_put(s, " in goroutine ");
        tz_put_decimal(s, v->parent);
    }
    tz_put(s, "\n");
    print_place(s, f, pc);
    tz_put(s, "\n");
}

void tz_print_unavailable(tz_sink *s)
{
    tz_put(s, "\tgoroutine running on other thread; stack unavailable\n");
}
