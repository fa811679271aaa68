/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sieve [n]: the n-th prime by a chain of goroutines over unbuffered
 * channels, one filter for each prime; time in milliseconds. The result is
 * compared with one found by division (22,307 for the 2,500th).
 */
#include "bench_tuza.h"

struct filter {
    tuza_chan *in, *out;
    int64_t prime;
};

static void generator_main(void *arg)
{
    for (int64_t i = 2;; i++)
        bench_send(arg, i);
}

static void filter_main(void *arg)
{
    const struct filter *f = arg;
    for (;;) {
        int64_t i = bench_recv(f->in);
        if (i % f->prime != 0)
            bench_send(f->out, i);
    }
}

static bool is_prime(int64_t candidate)
{
    for (int64_t d = 2; d * d <= candidate; d++)
        if (candidate % d == 0)
            return false;
    return true;
}

static int64_t prime_by_division(int64_t n)
{
    int64_t candidate = 1;
    while (n > 0)
        n -= is_prime(++candidate);
    return candidate;
}

static int app(int argc, char **argv)
{
    int64_t n = bench_arg(argc, argv, 1, 2500, 1);

    int64_t start = bench_now();
    struct filter f = {.in = tuza_chan_make(sizeof(int64_t), 0)};
    bench_go(generator_main, f.in);
    for (int64_t i = 1;; i++) {
        f.prime = bench_recv(f.in);
        if (i == n)
            break;
        f.out = tuza_chan_make(sizeof(int64_t), 0);
        bench_go_copy(filter_main, &f, sizeof f);
        f.in = f.out;
    }
    double ms = (double)(bench_now() - start) / 1e6;
    if (f.prime != prime_by_division(n))
        bench_die("sieve: %" PRId64 " is not the prime asked for", f.prime);
    bench_print("sieve", ms, "ms");
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
