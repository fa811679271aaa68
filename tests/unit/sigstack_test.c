/* SPDX-License-Identifier: BSD-3-Clause */
/* Alternate signal stacks: given to a thread, taken from it, given to the next. */
#include "os/os.h"
#include "os/signal.h"
#include "tz_test.h"

static stack_t now(void)
{
    stack_t s;
    CHECK_EQ(sigaltstack(NULL, &s), 0);
    return s;
}

static stack_t none = {.ss_flags = SS_DISABLE};

static uintptr_t handled_at;

static void handler(int sig, siginfo_t *info, void *context)
{
    char here = 0;
    (void)sig, (void)info, (void)context;
    handled_at = (uintptr_t)&here;
}

static bool is_on(const tz_os_sigstack *s, uintptr_t p)
{
    return p - (uintptr_t)s->lo < s->size;
}

TEST(given_and_taken)
{
    tz_os_sigstack s = {.lo = NULL};
    CHECK_EQ(sigaltstack(&none, NULL), 0);
    tz_os_sigstack_on(&s, false);
    CHECK(now().ss_sp == s.lo);
    CHECK_EQ(now().ss_size, s.size);
    CHECK(s.size >= (64 << 10)); /* more where the kernel tells what its frame takes; an emulator may not */
    s.lo[0] = s.lo[s.size - 1] = 1;
    CHECK(((char *)s.above)[0] == 0);
    sigset_t mask;
    sigemptyset(&mask);
    tz_os_signal_handle(SIGUSR1, handler, &mask);
    raise(SIGUSR1);
    CHECK(is_on(&s, handled_at));
    tz_os_sigstack_off(&s);
    CHECK(now().ss_flags & SS_DISABLE);
    raise(SIGUSR1);
    CHECK(!is_on(&s, handled_at));

    /* The next thread's is the same memory. */
    char *lo = s.lo;
    tz_os_sigstack_on(&s, false);
    CHECK(s.lo == lo);
    CHECK(now().ss_sp == lo);
    tz_os_sigstack_off(&s);
    tz_os_sigstack_off(&s); /* nothing to take */
    CHECK(now().ss_flags & SS_DISABLE);
}

/* Below it a guard. */
TEST(guarded)
{
    tz_os_sigstack s = {.lo = NULL};
    tz_os_sigstack_on(&s, false);
    tz_os_sigstack_off(&s);
    char byte[8];
    CHECK(tz_os_peek(byte, s.lo, 8));
    CHECK(!tz_os_peek(byte, s.lo - 8, 8));
}

static char own[128 << 10];

TEST(what_was_there)
{
    stack_t theirs = {.ss_sp = own, .ss_size = sizeof own};
    tz_os_sigstack s = {.lo = NULL};
    CHECK_EQ(sigaltstack(&theirs, NULL), 0);
    tz_os_sigstack_on(&s, true); /* kept */
    CHECK(now().ss_sp == own);
    CHECK(s.above);
    tz_os_sigstack_off(&s);
    CHECK(now().ss_sp == own);

    tz_os_sigstack_on(&s, false); /* replaced, and put back */
    CHECK(now().ss_sp == s.lo);
    tz_os_sigstack_off(&s);
    CHECK(now().ss_sp == own);
    CHECK_EQ(now().ss_size, sizeof own);

    CHECK_EQ(sigaltstack(&none, NULL), 0);
    tz_os_sigstack_on(&s, true); /* there is none to keep */
    CHECK(now().ss_sp == s.lo);
    CHECK_EQ(sigaltstack(&theirs, NULL), 0); /* the program's, installed meanwhile, stays */
    tz_os_sigstack_off(&s);
    CHECK(now().ss_sp == own);
    CHECK_EQ(sigaltstack(&none, NULL), 0);
}

TEST_MAIN()
