/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walker: one goroutine that reads directories, with opendir's ordinary
 * blocking calls, and starts a goroutine for each file.
 *
 * The order is GNU grep's, which is that of the directory: entries as readdir
 * returns them, a subdirectory's files where the subdirectory stands. In a
 * directory of more than 10,000 entries it is that of the inode numbers,
 * except where that brings nothing (there the disk is read in long strokes).
 * So the same tree gives the same order, whatever the scheduling.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "grep.h"

enum { SORT_THRESHOLD = 10000 };

struct entry {
    ino_t inode;
    bool is_directory;
    char *name;
};

/* A directory being walked. They make up a list, the deepest first: C's stack does not bound the depth. */
struct level {
    struct level *parent;
    size_t path_len; /* of the directory's own path */
    struct entry *entries;
    size_t count, cap, next;
};

static int by_inode(const void *a, const void *b)
{
    ino_t x = ((const struct entry *)a)->inode;
    ino_t y = ((const struct entry *)b)->inode;
    return (x > y) - (x < y);
}

static bool inode_order_helps(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0)
        return false;
    unsigned type = (unsigned)fs.f_type;
    return type != TMPFS_MAGIC && type != NFS_SUPER_MAGIC && type != CIFS_SUPER_MAGIC;
}

/* Queues a channel for results at the end of the output. The walker keeps a reference. */
static results queue_results(const struct walk *w)
{
    results pieces = TUZA_CHAN_MAKE(struct piece, 1);
    TUZA_CHAN_SEND(w->order, TUZA_CHAN_REF(pieces));
    return pieces;
}

static void report_error(const struct walk *w, const char *path, int err)
{
    if (w->options->strip_dot && strncmp(path, "./", 2) == 0)
        path += 2;
    struct piece p = {.is_message = true, .is_error = true};
    text_add_error(&p.text, path, err);
    results pieces = queue_results(w);
    TUZA_CHAN_SEND(pieces, p);
    TUZA_CHAN_CLOSE(pieces);
    TUZA_CHAN_UNREF(pieces);
}

static void start_search(const struct walk *w, const char *path, bool is_operand)
{
    struct job *job = must_alloc(sizeof *job);
    *job = (struct job){
        .options = w->options,
        .path = strcpy(must_alloc(strlen(path) + 1), path),
        .is_operand = is_operand,
        .show_name = !is_operand || w->options->operand_count > 1,
        .searchers = w->searchers,
    };
    TUZA_CHAN_RECV(w->searchers, &job->searcher);
    job->pieces = queue_results(w);
    /* No memory for a goroutine: the walker does the work itself. The printer will get to it. */
    if (tuza_go(search_job, job) != 0)
        search_job(job);
}

/* What the directory entry is, where readdir does not say. */
static unsigned char entry_type(int dir, const struct dirent *d)
{
    struct stat st;
    if (d->d_type != DT_UNKNOWN)
        return d->d_type;
    if (fstatat(dir, d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return DT_REG; /* its open will tell what is wrong */
    return S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
}

static void add_entry(struct level *l, const struct dirent *d, bool is_directory)
{
    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? 16 : l->cap * 2;
        l->entries = must_realloc(l->entries, l->cap * sizeof l->entries[0]);
    }
    char *name = strcpy(must_alloc(strlen(d->d_name) + 1), d->d_name);
    l->entries[l->count++] = (struct entry){d->d_ino, is_directory, name};
}

/* Reads the files and directories of an open directory; returns 0 or what errno said. */
static int read_entries(struct level *l, DIR *dir)
{
    size_t seen = 0;
    struct dirent *d;
    while (errno = 0, (d = readdir(dir)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        seen++;
        unsigned char type = entry_type(dirfd(dir), d);
        if (type == DT_REG || type == DT_DIR)
            add_entry(l, d, type == DT_DIR);
    }
    int err = errno;
    if (seen > SORT_THRESHOLD && inode_order_helps(dirfd(dir)))
        qsort(l->entries, l->count, sizeof l->entries[0], by_inode);
    return err;
}

/* Goes down into the directory at path; NULL, reported, where it cannot be opened. */
static struct level *enter(const struct walk *w, struct level *parent, const char *path, bool is_operand)
{
    int fd = open_path(path, O_RDONLY | O_DIRECTORY | O_NOCTTY | (is_operand ? 0 : O_NOFOLLOW));
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        int err = errno;
        if (fd >= 0)
            close(fd);
        report_error(w, path, err);
        return NULL;
    }
    struct level *l = must_alloc(sizeof *l);
    *l = (struct level){.parent = parent, .path_len = strlen(path)};
    int err = read_entries(l, dir);
    closedir(dir);
    if (err != 0)
        report_error(w, path, err);
    return l;
}

static struct level *leave(struct level *l)
{
    struct level *parent = l->parent;
    free(l->entries);
    free(l);
    return parent;
}

static void walk_directory(const struct walk *w, struct text *path)
{
    struct level *l = enter(w, NULL, path->at, true);
    while (l != NULL) {
        if (l->next == l->count) {
            l = leave(l);
            continue;
        }
        struct entry *e = &l->entries[l->next++];
        path->len = l->path_len;
        if (path->at[path->len - 1] != '/')
            text_add(path, "/", 1);
        text_add(path, e->name, strlen(e->name) + 1);
        free(e->name);
        if (e->is_directory) {
            struct level *below = enter(w, l, path->at, false);
            l = below != NULL ? below : l;
        } else {
            start_search(w, path->at, false);
        }
    }
}

static void walk_operand(const struct walk *w, const char *operand)
{
    struct stat st;
    if (stat(operand, &st) != 0) {
        report_error(w, operand, errno);
    } else if (S_ISDIR(st.st_mode)) {
        struct text path = {0};
        size_t len = strlen(operand);
        if (len > 2) /* "a//" shows as "a/file" */
            while (len > 1 && operand[len - 1] == '/' && operand[len - 2] == '/')
                len--;
        text_add(&path, operand, len);
        text_add(&path, "", 1);
        walk_directory(w, &path);
        free(path.at);
    } else {
        start_search(w, operand, true);
    }
}

void walk_operands(void *arg)
{
    const struct walk *w = arg;
    for (size_t i = 0; i < w->options->operand_count; i++)
        walk_operand(w, w->options->operands[i]);
    TUZA_CHAN_CLOSE(w->order);
}
