/* SPDX-License-Identifier: BSD-3-Clause */
/* <tuza.hpp>: what belongs to whom, and that it is destroyed once; select is hpp_select_test.cc's. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4 | env GOMAXPROCS=4 TUZA_CHAOS=9
#include <tuza.hpp>

#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "go/counted.h"

using namespace std::chrono_literals;

struct alignas(64) aligned {
    std::string text;
};
struct large {
    char bytes[100000];
    int n;
};

/* The address tells whether the bytes were moved without the object. */
struct self {
    const self *at = this;
    int n = 0;
    explicit self(int value) : n(value)
    {
    }
    self(self &&other) noexcept : n(other.n)
    {
    }
    self &operator=(self &&other) noexcept
    {
        n = other.n;
        return *this;
    }
};

/* GR-02: whatever can be called, and what it holds, is destroyed at the goroutine's end, however it ends. */
TEST(go)
{
    tuza::chan<int> c(1);
    tuza::go([c] { c.send(1); });
    CHECK_EQ(c.recv().value(), 1);
    auto owned = std::make_unique<counted>(2);
    tuza::go([c, owned = std::move(owned)] { c.send(owned->n); });
    CHECK_EQ(c.recv().value(), 2);
    tuza::go([c](counted got, const std::string &text) { c.send(got.n + static_cast<int>(text.size())); },
             counted(3), "four");
    CHECK_EQ(c.recv().value(), 7);
    tuza::go([c, owned = std::make_unique<counted>(5)] {
        c.send(owned->n);
        tuza_goexit();
    });
    CHECK_EQ(c.recv().value(), 5);
    int err = tuza::try_go([c, owned = std::make_unique<counted>(6)] { c.send(owned->n); });
    CHECK_EQ(err, 0);
    CHECK_EQ(c.recv().value(), 6);
    settle(1);
    CHECK_EQ(flag_get(&alive), 0);
}

/* A panic that is recovered at the goroutine's boundary destroys the callable as well. */
TEST(go_panics)
{
    tuza::go([owned = std::make_unique<counted>(1)] {
        tuza_defer([](void *) { CHECK_STR(tuza_recover(), "out 1"); }, nullptr);
        tuza_panic("out %d", owned->n);
    });
    settle(1);
    CHECK_EQ(flag_get(&alive), 0);
}

/* What a callable defers by tuza_defer runs before what it holds is destroyed, whoever called it. */
static int gone, seen;
struct leaves_mark {
    ~leaves_mark()
    {
        flag_set(&gone, 1);
    }
};
static void sees(void *)
{
    CHECK_EQ(flag_get(&gone), 0);
    flag_add(&seen, 1);
}
static void check_seen()
{
    settle(1);
    CHECK_EQ(flag_get(&gone), 1);
    CHECK_EQ(flag_get(&seen), 1);
    gone = seen = 0;
}
TEST(deferred_by_callables)
{
    tuza::go([own = std::make_unique<leaves_mark>()] { tuza_defer(sees, nullptr); });
    check_seen();
    tuza::go([own = std::make_unique<leaves_mark>()] {
        tuza_defer(sees, nullptr);
        tuza_goexit();
    });
    check_seen();
    tuza::waitgroup wg;
    wg.go([own = std::make_unique<leaves_mark>()] { tuza_defer(sees, nullptr); });
    wg.wait();
    check_seen();
    {
        tuza::group g;
        g.go([own = std::make_unique<leaves_mark>()] {
            tuza_defer(sees, nullptr);
            return 0;
        });
    }
    check_seen();
    /* The call itself has ended its timer, and is the last to have the callable. */
    tuza::context ctx = tuza::context().with_cancel();
    for (bool timed : {true, false}) {
        auto own = std::make_shared<std::optional<tuza::timer>>();
        tuza::chan<int> there(0);
        auto call = [own, there, mark = std::make_shared<leaves_mark>()] {
            tuza_defer(sees, nullptr);
            there.recv();
            own->reset();
        };
        own->emplace(timed ? tuza::after_func(0ns, std::move(call)) : ctx.after_func(std::move(call)));
        ctx.cancel();
        there.send(1);
        check_seen();
    }
}

