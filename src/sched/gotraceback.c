/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much a crash prints: TUZA_TRACEBACK, else GOTRACEBACK, in Go's words.
 * Read once, before main: reading the environment in a crash is not safe.
 */
#include <string.h>

#include "os/os.h"
#include "sched/traceback.h"

/* As one word: the level from bit 2 on, so that raising it is an OR as in Go. */
#define CORE     1u
#define ALL      2u
#define SHIFT    2
#define LEVEL(n) ((uint32_t)(n) << SHIFT)

static uint32_t now = LEVEL(1); /* relaxed: any thread may crash at any time */
static uint32_t by_environment;

static uint32_t number(const char *word)
{
    uint64_t n = 0;
    size_t digits = strspn(word, "0123456789");
    if (!digits || word[digits] || digits > 10)
        return ALL;
    for (; *word; word++)
        n = 10 * n + (uint64_t)(*word - '0');
    return n <= UINT32_MAX >> SHIFT ? ALL | LEVEL(n) : ALL;
}

void tz_set_traceback(const char *word)
{
    static const struct {
        const char *word;
        uint32_t means;
    } words[] = {
        {"none", 0},
        {"", LEVEL(1)},
        {"single", LEVEL(1)},
        {"all", LEVEL(1) | ALL},
        {"system", LEVEL(2) | ALL},
        {"crash", LEVEL(2) | ALL | CORE},
    };
    uint32_t means = number(word);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i].word, word) == 0)
            means = words[i].means;
    tz_store_relaxed(&now, means | by_environment);
}

void tz_gotraceback_init(void)
{
    const char *word = tz_os_getenv("TUZA_TRACEBACK");
    if (!word)
        word = tz_os_getenv("GOTRACEBACK");
    by_environment = 0;
    /* Who runs a set-user-id program shall not learn what is in it. */
    tz_set_traceback(tz_os_secure() ? "none" : word ? word : "");
    by_environment = tz_load_relaxed(&now);
}

tz_traceback_level tz_gotraceback(void)
{
    uint32_t t = tz_load_relaxed(&now);
    return (tz_traceback_level){t >> SHIFT, (t & ALL) != 0, (t & CORE) != 0};
}
