/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers, tickers and contexts that go with their objects. */
#ifndef TUZA_CONTEXT_HPP
#define TUZA_CONTEXT_HPP

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <utility>

#include "tuza/chan.hpp"
#include "tuza/context.h"
#include "tuza/go.hpp"
#include "tuza/time.h"

namespace tuza
{

using std::chrono::nanoseconds;

inline void sleep(nanoseconds time)
{
    tuza_sleep(time.count());
}

namespace detail
{

/*
 * A timer's callable, with a count of those who have it: the timer, and each
 * call until what it has deferred has run.
 */
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
        tuza_defer(leave, arg);
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
    /* The one that was here ends as by its destructor. */
    any_timer &operator=(any_timer &&other) noexcept
    {
        any_timer taken(std::move(other));
        std::swap(t, taken.t);
        std::swap(callable, taken.callable);
        return *this;
    }
    /*
     * Of one that calls: waits for a call that has started, but not in that
     * call itself; so a call which has set its timer anew must not be what
     * ends it. One that calls, made in a bubble, ends in that.
     */
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

#endif /* TUZA_CONTEXT_HPP */
