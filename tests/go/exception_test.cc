/* SPDX-License-Identifier: BSD-3-Clause */
/* C++ exceptions within goroutines; how they go with panics and deferred functions. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4 | env GOMAXPROCS=4 TUZA_CHAOS=5
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include <exception>
#include <stdexcept>
#include <string>

#include "go/help.h"

static std::string trail;

static void mark(void *letter)
{
    trail += static_cast<const char *>(letter);
}

static void mark_recover(void *letter)
{
    mark(letter);
    const char *text = tuza_recover();
    if (text)
        trail += text;
}

static void *str(const char *s)
{
    return const_cast<char *>(s);
}

static void check_trail(const char *want)
{
    CHECK_STR(trail.c_str(), want);
    trail.clear();
}

/* Nothing of an exception is left in this goroutine. */
static void check_clean()
{
    CHECK_EQ(std::uncaught_exceptions(), 0);
    CHECK(std::current_exception() == nullptr);
}

struct counted {
    static int alive;
    int id;
    explicit counted(int n) : id(n)
    {
        __atomic_add_fetch(&alive, 1, __ATOMIC_RELAXED);
    }
    counted(const counted &o) : id(o.id)
    {
        __atomic_add_fetch(&alive, 1, __ATOMIC_RELAXED);
    }
    ~counted()
    {
        __atomic_sub_fetch(&alive, 1, __ATOMIC_RELAXED);
    }
};
int counted::alive;

/* An exception belongs to its goroutine: many block in the middle of one, on all threads. */
static tuza_chan *turns;
static int done, moved, passages;

struct blocks_when_unwound {
    int expected;
    ~blocks_when_unwound()
    {
        CHECK_EQ(std::uncaught_exceptions(), expected);
        pid_t before = gettid(); /* pthread_self is a constant to compilers */
        tuza_chan_send(turns, nullptr);
        if (flag_add(&passages, 1) % 64 == 0)
            usleep(300); /* the P goes to another thread meanwhile, and the goroutine after it */
        tuza_gosched();
        tuza_chan_recv(turns, nullptr);
        if (before != gettid())
            flag_add(&moved, 1);
        CHECK_EQ(std::uncaught_exceptions(), expected);
    }
};

static void thrower(int id)
{
    blocks_when_unwound guard = {1};
    throw counted(id);
}

static void catches(int id)
{
    check_clean();
    try {
        try {
            thrower(id);
            CHECK(false);
        } catch (counted &e) {
            CHECK_EQ(e.id, id);
            CHECK_EQ(std::uncaught_exceptions(), 0);
            {
                blocks_when_unwound guard = {0};
            }
            try {
                thrower(id + 1000000);
            } catch (const counted &inner) {
                blocks_when_unwound guard = {0};
                CHECK_EQ(inner.id, id + 1000000);
            }
            CHECK_EQ(e.id, id);
            throw;
        }
    } catch (const counted &e) {
        blocks_when_unwound guard = {0};
        CHECK_EQ(e.id, id);
        CHECK(std::current_exception() != nullptr);
    }
    check_clean();
}

static void exception_loop(void *arg)
{
    int id = static_cast<int>(reinterpret_cast<intptr_t>(arg));
    for (int i = 0; i < 20; i++)
        catches(id * 100 + i);
    flag_add(&done, 1);
}

TEST(exceptions_across_switches)
{
    enum { GOROUTINES = HELP_TSAN ? 20 : 100 };
    turns = tuza_chan_make(0, GOROUTINES / 2);
    int rounds = 0;
    do {
        done = 0;
        for (intptr_t i = 0; i < GOROUTINES; i++)
            GO(exception_loop, reinterpret_cast<void *>(i));
        /* The senders are as many as the receivers; a full channel needs a hand now and then. */
        while (flag_get(&done) < GOROUTINES) {
            if (tuza_chan_len(turns) == tuza_chan_cap(turns) && tuza_chan_try_recv(turns, nullptr, nullptr)) {
                tuza_gosched();
                tuza_chan_send(turns, nullptr);
            }
            tuza_gosched();
        }
        settle(1);
    } while (tuza_gomaxprocs(0) > 1 && !flag_get(&moved) && ++rounds < 1000);
    CHECK(tuza_gomaxprocs(0) == 1 || flag_get(&moved) > 0);
    CHECK_EQ(counted::alive, 0);
    check_clean();
    tuza_chan_unref(turns);
}

/* Those of other threads are their own. */
static void *on_thread(void *unused)
{
    (void)unused;
    try {
        throw counted(1);
    } catch (const counted &e) {
        tuza_chan *c = tuza_chan_make(0, 1); /* attaches */
        tuza_chan_send(c, nullptr);
        tuza_chan_recv(c, nullptr);
        tuza_chan_unref(c);
        CHECK_EQ(e.id, 1);
        try {
            throw;
        } catch (const counted &again) {
            CHECK_EQ(again.id, 1);
        }
    }
    check_clean();
    return nullptr;
}

TEST(threads)
{
    pthread_t t;
    CHECK_EQ(pthread_create(&t, nullptr, on_thread, nullptr), 0);
    CHECK_EQ(pthread_join(t, nullptr), 0);
    CHECK_EQ(counted::alive, 0);
}

/* An exception passes blocks and calls, whose functions run. */
static void throws_deep(void *text)
{
    TUZA_DEFER(mark, str("a"));
    tuza_defer(mark, str("b"));
    struct object {
        ~object()
        {
            trail += "d";
        }
    } o;
    throw std::runtime_error(static_cast<const char *>(text));
}

