/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Channels as a program sees them. What ends the process is in crash/chan.c;
 * the order among waiters needs a look inside: unit/chan_order_test.c.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=1 TUZA_CHAOS=11
// ctest: env GOMAXPROCS=4 TUZA_CHAOS=12 | env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1
#include "go/help.h"

static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 24, 64, 255, 4096, 65535};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static void fill(unsigned char *elem, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        elem[i] = (unsigned char)(seed + i * 7 + (i >> 8));
}

static bool filled(const unsigned char *elem, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        if (elem[i] != (unsigned char)(seed + i * 7 + (i >> 8)))
            return false;
    return true;
}

enum { ROUNDS = 5 };

static void send_patterns(void *arg)
{
    tuza_chan *c = arg;
    size_t n = tuza_chan_elem_size(c);
    unsigned char *elem = malloc(n + 1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        fill(elem, n, i);
        tuza_chan_send(c, n ? elem : NULL);
        memset(elem, 0xee, n + 1); /* the receiver has a copy */
    }
    free(elem);
    tuza_chan_unref(c);
}

/* CH-02: elements of every size up to 65,535 bytes are copied whole, and nothing beside them is touched;
 * zero-size elements work and need no memory. */
TEST(element_sizes)
{
    for (size_t s = 0; s < SIZES; s++) {
        for (size_t capacity = 0; capacity < 4; capacity++) {
            tuza_chan *c = tuza_chan_make(sizes[s], capacity);
            CHECK_EQ(tuza_chan_elem_size(c), sizes[s]);
            unsigned char *elem = malloc(sizes[s] + 2);
            GO(send_patterns, tuza_chan_ref(c));
            for (unsigned i = 0; i < ROUNDS; i++) {
                memset(elem, 0x55, sizes[s] + 2);
                CHECK(tuza_chan_recv(c, sizes[s] ? elem + 1 : NULL));
                CHECK_EQ(elem[0], 0x55);
                CHECK_EQ(elem[sizes[s] + 1], 0x55);
                if (sizes[s])
                    CHECK(filled(elem + 1, sizes[s], i));
            }
            free(elem);
            tuza_chan_unref(c);
        }
    }
    settle(1);
}

/* CH-03: len, cap and the element size of a nil channel are 0; len counts what is buffered. */
TEST(len_and_cap)
{
    CHECK_EQ(tuza_chan_len(NULL), 0);
    CHECK_EQ(tuza_chan_cap(NULL), 0);
    CHECK_EQ(tuza_chan_elem_size(NULL), 0);
    tuza_chan *c = tuza_chan_make(4, 0);
    CHECK_EQ(tuza_chan_len(c), 0);
    CHECK_EQ(tuza_chan_cap(c), 0);
    tuza_chan_unref(c);
    c = tuza_chan_make(4, 10);
    CHECK_EQ(tuza_chan_cap(c), 10);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(tuza_chan_len(c), i);
        CHECK(tuza_chan_try_send(c, &i));
    }
    CHECK_EQ(tuza_chan_len(c), 10);
    int v;
    CHECK(try_recv(c, &v));
    CHECK_EQ(tuza_chan_len(c), 9);
    tuza_chan_close(c);
    CHECK_EQ(tuza_chan_len(c), 9);
    CHECK_EQ(tuza_chan_cap(c), 10);
    tuza_chan_unref(c);
}

static struct {
    tuza_chan *c;
    int before, after, receiving;
} stage;

static void send_staged(void *arg)
{
    int v = 42;
    flag_set(&stage.before, 1);
    tuza_chan_send(arg, &v);
    CHECK(flag_get(&stage.receiving));
    flag_set(&stage.after, 1);
}

/* A while in which others run; what it is followed by holds however short it was. */
static void meanwhile(void)
{
    for (int i = 0; i < 20; i++) {
        tuza_gosched();
        tuza_sleep(TUZA_MILLISECOND);
    }
}

/* CH-03, CH-05: a send on an unbuffered channel ends no earlier than the receive begins;
 * a waiting sender does not count in len. */
