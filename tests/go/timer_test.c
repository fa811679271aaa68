/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers, tickers and after_func. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4 | env GOMAXPROCS=1 TUZA_CHAOS=5 | env GOMAXPROCS=4 TUZA_CHAOS=6
#include <pthread.h>

#include "help.h"

#define MS        TUZA_MILLISECOND
#define HOUR      (3600 * TUZA_SECOND)
#define LONG_PAST (20 * MS)

static int64_t get(tuza_timer *t)
{
    int64_t v = 0;
    CHECK(tuza_chan_recv(tuza_timer_chan(t), &v));
    return v;
}

static bool try_get(tuza_timer *t, int64_t *v)
{
    return tuza_chan_try_recv(tuza_timer_chan(t), v, NULL);
}

static void sleep_past(int64_t when)
{
    while (tuza_now() <= when)
        tuza_sleep(when - tuza_now() + 1);
}

static int calls, calls_going, release;
static void count(void *arg)
{
    flag_add((int *)arg, 1);
}

static void hold(void *arg)
{
    flag_add(&calls_going, 1);
    EVENTUALLY(flag_get(&release));
    flag_add((int *)arg, 1);
}

/* TM-07, TM-10: at or after the deadline; the value is when it was due, however late it is read. */
TEST(value)
{
    int64_t before = tuza_now();
    tuza_timer *t = tuza_timer_new(5 * MS);
    int64_t after = tuza_now(), v = get(t);
    CHECK(tuza_now() >= before + 5 * MS);
    CHECK(v >= before + 5 * MS && v <= after + 5 * MS);
    CHECK(!try_get(t, &v)); /* one */
    tuza_timer_free(t);
    before = tuza_now();
    t = tuza_timer_new(MS);
    after = tuza_now();
    sleep_past(after + LONG_PAST);
    v = get(t);
    CHECK(v >= before + MS && v <= after + MS);
    tuza_timer_free(t);
}

/* TM-01's likes: what is not positive is due at once. TM-03, TM-08: what overflows never comes. */
TEST(extremes)
{
    int64_t v;
    tuza_timer *t = tuza_timer_new(0);
    CHECK(try_get(t, &v));
    CHECK(!tuza_timer_reset(t, -5));
    CHECK(try_get(t, &v));
    CHECK(!tuza_timer_reset(t, INT64_MAX));
    CHECK(!try_get(t, &v));
    CHECK(tuza_timer_reset(t, INT64_MAX - 5));
    CHECK(!try_get(t, &v));
    tuza_timer_free(t);
    t = tuza_timer_new(HOUR);
    CHECK(!try_get(t, &v));
    tuza_timer_free(t);
    t = tuza_ticker_new(INT64_MAX);
    CHECK(!try_get(t, &v));
    tuza_timer_free(t);
    calls = 0;
    t = tuza_after_func(INT64_MAX, count, &calls);
    tuza_timer *now = tuza_after_func(-1, count, &calls);
    EVENTUALLY(flag_get(&calls) == 1);
    CHECK(tuza_timer_stop(t));
    tuza_timer_free(t);
    tuza_timer_free(now);
    settle(1);
    CHECK_EQ(calls, 1);
}

/* TM-09, CH-21: the channel has no length and no capacity, when a value is there too. */
TEST(channel)
{
    tuza_timer *t = tuza_timer_new(HOUR);
    tuza_chan *c = tuza_timer_chan(t);
    CHECK(c != NULL && c == tuza_timer_chan(t));
    CHECK_EQ(tuza_chan_elem_size(c), sizeof(int64_t));
    CHECK_EQ(tuza_chan_len(c) + tuza_chan_cap(c), 0u);
    tuza_timer_reset(t, 0);
    CHECK_EQ(tuza_chan_len(c) + tuza_chan_cap(c), 0u);
    bool ok = false;
    CHECK(tuza_chan_try_recv(c, NULL, &ok) && ok);
    CHECK(!tuza_chan_try_recv(c, NULL, &ok));
    tuza_timer_free(t);
    CHECK(tuza_timer_chan(NULL) == NULL);
    t = tuza_after_func(HOUR, count, &calls);
    CHECK(tuza_timer_chan(t) == NULL);
    tuza_timer_free(t);
    tuza_timer_free(NULL);
    tuza_timer_detach(NULL);
}

