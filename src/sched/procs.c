/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many Ps: TUZA_MAXPROCS or GOMAXPROCS if that is a positive number, else
 * the CPUs of the affinity mask, bounded by the cgroup's quota rounded up
 * (but no quota makes it less than 2 where the mask has 2). One, come what may,
 * under TUZA_SCHED_SEED.
 */
#include "os/os.h"
#include "sched/proc.h"
#include "tuza/go.h"

static uint32_t ncpu; /* atomic: 0: not asked yet; constant from then on */
static int before;    /* what tuza_gomaxprocs asked for before the start */

int tuza_num_cpu(void)
{
    uint32_t n = tz_load_relaxed(&ncpu);
    if (n == 0) {
        uint32_t none = 0;
        n = (uint32_t)tz_os_cpu_affinity();
        if (!tz_cas_relaxed(&ncpu, &none, n))
            n = none;
    }
    return (int)n;
}

/* A positive decimal number and nothing else, or 0. */
static int from_env(const char *name)
{
    const char *text = tz_os_getenv(name);
    long n = 0;
    if (!text || !*text)
        return 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return 0;
        n = n * 10 + (*text - '0');
        if (n > TZ_PROCS_MAX)
            return 0;
    }
    return (int)n;
}

int tz_procs_by_quota(int cpus, int64_t quota_milli)
{
    if (quota_milli <= 0)
        return cpus;
    int64_t n = (quota_milli + 999) / 1000;
    if (n < 2)
        n = 2;
    return n < cpus ? (int)n : cpus;
}

int tz_procs_default(bool *custom)
{
    int n = tz_seed_wanted() ? 1 : before;
    if (n <= 0)
        n = from_env("TUZA_MAXPROCS");
    if (n <= 0)
        n = from_env("GOMAXPROCS");
    *custom = n > 0;
    if (n > 0)
        return n;
    return tz_procs_by_quota(tuza_num_cpu(), tz_godebug.containermaxprocs ? tz_os_cpu_quota_milli("") : 0);
}

int tz_procs_before_start(int n)
{
    bool custom;
    int old = tz_procs_default(&custom);
    if (n > 0)
        before = n < TZ_PROCS_MAX ? n : TZ_PROCS_MAX;
    return old;
}
