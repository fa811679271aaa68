/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TUZA_SCHED_SEED: a program whose orders differ with the seed, and only with that. It is this one, with an
 * argument; what it prints is its schedule.
 */
// ctest: not arm64
#include "help.h"

enum { WORKERS = 5, STEPS = 6, LENGTH = 4096 };

/* ---- the sample ---- */

static char trace[LENGTH];
static size_t length;

/* There is one P, but a note is still the work of one goroutine at a time: no call is made in between. */
static void note(char who, char what)
{
    if (length < sizeof trace - 2) {
        trace[length++] = who;
        trace[length++] = what;
    }
}

typedef struct worker {
    char name;
    tuza_chan *in, *also, *out;
    int *account, *over;
} worker;

/* Reads, gives way, writes: now and then an update is lost. Which one, is the schedule. */
static void work(void *arg)
{
    worker *w = arg;
    for (int i = 0; i < STEPS; i++) {
        int read = *w->account;
        note(w->name, (char)('0' + i));
        if (i == 2 && w->name == 'b')
            usleep(3000); /* others are queued, and sysmon leaves it its P all the same */
        if (i == 3 && w->name == 'c')
            for (double end = tz_test_seconds() + 0.03; tz_test_seconds() < end;)
                ;
        if (i % 2)
            tuza_gosched();
        else
            tuza_chan_send(w->out, &(int64_t){w->name});
        *w->account = read + 1;
    }
    ++*w->over;
}

static void drain(void *arg)
{
    worker *w = arg;
    int64_t v;
    tuza_case k[] = {TUZA_RECV(w->in, &v), TUZA_RECV(w->also, &v)};
    for (size_t at; at = tuza_select(k, 2), k[at].ok;) /* both are closed together */
        note(at ? 'e' : 'd', (char)v);
}

static void sleep_and_note(void *arg)
{
    tuza_sleep(TUZA_SECOND);
    note('s', *(const char *)arg);
}

static void in_bubble(void *arg)
{
    (void)arg;
    static const char names[] = "uvwxyz";
    for (size_t i = 0; names[i]; i++)
        GO(sleep_and_note, (void *)(uintptr_t)&names[i]);
    tuza_bubble_sleep(TUZA_SECOND);
}

static int sample(int argc, char **argv)
{
    (void)argc, (void)argv;
    CHECK_EQ(tuza_gomaxprocs(0), 1); /* whatever the environment says, */
    CHECK_EQ(tuza_gomaxprocs(4), 1); /* and the program */
    CHECK_EQ(tuza_gomaxprocs(0), 1);
    static worker w[WORKERS];
    static int account, over;
    tuza_chan *c = tuza_chan_make(8, 1), *d = tuza_chan_make(8, 1);
    for (int i = 0; i < WORKERS; i++) {
        w[i] = (worker){.name = (char)('a' + i),
                        .in = c,
                        .also = d,
                        .out = i % 2 ? c : d,
                        .account = &account,
                        .over = &over};
        GO(work, &w[i]);
    }
    GO(drain, &w[0]);
    while (over < WORKERS)
        tuza_gosched();
    tuza_chan_close(c);
    tuza_chan_close(d);
    CHECK_EQ(tuza_bubble_run(in_bubble, NULL), 0);
    printf("%s %s\n", account < WORKERS * 2 ? "lost" : "kept", trace);
    return 0;
}

/* ---- the test ---- */

static const char *program;

static void run(const char *environment, char *out)
{
    char command[512];
    snprintf(command, sizeof command, "%s %s sample", environment, program);
    FILE *f = popen(command, "r");
    CHECK(f);
    CHECK(fgets(out, LENGTH + 16, f));
    CHECK_EQ(pclose(f), 0);
}

static void run_seed(int seed, int procs, char *out)
{
    char environment[64];
    snprintf(environment, sizeof environment, "TUZA_SCHED_SEED=%d GOMAXPROCS=%d", seed, procs);
    run(environment, out);
}

/* SC-01, SE-07 are what it plays with: the order of a queue, and of what is ready at once. */
TEST(replays)
{
    enum { SEEDS = 24 };
    static char seen[SEEDS][LENGTH + 16], again[LENGTH + 16];
    int lost = 0, different = 0;
    for (int seed = 0; seed < SEEDS; seed++) {
        run_seed(seed, 1, seen[seed]);
        run_seed(seed, seed % 2 ? 1 : 8, again);
        CHECK_STR(again, seen[seed]);
        lost += strncmp(seen[seed], "lost", 4) == 0;
        int like = 0;
        for (int other = 0; other < seed; other++)
            like += strcmp(seen[other], seen[seed]) == 0;
        different += like == 0;
    }
    CHECK_EQ(different, SEEDS); /* of some 10^20 orders */
    CHECK(lost > 0 && lost < SEEDS);
    for (int seed = 0; seed < SEEDS; seed++) { /* the failing order is had again */
        if (strncmp(seen[seed], "lost", 4) != 0)
            continue;
        for (int i = 0; i < 5; i++) {
            run_seed(seed, 2, again);
            CHECK_STR(again, seen[seed]);
        }
        break;
    }
}

int main(int argc, char **argv)
{
    program = argv[0];
    if (argc == 2 && strcmp(argv[1], "sample") == 0)
        return -tuza_run(sample, argc, argv);
    return tz_test_main(argc, argv);
}