/* TM-11, TM-12, TM-13, SE-16: what stop returns, and nothing comes after it. */
TEST(stop)
{
    int64_t v;
    tuza_timer *t = tuza_timer_new(HOUR);
    CHECK(tuza_timer_stop(t));
    CHECK(!tuza_timer_stop(t));
    CHECK(!try_get(t, &v));
    CHECK(!tuza_timer_reset(t, 0));
    sleep_past(tuza_now() + MS);
    CHECK(tuza_timer_stop(t)); /* the value was there, and is no more */
    CHECK(!try_get(t, &v));
    CHECK(!tuza_timer_reset(t, MS));
    get(t);
    CHECK(!tuza_timer_stop(t));
    CHECK(!tuza_timer_stop_wait(t));
    tuza_timer_free(t);
}

/* TM-13, TM-14: nothing is left of before a reset; its result is stop's. */
TEST(reset)
{
    int64_t v;
    tuza_timer *t = tuza_timer_new(0);
    sleep_past(tuza_now() + MS);
    int64_t before = tuza_now();
    CHECK(tuza_timer_reset(t, 10 * MS));
    if (try_get(t, &v)) /* the machine stood still */
        CHECK(v >= before + 10 * MS);
    else
        CHECK(get(t) >= before + 10 * MS);
    CHECK(!tuza_timer_reset(t, HOUR));
    CHECK(tuza_timer_reset(t, MS));
    get(t);
    tuza_timer_free(t);
}

typedef struct receiver {
    tuza_chan *c;
    int64_t v;
    int got;
} receiver;

static void receive(void *arg)
{
    receiver *r = arg;
    CHECK(tuza_chan_recv(r->c, &r->v));
    flag_add(&r->got, 1);
}

/* TM-13, TM-24: a goroutine that is blocked when the timer is stopped, or moved earlier or later. */
TEST(moved_under_receiver)
{
    tuza_timer *t = tuza_timer_new(HOUR);
    receiver r = {.c = tuza_timer_chan(t)};
    GO(receive, &r);
    tuza_sleep(2 * MS);
    CHECK(tuza_timer_reset(t, MS));
    EVENTUALLY(flag_get(&r.got) == 1);
    CHECK(!tuza_timer_reset(t, 10 * MS));
    GO(receive, &r);
    tuza_sleep(MS);
    int64_t before = tuza_now();
    bool active = tuza_timer_reset(t, 30 * MS);
    if (active) {
        EVENTUALLY(flag_get(&r.got) == 2);
        CHECK(r.v >= before + 30 * MS);
    }
    EVENTUALLY(flag_get(&r.got) == 2);
    tuza_timer_reset(t, HOUR);
    GO(receive, &r);
    tuza_sleep(MS);
    CHECK(tuza_timer_stop(t));
    tuza_sleep(MS);
    CHECK_EQ(flag_get(&r.got), 2);
    CHECK(!tuza_timer_reset(t, 0));
    EVENTUALLY(flag_get(&r.got) == 3);
    settle(1);
    tuza_timer_free(t);
}

static int64_t order[64];
static int order_n, order_going;
static void in_order(void *t)
{
    flag_add(&order_going, 1);
    int64_t v = get(t);
    order[flag_add(&order_n, 1) - 1] = v;
}

/* TM-07: several fire in the order of their deadlines; on more Ps they are made runnable in it. */
TEST(deadline_order)
{
    enum { N = 20 };
    tuza_timer *t[N];
    order_n = order_going = 0;
    int64_t first = tuza_now() + 20 * MS;
    for (int i = 0; i < N; i++)
        t[i] = tuza_timer_new(20 * MS + (i * 7 % N) * 100 * TUZA_MICROSECOND);
    for (int i = 0; i < N; i++)
        GO(in_order, t[i]);
    while (flag_get(&order_going) < N)
        tuza_gosched();
    /* With one P all of them are blocked now; unless the machine stood still, in time. */
    bool ordered = tuza_gomaxprocs(0) == 1 && !help_chaos() && tuza_now() < first;
    EVENTUALLY(flag_get(&order_n) == N);
    for (int i = 1; i < N && ordered; i++)
        CHECK(order[i] >= order[i - 1]);
    settle(1);
    for (int i = 0; i < N; i++)
        tuza_timer_free(t[i]);
}

