/* SPDX-License-Identifier: BSD-3-Clause */
/* Exceptions that leave a goroutine's or a deferred function: std::terminate, where they were thrown. And
 * forced unwinding, which passes. Each in a process of its own. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstdio>
#include <exception>

#include <tuza.hpp>

#include "go/help.h"

static void (*scene)();

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    scene();
    return 0;
}

/* Runs s as the main goroutine of a child, and returns how that ended; what it said is in said. */
static char said[4096];
static int child(void (*s)())
{
    int fd[2];
    CHECK_EQ(pipe(fd), 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd[1], 2);
        scene = s;
        _exit(100 - tuza_run(app, 0, nullptr));
    }
    close(fd[1]);
    size_t n = 0;
    for (ssize_t got; n < sizeof said - 1 && (got = read(fd[0], said + n, sizeof said - 1 - n)) > 0;)
        n += static_cast<size_t>(got);
    said[n] = 0;
    close(fd[0]);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

/* The object's destructor has not run when std::terminate is called: the stack is whole for a debugger. */
static bool unwound;
struct object {
    ~object()
    {
        unwound = true;
    }
};

static void on_terminate()
{
    fprintf(stderr, "terminate, %s\n", unwound ? "unwound" : "whole");
    signal(SIGABRT, SIG_DFL);
    abort();
}

static void throws(void *unused)
{
    (void)unused;
    object o;
    throw 1;
}

static void check_terminates(void (*s)())
{
    int status = child(s);
    CHECK_STR(said, "terminate, whole\n");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void from_goroutine()
{
    std::set_terminate(on_terminate);
    GO(throws, nullptr);
    tuza_chan_recv(nullptr, nullptr);
}

/* The callable is as whole as the frames. */
static void from_callable()
{
    std::set_terminate(on_terminate);
    tuza::go([o = std::make_unique<object>()] { throws(nullptr); });
    tuza_chan_recv(nullptr, nullptr);
}

static void from_main()
{
    std::set_terminate(on_terminate);
    throws(nullptr);
}

static void from_deferred()
{
    std::set_terminate(on_terminate);
    try {
        tuza_defer(throws, nullptr);
        tuza_panic("x");
    } catch (...) {
    }
}

static void from_block()
{
    std::set_terminate(on_terminate);
    try {
        TUZA_DEFER(throws, nullptr);
    } catch (...) {
    }
}

static void defers(void *unused)
{
    (void)unused;
    tuza_defer(throws, nullptr);
}

static void from_deferred_at_return()
{
    std::set_terminate(on_terminate);
    try {
        tuza_call(defers, nullptr);
    } catch (...) {
    }
}

TEST(terminate)
{
    check_terminates(from_goroutine);
    check_terminates(from_callable);
    check_terminates(from_main);
    check_terminates(from_deferred);
    check_terminates(from_block);
    check_terminates(from_deferred_at_return);
}

/* pthread_exit unwinds all of the goroutine's frames, ours among them, in a deferred function too; blocks run
 * once. The goroutine and its thread end, the process goes on. */
static int letters[128];

static void count(void *letter)
{
    flag_add(&letters[*static_cast<const char *>(letter) & 127], 1);
}

static void *str(const char *s)
{
    return const_cast<char *>(s);
}

struct counts {
    const char *letter;
    ~counts()
    {
        count(str(letter));
    }
};

static void exit_thread(void *unused)
{
    (void)unused;
    counts o = {"d"};
    TUZA_DEFER(count, str("c"));
    pthread_exit(nullptr);
}

/* A deferred function that uses all there is, in the middle of it. */
static void recover_it(void *unused)
{
    (void)unused;
    CHECK_STR(tuza_recover(), "y");
}

static void panic_again(void *unused)
{
    (void)unused;
    tuza_defer(recover_it, nullptr);
    tuza_panic("y");
}

static void count_and_panic(void *letter)
{
    CHECK(tuza_recover() == nullptr);
    for (int i = 0; i < 3; i++)
        CHECK(!tuza_call(panic_again, nullptr));
    count(letter);
}

static void exit_in_call(void *unused)
{
    (void)unused;
    tuza_defer(count, str("x")); /* the goroutine's own: forgotten */
    counts o = {"a"};
    TUZA_DEFER(count_and_panic, str("b"));
    tuza_call(exit_thread, nullptr);
    abort();
}

static void panic_and_exit(void *unused)
{
    (void)unused;
    TUZA_DEFER(exit_thread, nullptr);
    tuza_panic("x");
}

static void exit_in_deferred(void *unused)
{
    (void)unused;
    tuza_defer(count, str("x"));
    counts o = {"a"};
    TUZA_DEFER(count_and_panic, str("b"));
    tuza_call(panic_and_exit, nullptr);
    abort();
}

static void nothing(void *unused)
{
    (void)unused;
}

static void unwind_forced()
{
    for (int i = 1; i <= 10; i++) {
        GO(exit_in_call, nullptr);
        GO(exit_in_deferred, nullptr);
        EVENTUALLY(tuza_num_goroutine() == 1);
        for (int k = 0; k < 10; k++)
            GO(nothing, nullptr); /* on the same stacks, with nothing left on them */
        EVENTUALLY(tuza_num_goroutine() == 1);
        CHECK_EQ(flag_get(&letters[int('x')]), 0);
        CHECK_EQ(flag_get(&letters[int('a')]), 2 * i);
        CHECK_EQ(flag_get(&letters[int('b')]), 2 * i);
        CHECK_EQ(flag_get(&letters[int('c')]), 2 * i);
        CHECK_EQ(flag_get(&letters[int('d')]), 2 * i);
    }
}

TEST(forced_unwinding)
{
    if (HELP_ASAN || HELP_TSAN)
        SKIP("sanitizers know pthread_exit on a thread's own stack only");
    int status = child(unwind_forced);
    CHECK_STR(said, "");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_MAIN()
