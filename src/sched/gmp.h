/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * G, M and P, and the scheduler's global state. Private to sched/; upper
 * layers see it through sched.h.
 *
 * Who may touch a field is said beside it:
 *   own     only the M that runs (or the M that holds the P), no ordering needed:
 *           the next owner gets it through a lock, a note or m->seq
 *   atomic  any thread; the orders are argued where it is used
 *   lock L  under that lock
 *   const   never changes once the object is published
 * A field that its owner writes and others merely peek at is "own, peeked":
 * relaxed atomic accesses on both sides.
 *
 * All three kinds are type-stable: their memory is never unmapped and only
 * ever reused for the same kind, so a stale pointer reads old or new values
 * of the right type.
 */
#ifndef TZ_GMP_H
#define TZ_GMP_H

#include "arch/arch.h"
#include "arch/layout.h"
#include "base/atomic.h"
#include "base/base.h"
#include "event/timerheap.h"
#include "lock/lock.h"
#include "mem/stack.h"
#include "os/signal.h"

typedef struct tz_g tz_g;
typedef struct tz_m tz_m;
typedef struct tz_p tz_p;
typedef struct tz_work tz_work;     /* what run queues hold, see below */
typedef struct tz_bubble tz_bubble; /* goroutines in fake time: bubble.h */

/*
 * What a G is doing. Changed only in sched/, always by the one that owns the
 * G at that moment: the M that runs it, or whoever took it off the queue it
 * waited on (the queue's lock is held until the G has left its stack, so a
 * waker never meets a G that still runs).
 */
enum {
    TZ_G_IDLE = 0, /* never used */
    TZ_G_RUNNABLE, /* on a run queue, or running: m->g of some M, with a P or robbed of it */
    TZ_G_WAITING,  /* parked; on some object's queue or a timer */
    TZ_G_DEAD,     /* ended; on a free list, or about to be */
};

/* Why a G waits; tz_wait_reason_text has Go's words. */
enum {
    TZ_WAIT_NONE = 0,
    TZ_WAIT_CHAN_SEND,
    TZ_WAIT_CHAN_RECV,
    TZ_WAIT_CHAN_SEND_NIL,
    TZ_WAIT_CHAN_RECV_NIL,
    TZ_WAIT_SLEEP,
    TZ_WAIT_EXIT,
    TZ_WAIT_PANIC,    /* main has returned, and another goroutine's panic ends the process */
    TZ_WAIT_CALLBACK, /* until a function of a timer's or a context's has returned */
    TZ_WAIT_IO,
    TZ_WAIT_SEMACQUIRE,
    TZ_WAIT_MUTEX,
    TZ_WAIT_RWMUTEX_RLOCK,
    TZ_WAIT_RWMUTEX_LOCK,
    TZ_WAIT_WAITGROUP,
    TZ_WAIT_COND,
    TZ_WAIT_SELECT,
    TZ_WAIT_SELECT_NONE, /* a select without cases */
    TZ_WAIT_BUBBLE_RUN,
    TZ_WAIT_BUBBLE_WAIT,
    TZ_WAIT_REASONS
};
#define TZ_WAIT_BITS     8
#define TZ_WAIT_REASON   0x7f
#define TZ_WAIT_REPORTED 0x80 /* beside the reason: blocked.c has shown this wait */

/*
 * One G in one wait queue (Go's sudog). The record of a single operation is
 * part of its G, those of a select are its own; all fields are under the lock
 * of the object waited on.
 */
typedef struct tz_sudog {
    struct tz_sudog *next, *prev;
    tz_g *g;
    void *elem;               /* where to copy from or to; may be NULL */
    struct tz_select *select; /* const; not NULL: it is to be claimed first (select.h) */
} tz_sudog;

/* The C++ runtime's __cxa_eh_globals: the exceptions that are caught, and how many are in flight. */
typedef struct tz_exceptions {
    void *caught;
    uint32_t uncaught;
} tz_exceptions;

/* What somebody keeps of a goroutine whose end it waits for: ended(m, me) is called inside the runtime, with
 * a P, when it has ended and tuza_num_goroutine does not count it any more. The record is in the copy of the
 * goroutine's argument, at its stack's top. */
typedef struct tz_member {
    void (*ended)(tz_m *m, struct tz_member *me);
} tz_member;

