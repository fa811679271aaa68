/* SPDX-License-Identifier: BSD-3-Clause */
/* The two counts by which a goroutine is locked to its thread, looked at from inside. */
// ctest: plain | env GOMAXPROCS=1
#include <tuza/panic.h>

#include "go/help.h"
#include "sched/gmp.h"
#include "sched/sched.h"

static void check_counts(uint32_t external, uint32_t internal)
{
    const tz_m *m = tz_self_m;
    CHECK_EQ(tz_load_relaxed(&m->lockedext), external);
    CHECK_EQ(tz_load_relaxed(&m->lockedint), internal);
    bool bound = external + internal > 0;
    CHECK_EQ(m->lockedg == m->g, bound);
    CHECK_EQ(m->g->lockedm == m, bound);
}

static void lock_internally(void)
{
    tz_m *m = tz_enter();
    tz_lockosthread_internal(m);
    tz_leave(m);
}

static void unlock_internally(void)
{
    tz_m *m = tz_enter();
    tz_unlockosthread_internal(m);
    tz_leave(m);
}

/* LK-01, LK-02: nested by count. */
TEST(nesting)
{
    check_counts(0, 0);
    tuza_lock_os_thread();
    tuza_lock_os_thread();
    check_counts(2, 0);
    tuza_unlock_os_thread();
    check_counts(1, 0);
    tuza_gosched();
    check_counts(1, 0);
    tuza_unlock_os_thread();
    check_counts(0, 0);
    tuza_unlock_os_thread();
    check_counts(0, 0);
}

/* LK-01, LK-03, LK-50: the runtime's own lock is none of the program's to take back. */
TEST(internal_count)
{
    lock_internally();
    check_counts(0, 1);
    tuza_unlock_os_thread();
    check_counts(0, 1);
    tuza_lock_os_thread();
    unlock_internally();
    check_counts(1, 0);
    lock_internally();
    lock_internally();
    tuza_unlock_os_thread();
    check_counts(0, 2);
    unlock_internally();
    unlock_internally();
    check_counts(0, 0);
}

static char recovered[64];

static void recover_text(void *unused)
{
    (void)unused;
    const char *text = tuza_recover();
    CHECK(text != NULL);
    snprintf(recovered, sizeof recovered, "%s", text);
}

static bool returned;

static void overflow(void *unused)
{
    (void)unused;
    tuza_defer(recover_text, NULL);
    tuza_lock_os_thread();
    returned = true;
}

/* LK-05: the count that has no successor: a panic that can be recovered from, and nothing has changed. */
TEST(overflow)
{
    tuza_lock_os_thread();
    tz_store_relaxed(&tz_self_m->lockedext, UINT32_MAX - 1);
    tuza_lock_os_thread();
    check_counts(UINT32_MAX, 0);
    CHECK(!tuza_call(overflow, NULL));
    CHECK(!returned);
    CHECK_STR(recovered, "LockOSThread nesting overflow");
    check_counts(UINT32_MAX, 0);
    tuza_unlock_os_thread();
    check_counts(UINT32_MAX - 1, 0);
    tz_store_relaxed(&tz_self_m->lockedext, 1);
    tuza_unlock_os_thread();
    check_counts(0, 0);
}

TEST_MAIN_TUZA()