TEST(unbuffered_send_waits)
{
    memset(&stage, 0, sizeof stage);
    tuza_chan *c = tuza_chan_make(sizeof(int), 0);
    GO(send_staged, c);
    EVENTUALLY(flag_get(&stage.before));
    meanwhile();
    CHECK_EQ(flag_get(&stage.after), 0);
    CHECK_EQ(tuza_chan_len(c), 0);
    int v = 0;
    flag_set(&stage.receiving, 1);
    CHECK(tuza_chan_recv(c, &v));
    CHECK_EQ(v, 42);
    settle(1);
    CHECK_EQ(stage.after, 1);
    tuza_chan_unref(c);
}

/* CH-06: n sends on a channel of capacity n do not block, the next one does; first in, first out. */
TEST(buffered_send_waits_when_full)
{
    memset(&stage, 0, sizeof stage);
    tuza_chan *c = tuza_chan_make(sizeof(int), 10);
    for (int i = 0; i < 10; i++)
        tuza_chan_send(c, &i); /* were it to block, the process would be a deadlock */
    int v = 10;
    CHECK(!tuza_chan_try_send(c, &v));
    GO(send_staged, c);
    EVENTUALLY(flag_get(&stage.before));
    meanwhile();
    CHECK_EQ(flag_get(&stage.after), 0);
    flag_set(&stage.receiving, 1);
    for (int i = 0; i < 10; i++) {
        CHECK(tuza_chan_recv(c, &v));
        CHECK_EQ(v, i);
    }
    CHECK(tuza_chan_recv(c, &v));
    CHECK_EQ(v, 42);
    settle(1);
    tuza_chan_unref(c);
}

static void close_it(void *arg)
{
    tuza_chan_close(arg);
    tuza_chan_unref(arg);
}

/* CH-11: a channel that is ready throughout (it has a value,
 * then is also closed) is never reported as not ready. */
TEST(try_receive_race)
{
    for (int i = 0; i < 2000 / SCALE; i++) {
        tuza_chan *c = tuza_chan_make(sizeof(int), 1);
        int v = 7;
        bool ok = false;
        tuza_chan_send(c, &v);
        v = 0;
        GO(close_it, tuza_chan_ref(c));
        CHECK(tuza_chan_try_recv(c, &v, &ok));
        CHECK(ok);
        CHECK_EQ(v, 7);
        /* Not ready, or closed; once seen closed it stays that. */
        while (!tuza_chan_try_recv(c, &v, &ok))
            tuza_gosched();
        CHECK(!ok);
        CHECK_EQ(v, 0);
        CHECK(tuza_chan_try_recv(c, &v, &ok));
        CHECK(!ok);
        tuza_chan_unref(c);
    }
    settle(1);
}

/* CH-11: the try forms where they would block: elem and ok are left alone, nil channels never are ready. */
TEST(try_forms_that_fail)
{
    int v = 5;
    bool ok = true;
    CHECK(!tuza_chan_try_send(NULL, &v));
    CHECK(!tuza_chan_try_recv(NULL, &v, &ok));
    tuza_chan *c = tuza_chan_make(sizeof(int), 0);
    CHECK(!tuza_chan_try_send(c, &v));
    CHECK(!tuza_chan_try_recv(c, &v, &ok));
    CHECK(!tuza_chan_try_recv(c, &v, NULL));
    CHECK_EQ(v, 5);
    CHECK(ok);
    ok = false;
    CHECK(!tuza_chan_try_recv(c, &v, &ok));
    CHECK(!ok);
    tuza_chan_unref(c);
}

static void echo(void *arg)
{
    tuza_chan **c = arg;
    int v;
    while (tuza_chan_recv(c[0], &v))
        tuza_chan_send(c[1], &v);
    tuza_chan_close(c[1]);
}

