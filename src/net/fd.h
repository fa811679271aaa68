/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors as net/ knows them: Go's internal/poll.FD, found by the number.
 *
 * A tz_fd stands for a number, and is never freed. What it says is about the
 * open file that had the number when we last looked. Of a file that tuza
 * opened we are told of its beginning (tz_fd_adopt) and, if all goes well, its
 * end (tuza_close). Of others, and where a program closes by plain close(),
 * we are not: so nothing that an old file has left may be believed before the
 * kernel was asked whether it is still the same (tz_fd_is_new).
 */
#ifndef TZ_FD_H
#define TZ_FD_H

#include "context/context.h"
#include "os/net.h"
#include "sched/netpoll.h"
#include "sched/sched.h"
#include "tuza/net.h"

/*
 * Who may use a descriptor: a word changed by CAS (fdmutex.c).
 *   CLOSED   tuza_close was called
 *   READING, WRITING   somebody has the right to that side
 *   READERS, WRITERS   somebody waits for that right: in the queue
 *   the rest           how many use it at all, in units of USER
 */
#define TZ_FD_CLOSED  ((uint64_t)1)
#define TZ_FD_READING ((uint64_t)1 << 1)
#define TZ_FD_WRITING ((uint64_t)1 << 2)
#define TZ_FD_READERS ((uint64_t)1 << 3)
#define TZ_FD_WRITERS ((uint64_t)1 << 4)
#define TZ_FD_USER    ((uint64_t)1 << 8)
#define TZ_FD_USERS   (((uint64_t)1 << 20) - 1) /* at most */

typedef struct tz_fdqueue {
    tz_sudog *first, *last;
} tz_fdqueue;

typedef struct tz_fd {
    tz_polldesc pd;
    uint64_t mu;     /* atomic: see above */
    bool ours;       /* atomic: tuza opened it: it is non-blocking, and registered once */
    bool file;       /* atomic: when we last looked, it was no socket */
    bool tells_left; /* atomic: ours, and recv says how much is left */
    bool dry;        /* written by who has the right to read: nothing was left; of sockets that tell so */
    int32_t late;    /* the same: an error that the kernel has told once and no caller has seen, or one that
                       stays; 0: none */
    uint32_t stuck;  /* atomic: users in calls that may block their thread for long */
    int32_t gone;    /* atomic, by who has one of the rights: why the connection was lost; or 0 */
    tz_lock lock;    /* TZ_RANK_FD: what follows */
    tz_fdqueue queue[2];  /* who waits for a side */
    tz_g *closer;         /* who waits for the last user to leave */
    bool cancelled;       /* atomic: read under the lock */
    tuza_context *ctx;    /* peeked at by who drops it */
    uint32_t ctx_of;      /* the generation that it was said of */
    bool changing;        /* atomic: ctx and node are somebody's who changes them; a user's */
    tz_context_node node; /* on ctx */
    char *unlink_path;    /* a Unix listener's file; from malloc */
    tz_file_id path_of;   /* that listener */
} tz_fd;

/* fd.c */
/* The number's tz_fd. *err is -EBADF where it is not open and never was, or -ENOMEM. */
tz_fd *tz_fd_find(int fd, int *err);
/* fd has just been opened by us: fd, or (it is closed then) a negative errno. */
int tz_fd_adopt(int fd, bool tells_left, char *unlink_path);
/* Asks the kernel whether the number stands for another file than we think; what was said of the old one
 * is forgotten then. It is registered with the poller on return: 0 the same, 1 new, or a negative errno:
 * -EPERM it can't be waited for. */
int tz_fd_is_new(tz_fd *f, int fd);
/* What a wait on the side would return at once; an error is that file's own. */
int tz_fd_check(tz_fd *f, int fd, int side);
/* Registers where that has to be, and waits for the side. 0 to try again; -EBADF: another file has the
 * number. */
int tz_fd_wait(tz_fd *f, int fd, int side);
int tz_fd_wait_both(tz_fd *f, int fd);
/* Gives back the number. */
int tz_fd_destroy(tz_fd *f, int fd);
/* It is closed, and its users will not run again: the process ends. */
void tz_fd_abandon(tz_fd *f, int fd);

/* fdmutex.c */
/* A user more; with TZ_FD_READING, TZ_FD_WRITING or both the only one on these sides: waits for that.
 * 0, -EBADF where it was closed, -ECANCELED where it was while this waited. */
int tz_fd_enter(tz_fd *f, int fd, uint64_t sides);
/* Finds the number and enters. A call that may wait (of a side) gives way to others here, as it would by
 * waiting. */
int tz_fd_begin(tz_fd **f, int fd, uint64_t sides);
/* Gives that back; the last user of a closed one gives back the number, too. */
void tz_fd_leave(tz_fd *f, int fd, uint64_t sides);
/* A user is about to call what may block its thread; false: it was closed, don't. */
bool tz_fd_begin_stuck(tz_fd *f);
void tz_fd_end_stuck(tz_fd *f);
/* No more users from here on, and those that wait for a side are sent away. The caller is a user.
 * -EBADF: it is closed already. */
int tz_fd_begin_close(tz_fd *f);
/* Waits until the caller is the only user, and gives back the number; where others are stuck the last of them
 * will. The result of that, or 0. */
int tz_fd_end_close(tz_fd *f, int fd);

/* limit.c: gives back a context that was said of an earlier file, where there is one; in user code. */
void tz_fd_drop_context(tz_fd *f);

#endif /* TZ_FD_H */
