/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much processor this process may have: its affinity mask, and the CPU
 * quota of its control group.
 *
 * A quota may be set at every level of the hierarchy, and each one holds for
 * all below it: the least of them counts. /proc/self/cgroup says which group
 * is ours in each hierarchy, /proc/self/mountinfo where the hierarchies are
 * mounted and which part of them a mount shows; a container may show only its
 * own part, anywhere. Version 1 (the hierarchy that has the "cpu" controller,
 * cpu.cfs_quota_us and cpu.cfs_period_us) and version 2 (cpu.max) may both be
 * mounted; the controller is in one of them, and the files are in that one
 * alone, so every mount that fits is asked.
 *
 * What cannot be read or understood limits nothing.
 */
#include <string.h>

#include "os/os.h"
#include "os/sys.h"

static int count_bits(const unsigned long *mask, size_t bytes)
{
    int n = 0;
    for (size_t i = 0; i < bytes / sizeof *mask; i++)
        n += __builtin_popcountl(mask[i]);
    return n;
}

int tz_os_cpu_affinity(void)
{
    unsigned long few[64]; /* 4096 CPUs */
    long r = tz_sys(SYS_sched_getaffinity, 0, sizeof few, few);
    int n = r > 0 ? count_bits(few, (size_t)r) : 0;
    /* The kernel refuses a mask with less room than the CPUs it was built for. */
    for (size_t size = (size_t)64 << 10; r == -EINVAL && size <= ((size_t)1 << 20); size *= 2) {
        unsigned long *many = tz_os_reserve(size);
        if (many == NULL)
            break;
        r = tz_sys(SYS_sched_getaffinity, 0, size, many);
        if (r > 0)
            n = count_bits(many, (size_t)r);
        tz_os_release(many, size);
    }
    return n > 0 ? n : 1;
}

/* Room for a path: what the kernel can open. */
#define PATH_ROOM 4096
/* Room for a line of mountinfo: two paths in which every byte may be written as \ooo,
 * and what is around them. */
#define LINE_ROOM (2 * 4 * PATH_ROOM + PATH_ROOM)

struct lines {
    int fd;
    size_t at, end; /* buf[at..end) is read but not given out */
    bool eof;
    char buf[LINE_ROOM];
};

/* Too large for a goroutine's stack. */
struct work {
    struct lines mounts, groups;
    char dir[2 * PATH_ROOM]; /* prefix, mount point, group */
};

static bool lines_open(struct lines *l, const char *root, const char *path)
{
    char name[PATH_ROOM];
    size_t n = strlen(root), k = strlen(path);
    l->at = l->end = 0;
    l->eof = false;
    l->fd = -ENAMETOOLONG;
    if (n + k < sizeof name) {
        memcpy(name, root, n);
        memcpy(name + n, path, k + 1);
        l->fd = tz_sys_open(AT_FDCWD, name, O_RDONLY);
    }
    return l->fd >= 0;
}

/* The next line, ended by a NUL, until NULL. One that does not fit comes in pieces:
 * none of ours is that long. */
static char *lines_next(struct lines *l)
{
    for (;;) {
        char *line = l->buf + l->at;
        char *newline = memchr(line, '\n', l->end - l->at);
        if (newline != NULL) {
            *newline = '\0';
            l->at = (size_t)(newline + 1 - l->buf);
            return line;
        }
        memmove(l->buf, line, l->end - l->at);
        l->end -= l->at;
        l->at = 0;
        size_t room = sizeof l->buf - 1 - l->end;
        long r = l->eof || room == 0 ? 0 : tz_sys_read(l->fd, l->buf + l->end, room);
        l->eof = l->eof || (room > 0 && (r < 0 || (size_t)r < room));
        if (r > 0) {
            l->end += (size_t)r;
            continue;
        }
        if (l->end == 0)
            return NULL;
        l->buf[l->end] = '\0';
        l->at = l->end;
        return l->buf;
    }
}

/* Cuts the text at the next `end` and returns what was before it; *rest goes behind it,
 * NULL where there was none. */
static char *cut(char **rest, char end)
{
    char *field = *rest;
    if (field == NULL)
        return NULL;
    char *at = strchr(field, end);
    if (at != NULL)
        *at++ = '\0';
    *rest = at;
    return field;
}

static bool list_has(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (; list != NULL; list = strchr(list, ',')) {
        list += *list == ',';
        if (strncmp(list, word, n) == 0 && (list[n] == ',' || list[n] == '\0'))
            return true;
    }
    return false;
}

/* mountinfo writes blanks, newlines and backslashes as \ooo. */
static void unescape(char *s)
{
    char *to = s;
    while (*s != '\0') {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
            s[3] <= '7') {
            *to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 4;
        } else
            *to++ = *s++;
    }
    *to = '\0';
}

/* A decimal number > 0 at *s, which goes behind it; -1 where there is none,
 * or one so large that it limits nothing. */
static int64_t number(const char **s)
{
    int64_t n = 0;
    const char *p = *s;
    while (*p >= '0' && *p <= '9') {
        if (n < (int64_t)1 << 50)
            n = n * 10 + (*p - '0');
        p++;
    }
    bool none = p == *s || n <= 0 || n >= (int64_t)1 << 50;
    *s = p;
    return none ? -1 : n;
}

