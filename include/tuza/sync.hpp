/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks for the standard library's lock objects, and wait groups. */
#ifndef TUZA_SYNC_HPP
#define TUZA_SYNC_HPP

#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "tuza/context.hpp"
#include "tuza/go.hpp"
#include "tuza/group.h"
#include "tuza/panic.h"
#include "tuza/sync.h"

namespace tuza
{

/* For std::lock_guard, std::unique_lock and std::scoped_lock. */
class mutex
{
  public:
    mutex() = default;
    mutex(const mutex &) = delete;
    mutex &operator=(const mutex &) = delete;
    void lock()
    {
        tuza_mutex_lock(&m);
    }
    [[nodiscard]] bool try_lock()
    {
        return tuza_mutex_trylock(&m);
    }
    void unlock()
    {
        tuza_mutex_unlock(&m);
    }
    tuza_mutex *get()
    {
        return &m;
    }

  private:
    tuza_mutex m = TUZA_MUTEX_INIT;
};

/* Many readers or one writer; for std::shared_lock as well. */
class rwmutex
{
  public:
    rwmutex() = default;
    rwmutex(const rwmutex &) = delete;
    rwmutex &operator=(const rwmutex &) = delete;
    void lock()
    {
        tuza_rwmutex_lock(&rw);
    }
    [[nodiscard]] bool try_lock()
    {
        return tuza_rwmutex_trylock(&rw);
    }
    void unlock()
    {
        tuza_rwmutex_unlock(&rw);
    }
    void lock_shared()
    {
        tuza_rwmutex_rlock(&rw);
    }
    [[nodiscard]] bool try_lock_shared()
    {
        return tuza_rwmutex_tryrlock(&rw);
    }
    void unlock_shared()
    {
        tuza_rwmutex_runlock(&rw);
    }

  private:
    tuza_rwmutex rw = TUZA_RWMUTEX_INIT;
};

/* Waits under a mutex of a std::unique_lock, as std::condition_variable. */
class cond
{
  public:
    cond() = default;
    cond(const cond &) = delete;
    cond &operator=(const cond &) = delete;
    template <typename Lock> void wait(Lock &lock)
    {
        tuza_cond_wait(&c, lock.mutex()->get());
    }
    template <typename Lock, typename Predicate> void wait(Lock &lock, Predicate ready)
    {
        while (!ready())
            wait(lock);
    }
    void signal()
    {
        tuza_cond_signal(&c);
    }
    void broadcast()
    {
        tuza_cond_broadcast(&c);
    }

  private:
    tuza_cond c = TUZA_COND_INIT;
};

class waitgroup
{
  public:
    waitgroup() = default;
    waitgroup(const waitgroup &) = delete;
    waitgroup &operator=(const waitgroup &) = delete;
    void add(int n)
    {
        tuza_waitgroup_add(&wg, n);
    }
    void done()
    {
        tuza_waitgroup_done(&wg);
    }
    void wait()
    {
        tuza_waitgroup_wait(&wg);
    }
    /* As tuza::go; wait waits for it. */
    template <typename F> void go(F &&f)
    {
        using Callable = std::decay_t<F>;
        auto callable = std::make_unique<Callable>(std::forward<F>(f));
        int err = tuza_waitgroup_go(&wg, detail::run<Callable>, callable.get());
        if (err == 0)
            callable.release();
        detail::must(err);
    }

  private:
    tuza_waitgroup wg = TUZA_WAITGROUP_INIT;
};

/*
 * A scope that does not end before its goroutines have, by a panic too: a
 * variable of a block. They are cancelled where it is left without a wait.
 */
class group
{
  public:
    group()
    {
        tuza_deferred_enter(&record);
    }
    ~group()
    {
        tuza_deferred_leave(&record);
    }
    group(const group &) = delete;
    group &operator=(const group &) = delete;
    static void *operator new(std::size_t) = delete;

    /* The group's context: to be made before its first goroutine. */
    context derive(const context &parent)
    {
        return context::adopt(tuza_context_ref(tuza_group_context(&g, parent.get())));
    }
    void limit(int n)
    {
        tuza_group_limit(&g, n);
    }
    /* f() is 0, or the error. Waits while as many run as may. */
    template <typename F> void go(F &&f)
    {
        using Callable = std::decay_t<F>;
        auto callable = std::make_unique<Callable>(std::forward<F>(f));
        int err = tuza_group_go(&g, run<Callable>, callable.get());
        if (err == 0)
            callable.release();
        detail::must(err);
    }
    [[nodiscard]] int wait()
    {
        return tuza_group_wait(&g);
    }

  private:
    template <typename F> static int run(void *arg)
    {
        tuza_defer(detail::destroy<F>, arg); /* as a goroutine's body */
        return std::invoke(std::move(*static_cast<F *>(arg)));
    }

    tuza_group g = TUZA_GROUP_INIT;
    tuza_deferred record{tuza_group_close, &g, nullptr};
};

} // namespace tuza

#endif /* TUZA_SYNC_HPP */