/* CH-09, CH-11: a try_send succeeds as soon as a receiver waits, a try_recv as soon as a sender does. */
TEST(try_forms_meet_waiters)
{
    tuza_chan *c[2] = {tuza_chan_make(sizeof(int), 0), tuza_chan_make(sizeof(int), 0)};
    GO(echo, c);
    for (int i = 0; i < 1000 / SCALE; i++) {
        int v = 0;
        bool ok = false;
        while (!tuza_chan_try_send(c[0], &i))
            tuza_gosched();
        while (!tuza_chan_try_recv(c[1], &v, &ok))
            tuza_gosched();
        CHECK(ok);
        CHECK_EQ(v, i);
    }
    tuza_chan_close(c[0]);
    CHECK(!tuza_chan_recv(c[1], NULL));
    settle(1);
    tuza_chan_unref(c[0]);
    tuza_chan_unref(c[1]);
}

/* CH-16: a closed channel is drained first, with true, then gives zeros and false for ever, in every form. */
TEST(closed_channel)
{
    for (size_t capacity = 0; capacity < 3; capacity++) {
        tuza_chan *c = tuza_chan_make(sizeof(int), capacity);
        int v;
        bool ok;
        for (int i = 0; i < (int)capacity; i++) {
            v = 100 + i;
            tuza_chan_send(c, &v);
        }
        tuza_chan_close(c);
        for (int i = 0; i < (int)capacity; i++) {
            CHECK(tuza_chan_recv(c, &v));
            CHECK_EQ(v, 100 + i);
        }
        for (int i = 0; i < 3; i++) {
            v = 1;
            CHECK(!tuza_chan_recv(c, &v));
            CHECK_EQ(v, 0);
            CHECK(!tuza_chan_recv(c, NULL));
            v = 1;
            ok = true;
            CHECK(tuza_chan_try_recv(c, &v, &ok));
            CHECK(!ok);
            CHECK_EQ(v, 0);
            v = 1;
            CHECK(!tuza_chan_try_recv(c, &v, NULL));
            CHECK_EQ(v, 0);
        }
        tuza_chan_unref(c);
    }
}

/* CH-16: a NULL destination throws the value away, buffered or straight from a sender. */
TEST(receive_into_nothing)
{
    tuza_chan *c = tuza_chan_make(sizeof(int), 1);
    int v = 3;
    tuza_chan_send(c, &v);
    CHECK(tuza_chan_recv(c, NULL));
    tuza_chan_send(c, &v);
    bool ok = false;
    CHECK(tuza_chan_try_recv(c, NULL, &ok));
    CHECK(ok);
    tuza_chan_unref(c);
    c = tuza_chan_make(4096, 0);
    GO(send_patterns, tuza_chan_ref(c));
    for (int i = 0; i < ROUNDS; i++)
        CHECK(tuza_chan_recv(c, NULL));
    tuza_chan_unref(c);
    settle(1);
}

static int woken;
static void wait_for_close(void *arg)
{
    long v = -1;
    CHECK(!tuza_chan_recv(arg, &v));
    CHECK_EQ(v, 0);
    flag_add(&woken, 1);
}

/* CH-17: close wakes every receiver; each gets a zero value and false. */
TEST(close_wakes_all)
{
    flag_set(&woken, 0);
    tuza_chan *c = tuza_chan_make(sizeof(long), 0);
    for (int i = 0; i < 100; i++)
        GO(wait_for_close, c);
    meanwhile();
    CHECK_EQ(flag_get(&woken), 0);
    tuza_chan_close(c);
    settle(1);
    CHECK_EQ(flag_get(&woken), 100);
    tuza_chan_unref(c);
}

/* CH-19: all that was written before a send is seen after the receive (plain memory, in both directions; a
 * race detector has the last word). */
static struct {
    tuza_chan *there, *back;
    long plain[16];
} letter;

static void post(void *arg)
{
    (void)arg;
    for (long i = 0; i < 2000 / SCALE; i++) {
        for (int k = 0; k < 16; k++)
            letter.plain[k] = i + k;
        tuza_chan_send(letter.there, NULL);
        CHECK(tuza_chan_recv(letter.back, NULL));
    }
}

