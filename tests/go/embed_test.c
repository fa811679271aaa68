/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Embedding: a program that keeps its own main, starts the runtime, calls in
 * from its threads, and stops it; also with fork, posix_spawn, system and
 * daemon before, meanwhile and after.
 */
// ctest: timeout 600 | plain | env GOMAXPROCS=1 | env TUZA_CHAOS=31
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "go/threads.h"

extern char **environ;

/* Of this process without tuza; sanitizers have one or two of their own. */
static int threads_at_rest;

static pid_t first_thread;

static void *tell_tid(void *arg)
{
    first_thread = tid();
    return arg;
}

static __attribute__((constructor)) void count_threads(void)
{
    pthread_t t; /* a sanitizer's comes with the first */
    CHECK_EQ(pthread_create(&t, NULL, tell_tid, NULL), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    SPIN_UNTIL(!thread_is_left(first_thread)); /* it may be seen for another moment */
    threads_at_rest = threads();
}

static void check_joined(void)
{
    SPIN_UNTIL(threads() == threads_at_rest);
}

static void add_one(void *arg)
{
    flag_add((int *)arg, 1);
}

static void send_one(void *c)
{
    long one = 1;
    tuza_chan_send(c, &one);
    tuza_chan_unref(c);
}

/* Goroutines that run, wait and are waited for by this thread. */
static void work(void)
{
    enum { N = 50 };
    tuza_chan *c = tuza_chan_make(sizeof(long), 0);
    long sum = 0, v;
    for (int i = 0; i < N; i++)
        GO(send_one, tuza_chan_ref(c));
    for (int i = 0; i < N; i++) {
        CHECK(tuza_chan_recv(c, &v));
        sum += v;
    }
    CHECK_EQ(sum, N);
    tuza_chan_unref(c);
}

/* --- Start and stop --- */

/* tuza_stop waits for goroutines, and joins every thread. */
TEST(start_and_stop)
{
    int ran = 0;
    check_joined();
    CHECK_EQ(tuza_start(NULL), 0);
    work();
    for (int i = 0; i < 100; i++)
        GO(add_one, &ran);
    CHECK_EQ(tuza_stop(0), 0);
    CHECK_EQ(flag_get(&ran), 100);
    check_joined();
}

/* Nothing but a clock, a make, an uncontended operation: no thread is started. */
TEST(what_starts_nothing)
{
    tuza_chan *c = tuza_chan_make(sizeof(long), 1);
    long v = 3;
    CHECK(tuza_now() > 0);
    CHECK(tuza_chan_try_send(c, &v));
    CHECK(tuza_chan_try_recv(c, &v, NULL));
    tuza_chan_unref(c);
    CHECK_EQ(tuza_num_goroutine(), 0);
    check_joined();
}

/* Starts are counted: only the last stop stops. */
TEST(starts_are_counted)
{
    CHECK_EQ(tuza_start(NULL), 0);
    CHECK_EQ(tuza_start(NULL), 0);
    CHECK_EQ(tuza_start(NULL), 0);
    work();
    CHECK_EQ(tuza_stop(0), 0);
    work();
    CHECK_EQ(tuza_stop(0), 0);
    work();
    CHECK(threads() > threads_at_rest);
    CHECK_EQ(tuza_stop(0), 0);
    check_joined();
}

TEST(restart)
{
    for (int i = 0; i < 100 / SCALE + 3; i++) {
        CHECK_EQ(tuza_start(NULL), 0);
        if (i % 3)
            work();
        CHECK_EQ(tuza_stop(0), 0);
        check_joined();
    }
}

static void wait_for(void *c)
{
    tuza_chan_recv(c, NULL);
    tuza_chan_unref(c);
}

/* A goroutine that does not end: -ETIMEDOUT at the time said; all goes on, the count is kept. */
TEST(timeout)
{
    CHECK_EQ(tuza_start(NULL), 0);
    tuza_chan *c = tuza_chan_make(0, 0);
    GO(wait_for, tuza_chan_ref(c));
    for (int i = 0; i < 3; i++) {
        int64_t when = tuza_now() + 20 * TUZA_MILLISECOND;
        CHECK_EQ(tuza_stop(when), -ETIMEDOUT);
        CHECK(tuza_now() >= when);
        work();
    }
    SPIN_UNTIL(tuza_num_goroutine() == 1); /* this thread is none */
    CHECK_EQ(tuza_stop(tuza_now() - 1), -ETIMEDOUT);
    tuza_chan_send(c, NULL);
    CHECK_EQ(tuza_stop(tuza_now() + BOUND_S * TUZA_SECOND), 0);
    check_joined();
    tuza_chan_unref(c);
}

static void sleep_and_start_another(void *arg)
{
    int *left = arg;
    tuza_sleep(2 * TUZA_MILLISECOND);
    if (flag_add(left, -1) > 0)
        GO(sleep_and_start_another, left);
}

/* Until no goroutine is left, those included that are started meanwhile. */
TEST(stop_waits)
{
    int left = 20;
    CHECK_EQ(tuza_start(NULL), 0);
    GO(sleep_and_start_another, &left);
    CHECK_EQ(tuza_stop(0), 0);
    CHECK_EQ(flag_get(&left), 0);
    check_joined();
}

static void end_locked(void *unused)
{
    (void)unused;
    tuza_lock_os_thread();
    tuza_sleep(100 * TUZA_MICROSECOND);
}

static void block_in_kernel(void *unused)
{
    (void)unused;
    usleep(20000);
}

/* Threads that end with goroutines, or are stuck in the kernel, are joined too. */
TEST(stop_joins_all_kinds)
{
    for (int round = 0; round < 5; round++) {
        CHECK_EQ(tuza_start(NULL), 0);
        for (int i = 0; i < 10; i++) {
            GO(end_locked, NULL);
            GO(block_in_kernel, NULL);
        }
        CHECK_EQ(tuza_stop(0), 0);
        check_joined();
    }
}

/* --- Options --- */

static int touched;

static void touch_much(void *unused)
{
    (void)unused;
    enum { MUCH = 700 * 1024 };
    volatile char *p = __builtin_alloca(MUCH);
    for (int i = MUCH - 1; i >= 0; i -= 1024)
        p[i] = 1;
    flag_set(&touched, p[MUCH - 1]);
}

TEST(options)
{
    tuza_options o = {.max_procs = 3, .stack_size = 1 << 20};
    tuza_options other = o;
    CHECK_EQ(tuza_start(&o), 0);
    CHECK_EQ(tuza_gomaxprocs(0), 3);
    GO(touch_much, NULL);
    CHECK_EQ(tuza_start(&o), 0);
    other.max_procs = 2;
    CHECK_EQ(tuza_start(&other), -EALREADY);
    CHECK_EQ(tuza_start(NULL), -EALREADY);
    CHECK_EQ(tuza_stop(0), 0);
    CHECK_EQ(tuza_stop(0), 0);
    CHECK_EQ(flag_get(&touched), 1);
    check_joined();
    CHECK_EQ(tuza_start(&other), 0); /* another time, other options */
    CHECK_EQ(tuza_gomaxprocs(0), 2);
    CHECK_EQ(tuza_stop(0), 0);
    other.zero[7] = 1;
    CHECK_EQ(tuza_start(&other), -EINVAL);
    other.zero[7] = 0;
    other.flags = 1u << 31;
    CHECK_EQ(tuza_start(&other), -EINVAL);
    check_joined();
}

/* TUZA_NO_ENV: the environment is not read. */
TEST(no_environment)
{
    if (help_chaos())
        SKIP("chaos is asked for by the environment");
    const char *was = getenv("GOMAXPROCS");
    char *kept = was ? strdup(was) : NULL;
    CHECK_EQ(setenv("GOMAXPROCS", "7", 1), 0);
    tuza_options o = {.flags = TUZA_NO_ENV};
    CHECK_EQ(tuza_start(&o), 0);
    CHECK(tuza_gomaxprocs(0) <= tuza_num_cpu());
    CHECK_EQ(tuza_stop(0), 0);
    CHECK_EQ(tuza_start(NULL), 0);
    CHECK_EQ(tuza_gomaxprocs(0), 7);
    CHECK_EQ(tuza_stop(0), 0);
    CHECK_EQ(kept ? setenv("GOMAXPROCS", kept, 1) : unsetenv("GOMAXPROCS"), 0);
    free(kept);
}

static void read_handlers(struct sigaction *all)
{
    for (int s = 1; s < 32; s++)
        if (sigaction(s, NULL, &all[s]) != 0)
            memset(&all[s], 0, sizeof all[s]);
}

/* TUZA_NO_SIGNALS: not a handler is touched. */
TEST(no_signals)
{
    static struct sigaction before[32], meanwhile[32];
    tuza_options o = {.flags = TUZA_NO_SIGNALS};
    read_handlers(before);
    CHECK_EQ(tuza_start(&o), 0);
    work();
    read_handlers(meanwhile);
    for (int s = 1; s < 32; s++)
        CHECK(before[s].sa_handler == meanwhile[s].sa_handler);
    CHECK_EQ(tuza_stop(0), 0);
}

static sigset_t seen_mask;

static void see_mask(void *unused)
{
    (void)unused;
    tuza_lock_os_thread(); /* a thread that has been made for it */
    pthread_sigmask(SIG_BLOCK, NULL, &seen_mask);
}

/* LK-39: threads of tuza have the signal mask of who started it. */
TEST(signal_mask)
{
    sigset_t blocked, was;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &blocked, &was);
    CHECK_EQ(tuza_start(NULL), 0);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    GO(see_mask, NULL);
    CHECK_EQ(tuza_stop(0), 0);
    CHECK_EQ(sigismember(&seen_mask, SIGUSR2), 1);
    CHECK_EQ(sigismember(&seen_mask, SIGUSR1), 0);
    pthread_sigmask(SIG_SETMASK, &was, NULL);
}

