/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads that tuza did not make: each may call anything, is given an M and a
 * G with its first call and gives them back when it ends. What ends the
 * process is in crash/foreign.c.
 */
// ctest: timeout 600 | env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=2 TUZA_CHAOS=21 | env GOMAXPROCS=2 TUZA_TEST_NO_MEMBARRIER=1
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

#include "go/threads.h"

static pthread_t thread(void *(*fn)(void *), void *arg)
{
    pthread_t t;
    CHECK_EQ(pthread_create(&t, NULL, fn, arg), 0);
    return t;
}

static void join(pthread_t t)
{
    CHECK_EQ(pthread_join(t, NULL), 0);
}

static void run_thread(void *(*fn)(void *), void *arg)
{
    join(thread(fn, arg));
}

static tuza_chan *to, *from;

static void open_channels(size_t capacity)
{
    to = tuza_chan_make(sizeof(long), capacity);
    from = tuza_chan_make(sizeof(long), capacity);
}

static void close_channels(void)
{
    settle(1);
    tuza_chan_unref(to);
    tuza_chan_unref(from);
}

/* --- Every kind of call --- */

static void answer(void *unused)
{
    (void)unused;
    long v;
    while (tuza_chan_recv(to, &v)) {
        v++;
        tuza_chan_send(from, &v);
    }
}

static void *call_everything(void *unused)
{
    pid_t mine = tid();
    long v = 41;
    bool ok;
    tuza_chan *c = tuza_chan_make(sizeof v, 1);
    CHECK(tuza_chan_try_send(c, &v));
    CHECK(!tuza_chan_try_send(c, &v));
    CHECK(tuza_chan_try_recv(c, &v, &ok) && ok);
    GO(do_nothing, NULL);
    tuza_gosched();
    CHECK_EQ(tid(), mine);
    errno = 77;
    int64_t start = tuza_now();
    tuza_sleep(2 * TUZA_MILLISECOND);
    CHECK(tuza_now() - start >= 2 * TUZA_MILLISECOND);
    CHECK_EQ(errno, 77);
    for (int i = 0; i < 100; i++) {
        v = i;
        tuza_chan_send(to, &v);
        CHECK(tuza_chan_recv(from, &v));
        CHECK_EQ(v, i + 1);
        CHECK_EQ(tid(), mine);
    }
    tuza_gomaxprocs(tuza_gomaxprocs(0));
    CHECK(tuza_num_goroutine() >= 2);
    tuza_chan_close(c);
    CHECK(!tuza_chan_recv(c, &v));
    tuza_chan_unref(c);
    /* Locks mean nothing here, and do no harm: the thread is its own already. */
    tuza_unlock_os_thread();
    tuza_lock_os_thread();
    tuza_sleep(TUZA_MILLISECOND);
    tuza_unlock_os_thread();
    tuza_unlock_os_thread();
    tuza_sleep(TUZA_MILLISECOND);
    CHECK_EQ(tid(), mine);
    return unused;
}

/* FT-01, FT-11, LK-50: a thread's calls block, wake, start goroutines, and stay on their thread. */
TEST(every_call)
{
    open_channels(0);
    GO(answer, NULL);
    run_thread(call_everything, NULL);
    run_thread(call_everything, NULL);
    tuza_chan_close(to);
    close_channels();
}

/* --- Many --- */

static void *talk(void *unused)
{
    pid_t mine = tid();
    for (int i = 0; i < 200 / SCALE + 5; i++) {
        long v = i;
        tuza_chan_send(to, &v);
        CHECK(tuza_chan_recv(from, &v));
        if (i % 16 == 0)
            usleep(500); /* robbed, like any goroutine */
        if (i % 16 == 1)
            tuza_sleep(100 * TUZA_MICROSECOND);
        CHECK_EQ(tid(), mine);
    }
    return unused;
}

/* FT-01, FT-11: more threads than Ps, at once, with goroutines at the other end. */
TEST(many_at_once)
{
    enum { N = 30 };
    pthread_t t[N];
    open_channels(0);
    for (int i = 0; i < 5; i++)
        GO(answer, NULL);
    for (int i = 0; i < N; i++)
        t[i] = thread(talk, NULL);
    for (int i = 0; i < N; i++)
        join(t[i]);
    tuza_chan_close(to);
    close_channels();
}

