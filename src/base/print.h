/* SPDX-License-Identifier: BSD-3-Clause */
/* Text piece by piece into whatever takes it: a report, a caller's buffer. No malloc, no stdio, no locks. */
#ifndef TZ_PRINT_H
#define TZ_PRINT_H

#include "base/base.h"

typedef struct tz_sink {
    void (*put)(struct tz_sink *s, const char *text, size_t n);
} tz_sink;

void tz_put(tz_sink *s, const char *text); /* NULL is nothing */
void tz_put_decimal(tz_sink *s, uint64_t n);
void tz_put_hex(tz_sink *s, uint64_t n);       /* 0x1f */
void tz_put_word(tz_sink *s, uintptr_t value); /* the same with all its digits */
/* Text of unknown origin: between double quotes, with escapes, unless it is letters, digits, ._/- alone. */
void tz_put_quoted(tz_sink *s, const char *text);

/* A caller's buffer: what does not fit is counted. The text ends with NUL, as snprintf's. */
typedef struct tz_buffer_sink {
    tz_sink sink;
    char *text;
    size_t size;
    size_t length; /* of all that was put */
} tz_buffer_sink;
void tz_buffer_begin(tz_buffer_sink *b, char *text, size_t size);

/* The decimal digits of n, in buf. */
const char *tz_decimal(char buf[24], uint64_t n);
/* 0x and the hexadecimal digits. */
const char *tz_hex(char buf[24], uint64_t n);

#endif /* TZ_PRINT_H */