/* --- Host threads --- */

static tuza_chan *requests, *replies;

static void serve(void *unused)
{
    (void)unused;
    long v;
    while (tuza_chan_recv(requests, &v)) {
        v *= 2;
        tuza_chan_send(replies, &v);
    }
}

static int round_now, rounds_done;

/* Attached, and still there when the runtime stops and starts again. */
static void *host(void *last)
{
    for (int round = 1; round <= (int)(intptr_t)last; round++) {
        SPIN_UNTIL(flag_get(&round_now) == round);
        for (long i = 0; i < 100 / SCALE + 2; i++) {
            long v = i;
            tuza_chan_send(requests, &v);
            CHECK(tuza_chan_recv(replies, &v));
        }
        flag_add(&rounds_done, 1);
    }
    return NULL;
}

/* FT-01, FT-02: threads of the program's own that outlive the runtime they called into. */
TEST(host_threads)
{
    enum { HOSTS = 4, ROUNDS = 5 };
    pthread_t t[HOSTS];
    for (int i = 0; i < HOSTS; i++)
        CHECK_EQ(pthread_create(&t[i], NULL, host, (void *)(intptr_t)ROUNDS), 0);
    for (int round = 1; round <= ROUNDS; round++) {
        requests = tuza_chan_make(sizeof(long), 0);
        replies = tuza_chan_make(sizeof(long), HOSTS);
        CHECK_EQ(tuza_start(NULL), 0);
        for (int i = 0; i < 2; i++)
            GO(serve, NULL);
        flag_set(&round_now, round);
        SPIN_UNTIL(flag_get(&rounds_done) == round * HOSTS);
        tuza_chan_close(requests);
        CHECK_EQ(tuza_stop(0), 0);
        SPIN_UNTIL(threads() <= threads_at_rest + HOSTS);
        tuza_chan_unref(requests);
        tuza_chan_unref(replies);
    }
    for (int i = 0; i < HOSTS; i++)
        CHECK_EQ(pthread_join(t[i], NULL), 0);
    check_joined();
}

