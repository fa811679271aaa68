/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walking a stack, from any point of execution outwards. Async-signal-safe:
 * no malloc, no locks; what is on the stack is never trusted.
 */
#ifndef TZ_UNWIND_H
#define TZ_UNWIND_H

#include "trace/cfi.h"

/* Rules found before, by pc. One user at a time. The memory may be all zero to begin with. */
#define TZ_CFI_CACHE 512u
typedef struct tz_cfi_cache {
    struct {
        uintptr_t at; /* 0: empty */
        tz_cfi_row row;
    } slot[TZ_CFI_CACHE];
    uintptr_t code_lo, code_hi; /* code that is of no file, found before */
} tz_cfi_cache;

typedef enum tz_walk_end {
    TZ_WALK_GOES_ON = 0,
    TZ_WALK_DONE,    /* the outermost frame, by its own word */
    TZ_WALK_UNKNOWN, /* the last frame returns to `bad`, which is no code; frames == 0: it is the first pc */
    TZ_WALK_STUCK,   /* the caller's frame can't be found */
} tz_walk_end;

typedef struct tz_walk {
    tz_regs regs; /* of the frame looked at */
    uintptr_t fp; /* its CFA: what Go calls fp */
    uintptr_t bad;
    tz_walk_end end;
    uint32_t frames;
    uint32_t signals; /* trampolines crossed */
    tz_bounds bounds;
    tz_cfi_cache *cache;
    bool has_rules; /* else the frame is left by its frame pointer, or as a wild call */
    tz_cfi_row row;
} tz_walk;

/*
 * Begins at regs; [lo, hi) is mapped for certain (0, 0: nothing is). cache
 * may be NULL. The first frame is looked at when this returns true; false: it
 * can't be told where we are.
 */
bool tz_walk_begin(tz_walk *w, const tz_regs *regs, uintptr_t lo, uintptr_t hi, tz_cfi_cache *cache);
/* To the caller's frame. False: there is none, w->end says why; the last frame stays in view. */
bool tz_walk_next(tz_walk *w);

TZ_INLINE uintptr_t tz_walk_pc(const tz_walk *w)
{
    return w->regs.r[TZ_REG_PC];
}
TZ_INLINE uintptr_t tz_walk_sp(const tz_walk *w)
{
    return w->regs.r[TZ_REG_SP];
}

/*
 * A walk written down: the innermost and the outermost frames of a stack of
 * any depth.
 */
#define TZ_TRACE_KEEP 128u /* of each end */
typedef struct tz_frame {
    uintptr_t pc, sp, fp;
    bool exact; /* see tz_regs */
} tz_frame;
typedef struct tz_trace {
    uint32_t n; /* all frames that there were */
    tz_walk_end end;
    uintptr_t bad;
    uintptr_t sp; /* where the walk began */
    uintptr_t lo, hi;
    tz_frame first[TZ_TRACE_KEEP];
    tz_frame last[TZ_TRACE_KEEP]; /* frame i >= KEEP is at i % KEEP */
} tz_trace;

/* All frames from regs on; with from_pc without those before the frame at that pc, if there is one. */
void tz_trace_take(tz_trace *t, const tz_regs *regs, uintptr_t lo, uintptr_t hi, tz_cfi_cache *cache,
                   uintptr_t from_pc);
/* Frame i of t->n; NULL: one in the middle that was not kept. */
TZ_INLINE const tz_frame *tz_trace_frame(const tz_trace *t, uint32_t i)
{
    if (i < TZ_TRACE_KEEP)
        return &t->first[i];
    return t->n - i <= TZ_TRACE_KEEP ? &t->last[i % TZ_TRACE_KEEP] : NULL;
}

#endif /* TZ_UNWIND_H */