template <typename T> static void passes(T (*make)(int), int (*number)(const T &))
{
    for (std::size_t capacity : {0, 1, 5}) {
        tuza::chan<T> c(capacity);
        CHECK_EQ(c.capacity(), capacity);
        tuza::go([c, make] {
            for (int i = 0; i < 100; i++)
                c.send(make(i));
            c.close();
        });
        int n = 0;
        for (auto v : c)
            CHECK_EQ(number(v), n++);
        CHECK_EQ(n, 100);
        CHECK(!c.recv());
        settle(1);
    }
}

/* CH-05, CH-06, CH-23: elements of every kind, each once and in order. */
TEST(elements)
{
    passes<int>([](int i) { return i; }, [](const int &v) { return v; });
    passes<self>([](int i) { return self(i); }, [](const self &v) { return v.at == &v ? v.n : -2; });
    passes<counted>([](int i) { return counted(i); }, [](const counted &v) { return v.n; });
    passes<inside>([](int i) { return inside(i); }, [](const inside &v) { return v.n; });
    passes<std::string>([](int i) { return std::to_string(i); },
                        [](const std::string &v) { return std::stoi(v); });
    passes<aligned>([](int i) { return aligned{std::to_string(i)}; },
                    [](const aligned &v) {
                        CHECK_EQ(reinterpret_cast<std::uintptr_t>(&v) % 64, 0);
                        return std::stoi(v.text);
                    });
    passes<std::unique_ptr<counted>>([](int i) { return std::make_unique<counted>(i); },
                                     [](const std::unique_ptr<counted> &v) { return v->n; });
    passes<std::vector<int>>([](int i) { return std::vector<int>(3, i); },
                             [](const std::vector<int> &v) { return v.at(2); });
    CHECK_EQ(flag_get(&alive), 0);
}

/* More than a channel's element may have (CH-02) is passed by its address. */
TEST(large_elements)
{
    tuza::chan<large> c(1);
    auto v = std::make_unique<large>();
    v->n = 5;
    c.send(*v);
    CHECK_EQ(c.recv()->n, 5);
}

/* What nobody receives is destroyed with the last reference. */
template <typename T> static void left_over()
{
    {
        tuza::chan<T> c(3);
        c.send(T(1));
        c.send(T(2));
        CHECK_EQ(c.size(), 2);
        tuza::chan<T> d = c;
        c = tuza::chan<T>();
        CHECK_EQ(flag_get(&alive), 2);
        CHECK_EQ(d.recv()->n, 1);
        CHECK_EQ(flag_get(&alive), 1);
    }
    CHECK_EQ(flag_get(&alive), 0);
}
TEST(left_overs)
{
    left_over<counted>();
    left_over<inside>();
}

/* CH-11, CH-16: without waiting; what could not be sent is still there. */
TEST(try_forms)
{
    tuza::chan<std::string> c(1);
    std::string text = "a text that is too long to lie in the string itself", kept = text;
    std::optional<std::string> got;
    CHECK(!c.try_recv(got));
    CHECK(c.try_send(text));
    text = kept;
    CHECK(!c.try_send(text));
    CHECK(text == kept);
    CHECK(!c.try_send("another"));
    CHECK(c.try_recv(got) && got == kept);
    c.close();
    CHECK(c.try_recv(got) && !got);

    tuza::chan<counted> d(0);
    counted one(1);
    CHECK(!d.try_send(one));
    CHECK_EQ(one.n, 1);
    std::optional<counted> none;
    CHECK(!d.try_recv(none) && !none);
}

/* References, and the channel that is none. */
TEST(handles)
{
    tuza::chan<int> nil, c(1), d(c), e(std::move(d));
    CHECK(!nil && c && e && !d);
    CHECK(c == e && c != nil);
    CHECK_EQ(nil.size(), 0);
    int v = 1;
    CHECK(!nil.try_send(v));
    d = e;
    CHECK(d.try_send(7));
    CHECK_EQ(c.recv().value(), 7);
    auto raw = tuza::chan<long>::adopt(tuza_chan_make(sizeof(long), 1));
    raw.send(3);
    CHECK_EQ(raw.recv().value(), 3);

    tuza::chan<tuza::chan<int>> order(1);
    order.send(c);
    CHECK(order.recv().value() == c);
    order.send(c);
}