TEST(send_happens_before_receive)
{
    for (size_t capacity = 0; capacity < 2; capacity++) {
        letter.there = tuza_chan_make(0, capacity);
        letter.back = tuza_chan_make(0, capacity);
        GO(post, NULL);
        for (long i = 0; i < 2000 / SCALE; i++) {
            CHECK(tuza_chan_recv(letter.there, NULL));
            for (int k = 0; k < 16; k++) {
                CHECK_EQ(letter.plain[k], i + k);
                letter.plain[k] = -1;
            }
            tuza_chan_send(letter.back, NULL);
        }
        settle(1);
        tuza_chan_unref(letter.there);
        tuza_chan_unref(letter.back);
    }
}

static struct {
    tuza_chan *sem, *lock;
    long plain;
    int inside, most;
} guarded;

static void guarded_work(void *arg)
{
    (void)arg;
    for (int i = 0; i < 500 / SCALE; i++) {
        tuza_chan_send(guarded.sem, NULL);
        int now = flag_add(&guarded.inside, 1);
        CHECK(now <= 3);
        tuza_chan_send(guarded.lock, NULL);
        long was = guarded.plain;
        if (i % 16 == 0)
            tuza_gosched();
        guarded.plain = was + 1;
        tuza_chan_recv(guarded.lock, NULL);
        flag_add(&guarded.inside, -1);
        tuza_chan_recv(guarded.sem, NULL);
    }
}

/* CH-19: the k-th receive on a channel of capacity C happens before the (k+C)-th send has ended: a channel is
 * a semaphore, and with C=1 a lock. */
TEST(receive_happens_before_later_send)
{
    memset(&guarded, 0, sizeof guarded);
    guarded.sem = tuza_chan_make(0, 3);
    guarded.lock = tuza_chan_make(0, 1);
    for (int i = 0; i < 10; i++)
        GO(guarded_work, NULL);
    settle(1);
    CHECK_EQ(guarded.plain, 10 * (500 / SCALE));
    tuza_chan_unref(guarded.sem);
    tuza_chan_unref(guarded.lock);
}

static long published;
static void publish(void *arg)
{
    published = 99;
    tuza_chan_close(arg);
}

/* CH-19: close happens before the receive that returns false because of it, blocking or polling. */
TEST(close_happens_before)
{
    for (int i = 0; i < 200 / SCALE; i++) {
        tuza_chan *c = tuza_chan_make(0, (size_t)i % 3);
        bool ok = true;
        published = 0;
        GO(publish, c);
        if (i % 2)
            CHECK(!tuza_chan_recv(c, NULL));
        else
            while (!tuza_chan_try_recv(c, NULL, &ok))
                tuza_gosched();
        CHECK_EQ(published, 99);
        settle(1);
        tuza_chan_unref(c);
    }
}

enum { PARTIES = 8, EACH = 1000 };
static unsigned char seen[PARTIES * EACH];

static struct many {
    tuza_chan *c, *done;
} many;

static void send_numbers(void *arg)
{
    int from = (int)(intptr_t)arg * EACH;
    for (int i = from; i < from + EACH; i++)
        tuza_chan_send(many.c, &i);
    tuza_chan_send(many.done, NULL);
}

static void receive_numbers(void *arg)
{
    (void)arg;
    int v, last[PARTIES];
    memset(last, -1, sizeof last);
    while (tuza_chan_recv(many.c, &v)) {
        CHECK(v >= 0 && v < PARTIES * EACH);
        CHECK_EQ(__atomic_add_fetch(&seen[v], 1, __ATOMIC_RELAXED), 1);
        CHECK(v > last[v / EACH]); /* one sender's values keep their order */
        last[v / EACH] = v;
    }
    CHECK_EQ(v, 0);
    tuza_chan_send(many.done, NULL);
}

/* CH-20, CH-23: many senders and receivers lose and duplicate nothing;
 * a loop over a channel ends when it is closed and drained. */