/* TM-20: a ticker keeps its grid, and leaves out what was missed: one value waits at most. */
TEST(ticker_grid)
{
    int64_t first, v, p = 10 * MS;
    tuza_timer *t = tuza_ticker_new(p);
    first = get(t);
    for (int i = 0; i < 5; i++) {
        v = get(t);
        CHECK_EQ((v - first) % p, 0);
        CHECK(v > first && v <= tuza_now());
    }
    int64_t last = v, now = tuza_now();
    sleep_past(now + 4 * p);
    int64_t taken = tuza_now();
    CHECK(try_get(t, &v));
    CHECK(v > last && (v - first) % p == 0 && v <= now + p); /* the first of those missed */
    v = get(t);
    CHECK(v > taken && (v - first) % p == 0); /* and the next to come */
    CHECK(tuza_timer_stop(t));
    CHECK(!tuza_timer_stop(t));
    /* TM-21: not closed. */
    bool ok;
    CHECK(!tuza_chan_try_recv(tuza_timer_chan(t), &v, &ok));
    tuza_timer_free(t);
}

/* TM-22: ten ticks take ten periods at least; reset changes the grid. */
TEST(ticker_period)
{
    static const int64_t periods[] = {MS, 7 * MS};
    for (int k = 0; k < 2; k++) {
        int64_t p = periods[k], start = tuza_now();
        tuza_timer *t = tuza_ticker_new(p);
        for (int i = 0; i < 10; i++)
            get(t);
        CHECK(tuza_now() >= start + 10 * p);
        int64_t before = tuza_now();
        CHECK(tuza_timer_reset(t, 2 * p));
        int64_t after = tuza_now(), v = get(t);
        CHECK(v >= before + 2 * p && v <= after + 2 * p);
        CHECK_EQ((get(t) - v) % (2 * p), 0);
        tuza_timer_free(t);
    }
}

/* Several wait for one ticker: a tick is one's, first come, first served; the others stay. */
TEST(many_wait_for_ticker)
{
    enum { N = 8 };
    tuza_timer *t = tuza_ticker_new(MS);
    receiver r[N];
    for (int i = 0; i < N; i++) {
        r[i] = (receiver){.c = tuza_timer_chan(t)};
        GO(receive, &r[i]);
    }
    for (int i = 0; i < N; i++)
        EVENTUALLY(flag_get(&r[i].got));
    for (int i = 0; i < N; i++)
        for (int k = 0; k < i; k++)
            CHECK(r[i].v != r[k].v);
    settle(1);
    tuza_timer_free(t);
}

static uint64_t main_id, call_id;
static int64_t called_at;
static void note_call(void *arg)
{
    call_id = tuza_goid();
    called_at = tuza_now();
    flag_add((int *)arg, 1);
}

/* TM-04, TM-12, TM-15, GR-21: once, in a goroutine of its own, never early; stop says that it has started. */
TEST(after_func)
{
    calls = 0;
    main_id = tuza_goid();
    int64_t before = tuza_now();
    tuza_timer *t = tuza_after_func(3 * MS, note_call, &calls);
    EVENTUALLY(flag_get(&calls) == 1);
    CHECK(call_id && call_id != main_id);
    CHECK(called_at >= before + 3 * MS);
    CHECK(!tuza_timer_stop(t));
    CHECK(!tuza_timer_reset(t, HOUR));
    CHECK(tuza_timer_reset(t, HOUR));
    CHECK(tuza_timer_stop(t));
    CHECK(!tuza_timer_stop(t));
    CHECK(!tuza_timer_reset(t, 0));
    EVENTUALLY(flag_get(&calls) == 2);
    tuza_timer_free(t);
    settle(1);
    CHECK_EQ(calls, 2);
}

/* TM-05, TM-15: a call that hangs holds up nothing, and may run beside itself. */
TEST(after_func_blocked)
{
    calls = calls_going = release = 0;
    int others = 0;
    tuza_timer *t = tuza_after_func(0, hold, &calls);
    EVENTUALLY(flag_get(&calls_going) == 1);
    tuza_timer *u = tuza_after_func(MS, count, &others), *v = tuza_timer_new(MS);
    get(v);
    EVENTUALLY(flag_get(&others) == 1);
    CHECK(!tuza_timer_reset(t, 0));
    EVENTUALLY(flag_get(&calls_going) == 2);
    CHECK_EQ(flag_get(&calls), 0);
    flag_set(&release, 1);
    EVENTUALLY(flag_get(&calls) == 2);
    settle(1);
    tuza_timer_free(t);
    tuza_timer_free(u);
    tuza_timer_free(v);
}

static int stop_playing;
static void play(void *arg)
{
    tuza_chan **c = arg;
    int v;
    while (tuza_chan_recv(c[0], &v) && !flag_get(&stop_playing))
        tuza_chan_send(c[1], &v);
    tuza_chan_close(c[1]);
}

