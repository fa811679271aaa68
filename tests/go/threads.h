/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel says about the threads of this process. */
#ifndef TZ_GO_THREADS_H
#define TZ_GO_THREADS_H

#include <dirent.h>
#include <sys/syscall.h>

#include "go/help.h"

static inline pid_t tid(void)
{
    return (pid_t)syscall(SYS_gettid);
}

/* The process's first thread can't end: where a goroutine has ended on it, locked, it is as good as gone. */
static inline bool thread_is_left(pid_t t)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d", (int)t);
    return t != getpid() && access(path, F_OK) == 0;
}

static inline int threads(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static inline long resident_kib(void)
{
    long size, pages;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f != NULL);
    CHECK_EQ(fscanf(f, "%ld %ld", &size, &pages), 2);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* For GO: sends the thread's id. */
static inline void report_tid(void *c)
{
    pid_t t = tid();
    tuza_chan_send((tuza_chan *)c, &t);
}

static inline void report_tid_and_unref(void *c)
{
    report_tid(c);
    tuza_chan_unref((tuza_chan *)c);
}

static inline pid_t tid_of_a_child(void)
{
    tuza_chan *c = tuza_chan_make(sizeof(pid_t), 0);
    pid_t t;
    GO(report_tid_and_unref, tuza_chan_ref(c));
    CHECK(tuza_chan_recv(c, &t));
    tuza_chan_unref(c);
    return t;
}

/* Waits for others in each way there is; a goroutine that may move has every reason to. */
static inline void do_nothing(void *unused)
{
    (void)unused;
}

static inline void wander(void)
{
    GO(do_nothing, NULL);
    tuza_gosched();
    tuza_sleep(TUZA_MILLISECOND / 5);
    usleep(300);
    tuza_gosched();
}

#endif /* TZ_GO_THREADS_H */
