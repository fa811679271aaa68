/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks and notes under threads; ranks in debug builds. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "lock/lock.h"
#include "os/os.h"
#include "tz_test.h"

#define SECOND ((int64_t)1000000000)
#define EVENTUALLY(cond)                              \
    __extension__({                                   \
        int64_t end_ = tz_os_now() + 60 * SECOND;     \
        while (!(cond) && tz_os_now() < end_)         \
            tz_os_sleep_until(tz_os_now() + 1000000); \
        (cond);                                       \
    })

enum { THREADS = 4, TIMES = 20000 };

static tz_lock lock;
static long counter; /* under the lock, and plain: two inside at once lose counts */

static void *adder(void *arg)
{
    for (int i = 0; i < TIMES; i++) {
        if (i % 3 == 0) {
            while (!tz_lock_try(&lock, TZ_RANK_SCHED))
                tz_os_yield();
        } else
            tz_lock_acquire(&lock, TZ_RANK_SCHED);
        long was = counter;
        if (i % 64 == 0)
            tz_os_yield();
        counter = was + 1;
        tz_lock_release(&lock, TZ_RANK_SCHED);
    }
    return arg;
}

TEST(lock_excludes)
{
    pthread_t t[THREADS];
    counter = 0;
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&t[i], NULL, adder, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    CHECK_EQ(counter, (long)THREADS * TIMES);
    CHECK_EQ(lock.word, 0);
}

static void *taker(void *arg)
{
    tz_lock_acquire(&lock, TZ_RANK_SCHED);
    counter++;
    tz_lock_release(&lock, TZ_RANK_SCHED);
    return arg;
}

TEST(lock_wakes_all_who_sleep)
{
    pthread_t t[THREADS];
    counter = 0;
    tz_lock_acquire(&lock, TZ_RANK_SCHED);
    CHECK(!tz_lock_try(&lock, TZ_RANK_GFREE));
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&t[i], NULL, taker, NULL), 0);
    CHECK(EVENTUALLY(tz_load_relaxed(&lock.word) == 2));
    CHECK_EQ(counter, 0);
    tz_lock_release(&lock, TZ_RANK_SCHED);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    CHECK_EQ(counter, THREADS);
    CHECK_EQ(lock.word, 0);
}

static tz_note note, answer;
static int letter; /* plain: the note orders it */

static void *pen_friend(void *arg)
{
    for (int i = 0; i < TIMES; i++) {
        tz_note_sleep(&note);
        CHECK_EQ(letter, 2 * i);
        tz_note_clear(&note);
        letter++;
        tz_note_wake(&answer);
    }
    return arg;
}

TEST(notes_hand_over)
{
    pthread_t t;
    letter = 0;
    tz_note_clear(&note);
    tz_note_clear(&answer);
    CHECK(!tz_note_woken(&note));
    CHECK_EQ(pthread_create(&t, NULL, pen_friend, NULL), 0);
    for (int i = 0; i < TIMES; i++) {
        tz_note_wake(&note);
        CHECK(tz_note_sleep_until(&answer, i % 2 ? TZ_OS_FOREVER : tz_os_now() + 600 * SECOND));
        tz_note_clear(&answer);
        CHECK_EQ(letter, 2 * i + 1);
        letter++;
    }
    pthread_join(t, NULL);
}

TEST(note_deadlines)
{
    tz_note_clear(&note);
    CHECK(!tz_note_sleep_until(&note, 0));
    CHECK(!tz_note_sleep_until(&note, -1));
    int64_t until = tz_os_now() + 10000000;
    CHECK(!tz_note_sleep_until(&note, until));
    CHECK(tz_os_now() >= until);
    tz_note_wake(&note); /* after the sleeper gave up */
    CHECK(tz_note_woken(&note));
    CHECK(tz_note_sleep_until(&note, 0));
    tz_note_sleep(&note);
}

static void on_signal(int sig)
{
    (void)sig;
}

static uint32_t asleep;

static void *sleeper(void *arg)
{
    tz_store_release(&asleep, 1);
    tz_note_sleep(&note);
    tz_store_release(&asleep, 2);
    return arg;
}

