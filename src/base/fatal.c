/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See fatal.h. The hooks are wired at start; before that the compiler's trap
 * has to do.
 *
 * All that is static here and below `turn` belongs to the thread whose turn
 * it is. A failure in the middle of a report goes on with the same: whatever
 * was being put into the buffer is lost or cut off, never more.
 */
#include "base/fatal.h"

#include <stdarg.h>
#include <string.h>

#include "base/atomic.h"

tz_fatal_hooks_t tz_fatal_hooks;

/* How many threads report or wait for their turn; the last one to be through ends the process. */
static uint32_t reporters;
static uint32_t turn; /* 1: a report is being printed; taken by acquire, given by release */
static __thread uint8_t level __attribute__((tls_model("initial-exec"))); /* of this thread's failures */

static char buffer[32 << 10];
static size_t buffered;
static struct {
    char *text; /* the whole report, for on_crash; doubled when it is full */
    size_t n, size;
} whole;

static void write_out(const char *text, size_t n)
{
    if (n && tz_fatal_hooks.write)
        tz_fatal_hooks.write(2, text, n);
}

void tz_report_flush(void)
{
    size_t n = buffered;
    buffered = 0; /* first: should the write fail, it is not tried again */
    write_out(buffer, n);
}

static void keep(const char *text, size_t n)
{
    if (!tz_fatal_hooks.on_crash || !tz_fatal_hooks.reserve)
        return;
    while (whole.size - whole.n < n) {
        size_t size = whole.size ? 2 * whole.size : (size_t)1 << 16;
        char *more = tz_fatal_hooks.reserve(size);
        if (!more)
            return; /* a report with a hole is better than none */
        if (whole.n)
            memcpy(more, whole.text, whole.n);
        whole.text = more;
        whole.size = size;
    }
    memcpy(whole.text + whole.n, text, n);
    whole.n += n;
}

static void report_put(tz_sink *s, const char *text, size_t n)
{
    (void)s;
    keep(text, n);
    if (n > sizeof buffer - buffered)
        tz_report_flush();
    if (n > sizeof buffer) {
        write_out(text, n);
        return;
    }
    memcpy(buffer + buffered, text, n);
    buffered += n;
}

static tz_sink report_sink = {report_put};

tz_sink *tz_report_sink(void)
{
    return &report_sink;
}

/* A text of its own, in one write if it is of the usual length. */
typedef struct line_sink {
    tz_sink sink;
    size_t n;
    char text[512];
} line_sink;

static void line_put(tz_sink *s, const char *text, size_t n)
{
    line_sink *line = (line_sink *)(void *)s;
    if (n > sizeof line->text - line->n) {
        write_out(line->text, line->n);
        line->n = 0;
    }
    if (n > sizeof line->text) {
        write_out(text, n);
        return;
    }
    memcpy(line->text + line->n, text, n);
    line->n += n;
}

void tz_print(const char *piece, ...)
{
    line_sink line;
    line.sink.put = line_put;
    line.n = 0;
    tz_sink *to = level ? &report_sink : &line.sink;
    va_list ap;
    va_start(ap, piece);
    for (const char *s = piece; s; s = va_arg(ap, const char *))
        tz_put(to, s);
    va_end(ap);
    if (!level)
        write_out(line.text, line.n);
}

bool tz_reporting(void)
{
    return tz_load_relaxed(&reporters) != 0;
}

int tz_report_depth(void)
{
    return level;
}

TZ_NORETURN static void leave(int code)
{
    if (tz_fatal_hooks.exit)
        tz_fatal_hooks.exit(code);
    __builtin_trap();
}

bool tz_report_begin(void)
{
    switch (level++) {
    case 0: {
        tz_add_relaxed(&reporters, 1);
        uint32_t free = 0;
        while (!tz_cas_acquire(&turn, &free, 1)) {
            if (tz_fatal_hooks.nap)
                tz_fatal_hooks.nap();
            free = 0;
        }
        if (tz_fatal_hooks.begin)
            tz_fatal_hooks.begin();
        return true;
    }
    case 1:
        tz_print("panic during panic\n", NULL);
        return false;
    case 2:
        tz_print("stack trace unavailable\n", NULL);
        tz_report_flush();
        leave(4);
    default:
        leave(5);
    }
}

void tz_report_close(void)
{
    tz_report_flush();
    if (tz_fatal_hooks.on_crash && whole.n) {
        size_t n = whole.n;
        whole.n = 0;
        tz_fatal_hooks.on_crash(whole.text, n, tz_fatal_hooks.on_crash_arg);
    }
    uint32_t left = tz_sub_acq_rel(&reporters, 1); /* pairs with the others': their texts are out */
    if (left == 1)
        return; /* with the turn: who comes now prints nothing, rather than half of it */
    tz_store_release(&turn, 0);
    if (tz_fatal_hooks.hang)
        tz_fatal_hooks.hang(); /* another report is waiting, and ends the process when it is printed */
}

void tz_report_die(void)
{
    if (tz_fatal_hooks.wants_core && tz_fatal_hooks.wants_core() && tz_fatal_hooks.abort)
        tz_fatal_hooks.abort();
    leave(2);
}

void tz_report_end(tz_report_kind kind)
{
    if (tz_fatal_hooks.traceback)
        tz_fatal_hooks.traceback(kind, __builtin_return_address(0));
    tz_report_close();
    tz_report_die();
}

static void say(tz_report_kind kind, const char *text)
{
    if (!tz_report_begin())
        return;
    bool panics = kind == TZ_REPORT_FATAL && tz_fatal_hooks.panics && tz_fatal_hooks.panics();
    tz_print(panics ? "\tfatal error: " : "fatal error: ", text, "\n", NULL);
}

void tz_throw(const char *text)
{
    say(TZ_REPORT_THROW, text);
    tz_report_end(TZ_REPORT_THROW);
}

void tz_fatal(const char *text)
{
    say(TZ_REPORT_FATAL, text);
    tz_report_end(TZ_REPORT_FATAL);
}