static void *hand_over(void *unused)
{
    for (long i = 0; i < 500 / SCALE; i++) {
        long v;
        CHECK(tuza_chan_recv(to, &v));
        tuza_chan_send(from, &v);
    }
    return unused;
}

static void *hand_back(void *unused)
{
    for (long i = 0; i < 500 / SCALE; i++) {
        long v = i;
        tuza_chan_send(to, &v);
        CHECK(tuza_chan_recv(from, &v));
        CHECK_EQ(v, i);
    }
    return unused;
}

/* FT-01: threads among themselves, with no goroutine but main, which waits for them in the kernel. */
TEST(among_themselves)
{
    open_channels(0);
    pthread_t a = thread(hand_over, NULL), b = thread(hand_back, NULL);
    join(a);
    join(b);
    close_channels();
}

static void *come_and_go(void *arg)
{
    long v = 1;
    switch ((intptr_t)arg % 4) {
    case 0:
        tuza_chan_send(to, &v);
        break;
    case 1:
        tuza_gosched();
        tuza_chan_send(to, &v);
        usleep(200);
        break;
    case 2:
        tuza_chan_send(to, &v);
        pthread_exit(NULL);
    default:
        tuza_lock_os_thread(); /* and ends so */
        tuza_chan_send(to, &v);
        break;
    }
    return NULL;
}

static void many_short(int n)
{
    enum { AT_ONCE = 8 };
    pthread_t t[AT_ONCE];
    for (int i = 0; i < n; i += AT_ONCE) {
        for (int j = 0; j < AT_ONCE; j++)
            t[j] = thread(come_and_go, (void *)(intptr_t)(i + j));
        for (int j = 0; j < AT_ONCE; j++)
            CHECK(tuza_chan_recv(to, NULL));
        for (int j = 0; j < AT_ONCE; j++)
            join(t[j]);
    }
}

/* FT-02, FT-03: what a thread was given comes back when it ends, whichever way. */
TEST(short_lived)
{
    open_channels(0);
    many_short(400);
    int goroutines = tuza_num_goroutine();
    int threads_before = threads();
    long resident_before = resident_kib();
    many_short(8000 / SCALE);
    EVENTUALLY(tuza_num_goroutine() == goroutines);
    EVENTUALLY(threads() <= threads_before + 2);
    if (!HELP_ASAN && !HELP_TSAN && !HELP_EMULATED)
        CHECK(resident_kib() < resident_before + 4096);
    close_channels();
}

/* --- At the end of a thread --- */

enum { KEYS = 4 };
static pthread_key_t keys[KEYS];
static int called_back, with_keys;

/* Blocks, and asks to be called once more: before and after tuza's own destructor, then. */
static void call_back(void *value)
{
    int *left = value;
    long v = 1;
    tuza_chan_send(to, &v);
    CHECK(tuza_chan_recv(from, &v));
    CHECK_EQ(v, 2);
    tuza_sleep(50 * TUZA_MICROSECOND);
    flag_add(&called_back, 1);
    if (--*left > 0)
        for (int i = 0; i < KEYS; i++)
            if (pthread_getspecific(keys[i]) == NULL) {
                CHECK_EQ(pthread_setspecific(keys[i], left), 0);
                break;
            }
}

static _Thread_local int left_of[KEYS];

static void set_keys(void)
{
    for (int i = 0; i < KEYS; i++) {
        left_of[i] = 2;
        CHECK_EQ(pthread_setspecific(keys[i], &left_of[i]), 0);
    }
}

static void *thread_with_keys(void *arg)
{
    if (arg)
        tuza_gosched();
    set_keys();
    return NULL;
}

static void goroutine_with_keys(void *unused)
{
    (void)unused;
    tuza_lock_os_thread();
    if (tid() == getpid()) { /* which would not end: the others go elsewhere meanwhile */
        usleep(2000);
        tuza_unlock_os_thread();
        return;
    }
    flag_add(&with_keys, 1);
    set_keys();
}

