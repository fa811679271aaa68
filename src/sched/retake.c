/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The retake protocol: how the right to run goroutines is taken away from a
 * thread that is stuck in user code.
 *
 * C code can't be stopped at an arbitrary instruction and moved to another
 * thread, so the goroutine stays where it is. But its M's P can be taken:
 * the goroutine runs on, robbed, and everything else runs elsewhere. It finds
 * out at its next call of tuza. Nobody has to announce a blocking call, and a
 * loop needs no safe points.
 *
 * Two words per M. m->seq is written by its M alone: odd while it is inside
 * the runtime (where it uses its P), even in user code (where it does not).
 * m->retake changes by CAS alone, except that in the state STOLEN it is the
 * M's own. Its states:
 *
 *   NONE       nothing asked
 *   YIELD      give way at the next call that may block
 *   REQUESTED  a retaker is looking; which one, the ticket says
 *   STOLEN     the P is gone; m->p is no longer valid
 *   LENT       the retaker changes something of the P and is done in a moment
 *              (solo.c); an entry does the same itself and goes on
 *
 *   the M, entering                   the retaker
 *   E1  seq = seq + 1   (odd)         R1  CAS retake NONE|YIELD,t -> REQUESTED,t+1
 *   E2  compiler barrier              R2  membarrier
 *   E3  load retake (acquire)         R3  load seq (acquire): odd: CAS -> YIELD, give up
 *       REQUESTED: CAS -> YIELD;      R4  p = m->p
 *         lost: read it again         R5  CAS REQUESTED,t+1 -> STOLEN,t+1
 *       STOLEN: get another P             won: p is the retaker's
 *
 *   the M, leaving:  L1  seq = seq + 1 (even, release)
 *
 * Why it is safe. Claim: when R5 succeeds, the M has been in user code from
 * R3 on, and every later entry sees STOLEN. Take any entry of the M whose E1
 * is not visible to R3 (else R3 reads odd, or a later even value of which the
 * same holds). R2 makes every thread of the process pass a full fence between
 * R1 and R3. If that fence fell before E1, then E3 comes after R1 and sees
 * REQUESTED or what became of it; if it fell after E1, then E1 is visible to
 * R3. If it fell between E1 and E3, both. So an entry that R3 missed does not
 * miss R1, and before it uses the P it does CAS REQUESTED -> YIELD: of that
 * CAS and R5 exactly one succeeds. Nobody ever waits for the other side.
 *
 * Why m->p is read at R4, before the CAS, and never after it. Between R3 and
 * a successful R5 the M has not entered, hence has not changed m->p. After
 * R5 it may enter at once, find STOLEN, get another P and store that in m->p
 * before a slow retaker reads it. If R5 fails, what R4 read is thrown away.
 *
 * Why a ticket. Two retakers (sysmon, and whoever stops the world) may meet:
 * A requests and reads seq; the M enters, answers with YIELD, leaves; B
 * requests. Without tickets A's R5 would succeed on B's request although the
 * M may be inside again, unseen by A. With them A's expected word is stale.
 * 28 bits must wrap between A's R1 and R5 to fool it.
 *
 * Visibility. What the M did to its P is before L1; R3's acquire of an even
 * value sees it. What the retaker and the next owners did to the P does not
 * concern the M: it never touches that P again but through sched.lock.
 *
 * Nested entries (a signal handler, an allocator that calls tuza) read seq
 * odd before they touch anything and throw; seq is only written by tz_enter
 * after that look, so it can't be corrupted.
 *
 * Where the kernel refuses membarrier, E2 and R2 are full fences instead
 * (Dekker's pattern). To keep the normal entry free of even a branch for
 * this, m->retake then carries the SLOW bit in every state: each entry takes
 * the slow way, and the fence is there. Chaos mode and
 * TUZA_SCHED_SEED use the same door.
 *
 * An M leaves the all-M list under sched.allm_lock, which those hold who go
 * through it. Others ask the M that a P names (p->m), which may have ended
 * since: its memory stays an M's for ever, and with seq odd it refuses.
 *
 * Checked with Spin: tests/models/retake.pml.
 */
#include "sched/retake.h"

#include "os/os.h"
#include "sched/proc.h"

void tz_retake_init(void)
{
    tz_sched.fence_retake = !tz_os_membarrier_init() || tz_os_getenv("TUZA_TEST_NO_MEMBARRIER");
    tz_sched.retake_base = tz_sched.fence_retake || tz_sched.chaos || tz_sched.seeded ? TZ_RETAKE_SLOW : 0;
}

/* w with another state. */
static uint32_t state(uint32_t w, uint32_t s)
{
    return (w & ~TZ_RETAKE_STATE) | s;
}

uint32_t tz_retake_answer(tz_m *m)
{
    if (tz_sched.fence_retake)
        tz_fence_store_load(); /* E2; pairs with the fence at R2 */
    uint32_t w = tz_load_acquire(&m->retake);
    for (;;) {
        uint32_t s = w & TZ_RETAKE_STATE;
        if (s != TZ_RETAKE_REQUESTED && s != TZ_RETAKE_LENT)
            return s;
        if (s == TZ_RETAKE_LENT)
            tz_solo_clear(m->p); /* as the lender is about to */
        if (tz_cas_acq_rel(&m->retake, &w, state(w, TZ_RETAKE_YIELD)))
            return TZ_RETAKE_YIELD;
    }
}

void tz_retake_clear(tz_m *m)
{
    uint32_t w = tz_load_relaxed(&m->retake);
    for (;;) {
        uint32_t s = w & TZ_RETAKE_STATE;
        if (s != TZ_RETAKE_YIELD &&
            s != TZ_RETAKE_STOLEN) /* a request is withdrawn by its retaker: seq is odd */
            return;
        /* release: a retaker that requests next sees m->p as it is now */
        if (tz_cas_acq_rel(&m->retake, &w, state(w, TZ_RETAKE_NONE)))
            return;
    }
}

void tz_retake_self(tz_m *m)
{
    uint32_t w = tz_load_relaxed(&m->retake);
    /* Over any request: its retaker's next CAS fails, as if this M had been faster. */
    while (!tz_cas_acq_rel(&m->retake, &w, state(w, TZ_RETAKE_STOLEN)))
        ;
    if (m->p)
        tz_store_relaxed(&m->p->sole, false);
    if (!m->foreign) {
        tz_add_relaxed(&tz_sched.npless, 1);
        tz_store_relaxed(&m->p->handoffs, m->p->handoffs + 1);
    }
}

/* R1 to R4: the word to CAS from at R5, or 0: refused. *p is m's P if that CAS succeeds. */
static uint32_t request(tz_m *m, uint64_t seq, tz_p **p)
{
    uint32_t w = tz_load_relaxed(&m->retake);
    uint32_t s = w & TZ_RETAKE_STATE;
    if (s != TZ_RETAKE_NONE && s != TZ_RETAKE_YIELD)
        return 0;
    uint32_t asked = state(w + TZ_RETAKE_TICKET, TZ_RETAKE_REQUESTED);
    if (!tz_cas_acq_rel(&m->retake, &w, asked)) /* R1 */
        return 0;
    if (tz_sched.fence_retake)
        tz_fence_store_load();
    else
        tz_os_membarrier();                  /* R2 */
    uint64_t now = tz_load_acquire(&m->seq); /* R3; pairs with L1 */
    *p = tz_load_relaxed(&m->p);             /* R4 */
    if (!(now & 1) && (!seq || now == seq) && *p)
        return asked;
    tz_cas_acq_rel(&m->retake, &asked, state(asked, TZ_RETAKE_YIELD));
    return 0;
}

tz_p *tz_retake(tz_m *m, uint64_t seq)
{
    tz_p *p;
    uint32_t w = request(m, seq, &p);
    if (!w || !tz_cas_acq_rel(&m->retake, &w, state(w, TZ_RETAKE_STOLEN))) /* R5 */
        return NULL;
    tz_store_relaxed(&p->sole, false);
    tz_add_relaxed(&tz_sched.npless, 1); /* before anybody gets p: solo.c */
    tz_store_relaxed(&p->retakes, p->retakes + 1);
    return p;
}

bool tz_retake_lend(tz_m *m, tz_p *p)
{
    tz_p *has;
    uint32_t w = request(m, 0, &has);
    if (!w)
        return false;
    if (has != p) {
        tz_cas_acq_rel(&m->retake, &w, state(w, TZ_RETAKE_YIELD));
        return false;
    }
    if (!tz_cas_acq_rel(&m->retake, &w, state(w, TZ_RETAKE_LENT))) /* R5 */
        return false;
    tz_solo_clear(p);
    w = state(w, TZ_RETAKE_LENT);
    /* The release: an entry that loads NONE from here sees alone cleared.
     * It fails where an entry was faster. */
    tz_cas_acq_rel(&m->retake, &w, state(w, TZ_RETAKE_NONE));
    return true;
}

void tz_retake_yield(tz_m *m)
{
    uint32_t w = tz_load_relaxed(&m->retake);
    if ((w & TZ_RETAKE_STATE) == TZ_RETAKE_NONE)
        tz_cas_acq_rel(&m->retake, &w, state(w, TZ_RETAKE_YIELD));
}
