/* SPDX-License-Identifier: BSD-3-Clause */
/* Goroutines: start, order, ids, end, memory. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=1 TUZA_CHAOS=21
// ctest: env GOMAXPROCS=4 TUZA_CHAOS=22 | env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1
#include "go/help.h"

static int ran;

static void count(void *arg)
{
    (void)arg;
    flag_add(&ran, 1);
}

/* GR-07: in a fresh main there is one goroutine; each started one counts until it has ended.
 * The first test. */
TEST(num_goroutine)
{
    CHECK_EQ(tuza_num_goroutine(), 1);
    flag_set(&ran, 0);
    for (int i = 0; i < 50; i++)
        GO(count, NULL);
    settle(1);
    CHECK_EQ(flag_get(&ran), 50);
}

static tuza_chan *gate;
static void wait_at_gate(void *arg)
{
    (void)arg;
    flag_add(&ran, 1);
    tuza_chan_recv(gate, NULL);
}

/* GR-07: parked goroutines count, those of the runtime do not. */
TEST(num_goroutine_of_parked)
{
    gate = tuza_chan_make(0, 0);
    flag_set(&ran, 0);
    for (int i = 0; i < 100; i++)
        GO(wait_at_gate, NULL);
    CHECK_EQ(tuza_num_goroutine(), 101);
    EVENTUALLY(flag_get(&ran) == 100);
    CHECK_EQ(tuza_num_goroutine(), 101);
    tuza_chan_close(gate);
    settle(1);
    CHECK_EQ(tuza_num_goroutine(), 1);
    tuza_chan_unref(gate);
}

/* GR-05: the main goroutine has the id 1. */
TEST(main_id)
{
    CHECK_EQ(tuza_goid(), 1);
    tuza_gosched();
    tuza_sleep(TUZA_MILLISECOND);
    CHECK_EQ(tuza_goid(), 1);
}

enum { IDS = 100000 / SCALE };
static uint64_t ids[IDS];

static void take_id(void *arg)
{
    uint64_t id = tuza_goid();
    ids[(intptr_t)arg] = id;
    tuza_gosched();
    CHECK_EQ(tuza_goid(), id);
    flag_add(&ran, 1);
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* GR-06: ids are unique and never reused, also when the goroutines are; an id stays with its goroutine. */
TEST(unique_ids)
{
    flag_set(&ran, 0);
    for (int i = 0; i < IDS; i++) {
        GO(take_id, (void *)(intptr_t)i);
        if (i % 1000 == 999)
            EVENTUALLY(flag_get(&ran) == i + 1);
    }
    settle(1);
    qsort(ids, IDS, sizeof ids[0], compare_ids);
    CHECK(ids[0] > 1);
    for (int i = 1; i < IDS; i++)
        CHECK(ids[i] != ids[i - 1]);
}

struct message {
    char text[40];
    int number;
};

static void check_copy(void *arg)
{
    struct message *m = arg;
    CHECK_EQ((uintptr_t)m % 16, 0);
    CHECK_STR(m->text, "evaluated by the starter");
    for (int i = 0; i < 3; i++) {
        CHECK(m->number >= 0 && m->number < 100);
        tuza_gosched();
    }
    flag_add(&ran, m->number);
    m->number = -1; /* ours to write */
}

/* GR-02: the argument is evaluated and copied by the starter, before the goroutine is there. */
TEST(copied_arguments)
{
    struct message m = {"evaluated by the starter", 0};
    flag_set(&ran, 0);
    for (int i = 0; i < 100; i++) {
        m.number = i;
        CHECK_EQ(tuza_go_copy(check_copy, &m, sizeof m), 0);
        m.number = 1000000;
    }
    settle(1);
    CHECK_EQ(flag_get(&ran), 4950);
}

static void check_large_copy(void *arg)
{
    unsigned char *p = arg;
    for (size_t i = 0; i < 65536; i++)
        CHECK_EQ(p[i], (unsigned char)(i * 31));
    flag_add(&ran, 1);
}

static void no_copy(void *arg)
{
    CHECK_EQ((uintptr_t)arg % 16, 0);
    flag_add(&ran, 1);
}

/* GR-02: a copy may take up to a quarter of the stack, or nothing. */
TEST(copy_sizes)
{
    static unsigned char large[65536 + 1];
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (unsigned char)(i * 31);
    flag_set(&ran, 0);
    CHECK_EQ(tuza_go_copy(check_large_copy, large, 65536), 0);
    CHECK_EQ(tuza_go_copy(check_large_copy, large, 65537), -EINVAL);
    CHECK_EQ(tuza_go_copy(check_large_copy, large, SIZE_MAX), -EINVAL);
    CHECK_EQ(tuza_go_copy(no_copy, NULL, 1), -EINVAL);
    CHECK_EQ(tuza_go_copy(no_copy, NULL, 0), 0);
    CHECK_EQ(tuza_go_copy(no_copy, large, 0), 0);
    settle(1);
    CHECK_EQ(flag_get(&ran), 3);
}

enum { IN_ORDER = 10 };
static int order[IN_ORDER];

static void note_order(void *arg)
{
    order[flag_add(&ran, 1) - 1] = (int)(intptr_t)arg;
}

/*
 * GR-03: with GOMAXPROCS=1 the goroutine started last runs first once the starter blocks, the rest in the
 * order of their start. On a machine that stalls for a slice the starter's P may go elsewhere meanwhile: such
 * rounds prove nothing, and it takes only a few that don't.
 */
TEST(start_order)
{
    if (help_chaos())
        SKIP("chaos");
    int was = tuza_gomaxprocs(1);
    int good = 0;
    double end = tz_test_seconds() + BOUND_S;
    while (good < 3) {
        CHECK(tz_test_seconds() < end);
        flag_set(&ran, 0);
        for (int i = 0; i < IN_ORDER; i++)
            GO(note_order, (void *)(intptr_t)i);
        settle(1);
        CHECK_EQ(flag_get(&ran), IN_ORDER);
        bool right = order[0] == IN_ORDER - 1;
        for (int i = 1; i < IN_ORDER; i++)
            right = right && order[i] == i - 1;
        good += right;
    }
    tuza_gomaxprocs(was);
}

static int turns[4];
static void take_turns(void *arg)
{
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < 1000; i++) {
        flag_add(&turns[me], 1);
        tuza_gosched();
    }
}