/* A small file's text: length, or -1. */
static long slurp(char *dir, size_t end, const char *file, char *text, size_t room)
{
    memcpy(dir + end, file, strlen(file) + 1);
    int fd = tz_sys_open(AT_FDCWD, dir, O_RDONLY);
    dir[end] = '\0';
    if (fd < 0)
        return -1;
    long n = tz_sys_read(fd, text, room - 1);
    tz_sys_close(fd);
    text[n < 0 ? 0 : n] = '\0';
    return n;
}

static bool ends(char c)
{
    return c == '\0' || c == '\n';
}

/* The quota of the group whose folder is dir[0..end), in thousandths rounded up; 0: none.
 * dir has room behind end. */
static int64_t level_quota(char *dir, size_t end, bool v2)
{
    char text[64];
    const char *s = text;
    int64_t quota, period = 100000;
    if (v2) {
        if (slurp(dir, end, "/cpu.max", text, sizeof text) <= 0)
            return 0;
        quota = number(&s);
        if (quota < 0) /* "max" */
            return 0;
        if (*s == ' ') {
            s++;
            period = number(&s);
        }
        if (!ends(*s))
            return 0;
    } else {
        if (slurp(dir, end, "/cpu.cfs_quota_us", text, sizeof text) <= 0)
            return 0;
        quota = number(&s);
        if (quota < 0 || !ends(*s)) /* "-1" */
            return 0;
        s = text;
        if (slurp(dir, end, "/cpu.cfs_period_us", text, sizeof text) <= 0)
            return 0;
        period = number(&s);
        if (!ends(*s))
            return 0;
    }
    return period <= 0 ? 0 : (quota * 1000 + period - 1) / period;
}

/* How a path leads on from `base`, "" for base itself; NULL where it is not below it,
 * or leaves it again by "..". */
static const char *below(const char *base, const char *path)
{
    size_t n = strlen(base);
    if (n == 1 && base[0] == '/')
        n = 0;
    if (strncmp(base, path, n) != 0 || (path[n] != '\0' && path[n] != '/'))
        return NULL;
    path += n;
    if (path[0] == '/' && path[1] == '\0')
        path++;
    for (const char *p = path; (p = strstr(p, "/..")) != NULL; p += 3) {
        if (p[3] == '/' || p[3] == '\0')
            return NULL;
    }
    return path;
}

static int64_t least(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* The least quota from the group, shown at a mount, up to what the mount shows of the root. */
static int64_t path_quota(struct work *w, const char *prefix, const char *mount, const char *group, bool v2)
{
    size_t a = strlen(prefix), b = strlen(mount), c = strlen(group);
    if (a + b + c + sizeof "/cpu.cfs_period_us" > sizeof w->dir)
        return 0;
    memcpy(w->dir, prefix, a);
    memcpy(w->dir + a, mount, b);
    memcpy(w->dir + a + b, group, c + 1);
    int64_t min = 0;
    for (size_t end = a + b + c;;) {
        min = least(min, level_quota(w->dir, end, v2));
        if (end <= a + b)
            return min;
        do
            end--;
        while (end > a + b && w->dir[end] != '/');
        w->dir[end] = '\0';
    }
}

/* Our groups in all hierarchies of this version that have the CPU controller, as one mount shows them. */
static int64_t mount_quota(struct work *w, const char *prefix, const char *mount, const char *shown, bool v2)
{
    int64_t min = 0;
    if (!lines_open(&w->groups, prefix, "/proc/self/cgroup"))
        return 0;
    for (char *line; (line = lines_next(&w->groups)) != NULL;) {
        /* id:controllers:path; version 2 is "0::" */
        const char *id = cut(&line, ':'), *controllers = cut(&line, ':'), *path = line;
        if (controllers == NULL || path == NULL)
            continue;
        if (v2 ? strcmp(id, "0") != 0 || *controllers != '\0' : !list_has(controllers, "cpu"))
            continue;
        const char *group = below(shown, path);
        if (group != NULL)
            min = least(min, path_quota(w, prefix, mount, group, v2));
    }
    tz_sys_close(w->groups.fd);
    return min;
}

int64_t tz_os_cpu_quota_milli(const char *root)
{
    size_t page = tz_os_page_size(), size = (sizeof(struct work) + page - 1) / page * page;
    struct work *w = tz_os_reserve(size);
    int64_t min = 0;
    if (w == NULL)
        return 0;
    if (lines_open(&w->mounts, root, "/proc/self/mountinfo")) {
        for (char *line; (line = lines_next(&w->mounts)) != NULL;) {
            /* id parent device root mount-point options [optional fields] - type source super-options */
            char *kind = strstr(line, " - ");
            if (kind == NULL)
                continue;
            *kind = '\0';
            kind += 3;
            for (int i = 0; i < 3; i++)
                (void)cut(&line, ' ');
            char *shown = cut(&line, ' '), *mount = cut(&line, ' ');
            const char *type = cut(&kind, ' ');
            (void)cut(&kind, ' ');
            if (shown == NULL || mount == NULL || kind == NULL)
                continue;
            bool v2 = strcmp(type, "cgroup2") == 0;
            if (!v2 && (strcmp(type, "cgroup") != 0 || !list_has(kind, "cpu")))
                continue;
            unescape(shown);
            unescape(mount);
            min = least(min, mount_quota(w, root, mount, shown, v2));
        }
        tz_sys_close(w->mounts.fd);
    }
    tz_os_release(w, size);
    return min;
}
