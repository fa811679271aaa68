/* SPDX-License-Identifier: BSD-3-Clause */
/* Cases that are ready at a certain time. The timer is the select's. */
#include "select/kinds.h"
#include "time/timer.h"

typedef struct timecase {
    int64_t when; /* INT64_MAX: never */
} timecase;
_Static_assert(sizeof(timecase) <= TZ_SELECT_OTHER, "a case's record");

static void timeout_begin(tz_mixed *x, tuza_case *k, void *record)
{
    (void)x;
    timecase *t = record;
    t->when = tz_time_after(k->arg);
}

static void until_begin(tz_mixed *x, tuza_case *k, void *record)
{
    (void)x;
    timecase *t = record;
    t->when = k->arg ? k->arg : INT64_MAX;
}

static bool is_ready(tz_mixed *x, tuza_case *k, void *record)
{
    (void)k;
    timecase *t = record;
    if (t->when == INT64_MAX)
        return false;
    if (t->when <= tz_now(tz_self_m))
        return true;
    if (!x->s.outside ||
        !tz_bubble_id()) /* a bubble's time stands still while one waits for what is outside */
        tz_mixed_wake_at(x, t->when);
    return false;
}

const tz_selkind tz_selkind_timeout = {.begin = timeout_begin, .is_ready = is_ready};
const tz_selkind tz_selkind_until = {.begin = until_begin, .is_ready = is_ready};
