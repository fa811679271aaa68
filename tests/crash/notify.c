/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals sent to channels, and what ends a process in spite of it (run.sh reads the //! lines). */
#include <dirent.h>
#include <errno.h>
#include <signal.h>

#include "crash/crash.h"

static tuza_chan *c;

static void notify(int sig)
{
    if (tuza_signal_notify(c, &sig, 1) != 0)
        _exit(90);
}

/* Until sig has come to c. */
static void take(int sig)
{
    int got = 0;
    if (!tuza_chan_recv(c, &got) || got != sig)
        _exit(91);
}

static int sent(int sig)
{
    c = tuza_chan_make(sizeof(int), 1);
    notify(sig);
    raise(sig);
    take(sig);
    return 92;
}

/* As sent; whoever runs the tests may have it ignored. */
static int sent_by_default(int sig)
{
    signal(sig, SIG_DFL);
    return sent(sig);
}

/* SG-15, SG-01: the default is back once the last channel stops. */
//! term_after_stop signal 15
static int term_after_stop(void)
{
    int result = sent_by_default(SIGTERM);
    tuza_signal_stop(c);
    raise(SIGTERM);
    return result;
}

//! int_after_reset signal 2
static int int_after_reset(void)
{
    int result = sent_by_default(SIGINT), sig = SIGINT;
    if (tuza_signal_reset(&sig, 1) != 0)
        return 93;
    raise(SIGINT);
    return result;
}

/* SG-10: reset takes ignore back. */
//! hup_after_ignore signal 1
static int hup_after_ignore(void)
{
    int sig = SIGHUP;
    signal(sig, SIG_DFL);
    if (tuza_signal_ignore(&sig, 1) != 0)
        return 93;
    raise(SIGHUP);
    if (tuza_signal_reset(&sig, 1) != 0)
        return 94;
    raise(SIGHUP);
    return 95;
}

/* SG-03: SIGQUIT has its report again. */
//! quit_after_stop
//> SIGQUIT: quit
//> PC=@X@ m=@N@ sigcode=-6
static int quit_after_stop(void)
{
    int result = sent(SIGQUIT);
    tuza_signal_stop(c);
    raise(SIGQUIT);
    return result;
}

/* SG-07: what the processor raises is a fault, whoever asked for the signal. */
//! fault signal 11
//> SIGSEGV: segmentation violation
//> PC=@X@ m=@N@ sigcode=1 addr=0x8
static int fault(void)
{
    int result = sent(SIGSEGV);
    int *volatile nowhere = (int *)8;
    *nowhere = 1;
    return result;
}

/* SG-08: and what is sent has its report again. */
//! segv_after_stop signal 11
//> SIGSEGV: segmentation violation
//> PC=@X@ m=@N@ sigcode=-6 addr=@X@
static int segv_after_stop(void)
{
    int result = sent(SIGSEGV);
    tuza_signal_stop(c);
    raise(SIGSEGV);
    return result;
}

/* NP-28: by default a pipe without a reader kills. */
//! pipe signal 13
static int broken_pipe(void)
{
    int fd[2], result = sent_by_default(SIGPIPE);
    if (pipe(fd) != 0)
        return 93;
    close(fd[0]);
    if (write(fd[1], "x", 1) != -1 || errno != EPIPE)
        return 94;
    take(SIGPIPE);
    tuza_signal_stop(c);
    if (write(fd[1], "x", 1) >= 0)
        return 95;
    return result;
}

/* The channel is closed before it is stopped: as in Go. */
//! closed
//> panic: send on closed channel
//>
static int closed(void)
{
    c = tuza_chan_make(sizeof(int), 1);
    notify(SIGUSR1);
    tuza_chan_close(c);
    raise(SIGUSR1);
    tuza_sleep(100 * TUZA_SECOND);
    return 92;
}

/* SG-12. */
//! nil
//> panic: os/signal: Notify using nil channel
//>
//> goroutine 1 [running]:
static int nil(void)
{
    notify(SIGUSR1);
    return 92;
}

/* DL-10: whoever has no use of it is told of a deadlock. */
//! deadlock_before
//> fatal error: all goroutines are asleep - deadlock!
static int deadlock_before(void)
{
    int sig = SIGUSR1;
    if (tuza_signal_ignore(&sig, 1) != 0 || !tuza_signal_ignored(sig))
        return 93;
    tuza_chan_recv(tuza_chan_make(sizeof(int), 0), NULL);
    return 92;
}

static int is_asleep(pid_t pid, const char *tid)
{
    char path[300], text[200];
    snprintf(path, sizeof path, "/proc/%d/task/%s/stat", pid, tid);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = '\0';
    if (f)
        fclose(f);
    const char *name = strrchr(text, ')');
    return name && strlen(name) > 2 && name[2] == 'S';
}

static int all_asleep(pid_t pid)
{
    char path[64];
    int all = 1;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        all &= e->d_name[0] == '.' || is_asleep(pid, e->d_name);
    if (d)
        closedir(d);
    return d && all;
}

/* DL-10: and whoever had is not, after the stop too: a handler of the program's may still end it. */
//! deadlock_after exit 12
static int deadlock_after(void)
{
    pid_t parent = getpid();
    sent(SIGUSR1);
    tuza_signal_stop(c);
    struct sigaction act = {.sa_handler = _exit};
    sigaction(SIGUSR2, &act, NULL);
    if (fork() == 0) {
        for (int looks = 0; looks < 100; looks++) {
            looks *= all_asleep(parent);
            usleep(1000);
        }
        kill(parent, SIGUSR2);
        _exit(0);
    }
    tuza_chan_recv(c, NULL);
    return 92;
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(term_after_stop), CASE(int_after_reset), CASE(hup_after_ignore),
    CASE(quit_after_stop), CASE(fault),           CASE(segv_after_stop),
    {"pipe", broken_pipe}, CASE(closed),          CASE(nil),
    CASE(deadlock_before), CASE(deadlock_after),  {NULL, NULL},
};
CRASH_MAIN(cases)
