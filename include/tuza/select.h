/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Select: wait for one of several things.
 *
 *     int64_t job;
 *     tuza_case cases[] = {
 *         TUZA_RECV(jobs, &job),
 *         TUZA_DONE(ctx),
 *         TUZA_TIMEOUT(5 * TUZA_SECOND),
 *     };
 *     switch (tuza_select(cases, 3)) {
 *     case 0: if (!cases[0].ok) return; work(job); break;   -- not ok: closed
 *     case 1: return;
 *     case 2: puts("nothing for five seconds");
 *     }
 *
 * A case is a send, a receive, or something else that can come to pass. One
 * of those that are ready is chosen at random, each as likely as any other,
 * and done; where none is, the caller waits until one is. Exactly one case is
 * done; of the others not even a part. The same channel may stand in several
 * cases, and in both directions: a select never communicates with itself.
 *
 * The array may be used again for the next select: only the .ok of a receive
 * is written to it. What a case refers to must be covered by a reference until
 * the select has returned.
 */
#ifndef TUZA_SELECT_H
#define TUZA_SELECT_H

#include "tuza/base.h"
#include "tuza/chan.h"
#include "tuza/context.h"

TUZA_BEGIN_DECLS

/* One case; made by the macros below. */
typedef struct tuza_case {
    tuza_chan *chan;
    void *elem;  /* where to receive to, or to send from; a context */
    int64_t arg; /* nanoseconds; a descriptor */
    int op;
    bool ok; /* of a receive that was chosen: a value came; false: closed and drained */
} tuza_case;

enum {
    TUZA_CASE_SEND = 1,
    TUZA_CASE_RECV,
    TUZA_CASE_TIMEOUT,
    TUZA_CASE_UNTIL,
    TUZA_CASE_DONE,
    TUZA_CASE_READABLE,
    TUZA_CASE_WRITABLE
};

/* Not for use by themselves: what the macros call. */
static inline tuza_case tuza_case_make(tuza_chan *c, void *elem, int64_t arg, int op)
{
    tuza_case made = {c, elem, arg, op, false};
    return made;
}
static inline tuza_case tuza_case_send(tuza_chan *c, const void *elem)
{
#ifdef __cplusplus
    return tuza_case_make(c, const_cast<void *>(elem), 0, TUZA_CASE_SEND);
#else
    return tuza_case_make(c, (void *)(uintptr_t)elem, 0, TUZA_CASE_SEND);
#endif
}

/* Send the element at ptr on c: ready where a receiver waits or the buffer has room. A closed channel is
 * ready, too: "send on closed channel". NULL is never ready. Go: case c <- v. */
#define TUZA_SEND(c, ptr) tuza_case_send((c), (ptr))
/* Receive from c to ptr (NULL throws the value away); .ok is as tuza_chan_recv's result. A NULL channel is
 * never ready. Go: case v, ok := <-c. */
#define TUZA_RECV(c, ptr) tuza_case_make((c), (ptr), 0, TUZA_CASE_RECV)
/* Ready ns from the call on, at once where that is not positive. Go: case <-time.After(ns). */
#define TUZA_TIMEOUT(ns) tuza_case_make(NULL, NULL, (ns), TUZA_CASE_TIMEOUT)
/* Ready at the time `when` on tuza_now's clock; 0: never. */
#define TUZA_UNTIL(when) tuza_case_make(NULL, NULL, (when), TUZA_CASE_UNTIL)
/* Ready when ctx is done; NULL is never ready. Go: case <-ctx.Done(). */
#define TUZA_DONE(ctx) tuza_case_make(NULL, (ctx), 0, TUZA_CASE_DONE)
/*
 * Ready when the descriptor can be read from, or written to, without waiting,
 * as poll(2) tells; also where the next call on it fails at once: it is
 * closed or at its end, its deadline has passed, its context is done, it was
 * cancelled, or it is no descriptor at all. It is looked at only: whatever
 * other goroutines do with it meanwhile, reading included, is not in the way,
 * and may leave nothing for the caller. A file that can't be waited for is
 * always ready.
 */
#define TUZA_READABLE(fd) tuza_case_make(NULL, NULL, (fd), TUZA_CASE_READABLE)
#define TUZA_WRITABLE(fd) tuza_case_make(NULL, NULL, (fd), TUZA_CASE_WRITABLE)

/*
 * Does one of the n cases, waiting until one is ready. n may be 0, and all
 * channels NULL: waits for ever.
 *
 * Blocks: goroutine. Returns: the index of the case that was done.
 * Panics: "send on closed channel" where that case is chosen, or the channel
 * is closed while the caller waits; "tuza: send on a channel owned by the
 * runtime"; "tuza: select of an unknown kind of case".
 * Owns: nothing; up to 32 cases it allocates nothing. Callable from: any
 * thread. Order: as tuza_chan_send, tuza_chan_recv and tuza_context_err.
 * Go: select { case ... }.
 */
TUZA_API size_t tuza_select(tuza_case *cases, size_t n);

/*
 * Does one of the n cases if one is ready now.
 *
 * Blocks: never. Returns: its index; -1 where none is ready, all of them seen
 * at one moment as far as they are channels.
 * Panics: as tuza_select. Callable from: any thread.
 * Go: select { case ... default: }.
 */
TUZA_API int tuza_try_select(tuza_case *cases, size_t n);

TUZA_END_DECLS

#ifdef TUZA_CHECK /* as <tuza/check.h> says of the calls */
#undef TUZA_SEND
#undef TUZA_RECV
#define TUZA_SEND(c, ptr) tuza_case_send(tuza_check_elem((c), TUZA_CHECK_SIZE_(ptr)), (ptr))
#define TUZA_RECV(c, ptr) \
    tuza_case_make(tuza_check_elem((c), TUZA_CHECK_SIZE_(ptr)), (ptr), 0, TUZA_CASE_RECV)
#endif

#endif /* TUZA_SELECT_H */