/* GR-13: a yield lets every other runnable goroutine have a turn: none gets far ahead of another. */
TEST(gosched_is_fair)
{
    if (help_chaos())
        SKIP("chaos");
    int was = tuza_gomaxprocs(1);
    int good = 0;
    double end = tz_test_seconds() + BOUND_S;
    while (good < 3) { /* as in start_order */
        CHECK(tz_test_seconds() < end);
        memset(turns, 0, sizeof turns);
        for (intptr_t i = 0; i < 4; i++)
            GO(take_turns, (void *)i);
        int least, most;
        do {
            tuza_gosched();
            most = 0;
            least = 1000;
            for (int i = 0; i < 4; i++) {
                int t = flag_get(&turns[i]);
                most = t > most ? t : most;
                least = t < least ? t : least;
            }
        } while (most < 1000);
        settle(1);
        good += least >= 500; /* the first to be done was not far ahead of the last */
    }
    tuza_gomaxprocs(was);
}

static int stop;
static void yield_until_stopped(void *arg)
{
    (void)arg;
    flag_add(&ran, 1);
    while (!flag_get(&stop))
        tuza_gosched();
}

/* GR-13: goroutines that do nothing but yield keep neither each other nor main from going on. */
TEST(yield_progress)
{
    flag_set(&ran, 0);
    flag_set(&stop, 0);
    for (int i = 0; i < 4; i++)
        GO(yield_until_stopped, NULL);
    while (flag_get(&ran) < 4)
        tuza_gosched();
    flag_set(&stop, 1);
    settle(1);
}

static void exit_deep(int n)
{
    void (*volatile deeper)(int) = exit_deep; /* no endless recursion, but no compiler can know that */
    if (n > 0)
        deeper(n - 1);
    else
        tuza_goexit();
    flag_set(&stop, 1);
}

static void call_goexit(void *arg)
{
    (void)arg;
    flag_add(&ran, 1);
    exit_deep(20);
    flag_set(&stop, 1);
}

