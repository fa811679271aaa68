/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files beneath the root, and the table of those that are kept for a moment.
 *
 * Nothing outside of the root is ever opened, whatever the path and the links
 * in it say: the kernel sees to that (openat2 with RESOLVE_BENEATH). Where it
 * can't, the path is walked step by step and no link is followed.
 *
 * What was found at a path is taken for what is there for cache_ns more, or
 * until a file that is read anew for each answer has changed. Then it is
 * opened anew; if it is the same, unchanged, the entry goes on.
 * Entries are immutable but for `until`, and counted: one that is replaced
 * lives until its last answer has been sent.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "httpd.h"

enum { BUCKETS = 4096 };

static struct table {
    tuza_mutex lock;
    struct file *buckets[BUCKETS];
    size_t count;
    size_t hand; /* the bucket where room is made next */
} table;

static atomic_bool stepwise;

void files_init(void)
{
    stepwise = options.stepwise;
}

/* --- Opening --- */

/* The path has no "..": path.c resolved them. */
static int open_stepwise(const char *path, int flags)
{
    int dir = options.root;
    for (;;) {
        char part[256];
        size_t len = strcspn(path, "/");
        bool last = path[len] == '\0';
        int fd = -1, err = ENAMETOOLONG;
        if (len < sizeof part) {
            memcpy(part, path, len);
            part[len] = '\0';
            int how = last ? flags : O_PATH | O_DIRECTORY;
            fd = openat(dir, part, how | O_NOFOLLOW | O_CLOEXEC);
            err = errno;
        }
        if (dir != options.root)
            close(dir);
        if (fd < 0)
            return -err;
        if (last)
            return fd;
        dir = fd;
        path += len + 1;
    }
}

int open_beneath(const char *path, int flags)
{
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC),
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    for (int tries = 0; !atomic_load_explicit(&stepwise, memory_order_relaxed);) {
        long fd = syscall(SYS_openat2, options.root, path, &how, sizeof how);
        if (fd >= 0)
            return (int)fd;
        int err = errno;
        if (err == EAGAIN && ++tries < 10) /* something was renamed meanwhile */
            continue;
        if (err != ENOSYS && err != EPERM)
            return -err;
        if (err == ENOSYS)
            atomic_store_explicit(&stepwise, true, memory_order_relaxed);
        break; /* EPERM: a sandbox that does not know the call, or the file */
    }
    return open_stepwise(path, flags);
}

/* --- What is known of a file --- */

static int64_t nanoseconds(const struct timespec *t)
{
    return (int64_t)t->tv_sec * TUZA_SECOND + t->tv_nsec;
}

static int make_head(char *out, size_t size, const struct file *f)
{
    return snprintf(out, size,
                    "HTTP/1.1 200 OK\r\nServer: tuza-httpd\r\nContent-Type: %s\r\nContent-Length: %jd\r\n"
                    "Last-Modified: %s\r\nETag: %s\r\nAccept-Ranges: bytes\r\n",
                    f->type, (intmax_t)f->size, f->modified_text, f->etag);
}

static uint64_t hash_of(const char *path, size_t len)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)path[i]) * 1099511628211u;
    return h ^ h >> 32;
}

