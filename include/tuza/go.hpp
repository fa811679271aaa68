/* SPDX-License-Identifier: BSD-3-Clause */
/* tuza::go, for any callable; the runtime as an object. What they mean is said in <tuza.hpp>. */
#ifndef TUZA_GO_HPP
#define TUZA_GO_HPP

#include <cerrno>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tuza/go.h"
#include "tuza/panic.h"

namespace tuza
{

namespace detail
{

inline void must(int err)
{
    if (err < 0)
        throw std::system_error(-err, std::generic_category(), "tuza");
}

/*
 * A goroutine's body, and what destroys the callable however that ends:
 * return, panic, tuza_goexit. It is deferred first, so what the callable
 * defers by tuza_defer runs before: that may use what the callable holds.
 */
template <typename F> void destroy(void *arg)
{
    delete static_cast<F *>(arg);
}
template <typename F> void run(void *arg)
{
    tuza_defer(destroy<F>, arg);
    std::invoke(std::move(*static_cast<F *>(arg)));
}

} // namespace detail

/*
 * Starts a goroutine that calls f, moved or copied to the heap, and destroys
 * it at its end. f() may be called once, so it may be move-only.
 * try_go returns -ENOMEM, as tuza_go, where go throws std::system_error or
 * std::bad_alloc; then f has been destroyed.
 */
template <typename F> [[nodiscard]] int try_go(F &&f)
{
    using Callable = std::decay_t<F>;
    static_assert(std::is_invocable_v<Callable>, "tuza::go: a callable without arguments");
    auto *callable = new (std::nothrow) Callable(std::forward<F>(f));
    if (!callable)
        return -ENOMEM;
    int err = tuza_go(detail::run<Callable>, callable);
    if (err < 0)
        delete callable;
    return err;
}
template <typename F> void go(F &&f)
{
    detail::must(try_go(std::forward<F>(f)));
}
/* Go's statement: the arguments are copied or moved now, f is called with them then. */
template <typename F, typename First, typename... Rest> void go(F &&f, First &&first, Rest &&...rest)
{
    go([f = std::decay_t<F>(std::forward<F>(f)),
        args = std::tuple<std::decay_t<First>, std::decay_t<Rest>...>(
            std::forward<First>(first), std::forward<Rest>(rest)...)]() mutable {
        std::apply(std::move(f), std::move(args));
    });
}

/*
 * TUZA_DEFER for a callable: it is called when the object's block is left, by
 * a panic and tuza_goexit too, where no destructor runs.
 *
 *     mu.lock();
 *     tuza::defer unlock([&] { mu.unlock(); });
 */
template <typename F> class defer
{
  public:
    explicit defer(F f) : callable(std::move(f)), record{call, &callable, nullptr}
    {
        tuza_deferred_enter(&record);
    }
    ~defer()
    {
        tuza_deferred_leave(&record);
    }
    defer(const defer &) = delete;
    defer &operator=(const defer &) = delete;
    static void *operator new(std::size_t) = delete;

  private:
    static void call(void *f)
    {
        (*static_cast<F *>(f))();
    }

    F callable;
    tuza_deferred record;
};

/* The runtime, in a program with a main of its own, for as long as the object lives. */
class runtime
{
  public:
    explicit runtime(const tuza_options *options = nullptr)
    {
        detail::must(tuza_start(options));
    }
    ~runtime()
    {
        tuza_stop(0);
    }
    runtime(const runtime &) = delete;
    runtime &operator=(const runtime &) = delete;
};

} // namespace tuza

#endif /* TUZA_GO_HPP */
