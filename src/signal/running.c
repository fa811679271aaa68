/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The frames of a goroutine that runs on another thread. They change under
 * whoever reads them from outside, so that thread is asked by a signal, and
 * the handler writes them down.
 *
 * SIGURG, for Go's reasons: it is ignored by default, so one that comes after
 * the handlers are gone does nothing; debuggers pass it on; libc has no use
 * for it, and programs hardly any. A handler that was there before is called
 * as well, every time, since the kernel may have merged its signal with ours.
 *
 * Who may touch the record is said by its word:
 *
 *   IDLE     nobody
 *   ASKED    an asker has sent the signal and waits
 *   WRITING  the handler, on the M's own thread
 *   DONE     the asker reads, then makes it IDLE
 *   LEFT     the asker has given up while the handler was writing; the handler makes it IDLE
 *
 * An asker that gives up takes ASKED back to IDLE: a handler that comes later
 * finds nothing to do, or serves the next asker, who wants the same. So a
 * record is never read while it is written, nor written while it is read. It
 * lies with the M, whose memory is only ever an M's: when the thread ends
 * meanwhile, nobody answers, and that is all.
 *
 * The signal interrupts what the thread does in the kernel: most calls go on
 * by themselves (SA_RESTART), but those that never do (poll, nanosleep) fail
 * with EINTR. That is why no more is done with it than tracebacks.
 */
#include <string.h>

#include "base/fatal.h"
#include "os/os.h"
#include "sched/sched.h"
#include "sched/traceback.h"
#include "signal/handlers.h"
#include "trace/unwind.h"

#define PATIENCE_NS 10000000
#define CORE_NS     10000000000
#define RETRY_NS    100000

enum { IDLE, ASKED, WRITING, DONE, LEFT };

/* Above the M's signal stack, zero at first. */
typedef struct record {
    uint32_t word; /* atomic */
    tz_g *g;       /* which goroutine's frames these are */
    uint64_t goid;
    tz_registers registers;
    tz_trace trace;
} record;
_Static_assert(sizeof(record) <= TZ_OS_SIGSTACK_ABOVE, "os/signal.h");

static record *record_of(tz_m *m)
{
    return tz_load_acquire(&m->sigstack.above); /* an M that just begins has none */
}

void tz_asked(int sig, siginfo_t *info, void *context)
{
    tz_m *m = tz_self_m;
    record *r = record_of(m);
    uint32_t word = ASKED;
    if (r &&
        tz_cas_acquire(&r->word, &word, WRITING)) { /* pairs with the release of IDLE: it has been read */
        tz_g *g = r->g = m->g;
        r->goid = tz_load_relaxed(&g->goid);
        tz_context_registers(context, &r->registers);
        tz_regs regs;
        tz_regs_signal(&regs, context);
        tz_trace_take(&r->trace, &regs, (uintptr_t)g->stack.lo, (uintptr_t)g->stack.hi, NULL, 0);
        word = WRITING;
        if (tz_cas_release(&r->word, &word, DONE))
            tz_os_futex_wake(&r->word, 1);
        else
            tz_store_release(&r->word, IDLE);
    }
    tz_os_action_call(tz_signal_earlier(sig), sig, info, context);
}

/* Takes the record; false: others ask, or its thread is still writing for one that gave up. */
static bool begin(record *r, int64_t until)
{
    for (;;) {
        uint32_t word = IDLE;
        if (tz_cas_acquire(&r->word, &word, ASKED))
            return true;
        int64_t now = tz_os_now();
        if (now >= until)
            return false;
        tz_os_sleep_until(now + RETRY_NS);
    }
}

/* False: it has changed meanwhile. */
static bool give_up(record *r, uint32_t word)
{
    return (word == ASKED && tz_cas_relaxed(&r->word, &word, IDLE)) ||
           (word == WRITING && tz_cas_relaxed(&r->word, &word, LEFT));
}

/* Whether it only lacks a processor. */
static bool is_runnable(int tid)
{
    int fd = tz_os_thread_stat_open(tid);
    if (fd < 0)
        return false;
    char state = tz_os_thread_state(fd);
    tz_os_close(fd);
    return state == 'R';
}

static bool ask(record *r, int tid)
{
    int64_t until = tz_os_now() + PATIENCE_NS;
    /* Who wants a core wants all of it: Go's patience with threads that are slow to come. */
    int64_t limit = tz_gotraceback().core && tz_report_depth() ? until + CORE_NS : until;
    if (!r || !begin(r, until))
        return false;
    if (tz_os_signal_thread(tid, SIGURG) < 0)
        until = limit = 0;
    for (;;) {
        uint32_t word = tz_load_acquire(&r->word); /* pairs with the release of DONE */
        if (word == DONE)
            return true;
        int64_t now = tz_os_now();
        if (now < until)
            tz_os_futex_wait(&r->word, word, until);
        else if (now < limit && is_runnable(tid))
            until = now + PATIENCE_NS;
        else if (give_up(r, word))
            return false;
    }
}

static void done(record *r)
{
    tz_store_release(&r->word, IDLE);
}

static bool walk(tz_m *m, tz_g *g, tz_trace *t)
{
    record *r = record_of(m);
    uint64_t goid = tz_load_relaxed(&g->goid);
    if (!ask(r, m->tid))
        return false;
    bool right = r->g == g && r->goid == goid; /* else it has given way to another */
    if (right)
        memcpy(t, &r->trace, sizeof *t);
    done(r);
    return right;
}

void tz_asked_init(bool on)
{
    tz_store_relaxed(&tz_walk_other, on ? walk : NULL);
}

void tz_asked_print_registers(void)
{
    char pc[24], id[24];
    for (tz_m *m = tz_load_acquire(&tz_sched.allm); m; m = tz_load_acquire(&m->alllink)) {
        record *r = record_of(m);
        tz_g *g = tz_load_relaxed(&m->g);
        if (m == tz_self_m || g == m->g0 || !ask(r, m->tid))
            continue;
        if (r->g != m->g0) {
            tz_print("\n-----\n\n", tz_signal_text(SIGQUIT),
                     "\nPC=", tz_hex(pc, tz_registers_pc(&r->registers)),
                     " m=", tz_decimal(id, (uint64_t)m->id), " sigcode=0\ngoroutine ", NULL);
            tz_print(tz_decimal(id, r->goid), "\n\n", NULL);
            tz_registers_print(&r->registers);
        }
        done(r);
    }
}