static void make_keys(void)
{
    flag_set(&called_back, 0);
    flag_set(&with_keys, 0);
    for (int i = 0; i < KEYS; i++)
        CHECK_EQ(pthread_key_create(&keys[i], call_back), 0);
}

static void delete_keys(void)
{
    for (int i = 0; i < KEYS; i++)
        CHECK_EQ(pthread_key_delete(keys[i]), 0);
}

/* FT-02, FT-03: key destructors that call in, on a thread that had called before and on one that had not. */
TEST(destructors_call_back)
{
    open_channels(0);
    make_keys();
    GO(answer, NULL);
    int before = threads();
    for (int i = 0; i < 20; i++)
        run_thread(thread_with_keys, i % 2 ? to : NULL);
    CHECK_EQ(flag_get(&called_back), 20 * KEYS * 2);
    EVENTUALLY(tuza_num_goroutine() == 2);
    EVENTUALLY(threads() <= before + 2);
    delete_keys();
    tuza_chan_close(to);
    close_channels();
}

/* LK-25: those of a thread that dies with its goroutine: a foreign thread by then. */
TEST(destructors_of_locked_threads_call_back)
{
    open_channels(0);
    make_keys();
    GO(answer, NULL);
    while (flag_get(&with_keys) < 20) {
        GO(goroutine_with_keys, NULL);
        tuza_sleep(100 * TUZA_MICROSECOND);
    }
    EVENTUALLY(tuza_num_goroutine() == 2);
    EVENTUALLY(flag_get(&called_back) == flag_get(&with_keys) * KEYS * 2);
    delete_keys();
    tuza_chan_close(to);
    close_channels();
}

/* --- pthread_exit in a goroutine --- */

static int cleaned;

static void clean(void *unused)
{
    (void)unused;
    flag_add(&cleaned, 1);
}

static void exit_pthread(void *arg)
{
    pthread_cleanup_push(clean, NULL);
    CHECK(tuza_chan_try_send(arg, &(long){tid()})); /* on this thread: it does not wait */
    pthread_exit(NULL);
    pthread_cleanup_pop(0);
}

/* pthread_exit ends the goroutine and its thread, as if locked; libc's cleanups have run, the P is not
 * lost. */
TEST(pthread_exit_in_goroutine)
{
    if (HELP_TSAN)
        SKIP("ThreadSanitizer refuses pthread_exit on a fiber");
    open_channels(1);
    flag_set(&cleaned, 0);
    for (int i = 0; i < 20; i++) {
        long t;
        GO(exit_pthread, to);
        CHECK(tuza_chan_recv(to, &t));
        char path[64];
        snprintf(path, sizeof path, "/proc/self/task/%ld", t);
        if (t != getpid())
            EVENTUALLY(access(path, F_OK) != 0);
        EVENTUALLY(tuza_num_goroutine() == 1);
    }
    CHECK(flag_get(&cleaned) > 0);
    close_channels();
}

/* --- Callbacks out of C on a goroutine --- */

static int compare(const void *a, const void *b)
{
    long x = *(const long *)a;
    CHECK(tuza_chan_try_send(to, &x));
    tuza_gosched();
    CHECK(tuza_chan_recv(to, &x));
    return (x > *(const long *)b) - (x < *(const long *)b);
}

/* FT-11: back in from C code that the goroutine has called. */
TEST(callback_from_c)
{
    open_channels(1);
    long v[64];
    for (long i = 0; i < 64; i++)
        v[i] = i * 37 % 64;
    tuza_lock_os_thread();
    qsort(v, 64, sizeof v[0], compare);
    tuza_unlock_os_thread();
    for (long i = 0; i < 64; i++)
        CHECK_EQ(v[i], i);
    close_channels();
}

/* --- Signals --- */

static int signals, quit;

static void count_signal(int sig)
{
    (void)sig;
    int saved = errno;
    flag_add(&signals, 1);
    errno = saved;
}

static ucontext_t outer, inner;

/* On a stack that the thread has made for itself. */
static void talk_there(void)
{
    long v = 1;
    tuza_chan_send(to, &v);
    CHECK(tuza_chan_recv(from, &v)); /* parks: the goroutine answers later */
    CHECK_EQ(v, 2);
    char report[4000];
    CHECK(tuza_stack(report, sizeof report, false) > 0);
    tuza_sleep(1);
}