/* GR-10: Goexit ends the calling goroutine at any depth, and no other. */
TEST(goexit_ends_one)
{
    flag_set(&ran, 0);
    flag_set(&stop, 0);
    for (int i = 0; i < 100; i++)
        GO(call_goexit, NULL);
    settle(1);
    CHECK_EQ(flag_get(&ran), 100);
    CHECK_EQ(flag_get(&stop), 0);
}

static struct {
    uint32_t x;
    uint32_t parties, rounds;
} race;

static void pass_in_turn(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg;
    for (uint32_t i = 0; i < race.rounds; i++) {
        uint32_t mine = race.parties * i + me;
        SPIN_UNTIL(flag_get(&race.x) == mine);
        flag_set(&race.x, mine + 1);
    }
    flag_add(&ran, 1);
}

static void parallel(uint32_t parties, uint32_t rounds)
{
    race.x = 0;
    race.parties = parties;
    race.rounds = rounds;
    flag_set(&ran, 0);
    for (uintptr_t i = 0; i < parties; i++)
        GO(pass_in_turn, (void *)i);
    EVENTUALLY(flag_get(&ran) == (int)parties);
    settle(1);
}

/* GR-16: CPU-bound goroutines that wait for each other in loops without a call of tuza all run, right after
 * GOMAXPROCS was raised, and also with fewer Ps than goroutines. */
TEST(parallelism)
{
    int was = tuza_gomaxprocs(0);
    for (int i = 0; i < 3; i++) {
        tuza_gomaxprocs(1);
        tuza_gomaxprocs(2);
        parallel(2, 200 / (uint32_t)SCALE);
    }
    tuza_gomaxprocs(4);
    parallel(4, 20);
    tuza_gomaxprocs(1);
    parallel(3, 10);
    tuza_gomaxprocs(was);
}

struct link {
    tuza_chan *from, *to;
};

static void pass_on(void *arg)
{
    struct link *l = arg;
    int v;
    tuza_chan_recv(l->from, &v);
    v++;
    tuza_chan_send(l->to, &v);
    tuza_chan_unref(l->from);
    tuza_chan_unref(l->to);
}

/* GR-17: 10,000 chained goroutines pass a value on. */
TEST(chain)
{
    enum { LINKS = 10000 / (HELP_TSAN ? 10 : 1) }; /* the race detector allows about 8,000 */
    tuza_chan *first = tuza_chan_make(sizeof(int), 0);
    tuza_chan *last = tuza_chan_ref(first);
    for (int i = 0; i < LINKS; i++) {
        tuza_chan *next = tuza_chan_make(sizeof(int), 0);
        struct link l = {last, tuza_chan_ref(next)};
        CHECK_EQ(tuza_go_copy(pass_on, &l, sizeof l), 0);
        last = next;
    }
    int v = 0;
    tuza_chan_send(first, &v);
    tuza_chan_recv(last, &v);
    CHECK_EQ(v, LINKS);
    tuza_chan_unref(first);
    tuza_chan_unref(last);
    settle(1);
}

