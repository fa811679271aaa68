/* SPDX-License-Identifier: BSD-3-Clause */
/* What the programs about locked threads share: thread ids, what became of a thread, waits that end. */
#ifndef CRASH_LOCK_H
#define CRASH_LOCK_H

#include <sys/syscall.h>

#include "crash/crash.h"

#define get(f)    __atomic_load_n((f), __ATOMIC_ACQUIRE)
#define set(f, v) __atomic_store_n((f), (v), __ATOMIC_RELEASE)
#define add(f, v) __atomic_add_fetch((f), (v), __ATOMIC_ACQ_REL)

/* Waits on a goroutine; a minute and more is a hang. */
#define AWAIT(cond)                                                     \
    do {                                                                \
        int64_t await_end = tuza_now() + 100 * TUZA_SECOND;             \
        while (!(cond)) {                                               \
            if (tuza_now() > await_end)                                 \
                fail(__FILE__ ": AWAIT(" #cond ") has waited in vain"); \
            tuza_sleep(TUZA_MILLISECOND / 4);                           \
        }                                                               \
    } while (0)

/* In words of the program's own, and the end. */
static inline TUZA_NORETURN void fail(const char *text)
{
    puts(text);
    fflush(stdout);
    _exit(1);
}

static inline pid_t tid(void)
{
    return (pid_t)syscall(SYS_gettid);
}

static inline bool on_main_thread(void)
{
    return tid() == getpid();
}

/* LK-19: whether the thread is there, and not merely a zombie on its way out. */
static inline bool tid_exists(pid_t t)
{
    char path[64], text[256], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)t);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    const char *close = strrchr(text, ')');
    if (close && sscanf(close + 1, " %c", &state) == 1)
        return state != 'Z' && state != 'X';
    return false;
}

/* The tail of most programs here. */
static inline int ok(void)
{
    puts("OK");
    return 0;
}

#endif /* CRASH_LOCK_H */