/* All of a small file; false: it could not be read. */
static bool read_content(struct file *f, int fd, char *content)
{
    off_t got = 0;
    while (got < f->size) {
        ssize_t n = pread(fd, content + got, (size_t)(f->size - got), got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            break;
        got += n;
    }
    f->size = got; /* it may have been cut meanwhile */
    f->content = content;
    return true;
}

/* Takes fd along. NULL: no memory, or it can't be read; then *status says which. */
static struct file *file_make(const struct path *p, uint64_t hash, int fd, const struct stat *st, int *status)
{
    bool regular = S_ISREG(st->st_mode);
    bool small = regular && st->st_size <= SMALL_FILE;
    char head[512];
    size_t content_at = sizeof(struct file) + p->len + 1;
    struct file *f = malloc(content_at + (small ? (size_t)st->st_size : 0) + sizeof head);
    *status = 503;
    if (!f) {
        close(fd);
        return NULL;
    }
    *f = (struct file){
        .refs = 1,
        .fd = regular && !small ? fd : -1,
        .is_directory = S_ISDIR(st->st_mode),
        .id = {st->st_dev, st->st_ino, nanoseconds(&st->st_mtim), nanoseconds(&st->st_ctim)},
        .size = st->st_size,
        .modified = st->st_mtim.tv_sec,
        .type = type_of(p->text),
        .hash = hash,
        .path_len = p->len,
    };
    memcpy(f->path, p->text, p->len + 1);
    char *content = (char *)f + content_at;
    bool fine = !small || read_content(f, fd, content);
    if (f->fd < 0)
        close(fd);
    if (!fine) {
        *status = 500;
        free(f);
        return NULL;
    }
    date_format(f->modified_text, f->modified);
    snprintf(f->etag, sizeof f->etag, "\"%jx-%jx-%jx\"", (uintmax_t)f->id.modified, (uintmax_t)f->size,
             (uintmax_t)f->id.inode);
    f->head = content + (small ? st->st_size : 0);
    f->head_len = (size_t)make_head(f->head, sizeof head, f);
    return f;
}

static void file_ref(struct file *f)
{
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
}

void file_put(struct file *f)
{
    /* acq_rel: what its users did with it comes before the end of it */
    if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (f->fd >= 0)
        close(f->fd);
    free(f);
}

/* --- The table --- */

static struct file **find_locked(const struct path *p, uint64_t hash)
{
    struct file **at = &table.buckets[hash % BUCKETS];
    while (*at &&
           !((*at)->hash == hash && (*at)->path_len == p->len && memcmp((*at)->path, p->text, p->len) == 0))
        at = &(*at)->next;
    return at;
}

/* Takes the entry out, for the caller to put when the lock is given back. */
static struct file *unlink_locked(struct file **at)
{
    struct file *f = *at;
    *at = f->next;
    f->next = NULL;
    table.count--;
    return f;
}

/* Makes room where there are too many: an entry of the next bucket that has one. */
static struct file *make_room_locked(void)
{
    if (table.count < options.files)
        return NULL;
    while (!table.buckets[table.hand % BUCKETS])
        table.hand++;
    return unlink_locked(&table.buckets[table.hand++ % BUCKETS]);
}

static void enter(struct file *f, const struct path *p, int64_t now)
{
    struct file *old = NULL, *gone = NULL;
    if (options.files == 0 || options.cache_ns == 0)
        return;
    f->until = now + options.cache_ns;
    file_ref(f);
    tuza_mutex_lock(&table.lock);
    struct file **at = find_locked(p, f->hash);
    if (*at)
        old = unlink_locked(at);
    else
        gone = make_room_locked();
    f->next = table.buckets[f->hash % BUCKETS];
    table.buckets[f->hash % BUCKETS] = f;
    table.count++;
    tuza_mutex_unlock(&table.lock);
    if (old)
        file_put(old);
    if (gone)
        file_put(gone);
}

void files_forget(void)
{
    struct file *all = NULL;
    tuza_mutex_lock(&table.lock);
    for (size_t i = 0; i < BUCKETS; i++) {
        while (table.buckets[i]) {
            struct file *f = unlink_locked(&table.buckets[i]);
            f->next = all;
            all = f;
        }
    }
    tuza_mutex_unlock(&table.lock);
    while (all) {
        struct file *f = all;
        all = f->next;
        file_put(f);
    }
}

static int status_of(int err)
{
    switch (err) {
    case -ENOENT:
    case -ENOTDIR:
    case -ENAMETOOLONG:
        return 404;
    case -EACCES:
    case -EPERM:
    case -ELOOP: /* links in a circle, or links at all where none is followed */
    case -EXDEV: /* it leads out of the root */
    case -ENXIO: /* a socket */
    case -ENODEV:
        return 403;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -EAGAIN:
        return 503;
    default:
        return 500;
    }
}

/* An entry whose time is over is good for longer where the file is still the same. Needs no lock: but for
 * `until` the entry does not change. */
static bool is_same(const struct file *f, const struct stat *st)
{
    return f->id.device == st->st_dev && f->id.inode == st->st_ino && f->size == st->st_size &&
           f->id.modified == nanoseconds(&st->st_mtim) && f->id.changed == nanoseconds(&st->st_ctim);
}

/* What is read from the file itself must be what its entry says of it: else a new part would go out under the
 * old tag, and a client would put it together with parts of the old file. */
static bool is_still_same(const struct file *f)
{
    struct stat st;
    return fstat(f->fd, &st) == 0 && is_same(f, &st);
}

static int open_and_stat(const char *path, int flags, struct stat *st)
{
    int fd = open_beneath(path, flags);
    if (fd == -EMFILE || fd == -ENFILE) {
        files_forget();
        fd = open_beneath(path, flags);
    }
    if (fd >= 0 && fstat(fd, st) != 0) {
        close(fd);
        return -EIO;
    }
    return fd;
}

/*
 * Looks at what is there before it is opened for reading: to open a named pipe
 * lets its writer go on, who then is killed, and what a device does when it is
 * opened is its own affair. A directory is only looked at here, and so is the
 * file that `old` is of.
 */
static int open_to_serve(const char *path, const struct file *old, struct stat *st)
{
    int fd = open_and_stat(path, O_PATH, st);
    if (fd < 0 || !S_ISREG(st->st_mode) || (old && is_same(old, st)))
        return fd;
    close(fd);
    /* Nor to wait, should it be a named pipe by now. */
    return open_and_stat(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, st);
}

/* Opens it anew; old is what was there, or NULL, and the caller's reference to it is taken along. */
static struct file *look_again(const struct path *p, uint64_t hash, struct file *old, int64_t now,
                               int *status)
{
    struct stat st;
    struct file *f = NULL;
    int fd = open_to_serve(p->text, old, &st);
    *status = fd < 0 ? status_of(fd) : 403;
    if (fd >= 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        close(fd);
    } else if (fd >= 0 && old && is_same(old, &st)) {
        close(fd);
        tuza_mutex_lock(&table.lock);
        old->until = now + options.cache_ns;
        tuza_mutex_unlock(&table.lock);
        return old;
    } else if (fd >= 0 && (f = file_make(p, hash, fd, &st, status)) != NULL) {
        enter(f, p, now);
    }
    if (old)
        file_put(old);
    return f;
}

struct file *file_get(const struct path *p, int64_t *now, int *status)
{
    uint64_t hash = hash_of(p->text, p->len);
    tuza_mutex_lock(&table.lock);
    struct file *f = *find_locked(p, hash);
    bool good = f && f->until >= *now;
    if (f)
        file_ref(f);
    tuza_mutex_unlock(&table.lock);
    if (good && (f->fd < 0 || is_still_same(f)))
        return f;
    f = look_again(p, hash, f, *now, status);
    *now = tuza_now();
    return f;
}