/* What panic/ keeps of a goroutine: all own, and all zero where `used` is. */
#define TZ_UNWIND_FIRST 112
typedef struct tz_unwind {
    struct tuza_deferred *defers; /* deferred functions that have not run, the newest first */
    struct tz_boundary *boundary; /* the innermost; NULL: the goroutine's own function */
    struct tz_panicking *panics;  /* panics and Goexits under way, the newest first */
    struct tz_chunk *chunk;       /* the records' memory (arena.c) */
    struct tz_chunk *spare;
    char *top, *end;
    struct tz_locals *locals; /* goroutine-local values: sync/local.c */
    tz_member *member;        /* NULL: nobody waits for its end */
    bool used;                /* there is something to see to at the goroutine's end */
    bool on_fault;            /* peeked by the fault handler: a fault is a panic */
    TZ_ALIGNED(8) char first[TZ_UNWIND_FIRST];
} tz_unwind;

struct tz_g {
    tz_stack stack; /* const */

    /* The assembly's part (arch/layout.h). While the G is off its M these belong to whoever owns the G. */
    void *sp;
    uint64_t result;  /* a final form's result; the waker writes it */
    uint32_t special; /* not 0: go on at `resume` (arch.h), else the final form */
    union {
        uint32_t leaves_slow; /* both of the next: leaving the runtime takes tz_leave_slow */
        struct {
            uint16_t leave;   /* own: a known blocker, chaos */
            uint16_t bubbled; /* own: 1 in a bubble */
        };
    };
    int errno_saved;
    uint8_t status; /* own, peeked */
    uint8_t tag; /* own: TZ_WORK_LOCKED while it is locked to lockedm, else 0; constant while it is parked */
    uint8_t durable; /* own, peeked: parked until something happens within its bubble (bubble.h) */
    void *resume;
    void (*fn)(void *);
    void *arg;
    void (*resume_fn)(tz_m *m);

    tz_work *schedlink;   /* the next on a run queue; own by that queue */
    tz_sudog waiter;      /* the record of a single wait */
    tz_g *freelink;       /* the next on a free list; own by that list */
    uint64_t wait_reason; /* own, peeked; above TZ_WAIT_BITS it is noted since when, by CAS (waits.c) */
    uint64_t goid;        /* own, peeked: a G that is kept across a lock is compared by it */
    tz_timer timer;       /* tuza_sleep */
    const void *go_pc;    /* own, peeked: where it was started */
    uint64_t parent_goid; /* own, peeked */
    uint32_t hog;         /* own, peeked: it was robbed for using up a slice not long ago */
    tz_m *lockedm;        /* own, peeked: the only M that may run it */
    int64_t left_at;      /* own: when tz_leave_slow handed the P off */
    tz_exceptions cxx;    /* own; while it runs and m->cxx is not NULL, its exceptions are there */
    tz_bubble *bubble;    /* own, peeked: NULL: none, and time is real */
    uint64_t deadlocked;  /* own: the number of the last bubble that it ran, if that came to a deadlock */
#if TZ_TSAN
    void *fiber;
#endif
#if TZ_ASAN
    void *fake_stack;
#endif
    char name[32]; /* own, peeked; "" is none */
    tz_unwind unwind;
};
_Static_assert(sizeof(tz_g) <= TZ_STACK_BLOCK, "the control block fits above the stack");
_Static_assert(offsetof(tz_g, stack) == 0, "a slot's control block starts with its tz_stack");
_Static_assert(offsetof(tz_g, sp) == TZ_G_SP, "layout.h");
_Static_assert(offsetof(tz_g, resume) == TZ_G_RESUME, "layout.h");
_Static_assert(offsetof(tz_g, special) == TZ_G_SPECIAL, "layout.h");
_Static_assert(offsetof(tz_g, result) == TZ_G_RESULT, "layout.h");
_Static_assert(offsetof(tz_g, errno_saved) == TZ_G_ERRNO, "layout.h");
_Static_assert(offsetof(tz_g, leaves_slow) == TZ_G_LEAVE, "layout.h");
_Static_assert(offsetof(tz_g, fn) == TZ_G_FN, "layout.h");
_Static_assert(offsetof(tz_g, arg) == TZ_G_ARG, "layout.h");
_Static_assert(offsetof(tz_g, resume_fn) == TZ_G_RESUME_FN, "layout.h");
_Static_assert(offsetof(tz_g, cxx) == TZ_G_CXX, "layout.h");

/*
 * m->retake: the state in the low bits, a ticket above them. retake.c has the
 * protocol. The SLOW bit is part of every value when each entry must take
 * the slow way (chaos mode; membarrier refused): an idle word is then not 0.
 */
