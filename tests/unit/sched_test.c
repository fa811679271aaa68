/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The running scheduler, looked at from inside: what a robbed goroutine finds
 * when it comes back, fairness of the global queue, when other Ps are woken,
 * that threads go away again, and how many spin.
 */
// ctest: plain | env TUZA_TEST_NO_MEMBARRIER=1
#include <sys/syscall.h>

#include "chan/chan.h"
#include "go/help.h"
#include "sched/gmp.h"
#include "sched/proc.h"
#include "sched/sched.h"

static bool is_robbed(tz_m *m)
{
    return (tz_load_relaxed(&m->retake) & TZ_RETAKE_STATE) == TZ_RETAKE_STOLEN;
}

static int stop, busy;
static void keep_p_wanted(void *arg)
{
    (void)arg;
    flag_add(&busy, 1);
    while (!flag_get(&stop))
        tuza_gosched();
}

/* Stuck in user code until the P is gone; there is somebody who wants it. */
static tz_m *get_robbed(void)
{
    tz_m *m = tz_self_m;
    SPIN_UNTIL(is_robbed(m));
    return m;
}

static void set_flag(void *arg)
{
    flag_add((int *)arg, 1);
}

static void robbed_in_place(void *arg)
{
    tuza_chan *c = arg;
    int started = 0, v = 1, calls = 0;
    bool ok;
    for (int i = 0; i < 5; i++) {
        tz_m *m = get_robbed();
        long tid = syscall(SYS_gettid);
        errno = 1000 + i;
        switch (i) {
        case 0:
            CHECK_EQ(tuza_go(set_flag, &started), 0);
            break;
        case 1:
            CHECK(tuza_chan_try_send(c, &v));
            break;
        case 2:
            CHECK(tuza_chan_try_recv(c, &v, &ok));
            break;
        case 3:
            CHECK(!tuza_chan_try_recv(c, &v, &ok));
            break;
        default:
            tuza_chan_close(c);
            break;
        }
        calls++;
        CHECK_EQ(errno, 1000 + i);
        CHECK_EQ(syscall(SYS_gettid), tid);
        CHECK(tz_self_m == m);
    }
    CHECK_EQ(calls, 5);
    EVENTUALLY(flag_get(&started) == 1);
    flag_set(&stop, 1);
}

static void robbed_movable(void *arg)
{
    tuza_chan *c = arg;
    uint64_t id = tuza_goid();
    for (int i = 0; i < 4; i++) {
        get_robbed();
        errno = 2000 + i;
        int v = i;
        switch (i) {
        case 0:
            tuza_gosched();
            break;
        case 1:
            tuza_sleep(1);
            break;
        case 2:
            tuza_chan_send(c, &v);
            break;
        default:
            CHECK(tuza_chan_recv(c, &v));
            CHECK_EQ(v, 2);
            break;
        }
        CHECK_EQ(errno, 2000 + i);
        CHECK_EQ(tuza_goid(), id);
    }
    flag_set(&stop, 1);
}

/* PR-08, PR-10: a goroutine whose P was taken runs on; at its next call it has one again: in its place, on
 * its own thread, for calls that must not move it; on any for those that block. */
TEST(robbed_goroutines_return)
{
    int was = tuza_gomaxprocs(0);
    for (int n = 1; n <= 2; n++) {
        tuza_gomaxprocs(n);
        for (int k = 0; k < 2; k++) {
            tuza_chan *c = tuza_chan_make(sizeof(int), 1);
            flag_set(&stop, 0);
            flag_set(&busy, 0);
            for (int i = 0; i < n + 1; i++)
                GO(keep_p_wanted, NULL);
            GO(k ? robbed_movable : robbed_in_place, c);
            settle(1);
            CHECK_EQ(flag_get(&stop), 1);
            tuza_chan_unref(c);
        }
    }
    tuza_gomaxprocs(was);
    EVENTUALLY(tz_load_relaxed(&tz_sched.npless) == 0);
}

static struct {
    tuza_chan *gate;
    uint32_t at;
} fair;

static void wait_and_note(void *arg)
{
    (void)arg;
    tuza_chan_recv(fair.gate, NULL);
    fair.at = tz_load_relaxed(&tz_sched.allp[0]->switches);
    flag_set(&stop, 1);
}

static bool has_waiter(tuza_chan *c)
{
    return tz_load_relaxed(&c->recvq.first) != NULL;
}

/* SC-05: goroutines that go round on a P's own queue for ever do not starve the global queue: what is there
 * runs within 61 switches, and what the fair look may come late by. */
TEST(global_queue_in_61)
{
    int was = tuza_gomaxprocs(1);
    fair.gate = tuza_chan_make(0, 0);
    flag_set(&stop, 0);
    GO(wait_and_note, NULL);
    EVENTUALLY(has_waiter(fair.gate));
    GO(keep_p_wanted, NULL);
    GO(keep_p_wanted, NULL);
    tuza_gosched();
    /* Inside the runtime, hence not robbed: the waiter goes to the global queue instead of our own. */
    tz_m *m = tz_enter();
    tz_sudog *s = tz_waitq_get(&fair.gate->recvq);
    s->g->result = true;
    tz_store_relaxed(&s->g->status, TZ_G_RUNNABLE);
    tz_lock_acquire(&tz_sched.lock, TZ_RANK_SCHED);
    tz_globq_put(tz_work_of_g(s->g));
    uint32_t put_at = tz_load_relaxed(&tz_sched.allp[0]->switches);
    tz_lock_release(&tz_sched.lock, TZ_RANK_SCHED);
    tz_leave(m);
    settle(1);
    CHECK(fair.at - put_at <= 2 * 61 + 8);
    tuza_chan_unref(fair.gate);
    tuza_gomaxprocs(was);
}

