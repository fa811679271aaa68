/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mutex's modes, and who is served first. A look into it tells who waits,
 * which the public interface does not; with one P, goroutines run when main
 * lets them.
 */
// ctest: env GOMAXPROCS=1 | not tsan
#include "sync/mutex.h"
#include "tuza.h"
#include "tz_test.h"

static tuza_mutex mu;
static tuza_waitgroup group;
static char order[16];
static int norder;
static uint32_t seen; /* the state when the last one had it */

static int waiting(void)
{
    int n = 0;
    for (tz_waiter *w = mu.queue.first; w; w = w->next)
        n++;
    return n;
}

static void lock_once(void *name)
{
    tuza_mutex_lock(&mu);
    seen = tz_load_relaxed(&mu.state);
    order[norder++] = (char)(intptr_t)name;
    tuza_mutex_unlock(&mu);
}

/* Main has the mutex: one more waits. */
static void start_waiting(char name)
{
    int before = waiting();
    CHECK_EQ(tuza_waitgroup_go(&group, lock_once, (void *)(intptr_t)name), 0);
    while (waiting() == before)
        tuza_sleep(TUZA_MILLISECOND / 20);
}

static void begin(void)
{
    memset(order, 0, sizeof order);
    norder = 0;
    tuza_mutex_lock(&mu);
}

static void end(const char *wanted)
{
    tuza_waitgroup_wait(&group);
    CHECK(strcmp(order, wanted) == 0);
    CHECK_EQ(mu.state, 0);
    CHECK(!mu.queue.first && !mu.queue.last);
}

/* SY-31: who came first is served first. */
TEST(in_turn)
{
    begin();
    for (char c = 'a'; c < 'k'; c++)
        start_waiting(c);
    tuza_mutex_unlock(&mu);
    end("abcdefghij");
}

/* SY-06: in normal mode a running goroutine may come before the woken one, which goes back to the front. */
TEST(loser_to_the_front)
{
    begin();
    start_waiting('a');
    start_waiting('b');
    tz_waiter *a = mu.queue.first;
    tuza_mutex_unlock(&mu); /* a is woken */
    CHECK(mu.queue.first != a);
    CHECK(mu.state & TZ_MUTEX_WOKEN);
    CHECK(tuza_mutex_trylock(&mu)); /* and beaten */
    tuza_gosched();
    CHECK(mu.queue.first == a);
    CHECK(!(mu.state & TZ_MUTEX_WOKEN));
    CHECK_EQ(waiting(), 2);
    tuza_mutex_unlock(&mu);
    end("ab");
}

/* While one is woken an unlock wakes no other. */
TEST(one_is_woken)
{
    begin();
    start_waiting('a');
    start_waiting('b');
    tuza_mutex_unlock(&mu);
    for (int i = 0; i < 3; i++) {
        tuza_mutex_lock(&mu);
        tuza_mutex_unlock(&mu);
        CHECK_EQ(waiting(), 1);
    }
    end("ab");
}

/* With main's mutex: the first that waits is starving. */
static void starve(void)
{
    tuza_sleep(3 * TUZA_MILLISECOND);
    tuza_mutex_unlock(&mu);
    tuza_mutex_lock(&mu);
    CHECK(!(mu.state & TZ_MUTEX_STARVING));
    tuza_gosched(); /* it runs, and has lost */
    CHECK(mu.state & TZ_MUTEX_STARVING);
}

/* SY-05, SY-07, SY-09: one that has waited for a millisecond and loses makes the mutex starving: the next
 * unlock hands it over, and the waiter runs before that returns. Newcomers queue up behind. */
TEST(starving)
{
    begin();
    start_waiting('a');
    starve();
    CHECK(!tuza_mutex_trylock(&mu));
    start_waiting('b');
    tuza_mutex_unlock(&mu);
    CHECK(norder >= 1 && order[0] == 'a');
    end("ab");
}

/* SY-08: it ends with the last that waits. */
TEST(starving_ends_with_the_last)
{
    begin();
    start_waiting('a');
    starve();
    tuza_mutex_unlock(&mu);
    CHECK_EQ(norder, 1);
    CHECK_EQ(seen, TZ_MUTEX_LOCKED);
    end("a");
}

/* SY-08: or with one that has waited for less than a millisecond, as it may be that b has not. */
TEST(starving_ends_early)
{
    bool ended = false;
    for (int i = 0; i < 1000 && !ended; i++) {
        begin();
        start_waiting('a');
        starve();
        int64_t before = tuza_now();
        CHECK_EQ(tuza_waitgroup_go(&group, lock_once, (void *)'b'), 0);
        CHECK_EQ(tuza_waitgroup_go(&group, lock_once, (void *)'c'), 0);
        while (waiting() < 3)
            tuza_gosched();
        CHECK(mu.state & TZ_MUTEX_STARVING);
        tuza_mutex_unlock(&mu);
        if (norder < 2) { /* a hands it to b */
            tuza_gosched();
            CHECK(norder >= 2);
        }
        bool quick = tuza_now() - before < TUZA_MILLISECOND;
        if (quick)
            ended = true;
        end(order[1] == 'b' ? "abc" : "acb");
        if (quick)
            CHECK(!(seen & TZ_MUTEX_STARVING));
    }
    CHECK(ended);
}

TEST_MAIN_TUZA()
