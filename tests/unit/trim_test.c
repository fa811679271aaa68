/* SPDX-License-Identifier: BSD-3-Clause */
/* The deep pages of stacks that nobody uses any more go back to the kernel by themselves. */
// ctest: not tsan asan arm64 | timeout 600
#include <stdio.h>
#include <string.h>

#include "go/help.h"
#include "sched/proc.h"

enum { N = 600, DEPTH = 100000 };
static int begun, ended;

static long resident_kib(void)
{
    long kib = 0;
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    fclose(f);
    return kib;
}

/* All of them are begun before one ends: each has a stack of its own, and goes deep into it. */
static void deep(void *all_begun)
{
    volatile char frame[DEPTH];
    for (size_t i = 0; i < sizeof frame; i += 1024)
        frame[i] = 1;
    flag_add(&begun, 1);
    tuza_chan_recv(all_begun, NULL);
    CHECK_EQ(frame[0], 1);
    flag_add(&ended, 1);
}

TEST(unused_stacks_are_trimmed)
{
    tuza_chan *all_begun = tuza_chan_make(0, 0);
    for (int i = 0; i < N; i++)
        GO(deep, all_begun);
    EVENTUALLY(flag_get(&begun) == N);
    for (int i = 0; i < N; i++)
        tuza_chan_send(all_begun, NULL);
    long before = resident_kib();
    CHECK(before >= (long)N * DEPTH / 1024);
    EVENTUALLY(flag_get(&ended) == N);
    settle(1);
    tuza_chan_unref(all_begun);
    /* Some stay with the P that they ended on, warm. */
    EVENTUALLY(resident_kib() < before / 2);

    /* They can be used again. */
    flag_set(&ended, 0);
    all_begun = tuza_chan_make(0, 0);
    for (int i = 0; i < N; i++)
        GO(deep, all_begun);
    for (int i = 0; i < N; i++)
        tuza_chan_send(all_begun, NULL);
    EVENTUALLY(flag_get(&ended) == N);
    settle(1);
    tuza_chan_unref(all_begun);
}

TEST_MAIN_TUZA()
