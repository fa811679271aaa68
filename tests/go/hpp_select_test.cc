/* SPDX-License-Identifier: BSD-3-Clause */
/* <tuza.hpp>: select, and what is left where a send or a receive comes to nothing. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4 | env GOMAXPROCS=4 TUZA_CHAOS=9
#include <tuza.hpp>

#include <stdexcept>
#include <string>

#include "go/counted.h"

using namespace std::chrono_literals;

/* A move that throws, on the way out of a channel, loses the element and leaks nothing. */
static int moves_left;
struct fragile : counted {
    using counted::counted;
    fragile(fragile &&other) : counted(take_one(std::move(other)))
    {
    }
    static counted &&take_one(counted &&other)
    {
        if (moves_left-- <= 0)
            throw std::runtime_error("moved too often");
        return std::move(other);
    }
};
template <> struct tuza::relocatable<struct fragile_inside> : std::true_type {
};
struct fragile_inside : fragile {
    using fragile::fragile;
};
template <typename T> static void moves_throw()
{
    for (int moves = 0; moves < 2; moves++) {
        moves_left = 100;
        tuza::chan<T> c(3);
        c.send(T(1));
        c.send(T(2));
        c.send(T(3));
        moves_left = moves;
        bool thrown = false;
        try {
            c.recv();
        } catch (const std::runtime_error &) {
            thrown = true;
        }
        CHECK(thrown);
        moves_left = moves;
        thrown = false;
        try {
            std::optional<T> got;
            c.try_recv(got);
        } catch (const std::runtime_error &) {
            thrown = true;
        }
        CHECK(thrown);
        moves_left = 0; /* the third is dropped, which moves nothing */
    }
    CHECK_EQ(flag_get(&alive), 0);
}
TEST(moves_throw)
{
    moves_throw<fragile>();
    moves_throw<fragile_inside>();
}

/* SE-05, SE-09, SE-11: what a select did not do is as it was. */
TEST(select)
{
    tuza::chan<std::string> in(1), out(1);
    tuza::chan<std::unique_ptr<counted>> owners(1);
    std::string text = "a text that is too long to lie in the string itself", kept = text, got;
    auto owner = std::make_unique<counted>(4);
    bool closed = false, timed_out = false;
    auto cases = [&] {
        return tuza::select(tuza::on_recv(in,
                                          [&](std::optional<std::string> v) {
                                              CHECK(text == kept);
                                              closed = !v;
                                              got = v.value_or("");
                                          }),
                            tuza::on_send(owners, owner, [] {}),
                            tuza::on_timeout(1h, [&] { timed_out = true; }));
    };
    CHECK_EQ(cases(), 1);
    CHECK(!owner);
    owner = std::make_unique<counted>(5);
    in.send(text);
    text = kept;
    CHECK_EQ(cases(), 0);
    CHECK(got == kept && owner && owner->n == 5);
    in.close();
    CHECK_EQ(cases(), 0);
    CHECK(closed && owner);
    CHECK(tuza::select(tuza::on_timeout(0ns, [&] { timed_out = true; })) == 0);
    CHECK(timed_out);

    auto offer = [&] {
        return tuza::try_select(tuza::on_send(out, text, [] {}), tuza::on_recv(owners, [](auto) {}));
    };
    CHECK(offer() && offer());
    tuza::chan<std::string> nil;
    text = kept;
    CHECK(!tuza::try_select(tuza::on_send(nil, text, [] {})));
    CHECK(text == kept);
    tuza::context ctx = tuza::context().with_cancel();
    ctx.cancel();
    bool done = false;
    CHECK(tuza::select(tuza::on_done(ctx, [&] { done = true; })) == 0);
    CHECK(done);
    owner.reset();
    CHECK_EQ(flag_get(&alive), 0);
}

/* SE-11: cases that are used again, with the values that were not sent; in between these are the caller's. */
template <typename T, typename Make, typename Is> static void cases_again(Make make, Is is)
{
    tuza::chan<T> out(0);
    tuza::chan<int> go_on(1);
    T item = make(5);
    int ticks = 0;
    auto send = tuza::on_send(out, item, [] {});
    auto tick = tuza::on_timeout(0ns, [&] {
        CHECK(is(item, 5 + ticks));
        item = make(5 + ++ticks);
    });
    auto told = tuza::on_recv(go_on, [&](std::optional<int> n) { CHECK_EQ(n.value(), 1); });
    for (int i = 0; i < 3; i++)
        CHECK_EQ(tuza::select(send, tick), 1);
    CHECK(!tuza::try_select(send));
    for (int i = 0; i < 2; i++) {
        go_on.send(1);
        CHECK_EQ(tuza::select(told, send), 0);
    }
    CHECK(is(item, 8));
    for (int i = 0; i < 2; i++) {
        item = make(8 + i);
        tuza::waitgroup wg;
        wg.go([=] { CHECK(is(*out.recv(), 8 + i)); });
        CHECK_EQ(tuza::select(told, send), 1);
        wg.wait();
    }
}
TEST(cases_again)
{
    auto string = [](int n) {
        return "a text that is too long to lie in the string itself: " + std::to_string(n);
    };
    cases_again<std::string>(string, [=](const std::string &v, int n) { return v == string(n); });
    cases_again<std::unique_ptr<int>>([](int n) { return std::make_unique<int>(n); },
                                      [](const std::unique_ptr<int> &v, int n) { return v && *v == n; });
    cases_again<int>([](int n) { return n; }, [](int v, int n) { return v == n; });
}

