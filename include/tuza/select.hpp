/* SPDX-License-Identifier: BSD-3-Clause */
/* Select over channels of objects: tuza::select. */
#ifndef TUZA_SELECT_HPP
#define TUZA_SELECT_HPP

#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tuza/chan.hpp"
#include "tuza/context.hpp"
#include "tuza/select.h"

namespace tuza
{

/*
 * Cases of a select, each with what is called when it was done:
 *
 *     tuza::select(
 *         tuza::on_recv(jobs, [&](std::optional<job> j) { ... }),   without one: closed
 *         tuza::on_send(results, result, [&] { ... }),              result is moved from then
 *         tuza::on_timeout(5s, [&] { ... }),
 *         tuza::on_done(ctx, [&] { ... }));
 *
 * A case refers to its channel, context and value, which must be there while
 * it is used; it may be used again, in one select at a time. F is called when
 * the select is over, in it.
 *
 * A value that is sent is moved away when the select begins, and moved back
 * before anything is called, or where a panic or an exception comes instead
 * (one that is copied as bytes is copied, and not touched). The same object
 * may be the value of several cases; a part of another's value may not.
 */
template <typename T, typename F> class on_recv
{
  public:
    on_recv(const chan<T> &from, F f) : c(from.get()), then(std::move(f))
    {
    }

    /* What a select has for the case while it lasts. */
    class turn
    {
      public:
        static constexpr bool returns = false;
        explicit turn(on_recv &of) : mine(of)
        {
        }
        turn(const turn &) = delete;
        turn &operator=(const turn &) = delete;
        ~turn()
        {
            if (has)
                elem.destroy();
        }
        template <typename Earlier> void join(Earlier &)
        {
        }
        tuza_case prepare()
        {
            return TUZA_RECV(mine.c, elem.at());
        }
        void chosen(const tuza_case &by)
        {
            has = by.ok;
        }
        void put_back()
        {
        }
        void done()
        {
            mine.then(std::exchange(has, false) ? std::optional<T>(elem.take()) : std::nullopt);
        }

      private:
        on_recv &mine;
        detail::element<T> elem;
        bool has = false;
    };

  private:
    tuza_chan *c;
    F then;
};
template <typename T, typename F> class on_send
{
  public:
    on_send(const chan<T> &to, T &what, F f) : c(to.get()), value(what), then(std::move(f))
    {
    }

    class turn : public detail::outgoing<T>
    {
      public:
        explicit turn(on_send &of) : detail::outgoing<T>(of.value), mine(of)
        {
        }
        template <typename Earlier> void join(Earlier &earlier)
        {
            if constexpr (std::is_base_of_v<detail::outgoing<T>, Earlier>)
                detail::outgoing<T>::join(earlier);
        }
        tuza_case prepare()
        {
            this->load();
            return TUZA_SEND(mine.c, this->at());
        }
        void chosen(const tuza_case &)
        {
            this->sent();
        }
        void done()
        {
            mine.then();
        }

      private:
        on_send &mine;
    };

  private:
    tuza_chan *c;
    T &value;
    F then;
};
template <typename F> class on_event
{
  public:
    on_event(const tuza_case &made, F f) : event(made), then(std::move(f))
    {
    }

    class turn
    {
      public:
        static constexpr bool returns = false;
        explicit turn(on_event &of) : mine(of)
        {
        }
        turn(const turn &) = delete;
        turn &operator=(const turn &) = delete;
        template <typename Earlier> void join(Earlier &)
        {
        }
        tuza_case prepare()
        {
            return mine.event;
        }
        void chosen(const tuza_case &)
        {
        }
        void put_back()
        {
        }
        void done()
        {
            mine.then();
        }

      private:
        on_event &mine;
    };

  private:
    tuza_case event;
    F then;
};
template <typename F> on_event<F> on_timeout(nanoseconds time, F f)
{
    return {TUZA_TIMEOUT(time.count()), std::move(f)};
}
template <typename F> on_event<F> on_done(const context &ctx, F f)
{
    return {TUZA_DONE(ctx.get()), std::move(f)};
}
template <typename F> on_event<F> on_readable(int fd, F f)
{
    return {TUZA_READABLE(fd), std::move(f)};
}
template <typename F> on_event<F> on_writable(int fd, F f)
{
    return {TUZA_WRITABLE(fd), std::move(f)};
}

namespace detail
{

/* One select. What it has moved away is moved back by wait, before any function is called. */
template <typename... Cases> class selection
{
  public:
    explicit selection(Cases &...cases) : turns(cases...)
    {
    }
    /* Returns what how(cases, n) does, the index of the one that was done. */
    template <typename How> auto wait(How how)
    {
        [[maybe_unused]] auto back = defer_if<(Cases::turn::returns || ...)>([this] { put_back(all); });
        tuza_case raw[sizeof...(Cases) + 1];
        prepare(raw, all);
        auto index = how(raw, sizeof...(Cases));
        choose(static_cast<std::size_t>(index), raw, all);
        put_back(all);
        return index;
    }
    void done(std::size_t index)
    {
        call(index, all);
    }

  private:
    static constexpr std::index_sequence_for<Cases...> all{};

    template <std::size_t... I> void prepare(tuza_case *raw, std::index_sequence<I...>)
    {
        (void)raw;
        ((raw[I] = prepare_one(std::get<I>(turns), std::make_index_sequence<I>())), ...);
    }
    template <typename Turn, std::size_t... Earlier>
    tuza_case prepare_one(Turn &turn, std::index_sequence<Earlier...>)
    {
        (turn.join(std::get<Earlier>(turns)), ...);
        return turn.prepare();
    }
    template <std::size_t... I>
    void choose(std::size_t index, const tuza_case *raw, std::index_sequence<I...>)
    {
        (void)index, (void)raw;
        ((I == index ? std::get<I>(turns).chosen(raw[I]) : void()), ...);
    }
    template <std::size_t... I> void put_back(std::index_sequence<I...>)
    {
        (std::get<I>(turns).put_back(), ...);
    }
    template <std::size_t... I> void call(std::size_t index, std::index_sequence<I...>)
    {
        (void)index;
        ((I == index ? std::get<I>(turns).done() : void()), ...);
    }

    std::tuple<typename Cases::turn...> turns;
};

} // namespace detail

/* Waits until one of the cases is done, and calls its function. Returns which. */
template <typename... Cases> std::size_t select(Cases &&...cases)
{
    detail::selection<std::remove_reference_t<Cases>...> s(cases...);
    std::size_t chosen = s.wait(tuza_select);
    s.done(chosen);
    return chosen;
}
/* Does a case if one is ready now; false: none is. */
template <typename... Cases> bool try_select(Cases &&...cases)
{
    detail::selection<std::remove_reference_t<Cases>...> s(cases...);
    int chosen = s.wait(tuza_try_select);
    s.done(static_cast<std::size_t>(chosen));
    return chosen >= 0;
}

} // namespace tuza

#endif /* TUZA_SELECT_HPP */
