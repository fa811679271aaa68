/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * httpd: serves a directory over HTTP/1.1. This file reads the command line,
 * starts the server, and drains it when a signal comes; httpd.h shows the
 * parts.
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "httpd.h"

enum { DESCRIPTORS_KEPT = 32, FILES_KEPT = 1024, EVENTS = 8 };

struct options options = {
    .listings = true,
    .status = true,
    .head_ns = 10 * TUZA_SECOND,
    .idle_ns = 60 * TUZA_SECOND,
    .write_ns = 30 * TUZA_SECOND,
    .cache_ns = 1 * TUZA_SECOND,
    .grace_ns = 1 * TUZA_SECOND,
    .drain_ns = 30 * TUZA_SECOND,
};

static const char usage[] =
    "usage: httpd [options] [DIR]\n"
    "  serves the files in DIR (.) until SIGINT or SIGTERM; times are in milliseconds\n"
    "  -a ADDRESS  where to listen, HOST:PORT (127.0.0.1:8080; port 0: any free one)\n"
    "  -n COUNT    at most so many connections (what the limit of open files allows)\n"
    "  -t TIME     a request's head must be complete so long after its first byte (10000)\n"
    "  -i TIME     a connection may be silent between requests (60000)\n"
    "  -w TIME     a client may take nothing of its answer (30000)\n"
    "  -c TIME     a file that was found is not looked at again (1000; 0: always)\n"
    "  -g TIME     when it ends: how long it waits for a silent connection (1000)\n"
    "  -d TIME     and for the others (30000); a second signal cuts them off\n"
    "  -l          no lists of directories\n"
    "  -p          no page /debug/tuza\n"
    "  -s          open paths step by step, following no symbolic links\n";

static const char *address = "127.0.0.1:8080";
static const char *directory = ".";

static bool parse_number(char option, const char *arg, long least, long most, int64_t unit, int64_t *value)
{
    char *end;
    errno = 0;
    long n = strtol(arg, &end, 10);
    if (end == arg || *end != '\0' || errno != 0 || n < least || n > most) {
        fprintf(stderr, "httpd: -%c: not a number from %ld to %ld: %s\n", option, least, most, arg);
        return false;
    }
    *value = n * unit;
    return true;
}

static bool parse(int argc, char **argv)
{
    int c;
    while ((c = getopt(argc, argv, "ha:n:t:i:w:c:g:d:lps")) != -1) {
        int64_t *time = c == 't'   ? &options.head_ns
                        : c == 'i' ? &options.idle_ns
                        : c == 'w' ? &options.write_ns
                        : c == 'c' ? &options.cache_ns
                        : c == 'g' ? &options.grace_ns
                        : c == 'd' ? &options.drain_ns
                                   : NULL;
        int64_t count;
        bool fine = true;
        if (time)
            fine = parse_number((char)c, optarg, c == 'c' || c == 'g' ? 0 : 1, 1000000000, TUZA_MILLISECOND,
                                time);
        else if (c == 'n' && (fine = parse_number('n', optarg, 1, 10000000, 1, &count)))
            options.connections = (size_t)count;
        else if (c == 'a')
            address = optarg;
        options.listings &= c != 'l';
        options.status &= c != 'p';
        options.stepwise |= c == 's';
        if (c == 'h') {
            fputs(usage, stdout);
            exit(0);
        }
        if (!fine || c == '?') {
            fputs(usage, stderr);
            return false;
        }
    }
    if (argc - optind > 1) {
        fputs(usage, stderr);
        return false;
    }
    if (optind < argc)
        directory = argv[optind];
    return true;
}

/* As many descriptors as may be had, and who gets them. */
static void share_descriptors(void)
{
    struct rlimit limit;
    size_t all = 1024;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
        all = limit.rlim_cur < 10000000 ? (size_t)limit.rlim_cur : 10000000;
    }
    options.files = all / 8 < FILES_KEPT ? all / 8 : FILES_KEPT;
    size_t kept = options.files + DESCRIPTORS_KEPT;
    size_t most = all > 2 * kept ? all - kept : all / 2 + 1;
    if (options.connections == 0 || options.connections > most)
        options.connections = most;
}

static TUZA_CHAN(int) events;

static void tell_time(void *arg)
{
    tuza_sleep((int64_t)(intptr_t)arg);
    TUZA_CHAN_TRY_SEND(events, EVENT_TIME);
}

static void set_time(int64_t ns)
{
    if (tuza_go(tell_time, (void *)(intptr_t)ns) != 0)
        tell_time(NULL);
}

static void say_counts(void)
{
    struct totals t;
    server_totals(&t);
    printf("httpd: %ju requests (%ju 2xx, %ju 3xx, %ju 4xx, %ju 5xx), %ju bytes; "
           "%ju connections accepted, %ju refused\n",
           (uintmax_t)t.n[COUNT_REQUESTS], (uintmax_t)t.n[COUNT_2XX], (uintmax_t)t.n[COUNT_3XX],
           (uintmax_t)t.n[COUNT_4XX], (uintmax_t)t.n[COUNT_5XX], (uintmax_t)t.n[COUNT_SENT],
           (uintmax_t)t.accepted, (uintmax_t)t.refused);
    fflush(stdout);
}

static int next_event(void)
{
    int event;
    TUZA_CHAN_RECV(events, &event);
    return event;
}

/* Until all connections are gone; returns the exit code. */
static int drain(void)
{
    struct totals t;
    int event, code = 0;
    server_totals(&t);
    printf("httpd: draining, %ju connections\n", (uintmax_t)t.open);
    fflush(stdout);
    server_drain();
    set_time(options.drain_ns);
    while ((event = next_event()) != EVENT_DRAINED) {
        if (event == EVENT_FAILED)
            continue;
        if (code != 0) /* they were cut off before: something hangs */
            break;
        code = 1;
        server_cut();
        set_time(TUZA_SECOND);
    }
    return code;
}

static int app(int argc, char **argv)
{
    static const int signals[] = {SIGINT, SIGTERM};
    if (!parse(argc, argv))
        return 2;
    signal(SIGPIPE, SIG_IGN); /* sendfile(2) has no flag for it */
    share_descriptors();
    options.root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (options.root < 0) {
        fprintf(stderr, "httpd: %s: %s\n", directory, strerror(errno));
        return 1;
    }
    events = TUZA_CHAN_MAKE(int, EVENTS);
    request_setup();
    range_setup();
    files_init();
    status_init();
    server_init(events);
    int err = server_listen(address);
    if (err == 0)
        err = tuza_signal_notify(TUZA_CHAN_UNTYPED(events), signals, 2);
    if (err == 0)
        err = tuza_go(server_accept, NULL);
    if (err < 0) {
        fprintf(stderr, "httpd: %s: %s\n", address, tuza_strerror(err));
        return 1;
    }
    printf("httpd: %s is at %s%s\n", directory, server_url(),
           options.status ? ", the runtime at debug/tuza" : "");
    fflush(stdout);
    int event = next_event();
    int code = drain();
    say_counts();
    return event == EVENT_FAILED ? 1 : code;
}

int main(int argc, char **argv)
{
    int err = tuza_run(app, argc, argv);
    fprintf(stderr, "httpd: the runtime does not start: %s\n", strerror(-err));
    return 1;
}
