/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tuza for C++17, in this header alone: goroutines that run any callable,
 * channels of any movable type, and objects that give back what they hold.
 *
 *     tuza::chan<std::string> lines(16);
 *     tuza::go([lines] {
 *         for (const auto &name : names())
 *             lines.send(name);
 *         lines.close();
 *     });
 *     for (auto line : lines)
 *         std::puts(line.c_str());
 *
 * What blocks, panics and is ordered is said of the C functions, whose names
 * are the same. Beside that:
 *
 *  - A panic runs deferred functions and no destructor, as <tuza/panic.h>
 *    says. What is to happen then too belongs in a TUZA_DEFER: a lock held by
 *    a std::lock_guard stays locked when a panic above it is recovered.
 *  - An exception that leaves a goroutine's callable is std::terminate.
 *  - Errors of the world, where they are no results, are std::system_error
 *    with the errno value.
 */
#ifndef TUZA_HPP
#define TUZA_HPP

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tuza.h"

namespace tuza
{

using std::chrono::nanoseconds;

namespace detail
{

inline void must(int err)
{
    if (err < 0)
        throw std::system_error(-err, std::generic_category(), "tuza");
}

/* A goroutine's body, and what destroys the callable however that ends: return, panic, tuza_goexit. */
template <typename F> void destroy(void *arg)
{
    delete static_cast<F *>(arg);
}
template <typename F> void run(void *arg)
{
    TUZA_DEFER(destroy<F>, arg);
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

/*
 * Whether an object of type T, moved elsewhere byte by byte and forgotten
 * where it was, is as good as moved: such elements lie in the channel itself,
 * all others in memory of their own. A program may say so of its types.
 */
template <typename T> struct relocatable : std::is_trivially_copyable<T> {
};
template <typename T> struct relocatable<std::unique_ptr<T>> : std::true_type {
};
template <typename T> struct relocatable<std::shared_ptr<T>> : std::true_type {
};
template <typename T> struct relocatable<std::weak_ptr<T>> : std::true_type {
};

namespace detail
{

constexpr std::size_t elem_max = 65535;

/* An element on its way: the object itself, in memory that does not destroy it, or a pointer to it. */
template <typename T, bool Inside = relocatable<T>::value && sizeof(T) <= elem_max> class element
{
  public:
    static constexpr std::size_t size = sizeof(T);
    element() = default;
    explicit element(T &&value)
    {
        ::new (static_cast<void *>(&bytes)) T(std::move(value));
    }
    void *at()
    {
        return &bytes;
    }
    /* The object, which the element does not have any more. */
    T take()
    {
        T &object = *std::launder(reinterpret_cast<T *>(&bytes));
        T value(std::move(object));
        object.~T();
        return value;
    }
    static void drop(void *elem)
    {
        element e;
        std::memcpy(e.at(), elem, size);
        e.take();
    }
    static constexpr bool owns = !std::is_trivially_destructible_v<T>;

  private:
    struct alignas(T) {
        unsigned char byte[sizeof(T) > 0 ? sizeof(T) : 1];
    } bytes;
};
template <typename T> class element<T, false>
{
  public:
    static constexpr std::size_t size = sizeof(T *);
    element() = default;
    explicit element(T &&value) : object(new T(std::move(value)))
    {
    }
    void *at()
    {
        return &object;
    }
    T take()
    {
        std::unique_ptr<T> own(object);
        return std::move(*own);
    }
    static void drop(void *elem)
    {
        delete *static_cast<T **>(elem);
    }
    static constexpr bool owns = true;

  private:
    T *object;
};

} // namespace detail

/*
 * A reference to a channel of T, which may be any type that can be moved.
 * Copies are further references; the last one to go destroys what is still
 * buffered. One that was made without a capacity is Go's nil channel.
 *
 *     for (auto v : c)             until c is closed and drained; T may be move-only
 *     while (auto v = c.recv())    the same
 */
template <typename T> class chan
{
    static_assert(std::is_same_v<T, std::decay_t<T>> && std::is_move_constructible_v<T>,
                  "tuza::chan: elements must be objects that can be moved");
    using element = detail::element<T>;

  public:
    chan() = default;
    explicit chan(std::size_t capacity)
        : c(tuza_chan_make_drop(element::size, capacity, element::owns ? element::drop : nullptr))
    {
    }
    chan(const chan &other) : c(tuza_chan_ref(other.c))
    {
    }
    chan(chan &&other) noexcept : c(std::exchange(other.c, nullptr))
    {
    }
    chan &operator=(chan other) noexcept
    {
        std::swap(c, other.c);
        return *this;
    }
    ~chan()
    {
        tuza_chan_unref(c);
    }

    /* Where a send panics, its value is not destroyed. */
    void send(T value) const
    {
        element elem(std::move(value));
        tuza_chan_send(c, elem.at());
    }
    /* False: it would have to wait, and value is as it was. */
    bool try_send(T &value) const
    {
        element elem(std::move(value));
        if (tuza_chan_try_send(c, elem.at()))
            return true;
        restore(value, elem);
        return false;
    }
    bool try_send(T &&value) const
    {
        return try_send(value);
    }
    /* Without a value: closed and drained. */
    std::optional<T> recv() const
    {
        element elem;
        if (!tuza_chan_recv(c, elem.at()))
            return std::nullopt;
        return elem.take();
    }
    /* False: it would have to wait. Else value is as recv would have returned it. */
    bool try_recv(std::optional<T> &value) const
    {
        element elem;
        bool ok;
        if (!tuza_chan_try_recv(c, elem.at(), &ok))
            return false;
        value.reset();
        if (ok)
            value.emplace(elem.take());
        return true;
    }
    void close() const
    {
        tuza_chan_close(c);
    }
    std::size_t size() const
    {
        return tuza_chan_len(c);
    }
    std::size_t capacity() const
    {
        return tuza_chan_cap(c);
    }
    explicit operator bool() const
    {
        return c != nullptr;
    }
    friend bool operator==(const chan &a, const chan &b)
    {
        return a.c == b.c;
    }
    friend bool operator!=(const chan &a, const chan &b)
    {
        return a.c != b.c;
    }

    /* For calls of C; borrowed. Its elements are T where relocatable<T>, else T *. */
    tuza_chan *get() const
    {
        return c;
    }
    /* Of a channel that C has made, for elements that are copied as bytes; takes the reference over. */
    static chan adopt(tuza_chan *raw)
    {
        static_assert(std::is_trivially_copyable_v<T>, "tuza::chan: C's channels have bytes");
        chan made;
        made.c = tuza_typed_check(raw, sizeof(T));
        return made;
    }

    class iterator
    {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using pointer = T *;
        using reference = T &&;

        explicit iterator(const chan *from) : c(from), value(from->recv())
        {
        }
        T &&operator*()
        {
            return std::move(*value);
        }
        iterator &operator++()
        {
            value.reset();
            if (auto next = c->recv())
                value.emplace(std::move(*next));
            return *this;
        }
        bool operator!=(std::nullptr_t) const
        {
            return value.has_value();
        }

      private:
        const chan *c;
        std::optional<T> value;
    };
    iterator begin() const
    {
        return iterator(this);
    }
    std::nullptr_t end() const
    {
        return nullptr;
    }

  private:
    /* What could not be sent goes back to where it came from. */
    static void restore(T &value, element &elem)
    {
        if constexpr (std::is_move_assignable_v<T>) {
            value = elem.take();
        } else {
            value.~T();
            ::new (static_cast<void *>(std::addressof(value))) T(elem.take());
        }
    }

    tuza_chan *c = nullptr;
};
template <typename T> struct relocatable<chan<T>> : std::true_type {
};

inline void sleep(nanoseconds time)
{
    tuza_sleep(time.count());
}

namespace detail
{

/* A timer's callable, with a count of those who have it: the timer, and each call while it lasts. */
class callback
{
  public:
    explicit callback(std::function<void()> f) : function(std::move(f))
    {
    }
    static void call(void *arg)
    {
        auto *self = static_cast<callback *>(arg);
        __atomic_add_fetch(&self->users, 1, __ATOMIC_RELAXED);
        TUZA_DEFER(leave, arg);
        self->function();
    }
    static void leave(void *arg)
    {
        auto *self = static_cast<callback *>(arg);
        if (__atomic_sub_fetch(&self->users, 1, __ATOMIC_ACQ_REL) == 0)
            delete self;
    }

  private:
    std::function<void()> function;
    int users = 1;
};

} // namespace detail

/* What timers and tickers have in common: move-only; stopped and freed when it goes. */
class any_timer
{
  public:
    any_timer(any_timer &&other) noexcept
        : t(std::exchange(other.t, nullptr)), callable(std::exchange(other.callable, nullptr))
    {
    }
    any_timer &operator=(any_timer &&other) noexcept
    {
        std::swap(t, other.t);
        std::swap(callable, other.callable);
        return *this;
    }
    /* Of one that calls: waits for a call that has started, but not in that call itself. */
    ~any_timer()
    {
        if (!callable) {
            tuza_timer_free(t);
            return;
        }
        tuza_timer_stop_wait(t);
        tuza_timer_free(t);
        detail::callback::leave(callable);
    }

    bool stop()
    {
        return tuza_timer_stop(t);
    }
    bool stop_wait()
    {
        return tuza_timer_stop_wait(t);
    }
    bool reset(nanoseconds time)
    {
        return tuza_timer_reset(t, time.count());
    }
    /* Of elements that are the time at which it was due, on tuza_now's clock. */
    tuza::chan<std::int64_t> chan() const
    {
        return tuza::chan<std::int64_t>::adopt(tuza_chan_ref(tuza_timer_chan(t)));
    }
    tuza_timer *get() const
    {
        return t;
    }

  protected:
    explicit any_timer(tuza_timer *timer, detail::callback *c = nullptr) : t(timer), callable(c)
    {
    }

  private:
    tuza_timer *t;
    detail::callback *callable;
};

class context;

class timer : public any_timer
{
  public:
    explicit timer(nanoseconds time) : any_timer(tuza_timer_new(time.count()))
    {
    }

  private:
    friend class context;
    friend timer after_func(nanoseconds time, std::function<void()> f);
    timer(tuza_timer *made, detail::callback *c) : any_timer(made, c)
    {
    }
};

class ticker : public any_timer
{
  public:
    explicit ticker(nanoseconds interval) : any_timer(tuza_ticker_new(interval.count()))
    {
    }
};

/* Calls f in a goroutine of its own when the time has come, as long as the timer lives. */
[[nodiscard]] inline timer after_func(nanoseconds time, std::function<void()> f)
{
    auto *c = new detail::callback(std::move(f));
    return timer(tuza_after_func(time.count(), detail::callback::call, c), c);
}

/* A reference to a context. Its end cancels nothing, as with the C functions. */
class context
{
  public:
    /* The one that is never done. */
    context() : c(tuza_context_background())
    {
    }
    context(const context &other) : c(tuza_context_ref(other.c))
    {
    }
    context(context &&other) noexcept : c(std::exchange(other.c, nullptr))
    {
    }
    context &operator=(context other) noexcept
    {
        std::swap(c, other.c);
        return *this;
    }
    ~context()
    {
        tuza_context_unref(c);
    }

    [[nodiscard]] context with_cancel() const
    {
        return context(tuza_context_with_cancel(c));
    }
    [[nodiscard]] context with_timeout(nanoseconds time) const
    {
        return context(tuza_context_with_timeout(c, time.count()));
    }
    [[nodiscard]] context with_deadline(std::int64_t when) const
    {
        return context(tuza_context_with_deadline(c, when));
    }
    [[nodiscard]] context with_signals(std::initializer_list<int> signals) const
    {
        return context(tuza_context_with_signals(c, signals.begin(), signals.size()));
    }
    [[nodiscard]] context without_cancel() const
    {
        return context(tuza_context_without_cancel(c));
    }
    /* With a value of its own, destroyed with the last reference. */
    template <typename T> [[nodiscard]] context with_value(const void *key, T value) const
    {
        auto own = std::make_unique<T>(std::move(value));
        context made(tuza_context_with_value_free(c, key, own.get(), detail::destroy<T>));
        own.release();
        return made;
    }
    /* NULL where no context has one for the key; T must be what it was made with. */
    template <typename T> T *value(const void *key) const
    {
        return static_cast<T *>(tuza_context_value(c, key));
    }

    void cancel() const
    {
        tuza_context_cancel(c);
    }
    void cancel(int cause) const
    {
        tuza_context_cancel_cause(c, cause);
    }
    int err() const
    {
        return tuza_context_err(c);
    }
    int cause() const
    {
        return tuza_context_cause(c);
    }
    std::int64_t deadline() const
    {
        return tuza_context_deadline(c);
    }
    chan<tuza_empty> done() const
    {
        return chan<tuza_empty>::adopt(tuza_chan_ref(tuza_context_done(c)));
    }
    [[nodiscard]] int sleep(nanoseconds time) const
    {
        return tuza_context_sleep(c, time.count());
    }
    /* Calls f in a goroutine of its own when this is done, as long as the timer lives. */
    [[nodiscard]] timer after_func(std::function<void()> f) const
    {
        auto *callable = new detail::callback(std::move(f));
        return timer(tuza_context_after_func(c, detail::callback::call, callable), callable);
    }

    tuza_context *get() const
    {
        return c;
    }
    static context adopt(tuza_context *raw)
    {
        return context(raw);
    }

  private:
    explicit context(tuza_context *raw) : c(raw)
    {
    }

    tuza_context *c;
};

} // namespace tuza

#endif /* TUZA_HPP */
