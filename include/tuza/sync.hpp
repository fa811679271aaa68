/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks for the standard library's lock objects, and wait groups. */
#ifndef TUZA_SYNC_HPP
#define TUZA_SYNC_HPP

#include <memory>
#include <type_traits>
#include <utility>

#include "tuza/go.hpp"
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

} // namespace tuza

#endif /* TUZA_SYNC_HPP */
