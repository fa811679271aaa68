/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unwinding, as exceptions, pthread_exit, profilers and tracebacks do it: by
 * the tables beside the code, the assembly's included. From any point of a
 * goroutine a walk comes through the switch's frame to the user's functions,
 * and ends at tz_arch_entry because that says so.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4
#include <tuza.h>

#include <unwind.h>

#include "sched/sched.h"
#include "tz_test.h"

#define FRAMES 32

typedef struct walk {
    void *fn[FRAMES]; /* the functions, innermost first */
    uintptr_t cfa[FRAMES];
    int n;
    _Unwind_Reason_Code end;
} walk;

static _Unwind_Reason_Code frame(struct _Unwind_Context *context, void *arg)
{
    walk *w = arg;
    if (w->n == FRAMES)
        return _URC_NORMAL_STOP;
    int before = 0;
    uintptr_t ip = _Unwind_GetIPInfo(context, &before);
    if (ip == 0) /* the caller that the outermost frame says it has not */
        return _URC_NO_REASON;
    w->fn[w->n] = _Unwind_FindEnclosingFunction((void *)(ip - !before));
    w->cfa[w->n++] = _Unwind_GetCFA(context);
    return _URC_NO_REASON;
}

static TZ_NOINLINE void take(walk *w)
{
    w->n = 0;
    w->end = _Unwind_Backtrace(frame, w);
}

/* Where fn is in the walk, which must be complete; the CFAs rise. */
static int find(const walk *w, void *fn)
{
    CHECK_EQ((int)w->end, (int)_URC_END_OF_STACK);
    CHECK(w->n > 1 && w->n < FRAMES);
    CHECK(w->fn[w->n - 1] == (void *)tz_arch_entry);
    for (int i = 1; i < w->n; i++)
        CHECK(w->cfa[i] >= w->cfa[i - 1]);
    for (int i = 0; i < w->n; i++)
        if (w->fn[i] == fn)
            return i;
    tz_test_fail(__FILE__, __LINE__, "a function is not in the walk: the search");
}

/* Something to do after a call, so that it is none at the function's end. */
#define STAY() __asm__ volatile("" ::: "memory")

static TZ_NOINLINE void inner(walk *w)
{
    take(w);
    STAY();
}

static TZ_NOINLINE void outer(walk *w)
{
    inner(w);
    STAY();
}

typedef struct job {
    walk walk;
    tuza_chan *done;
} job;

static void plain(void *arg)
{
    job *j = arg;
    outer(&j->walk);
    tuza_chan_send(j->done, &(int){0});
}

static void in_goroutine(void (*fn)(void *), job *j)
{
    j->done = tuza_chan_make(sizeof(int), 0);
    CHECK_EQ(tuza_go(fn, j), 0);
    CHECK(tuza_chan_recv(j->done, NULL));
    tuza_chan_unref(j->done);
}

TEST(a_walk_ends_at_the_entry)
{
    job j;
    in_goroutine(plain, &j);
    CHECK_EQ(find(&j.walk, (void *)inner) + 1, find(&j.walk, (void *)outer));
    CHECK_EQ(find(&j.walk, (void *)outer) + 1, find(&j.walk, (void *)plain));
    CHECK_EQ(find(&j.walk, (void *)plain), j.walk.n - 2);
}

TEST(the_main_goroutine_ends_there_too)
{
    walk w;
    outer(&w);
    CHECK_EQ(find(&w, (void *)inner) + 1, find(&w, (void *)outer));
}

/* Resumed by another's switch, it stands on its own stack as before. */
static void resumed(void *arg)
{
    job *j = arg;
    walk before;
    outer(&before);
    tuza_sleep(1000000);
    tuza_gosched();
    outer(&j->walk);
    CHECK_EQ(j->walk.n, before.n);
    for (int i = 0; i < before.n; i++) {
        CHECK(j->walk.fn[i] == before.fn[i]);
        CHECK_EQ(j->walk.cfa[i], before.cfa[i]);
    }
    tuza_chan_send(j->done, &(int){0});
}

TEST(a_switch_changes_no_walk)
{
    job j;
    in_goroutine(resumed, &j);
    CHECK_EQ(find(&j.walk, (void *)resumed), j.walk.n - 2);
}

/* A final form that ends in a call (a send whose channel is closed): the user seems to have made it. */
static tz_g *parked; /* under the rendezvous' lock until it is off its stack */
static tz_spin rendezvous;
static walk *resume_walk;

static void instead(tz_m *m)
{
    take(resume_walk);
    tz_leave(m);
}

static TZ_NOINLINE void parks(void)
{
    tz_m *m = tz_enter_movable();
    tz_spin_lock(&rendezvous, m->p->alone);
    parked = m->g;
    tz_park(m, TZ_WAIT_CHAN_SEND, &rendezvous);
    STAY();
}

static void ends_in_call(void *arg)
{
    job *j = arg;
    parks();
    tuza_chan_send(j->done, &(int){0});
}

static void waker(void *arg)
{
    (void)arg;
    for (bool woken = false; !woken; tuza_gosched()) {
        tz_m *m = tz_enter();
        bool alone = m->p->alone;
        tz_spin_lock(&rendezvous, alone);
        tz_g *g = parked;
        parked = NULL;
        tz_spin_unlock(&rendezvous, alone);
        if (g) {
            tz_resume_with(g, instead);
            tz_ready(m, g);
            woken = true;
        }
        tz_leave(m);
    }
}

TEST(a_resume_call_seems_the_users)
{
    job j;
    resume_walk = &j.walk;
    CHECK_EQ(tuza_go(waker, NULL), 0);
    in_goroutine(ends_in_call, &j);
    /* Next to each other where the calls between them are jumps; else frames of ours lie there. */
    CHECK(find(&j.walk, (void *)instead) < find(&j.walk, (void *)parks));
    CHECK_EQ(find(&j.walk, (void *)parks) + 1, find(&j.walk, (void *)ends_in_call));
}

TEST_MAIN_TUZA()