#define TZ_RETAKE_NONE      0u
#define TZ_RETAKE_YIELD     1u
#define TZ_RETAKE_REQUESTED 2u
#define TZ_RETAKE_STOLEN    3u
#define TZ_RETAKE_LENT      4u
#define TZ_RETAKE_STATE     7u
#define TZ_RETAKE_SLOW      8u
#define TZ_RETAKE_TICKET    16u

/*
 * A goroutine that has been asked for and has no G yet: what tuza_go writes
 * down. It becomes a G when an M gets round to running it (newproc.c).
 */
#define TZ_START_COPY 48
typedef struct tz_start {
    void (*fn)(void *);
    union {
        void *arg;
        size_t size; /* of the copy, where copied */
    };
    tz_work *link; /* the next on a run queue, or the next free one */
    uint64_t goid; /* own, peeked; 0: free */
    const void *go_pc;
    uint64_t parent_goid; /* the top bit: copied */
    TZ_ALIGNED(16) char copy[TZ_START_COPY];
} tz_start;
#define TZ_START_COPIED ((uint64_t)1 << 63)

/*
 * tz_work: a pointer to a G that any M may switch to; or one with its low bit
 * set, a tag, to what g0 must see to: a tz_start, or a G that is locked to a
 * thread (lockosthread.c).
 */
#define TZ_WORK_START  1u
#define TZ_WORK_LOCKED 3u
TZ_INLINE bool tz_work_is_tagged(tz_work *w)
{
    return (uintptr_t)w & 1;
}
TZ_INLINE bool tz_work_is_start(tz_work *w)
{
    return ((uintptr_t)w & 3) == TZ_WORK_START;
}
TZ_INLINE bool tz_work_is_locked(tz_work *w)
{
    return (uintptr_t)w & 2;
}
TZ_INLINE tz_work *tz_work_of_g(tz_g *g)
{
    return (tz_work *)((uintptr_t)g | g->tag);
}
TZ_INLINE tz_work *tz_work_of_start(tz_start *s)
{
    return (tz_work *)((uintptr_t)s | 1);
}
/* The G of untagged work. */
TZ_INLINE tz_g *tz_work_g(tz_work *w)
{
    return (tz_g *)(void *)w;
}
/* The G of work that is no start. */
TZ_INLINE tz_g *tz_work_any_g(tz_work *w)
{
    return (tz_g *)((uintptr_t)w & ~(uintptr_t)3);
}
TZ_INLINE tz_start *tz_work_start(tz_work *w)
{
    return (tz_start *)((uintptr_t)w & ~(uintptr_t)1);
}
/* The link by which it is on the global queue; owned by whoever owns the work. */
TZ_INLINE tz_work **tz_work_link(tz_work *w)
{
    return tz_work_is_start(w) ? &tz_work_start(w)->link : &tz_work_any_g(w)->schedlink;
}

struct tz_m {
    /* The hot line; the first words are the assembly's too. */
    uint64_t seq;      /* own, peeked (release, acquire): odd inside the runtime, even in user code */
    uint32_t retake;   /* atomic, by CAS: retake.c; the ticket is in the upper bits */
    uint32_t spinning; /* own: looks for work with a P and none in hand; counted in sched.nmspinning */
    tz_g *g;           /* own, peeked: the G that runs here, or g0 */
    tz_p *p;           /* own while seq is odd; peeked by retakers, see retake.c */
    tz_g *g0;          /* const; of a foreign thread it has a stack slot of its own */
    /* own: the after-switch action; NULL: none; TZ_AFTER_UNLOCK: release the tz_spin at after_arg */
    void (*after_fn)(tz_m *m, void *arg);
    void *after_arg;
    int *errno_addr;    /* const: the thread's errno */
    tz_exceptions *cxx; /* const: where the C++ runtime keeps the thread's; NULL: it asks us */

    /* Scheduling, cold. */
    tz_note park; /* an M without work, or waiting for a P, sleeps on it */
    tz_p *nextp; /* the P an M is woken with: lock sched (or who has its lockedg: lockosthread.c), then own */
    tz_m *link;  /* lock sched: sched.midle, sched.mwait, sched.mfree */
    tz_m *prev;  /* lock sched: sched.midle */
    uint32_t idle;      /* lock sched: on sched.midle */
    tz_work *first;     /* own: what g0 shall run next, before anything on a queue */
    int64_t wait_until; /* lock sched: in sched.mwait: not to be given a P before */
    uint32_t wake_spin; /* lock sched, then own: woken to look for work */
    bool wake_poll;     /* the same: woken without a P, to see to descriptors */
    bool wake_break;    /* lock sched, then the waker's: it waits for descriptors, and not on its note */
    uint64_t rand;      /* own */

