/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TUZA_DEBUG, else GODEBUG: "name=value,name=value". The last setting of a
 * name wins; unknown names are ignored. Read once, at start.
 */
#include <string.h>

#include "os/os.h"
#include "sched/proc.h"

tz_godebug_t tz_godebug = {.containermaxprocs = 1, .updatemaxprocs = 1};

static const struct {
    const char *name;
    int *value;
} settings[] = {
    {"blocked", &tz_godebug.blocked},
    {"containermaxprocs", &tz_godebug.containermaxprocs},
    {"scheddetail", &tz_godebug.scheddetail},
    {"schedtrace", &tz_godebug.schedtrace},
    {"updatemaxprocs", &tz_godebug.updatemaxprocs},
};

/* A decimal number that ends where the text does; false: it is none. */
static bool number(const char *text, size_t n, int *value)
{
    int v = 0;
    if (n == 0 || n > 9)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        v = v * 10 + (text[i] - '0');
    }
    *value = v;
    return true;
}

static void set(const char *name, size_t n, const char *value, size_t m)
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        int v;
        if (strlen(settings[i].name) == n && memcmp(settings[i].name, name, n) == 0 && number(value, m, &v))
            *settings[i].value = v;
    }
}

void tz_godebug_init(void)
{
    const char *text = tz_os_getenv("TUZA_DEBUG");
    if (!text)
        text = tz_os_getenv("GODEBUG");
    while (text && *text) {
        size_t n = strcspn(text, ",");
        const char *equals = memchr(text, '=', n);
        if (equals)
            set(text, (size_t)(equals - text), equals + 1, n - (size_t)(equals - text) - 1);
        text += n;
        text += *text == ',';
    }
}