static void *on_other_stack(void *unused)
{
    (void)unused;
    long v = 1;
    tuza_chan_send(to, &v); /* attached on the thread's own stack */
    CHECK(tuza_chan_recv(from, &v));
    char *stack = malloc(256 << 10);
    CHECK(stack != NULL);
    CHECK_EQ(getcontext(&inner), 0);
    inner.uc_stack.ss_sp = stack;
    inner.uc_stack.ss_size = 256 << 10;
    inner.uc_link = &outer;
    makecontext(&inner, talk_there, 0);
    CHECK_EQ(swapcontext(&outer, &inner), 0);
    v = 1;
    tuza_chan_send(to, &v); /* and back on its own */
    CHECK(tuza_chan_recv(from, &v));
    free(stack);
    return NULL;
}

/* FT-09: a thread that has switched stacks by itself calls from there. */
TEST(own_stacks)
{
    if (HELP_TSAN || HELP_ASAN)
        SKIP("sanitizers must be told of stacks");
    open_channels(0);
    GO(answer, NULL);
    run_thread(on_other_stack, NULL);
    tuza_chan_close(to);
    close_channels();
}

static uint64_t mask_at_start;

__attribute__((constructor)) static void note_mask(void)
{
    sigset_t mask;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    memcpy(&mask_at_start, &mask, sizeof mask_at_start);
}

static void run_child(void *arg)
{
    FILE *f = popen("grep SigBlk /proc/self/status", "r");
    unsigned long long mask = 1;
    CHECK(f != NULL);
    CHECK_EQ(fscanf(f, "SigBlk: %llx", &mask), 1);
    CHECK_EQ(pclose(f), 0);
    *(uint64_t *)arg = mask;
    tuza_chan_send(from, &(long){1});
}

/* FT-14: what a goroutine executes starts with the mask that the program has, on whatever thread it ran. */
TEST(children_have_the_mask)
{
    open_channels(0);
    for (int i = 0; i < 8; i++) {
        uint64_t mask = 1;
        long v;
        GO(run_child, &mask);
        CHECK(tuza_chan_recv(from, &v));
        CHECK_EQ(mask, mask_at_start);
    }
    close_channels();
}

static void *attach_under_fire(void *unused)
{
    stack_t mine = {.ss_size = 65536}, now;
    mine.ss_sp = malloc(mine.ss_size);
    CHECK(mine.ss_sp != NULL);
    CHECK_EQ(sigaltstack(&mine, NULL), 0);
    tuza_chan_send(to, &(long){0});
    CHECK_EQ(sigaltstack(NULL, &now), 0);
    CHECK(now.ss_sp == mine.ss_sp); /* FT-12: its own stack is left to it */
    mine.ss_flags = SS_DISABLE;
    CHECK_EQ(sigaltstack(&mine, NULL), 0);
    free(now.ss_sp);
    return unused;
}

static void *attach_often(void *unused)
{
    while (!flag_get(&quit))
        run_thread(attach_under_fire, NULL);
    return unused;
}

static void take(void *unused)
{
    (void)unused;
    while (tuza_chan_recv(to, NULL))
        ;
}

/* FT-08, FT-12, SG-21: signals that come while threads are attached and leave: each is handled, nothing
 * hangs. */
TEST(signals_meanwhile)
{
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_ONSTACK | SA_RESTART}, was;
    CHECK_EQ(sigaction(SIGUSR1, &action, &was), 0);
    open_channels(0);
    flag_set(&quit, 0);
    GO(take, NULL);
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        t[i] = thread(attach_often, NULL);
    for (int i = 0; i < 3000 / SCALE; i++) {
        kill(getpid(), SIGUSR1);
        tuza_sleep(50 * TUZA_MICROSECOND);
    }
    flag_set(&quit, 1);
    for (int i = 0; i < 2; i++)
        join(t[i]);
    CHECK(flag_get(&signals) > 0);
    tuza_chan_close(to);
    close_channels();
    signal(SIGUSR1, SIG_IGN); /* which drops one that may be on its way still */
    CHECK_EQ(sigaction(SIGUSR1, &was, NULL), 0);
}

TEST_MAIN_TUZA()