    /* Locking to the thread: lockosthread.c. */
    tz_g *lockedg;      /* own, peeked: the only G that may run here */
    uint32_t lockedext; /* own, peeked: how often the program has locked it */
    uint32_t lockedint; /* own, peeked: and the runtime */
    bool exiting;       /* own: its locked goroutine has ended, and the thread shall */
    bool foreign;       /* const while attached: of a thread that tuza did not make (foreign.c) */
    bool service;       /* own, peeked: of a thread of ours, though: no report shows it */
    bool settled;       /* own: foreign, and it has had a P since it was attached (solo.c) */
    bool lent_p;        /* own: it has just given its P to a locked M, and may have it back in a moment */
    int32_t park_spin;  /* own: for how long (ns) it is worth to spin before it sleeps, by its luck so far */

    tz_m *alllink, *allprev; /* lock allm */
    int64_t id;              /* const */
    int tid;                 /* const once published */
    uint32_t robbed;         /* atomic: why sysmon robbed it, TZ_ROBBED_*; its own M clears it */
    int64_t reap_at;         /* own: resting, when it may end */
    uint32_t armed;          /* own, peeked: sysmon shall retake at its first look (a known blocker) */

    struct tz_chunk *chunks; /* own: memory for panic/'s records; stays with the block when the M ends */
    uint32_t nchunks;        /* own */

    /* Sysmon's memory of this M; sysmon only. */
    uint64_t look_seq;
    int64_t look_since; /* when this stretch of user code was first seen */
    int64_t look_cpu;   /* the thread's CPU time at the last look, -1: not read in this stretch */
    uint32_t look_asked;

    tz_os_sigstack sigstack; /* own */

    tz_g g0_block; /* what runs on the thread's own stack: g0, or the G of a foreign thread */
#if TZ_ASAN
    tz_g *asan_from;           /* own: the G being left */
    const char *g0_lo, *g0_hi; /* own: the thread's own stack, g0_block's */
#endif
};
_Static_assert(offsetof(tz_m, seq) == TZ_M_SEQ, "layout.h");
_Static_assert(offsetof(tz_m, g) == TZ_M_G, "layout.h");
_Static_assert(offsetof(tz_m, after_fn) == TZ_M_AFTER_FN, "layout.h");
_Static_assert(offsetof(tz_m, after_arg) == TZ_M_AFTER_ARG, "layout.h");
_Static_assert(offsetof(tz_m, errno_addr) == TZ_M_ERRNO, "layout.h");
_Static_assert(offsetof(tz_m, cxx) == TZ_M_CXX, "layout.h");

#define TZ_RUNQ_SIZE 256u

/* A heap of timers: a P's, or a bubble's. */
typedef struct tz_timers {
    tz_lock lock;      /* TZ_RANK_TIMERS */
    tz_timerheap heap; /* lock */
    int64_t min;       /* lock, peeked: when the first timer is due, 0: none */
    uint64_t run;      /* lock, peeked: how many ever came due */
    tz_timer **due; /* lock, a bubble's: those that fire now, in a random order; NULL where one was stopped */
    uint32_t ndue, due_cap;
} tz_timers;

/* Why sysmon robs an M. */
enum { TZ_ROBBED_NOT, TZ_ROBBED_BLOCKED, TZ_ROBBED_HOG };

enum {
    TZ_P_IDLE = 0, /* on sched.pidle: nothing queued on it */
    TZ_P_READY,    /* on sched.pwork: work queued on it, no M at hand */
    TZ_P_RUNNING,  /* an M has it, or has been given it */
    TZ_P_STOPPED,  /* the world is stopped */
    TZ_P_DEAD,     /* beyond GOMAXPROCS */
};

