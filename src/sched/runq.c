/* SPDX-License-Identifier: BSD-3-Clause */
/* The cold parts of the run queues: overflow, stealing, the global queue. The protocol is in runq.h. */
#include "sched/runq.h"

#include "os/os.h"
#include "sched/proc.h"

void tz_runq_put_slow(tz_p *p, tz_work *g, uint32_t head, uint32_t tail)
{
    tz_work *batch[TZ_RUNQ_SIZE / 2 + 1];
    uint32_t n = (tail - head) / 2;
    for (uint32_t i = 0; i < n; i++)
        batch[i] = tz_load_relaxed(&p->runq[(head + i) % TZ_RUNQ_SIZE]);
    if (!tz_cas_release(&p->runq_head, &head, head + n)) {
        tz_runq_put(p, g); /* a thief made room */
        return;
    }
    batch[n] = g;
    for (uint32_t i = 0; i < n; i++)
        *tz_work_link(batch[i]) = batch[i + 1];
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_globq_put_overflow(batch[0], batch[n], n + 1);
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
}

bool tz_runq_empty(tz_p *p)
{
    /* A put moves runnext to the ring while the ring may look empty, then fills the tail: a tail that stood
     * still around the other two looks means that they belong together. */
    for (;;) {
        uint32_t h = tz_load_acquire(&p->runq_head);
        uint32_t t = tz_load_acquire(&p->runq_tail);
        tz_work *next = tz_load_acquire(&p->runnext);
        if (t == tz_load_acquire(&p->runq_tail))
            return h == t && !next;
    }
}

/* Copies up to half of victim's ring to where p's tail is; returns how many. Nothing is published yet. */
static uint32_t grab(tz_p *victim, tz_p *p, uint32_t tail, bool next)
{
    for (;;) {
        uint32_t h = tz_load_acquire(&victim->runq_head); /* before the tail: else n could look huge */
        uint32_t t = tz_load_acquire(&victim->runq_tail); /* pairs with the owner's release */
        uint32_t n = t - h;
        n -= n / 2;
        if (n == 0) {
            tz_work *g = next ? tz_load_relaxed(&victim->runnext) : NULL;
            if (!g)
                return 0;
            /* acquire: pairs with the owner's release store; the G's fields are read next */
            if (!tz_cas_acquire(&victim->runnext, &g, NULL))
                continue;
            tz_store_relaxed(&p->runq[tail % TZ_RUNQ_SIZE], g);
            return 1;
        }
        if (n > TZ_RUNQ_SIZE / 2)
            continue; /* h and t were of different moments */
        for (uint32_t i = 0; i < n; i++)
            tz_store_relaxed(&p->runq[(tail + i) % TZ_RUNQ_SIZE],
                             tz_load_relaxed(&victim->runq[(h + i) % TZ_RUNQ_SIZE]));
        if (tz_cas_release(&victim->runq_head, &h, h + n))
            return n;
    }
}

tz_work *tz_runq_steal(tz_p *p, tz_p *victim, bool next)
{
    uint32_t t = p->runq_tail;
    uint32_t n = grab(victim, p, t, next);
    if (n == 0)
        return NULL;
    tz_store_relaxed(&p->steals, p->steals + 1);
    tz_store_relaxed(&p->stolen, p->stolen + n);
    n--;
    tz_work *g = tz_load_relaxed(&p->runq[(t + n) % TZ_RUNQ_SIZE]);
    if (n > 0)
        tz_store_release(&p->runq_tail, t + n);
    return g;
}

static void count(uint32_t n)
{
    tz_store_relaxed(&tz_sched.runq_size, tz_sched.runq_size + n);
}

static void append(tz_workq *q, tz_work *head, tz_work *tail)
{
    *tz_work_link(tail) = NULL;
    if (q->tail)
        *tz_work_link(q->tail) = head;
    else
        q->head = head;
    q->tail = tail;
}

static void prepend(tz_workq *q, tz_work *head, tz_work *tail)
{
    *tz_work_link(tail) = q->head;
    q->head = head;
    if (!q->tail)
        q->tail = tail;
}

static tz_work *pop(tz_workq *q)
{
    tz_work *w = q->head;
    q->head = *tz_work_link(w);
    if (!q->head)
        q->tail = NULL;
    return w;
}

