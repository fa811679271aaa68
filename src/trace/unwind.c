/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See unwind.h.
 *
 * What keeps a corrupted stack from leading anywhere: reads are checked
 * (memory.h); a return address must lie in code that has rules, or in other
 * executable memory that a chain of frame pointers leads out of; and the stack pointer must grow with each
 * frame, so that every walk ends. The exception are the trampolines of signal
 * handlers, whose caller may be on another stack. Of these there are a few.
 *
 * Rejected: libgcc's and libunwind's unwinders. The first reads the stack
 * without checks, the second brings its own caches and locks, and neither
 * starts from a parked goroutine's registers.
 */
#include "trace/unwind.h"

#include <string.h>

#define SIGNALS_MAX 16

static bool find_row(tz_cfi_cache *cache, uintptr_t at, tz_cfi_row *row)
{
    tz_object o;
    if (at == 0) /* as an empty slot has it */
        return false;
    if (!cache)
        return tz_object_find(at, &o) && tz_cfi_find(&o, at, row);
    uintptr_t hash = (at ^ at >> 9 ^ at >> 18) % TZ_CFI_CACHE;
    if (cache->slot[hash].at != at) {
        cache->slot[hash].at = 0; /* not this pc's before it is, should we be interrupted */
        if (!tz_object_find(at, &o) || !tz_cfi_find(&o, at, &cache->slot[hash].row))
            return false;
        cache->slot[hash].at = at;
    }
    *row = cache->slot[hash].row;
    return true;
}

/* Where the frame's code is looked up: within the call, for a return address. */
static uintptr_t look_at(const tz_regs *r)
{
    return r->r[TZ_REG_PC] - !r->exact;
}

static bool known(const tz_regs *r, unsigned reg)
{
    return r->known >> reg & 1;
}

static void set(tz_regs *r, unsigned reg, uintptr_t value)
{
    r->r[reg] = value;
    r->known |= (uint64_t)1 << reg;
}

static bool find_cfa(const tz_walk *w, uintptr_t *cfa)
{
    const tz_cfi_row *row = &w->row;
    if (row->cfa_is_expr)
        return tz_expr_eval(row->cfa_offset, &w->regs, &w->bounds, false, 0, cfa);
    if (row->cfa_reg >= TZ_REGS || !known(&w->regs, row->cfa_reg))
        return false;
    *cfa = w->regs.r[row->cfa_reg] + (uintptr_t)row->cfa_offset;
    return true;
}

/* The register's value in the caller; false: it is lost. */
static bool recover(const tz_walk *w, unsigned reg, uintptr_t cfa, uintptr_t *value)
{
    intptr_t v = w->row.value[reg];
    switch (w->row.rule[reg]) {
    case TZ_RULE_SAME:
        *value = w->regs.r[reg];
        return known(&w->regs, reg);
    case TZ_RULE_OFFSET:
        return tz_read_word(&w->bounds, cfa + (uintptr_t)v, value);
    case TZ_RULE_VALUE:
        *value = cfa + (uintptr_t)v;
        return true;
    case TZ_RULE_REGISTER:
        if ((uintptr_t)v >= TZ_REGS)
            return false;
        *value = w->regs.r[v];
        return known(&w->regs, (unsigned)v);
    case TZ_RULE_AT_EXPR:
        return tz_expr_eval(v, &w->regs, &w->bounds, true, cfa, value) &&
               tz_read_word(&w->bounds, *value, value);
    case TZ_RULE_EXPR:
        return tz_expr_eval(v, &w->regs, &w->bounds, true, cfa, value);
    default:
        return false;
    }
}

/* Whether pc may be code although it has no rules: written at run time, or by hand. */
static bool is_code(const tz_walk *w)
{
    uintptr_t pc = tz_walk_pc(w), lo, hi;
    tz_cfi_cache *c = w->cache;
    if (c && pc >= c->code_lo && pc < c->code_hi)
        return true;
    if (!tz_os_is_code(pc, &lo, &hi))
        return false;
    if (c) {
        c->code_lo = lo;
        c->code_hi = hi;
    }
    return true;
}

/* Code without rules: a frame record, if that leads back to code that has them. */
static bool by_frame_pointer(const tz_walk *w, tz_regs *to)
{
    uintptr_t fp = w->regs.r[TZ_REG_FP], next, pc;
    tz_cfi_row row;
    if (!is_code(w) || !known(&w->regs, TZ_REG_FP) || fp % sizeof fp || fp < tz_walk_sp(w) ||
        !tz_read_word(&w->bounds, fp, &next) || !tz_read_word(&w->bounds, fp + sizeof fp, &pc))
        return false;
    pc = tz_strip_pc(pc);
    if (!find_row(w->cache, pc - 1, &row))
        return false;
    memset(to, 0, sizeof *to);
    set(to, TZ_REG_PC, pc);
    set(to, TZ_REG_FP, next);
    set(to, TZ_REG_SP, fp + 2 * sizeof fp);
    return true;
}

/* A call of something that is no code, a wild function pointer: it has not done anything yet, so the return
 * address is where the call put it. */
