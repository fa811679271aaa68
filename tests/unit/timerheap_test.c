/* SPDX-License-Identifier: BSD-3-Clause */
/* The timer heap against a sorted list, over random adds and removes. */
#include "event/timerheap.h"
#include "tz_test.h"

static uint64_t seed = 88172645463325252u;
static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

enum { TIMERS = 20000 };
static tz_timer timers[TIMERS];

/* PR-13: the heap gives timers in the order in which they are due, also with many at one instant, at the ends
 * of the range, and past the size it started with. */
TEST(sorted)
{
    static const int64_t ranges[] = {1, 2, 100, INT64_MAX};
    tz_timerheap h = {0};
    CHECK(tz_timerheap_first(&h) == NULL);
    for (size_t r = 0; r < sizeof ranges / sizeof ranges[0]; r++) {
        for (int i = 0; i < TIMERS; i++) {
            timers[i].when = (int64_t)(next_random() >> 1) % ranges[r];
            CHECK_EQ(timers[i].pos, 0);
            CHECK_EQ(tz_timerheap_add(&h, &timers[i]), 0);
            CHECK(timers[i].pos != 0);
        }
        CHECK(tz_timerheap_is_valid(&h));
        int64_t last = INT64_MIN;
        for (int i = 0; i < TIMERS; i++) {
            tz_timer *t = tz_timerheap_first(&h);
            CHECK(t->when >= last);
            last = t->when;
            tz_timerheap_remove(&h, t);
            CHECK_EQ(t->pos, 0);
        }
        CHECK(tz_timerheap_first(&h) == NULL);
    }
}

/* PR-13: any timer can be removed, in any order; the others stay. */
TEST(remove_any)
{
    enum { N = 300 };
    tz_timerheap h = {0};
    for (int round = 0; round < 200; round++) {
        bool in[N] = {false};
        for (int step = 0; step < 400; step++) {
            uint32_t i = (uint32_t)(next_random() >> 20) % N;
            if (in[i])
                tz_timerheap_remove(&h, &timers[i]);
            else {
                timers[i].when = (int64_t)(next_random() % 50) - 25;
                CHECK_EQ(tz_timerheap_add(&h, &timers[i]), 0);
            }
            in[i] = !in[i];
            CHECK(tz_timerheap_is_valid(&h));
            const tz_timer *first = tz_timerheap_first(&h);
            uint32_t n = 0;
            for (int k = 0; k < N; k++) {
                CHECK_EQ(timers[k].pos != 0, in[k]);
                if (in[k]) {
                    n++;
                    CHECK(first && first->when <= timers[k].when);
                }
            }
            CHECK_EQ(h.n, n);
        }
        for (int i = 0; i < N; i++)
            if (in[i])
                tz_timerheap_remove(&h, &timers[i]);
        CHECK_EQ(h.n, 0);
    }
}

/* PR-13: those that leave as the first alone, among others that are removed anywhere. */
TEST(stay)
{
    enum { N = 1000 };
    tz_timerheap h = {0};
    for (int i = 0; i < N; i++) {
        timers[i].when = (int64_t)(next_random() % 500);
        timers[i].stays = i % 2;
        CHECK_EQ(tz_timerheap_add(&h, &timers[i]), 0);
        CHECK_EQ(timers[i].pos == 0, i % 2);
    }
    for (int i = 0; i < N; i += 4)
        tz_timerheap_remove(&h, &timers[i]);
    CHECK(tz_timerheap_is_valid(&h));
    int64_t last = INT64_MIN;
    int left = 0;
    for (tz_timer *t; (t = tz_timerheap_first(&h)) != NULL; left++) {
        CHECK(t->when >= last);
        last = t->when;
        tz_timerheap_remove(&h, t);
        t->stays = false;
    }
    CHECK_EQ(left, N - N / 4);
}

/* PR-13: the check of the invariants sees them broken. */
TEST(check_can_fail)
{
    tz_timerheap h = {0};
    for (int i = 0; i < 10; i++) {
        timers[i].when = i;
        CHECK_EQ(tz_timerheap_add(&h, &timers[i]), 0);
    }
    CHECK(tz_timerheap_is_valid(&h));
    h.items[7].when = -1;
    CHECK(!tz_timerheap_is_valid(&h));
    h.items[7].when = tz_timerheap_item_timer(&h.items[7])->when;
    tz_timerheap_item_timer(&h.items[7])->pos++;
    CHECK(!tz_timerheap_is_valid(&h));
    tz_timerheap_item_timer(&h.items[7])->pos--;
    for (int i = 0; i < 10; i++)
        tz_timerheap_remove(&h, &timers[i]);
}

TEST_MAIN()