/* TM-04, TM-07, TM-09: timers end with their objects. */
TEST(timers)
{
    tuza::timer t(1ms);
    auto due = t.chan().recv();
    CHECK(due && *due <= tuza_now());
    CHECK(!t.stop());
    t.reset(1h);
    CHECK(t.stop());
    int n = 0;
    tuza::ticker ticks(100us);
    for (auto tick : ticks.chan()) {
        CHECK(tick > 0);
        if (++n == 3)
            break;
    }
    tuza::ticker moved(std::move(ticks));
    CHECK(moved.chan().recv());

    tuza::chan<int> c(1);
    {
        counted held(4);
        auto shared = std::make_shared<counted>(std::move(held));
        auto later = tuza::after_func(1us, [c, shared] { c.send(shared->n); });
        auto never = tuza::after_func(1h, [c, shared] { c.send(5); });
        CHECK_EQ(c.recv().value(), 4);
    }
    settle(1);
    CHECK_EQ(flag_get(&alive), 0);
    CHECK_EQ(c.size(), 0);
}

/* A timer that goes while it calls waits for that; in the call itself it does not. */
TEST(timer_goes_in_its_call)
{
    tuza::chan<int> begun(0), ended(1);
    {
        auto t = tuza::after_func(0ns, [=] {
            begun.send(1);
            tuza::sleep(2ms);
            ended.send(1);
        });
        begun.recv();
    }
    CHECK_EQ(ended.size(), 1);

    auto own = std::make_shared<std::optional<tuza::timer>>();
    tuza::chan<int> there(0);
    own->emplace(tuza::after_func(0ns, [=, held = std::make_shared<counted>(1)] {
        there.recv();
        own->reset();
        ended.send(held->n);
    }));
    ended.recv();
    there.send(1);
    CHECK_EQ(ended.recv().value(), 1);
    settle(1);
    CHECK_EQ(flag_get(&alive), 0);
}

/* A timer that another takes the place of ends then, not where the other was. */
TEST(timer_assigned)
{
    counted held(1);
    auto first = tuza::after_func(1h, [own = std::make_shared<counted>(2)] {});
    auto second = tuza::after_func(1h, [own = std::make_shared<counted>(3)] {});
    CHECK_EQ(flag_get(&alive), 3);
    auto *raw = second.get();
    first = std::move(second);
    CHECK_EQ(flag_get(&alive), 2);
    CHECK(first.get() == raw && !second.get());
    auto &same = first;
    first = std::move(same);
    CHECK(first.get() == raw && first.stop());
}

/* CX-02 to CX-12 are context_test.c's; here: who holds what. */
TEST(contexts)
{
    static const char key = 0;
    tuza::chan<int> told(1);
    {
        tuza::context background, ctx = background.with_cancel();
        tuza::context value = ctx.with_value(&key, counted(8)), copy = value;
        CHECK(value.value<counted>(&key)->n == 8);
        CHECK(background.value<counted>(&key) == nullptr);
        auto stop = copy.after_func([told] { told.send(1); });
        auto done = value.done();
        CHECK_EQ(value.err(), 0);
        ctx.cancel(77);
        CHECK(!done.recv());
        CHECK_EQ(value.err(), -ECANCELED);
        CHECK_EQ(copy.cause(), 77);
        CHECK_EQ(copy.sleep(1h), -ECANCELED);
        CHECK_EQ(ctx.without_cancel().err(), 0);
        CHECK_EQ(told.recv().value(), 1);
        CHECK(!background.done());
        CHECK_EQ(background.with_timeout(-1ns).err(), -ETIMEDOUT);
        CHECK(background.with_timeout(1h).deadline() > tuza_now());
        value = std::move(copy);
    }
    CHECK_EQ(flag_get(&alive), 0);
}

static std::string trail;
struct marks {
    ~marks()
    {
        trail += "destroyed ";
    }
};
static void leaves(void *how)
{
    trail.clear();
    tuza_defer([](void *) { trail += tuza_recover() ? "recovered" : "nothing"; }, nullptr);
    marks m;
    tuza::defer first([] { trail += "first "; });
    tuza::defer last([] { trail += "last "; });
    if (how)
        tuza_panic("out");
}