static bool by_wild_call(const tz_walk *w, tz_regs *to)
{
    uintptr_t pc;
    tz_cfi_row row;
    if (!w->regs.exact || w->frames > 1)
        return false;
    *to = w->regs;
#if TZ_REG_RA == TZ_REG_PC
    if (!tz_read_word(&w->bounds, tz_walk_sp(w), &pc))
        return false;
    set(to, TZ_REG_SP, tz_walk_sp(w) + sizeof pc);
#else
    if (!known(&w->regs, TZ_REG_RA))
        return false;
    pc = tz_strip_pc(w->regs.r[TZ_REG_RA]);
#endif
    set(to, TZ_REG_PC, pc);
    to->exact = false;
    return find_row(w->cache, pc - 1, &row);
}

/* The frame is that of a signal's trampoline: on to where the signal came. */
static bool by_trampoline(const tz_walk *w, tz_regs *to)
{
    uint8_t code[TZ_TRAMPOLINE_BYTES];
    TZ_ALIGNED(16) char context[TZ_SIGNAL_CONTEXT];
    if (w->has_rules && !w->row.signal_frame)
        return false;
    if (!tz_os_peek(code, (const void *)tz_walk_pc(w), sizeof code))
        return false;
    uintptr_t at = tz_regs_trampoline(code, tz_walk_sp(w));
    if (!at || !tz_os_peek(context, (const void *)at, sizeof context))
        return false;
    tz_regs_signal(to, context);
    return true;
}

/* By w->row, which holds. False: w->end says why. */
static bool by_rules(tz_walk *w, tz_regs *to)
{
    uintptr_t cfa;
    if (!find_cfa(w, &cfa))
        return false;
    memset(to, 0, sizeof *to);
    to->exact = w->row.signal_frame;
    for (unsigned reg = 0; reg < TZ_REGS; reg++) {
        uintptr_t value;
        if (recover(w, reg, cfa, &value))
            set(to, reg, value);
    }
    if (w->row.rule[TZ_REG_RA] == TZ_RULE_UNDEFINED) {
        w->end = TZ_WALK_DONE;
        return false;
    }
    if (!known(to, TZ_REG_RA) || !known(to, TZ_REG_SP))
        return false;
    uintptr_t pc = to->r[TZ_REG_RA];
    set(to, TZ_REG_PC, w->row.signed_ra ? tz_strip_pc(pc) : pc);
    if (to->r[TZ_REG_PC] == 0) {
        w->end = TZ_WALK_DONE;
        return false;
    }
    uintptr_t sp = tz_walk_sp(w), next = to->r[TZ_REG_SP];
    if (w->row.signal_frame)
        return ++w->signals <= SIGNALS_MAX;
    return next > sp || (next == sp && w->regs.exact);
}

/* Finds the rules of the frame that w->regs is in, and its CFA. */
static void view(tz_walk *w)
{
    w->has_rules = find_row(w->cache, look_at(&w->regs), &w->row);
    if (!w->has_rules || !find_cfa(w, &w->fp))
        w->fp = tz_walk_sp(w);
}

bool tz_walk_begin(tz_walk *w, const tz_regs *regs, uintptr_t lo, uintptr_t hi, tz_cfi_cache *cache)
{
    tz_regs to;
    w->regs = *regs;
    w->bad = 0;
    w->end = TZ_WALK_GOES_ON;
    w->frames = 1;
    w->signals = 0;
    w->bounds = (tz_bounds){lo, hi};
    w->cache = cache;
    view(w);
    if (w->has_rules || by_frame_pointer(w, &to) || by_wild_call(w, &to))
        return true;
    w->frames = 0;
    w->bad = tz_walk_pc(w);
    w->end = TZ_WALK_UNKNOWN;
    return false;
}

bool tz_walk_next(tz_walk *w)
{
    tz_regs from = w->regs, to, beyond;
    uintptr_t fp = w->fp;
    if (w->end != TZ_WALK_GOES_ON)
        return false;
    w->end = TZ_WALK_STUCK; /* until we are through */
    if (by_trampoline(w, &to)) {
        if (++w->signals > SIGNALS_MAX)
            return false;
    } else if (w->has_rules) {
        if (!by_rules(w, &to))
            return false;
    } else if (!by_frame_pointer(w, &to) && !by_wild_call(w, &to)) {
        return false;
    }
    w->regs = to;
    view(w);
    if (!w->has_rules && !by_frame_pointer(w, &beyond) && !by_trampoline(w, &beyond)) {
        w->regs = from;
        w->fp = fp;
        w->bad = to.r[TZ_REG_PC];
        w->end = TZ_WALK_UNKNOWN;
        return false;
    }
    w->end = TZ_WALK_GOES_ON;
    w->frames++;
    return true;
}

void tz_trace_take(tz_trace *t, const tz_regs *regs, uintptr_t lo, uintptr_t hi, tz_cfi_cache *cache,
                   uintptr_t from_pc)
{
    tz_walk w;
    t->n = 0;
    t->sp = regs->r[TZ_REG_SP];
    t->lo = lo;
    t->hi = hi;
    for (bool more = tz_walk_begin(&w, regs, lo, hi, cache); more; more = tz_walk_next(&w)) {
        if (from_pc && tz_walk_pc(&w) == from_pc) {
            from_pc = 0;
            t->n = 0;
        }
        tz_frame *f = t->n < TZ_TRACE_KEEP ? &t->first[t->n] : &t->last[t->n % TZ_TRACE_KEEP];
        *f = (tz_frame){tz_walk_pc(&w), tz_walk_sp(&w), w.fp, w.regs.exact};
        t->n++;
    }
    t->end = w.end;
    t->bad = w.bad;
}