static int ran_beside;
static void run_beside(void *arg)
{
    tz_m *starter = arg;
    flag_set(&ran_beside, is_robbed(starter) ? 1 : 2);
}

/* SC-07, GR-16: a goroutine that was queued runs on an idle P while its starter computes; not because the
 * starter was robbed for it. Where the machine is too busy for that, another round tells. */
TEST(idle_p_is_woken)
{
    int was = tuza_gomaxprocs(2);
    int good = 0;
    double end = tz_test_seconds() + BOUND_S;
    while (good < 3) {
        CHECK(tz_test_seconds() < end);
        flag_set(&ran_beside, 0);
        EVENTUALLY(tz_load_relaxed(&tz_sched.npidle) > 0);
        GO(run_beside, tz_self_m);
        SPIN_UNTIL(flag_get(&ran_beside));
        good += ran_beside == 2;
        settle(1);
    }
    tuza_gomaxprocs(was);
}

static int together, at_once;
static void block_together(void *arg)
{
    (void)arg;
    flag_add(&at_once, 1);
    SPIN_UNTIL((usleep(1000), flag_get(&together)));
}

/* PR-12: a burst of blocking calls makes threads; they are there while it lasts, and end some time after. */
TEST(threads_are_reaped)
{
    enum { BURST = 40 };
    tz_store_relaxed(&tz_sched.reap_ns, 20 * TUZA_MILLISECOND);
    for (int round = 0; round < 2; round++) {
        flag_set(&together, 0);
        flag_set(&at_once, 0);
        for (int i = 0; i < BURST; i++)
            GO(block_together, NULL);
        EVENTUALLY(flag_get(&at_once) == BURST);
        CHECK(tz_load_relaxed(&tz_sched.mcount) >= BURST);
        flag_set(&together, 1);
        settle(1);
        EVENTUALLY(tz_load_relaxed(&tz_sched.mcount) <= 8);
    }
    tz_store_relaxed(&tz_sched.reap_ns, 5 * TUZA_SECOND);
}

/* PR-12: the requests for threads agree with the threads that came of them. */
TEST(thread_requests_add_up)
{
    EVENTUALLY(tz_load_relaxed(&tz_sched.mstarting) == 0);
    /* A wake of the template thread for another reason must not answer a request twice. */
    tz_store_relaxed(&tz_sched.reap_ns, 20 * TUZA_MILLISECOND);
    for (int round = 0; round < 20; round++) {
        flag_set(&at_once, 0);
        flag_set(&together, 0);
        for (int i = 0; i < 10; i++)
            GO(block_together, NULL);
        double end = tz_test_seconds() + BOUND_S;
        while (flag_get(&at_once) < 10) {
            CHECK(tz_test_seconds() < end);
            tz_note_wake(&tz_sched.template_note);
            tuza_sleep(50 * TUZA_MICROSECOND);
            CHECK(tz_load_relaxed(&tz_sched.mstarting) <= 1000);
        }
        flag_set(&together, 1);
        settle(1);
        EVENTUALLY(tz_load_relaxed(&tz_sched.mcount) <= 8);
    }
    EVENTUALLY(tz_load_relaxed(&tz_sched.mstarting) == 0);
    tz_store_relaxed(&tz_sched.reap_ns, 5 * TUZA_SECOND);
}

/* Whoever is given a P that was not looked at when it was due (it may have been given away just then) does it
 * next: else timers and the global queue would wait until the count comes round. */
TEST(due_look_is_not_lost)
{
    tz_m *m = tz_enter();
    tz_p *p = m->p;
    p->fair_at = p->switches - 1;
    tz_acquirep(m, p);
    CHECK_EQ(p->fair_at, p->switches);
    tz_leave(m);
}

static void flicker(void *arg)
{
    (void)arg;
    while (!flag_get(&stop)) {
        usleep(50); /* each comes back on a thread of its own, to an idle P */
        tuza_sleep(50 * TUZA_MICROSECOND);
    }
}

/* The most Ms that were seen spinning within a while. */
static uint32_t most_spinning(void)
{
    uint32_t most = 0;
    for (double end = tz_test_seconds() + 0.002; tz_test_seconds() < end;) {
        uint32_t n = tz_load_relaxed(&tz_sched.nmspinning);
        most = n > most ? n : most;
    }
    return most;
}

/* SC-08: where half as many Ms spin as Ps are busy no other begins: here because a hundred seem to. One that
 * had looked before that, and was held up since, may be seen. */
TEST(few_spin)
{
    int was = tuza_gomaxprocs(4), seen = 0;
    flag_set(&stop, 0);
    for (int i = 0; i < 8; i++)
        GO(flicker, NULL);
    EVENTUALLY(most_spinning() > 0);
    tz_add_relaxed(&tz_sched.nmspinning, 100);
    EVENTUALLY(tz_load_relaxed(&tz_sched.nmspinning) == 100);
    for (int i = 0; i < 100; i++) {
        seen += most_spinning() > 100;
        tuza_sleep(100 * TUZA_MICROSECOND);
    }
    CHECK(seen <= 4);
    tz_sub_relaxed(&tz_sched.nmspinning, 100);
    flag_set(&stop, 1);
    settle(1);
    tuza_gomaxprocs(was);
}

TEST_MAIN_TUZA()
