/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Panics under load: goroutines make random trees of calls, blocks and
 * deferred functions, which panic, recover, panic anew, end the goroutine,
 * block, and jump out, on all threads at once.
 *
 * Each goroutine keeps a list of what it has deferred and not yet seen run:
 * every function must come once, the last one first, and at the goroutine's
 * end none may be left. A recovered text must be the goroutine's own.
 */
// ctest: timeout 900 | env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=1 TUZA_CHAOS=1 | env GOMAXPROCS=2 TUZA_CHAOS=2 | env GOMAXPROCS=8 TUZA_CHAOS=3
#include "stress/stress.h"

enum { GOROUTINES = 50, DEPTH = 5, PENDING = 4000 };

/* One goroutine's state: it is the argument of all its functions. */
typedef struct state {
    stress_random r;
    uint32_t id, seq;
    uint32_t depth;
    uint32_t n;
    void *pending[PENDING];
    struct item *free;
} state;

/* What is deferred. */
typedef struct item {
    state *s;
    struct item *next;
    uint32_t what;
} item;

static tuza_chan *meet;
static long ended, panics, recovered;

static void some(state *s, uint32_t most);

static void pause_somehow(state *s)
{
    switch (stress_next(&s->r, 12)) {
    case 0:
        tuza_gosched();
        break;
    case 1:
        if (!tuza_chan_try_send(meet, &s->id))
            tuza_chan_try_recv(meet, NULL, NULL);
        break;
    default:
        break;
    }
}

static void run_deferred(item *i)
{
    state *s = i->s;
    CHECK(s->n > 0);
    CHECK(s->pending[s->n - 1] == i);
    s->n--;
    pause_somehow(s);
    if (i->what < 4) {
        const char *text = tuza_recover();
        if (text) {
            char own[32];
            int n = snprintf(own, sizeof own, "panic of %u: ", s->id);
            CHECK(strncmp(text, own, (size_t)n) == 0);
            CHECK_EQ(strlen(text), strlen(own) + strtoul(text + n, NULL, 10));
            flag_add(&recovered, 1);
            if (i->what == 0)
                tuza_panic("%s", text);
        }
    } else if (i->what < 8 && s->depth < DEPTH) {
        some(s, 3);
    }
    pause_somehow(s);
}

static void deferred_block(void *arg)
{
    run_deferred(arg);
}

static void deferred_heap(void *arg)
{
    item *i = arg;
    state *s = i->s;
    item copy = *i;
    CHECK(s->n > 0 && s->pending[s->n - 1] == i);
    s->pending[s->n - 1] = &copy;
    i->next = s->free;
    s->free = i;
    run_deferred(&copy);
}

static void defer_item(state *s, item *i)
{
    i->s = s;
    i->what = stress_next(&s->r, 12);
    CHECK(s->n < PENDING);
    s->pending[s->n++] = i;
}

static void body(void *arg)
{
    state *s = arg;
    uint32_t depth = s->depth++;
    uint32_t heap = stress_next(&s->r, 4);
    for (uint32_t k = 0; k < heap; k++) {
        item *i = s->free;
        if (i)
            s->free = i->next;
        else
            i = malloc(sizeof *i);
        defer_item(s, i);
        tuza_defer(deferred_heap, i);
    }
    some(s, 4);
    s->depth = depth;
}

static void block(state *s)
{
    item i;
    defer_item(s, &i);
    TUZA_DEFER(deferred_block, &i);
    some(s, 3);
}

static void raise_panic(state *s)
{
    flag_add(&panics, 1);
    uint32_t len = stress_next(&s->r, 10) ? stress_next(&s->r, 100) : stress_next(&s->r, 3000);
    char digits[16];
    int n = snprintf(digits, sizeof digits, "%u", len);
    if (len < (uint32_t)n)
        len = (uint32_t)n;
    snprintf(digits, sizeof digits, "%u", len);
    tuza_panic("panic of %u: %u%*s", s->id, len, (int)(len - strlen(digits)), "");
}

static void some(state *s, uint32_t most)
{
    uint32_t depth = s->depth;
    for (uint32_t n = stress_next(&s->r, most + 1); n > 0; n--) {
        pause_somehow(s);
        switch (stress_next(&s->r, 16)) {
        case 0:
            raise_panic(s);
            break;
        case 1:
            if (stress_next(&s->r, 10) == 0)
                tuza_goexit();
            break;
        default:
            if (depth >= DEPTH)
                break;
            if (stress_next(&s->r, 2)) {
                uint32_t pending = s->n;
                tuza_call(body, s);
                CHECK_EQ(s->n, pending);
                s->depth = depth;
            } else {
                s->depth++;
                block(s);
                s->depth = depth;
            }
        }
    }
}

/* The first one deferred, and so the last to run: nothing is left. */
static void last(void *arg)
{
    state *s = arg;
    tuza_recover();
    CHECK_EQ(s->n, 0);
    while (s->free) {
        item *i = s->free;
        s->free = i->next;
        free(i);
    }
    free(s);
    flag_add(&ended, 1);
}

static void goroutine(void *arg)
{
    state *s = calloc(1, sizeof *s);
    s->id = (uint32_t)(uintptr_t)arg;
    s->r = stress_start(s->id);
    tuza_defer(last, s);
    for (int i = 0; i < 20; i++) {
        s->depth = 0;
        tuza_call(body, s);
        CHECK_EQ(s->n, 0);
    }
}

TEST(trees)
{
    long rounds = stress_amount(600);
    meet = tuza_chan_make(sizeof(uint32_t), 10);
    for (long i = 0; i < rounds; i++)
        for (long k = 0; k < GOROUTINES; k++) {
            GO(goroutine, (void *)(i * GOROUTINES + k + 1));
            if (k % 8 == 0)
                tuza_gosched();
        }
    settle_slowly();
    CHECK_EQ(ended, rounds * GOROUTINES);
    CHECK(panics > 0 && recovered > 0);
    printf("%ld goroutines, %ld panics, %ld recoveries\n", ended, panics, recovered);
    tuza_chan_unref(meet);
}

/* A sender that panics because its channel is closed goes on, while others close, over and over. */
static uint64_t sent_panics, sends;

static void count_panic(void *unused)
{
    (void)unused;
    const char *text = tuza_recover();
    if (text) {
        CHECK_STR(text, "send on closed channel");
        flag_add(&sent_panics, 1);
    }
}

static void send_once(void *c)
{
    uint32_t v = 1;
    TUZA_DEFER(count_panic, NULL);
    tuza_chan_send(c, &v);
}

static void sender(void *c)
{
    tuza_call(send_once, c);
    flag_add(&sends, 1);
    tuza_chan_unref(c);
}

static void closer(void *c)
{
    tuza_chan_close(c);
    tuza_chan_unref(c);
}

TEST(closed_under_senders)
{
    stress_random r = stress_start(1);
    long rounds = stress_amount(50000);
    for (long i = 0; i < rounds; i++) {
        tuza_chan *c = tuza_chan_make(sizeof(uint32_t), 0);
        uint32_t at = stress_next(&r, 4);
        for (uint32_t k = 0; k < 4; k++) {
            if (k == at)
                GO(closer, tuza_chan_ref(c));
            GO(sender, tuza_chan_ref(c));
        }
        tuza_chan_unref(c);
        if (i % 50 == 49)
            settle_slowly();
    }
    settle_slowly();
    CHECK_EQ(sends, 4 * rounds);
    CHECK_EQ(sent_panics, 4 * rounds);
}

TEST_MAIN_TUZA()
