/* SPDX-License-Identifier: BSD-3-Clause */
/* The only folder that sees all others: start-up, the main goroutine, the process's end. */
#include <errno.h>

#include "notify/notify.h"
#include "panic/panic.h"
#include "rt/exit.h"
#include "sched/sched.h"
#include "tuza.h"

int tuza_version(void)
{
    return TUZA_VERSION;
}

/* Real libc's errno here: this is what the public header's macro expands to. */
#undef errno
extern int *__errno_location(void);
int *tuza_errno_location(void)
{
    return __errno_location();
}

struct main_call {
    int (*fn)(int argc, char **argv);
    int argc;
    char **argv;
    int result; /* 0 where fn was left by a panic that was recovered */
};

static void call_main(void *arg)
{
    struct main_call *c = arg;
    c->result = c->fn(c->argc, c->argv);
}

static void main_goroutine(void *arg)
{
    /* The first thread's frame may end while main runs on elsewhere: by pthread_exit in a goroutine there. */
    struct main_call c = *(const struct main_call *)arg;
    tuza_call(call_main, &c);
    tz_panic_let_finish();
    tz_exit_main(c.result);
}

int tuza_run(int (*main_fn)(int argc, char **argv), int argc, char **argv)
{
    if (!main_fn)
        return -EINVAL;
    int err = tz_exit_listen();
    if (err < 0)
        return err;
    struct main_call call = {main_fn, argc, argv, 0};
    return tz_sched_run(main_goroutine, &call, tz_notify_handle_signals);
}

int tuza_start(const tuza_options *opts)
{
    int err = tz_exit_listen();
    if (err < 0)
        return err;
    return tz_sched_start(opts, tz_notify_handle_signals);
}

int tuza_stop(int64_t when)
{
    return tz_sched_stop(when, tz_notify_handle_signals);
}