struct tz_p {
    /* Written by the owner at each switch. */
    tz_work *runnext;   /* the owner puts; the owner and thieves take, by CAS unless alone */
    uint32_t runq_head; /* atomic: takers advance it by CAS (the owner by a plain store when alone) */
    uint32_t runq_tail; /* own, release; thieves read it with acquire */
    uint32_t switches;  /* own, peeked: every switch; tells how fast the queue moves */
    uint32_t fair_at;   /* own: the switch at which to look at timers and the global queue */
    uint32_t schedtick; /* own, peeked: with runq_head it counts what starts a time slice (not runnext) */
    bool alone;         /* own but for solo.c: no other P runs: locks of channels and CASes are elided */
    bool sole;          /* the same, and no thread without a P is in user code: see solo.c */
    tz_g *gfree;        /* own: ended Gs of the default size, their stacks warm */
    uint32_t ngfree;    /* own */
    uint32_t nstarts;   /* own */
    tz_start *starts;   /* own: free ones */
    uint32_t slots;     /* own: slots that goroutines yet to be started may count on (gfree.c) */
    uint64_t goid_next, goid_end; /* own: the block of ids not yet handed out */
    uint64_t nbegun, nended;      /* own, peeked; nended with release: see tuza_num_goroutine */
    int64_t nwaiters;  /* own, peeked: Gs that began to wait for descriptors here minus those woken */
    int64_t polled_at; /* own, peeked: when its owner last looked at descriptors */

    tz_work *runq[TZ_RUNQ_SIZE]; /* slots between head and tail; relaxed atomic, published by runq_tail */

    TZ_ALIGNED(TZ_NO_SHARING) uint32_t status; /* lock sched, peeked */
    int32_t id;                                /* const */
    uint32_t retakes;  /* own, peeked: how often it was taken from an M in user code */
    uint32_t handoffs; /* own, peeked: how often an M gave it away and went on without */
    uint32_t steals;   /* own, peeked: how often it took work from another P */
    uint32_t stolen;   /* own, peeked: and how much in all */
    uint32_t polled;   /* own, peeked: goroutines that its owner woke for their descriptors */
    tz_m *m;           /* peeked: who has it; a hint */
    tz_p *link;        /* lock sched: sched.pidle, sched.pwork */

    tz_timers timers;

    /* Sysmon's memory of this P; sysmon only. */
    uint32_t look_tick;
    int64_t look_since;
    int64_t look_at;
    uint32_t look_switches;
    uint32_t look_tail;
    bool look_queued;
    bool look_asked;
};

typedef struct tz_workq {
    tz_work *head, *tail;
} tz_workq;