/* PN-01: what a tuza::defer has is called at its block's end, and by a panic, where destructors are not. */
TEST(defer)
{
    CHECK(tuza_call(leaves, nullptr));
    CHECK_STR(trail.c_str(), "last first destroyed nothing");
    CHECK(!tuza_call(leaves, &trail));
    CHECK_STR(trail.c_str(), "last first recovered");
}

/* What a panic leaves is not destroyed, so the context is the caller's. */
struct scene {
    bool recovered = false;
    std::optional<tuza::context> ctx;
};
static void recover_scene(void *arg)
{
    CHECK_STR(tuza_recover(), "out");
    static_cast<scene *>(arg)->recovered = true;
}
static void group_panics(void *arg)
{
    auto *s = static_cast<scene *>(arg);
    tuza_defer(recover_scene, arg);
    tuza::group g;
    s->ctx = g.derive(tuza::context());
    for (int i = 0; i < 3; i++)
        g.go([ctx = *s->ctx, owned = std::make_unique<counted>(i)] { return ctx.sleep(1h); });
    tuza_panic("out");
}

/* A group's goroutines have ended when its scope is left, by whatever way. */
TEST(group)
{
    {
        tuza::group g;
        tuza::context ctx = g.derive(tuza::context());
        g.limit(2);
        g.go([ctx, owned = std::make_unique<counted>(1)] { return ctx.sleep(1h); });
        g.go([] { return -ENOENT; });
        CHECK_EQ(g.wait(), -ENOENT);
        CHECK_EQ(ctx.err(), -ECANCELED);
    }
    {
        tuza::group g;
        tuza::context ctx = g.derive(tuza::context());
        g.go([ctx, owned = std::make_unique<counted>(1)] { return ctx.sleep(1h); });
    }
    CHECK_EQ(flag_get(&alive), 0);
    scene s;
    CHECK(!tuza_call(group_panics, &s));
    CHECK(s.recovered);
    CHECK_EQ(s.ctx->err(), -ECANCELED);
    settle(1);
    CHECK_EQ(flag_get(&alive), 0);
}

/* Sends and receives that a context ends. */
TEST(with_contexts)
{
    tuza::chan<std::string> c(0);
    tuza::context ctx = tuza::context().with_timeout(1ms);
    std::string text = "a text that is too long to lie in the string itself", kept = text;
    int err = 0;
    CHECK_EQ(c.send(text, ctx.get()), -ETIMEDOUT);
    CHECK(text == kept);
    CHECK(!c.recv(ctx.get(), &err));
    CHECK_EQ(err, -ETIMEDOUT);
    tuza::go([=] { c.send(kept); });
    CHECK(c.recv(nullptr, &err) == kept);
    CHECK_EQ(err, 0);
    c.close();
    CHECK(!c.recv(nullptr, &err));
    CHECK_EQ(err, 0);
}

/* SY-04, SY-15, SY-22: tuza's mutexes under the locks of the standard library. */
TEST(sync)
{
    static tuza::mutex a, b;
    static tuza::cond changed;
    static long sum, waiting;
    tuza::waitgroup wg;
    for (int i = 0; i < 10; i++)
        wg.go([owned = std::make_unique<counted>(1)] {
            for (int k = 0; k < 1000; k++) {
                std::scoped_lock both(a, b);
                sum += owned->n;
            }
            std::unique_lock<tuza::mutex> lock(a);
            waiting++;
            changed.wait(lock, [] { return waiting == 10 || sum < 0; });
            changed.broadcast();
        });
    wg.wait();
    std::lock_guard<tuza::mutex> lock(a);
    CHECK_EQ(sum, 10000);
    CHECK(!a.try_lock());
    settle(1);
    CHECK_EQ(flag_get(&alive), 0);

    static tuza::rwmutex rw;
    {
        std::shared_lock<tuza::rwmutex> one(rw), two(rw);
        CHECK(!rw.try_lock());
    }
    std::unique_lock<tuza::rwmutex> writer(rw);
    CHECK(!rw.try_lock_shared());
}

TEST_MAIN_TUZA()
