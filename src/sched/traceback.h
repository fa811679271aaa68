/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files that make tracebacks share.
 *
 * A goroutine is written down first (tz_gview: its header; tz_trace: its
 * frames), which is done where nothing may change or fail, and printed then.
 */
#ifndef TZ_TRACEBACK_H
#define TZ_TRACEBACK_H

#include "base/print.h"
#include "sched/gmp.h"
#include "trace/symbol.h"
#include "trace/unwind.h"

/* symbolizer.c: names for addresses, by a thread that has nothing else to do. */
typedef struct tz_symbolizer {
    tz_symbols *symbols; /* NULL: no memory */
    int how;             /* TZ_SYMBOLS_* */
    bool report;
} tz_symbolizer;
/* Starts the thread, under start_lock: 1, or 0 where it runs already, or a negative errno. */
int tz_symbolizer_start(void);
/* Has it end, when it is through with what was asked. Without it each asks libdw himself. */
void tz_symbolizer_stop(void);
/* In the child of a fork: the thread is gone, and what it was in the middle of. */
void tz_symbolizer_forget(void);
/* Why it is asked. In a crash every wait is bounded. z is on the caller's stack; to be closed, by a report
 * if it ever gets there. */
enum { TZ_ASK_ALIVE, TZ_ASK_IN_CRASH, TZ_ASK_IN_HANDLER };
void tz_symbolizer_open(tz_symbolizer *z, int why);
void tz_symbolizer_close(tz_symbolizer *z);
/* Has n addresses looked up. */
void tz_symbolizer_want(tz_symbolizer *z, const uintptr_t *at, uint32_t n);
/* What is there; n >= 1. Addresses that were not wanted before cost a round of their own. */
const tz_symbol *tz_symbolizer_get(tz_symbolizer *z, uintptr_t at, uint32_t *n);

/* The thread looks at tz_waits_run's time again. */
void tz_symbolizer_kick(void);

/* waits.c: since when goroutines wait. */
/* A round shall be made before long: something has run. sysmon. */
void tz_waits_want(int64_t now);
/* Makes a round that is due, returns when the next one is. The symbolizer's thread. */
int64_t tz_waits_run(void);
/* A round: who waits is noted as seen at `now`. */
void tz_waits_look(int64_t now);
/* The time in a g->wait_reason's note; 0: there is none. */
int64_t tz_waits_since(uint64_t reason);
/* Whole minutes since the note in a g->wait_reason; 0 without one. */
uint64_t tz_waits_minutes(uint64_t reason, int64_t now);
extern int64_t tz_waits_every; /* ns between rounds; const, but for tests */

/* stacktext.c: those goroutines of all that `which` takes, in a stopped world; and their text. On a thread
 * without an M. */
void tz_stack_show(tz_sink *s, bool (*which)(tz_g *g));

/* gotraceback.c: TUZA_TRACEBACK or GOTRACEBACK. */
typedef struct tz_traceback_level {
    uint32_t level; /* 0: no frames, 1: the program's, 2: the runtime's too */
    bool all;       /* goroutines */
    bool core;      /* dies by SIGABRT */
} tz_traceback_level;
tz_traceback_level tz_gotraceback(void);
/* none, single, all, system, crash, a number; can only raise what the environment says. */
void tz_set_traceback(const char *word);
void tz_gotraceback_init(void); /* from the environment */

/* gview.c: a goroutine's header. */
typedef struct tz_gview {
    uint64_t goid, parent;
    const void *go_pc;
    tz_g *g; /* NULL: it has none yet */
    tz_m *m; /* runs it, NULL: none does */
    const char *status;
    uint64_t minutes;
    int tid; /* of a foreign thread, which is no goroutine; else 0 */
    bool locked;
    bool durable;    /* parked until something happens in its bubble */
    uint64_t bubble; /* its number; 0: none */
    bool begun;      /* else it stands at its function's beginning: `fn` */
    uintptr_t fn;
    char name[sizeof((tz_g *)0)->name];
} tz_gview;
void tz_gview_of_g(tz_gview *v, tz_g *g, tz_m *m);
/* The frames of a parked goroutine that has begun. */
void tz_gview_walk(tz_trace *t, tz_g *g, tz_cfi_cache *cache);

/* The Ms that run goroutines at one moment, by their G. No lock: what changes meanwhile is seen or not. */
typedef struct tz_running {
    struct tz_running_slot {
        tz_g *g;
        tz_m *m;
    } * slots;
    size_t n; /* a power of two */
} tz_running;
void tz_running_take(tz_running *r);
tz_m *tz_running_find(const tz_running *r, tz_g *g);
void tz_running_free(tz_running *r);

/* All goroutines, those that have no G yet too, by their ids; then foreign threads. Without memory: none. */
typedef struct tz_goroutines {
    struct tz_goroutine {
        uint64_t key; /* the id; the top bit: of a foreign thread */
        tz_g *g;      /* NULL: it has none yet */
        tz_start *start;
    } * list;
    size_t n, size;
} tz_goroutines;
void tz_goroutines_take(tz_goroutines *all);
void tz_goroutines_free(tz_goroutines *all);
/* False: it is not that goroutine any more. */
bool tz_gview_take(tz_gview *v, const struct tz_goroutine *it, const tz_running *running);

/* traceprint.c */
typedef struct tz_style {
    uint32_t level;
    bool throwing; /* the goroutine is the one that a throw is about: all of its frames */
    bool dump;     /* stack memory may be looked at: it is as it was when the trace was taken */
} tz_style;
void tz_print_header(tz_sink *s, const tz_gview *v, const tz_style *style);
/* v: whose it is, for the text on a stack that does not unwind; NULL: a thread's own stack. */
void tz_print_trace(tz_sink *s, tz_symbolizer *z, const tz_trace *t, const tz_gview *v,
                    const tz_style *style);
/* The function of a goroutine that has not begun. */
void tz_print_entry(tz_sink *s, tz_symbolizer *z, const tz_gview *v, const tz_style *style);
void tz_print_created_by(tz_sink *s, tz_symbolizer *z, const tz_gview *v, const tz_style *style);
/* The line instead of frames for one that runs on another thread. */
void tz_print_unavailable(tz_sink *s);

#endif /* TZ_TRACEBACK_H */