/* TM-06: goroutines that wake each other by runnext do not starve a call. */
TEST(after_func_starvation)
{
    int v = 1;
    tuza_chan *c[3] = {tuza_chan_make(sizeof(int), 1), tuza_chan_make(sizeof(int), 1)};
    c[2] = c[0];
    calls = stop_playing = 0;
    GO(play, c);
    GO(play, c + 1);
    tuza_chan_send(c[0], &v);
    tuza_timer *t = tuza_after_func(MS, count, &calls);
    SPIN_UNTIL((tuza_gosched(), flag_get(&calls) == 1));
    flag_set(&stop_playing, 1);
    settle(1);
    tuza_timer_free(t);
    tuza_chan_unref(c[0]);
    tuza_chan_unref(c[1]);
}

static tuza_timer *own_timer;
static void free_self(void *arg)
{
    EVENTUALLY(flag_get(&release));
    CHECK(!tuza_timer_stop_wait(own_timer)); /* in the call: does not wait */
    CHECK(!tuza_timer_reset(own_timer, HOUR));
    tuza_timer_free(own_timer);
    flag_add((int *)arg, 1);
}

/* TM-23: freed in its own call, while it runs, while it is armed. */
TEST(free_any_time)
{
    calls = calls_going = release = 0;
    own_timer = tuza_after_func(0, free_self, &calls);
    flag_set(&release, 1);
    EVENTUALLY(flag_get(&calls) == 1);
    flag_set(&release, 0);
    tuza_timer *t = tuza_after_func(0, hold, &calls);
    EVENTUALLY(flag_get(&calls_going) == 1);
    tuza_timer_free(t);
    flag_set(&release, 1);
    EVENTUALLY(flag_get(&calls) == 2);
    tuza_timer_free(tuza_after_func(HOUR, count, &calls));
    tuza_timer_free(tuza_timer_new(HOUR));
    tuza_timer_free(tuza_timer_new(0));
    tuza_timer_free(tuza_ticker_new(1));
    settle(1);
    CHECK_EQ(calls, 2);
}

static void exit_call(void *arg)
{
    flag_add(&calls_going, 1);
    EVENTUALLY(flag_get(&release));
    flag_add((int *)arg, 1);
    tuza_goexit();
}

static void exit_thread_call(void *arg)
{
    flag_add(&calls_going, 1);
    EVENTUALLY(flag_get(&release));
    flag_add((int *)arg, 1);
    pthread_exit(NULL);
}

static void release_soon(void *arg)
{
    (void)arg;
    tuza_sleep(5 * MS);
    flag_set(&release, 1);
}

/* TM-15 and beyond: stop_wait returns when the call has, by whichever way it ends. */
TEST(stop_wait)
{
    /* ThreadSanitizer can't end a thread in a goroutine. */
    void (*ends[])(void *) = {hold, exit_call, HELP_TSAN ? exit_call : exit_thread_call};
    for (int i = 0; i < 6; i++) {
        calls = calls_going = release = 0;
        tuza_timer *t = tuza_after_func(0, ends[i % 3], &calls);
        EVENTUALLY(flag_get(&calls_going) == 1);
        GO(release_soon, NULL);
        if (i >= 3) { /* one that is set, and one that runs */
            CHECK(!tuza_timer_reset(t, HOUR));
            CHECK(tuza_timer_stop_wait(t));
        } else {
            CHECK(!tuza_timer_stop_wait(t));
        }
        CHECK_EQ(flag_get(&calls), 1);
        tuza_timer_free(t);
    }
    tuza_timer *t = tuza_after_func(HOUR, count, &calls);
    CHECK(tuza_timer_stop_wait(t));
    CHECK(!tuza_timer_stop_wait(t));
    tuza_timer_free(t);
    settle(1);
}

static void overwrite(void *arg)
{
    int *mine = arg;
    for (int i = 0; i < 100; i++)
        mine[i]++;
}

/* When it has returned, the memory that the call uses may go: started, or just being so. */
TEST(stop_wait_races)
{
    for (int i = 0; i < 2000 / SCALE + 1; i++) {
        int *mine = calloc(100, sizeof *mine);
        tuza_timer *t = tuza_after_func(i % 50 * TUZA_MICROSECOND, overwrite, mine);
        if (i % 3)
            tuza_sleep(i % 60 * TUZA_MICROSECOND);
        bool prevented = tuza_timer_stop_wait(t);
        CHECK_EQ(mine[99], prevented ? 0 : 1);
        tuza_timer_free(t);
        free(mine);
    }
}

