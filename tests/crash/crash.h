/* SPDX-License-Identifier: BSD-3-Clause */
/* What the crash programs share: argv[1] names the case to run. */
#ifndef CRASH_H
#define CRASH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tuza.h>
#include <unistd.h>

typedef struct crash_case {
    const char *name;
    int (*run)(void);
} crash_case;

/* A goroutine or nothing: these programs have no other plan. */
static inline void crash_go(void (*fn)(void *), void *arg)
{
    if (tuza_go(fn, arg) < 0)
        _exit(99);
}

static inline int crash_find(const crash_case *cases, int argc, char **argv)
{
    for (; argc == 2 && cases->name; cases++)
        if (strcmp(argv[1], cases->name) == 0)
            return cases->run();
    fprintf(stderr, "no such case\n");
    return 98;
}

#define CRASH_MAIN(cases)                       \
    static int app(int argc, char **argv)       \
    {                                           \
        return crash_find((cases), argc, argv); \
    }                                           \
    int main(int argc, char **argv)             \
    {                                           \
        return 100 - tuza_run(app, argc, argv); \
    }

#endif /* CRASH_H */