static void *start_and_stop_often(void *unused)
{
    for (int i = 0; i < 50 / SCALE + 2; i++) {
        CHECK_EQ(tuza_start(NULL), 0);
        work();
        CHECK_EQ(tuza_stop(0), 0);
    }
    return unused;
}

/* Starts and stops from several threads at once: two libraries that know nothing of each other. */
TEST(starts_from_several_threads)
{
    enum { HOSTS = 3 };
    pthread_t t[HOSTS];
    for (int i = 0; i < HOSTS; i++)
        CHECK_EQ(pthread_create(&t[i], NULL, start_and_stop_often, NULL), 0);
    for (int i = 0; i < HOSTS; i++)
        CHECK_EQ(pthread_join(t[i], NULL), 0);
    check_joined();
}

/* --- Other processes --- */

static void reap(pid_t pid, int code)
{
    int status;
    CHECK(pid > 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), code);
}

static void run_commands(void)
{
    CHECK_EQ(WEXITSTATUS(system("exit 3")), 3);
    char *argv[] = {"sh", "-c", "exit 4", NULL};
    pid_t pid;
    CHECK_EQ(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), 0);
    reap(pid, 4);
    FILE *f = popen("echo out", "r");
    char line[16] = "";
    CHECK(f != NULL);
    CHECK(fgets(line, sizeof line, f) != NULL);
    CHECK_STR(line, "out\n");
    CHECK_EQ(pclose(f), 0);
}

static void commands_in_goroutine(void *done)
{
    run_commands();
    flag_set((int *)done, 1);
}

