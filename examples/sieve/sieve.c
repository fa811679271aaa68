/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The prime sieve of the Go tutorial: prints the first N primes.
 *
 * A generator sends 2, 3, 4, ... down a chain of goroutines. Each of them
 * holds a prime and passes on the numbers that it does not divide; the first
 * number to come out at the end of the chain is the next prime, and gets a
 * goroutine of its own there. Slow as a sieve, but each number crosses many
 * unbuffered channels: that is what it shows.
 *
 * As in Go, the chain has no end: the process ends when main returns, with
 * its goroutines still waiting on each other.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tuza.h>

struct filter {
    TUZA_CHAN(uint64_t) in;
    TUZA_CHAN(uint64_t) out;
    uint64_t prime;
};

static void generate(void *arg)
{
    TUZA_CHAN(uint64_t) out = *(TUZA_CHAN(uint64_t) *)arg;
    for (uint64_t n = 2;; n++)
        TUZA_CHAN_SEND(out, n);
}

static void filter(void *arg)
{
    const struct filter *f = arg;
    uint64_t n;
    while (TUZA_CHAN_RECV(f->in, &n))
        if (n % f->prime != 0)
            TUZA_CHAN_SEND(f->out, n);
}

static bool started(int err)
{
    if (err != 0)
        fprintf(stderr, "sieve: no more goroutines: %s\n", strerror(-err));
    return err == 0;
}

static int app(int argc, char **argv)
{
    long count = 2500;
    if (argc > 1) {
        char *end;
        errno = 0;
        count = strtol(argv[1], &end, 10);
        if (argc > 2 || end == argv[1] || *end != '\0' || errno != 0 || count < 0) {
            fprintf(stderr, "usage: sieve [how many primes]\n");
            return 2;
        }
    }
    TUZA_CHAN(uint64_t) c = TUZA_CHAN_MAKE(uint64_t, 0);
    if (!started(tuza_go_copy(generate, &c, sizeof c)))
        return 1;
    for (long i = 0; i < count; i++) {
        struct filter f = {.in = c, .out = TUZA_CHAN_MAKE(uint64_t, 0)};
        TUZA_CHAN_RECV(f.in, &f.prime);
        printf("%llu\n", (unsigned long long)f.prime);
        if (!started(tuza_go_copy(filter, &f, sizeof f)))
            return 1;
        c = f.out;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "sieve: write error\n");
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    int err = tuza_run(app, argc, argv);
    fprintf(stderr, "sieve: the runtime does not start: %s\n", strerror(-err));
    return 1;
}