TEST(note_outlasts_signals)
{
    struct sigaction sa = {.sa_handler = on_signal};
    pthread_t t;
    sigaction(SIGUSR1, &sa, NULL);
    asleep = 0;
    tz_note_clear(&note);
    CHECK_EQ(pthread_create(&t, NULL, sleeper, NULL), 0);
    CHECK(EVENTUALLY(tz_load_acquire(&asleep) == 1));
    for (int i = 0; i < 20; i++) {
        pthread_kill(t, SIGUSR1);
        tz_os_sleep_until(tz_os_now() + 500000);
        CHECK_EQ(tz_load_acquire(&asleep), 1);
    }
    tz_note_wake(&note);
    pthread_join(t, NULL);
    CHECK_EQ(asleep, 2);
}

#ifdef TZ_DEBUG

static tz_lock low, high;

static void in_order(void)
{
    tz_lock_acquire(&low, TZ_RANK_STW);
    tz_lock_acquire(&high, TZ_RANK_SCHED);
    tz_lock_release(&low, TZ_RANK_STW); /* in any order */
    tz_lock_release(&high, TZ_RANK_SCHED);
    for (int i = 0; i < 100; i++) {
        CHECK(tz_lock_try(&high, TZ_RANK_SCHED));
        tz_lock_release(&high, TZ_RANK_SCHED);
    }
}

static void descending(void)
{
    tz_lock_acquire(&high, TZ_RANK_SCHED);
    tz_lock_acquire(&low, TZ_RANK_STW);
}

static void equal(void)
{
    tz_lock_acquire(&low, TZ_RANK_CHAN);
    tz_lock_acquire(&high, TZ_RANK_CHAN);
}

static void by_trying(void)
{
    tz_lock_acquire(&high, TZ_RANK_ARENA);
    (void)tz_lock_try(&low, TZ_RANK_GFREE);
}

static void not_held(void)
{
    tz_lock_release(&low, TZ_RANK_STW);
}

static void other_rank(void)
{
    tz_lock_acquire(&low, TZ_RANK_STW);
    tz_lock_release(&low, TZ_RANK_ALLM);
}

static void no_rank(void)
{
    tz_lock_acquire(&low, TZ_RANK_MAX);
}

/* Runs fn in a child; its wait status and what it wrote to stderr. */
static int run(void (*fn)(void), char *text, size_t room)
{
    int fd[2];
    CHECK_EQ(pipe(fd), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(fd[1], 2);
        close(fd[0]);
        fn();
        _exit(0);
    }
    close(fd[1]);
    size_t got = 0;
    ssize_t n;
    while (got < room - 1 && (n = read(fd[0], text + got, room - 1 - got)) > 0)
        got += (size_t)n;
    text[got] = '\0';
    close(fd[0]);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

TEST(ranks)
{
    static const struct {
        void (*fn)(void);
        const char *text;
    } wrong[] = {
        {descending,
         "fatal error: tuza: acquired out of order: a lock of rank stw; held, oldest first: sched\n"},
        {equal, "fatal error: tuza: acquired out of order: a lock of rank chan; held, oldest first: chan\n"},
        {by_trying,
         "fatal error: tuza: acquired out of order: a lock of rank gfree; held, oldest first: arena\n"},
        {not_held,
         "fatal error: tuza: released what this thread does not hold: a lock of rank stw; held, oldest "
         "first:\n"},
        {other_rank, "fatal error: tuza: released what this thread does not hold: a lock of rank allm; held, "
                     "oldest first: stw\n"},
        {no_rank, "fatal error: tuza: acquired a lock of rank ?; held, oldest first:\n"},
    };
    char text[512];
    CHECK_EQ(run(in_order, text, sizeof text), 0);
    CHECK_STR(text, "");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int status = run(wrong[i].fn, text, sizeof text);
        CHECK_STR(text, wrong[i].text);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

#else

TEST(ranks)
{
    SKIP("debug builds check ranks");
}

#endif

TEST_MAIN()
