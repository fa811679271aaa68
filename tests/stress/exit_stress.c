/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thousand goroutines exit at once, in 500 processes: each ends with the
 * first one's code, its hooks have run once, and nothing is printed. Which
 * one was first the hook can tell, since it runs there, and it writes the
 * code to the parent. A third call exit() instead of tuza_exit, one is a
 * plain thread; in some processes main returns meanwhile, in others the hook
 * sleeps, and in some a goroutine passes exit() by, which may decide the
 * code. (XH-08, XH-11, XH-12, XH-25.)
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | timeout 900 | not arm64
// ctest: env GOMAXPROCS=1 TUZA_CHAOS=1 | env GOMAXPROCS=2 TUZA_CHAOS=2 | env GOMAXPROCS=8 TUZA_CHAOS=3
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "stress/stress.h"

#define GOROUTINES 1000
#define BOUND_MS   120000
#define TO_PARENT  3

static long number; /* of this process */

static bool passes_exit_by(long process)
{
    return process % 8 == 7;
}

/* Of a thread that has no goroutine of its own. */
static _Thread_local int thread_code;

static int code(void)
{
    return thread_code ? thread_code : (int)(1 + tuza_goid() % 200);
}

static void hook(void *arg)
{
    (void)arg;
    char first = (char)code();
    if (number % 3 == 0)
        tuza_sleep(TUZA_MILLISECOND / 2);
    CHECK_EQ(write(TO_PARENT, &first, 1), 1);
}

static void leave(void *arg)
{
    intptr_t i = (intptr_t)arg;
    if (i == GOROUTINES / 2 && passes_exit_by(number)) {
        void (*libc_exit)(int);
        *(void **)&libc_exit = dlsym(RTLD_NEXT, "exit");
        libc_exit(code());
    }
    if (i % 3 == 0)
        exit(code());
    tuza_exit(code());
}

static void *thread_leaves(void *arg)
{
    (void)arg;
    thread_code = 222;
    exit(222);
}

static int child(int argc, char **argv)
{
    (void)argc;
    number = atol(argv[2]);
    CHECK_EQ(tuza_exit_hook_add(hook, NULL, true), 0);
    pthread_t t;
    for (intptr_t i = 0; i < GOROUTINES; i++) {
        GO(leave, (void *)i);
        if (i == GOROUTINES / 3)
            CHECK_EQ(pthread_create(&t, NULL, thread_leaves, NULL), 0);
    }
    if (number % 5 == 0)
        return code();
    tuza_chan_recv(NULL, NULL);
    return 0;
}

static pid_t start(const char *self, long process, int to_parent, int errors)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char text[24];
        snprintf(text, sizeof text, "%ld", process);
        dup2(errors, 2);
        dup2(to_parent, TO_PARENT);
        execl(self, self, "child", text, (char *)NULL);
        _exit(255);
    }
    return pid;
}

/* Reads to the end of all writers, which is the child's. */
static size_t drain(int fd, char *buf, size_t size, pid_t pid)
{
    size_t n = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int r = poll(&p, 1, BOUND_MS);
        if (r == 0)
            kill(pid, SIGABRT);
        CHECK(r > 0);
        ssize_t got = read(fd, buf + n, size - 1 - n);
        CHECK(got >= 0);
        n += (size_t)got;
        if (got == 0 || n == size - 1) {
            buf[n] = 0;
            return n;
        }
    }
}

static void one(const char *self, long process)
{
    int out[2], errors[2], status;
    char hooks[16], text[4096];
    CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
    CHECK_EQ(pipe2(errors, O_CLOEXEC), 0);
    pid_t pid = start(self, process, out[1], errors[1]);
    close(out[1]);
    close(errors[1]);
    drain(errors[0], text, sizeof text, pid);
    size_t ran = drain(out[0], hooks, sizeof hooks, pid);
    close(out[0]);
    close(errors[0]);
    while (waitpid(pid, &status, 0) < 0)
        CHECK_EQ(errno, EINTR);

    const char *rest = text; /* each starts with these two, where it has them */
    if (strncmp(rest, "TUZA_STRESS_SEED=", 17) == 0)
        rest = strchr(rest, '\n') + 1;
    if (strncmp(rest, "TUZA_CHAOS=", 11) == 0)
        rest = strchr(rest, '\n') + 1;
    if (*rest)
        tz_test_fail(__FILE__, __LINE__, "process %ld prints \"%s\":", process, rest);
    if (!WIFEXITED(status))
        tz_test_fail(__FILE__, __LINE__, "process %ld was ended by signal %d:", process, WTERMSIG(status));
    CHECK_EQ(ran, 1);
    if (!passes_exit_by(process))
        CHECK_EQ(WEXITSTATUS(status), (unsigned char)hooks[0]);
}

static int parent(const char *self)
{
    long n = stress_amount(500);
    for (long i = 0; i < n; i++)
        one(self, i);
    printf("PASS: %ld processes\n", n);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return 100 - tuza_run(child, argc, argv);
    return parent("/proc/self/exe");
}
