/* SPDX-License-Identifier: BSD-3-Clause */
/* Select over channels of objects: tuza::select. */
#ifndef TUZA_SELECT_HPP
#define TUZA_SELECT_HPP

#include <cstddef>
#include <optional>
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
 * The objects live until the select has returned; F is called in it.
 */
template <typename T, typename F> class on_recv
{
  public:
    on_recv(const chan<T> &from, F f) : c(from.c), then(std::move(f))
    {
    }
    tuza_case prepare()
    {
        return TUZA_RECV(c, elem.at());
    }
    void done(const tuza_case &chosen)
    {
        then(chosen.ok ? std::optional<T>(elem.take()) : std::nullopt);
    }
    void not_done()
    {
    }

  private:
    tuza_chan *c;
    detail::element<T> elem;
    F then;
};
template <typename T, typename F> class on_send
{
  public:
    on_send(const chan<T> &to, T &what, F f) : c(to.c), value(what), elem(std::move(what)), then(std::move(f))
    {
    }
    tuza_case prepare()
    {
        return TUZA_SEND(c, elem.at());
    }
    void done(const tuza_case &)
    {
        then();
    }
    void not_done()
    {
        chan<T>::restore(value, elem);
    }

  private:
    tuza_chan *c;
    T &value;
    detail::element<T> elem;
    F then;
};
template <typename F> class on_event
{
  public:
    on_event(const tuza_case &made, F f) : event(made), then(std::move(f))
    {
    }
    tuza_case prepare()
    {
        return event;
    }
    void done(const tuza_case &)
    {
        then();
    }
    void not_done()
    {
    }

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

/* Cases that were not done first: their values go back before any function sees them. */
template <std::size_t... I, typename... Cases>
void finish(std::size_t chosen, const tuza_case *raw, std::index_sequence<I...>, Cases &...cases)
{
    (void)raw;
    ((I == chosen ? void() : cases.not_done()), ...);
    ((I == chosen ? cases.done(raw[I]) : void()), ...);
}

} // namespace detail

/* Waits until one of the cases is done, and calls its function. Returns which. */
template <typename... Cases> std::size_t select(Cases &&...cases)
{
    tuza_case raw[sizeof...(cases) + 1] = {cases.prepare()..., {}};
    std::size_t chosen = tuza_select(raw, sizeof...(cases));
    detail::finish(chosen, raw, std::index_sequence_for<Cases...>(), cases...);
    return chosen;
}
/* Does a case if one is ready now; false: none is. */
template <typename... Cases> bool try_select(Cases &&...cases)
{
    tuza_case raw[sizeof...(cases) + 1] = {cases.prepare()..., {}};
    int chosen = tuza_try_select(raw, sizeof...(cases));
    detail::finish(static_cast<std::size_t>(chosen), raw, std::index_sequence_for<Cases...>(), cases...);
    return chosen >= 0;
}

} // namespace tuza

#endif /* TUZA_SELECT_HPP */
