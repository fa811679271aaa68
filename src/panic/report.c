/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is printed of panics. Go's form: the chain, the oldest first, each
 * further one behind a tab; " [recovered]" where a deferred function recovered
 * it and panicked anew; a value passed on is printed once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"
#include "os/os.h"
#include "panic/records.h"
#include "sched/bubble.h"

/* Text as it is, the lines after the first behind a tab. */
static void print_indented(const char *text)
{
    char line[256];
    for (;;) {
        size_t n = strcspn(text, "\n");
        size_t take = n < sizeof line - 1 ? n : sizeof line - 1;
        memcpy(line, text, take);
        line[take] = 0;
        text += take;
        if (take < n) {
            tz_print(line, NULL);
        } else if (*text) {
            tz_print(line, "\n\t", NULL);
            text++;
        } else {
            tz_print(line, NULL);
            return;
        }
    }
}

static void print_fault(const tz_panicking *p)
{
    char code[24], addr[24], pc[24];
    tz_print("[signal ", p->signal, " code=", tz_hex(code, (uint64_t)p->code),
             " addr=", tz_hex(addr, p->addr), " pc=", tz_hex(pc, p->pc), "]\n", NULL);
}

/* Whether there was something to print. The list is turned round for that, and stays so: this is the end. */
static bool print_chain(tz_g *g)
{
    tz_panicking *oldest = NULL, *newest = g->unwind.panics;
    for (tz_panicking *p = newest, *next; p; p = next) {
        next = p->up;
        p->up = oldest;
        oldest = p;
    }
    g->unwind.panics = NULL;
    bool printed = false, after_goexit = true;
    const tz_panicking *fault = NULL;
    const char *stack = NULL;
    for (tz_panicking *p = oldest; p; p = p->up) {
        if (!p->goexit && !p->same) {
            tz_print(after_goexit ? "panic: " : "\tpanic: ", NULL);
            print_indented(p->text);
            bool passed_on = p->up && p->up->same;
            tz_print(!p->recovered ? "\n"
                     : passed_on   ? " [recovered, repanicked]\n"
                                   : " [recovered]\n",
                     NULL);
            printed = true;
        }
        after_goexit = p->goexit;
        if (p->signal)
            fault = p;
        if (p->stack)
            stack = p->stack;
    }
    if (fault)
        print_fault(fault);
    if (stack) /* before the goroutines that there are */
        tz_print("\n", stack, NULL);
    return printed;
}

void tz_panic_die(tz_g *g)
{
    if (tz_report_begin()) {
        tz_bubble_died(g, g->unwind.panics->text);
        print_chain(g);
    }
    tz_report_end(TZ_REPORT_PANIC);
}

bool tz_panic_print_fatal(void)
{
    tz_g *g = tz_panic_g();
    return g && print_chain(g);
}

void tz_panic_refused(const char *text)
{
    tz_m *m = tz_self_m;
    bool outside = m == &tz_nobody;
    if (tz_report_begin()) {
        tz_print("panic: ", NULL);
        print_indented(text);
        tz_print(outside ? "\n" : "\nfatal error: panic inside the runtime\n", NULL);
    }
    tz_report_end(outside ? TZ_REPORT_PANIC : TZ_REPORT_THROW);
}

void tz_text_format(tz_text *t, bool heap, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    t->text = t->room;
    t->heap = NULL;
    int n = vsnprintf(t->room, sizeof t->room, fmt, ap);
    if (n < 0) { /* what can't be formatted: a wide character without a form */
        t->text = fmt;
    } else if ((size_t)n >= sizeof t->room) {
        size_t size = (size_t)n + 1, page = tz_os_page_size();
        char *text = heap ? t->heap = malloc(size) : tz_os_reserve((size + page - 1) / page * page);
        if (!text)
            tz_throw("out of memory");
        vsnprintf(text, size, fmt, again);
        t->text = text;
    }
    va_end(again);
    t->len = strlen(t->text);
}

void tuza_throw(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    tz_text t;
    tz_text_format(&t, false, fmt, ap);
    if (tz_report_begin()) {
        tz_print("fatal error: ", NULL);
        print_indented(t.text);
        tz_print("\n", NULL);
    }
    tz_report_end(TZ_REPORT_THROW);
}
