/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks and their like as members of C++ objects, and what a C++ exception does to a once. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2
#include <cstring>
#include <stdexcept>

#include "go/help.h"

namespace
{

struct everything {
    tuza_mutex mu = TUZA_MUTEX_INIT;
    tuza_rwmutex rw = TUZA_RWMUTEX_INIT;
    tuza_cond cond = TUZA_COND_INIT;
    tuza_waitgroup group = TUZA_WAITGROUP_INIT;
    tuza_once once = TUZA_ONCE_INIT;
    tuza_semaphore sem = TUZA_SEMAPHORE_INIT(1);
    tuza_pool pool = TUZA_POOL_INIT(nullptr, nullptr, nullptr);
    tuza_group scope = TUZA_GROUP_INIT;
    int count = 0;
};

void work(void *arg)
{
    auto *e = static_cast<everything *>(arg);
    tuza_mutex_lock(&e->mu);
    while (e->count == 0)
        tuza_cond_wait(&e->cond, &e->mu);
    e->count++;
    tuza_mutex_unlock(&e->mu);
}

int member(void *arg)
{
    auto *e = static_cast<everything *>(arg);
    tuza_semaphore_acquire(&e->sem, 1);
    e->count++;
    tuza_semaphore_release(&e->sem, 1);
    return 0;
}

void throws(void *arg)
{
    static_cast<everything *>(arg)->count++;
    throw std::runtime_error("once");
}

TEST(members)
{
    everything e;
    CHECK_EQ(tuza_waitgroup_go(&e.group, work, &e), 0);
    tuza_mutex_lock(&e.mu);
    e.count = 1;
    tuza_cond_broadcast(&e.cond);
    tuza_mutex_unlock(&e.mu);
    tuza_waitgroup_wait(&e.group);
    CHECK_EQ(e.count, 2);
    tuza_rwmutex_rlock(&e.rw);
    tuza_rwmutex_runlock(&e.rw);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(tuza_group_go(&e.scope, member, &e), 0);
    CHECK_EQ(tuza_group_wait(&e.scope), 0);
    CHECK_EQ(e.count, 12);
    tuza_pool_put(&e.pool, &e);
    CHECK(tuza_pool_get(&e.pool) == &e);
    tuza_pool_clear(&e.pool);
}

/* SY-25: an exception that leaves f counts as done, too, and is the first caller's. */
TEST(once_throws)
{
    everything e;
    bool caught = false;
    try {
        tuza_once_do(&e.once, throws, &e);
    } catch (const std::runtime_error &x) {
        caught = std::strcmp(x.what(), "once") == 0;
    }
    CHECK(caught);
    tuza_once_do(&e.once, throws, &e);
    CHECK_EQ(e.count, 1);
}

} // namespace

TEST_MAIN_TUZA()