/* SG-19: commands before, meanwhile (from a goroutine too) and after. */
TEST(commands)
{
    int done = 0;
    run_commands();
    CHECK_EQ(tuza_start(NULL), 0);
    work();
    run_commands();
    GO(commands_in_goroutine, &done);
    CHECK_EQ(tuza_stop(0), 0);
    CHECK_EQ(flag_get(&done), 1);
    run_commands();
}

static void use_in_child(void)
{
    threads_at_rest = threads();
    CHECK_EQ(tuza_start(NULL), 0);
    work();
    CHECK_EQ(tuza_stop(0), 0);
    check_joined();
    _exit(42);
}

/* A fork before anything was started: the child has a runtime of its own. In this program other tests have
 * started it before, so a fresh one is asked for by exec. */
static int fork_first(void)
{
    tuza_chan *c = tuza_chan_make(sizeof(long), 1);
    tuza_now();
    for (int i = 0; i < 3; i++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0)
            use_in_child();
        reap(pid, 42);
    }
    tuza_chan_unref(c);
    CHECK_EQ(tuza_start(NULL), 0);
    work();
    CHECK_EQ(tuza_stop(0), 0);
    return 0;
}

/* The same through daemon(): the parent is gone, a pipe tells how it went. */
static int daemon_first(void)
{
    int done[2];
    CHECK_EQ(pipe(done), 0);
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(daemon(1, 1), 0);
        threads_at_rest = threads();
        CHECK_EQ(tuza_start(NULL), 0);
        work();
        CHECK_EQ(tuza_stop(0), 0);
        CHECK_EQ(write(done[1], "k", 1), 1);
        _exit(0);
    }
    reap(pid, 0);
    close(done[1]);
    char c = 0;
    CHECK_EQ(read(done[0], &c, 1), 1);
    CHECK_EQ(c, 'k');
    return 0;
}

static void exec_self(const char *what)
{
    fflush(stdout);
    pid_t pid;
    char *argv[] = {"embed_test", (char *)what, NULL};
    CHECK_EQ(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
    reap(pid, 0);
}

/* A seeded schedule is one P's, whatever the options say. */
static int seeded(void)
{
    CHECK_EQ(tuza_start(&(tuza_options){.max_procs = 4}), 0);
    CHECK_EQ(tuza_gomaxprocs(0), 1);
    work();
    CHECK_EQ(tuza_stop(0), 0);
    return 0;
}

TEST(seed_and_max_procs)
{
    if (HELP_EMULATED)
        SKIP("/proc/self/exe is the emulator");
    CHECK_EQ(setenv("TUZA_SCHED_SEED", "1", 1), 0);
    exec_self("=seeded");
    CHECK_EQ(unsetenv("TUZA_SCHED_SEED"), 0);
}

TEST(fork_before)
{
    if (HELP_EMULATED)
        SKIP("/proc/self/exe is the emulator");
    exec_self("=fork_first");
    exec_self("=daemon_first");
}

/* After a fork with goroutines: the child may call what is pure, and exec; the parent notices nothing. */
TEST(fork_meanwhile)
{
    CHECK_EQ(tuza_start(NULL), 0);
    tuza_chan *c = tuza_chan_make(sizeof(long), 1);
    GO(wait_for, tuza_chan_ref(c));
    work();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(tuza_now() > 0 && tuza_chan_cap(c) == 1 ? 42 : 1);
    reap(pid, 42);
    pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "exit 5", (char *)NULL);
        _exit(1);
    }
    reap(pid, 5);
    work();
    tuza_chan_send(c, &(long){0});
    CHECK_EQ(tuza_stop(0), 0);
    check_joined();
    tuza_chan_unref(c);
}

/* What would schedule there throws. */
TEST(fork_then_go)
{
    if (!HELP_FORKS)
        SKIP("no reports in children");
    int err[2];
    char text[512];
    CHECK_EQ(tuza_start(NULL), 0);
    work();
    CHECK_EQ(pipe(err), 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(err[1], 2);
        _exit(tuza_go(do_nothing, NULL) == 0 ? 1 : 3);
    }
    close(err[1]);
    reap(pid, 2);
    ssize_t n = read(err[0], text, sizeof text - 1);
    CHECK(n > 0);
    text[n] = 0;
    CHECK(strncmp(text, "fatal error: tuza after fork", 28) == 0);
    close(err[0]);
    work();
    CHECK_EQ(tuza_stop(0), 0);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "=fork_first") == 0)
        return fork_first();
    if (argc == 2 && strcmp(argv[1], "=daemon_first") == 0)
        return daemon_first();
    if (argc == 2 && strcmp(argv[1], "=seeded") == 0)
        return seeded();
    return tz_test_main(argc, argv);
}