TEST(many_to_many)
{
    static const size_t capacities[] = {0, 1, 2, 7, 128, 10000};
    for (size_t k = 0; k < sizeof capacities / sizeof capacities[0]; k++) {
        memset(seen, 0, sizeof seen);
        many.c = tuza_chan_make(sizeof(int), capacities[k]);
        many.done = tuza_chan_make(0, 0);
        for (intptr_t i = 0; i < PARTIES; i++) {
            GO(send_numbers, (void *)i);
            GO(receive_numbers, NULL);
        }
        for (int i = 0; i < PARTIES; i++)
            tuza_chan_recv(many.done, NULL);
        tuza_chan_close(many.c);
        for (int i = 0; i < PARTIES; i++)
            tuza_chan_recv(many.done, NULL);
        for (int i = 0; i < PARTIES * EACH; i++)
            CHECK_EQ(seen[i], 1);
        settle(1);
        tuza_chan_unref(many.c);
        tuza_chan_unref(many.done);
    }
}

static void unref_later(void *arg)
{
    tuza_chan *c = arg;
    tuza_gosched();
    int v = 1;
    tuza_chan_send(c, &v);
    tuza_chan_unref(c);
}

/* CH-20: each user has its own reference, and the last one to go frees the channel, whoever that is. */
TEST(references)
{
    CHECK(tuza_chan_ref(NULL) == NULL);
    tuza_chan_unref(NULL);
    for (int i = 0; i < 1000 / SCALE; i++) {
        tuza_chan *c = tuza_chan_make(sizeof(int), (size_t)i % 2);
        CHECK(tuza_chan_ref(c) == c);
        GO(unref_later, c);
        if (i % 3)
            tuza_chan_recv(c, NULL);
        else if (i % 2 == 0)
            while (!try_recv(c, NULL))
                tuza_gosched();
        tuza_chan_unref(c);
    }
    settle(1);
}

static void generate(void *arg)
{
    for (int i = 2;; i++) {
        if (i > 600)
            break;
        tuza_chan_send(arg, &i);
    }
    tuza_chan_close(arg);
    tuza_chan_unref(arg);
}

struct sieve {
    tuza_chan *in, *out;
    int prime;
};

static void sieve_filter(void *arg)
{
    struct sieve *f = arg;
    int v;
    while (tuza_chan_recv(f->in, &v))
        if (v % f->prime)
            tuza_chan_send(f->out, &v);
    tuza_chan_close(f->out);
    tuza_chan_unref(f->in);
    tuza_chan_unref(f->out);
}

/* CH-24, CH-23: the prime sieve runs to completion. */
TEST(sieve)
{
    tuza_chan *c = tuza_chan_make(sizeof(int), 0);
    GO(generate, tuza_chan_ref(c));
    int prime, primes = 0, last = 0;
    while (tuza_chan_recv(c, &prime)) {
        primes++;
        last = prime;
        struct sieve f = {c, tuza_chan_make(sizeof(int), 0), prime};
        tuza_chan *next = tuza_chan_ref(f.out);
        CHECK_EQ(tuza_go_copy(sieve_filter, &f, sizeof f), 0); /* our reference to c goes along */
        c = next;
    }
    tuza_chan_unref(c);
    CHECK_EQ(primes, 109);
    CHECK_EQ(last, 599);
    settle(1);
}

static int passed_nil;
static void block_on_nil(void *arg)
{
    int v = 0;
    flag_add(&woken, 1);
    if (arg)
        tuza_chan_send(NULL, &v);
    else
        tuza_chan_recv(NULL, &v);
    flag_set(&passed_nil, 1);
}

/* CH-04: send and receive on a nil channel block for ever, and hold up nobody else. The last test:
 * they stay. */
TEST(nil_channels)
{
    flag_set(&woken, 0);
    GO(block_on_nil, NULL);
    GO(block_on_nil, &woken);
    EVENTUALLY(flag_get(&woken) == 2);
    meanwhile();
    CHECK_EQ(flag_get(&passed_nil), 0);
    CHECK_EQ(tuza_num_goroutine(), 3);
}

TEST_MAIN_TUZA()
