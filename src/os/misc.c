/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that need no file of their own: output, environment, limits, chance, leaving. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "base/atomic.h"
#include "os/os.h"
#include "os/sys.h"

void tz_os_write(int fd, const char *text, size_t n)
{
    while (n > 0) {
        long r = tz_sys(SYS_write, fd, text, n);
        if (r == -EINTR)
            continue;
        if (r <= 0)
            return;
        text += r;
        n -= (size_t)r;
    }
}

static bool env_ignored; /* relaxed */

void tz_os_env_ignore(bool ignore)
{
    tz_store_relaxed(&env_ignored, ignore);
}

const char *tz_os_getenv(const char *name)
{
    return tz_load_relaxed(&env_ignored) ? NULL : secure_getenv(name);
}

bool tz_os_secure(void)
{
    return getauxval(AT_SECURE) != 0;
}

bool tz_os_exe(char *path, size_t n)
{
    long r = tz_sys(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path, n);
    if (r <= 0 || r >= (long)n)
        return false;
    path[r] = 0;
    return true;
}

int tz_os_pid(void)
{
    return (int)getpid();
}

size_t tz_os_stack_limit(void)
{
    struct rlimit limit;
    int saved = errno;
    int r = getrlimit(RLIMIT_STACK, &limit);
    errno = saved;
    return r != 0 || limit.rlim_cur == RLIM_INFINITY ? SIZE_MAX : (size_t)limit.rlim_cur;
}

uint64_t tz_os_random(void)
{
    uint64_t value;
    if (tz_sys(SYS_getrandom, &value, sizeof value, GRND_NONBLOCK) == (long)sizeof value)
        return value;
    /* Early at boot, or refused: not secret, but different in each process and at each call. */
    const unsigned char *seed = (const unsigned char *)(uintptr_t)getauxval(AT_RANDOM);
    value = (uint64_t)tz_os_now() ^ (uint64_t)getpid() << 40;
    for (int i = 0; seed != NULL && i < 16; i++)
        value = (value ^ seed[i]) * 0x100000001b3u;
    value = (value ^ (value >> 32)) * 0x9e3779b97f4a7c15u;
    return value ^ (value >> 29);
}

TZ_NORETURN void tz_os_exit_now(int code)
{
    _exit(code);
}

TZ_NORETURN void tz_os_abort(void)
{
    struct sigaction dies;
    memset(&dies, 0, sizeof dies);
    dies.sa_handler = SIG_DFL;
    (void)sigaction(SIGABRT, &dies, NULL);
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGABRT);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    (void)raise(SIGABRT);
    _exit(128 + SIGABRT); /* the first process of a container takes no signal that it has not asked for */
}

void tz_os_yield(void)
{
    (void)tz_sys(SYS_sched_yield);
}
