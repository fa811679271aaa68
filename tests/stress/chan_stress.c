/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Channels under load: many senders and receivers, each by the blocking and
 * the try forms in random turn, on channels of several capacities, until all
 * is sent; then the channel is closed while receivers still wait and poll.
 *
 * Each value carries its sender and number. Receivers check that one
 * sender's numbers come to each of them in rising order, and count and sum
 * what they had; both must come out to what was sent.
 */
// ctest: timeout 900 | env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=1 TUZA_CHAOS=1 | env GOMAXPROCS=2 TUZA_CHAOS=2 | env GOMAXPROCS=8 TUZA_CHAOS=3
// ctest: env GOMAXPROCS=1 TUZA_TEST_NO_MEMBARRIER=1 | env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1
// ctest: env GOMAXPROCS=8 TUZA_TEST_NO_MEMBARRIER=1 | env GOMAXPROCS=4 TUZA_CHAOS=4 TUZA_TEST_NO_MEMBARRIER=1
#include "stress/stress.h"

enum { SENDERS = 7, RECEIVERS = 5, PAD = 3 };

/* How often to poll before blocking. Never without end: with no buffer,
 * pollers on both sides would not meet. */
#define POLLS(r) (stress_next((r), 4) ? 0 : stress_next((r), 20))

typedef struct value {
    uint32_t sender;
    uint32_t number;
    uint64_t check[PAD];
} value;

static uint64_t check_of(uint32_t sender, uint32_t number, int k)
{
    return ((uint64_t)sender << 40 | number) * 0x2545f4914f6cdd1du + (uint64_t)k;
}

static tuza_chan *data;
static uint32_t each;
static long senders_left;
static uint64_t count, sum;

static void sender(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg;
    stress_random r = stress_start(me);
    value v = {.sender = me};
    for (uint32_t i = 0; i < each; i++) {
        v.number = i;
        for (int k = 0; k < PAD; k++)
            v.check[k] = check_of(me, i, k);
        bool sent = false;
        for (uint32_t n = POLLS(&r); n > 0 && !sent; n--) {
            sent = tuza_chan_try_send(data, &v);
            if (!sent)
                tuza_gosched();
        }
        if (!sent)
            tuza_chan_send(data, &v);
        memset(v.check, 0, sizeof v.check);
        if (stress_next(&r, 1000) == 0)
            tuza_gosched();
    }
    if (flag_add(&senders_left, -1) == 0)
        tuza_chan_close(data);
    tuza_chan_unref(data);
}

static void receiver(void *arg)
{
    stress_random r = stress_start(100 + (uint32_t)(uintptr_t)arg);
    int64_t last[SENDERS];
    uint64_t mine = 0, total = 0;
    for (int i = 0; i < SENDERS; i++)
        last[i] = -1;
    for (;;) {
        value v;
        bool ok = false, had = false;
        for (uint32_t n = POLLS(&r); n > 0 && !had; n--) {
            had = tuza_chan_try_recv(data, &v, &ok);
            if (!had)
                tuza_gosched();
        }
        if (!had)
            ok = tuza_chan_recv(data, &v);
        if (!ok)
            break;
        CHECK(v.sender < SENDERS);
        CHECK((int64_t)v.number > last[v.sender]);
        last[v.sender] = v.number;
        for (int k = 0; k < PAD; k++)
            CHECK_EQ(v.check[k], check_of(v.sender, v.number, k));
        mine++;
        total += v.number;
        size_t n = tuza_chan_len(data);
        CHECK(n <= tuza_chan_cap(data));
    }
    __atomic_add_fetch(&count, mine, __ATOMIC_RELAXED);
    __atomic_add_fetch(&sum, total, __ATOMIC_RELAXED);
    tuza_chan_unref(data);
}

static void run(size_t capacity, long operations)
{
    each = (uint32_t)(operations / 2 / SENDERS) + 1;
    flag_set(&senders_left, SENDERS);
    count = sum = 0;
    data = tuza_chan_make(sizeof(value), capacity);
    for (uintptr_t i = 0; i < SENDERS || i < RECEIVERS; i++) {
        if (i < SENDERS) {
            tuza_chan_ref(data);
            GO(sender, (void *)i);
        }
        if (i < RECEIVERS) {
            tuza_chan_ref(data);
            GO(receiver, (void *)i);
        }
    }
    settle_slowly();
    CHECK_EQ(count, (uint64_t)SENDERS * each);
    CHECK_EQ(sum, (uint64_t)SENDERS * each * (each - 1) / 2);
    tuza_chan_unref(data);
}

/* CH-05, CH-11, CH-16, CH-20, CH-22: on an unbuffered channel. */
TEST(unbuffered)
{
    run(0, stress_amount(5000000));
}

/* CH-06, CH-08, CH-11, CH-16, CH-20: with one place, where every operation finds it full or empty. */
TEST(one_place)
{
    run(1, stress_amount(4000000));
}

/* CH-06, CH-08, CH-11, CH-16, CH-20: with a few, and with many. */
TEST(buffered)
{
    run(5, stress_amount(4000000));
    run(1000, stress_amount(4000000));
}

static struct {
    tuza_chan *c;
    int woken;
} closing;

static void wait_closed(void *arg)
{
    tuza_chan *c = arg;
    value v;
    memset(&v, 0xff, sizeof v);
    if (tuza_chan_recv(c, &v)) {
        CHECK_EQ(v.sender, 77);
    } else {
        CHECK_EQ(v.sender, 0);
        CHECK_EQ(v.check[PAD - 1], 0);
    }
    flag_add(&closing.woken, 1);
    tuza_chan_unref(c);
}

static void close_soon(void *arg)
{
    tuza_chan_close(arg);
    tuza_chan_unref(arg);
}

/* CH-16, CH-17: close races with receivers that come to wait, over and over;
 * the last to leave frees the channel. */
TEST(close_race)
{
    stress_random r = stress_start(999);
    long rounds = stress_amount(200000);
    long started = 0;
    closing.woken = 0;
    for (long i = 0; i < rounds; i++) {
        tuza_chan *c = tuza_chan_make(sizeof(value), stress_next(&r, 3));
        uint32_t waiters = stress_next(&r, 4), closer = stress_next(&r, 4);
        for (uint32_t k = 0; k <= 4; k++) {
            if (k == closer)
                GO(close_soon, tuza_chan_ref(c));
            if (k < waiters)
                GO(wait_closed, tuza_chan_ref(c));
        }
        started += waiters;
        tuza_chan_unref(c);
        if (stress_next(&r, 3) == 0)
            tuza_gosched();
        if (i % 100 == 99)
            settle(1);
    }
    settle(1);
    CHECK_EQ(closing.woken, started);
}

TEST_MAIN_TUZA()
