/* SPDX-License-Identifier: BSD-3-Clause */
/* Channels of any type that can be moved: tuza::chan. */
#ifndef TUZA_CHAN_HPP
#define TUZA_CHAN_HPP

#include <cstddef>
#include <cstring>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "tuza/chan.h"
#include "tuza/context.h"
#include "tuza/go.hpp"
#include "tuza/typed.h"

namespace tuza
{

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
        put(std::move(value));
    }
    void put(T &&value)
    {
        ::new (static_cast<void *>(&bytes)) T(std::move(value));
    }
    void *at()
    {
        return &bytes;
    }
    /* The object, which the element does not have any more, even where its move throws. */
    T take()
    {
        struct owner {
            element &e;
            ~owner()
            {
                e.destroy();
            }
        } own{*this};
        return std::move(object());
    }
    void destroy()
    {
        object().~T();
    }
    static void drop(void *elem)
    {
        element e;
        std::memcpy(e.at(), elem, size);
        e.destroy();
    }
    static constexpr bool owns = !std::is_trivially_destructible_v<T>;

  private:
    T &object()
    {
        return *std::launder(reinterpret_cast<T *>(&bytes));
    }

    struct alignas(T) {
        unsigned char byte[sizeof(T) > 0 ? sizeof(T) : 1];
    } bytes;
};
template <typename T> class element<T, false>
{
  public:
    static constexpr std::size_t size = sizeof(T *);
    element() = default;
    explicit element(T &&value)
    {
        put(std::move(value));
    }
    void put(T &&value)
    {
        object = new T(std::move(value));
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
    void destroy()
    {
        delete object;
    }
    static void drop(void *elem)
    {
        delete *static_cast<T **>(elem);
    }
    static constexpr bool owns = true;

  private:
    T *object;
};

/*
 * A caller's value on its way out: moved away by load(), and back by
 * put_back() where it was not sent. Several of the same object, in the cases
 * of one select, join to be one element: at most one of them is sent.
 */
template <typename T> class outgoing
{
  public:
    /* Of bytes that are copied, the caller's stay as they are. */
    static constexpr bool copied = std::is_trivially_copyable_v<T>;
    static constexpr bool returns = !copied || element<T>::owns;

    explicit outgoing(T &from) : value(from)
    {
    }
    outgoing(const outgoing &) = delete;
    outgoing &operator=(const outgoing &) = delete;
    void join(outgoing &earlier)
    {
        if (first == this && std::addressof(earlier.value) == std::addressof(value))
            first = &earlier;
    }
    void load()
    {
        if (first != this)
            return;
        elem.put(std::move(value));
        loaded = true;
    }
    void *at()
    {
        return first->elem.at();
    }
    void sent()
    {
        first->loaded = false;
    }
    void put_back()
    {
        if (!std::exchange(loaded, false))
            return;
        if constexpr (copied)
            elem.destroy();
        else if constexpr (std::is_move_assignable_v<T>)
            value = elem.take();
        else
            make_again();
    }

  private:
    /* A move that throws would leave the caller without an object: std::terminate. */
    void make_again() noexcept
    {
        value.~T();
        ::new (static_cast<void *>(std::addressof(value))) T(elem.take());
    }

    T &value;
    outgoing *first = this;
    element<T> elem;
    bool loaded = false;
};

/* A tuza::defer where one is needed. */
template <bool Needed, typename F> auto defer_if(F f)
{
    if constexpr (Needed)
        return defer<F>(std::move(f));
    else
        return false;
}

} // namespace detail

/*
 * A reference to a channel of T, which may be any type that can be moved.
 * Copies are further references; the last one to go destroys what is still
 * buffered. One that was made without a capacity is Go's nil channel.
 *
 *     for (auto v : c)             until c is closed and drained; T may be move-only
 *     while (auto v = c.recv())    the same
 *
 * The first looks at c for each element: c is not to be assigned to meanwhile.
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
    /* False: it would have to wait, and value is as it was; so it is where this panics. */
    bool try_send(T &value) const
    {
        return offer(value, [this](void *elem) { return tuza_chan_try_send(c, elem); });
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
    /* 0, or the context's error: then value is as it was, and where this panics. */
    [[nodiscard]] int send(T &value, tuza_context *ctx) const
    {
        int err = 0;
        offer(value, [&](void *elem) { return (err = tuza_chan_send_context(c, elem, ctx)) == 0; });
        return err;
    }
    /* As recv, where *err is 0; else that is the context's error. */
    std::optional<T> recv(tuza_context *ctx, int *err) const
    {
        element elem;
        int got = tuza_chan_recv_context(c, elem.at(), ctx);
        *err = got < 0 ? got : 0;
        if (got <= 0)
            return std::nullopt;
        return elem.take();
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
    /* Whether send, of the element's address, has sent value. */
    template <typename Send> static bool offer(T &value, Send send)
    {
        using outgoing = detail::outgoing<T>;
        outgoing out(value);
        [[maybe_unused]] auto back = detail::defer_if<outgoing::returns>([&] { out.put_back(); });
        out.load();
        bool done = send(out.at());
        if (done)
            out.sent();
        else
            out.put_back();
        return done;
    }

    tuza_chan *c = nullptr;
};
template <typename T> struct relocatable<chan<T>> : std::true_type {
};

} // namespace tuza

#endif /* TUZA_CHAN_HPP */
