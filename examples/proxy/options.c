/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line. */
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"

static const char usage[] =
    "usage: proxy [options] LISTEN BACKEND...\n"
    "  passes TCP connections that come to LISTEN on to the BACKENDs; both are HOST:PORT\n"
    "  -a, --algorithm=least|round   the back-end with the fewest connections (default), or each in turn\n"
    "  -m, --max=N           at most N connections (1000); others wait to be accepted\n"
    "  -b, --backend-max=N   at most N of them at one back-end (1000); others wait for a place\n"
    "  -w, --wait=SECONDS    ... so long, and are closed then (5)\n"
    "  -r, --refuse          connections over a limit do not wait: they are closed\n"
    "  -c, --connect=SECONDS for a back-end to take a connection (2)\n"
    "  -i, --idle=SECONDS    a connection on which nothing moves for so long is closed (300; 0: never)\n"
    "  -k, --check=SECONDS   between two checks of a back-end (2)\n"
    "  -d, --drain=SECONDS   after SIGINT or SIGTERM connections may go on for so long (10)\n"
    "  -h, --help\n";

static const struct option long_options[] = {
    {"algorithm", required_argument, NULL, 'a'},
    {"max", required_argument, NULL, 'm'},
    {"backend-max", required_argument, NULL, 'b'},
    {"wait", required_argument, NULL, 'w'},
    {"refuse", no_argument, NULL, 'r'},
    {"connect", required_argument, NULL, 'c'},
    {"idle", required_argument, NULL, 'i'},
    {"check", required_argument, NULL, 'k'},
    {"drain", required_argument, NULL, 'd'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

enum { COUNT_MAX = 1000000, SECONDS_MAX = 1000000 };

static bool parse_count(int option, const char *arg, size_t *count)
{
    char *end;
    errno = 0;
    long n = strtol(arg, &end, 10);
    if (end == arg || *end != '\0' || errno != 0 || n < 1 || n > COUNT_MAX) {
        fprintf(stderr, "proxy: -%c: not a number from 1 to %d: %s\n", option, COUNT_MAX, arg);
        return false;
    }
    *count = (size_t)n;
    return true;
}

static bool parse_seconds(int option, const char *arg, bool zero_is_fine, int64_t *ns)
{
    char *end;
    double s = strtod(arg, &end);
    if (end == arg || *end != '\0' || !isfinite(s) || s < 0 || s > SECONDS_MAX) {
        fprintf(stderr, "proxy: -%c: not a time from 0 to %d seconds: %s\n", option, SECONDS_MAX, arg);
        return false;
    }
    *ns = (int64_t)(s * (double)TUZA_SECOND);
    if (*ns == 0 && !zero_is_fine) {
        fprintf(stderr, "proxy: -%c: must be more than 0: %s\n", option, arg);
        return false;
    }
    return true;
}

static bool parse_algorithm(const char *arg, bool *round_robin)
{
    *round_robin = strcmp(arg, "round") == 0;
    if (*round_robin || strcmp(arg, "least") == 0)
        return true;
    fprintf(stderr, "proxy: -a: least or round, not %s\n", arg);
    return false;
}

static bool parse_option(struct options *o, int c, bool *help)
{
    switch (c) {
    case 'a':
        return parse_algorithm(optarg, &o->round_robin);
    case 'm':
        return parse_count(c, optarg, &o->max);
    case 'b':
        return parse_count(c, optarg, &o->backend_max);
    case 'w':
        return parse_seconds(c, optarg, false, &o->wait);
    case 'r':
        o->refuse = true;
        return true;
    case 'c':
        return parse_seconds(c, optarg, false, &o->connect);
    case 'i':
        return parse_seconds(c, optarg, true, &o->idle);
    case 'k':
        return parse_seconds(c, optarg, false, &o->check);
    case 'd':
        return parse_seconds(c, optarg, true, &o->drain);
    case 'h':
        *help = true;
        return true;
    default:
        return false;
    }
}

bool parse_options(struct options *o, int argc, char **argv, bool *help)
{
    *o = (struct options){.max = 1000,
                          .backend_max = 1000,
                          .wait = 5 * TUZA_SECOND,
                          .connect = 2 * TUZA_SECOND,
                          .idle = 300 * TUZA_SECOND,
                          .check = 2 * TUZA_SECOND,
                          .drain = 10 * TUZA_SECOND};
    int c;
    *help = false;
    while ((c = getopt_long(argc, argv, "a:m:b:w:rc:i:k:d:h", long_options, NULL)) != -1) {
        if (!parse_option(o, c, help)) {
            fputs("Try \"proxy --help\".\n", stderr);
            return false;
        }
    }
    if (*help) {
        fputs(usage, stdout);
        return true;
    }
    if (argc - optind < 2) {
        fputs(usage, stderr);
        return false;
    }
    o->listen = argv[optind];
    o->backends = argv + optind + 1;
    o->backend_count = (size_t)(argc - optind - 1);
    if (o->backend_count > BACKENDS_MAX) {
        fprintf(stderr, "proxy: more than %d back-ends\n", BACKENDS_MAX);
        return false;
    }
    return true;
}