/* Everything global. */
typedef struct tz_sched_t {
    tz_lock lock; /* TZ_RANK_SCHED */

    /* lock sched; the counts are peeked */
    tz_workq runq;       /* served in order */
    tz_workq overflow;   /* the last batch first */
    uint32_t runq_size;  /* of both */
    uint32_t runq_taken; /* how many were ever taken off them */
    uint32_t fair_looks; /* those that found both: they take from each in turn */
    tz_p *pidle;
    uint32_t npidle;
    tz_p *pwork; /* Ps with work queued that wait for an M */
    uint32_t npwork;
    tz_p *solo;           /* the P that is alone */
    uint32_t solo_wanted; /* peeked: it shall give that up */
    tz_m *midle;          /* Ms that rest, the last parked first */
    uint32_t nmidle;
    uint32_t polled;       /* atomic: as p->polled, by who has no P */
    uint32_t wakes;        /* how often an M was woken for a P */
    uint32_t nmidlelocked; /* atomic: Ms parked until their locked G can run; lockosthread.c */
    tz_m *mwait_head;      /* Ms that wait in place for a P, by wait_until */
    int64_t mwait_due;     /* peeked: when the first of them may have a P; INT64_MAX: nobody waits */
    tz_m *poller;          /* the idle M that sleeps until the next timer */
    tz_m *netpoller;       /* the idle M that waits for descriptors; peeked */
    uint32_t netpolling;   /* atomic: an M is in that wait; set under the lock, cleared by itself */
    int64_t poll_until;    /* until when; INT64_MAX: for ever */
    uint32_t mcount;       /* Ms that live */
    uint32_t mwanted;      /* 1: the template thread shall make one */
    uint32_t mstarting;    /* being made by it, not yet there */
    uint32_t mlimit;
    tz_m *mfree;
    tz_m *mextra;      /* for foreign threads: none has them */
    uint32_t nwaiting; /* atomic: goroutines of foreign threads that are parked */

    uint32_t gcwaiting; /* atomic: the world is being stopped */
    uint32_t stopwait;  /* lock sched: Ps still to stop */
    tz_note stopnote;
    tz_lock stw; /* TZ_RANK_STW: one stopper */

    tz_m *ending;   /* atomic: the process ends, and this M has the stopped world for itself (ending.c) */
    tz_g *ending_g; /* const once there is that M: its goroutine */

    uint32_t nmspinning; /* atomic */
    uint32_t npless;     /* atomic: Ms that run user code without a P */
    uint32_t nforeign;   /* atomic: Ms of foreign threads, which do so always */

    uint32_t sysmon_deep; /* lock sched: sysmon sleeps until it is woken */
    tz_note sysmon_note;
    tz_note template_note;
    tz_note trace_note;   /* the thread of schedtrace.c */
    bool tracing;         /* lock start: there is that thread */
    tz_note blocked_note; /* the thread of blocked.c */
    bool watching;        /* lock start: there is that thread */

    tz_lock allm_lock; /* TZ_RANK_ALLM */
    tz_m *allm;        /* lock allm */

    tz_p **allp;     /* atomic pointer; grows, old arrays stay */
    uint32_t nprocs; /* changes in a stopped world; peeked */
    uint32_t nallp;  /* lock sched, peeked: P blocks ever made */

    tz_lock gfree_lock;            /* TZ_RANK_GFREE */
    tz_g *gfree[TZ_STACK_CLASSES]; /* lock gfree, as the next three: ended Gs, the last ended first */
    tz_g *gtrimmed;                /* those of the default class with nothing below the top page backed */
    tz_start *starts;              /* free ones */
    uint32_t gfree_short;          /* peeked: no P shall keep free Gs for itself */
    uint32_t slots;                /* as p->slots, held by no P */
    uint32_t ngfree, gfree_low;    /* how many of the default class; the least since the last trim */

    uint64_t goid_gen;         /* atomic */
    uint32_t retake_base;      /* const once running: 0 or TZ_RETAKE_SLOW */
    bool fence_retake;         /* const once running: membarrier refused */
    uint32_t chaos;            /* const once running: TUZA_CHAOS' seed, 0: off */
    bool seeded;               /* const once running: TUZA_SCHED_SEED is set */
    tz_lock start_lock;        /* TZ_RANK_START: starting and stopping, the next four */
    uint32_t started;          /* atomic: TZ_STARTED_*; changes under the lock, and in a forked child */
    uint32_t threads;          /* atomic, under the lock: 1 some run, or all end (stop.c); 2 all are there */
    uint32_t ran;              /* lock start, peeked: tuza_run was called */
    uint32_t embedded;         /* lock start: calls of tuza_start not yet taken back */
    uint32_t had_goroutines;   /* peeked: since the threads were started */
    uint32_t stopping;         /* lock sched, peeked: Ms shall end */
    uint32_t stop_wanted;      /* lock sched: so many wait on idle_seq until nothing runs */
    uint32_t idle_seq;         /* atomic: how often a P was put away while somebody wants that; a futex */
    uint32_t signalled;        /* lock start, peeked: 1: signals are sent to channels, or may be again */
    uint32_t usual;            /* const while threads run: the size class of stacks where none is asked for */
    tz_m *m0;                  /* const once running: tuza_run's, which is not reaped */
    tz_g *maing;               /* const once running */
    uint32_t main_exited;      /* atomic: main called tuza_goexit */
    int64_t reap_ns;           /* const once running: an M idle for longer ends */
    uint32_t template_threads; /* lock sched: threads of ours that are no Ms */
    uint32_t ncpu;             /* const once running */
    uint32_t procs_wanted;     /* atomic: sysmon asks the template thread for this GOMAXPROCS */
    uint32_t trim_wanted;      /* atomic: Gs or Ms ended since the template thread last tidied up */
    bool procs_custom;         /* lock stw: GOMAXPROCS was set by the environment or a call */
} tz_sched_t;
extern tz_sched_t tz_sched;

/* How far the runtime is there. READY: any thread may call; what needs the threads of ours starts them. GONE:
 * a forked child of a process that had goroutines. */
enum { TZ_STARTED_NOT, TZ_STARTED_READY, TZ_STARTED_GONE };

/* The calling thread's M. Never read it twice in a function that may switch. */
extern __thread tz_m *tz_self_m __attribute__((tls_model("initial-exec")));
/* The same for functions that may switch, and read it again. */
TZ_INLINE tz_m *tz_self(void)
{
    return tz_arch_load_tls(tz_self_m);
}
/* The M of threads that are not tuza's: it has a G without id, and looks as if it were inside the runtime. */
extern tz_m tz_nobody;

#endif /* TZ_GMP_H */
