/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text that grows. Goroutines collect what they have to say in memory, and
 * only the printer writes: a stdio stream's lock held across a channel
 * operation would belong to a thread that the goroutine may leave.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "grep.h"

static void out_of_memory(void)
{
    static const char message[] = "grep: memory exhausted\n";
    if (write(STDERR_FILENO, message, sizeof message - 1) < 0)
        _exit(2); /* nowhere to say it */
    _exit(2);
}

void *must_realloc(void *old, size_t size)
{
    void *p = realloc(old, size);
    if (p == NULL)
        out_of_memory();
    return p;
}

void *must_alloc(size_t size)
{
    return must_realloc(NULL, size);
}

void text_add(struct text *t, const char *bytes, size_t len)
{
    if (len > t->cap - t->len) {
        if (len > SIZE_MAX / 4 || t->cap > SIZE_MAX / 4)
            out_of_memory();
        t->cap = t->cap * 2 > t->len + len ? t->cap * 2 : t->len + len;
        t->at = must_realloc(t->at, t->cap);
    }
    if (len > 0)
        memcpy(t->at + t->len, bytes, len);
    t->len += len;
}

void text_add_string(struct text *t, const char *string)
{
    text_add(t, string, strlen(string));
}

void text_add_number(struct text *t, unsigned long number)
{
    char digits[3 * sizeof number];
    char *p = digits + sizeof digits;
    do {
        *--p = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    text_add(t, p, (size_t)(digits + sizeof digits - p));
}

void text_add_error(struct text *t, const char *name, int err)
{
    char room[128];
    text_add_string(t, "grep: ");
    text_add_string(t, name);
    text_add_string(t, ": ");
    text_add_string(t, strerror_r(err, room, sizeof room));
    text_add_string(t, "\n");
}
