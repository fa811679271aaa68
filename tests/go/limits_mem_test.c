/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A full address space (ulimit -v): tuza_go says -ENOMEM, nothing is lost,
 * and it works again when there is room. In child processes: what libc's
 * allocator does at its limit is not asked.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4 | not asan tsan arm64
#include <sys/resource.h>
#include <sys/wait.h>

#include "go/help.h"

static rlim_t used_kib(void)
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

static void limit_space(rlim_t more_bytes)
{
    struct rlimit l;
    CHECK_EQ(getrlimit(RLIMIT_AS, &l), 0);
    l.rlim_cur = more_bytes == RLIM_INFINITY ? l.rlim_max : used_kib() * 1024 + more_bytes;
    CHECK_EQ(setrlimit(RLIMIT_AS, &l), 0);
}

static tuza_chan *gate;
static long begun;

static void wait_at_gate(void *arg)
{
    (void)arg;
    flag_add(&begun, 1);
    tuza_chan_recv(gate, NULL);
}

static int fill_up(int argc, char **argv)
{
    (void)argc, (void)argv;
    gate = tuza_chan_make(0, 0);
    for (int round = 0; round < 3; round++) {
        limit_space((rlim_t)256 << 20);
        long n = 0;
        flag_set(&begun, 0);
        int err;
        while ((err = tuza_go(wait_at_gate, NULL)) == 0)
            CHECK(++n < 1000000);
        CHECK_EQ(err, -ENOMEM);
        CHECK(n > 100);
        tuza_go_options large = {.stack_size = TUZA_STACK_MAX};
        CHECK_EQ(tuza_go_with(&large, wait_at_gate, NULL), -ENOMEM);
        CHECK_EQ(tuza_num_goroutine(), n + 1);
        EVENTUALLY(flag_get(&begun) == n); /* those there are all run */
        limit_space(RLIM_INFINITY);
        for (int i = 0; i < 2000; i++)
            GO(wait_at_gate, NULL);
        EVENTUALLY(flag_get(&begun) == n + 2000);
        for (long i = 0; i < n + 2000; i++)
            tuza_chan_send(gate, NULL);
        settle(1);
    }
    return 42;
}

static int no_room(void)
{
    limit_space((rlim_t)1 << 20);
    CHECK_EQ(tuza_run(fill_up, 0, NULL), -ENOMEM);
    CHECK_EQ(tuza_run(fill_up, 0, NULL), -ENOMEM);
    limit_space(RLIM_INFINITY);
    tuza_run(fill_up, 0, NULL);
    return 1;
}

static int room(void)
{
    tuza_run(fill_up, 0, NULL);
    return 1;
}

/* What a failed start took it has given back, or uses at the next one. */
static int leaks_nothing(void)
{
    limit_space((rlim_t)1 << 20);
    CHECK(tuza_run(fill_up, 0, NULL) < 0);
    rlim_t before = used_kib();
    for (int i = 0; i < 500; i++)
        CHECK(tuza_run(fill_up, 0, NULL) < 0);
    CHECK(used_kib() <= before + 256);
    return 42;
}

static int child(int (*fn)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        exit(fn());
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* GR-18: -ENOMEM from tuza_go at the limit; what runs goes on; it works again with room. */
TEST(full_while_running)
{
    CHECK_EQ(child(room), 42);
}

/* GR-18: a start without room is -ENOMEM, and can be tried again. */
TEST(full_at_start)
{
    CHECK_EQ(child(no_room), 42);
}

/* GR-18: failed starts do not add up. */
TEST(failed_starts_leak_nothing)
{
    CHECK_EQ(child(leaks_nothing), 42);
}

static int never(int argc, char **argv)
{
    (void)argc, (void)argv;
    return 42;
}

static int huge_procs(void)
{
    limit_space((rlim_t)200 << 20);
    setenv("GOMAXPROCS", "65536", 1);
    unsetenv("TUZA_MAXPROCS");
    CHECK(freopen("/dev/null", "w", stderr) != NULL);
    tuza_run(never, 0, NULL);
    return 1;
}

static int absurd_procs(void)
{
    unsetenv("TUZA_MAXPROCS");
    unsetenv("GOMAXPROCS");
    int normal = tuza_gomaxprocs(0);
    setenv("GOMAXPROCS", "1000000000", 1);
    CHECK_EQ(tuza_gomaxprocs(0), normal);
    CHECK_EQ(tuza_gomaxprocs(1000000000), normal);
    CHECK_EQ(tuza_gomaxprocs(0), 65536);
    return 42;
}

/* GM-11: more Ps than memory suffices for: an error at once;
 * more than make sense: not from the environment, and bounded in a call. */
TEST(absurd_gomaxprocs)
{
    CHECK_EQ(child(huge_procs), 2);
    CHECK_EQ(child(absurd_procs), 42);
}

TEST_MAIN()
