/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs whose goroutines speak by select, and end when they are told to. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=4 TUZA_CHAOS=51
#include "go/select.h"

/* ---- power series ---- */

/* The coefficients of a series, one for each that is asked for. */
typedef struct series {
    tuza_chan *ask, *answer;
} series;

enum { SERIES = 1000, TERMS = 24, PRIME = 1000003 };
static series all[SERIES];
static int nall;
static tuza_chan *stop;

static series series_new(void)
{
    series s = {tuza_chan_make(0, 0), chan_of(0)};
    int at = flag_add(&nall, 1) - 1;
    CHECK(at < SERIES);
    all[at] = s;
    return s;
}

/* False: all is over. */
static bool asked(series s)
{
    tuza_case cases[] = {TUZA_RECV(s.ask, NULL), TUZA_RECV(stop, NULL)};
    return tuza_select(cases, 2) == 0;
}

static bool answered(series s, int64_t v)
{
    tuza_case cases[] = {TUZA_RECV(stop, NULL), TUZA_SEND(s.answer, &v)};
    return tuza_select(cases, 2) == 1;
}

static bool term(series s, int64_t *v)
{
    tuza_case ask[] = {TUZA_SEND(s.ask, NULL), TUZA_RECV(stop, NULL)};
    tuza_case answer[] = {TUZA_RECV(s.answer, v), TUZA_RECV(stop, NULL)};
    return tuza_select(ask, 2) == 0 && tuza_select(answer, 2) == 0;
}

static void ones(void *arg)
{
    series s = *(series *)arg;
    while (asked(s) && answered(s, 1))
        ;
}

typedef struct operation {
    series in[2], out[2];
} operation;

/* in[0] to both outs, each at its own pace. */
static void split(void *arg)
{
    operation o = *(operation *)arg;
    int64_t terms[2 * TERMS];
    int had = 0, given[2] = {0, 0};
    for (;;) {
        tuza_case cases[] = {TUZA_RECV(o.out[0].ask, NULL), TUZA_RECV(o.out[1].ask, NULL),
                             TUZA_RECV(stop, NULL)};
        size_t who = tuza_select(cases, 3);
        if (who == 2)
            return;
        CHECK(had < 2 * TERMS);
        if (given[who] == had && !term(o.in[0], &terms[had++]))
            return;
        if (!answered(o.out[who], terms[given[who]++]))
            return;
    }
}

static series start(void (*fn)(void *), operation *o)
{
    CHECK_EQ(tuza_go_copy(fn, o, sizeof *o), 0);
    return o->out[0];
}

static operation halves(series s)
{
    operation o = {.in = {s}, .out = {series_new(), series_new()}};
    start(split, &o);
    return o;
}

/* F G = f g + x (f G' + g F' + x F' G'), where F = f + x F', and G likewise. */
static void multiply(void *arg)
{
    operation o = *(operation *)arg;
    int64_t f, g, a, b, rest = 0;
    if (!asked(o.out[0]) || !term(o.in[0], &f) || !term(o.in[1], &g) || !answered(o.out[0], f * g % PRIME))
        return;
    operation fs = halves(o.in[0]), gs = halves(o.in[1]);
    operation inner = {.in = {fs.out[0], gs.out[0]}, .out = {series_new()}};
    bool begun = false;
    while (asked(o.out[0]) && term(gs.out[1], &a) && term(fs.out[1], &b)) {
        if (!answered(o.out[0], (f * a + g * b + rest) % PRIME))
            return;
        if (!begun)
            start(multiply, &inner);
        begun = true;
        if (!term(inner.out[0], &rest))
            return;
    }
}

/* CH-24: the square of 1 / (1 - x) is 1 + 2x + 3x^2 + ..., by goroutines that ask each other; its square has
 * the tetrahedral numbers. */
TEST(power_series)
{
    stop = tuza_chan_make(0, 0);
    series one = series_new();
    CHECK_EQ(tuza_go_copy(ones, &one, sizeof one), 0);
    operation both = halves(one);
    operation o = {.in = {both.out[0], both.out[1]}, .out = {series_new()}};
    operation squares = halves(start(multiply, &o));
    operation again = {.in = {squares.out[0], squares.out[1]}, .out = {series_new()}};
    start(multiply, &again);
    int64_t v, terms = TERMS / (SCALE > 1 ? 2 : 1);
    for (int64_t i = 1; i <= terms; i++) {
        CHECK(term(again.out[0], &v));
        CHECK_EQ(v, i * (i + 1) * (i + 2) / 6 % PRIME);
    }
    tuza_chan_close(stop);
    settle(1);
    for (int i = 0; i < nall; i++) {
        tuza_chan_unref(all[i].ask);
        tuza_chan_unref(all[i].answer);
    }
    tuza_chan_unref(stop);
}

/* ---- the sieve, which ends by a context ---- */

typedef struct filter {
    tuza_chan *in, *out;
    tuza_context *ctx;
    int64_t prime;
} filter;

static void count_up(void *arg)
{
    filter f = *(filter *)arg;
    for (int64_t i = 2; tuza_chan_send_context(f.out, &i, f.ctx) == 0; i++)
        ;
    tuza_chan_unref(f.out);
}

static void sift(void *arg)
{
    filter f = *(filter *)arg;
    int64_t v;
    while (tuza_chan_recv_context(f.in, &v, f.ctx) == 1)
        if (v % f.prime && tuza_chan_send_context(f.out, &v, f.ctx) < 0)
            break;
    tuza_chan_unref(f.in);
    tuza_chan_unref(f.out);
}

/* CH-24: an endless sieve, every wait of which a context can end. */
TEST(sieve)
{
    int primes = SCALE > 1 ? 30 : 200;
    filter f = {.out = chan_of(0), .ctx = tuza_context_with_cancel(tuza_context_background())};
    f.in = tuza_chan_ref(f.out);
    CHECK_EQ(tuza_go_copy(count_up, &f, sizeof f), 0);
    for (int i = 0; i < primes; i++) {
        f.prime = get(f.in);
        f.out = chan_of(0);
        tuza_chan *next = tuza_chan_ref(f.out);
        CHECK_EQ(tuza_go_copy(sift, &f, sizeof f), 0);
        f.in = next;
    }
    CHECK_EQ(f.prime, SCALE > 1 ? 113 : 1223);
    tuza_context_cancel(f.ctx);
    settle(1);
    tuza_chan_unref(f.in);
    tuza_context_unref(f.ctx);
}

TEST_MAIN_TUZA()