static tz_work *take_locked(tz_workq *q)
{
    tz_work *before = NULL;
    for (tz_work *w = q->head; w; before = w, w = *tz_work_link(w)) {
        if (!tz_work_is_locked(w))
            continue;
        if (before)
            *tz_work_link(before) = *tz_work_link(w);
        else
            q->head = *tz_work_link(w);
        if (q->tail == w)
            q->tail = before;
        count(-1u);
        tz_store_relaxed(&tz_sched.runq_taken, tz_sched.runq_taken + 1);
        return w;
    }
    return NULL;
}

tz_work *tz_runq_take_locked(tz_p *p)
{
    tz_work *w = tz_runnext_get(p);
    if (w) {
        if (tz_work_is_locked(w))
            return w;
        tz_runnext_put(p, w);
    }
    for (uint32_t n = p->runq_tail - tz_load_relaxed(&p->runq_head); n > 0 && (w = tz_runq_get(p)) != NULL;
         n--) {
        if (tz_work_is_locked(w))
            return w;
        tz_runq_put(p, w); /* there is room: one was taken */
    }
    w = take_locked(&tz_sched.runq);
    return w ? w : take_locked(&tz_sched.overflow);
}

void tz_globq_put(tz_work *w)
{
    append(&tz_sched.runq, w, w);
    count(1);
}

/* What the ring has no room for goes to the global queue's end: the overflow is served last batch first,
 * and the first of a thousand descriptors that are ready would wait for ever new ones. So would those that
 * wait there already, if later ones went to the ring. */
void tz_runq_put_list(tz_p *p, tz_work *head)
{
    uint32_t room = TZ_RUNQ_SIZE - (p->runq_tail - tz_load_acquire(&p->runq_head)); /* others only take */
    if (tz_load_relaxed(&tz_sched.runq_size))
        room = 0;
    while (head && room-- > 0) {
        tz_work *w = head;
        head = *tz_work_link(w); /* before others can have it */
        tz_runq_put(p, w);
    }
    if (!head)
        return;
    uint32_t n = 1;
    tz_work *tail = head, *w;
    for (; (w = *tz_work_link(tail)) != NULL; n++)
        tail = w;
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    append(&tz_sched.runq, head, tail);
    count(n);
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
}

void tz_globq_put_head(tz_work *head, tz_work *tail, uint32_t n)
{
    prepend(&tz_sched.runq, head, tail);
    count(n);
}

void tz_globq_put_overflow(tz_work *head, tz_work *tail, uint32_t n)
{
    prepend(&tz_sched.overflow, head, tail);
    count(n);
}

tz_work *tz_globq_get_fair(void)
{
    if (tz_sched.runq_size == 0)
        return NULL;
    if (!tz_sched.runq.head) {
        tz_sched.runq = tz_sched.overflow;
        tz_sched.overflow = (tz_workq){NULL, NULL};
    }
    count(-1u);
    tz_store_relaxed(&tz_sched.runq_taken, tz_sched.runq_taken + 1);
    /* In turn: who yielded at this very look is on the first list, which so may never be empty. */
    bool second = tz_sched.overflow.head && tz_sched.fair_looks++ % 2;
    return pop(second ? &tz_sched.overflow : &tz_sched.runq);
}

tz_work *tz_globq_get(tz_p *p)
{
    uint32_t size = tz_sched.runq_size;
    if (size == 0)
        return NULL;
    uint32_t n = size / tz_load_relaxed(&tz_sched.nprocs) + 1;
    if (n > size)
        n = size;
    if (n > TZ_RUNQ_SIZE / 2)
        n = TZ_RUNQ_SIZE / 2;
    /* p's owner is here because its ring is (nearly) empty; what does not fit stays. */
    uint32_t t = p->runq_tail;
    uint32_t room = TZ_RUNQ_SIZE - (t - tz_load_acquire(&p->runq_head));
    if (n > room + 1)
        n = room + 1;
    count(-n);
    tz_store_relaxed(&tz_sched.runq_taken, tz_sched.runq_taken + n);
    tz_work *first = NULL;
    while (n-- > 0) {
        tz_work *w = pop(tz_sched.overflow.head ? &tz_sched.overflow : &tz_sched.runq);
        if (first)
            tz_store_relaxed(&p->runq[t++ % TZ_RUNQ_SIZE], w);
        else
            first = w;
    }
    tz_store_release(&p->runq_tail, t);
    return first;
}
