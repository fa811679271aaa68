/* SPDX-License-Identifier: BSD-3-Clause */
/* Which calls install handlers, and that what was there before comes back. */
// ctest: plain
#include "go/help.h"

#include <signal.h>

static void nothing(void *arg)
{
    (void)arg;
}

static void mine(int sig)
{
    (void)sig;
}

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGQUIT};
#define FAULTS (sizeof faults / sizeof faults[0])

static void look(struct sigaction *act)
{
    for (size_t i = 0; i < FAULTS; i++)
        CHECK_EQ(sigaction(faults[i], NULL, &act[i]), 0);
}

static bool same(const struct sigaction *a, const struct sigaction *b)
{
    const int libc_s_own = 0x4000000; /* SA_RESTORER: there once sigaction was called */
    return a->sa_sigaction == b->sa_sigaction && !((a->sa_flags ^ b->sa_flags) & ~libc_s_own);
}

static int changed(const struct sigaction *before)
{
    struct sigaction now[FAULTS];
    int n = 0;
    look(now);
    for (size_t i = 0; i < FAULTS; i++)
        n += !same(&before[i], &now[i]);
    return n;
}

/* A goroutine alone installs nothing, nor does a start without signals. */
TEST(none_unless_asked)
{
    struct sigaction before[FAULTS];
    look(before);
    tuza_options o = {.flags = TUZA_NO_SIGNALS};
    CHECK_EQ(tuza_start(&o), 0);
    GO(nothing, NULL);
    CHECK_EQ(changed(before), 0);
    CHECK_EQ(tuza_stop(0), 0);
    CHECK_EQ(changed(before), 0);
}

/* SG-21: they run on the alternate stack and restart calls. */
TEST(start_and_stop)
{
    struct sigaction before[FAULTS], now[FAULTS];
    look(before);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(tuza_start(NULL), 0);
        CHECK_EQ(tuza_start(NULL), 0);
        look(now);
        for (size_t f = 0; f < FAULTS; f++) {
            CHECK(!same(&before[f], &now[f]));
            CHECK(now[f].sa_flags & SA_ONSTACK);
            CHECK(now[f].sa_flags & SA_RESTART);
        }
        GO(nothing, NULL);
        CHECK_EQ(tuza_stop(0), 0);
        CHECK_EQ(changed(before), (int)FAULTS);
        CHECK_EQ(tuza_stop(0), 0);
        CHECK_EQ(changed(before), 0);
    }
}

/* What the program has put in their place meanwhile stays; what was there before is kept. */
TEST(handlers_of_the_program)
{
    struct sigaction before[FAULTS], act = {.sa_handler = mine, .sa_flags = SA_RESTART}, now;
    CHECK_EQ(sigaction(SIGBUS, &act, NULL), 0);
    CHECK_EQ(sigaction(SIGQUIT, &act, NULL), 0);
    look(before);
    CHECK_EQ(tuza_start(NULL), 0);
    CHECK_EQ(changed(before), (int)FAULTS - 1); /* SIGQUIT's is left alone */
    CHECK_EQ(sigaction(SIGFPE, &act, NULL), 0);
    CHECK_EQ(tuza_stop(0), 0);
    CHECK_EQ(changed(before), 1);
    CHECK_EQ(sigaction(SIGFPE, NULL, &now), 0);
    CHECK(now.sa_handler == mine);
    CHECK_EQ(sigaction(SIGBUS, NULL, &now), 0);
    CHECK(now.sa_handler == mine);
}

TEST_MAIN()
