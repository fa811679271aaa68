/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A full thread limit (ulimit -u). Each test runs in a child process that is
 * a user of its own when we are root, since the limit does not bind root, and
 * may use as many threads as the test says.
 */
// ctest: not tsan arm64
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "go/help.h"

#define UNUSED_UID 64123

static rlim_t lifted;

/* The soft limit binds: it can be lifted again up to the hard one. */
static void limit_threads(rlim_t n)
{
    struct rlimit l;
    CHECK_EQ(getrlimit(RLIMIT_NPROC, &l), 0);
    lifted = l.rlim_max;
    l.rlim_cur = n;
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &l), 0);
}

static void lift_limit(void)
{
    struct rlimit l = {lifted, lifted};
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &l), 0);
}

static int stuck, over, stop;

static void loop(void *arg)
{
    (void)arg;
    flag_add(&stuck, 1);
    while (!flag_get(&stop))
        usleep(1000);
    flag_add(&over, 1);
}

static int run_after_limit(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int i = 0; i < 3; i++)
        GO(loop, NULL);
    EVENTUALLY(flag_get(&stuck) == 3);
    flag_set(&stop, 1);
    settle(1);
    return 42;
}

static unsigned long space_kib(void)
{
    unsigned long kib = 0;
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "VmSize: %lu kB", &kib) == 1)
            break;
    fclose(f);
    return kib;
}

/* No thread at all: tuza_run says so, nothing has happened, and it can be called again. */
static int no_thread(void)
{
    limit_threads(1);
    CHECK_EQ(tuza_run(run_after_limit, 0, NULL), -EAGAIN);
    CHECK_EQ(tuza_num_goroutine(), 0);
    CHECK_EQ(tuza_run(run_after_limit, 0, NULL), -EAGAIN);
    unsigned long before = space_kib();
    for (int i = 0; i < 100; i++)
        CHECK_EQ(tuza_run(run_after_limit, 0, NULL), -EAGAIN);
    CHECK(space_kib() < before + 4096); /* failed starts do not add up */
    lift_limit();
    tuza_run(run_after_limit, 0, NULL);
    return 1;
}

/* One thread to be had, where the start needs more. */
static int one_thread(void)
{
    limit_threads(2);
    int err = tuza_run(run_after_limit, 0, NULL);
    CHECK_EQ(err, -EAGAIN);
    lift_limit();
    tuza_run(run_after_limit, 0, NULL);
    return 1;
}

static int warnings(const char *path)
{
    char text[4096];
    int n = 0;
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    while (fgets(text, sizeof text, f))
        n += strstr(text, "runtime: failed to create new OS thread (have ") &&
             strstr(text, " already; errno=11)");
    fclose(f);
    return n;
}

static char log_path[] = "/tmp/tuza_limits_XXXXXX";

/* Some threads and no more: more goroutines are stuck than there can be threads. The runtime says so once and
 * goes on with what it has; when the limit is lifted, all of them run. */
static int run_out(int argc, char **argv)
{
    (void)argc, (void)argv;
    enum { N = 12 };
    for (int i = 0; i < N; i++)
        GO(loop, NULL);
    double end = tz_test_seconds() + BOUND_S;
    while (warnings(log_path) == 0) {
        CHECK(tz_test_seconds() < end);
        usleep(10000);
    }
    CHECK(flag_get(&stuck) < N);
    lift_limit();
    EVENTUALLY(flag_get(&stuck) == N); /* each keeps a thread: this needs more than the limit was */
    flag_set(&stop, 1);
    settle(1);
    CHECK_EQ(flag_get(&over), N);
    CHECK_EQ(warnings(log_path), 1);
    return 42;
}

static int few_threads(void)
{
    limit_threads(6);
    CHECK(freopen(log_path, "a", stderr) != NULL);
    tuza_run(run_out, 0, NULL);
    return 1;
}

static tuza_chan *locked, *gate;

static void lock_and_wait(void *unused)
{
    (void)unused;
    tuza_lock_os_thread();
    tuza_chan_send(locked, NULL);
    tuza_chan_recv(gate, NULL);
    tuza_unlock_os_thread();
}

/* Locked goroutines, more than there may be threads. Those that have one keep it while they are parked;
 * when they wake, they must come to run on it though no other thread is left to see to them. */
static int locked_threads(void)
{
    enum { N = 100, THREADS = 10 };
    tuza_options o = {.max_threads = THREADS, .max_procs = 4};
    CHECK(freopen(log_path, "a", stderr) != NULL);
    locked = tuza_chan_make(0, N);
    gate = tuza_chan_make(0, 0);
    CHECK_EQ(tuza_start(&o), 0);
    for (int i = 0; i < N; i++)
        GO(lock_and_wait, NULL);
    for (int i = 0; i < THREADS; i++)
        CHECK(tuza_chan_recv(locked, NULL));
    SPIN_UNTIL(warnings(log_path) == 1);
    for (int i = THREADS; i < N; i++) {
        tuza_chan_send(gate, NULL);
        CHECK(tuza_chan_recv(locked, NULL));
    }
    for (int i = 0; i < THREADS; i++)
        tuza_chan_send(gate, NULL);
    CHECK_EQ(tuza_stop(tuza_now() + BOUND_S * TUZA_SECOND), 0);
    CHECK_EQ(warnings(log_path), 1);
    return 42;
}

static void in_child(int (*fn)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        flag_set(&stuck, 0);
        flag_set(&over, 0);
        flag_set(&stop, 0);
        if (getuid() == 0) {
            CHECK_EQ(setresgid(UNUSED_UID, UNUSED_UID, UNUSED_UID), 0);
            CHECK_EQ(setresuid(UNUSED_UID, UNUSED_UID, UNUSED_UID), 0);
            prctl(PR_SET_DUMPABLE, 1); /* /proc/self stays ours */
        }
        exit(fn());
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 42);
}

/* GR-04, LK-40: no thread at start is -EAGAIN, not a hang, and can be tried again. */
TEST(no_thread_at_start)
{
    in_child(no_thread);
}

/* GR-04, LK-40: the same with only a part of the threads that a start needs. */
TEST(half_a_start)
{
    if (getuid() != 0)
        SKIP("needs a user without other processes: run as root");
    in_child(one_thread);
}

/* PR-12, LK-40: the thread limit reached while running: one warning, nothing lost,
 * all well when it is lifted. */
TEST(limit_while_running)
{
    if (getuid() != 0)
        SKIP("needs a user without other processes: run as root");
    int fd = mkstemp(log_path);
    CHECK(fd >= 0);
    CHECK_EQ(fchmod(fd, 0666), 0);
    close(fd);
    in_child(few_threads);
    unlink(log_path);
}

/* LK-40, LK-41 (TestThreadExhaustion): a hundred goroutines that lock, with ten threads. Go dies; here
 * there is one warning, and each has its turn. */
TEST(locked_at_the_limit)
{
    int fd = mkstemp(strcpy(log_path, "/tmp/tuza_limits_XXXXXX"));
    CHECK(fd >= 0);
    CHECK_EQ(fchmod(fd, 0666), 0);
    close(fd);
    in_child(locked_threads);
    unlink(log_path);
}

TEST_MAIN()
