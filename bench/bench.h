/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every measuring program in C needs: arguments, clocks, percentiles,
 * memory figures and the one form of output that bench/run reads:
 *
 *     name value unit
 *
 * A wrong result ends the program with exit code 1 and prints no figure that
 * comes after it, so that a fast but wrong run is never counted. The programs
 * are users of the library: they include public headers and C11's own
 * atomics, nothing of src/.
 */
#ifndef BENCH_H
#define BENCH_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

__attribute__((format(printf, 1, 2), noreturn)) static inline void bench_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

/* The i-th argument, a number from min on; fallback where it is not given. */
static inline int64_t bench_arg(int argc, char **argv, int i, int64_t fallback, int64_t min)
{
    if (i >= argc)
        return fallback;
    char *end;
    long long value = strtoll(argv[i], &end, 10);
    if (end == argv[i] || *end != '\0' || value < min)
        bench_die("argument %d, \"%s\": not a number from %" PRId64 " on", i, argv[i], min);
    return value;
}

static inline void *bench_alloc(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (p == NULL)
        bench_die("no memory for %zu x %zu bytes", count, size);
    return p;
}

static inline int64_t bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Processor time of all threads so far, user and system, in nanoseconds. */
static inline int64_t bench_cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void bench_print(const char *name, double value, const char *unit)
{
    printf("%s %.3f %s\n", name, value, unit);
}

/* Time since start divided by count operations. */
static inline void bench_print_ns_each(const char *name, int64_t start, int64_t count)
{
    bench_print(name, (double)(bench_now() - start) / (double)count, "ns");
}

static inline int bench_compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static inline void bench_print_us_each(const char *name, int64_t start, int64_t count)
{
    bench_print(name, (double)(bench_now() - start) / 1e3 / (double)count, "us");
}

/* Sorts samples in nanoseconds and prints <name>_p50, _p99 and _max in microseconds. */
static inline void bench_print_lateness(const char *name, int64_t *samples, size_t count)
{
    char label[64];
    qsort(samples, count, sizeof samples[0], bench_compare);
    snprintf(label, sizeof label, "%s_p50", name);
    bench_print(label, (double)samples[count / 2] / 1e3, "us");
    snprintf(label, sizeof label, "%s_p99", name);
    bench_print(label, (double)samples[count * 99 / 100] / 1e3, "us");
    snprintf(label, sizeof label, "%s_max", name);
    bench_print(label, (double)samples[count - 1] / 1e3, "us");
}

/* A number in /proc/self/status, by its field, such as "Threads:". */
static inline int64_t bench_status(const char *field)
{
    FILE *f = fopen("/proc/self/status", "r");
    if (f == NULL)
        bench_die("/proc/self/status cannot be opened");
    char line[256];
    int64_t value = -1;
    while (value < 0 && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            value = strtoll(line + strlen(field), NULL, 10);
    fclose(f);
    if (value < 0)
        bench_die("/proc/self/status has no %s", field);
    return value;
}

/* One that the kernel gives in KiB, such as "VmRSS:", in bytes. */
static inline int64_t bench_status_bytes(const char *field)
{
    return bench_status(field) * 1024;
}

#endif /* BENCH_H */
