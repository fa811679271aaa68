/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * grep: searches directory trees, with the output of GNU `grep -rn` in the C
 * locale. This file reads the command line and puts the parts together;
 * grep.h shows how they are connected.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "grep.h"

enum {
    JOBS_DEFAULT = 64,
    JOBS_MAX = 65536,
    DESCRIPTORS_KEPT = 16, /* for the standard streams, a directory, and the runtime */
    FILES_AHEAD = 256,     /* between walker and printer */
};

static const char usage[] =
    "usage: grep [-j N] [-i] [-F] [-r] [-n] [--color=never] PATTERN [DIR | FILE]...\n"
    "  prints the lines that match, as grep -rn does; searches . if nothing is named\n"
    "  -j N  at most N files open at once (default 64)\n"
    "  -i    upper and lower case are the same\n"
    "  -F    PATTERN is a string, not a basic regular expression\n"
    "  -r -n are always on\n";

static bool parse_jobs(const char *arg, size_t *jobs)
{
    char *end;
    errno = 0;
    long n = strtol(arg, &end, 10);
    if (end == arg || *end != '\0' || errno != 0 || n < 1 || n > JOBS_MAX) {
        fprintf(stderr, "grep: -j: not a number from 1 to %d: %s\n", JOBS_MAX, arg);
        return false;
    }
    *jobs = (size_t)n;
    return true;
}

static bool parse(struct options *o, int argc, char **argv)
{
    static const struct option long_options[] = {{"color", required_argument, NULL, 'c'}, {0}};
    static char here[] = ".";
    static char *only_here[] = {here, NULL};
    int c;
    while ((c = getopt_long(argc, argv, "j:iFrn", long_options, NULL)) != -1) {
        bool fine = true;
        if (c == 'j')
            fine = parse_jobs(optarg, &o->jobs);
        else if (c == 'i')
            o->ignore_case = true;
        else if (c == 'F')
            o->fixed = true;
        else if (c == 'c')
            fine = strcmp(optarg, "never") == 0;
        else if (c == '?')
            fine = false;
        if (!fine) {
            fputs(usage, stderr);
            return false;
        }
    }
    if (optind == argc) {
        fputs(usage, stderr);
        return false;
    }
    o->patterns = argv[optind++];
    o->strip_dot = optind == argc;
    o->operands = o->strip_dot ? only_here : argv + optind;
    o->operand_count = o->strip_dot ? 1 : (size_t)(argc - optind);
    return true;
}

/* Each job has a file open: no more of them than descriptors. */
static size_t bounded_jobs(size_t jobs)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return jobs;
    size_t most = limit.rlim_cur > DESCRIPTORS_KEPT ? (size_t)limit.rlim_cur - DESCRIPTORS_KEPT : 1;
    return jobs < most ? jobs : most;
}

/*
 * Fills the channel of searchers. The patterns are compiled here, on the
 * process's own stack, since regcomp recurses as deep as a pattern nests.
 */
static bool make_searchers(const struct options *o, TUZA_CHAN(struct searcher *) searchers)
{
    struct text why = {0};
    for (size_t i = 0; i < o->jobs; i++) {
        struct searcher *s = must_alloc(sizeof *s);
        *s = (struct searcher){.matcher = matcher_new(o, &why)};
        if (s->matcher == NULL) {
            fwrite(why.at, 1, why.len, stderr);
            free(why.at);
            free(s);
            return false;
        }
        TUZA_CHAN_SEND(searchers, s);
    }
    return true;
}

static int app(int argc, char **argv)
{
    /* The walker goes on until the process ends, so what it uses does not live in this frame. */
    static struct options options = {.jobs = JOBS_DEFAULT};
    static struct walk walk;

    signal(SIGPIPE, SIG_IGN); /* a reader that goes away shows as EPIPE */
    if (!parse(&options, argc, argv))
        return 2;
    options.jobs = bounded_jobs(options.jobs);
    options.out_regular = fstat(STDOUT_FILENO, &options.out_stat) == 0 && S_ISREG(options.out_stat.st_mode);
    walk = (struct walk){
        .options = &options,
        .searchers = TUZA_CHAN_MAKE(struct searcher *, options.jobs),
        .order = TUZA_CHAN_MAKE(results, FILES_AHEAD),
    };
    if (!make_searchers(&options, walk.searchers))
        return 2;
    int err = tuza_go(walk_operands, &walk);
    if (err != 0) {
        fprintf(stderr, "grep: no goroutine for the walker: %s\n", strerror(-err));
        return 2;
    }
    return print_in_order(walk.order);
}

int main(int argc, char **argv)
{
    int err = tuza_run(app, argc, argv);
    fprintf(stderr, "grep: the runtime does not start: %s\n", strerror(-err));
    return 2;
}
