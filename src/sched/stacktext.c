/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tuza_stack: tracebacks for programs that live on.
 *
 * All goroutines at one moment means a stopped world: nobody parks, wakes,
 * starts or ends then. Only what has to be done in it is: the goroutines are
 * written down. Names are looked up and text is made when the world goes on,
 * in user code, since that may take long, and malloc may be the program's.
 */
#include "base/fatal.h"
#include "os/os.h"
#include "sched/proc.h"
#include "sched/sched.h"
#include "sched/traceback.h"
#include "tuza/go.h"

/* One goroutine, written down: its frames follow. */
typedef struct note {
    struct note *next;
    tz_gview v;
    bool has_trace; /* else it runs elsewhere, or has not begun */
    tz_trace trace; /* cut off behind the frames that there are, if they are few */
} note;

#define CHUNK     ((size_t)1 << 20)
#define CHUNK_ONE ((size_t)32 << 10) /* for one goroutine */

typedef struct notes {
    note *first, **end;
    struct chunk {
        struct chunk *next;
        size_t size, used;
    } * chunks;
    size_t chunk_size;
    tz_cfi_cache *rules; /* for many goroutines */
} notes;

_Static_assert(sizeof(note) + sizeof(struct chunk) + 64 <= CHUNK_ONE, "the largest fits");

static note *begin_note(notes *n)
{
    struct chunk *c = n->chunks;
    if (!c || c->size - c->used < sizeof(note)) {
        c = tz_os_reserve(n->chunk_size);
        if (!c)
            return NULL;
        *c = (struct chunk){n->chunks, n->chunk_size, (sizeof *c + 15) & ~(size_t)15};
        n->chunks = c;
    }
    return (note *)(void *)((char *)c + c->used);
}

/* The next note begins behind what is used of this one. */
static void end_note(notes *n, note *it)
{
    size_t size = offsetof(note, trace);
    if (it->has_trace && it->trace.n <= TZ_TRACE_KEEP)
        size += offsetof(tz_trace, first) + it->trace.n * sizeof it->trace.first[0];
    else if (it->has_trace)
        size = sizeof *it;
    n->chunks->used += (size + 15) & ~(size_t)15;
    it->next = NULL;
    *n->end = it;
    n->end = &it->next;
}

static void begin_notes(notes *n, bool all)
{
    *n = (notes){.end = &n->first, .chunk_size = all ? CHUNK : CHUNK_ONE};
    if (all)
        n->rules = tz_os_reserve(tz_os_pages(sizeof *n->rules));
}

static void end_notes(notes *n)
{
    for (struct chunk *c = n->chunks, *next; c; c = next) {
        next = c->next;
        tz_os_release(c, c->size);
    }
    if (n->rules)
        tz_os_release(n->rules, tz_os_pages(sizeof *n->rules));
}

/* The caller itself, from the call that returns to pc on. */
static void note_self(notes *n, tz_m *m, const tz_regs *regs, uintptr_t pc)
{
    note *it = begin_note(n);
    if (!it)
        return;
    if (m == &tz_nobody) {
        it->v = (tz_gview){.tid = tz_os_tid(), .status = "running", .begun = true};
        tz_trace_take(&it->trace, regs, 0, 0, n->rules, pc);
    } else {
        tz_gview_of_g(&it->v, m->g, m);
        tz_trace_take(&it->trace, regs, (uintptr_t)m->g->stack.lo, (uintptr_t)m->g->stack.hi, n->rules, pc);
    }
    it->has_trace = true;
    end_note(n, it);
}

static void note_others(notes *n, const tz_g *self, bool (*which)(tz_g *g))
{
    tz_running running;
    tz_goroutines all;
    tz_running_take(&running);
    tz_goroutines_take(&all);
    for (size_t i = 0; i < all.n; i++) {
        note *it = begin_note(n);
        if (!it)
            break;
        if (!tz_gview_take(&it->v, &all.list[i], &running) || it->v.g == self ||
            (which && !(it->v.g && which(it->v.g))))
            continue;
        it->has_trace =
            it->v.begun && (!it->v.m || (tz_walk_other && tz_walk_other(it->v.m, it->v.g, &it->trace)));
        if (it->has_trace && !it->v.m)
            tz_gview_walk(&it->trace, it->v.g, n->rules);
        end_note(n, it);
    }
    tz_goroutines_free(&all);
    tz_running_free(&running);
}

/* Not inlined: it may switch, and its caller's loop must not keep tz_self_m's address across that. False:
 * another thread is stopping the world. */
static TZ_NOINLINE bool try_note_all(notes *n, uintptr_t pc)
{
    tz_m *m = tz_enter_movable();
    bool mine = tz_stw_try(), over = tz_load_relaxed(&tz_sched.ending) == m;
    if (mine || over) {
        tz_regs regs;
        tz_regs_here(&regs);
        if (mine)
            tz_stop_the_world(m);
        note_self(n, m, &regs, pc);
        note_others(n, m->g, NULL);
    }
    if (mine) {
        tz_start_the_world(m, m->p);
        tz_stw_release();
    }
    tz_leave(m);
    return mine || over;
}

static void print_note(tz_sink *s, tz_symbolizer *z, const note *it, const tz_style *style)
{
    tz_print_header(s, &it->v, style);
    if (it->has_trace)
        tz_print_trace(s, z, &it->trace, &it->v, style);
    else if (it->v.begun)
        tz_print_unavailable(s);
    else
        tz_print_entry(s, z, &it->v, style);
    if (!it->v.tid)
        tz_print_created_by(s, z, &it->v, style);
}

/* Names and text, with the world at work again; the notes are over. */
static void print_notes(tz_sink *s, notes *n)
{
    tz_symbolizer z;
    const tz_style style = {.level = 1};
    tz_symbolizer_open(&z, TZ_ASK_ALIVE);
    for (const note *it = n->first; it; it = it->next) {
        if (it != n->first)
            tz_put(s, "\n");
        print_note(s, &z, it, &style);
    }
    tz_symbolizer_close(&z);
    end_notes(n);
}

void tz_stack_show(tz_sink *s, bool (*which)(tz_g *g))
{
    notes n;
    begin_notes(&n, true);
    if (tz_stw_acquire()) {
        tz_stop_the_world(NULL);
        note_others(&n, NULL, which);
        tz_start_the_world(NULL, NULL);
        tz_stw_release();
    }
    print_notes(s, &n);
}

size_t tuza_stack(char *buf, size_t size, bool all)
{
    uintptr_t pc = (uintptr_t)__builtin_return_address(0);
    notes n;
    tz_regs regs;
    begin_notes(&n, all);
    if (all) {
        while (!try_note_all(&n, pc))
            tuza_gosched();
    } else {
        tz_regs_here(&regs);
        note_self(&n, tz_self_m, &regs, pc);
    }
    tz_buffer_sink b;
    tz_buffer_begin(&b, buf, size);
    print_notes(&b.sink, &n);
    return b.length;
}