static void calls_thrower(void *text)
{
    tuza_defer(mark, str("e"));
    TUZA_DEFER(mark, str("f"));
    tuza_call(throws_deep, text);
    trail += "!";
}

TEST(exceptions_pass)
{
    for (int i = 0; i < 10; i++) {
        try {
            tuza_call(calls_thrower, str("text"));
            CHECK(false);
        } catch (const std::runtime_error &e) {
            trail += e.what();
        }
        check_trail("dabfetext");
        CHECK(tuza_recover() == nullptr);
        check_clean();
    }
}

/* TUZA_DEFER in C++, without exceptions. */
TEST(blocks)
{
    for (int i = 0; i < 3; i++) {
        TUZA_DEFER(mark, str("a"));
        if (i == 1)
            continue;
        TUZA_DEFER(
            +[](void *n) { trail += std::to_string(*static_cast<int *>(n)); }, &i);
    }
    check_trail("0aa2a");
}

/* A panic runs no destructors; it can be recovered from inside of a catch block, and outside: then the
 * exception is gone. */
static void panics_in_catch(void *unused)
{
    (void)unused;
    struct object {
        ~object()
        {
            trail += "!";
        }
    } o;
    try {
        throw counted(1);
    } catch (const counted &) {
        try {
            throw counted(2);
        } catch (const counted &) {
            tuza_panic("converted");
        }
    }
}

static void recovers(void *unused)
{
    (void)unused;
    tuza_defer(mark_recover, str("r"));
    panics_in_catch(nullptr);
}

TEST(panic_in_catch)
{
    for (int i = 0; i < 10; i++) {
        CHECK(!tuza_call(recovers, nullptr));
        check_trail("rconverted");
        check_clean();
        CHECK_EQ(counted::alive, 0);
        try {
            throw counted(3);
        } catch (const counted &e) {
            CHECK(!tuza_call(recovers, nullptr));
            CHECK_EQ(counted::alive, 1);
            CHECK_EQ(e.id, 3);
        }
        check_trail("rconverted");
        check_clean();
    }
}

/* A panic from a deferred function while an exception passes: the exception is forgotten. */
static void panic_from_unwinding(void *unused)
{
    (void)unused;
    tuza_defer(mark_recover, str("r"));
    TUZA_DEFER(
        +[](void *) { tuza_panic("p"); }, nullptr);
    throw 1;
}

TEST(panic_while_unwinding)
{
    if (HELP_ASAN)
        SKIP("its memory is lost, as documented");
    try {
        CHECK(!tuza_call(panic_from_unwinding, nullptr));
    } catch (int) { /* without a handler there would be no unwinding */
        CHECK(false);
    }
    check_trail("rp");
    check_clean();
}

/* Goexit in a catch block: the goroutine's successor finds nothing of it. */
static void goexit_in_catch(void *unused)
{
    (void)unused;
    check_clean();
    try {
        throw counted(1);
    } catch (const counted &) {
        tuza_goexit();
    }
}

TEST(goexit_in_catch)
{
    for (int i = 0; i < 100; i++)
        GO(goexit_in_catch, nullptr);
    settle(1);
    CHECK_EQ(counted::alive, 0);
}

/* An abandoned exception's destructor sets a value, which is destroyed, and defers, which runs. */
static tuza_key left_key;
static int left_destroyed, left_deferred;

static void count_up(void *n)
{
    __atomic_add_fetch(static_cast<int *>(n), 1, __ATOMIC_RELAXED);
}

struct leaves_things {
    ~leaves_things()
    {
        CHECK_EQ(tuza_local_set(left_key, &left_destroyed), 0);
        tuza_defer(count_up, &left_deferred);
    }
};

static void throw_leaving(void (*abandon)())
{
    CHECK(tuza_local_get(left_key) == nullptr);
    try {
        throw leaves_things();
    } catch (const leaves_things &) {
        abandon();
    }
}

static void throw_and_goexit(void *unused)
{
    (void)unused;
    throw_leaving(tuza_goexit);
}

static void panic_from_catch(void *letter)
{
    tuza_defer(mark_recover, letter);
    throw_leaving([] { tuza_panic("p"); });
}

TEST(what_destructors_leave)
{
    CHECK_EQ(tuza_local_key(&left_key, count_up), 0);
    for (int i = 1; i <= 100; i++) {
        GO(throw_and_goexit, nullptr);
        settle(1);
        CHECK_EQ(left_destroyed, i);
        CHECK_EQ(left_deferred, i);
    }
    CHECK(!tuza_call(panic_from_catch, str("a")));
    check_trail("ap");
    CHECK_EQ(left_deferred, 101);
    CHECK(tuza_local_get(left_key) == &left_destroyed);
}

/* Exceptions in deferred functions, caught there, also while panicking. */
static void throw_and_catch(void *letter)
{
    mark(letter);
    try {
        throw letter;
    } catch (void *same) {
        CHECK(same == letter);
    }
    mark_recover(letter);
}

static void defers_throw_and_catch(void *panic)
{
    TUZA_DEFER(throw_and_catch, str("a"));
    tuza_defer(throw_and_catch, str("b"));
    if (panic)
        tuza_panic("p");
}

TEST(exceptions_in_deferred)
{
    CHECK(tuza_call(defers_throw_and_catch, nullptr));
    check_trail("aabb");
    CHECK(!tuza_call(defers_throw_and_catch, str("")));
    check_trail("bbpaa");
    check_clean();
}

TEST_MAIN_TUZA()
