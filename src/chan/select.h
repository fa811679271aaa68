/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The channels' part of a select: which cases are ready, doing one, waiting
 * for all. What else a select waits for, and the loop around it all, is
 * select/'s; how one of several wakes it, sched/select.h.
 *
 * Locks. Several channels' locks are held at once by selects only, which take
 * them in the order of their addresses. Held together they make "none of
 * these is ready" true at one moment, and let the goroutine be put on all the
 * queues before anybody can take it off one; they are released by the
 * after-switch action.
 *
 * A case that is ready is found without them: a look at each channel, then
 * the lock of the one that was chosen. It may have been old news; then all is
 * done again, thoroughly.
 */
#ifndef TZ_CHAN_SELECT_H
#define TZ_CHAN_SELECT_H

#include "chan/ops.h"
#include "sched/select.h"
#include "tuza/select.h"

/* One of those seen, each as likely as any other. */
typedef struct tz_pick {
    size_t at;
    uint64_t seen; /* 0: none */
} tz_pick;

TZ_INLINE void tz_pick_add(tz_m *m, tz_pick *p, size_t i)
{
    if (p->seen++ == 0 || (tz_rand(m) >> 32) * p->seen >> 32 == 0)
        p->at = i;
}

/* One case's wait. */
#define TZ_SELECT_OTHER 48
typedef struct tz_selwait {
    union {
        tz_sudog s;                                /* on a channel; g is NULL where that is none */
        TZ_ALIGNED(8) char other[TZ_SELECT_OTHER]; /* whatever else it is for: select/'s */
    };
    tuza_chan *lock; /* of the first `locks` of the array: a channel to be locked, in their order */
    bool ready;      /* select/'s */
} tz_selwait;

/* A select that waits, in the frame of its call. */
typedef struct tz_selection {
    tz_select sel;
    tuza_case *cases;
    size_t n;
    tz_selwait *waits; /* as many */
    size_t locks;
    bool shared;  /* somebody but channels can have the record */
    bool outside; /* and one that is not of the goroutine's bubble, if it is in one */
    bool durable; /* own: as it waits now */
} tz_selection;

/* NULL: the case is not of a channel, or of none. */
TZ_INLINE tuza_chan *tz_case_chan(const tuza_case *k)
{
    return k->op == TUZA_CASE_SEND || k->op == TUZA_CASE_RECV ? k->chan : NULL;
}

/* What there is among the cases. */
enum {
    TZ_SELECT_OTHERS = 1, /* one that is not of a channel */
    TZ_SELECT_OWNED = 2,  /* a send on a channel that tuza owns */
};

/* All of these inside the runtime with a P. */

/* Adds the cases on channels that look ready. What there is is the result. */
int tz_select_peek(tz_m *m, const tuza_case *cases, size_t n, tz_pick *p);
/* Does a case on a channel, if it is ready still. CLOSED: a send there. */
tz_chan_outcome tz_select_do(tz_m *m, tuza_case *k);

/* From here on the locks of all channels are held, until unlock or park. */
void tz_select_lock(tz_m *m, tz_selection *s);
void tz_select_unlock(tz_selection *s);
/* The same, for one that is ready: *at. */
tz_chan_outcome tz_select_do_locked(tz_m *m, tz_selection *s, size_t *at, tz_g **wake);
/*
 * Waits on all channels; the others' part was begun before where the record
 * is shared. The M it comes back on, still inside the runtime; it waits on no
 * channel then, and sel.state says why it was woken.
 */
tz_m *tz_select_park(tz_m *m, tz_selection *s);
/* Readies the partner of a case that was done at once, when its lock is free. A receiver has something to
 * work on, and runs next. A sender has nothing but its way: it goes behind what is runnable, or else it and a
 * select in a loop would have the P for themselves, with the other senders queued for nothing. */
TZ_INLINE void tz_select_ready(tz_m *m, const tuza_case *k, tz_g *g)
{
    if (k->op == TUZA_CASE_SEND)
        tz_ready(m, g);
    else
        tz_ready_behind(m, g);
}
/* TAKEN: the case that was done; CLOSED: a send. Right after the park. */
tz_chan_outcome tz_select_taken(tz_m *m, tz_selection *s, size_t *at);

#endif /* TZ_CHAN_SELECT_H */