static long resident_kib(void)
{
    long kib = -1;
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %ld kB", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

static void use_stack(void *arg)
{
    volatile char page[3 * 4096];
    for (size_t i = 0; i < sizeof page; i += 512)
        page[i] = (char)i;
    if (arg)
        tuza_gosched();
    flag_add(&ran, page[512] == 0 ? 1 : 1);
}

static void round_of(int n)
{
    flag_set(&ran, 0);
    for (int i = 0; i < n; i++)
        GO(use_stack, i % 2 ? &ran : NULL);
    settle(1);
    CHECK_EQ(flag_get(&ran), n);
}

/* GR-18: ended goroutines are used again: many rounds need no more memory than the first ones did. */
TEST(memory_does_not_grow)
{
    if (HELP_TSAN || HELP_ASAN || HELP_EMULATED)
        SKIP("resident memory is not ours alone");
    for (int i = 0; i < 20; i++)
        round_of(1000);
    long before = resident_kib();
    for (int i = 0; i < 300; i++)
        round_of(1000);
    long after = resident_kib();
    if (after - before > 4096)
        tz_test_fail(__FILE__, __LINE__, "%ld KiB before, %ld after 300,000 more goroutines:", before, after);
}

static void use_large_stack(void *arg)
{
    size_t size = (size_t)arg;
    volatile char *p = __builtin_alloca(size);
    for (size_t i = 0; i < size; i += 4096)
        p[size - 1 - i] = 1;
    CHECK(tuza_stack_used() >= size);
    flag_add(&ran, 1);
}

/* GR-17: a goroutine may ask for a stack of its own size; absurd ones are refused,
 * and nothing has happened. */
TEST(stack_sizes)
{
    static const size_t good[] = {
        0, 1, 4096, 16384, 16385, (size_t)1 << 20, (size_t)64 << 20, TUZA_STACK_MAX};
    static const size_t bad[] = {TUZA_STACK_MAX + 1, SIZE_MAX / 2, SIZE_MAX - 4096, SIZE_MAX};
    flag_set(&ran, 0);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        tuza_go_options o = {.stack_size = good[i]};
        size_t use = good[i] > 32768 ? good[i] / 4 : 2048;
        use = use > ((size_t)8 << 20) ? (size_t)8 << 20 : use;
        CHECK_EQ(tuza_go_with(&o, use_large_stack, (void *)use), 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tuza_go_options o = {.stack_size = bad[i]};
        CHECK_EQ(tuza_go_with(&o, use_large_stack, NULL), -EINVAL);
    }
    settle(1);
    CHECK_EQ(flag_get(&ran), (int)(sizeof good / sizeof good[0]));
}

/* GR-02: options: NULL is all defaults, a name may be of any length, reserved fields must be zero. */
TEST(options)
{
    flag_set(&ran, 0);
    CHECK_EQ(tuza_go_with(NULL, count, NULL), 0);
    char name[200];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    tuza_go_options o = {.name = name};
    CHECK_EQ(tuza_go_with(&o, count, NULL), 0);
    o.name = "";
    CHECK_EQ(tuza_go_with(&o, count, NULL), 0);
    settle(1);
    CHECK_EQ(flag_get(&ran), 3);
    for (size_t i = 0; i < sizeof o.zero / sizeof o.zero[0]; i++) {
        tuza_go_options reserved = {.stack_size = 0};
        reserved.zero[i] = 1;
        CHECK_EQ(tuza_go_with(&reserved, count, NULL), -EINVAL);
    }
    settle(1);
    CHECK_EQ(flag_get(&ran), 3);
}

static void keep_errno(void *arg)
{
    int mine = (int)(intptr_t)arg;
    for (int i = 0; i < 100; i++) {
        errno = mine;
        tuza_gosched();
        CHECK_EQ(errno, mine);
        tuza_sleep(i % 10 ? 0 : TUZA_MICROSECOND);
        CHECK_EQ(errno, mine);
    }
    flag_add(&ran, 1);
}

/* GR-13: errno belongs to the goroutine, whatever thread it is on; it starts as 0. */
TEST(errno_follows)
{
    flag_set(&ran, 0);
    for (intptr_t i = 1; i <= 20; i++)
        GO(keep_errno, (void *)i);
    settle(1);
    CHECK_EQ(flag_get(&ran), 20);
}

/* GR-01: a second tuza_run is refused, from a goroutine as from anywhere. */
static int never(int argc, char **argv)
{
    (void)argc, (void)argv;
    abort();
}

TEST(run_twice)
{
    CHECK_EQ(tuza_run(never, 0, NULL), -EALREADY);
    CHECK_EQ(tuza_run(NULL, 0, NULL), -EINVAL);
}

static int64_t slept[100];
static void sleep_some(void *arg)
{
    int i = (int)(intptr_t)arg;
    int64_t start = tuza_now(), want = i * TUZA_MILLISECOND / 10;
    tuza_sleep(want);
    slept[i] = tuza_now() - start - want;
    flag_add(&ran, 1);
}

/* GR-13: a sleep lasts at least as long as asked; of no length, it returns at once. */
TEST(sleeping)
{
    flag_set(&ran, 0);
    for (intptr_t i = 0; i < 100; i++)
        GO(sleep_some, (void *)i);
    settle(1);
    CHECK_EQ(flag_get(&ran), 100);
    for (int i = 0; i < 100; i++)
        CHECK(slept[i] >= 0);
    tuza_sleep(0);
    tuza_sleep(-1);
    tuza_sleep(INT64_MIN);
}

TEST_MAIN_TUZA()