/* Go's select { case a <- v: case b <- v: }: whichever is chosen sends v. */
template <typename T, typename Make, typename Is> static void one_value_twice(Make make, Is is)
{
    tuza::chan<T> a(1), b(1), c(1);
    tuza::chan<int> other(0);
    int n = 0;
    for (bool kept = true; n < 64; n++) {
        T v = make(n);
        std::size_t chosen =
            tuza::select(tuza::on_send(a, v, [] {}), tuza::on_recv(other, [](std::optional<int>) {}),
                         tuza::on_send(b, v, [] {}), tuza::on_send(c, v, [] {}));
        CHECK(chosen != 1);
        CHECK(is(*(chosen == 0 ? a : chosen == 2 ? b : c).recv(), n));
        CHECK_EQ(a.size() + b.size() + c.size(), 0);
        v = make(n);
        kept = kept && tuza::select(tuza::on_send(tuza::chan<T>(), v, [] {}), tuza::on_timeout(0ns, [] {}),
                                    tuza::on_send(tuza::chan<T>(), v, [] {})) == 1;
        CHECK(kept && is(v, n));
    }
}
TEST(one_value_twice)
{
    auto string = [](int n) {
        return "a text that is too long to lie in the string itself: " + std::to_string(n);
    };
    one_value_twice<std::string>(string, [=](const std::string &v, int n) { return v == string(n); });
    one_value_twice<std::unique_ptr<int>>([](int n) { return std::make_unique<int>(n); },
                                          [](const std::unique_ptr<int> &v, int n) { return v && *v == n; });
}

/* CH-14, SE-09: what a send that panics, or a move that throws, has not sent is the caller's still. */
struct unsent {
    tuza::chan<std::string> shut{1}, full{0};
    tuza::chan<fragile> fragiles{1};
    std::string a = "the first, which is too long to lie in the string itself";
    std::string b = "the other, which is too long to lie in the string itself";
    bool is_whole() const
    {
        return a.find("the first,") == 0 && b.find("the other,") == 0;
    }
};
static void recover_closed(void *)
{
    CHECK_STR(tuza_recover(), "send on closed channel");
}
TEST(unsent)
{
    unsent u;
    u.shut.close();
    using function = void (*)(void *);
    for (function f : {
             function([](void *arg) {
                 auto *x = static_cast<unsent *>(arg);
                 tuza_defer(recover_closed, nullptr);
                 tuza::select(tuza::on_send(x->full, x->b, [] {}), tuza::on_send(x->shut, x->a, [] {}));
             }),
             function([](void *arg) {
                 auto *x = static_cast<unsent *>(arg);
                 tuza_defer(recover_closed, nullptr);
                 (void)tuza::try_select(tuza::on_send(x->full, x->b, [] {}),
                                        tuza::on_send(x->shut, x->a, [] {}));
             }),
             function([](void *arg) {
                 auto *x = static_cast<unsent *>(arg);
                 tuza_defer(recover_closed, nullptr);
                 (void)x->shut.try_send(x->a);
             }),
             function([](void *arg) {
                 auto *x = static_cast<unsent *>(arg);
                 tuza_defer(recover_closed, nullptr);
                 (void)x->shut.send(x->a, nullptr);
             }),
         }) {
        CHECK(!tuza_call(f, &u));
        CHECK(u.is_whole());
    }
    fragile last(1);
    moves_left = 0;
    bool thrown = false;
    try {
        tuza::select(tuza::on_send(u.full, u.a, [] {}), tuza::on_send(u.full, u.b, [] {}),
                     tuza::on_send(u.fragiles, last, [] {}));
    } catch (const std::runtime_error &) {
        thrown = true;
    }
    CHECK(thrown && u.is_whole());
    CHECK_EQ(last.n, 1);
}

TEST_MAIN_TUZA()
