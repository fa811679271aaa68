/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork in a program whose own handlers use the runtime, and were registered
 * before its first call of it.
 */
// ctest: plain | env GOMAXPROCS=1 | env GOMAXPROCS=4 TUZA_CHAOS=3
#include <pthread.h>
#include <sys/wait.h>

#include "help.h"

static tuza_mutex lock;
static tuza_chan *full; /* one element, but for the time of a fork */
static bool stops;

static void prepare(void)
{
    tuza_mutex_lock(&lock);
    if (full)
        CHECK(try_recv(full, NULL));
    if (stops)
        CHECK_EQ(tuza_stop(0), 0);
}

static void after(void)
{
    if (stops)
        CHECK_EQ(tuza_start(NULL), 0);
    if (full)
        CHECK(tuza_chan_try_send(full, NULL));
    tuza_mutex_unlock(&lock);
}

static int used[2] = {-1, -1};

static void in_child(void)
{
    after();
    if (used[0] >= 0)
        CHECK_EQ(tuza_close(used[0]), 0);
}

static __attribute__((constructor)) void listen_to_forks(void)
{
    CHECK_EQ(pthread_atfork(prepare, after, in_child), 0);
}

static void give(void *c)
{
    tuza_chan_send(c, NULL);
}

static void use(void)
{
    tuza_chan *c = tuza_chan_make(0, 0);
    CHECK_EQ(tuza_start(NULL), 0);
    GO(give, c);
    tuza_chan_recv(c, NULL);
    CHECK_EQ(tuza_stop(0), 0);
    tuza_chan_unref(c);
}

/* The child goes on with a runtime of its own. */
static void fork_once(void)
{
    fflush(stdout);
    alarm(BOUND_S);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(BOUND_S);
        use();
        tuza_mutex_lock(&lock);
        _exit(42);
    }
    alarm(0);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 42);
}

static void *fork_in_thread(void *arg)
{
    (void)arg;
    fork_once();
    return NULL;
}

/* By a thread that has not called before. */
static void fork_by_another(void)
{
    pthread_t t;
    CHECK_EQ(pthread_create(&t, NULL, fork_in_thread, NULL), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
}

TEST(before_the_first_call)
{
    if (!HELP_FORKS)
        SKIP("no threads in children");
    fork_once();
}

TEST(after_the_first_call)
{
    if (!HELP_FORKS)
        SKIP("no threads in children");
    fork_by_another();
    use();
    fork_by_another();
    fork_once();
}

TEST(what_needs_a_p)
{
    if (!HELP_FORKS)
        SKIP("no threads in children");
    full = tuza_chan_make(0, 1);
    tuza_chan_send(full, NULL);
    fork_by_another();
    fork_once();
    tuza_chan_unref(full);
    full = NULL;
}

/* A library that has goroutines of its own, and none at a fork: so the child can have them, too. */
TEST(stopped_for_the_fork)
{
    if (!HELP_FORKS)
        SKIP("no threads in children");
    tuza_chan *c = tuza_chan_make(0, 0);
    CHECK_EQ(tuza_start(NULL), 0);
    GO(give, c);
    tuza_chan_recv(c, NULL);
    stops = true;
    fork_by_another();
    fork_once();
    stops = false;
    CHECK_EQ(tuza_stop(0), 0);
    tuza_chan_unref(c);
}

static void *read_one(void *arg)
{
    char byte;
    CHECK_EQ(tuza_read(*(int *)arg, &byte, 1), 1);
    return NULL;
}

/* Whoever is in the middle of using a descriptor is not in the child, and its handler need not wait for
 * him. */
TEST(used_at_the_fork)
{
    if (!HELP_FORKS)
        SKIP("no descriptors in children");
    pthread_t reader;
    CHECK_EQ(pipe(used), 0);
    CHECK_EQ(pthread_create(&reader, NULL, read_one, &used[0]), 0);
    usleep(20000); /* mostly it reads by then */
    fork_once();
    CHECK_EQ(write(used[1], "x", 1), 1);
    CHECK_EQ(pthread_join(reader, NULL), 0);
    CHECK_EQ(tuza_close(used[0]), 0);
    close(used[1]);
    used[0] = -1;
}

TEST_MAIN()
