/* SPDX-License-Identifier: BSD-3-Clause */
/* Embedding from C++: std::thread, exceptions, destructors of thread_local objects that call back. */
// ctest: timeout 600 | plain | env GOMAXPROCS=1
#include <tuza.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tz_test.h"

namespace
{

struct Channel {
    tuza_chan *c;
    explicit Channel(size_t capacity) : c(tuza_chan_make(sizeof(long), capacity))
    {
    }
    ~Channel()
    {
        tuza_chan_unref(c);
    }
    Channel(const Channel &) = delete;
    Channel &operator=(const Channel &) = delete;
    void send(long v) const
    {
        tuza_chan_send(c, &v);
    }
    long recv() const
    {
        long v = 0;
        CHECK(tuza_chan_recv(c, &v));
        return v;
    }
};

struct Pair {
    Channel to{0}, from{0};
};

void add_hundred(void *arg)
{
    auto *pair = static_cast<Pair *>(arg);
    long v;
    while (tuza_chan_recv(pair->to.c, &v))
        pair->from.send(v + 100);
}

std::atomic<int> said_goodbye;

struct Goodbye {
    const Channel *to = nullptr;
    ~Goodbye()
    {
        if (to) {
            to->send(-1);
            said_goodbye++;
        }
    }
};
thread_local Goodbye goodbye;

void throw_and_catch(const Pair &pair, int depth)
{
    if (depth == 0)
        throw std::runtime_error("deep");
    try {
        throw_and_catch(pair, depth - 1);
    } catch (const std::runtime_error &e) {
        pair.to.send(depth); /* blocks in a handler */
        CHECK_EQ(pair.from.recv(), depth + 100);
        if (depth < 5)
            throw;
        CHECK(std::string(e.what()) == "deep");
    }
}

/* FT-01: std::threads call in, with destructors and exceptions of their own. */
TEST(threads_and_exceptions)
{
    CHECK_EQ(tuza_start(nullptr), 0);
    {
        Pair pair;
        CHECK_EQ(tuza_go(add_hundred, &pair), 0);
        for (int i = 0; i < 10; i++)
            std::thread([&pair] { throw_and_catch(pair, 5); }).join();
        throw_and_catch(pair, 5);
        tuza_chan_close(pair.to.c);
        CHECK_EQ(tuza_stop(0), 0);
    }
}

/* FT-02, FT-10: a thread_local's destructor blocks in a call, at the end of its thread. */
TEST(thread_local_destructors)
{
    CHECK_EQ(tuza_start(nullptr), 0);
    {
        enum { N = 8 };
        Channel c(0);
        std::vector<std::thread> threads;
        for (int i = 0; i < N; i++)
            threads.emplace_back([&c, i] {
                if (i % 2)
                    c.send(1);
                goodbye.to = &c;
            });
        long sum = 0;
        for (int i = 0; i < N + N / 2; i++)
            sum += c.recv();
        CHECK_EQ(sum, N / 2 - N);
        for (auto &t : threads)
            t.join();
        CHECK_EQ(said_goodbye.load(), static_cast<int>(N));
    }
    CHECK_EQ(tuza_stop(0), 0);
}

void own(void *arg)
{
    std::unique_ptr<std::string> text(static_cast<std::string *>(arg));
    try {
        tuza_sleep(TUZA_MILLISECOND);
        text->at(1000);
    } catch (const std::out_of_range &) {
        tuza_gosched();
        text->append("!");
    }
}

/* An exception within a goroutine. */
TEST(exceptions_in_goroutines)
{
    CHECK_EQ(tuza_start(nullptr), 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(tuza_go(own, new std::string("text")), 0);
    CHECK_EQ(tuza_stop(0), 0);
}

} // namespace

TEST_MAIN()
