/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls before the runtime runs, without tuza_run's goroutine (run.sh reads the //! lines). */
#include <errno.h>

#include "crash/crash.h"

static int run_after(int argc, char **argv)
{
    tuza_chan *c = (tuza_chan *)(void *)argv;
    return argc == 3 && tuza_goid() == 1 && tuza_chan_try_recv(c, NULL, NULL) ? 0 : 1;
}

/* FT-01, FT-04: calls before tuza_run, which comes after all the same. */
//! send_before_run exit 0
static int send_before_run(void)
{
    static tuza_chan *c; /* reachable at exit, for leak checkers */
    c = tuza_chan_make(0, 2);
    tuza_chan_send(c, NULL);
    tuza_chan_send(c, NULL);
    if (!tuza_chan_recv(c, NULL) || tuza_goid() < 2)
        return 3;
    return tuza_run(run_after, 3, (char **)(void *)c);
}

/* CH-12: also before tuza_run. */
//! close_nil_before_run
//> panic: close of nil channel
static int close_nil_before_run(void)
{
    tuza_chan_close(NULL);
    return 0;
}

/* CH-01: also before tuza_run. */
//! make_before_run
//> panic: makechan: size out of range
static int make_before_run(void)
{
    tuza_chan_make(65536, 1);
    return 0;
}

/* GR-07: what may be asked before tuza_run. */
//! ask_before_run exit 0
static int ask_before_run(void)
{
    tuza_chan *c = tuza_chan_make(8, 3);
    if (tuza_chan_cap(c) != 3 || tuza_chan_len(c) != 0 || tuza_num_goroutine() != 0 || tuza_goid() != 0 ||
        tuza_stack_used() != 0 || tuza_num_cpu() < 1 || tuza_gomaxprocs(0) < 1 || tuza_now() <= 0 ||
        tuza_version() != TUZA_VERSION || tuza_errno_location() == NULL)
        return 1;
    tuza_chan_unref(tuza_chan_ref(c));
    tuza_chan_unref(c);
    return tuza_run(NULL, 0, NULL) == -EINVAL ? 0 : 2;
}

static uint32_t fired;
static void fire(void *arg)
{
    (void)arg;
    __atomic_store_n(&fired, 1, __ATOMIC_RELEASE);
}

/* FT-01: what fires by itself starts what that needs. */
//! after_func_first exit 0
static int after_func_first(void)
{
    static tuza_timer *t;
    t = tuza_after_func(TUZA_MILLISECOND, fire, NULL);
    while (!__atomic_load_n(&fired, __ATOMIC_ACQUIRE))
        usleep(100);
    tuza_timer_free(t);
    return 0;
}

//! timeout_first exit 0
static int timeout_first(void)
{
    static tuza_context *ctx;
    ctx = tuza_context_with_timeout(tuza_context_background(), TUZA_MILLISECOND);
    while (tuza_context_err(ctx) != -ETIMEDOUT)
        usleep(100);
    tuza_context_unref(ctx);
    return 0;
}

//! context_after_func_first exit 0
static int context_after_func_first(void)
{
    static tuza_context *ctx;
    ctx = tuza_context_with_cancel(tuza_context_background());
    tuza_context_cancel(ctx);
    tuza_timer *t = tuza_context_after_func(ctx, fire, NULL);
    while (!__atomic_load_n(&fired, __ATOMIC_ACQUIRE))
        usleep(100);
    tuza_timer_free(t);
    tuza_context_unref(ctx);
    return 0;
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(send_before_run),  CASE(close_nil_before_run), CASE(make_before_run),          CASE(ask_before_run),
    CASE(after_func_first), CASE(timeout_first),        CASE(context_after_func_first), {NULL, NULL},
};

int main(int argc, char **argv)
{
    return crash_find(cases, argc, argv);
}