/* TM-14, TM-15: moved just when they fire: what the reset prevented does not come. */
TEST(reset_races)
{
    enum { N = 64 };
    for (int round = 0; round < 200 / SCALE + 2; round++) {
        static int fired[N];
        tuza_timer *t[N];
        memset(fired, 0, sizeof fired);
        int64_t when = tuza_now() + 300 * TUZA_MICROSECOND;
        for (int i = 0; i < N; i++)
            t[i] = tuza_after_func(when - tuza_now(), count, &fired[i]);
        if (round % 2)
            tuza_sleep(when - tuza_now() - 20 * TUZA_MICROSECOND);
        SPIN_UNTIL(tuza_now() >= when);
        bool prevented[N];
        for (int i = N; i-- > 0;)
            prevented[i] = tuza_timer_reset(t[i], HOUR);
        for (int i = 0; i < N; i++) {
            CHECK(tuza_timer_stop_wait(t[i]));
            CHECK_EQ(flag_get(&fired[i]), !prevented[i]);
            tuza_timer_free(t[i]);
        }
    }
    settle(1);
}

/* Detached: a function is called, a channel that is kept gives its value. */
TEST(detach)
{
    calls = 0;
    tuza_timer_detach(tuza_after_func(MS, count, &calls));
    tuza_timer *t = tuza_timer_new(MS);
    tuza_chan *c = tuza_chan_ref(tuza_timer_chan(t));
    tuza_timer_detach(t);
    CHECK(tuza_chan_recv(c, NULL));
    CHECK(!try_recv(c, NULL));
    tuza_chan_unref(c);
    t = tuza_timer_new(0); /* freed: its channel, kept, is that of a stopped one */
    c = tuza_chan_ref(tuza_timer_chan(t));
    tuza_timer_free(t);
    CHECK(!try_recv(c, NULL));
    tuza_chan_unref(c);
    tuza_timer_detach(tuza_timer_new(MS));
    EVENTUALLY(flag_get(&calls) == 1);
    settle(1);
}

static int hogging;
static void hog(void *arg)
{
    (void)arg;
    flag_add(&hogging, 1);
    SPIN_UNTIL(flag_get(&release));
}

/* TM-28, TM-29: timers fire though goroutines that do not yield sit on all Ps. */
TEST(hogs)
{
    int n = tuza_gomaxprocs(0) + 1;
    calls = hogging = release = 0;
    tuza_timer *t = tuza_after_func(3 * MS, count, &calls);
    for (int i = 0; i < n; i++)
        GO(hog, NULL);
    tuza_timer *u = tuza_timer_new(3 * MS);
    get(u);
    EVENTUALLY(flag_get(&calls) == 1);
    flag_set(&release, 1);
    settle(1);
    tuza_timer_free(t);
    tuza_timer_free(u);
}

static void *on_thread(void *arg)
{
    tuza_timer *t = tuza_timer_new(MS), *f = tuza_after_func(MS, count, arg);
    get(t);
    SPIN_UNTIL(flag_get((int *)arg) == 1);
    CHECK(!tuza_timer_stop_wait(f));
    tuza_timer_free(t);
    tuza_timer_free(f);
    return NULL;
}

/* From a thread that tuza did not make. */
TEST(foreign)
{
    pthread_t thread;
    calls = 0;
    CHECK_EQ(pthread_create(&thread, NULL, on_thread, &calls), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    settle(1);
}

/* TM-25: many, moved about; each comes, in its time. */
TEST(moved_many)
{
    enum { N = 500 };
    static tuza_timer *t[N];
    static int fired[N];
    for (int i = 0; i < N; i++)
        t[i] = tuza_after_func(HOUR, count, &fired[i]);
    for (int round = 0; round < 10; round++)
        for (int i = 0; i < N; i++)
            CHECK(tuza_timer_reset(t[i], HOUR + (i * 37 + round * 101) % N * MS));
    for (int i = 0; i < N; i++)
        if (i % 2)
            CHECK(tuza_timer_reset(t[i], i * 37 % N * 20 * TUZA_MICROSECOND));
    for (int i = 1; i < N; i += 2)
        EVENTUALLY(flag_get(&fired[i]) == 1);
    for (int i = 0; i < N; i++)
        CHECK_EQ(tuza_timer_stop_wait(t[i]), i % 2 == 0);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(fired[i], i % 2);
        tuza_timer_free(t[i]);
    }
    settle(1);
}

TEST_MAIN_TUZA()
