/* SPDX-License-Identifier: BSD-3-Clause */
/* A directory as a page: folders first, names in the order of their bytes. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "httpd.h"

struct entry {
    bool is_directory;
    off_t size;
    time_t modified;
    char *name;
};

struct entries {
    struct entry *at;
    size_t n, cap;
};

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->is_directory != y->is_directory)
        return x->is_directory ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* A link is shown as what it leads to; one that leads out of the root, or nowhere, as itself. */
static void follow(const struct path *p, const char *name, struct stat *st)
{
    char path[sizeof p->text + NAME_MAX + 1];
    struct stat to;
    snprintf(path, sizeof path, "%s/%s", p->text, name);
    int fd = open_beneath(path, O_PATH);
    if (fd < 0)
        return;
    if (fstat(fd, &to) == 0)
        *st = to;
    close(fd);
}

static bool add(struct entries *all, int dir, const struct path *p, const char *name)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return true; /* gone */
    if (S_ISLNK(st.st_mode))
        follow(p, name, &st);
    if (all->n == all->cap) {
        size_t cap = all->cap ? 2 * all->cap : 64;
        struct entry *at = realloc(all->at, cap * sizeof *at);
        if (!at)
            return false;
        all->at = at;
        all->cap = cap;
    }
    char *copy = strdup(name);
    if (!copy)
        return false;
    all->at[all->n++] = (struct entry){S_ISDIR(st.st_mode), st.st_size, st.st_mtim.tv_sec, copy};
    return true;
}

/* False: there is no memory. */
static bool read_all(struct entries *all, DIR *d, const struct path *p)
{
    struct dirent *e;
    while ((e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && !add(all, dirfd(d), p, e->d_name))
            return false;
    if (all->n > 0)
        qsort(all->at, all->n, sizeof all->at[0], compare);
    return true;
}

static void print_entry(struct text *page, const struct entry *e)
{
    char when[32];
    struct tm t;
    if (!gmtime_r(&e->modified, &t) || strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &t) == 0)
        when[0] = '\0';
    /* "./": a name may have a colon in it, and would look like a scheme */
    text_string(page, "<tr><td><a href=\"./");
    text_url(page, e->name);
    text_string(page, e->is_directory ? "/\">" : "\">");
    text_html(page, e->name);
    text_string(page, e->is_directory ? "/</a><td>" : "</a><td>");
    if (!e->is_directory)
        text_format(page, "%jd", (intmax_t)e->size);
    text_format(page, "<td>%s</tr>\n", when);
}

static void print_page(struct text *page, const struct path *p, const struct entries *all)
{
    bool is_root = strcmp(p->text, ".") == 0;
    text_string(page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>/");
    if (!is_root)
        text_html(page, p->text);
    text_string(page, "</title>\n<style>body{font-family:sans-serif}td{padding:0 1.5em 0 0}"
                      "td+td{text-align:right;font-family:monospace}</style></head>\n<body><h1>/");
    if (!is_root) {
        text_html(page, p->text);
        text_string(page, "/");
    }
    text_string(page, "</h1>\n<table>\n");
    if (!is_root)
        text_string(page, "<tr><td><a href=\"../\">../</a><td><td></tr>\n");
    for (size_t i = 0; i < all->n; i++)
        print_entry(page, &all->at[i]);
    text_string(page, "</table></body></html>\n");
}

bool listing_make(struct text *page, const struct path *p)
{
    struct entries all = {0};
    int fd = open_beneath(p->text, O_RDONLY | O_DIRECTORY);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (read_all(&all, d, p))
        print_page(page, p, &all);
    else
        page->failed = true;
    closedir(d);
    for (size_t i = 0; i < all.n; i++)
        free(all.at[i].name);
    free(all.at);
    return true;
}
