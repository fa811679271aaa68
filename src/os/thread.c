/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads: starting them, and looking at them from outside.
 *
 * Each thread has a record, by which its function, argument and name reach
 * it, and by which it is joined. The records live in pages of their own, found
 * by trying one after the other and claimed by a compare-and-swap: the starter
 * must not allocate. There are as many as threads ever lived at once.
 *
 * Threads are joined: by the next one that ends, if they are gone by then, and
 * by tz_os_threads_join. One is marked as ended by the destructor of a key, so
 * also where pthread_exit or a cancellation ended it.
 */
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/atomic.h"
#include "os/os.h"
#include "os/sys.h"

enum { FREE, STARTING, LIVES, ENDED, JOINED };

struct start {
    /* FREE -> STARTING by the starter's CAS (acquire); -> LIVES -> ENDED by the thread (release); either of
     * these -> JOINED by the CAS (acquire) of whoever joins it, who then gives it back or, not gone yet,
     * makes it ENDED again. */
    uint32_t state;
    void (*fn)(void *);
    void *arg;
    pthread_t id; /* written by the thread itself before it LIVES */
    char name[16];
};

#define STARTS_PER_PAGE 64
struct start_page {
    struct start_page *next; /* written before the page is published */
    struct start start[STARTS_PER_PAGE];
};

static struct start_page *start_pages; /* pushed by CAS (release), read by acquire; never removed */

/* The signal mask of new threads: written before the first is started. */
static sigset_t thread_mask;
static bool thread_mask_known;

static struct start *start_claim(void)
{
    struct start_page *head = tz_load_acquire(&start_pages);
    for (struct start_page *page = head; page != NULL; page = page->next) {
        for (int i = 0; i < STARTS_PER_PAGE; i++) {
            uint32_t free = FREE;
            if (tz_cas_acquire(&page->start[i].state, &free, STARTING))
                return &page->start[i];
        }
    }
    size_t unit = tz_os_page_size();
    struct start_page *page = tz_os_reserve((sizeof *page + unit - 1) / unit * unit);
    if (page == NULL)
        return NULL;
    page->start[0].state = STARTING;
    do
        page->next = head;
    while (!tz_cas_release(&start_pages, &head, page));
    return &page->start[0];
}

/* Joins the threads that are gone; with living, waits for all others too. How many there were. */
static int join(bool living)
{
    int n = 0;
    for (struct start_page *page = tz_load_acquire(&start_pages); page != NULL; page = page->next) {
        for (int i = 0; i < STARTS_PER_PAGE; i++) {
            struct start *s = &page->start[i];
            uint32_t state;
            while ((state = tz_load_relaxed(&s->state)) == STARTING && living)
                tz_os_yield(); /* it can't be named before it has told its name */
            if (state != ENDED && !(living && state == LIVES))
                continue;
            if (!tz_cas_acquire(&s->state, &state, JOINED))
                continue;
            bool gone = (living ? pthread_join(s->id, NULL) : pthread_tryjoin_np(s->id, NULL)) == 0;
            tz_store_release(&s->state, gone ? FREE : ENDED);
            n++;
        }
    }
    return n;
}

static pthread_key_t ending;
static bool have_ending;

#if TZ_TSAN
/*
 * To ThreadSanitizer, which looks at the end of the process, a thread that
 * has ended and was not joined yet was leaked. So those are joined at exit,
 * and one that comes to its end after that stays. Of the flag and the state
 * each side writes its own before it reads the other's.
 */
static uint32_t exiting;

static void join_ended(void)
{
    tz_store_relaxed(&exiting, 1);
    tz_fence_store_load(); /* pairs with stay_at_exit */
    for (struct start_page *page = tz_load_acquire(&start_pages); page != NULL; page = page->next) {
        for (int i = 0; i < STARTS_PER_PAGE; i++) {
            uint32_t state = ENDED;
            if (tz_cas_acquire(&page->start[i].state, &state, JOINED))
                pthread_join(page->start[i].id, NULL);
        }
    }
}

static void stay_at_exit(struct start *s)
{
    tz_fence_store_load(); /* pairs with join_ended */
    uint32_t state = ENDED;
    if (tz_load_relaxed(&exiting) && tz_cas_acquire(&s->state, &state, LIVES))
        tz_os_sleep_until(TZ_OS_FOREVER);
}
#endif

static void ended(void *p)
{
    struct start *s = p;
    join(false);
    uint32_t lives = LIVES;
    tz_cas_release(&s->state, &lives, ENDED);
#if TZ_TSAN
    stay_at_exit(s);
#endif
}

static void make_key(void)
{
#if TZ_TSAN
    atexit(join_ended);
#endif
    have_ending = pthread_key_create(&ending, ended) == 0; /* no keys left: then threads are not joined */
}

bool tz_os_threads_reap(void)
{
    int saved = errno;
    int n = join(false);
    errno = saved;
    return n != 0;
}

void tz_os_threads_join(void)
{
    int saved = errno;
    while (join(true) != 0)
        continue; /* one that was joined may have started another */
    errno = saved;
}

void tz_os_threads_forget(void)
{
    for (struct start_page *page = start_pages; page != NULL; page = page->next)
        for (int i = 0; i < STARTS_PER_PAGE; i++)
            page->start[i].state = FREE;
}

static void *thread_main(void *p)
{
    struct start *s = p;
    s->id = pthread_self();
    tz_store_release(&s->state, LIVES);
    if (have_ending)
        pthread_setspecific(ending, s);
    pthread_setname_np(s->id, s->name);
    if (thread_mask_known)
        pthread_sigmask(SIG_SETMASK, &thread_mask, NULL);
    s->fn(s->arg);
    return NULL;
}

static int add_tls(struct dl_phdr_info *info, size_t size, void *total)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_TLS)
            *(size_t *)total += info->dlpi_phdr[i].p_memsz + info->dlpi_phdr[i].p_align;
    }
    return 0;
}

/* What libc takes from a thread's stack before its function runs:
 * its own needs and the threads' static variables. */
static size_t stack_overhead(void)
{
    static size_t overhead; /* 0: not known yet; threads that race here find the same */
    size_t n = tz_load_relaxed(&overhead);
    if (n == 0) {
        dl_iterate_phdr(add_tls, &n);
        n += (size_t)PTHREAD_STACK_MIN + ((size_t)16 << 10);
        tz_store_relaxed(&overhead, n);
    }
    return n;
}

static int create(struct start *s, size_t size)
{
    pthread_attr_t attr;
    pthread_t id;
    size_t page = tz_os_page_size();
    int r = pthread_attr_init(&attr);
    if (r != 0)
        return -r;
    size = (size + stack_overhead() + page - 1) / page * page;
    do {
        r = pthread_attr_setstacksize(&attr, size);
        if (r == 0)
            r = pthread_create(&id, &attr, thread_main, s);
        /* EINVAL: less than libc needs, for instance since a library with many thread variables was
         * loaded. */
        size *= 2;
    } while (r == EINVAL && size <= ((size_t)256 << 20));
    pthread_attr_destroy(&attr);
    return -r;
}

int tz_os_thread_start(void (*fn)(void *), void *arg, size_t stack_size, const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int saved = errno;
    pthread_once(&once, make_key);
    join(false);
    struct start *s = start_claim();
    if (s == NULL) {
        errno = saved;
        return -ENOMEM;
    }
    s->fn = fn;
    s->arg = arg;
    size_t n = strnlen(name, sizeof s->name - 1);
    memcpy(s->name, name, n);
    s->name[n] = '\0';

    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = create(s, stack_size);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0) {
        tz_store_release(&s->state, FREE);
        r = r == -ENOMEM ? r : -EAGAIN;
    }
    errno = saved;
    return r;
}

void tz_os_thread_mask_save(void)
{
    pthread_sigmask(SIG_SETMASK, NULL, &thread_mask);
    thread_mask_known = true;
}

static pthread_key_t detaching;
static bool have_detaching;
static void (*on_end)(void *);

static void make_end_key(void)
{
    have_detaching = pthread_key_create(&detaching, tz_load_relaxed(&on_end)) == 0;
}

bool tz_os_thread_on_end(void (*fn)(void *), void *arg)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int saved = errno;
    tz_store_relaxed(&on_end, fn); /* the same each time */
    pthread_once(&once, make_end_key);
    bool ok = have_detaching && pthread_setspecific(detaching, arg) == 0;
    errno = saved;
    return ok;
}

void tz_os_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    int saved = errno;
    pthread_atfork(prepare, parent, child);
    errno = saved;
}

int tz_os_tid(void)
{
    return (int)tz_sys(SYS_gettid);
}

bool tz_os_is_main_thread(void)
{
    return tz_os_tid() == getpid();
}

void tz_os_signals_block(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
}

void tz_os_thread_exit(void)
{
    pthread_exit(NULL);
}

void tz_os_precise_timers(void)
{
    (void)tz_sys(SYS_prctl, PR_SET_TIMERSLACK, (long)1, (long)0, (long)0, (long)0);
}

int64_t tz_os_thread_cpu(int tid)
{
    /* The kernel's encoding of a clock that belongs to a thread: the complement of its id, then 4 for "of a
     * thread" and 2 for the scheduler's count. libc has a call only for those whose pthread_t is at hand. */
    clockid_t id = (clockid_t)((~(unsigned)tid << 3) | 6);
    struct timespec ts;
    if (tid <= 0 ||
        tid >= 1 << 29) /* 0 would be the caller, and what does not fit another clock altogether */
        return -1;
    if (tz_sys(SYS_clock_gettime, id, &ts) != 0)
        return -1;
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Appends text or a number to a path being built; the ends of the arrays are the callers' care. */
static char *put_text(char *at, const char *text)
{
    size_t n = strlen(text);
    memcpy(at, text, n + 1);
    return at + n;
}

static char *put_number(char *at, int number)
{
    char digits[12];
    size_t n = sizeof digits;
    unsigned rest = (unsigned)number;
    digits[--n] = '\0';
    do
        digits[--n] = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    return put_text(at, digits + n);
}

int tz_os_thread_stat_open(int tid)
{
    char path[64];
    if (tid <= 0)
        return -ESRCH;
    put_text(put_number(put_text(path, "/proc/self/task/"), tid), "/stat");
    return tz_sys_keep(tz_sys_open(AT_FDCWD, path, O_RDONLY));
}

char tz_os_thread_state(int stat_fd)
{
    char text[128];
    long n = tz_sys(SYS_pread64, stat_fd, text, sizeof text, (long)0);
    /* "TID (name) S ...": the name may hold anything, what follows it no parenthesis. */
    for (long i = n - 3; i >= 0; i--) {
        if (text[i] == ')')
            return text[i + 2];
    }
    return 0;
}

void tz_os_close(int fd)
{
    tz_sys_close(fd);
}

/* The kernel's io_uring helpers are listed as our threads but will never run our code. */
static bool is_kernel_helper(int dir, const char *tid)
{
    char path[32], name[16];
    put_text(put_text(path, tid), "/comm");
    int fd = tz_sys_open(dir, path, O_RDONLY);
    if (fd < 0)
        return false;
    long n = tz_sys_read(fd, name, sizeof name);
    tz_sys_close(fd);
    return n >= 8 && (memcmp(name, "iou-wrk-", 8) == 0 || memcmp(name, "iou-sqp-", 8) == 0);
}

/* How many threads the kernel says there are, its helpers among them; 0 where somebody else (an emulator)
 * writes that file. */
static int threads_told(void)
{
    enum { THREADS_AT = 17 }; /* blanks behind the state */
    char text[512];
    int fd = tz_sys_open(AT_FDCWD, "/proc/self/stat", O_RDONLY);
    if (fd < 0)
        return fd;
    long n = tz_sys_read(fd, text, sizeof text), at = n - 1;
    tz_sys_close(fd);
    while (at >= 0 && text[at] != ')')
        at--;
    at += 2;
    for (int blanks = 0; at < n && blanks < THREADS_AT; at++)
        blanks += text[at] == ' ';
    int threads = 0;
    for (; at < n && text[at] >= '0' && text[at] <= '9'; at++)
        threads = 10 * threads + text[at] - '0';
    return threads;
}

/*
 * Not by the list alone: that ends early where a thread is met that is just
 * ending, and those behind it are not in it. The number comes first: a helper
 * that ends after that is not found, and the result is too high.
 */
int tz_os_thread_count(void)
{
    /* struct linux_dirent64: inode, offset, length, type, name */
    enum { LENGTH_AT = 16, NAME_AT = 19 };
    char buf[2048] TZ_ALIGNED(8);
    int told = threads_told(), listed = 0, helpers = 0;
    int dir = told < 0 ? told : tz_sys_open(AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY);
    if (dir < 0)
        return dir;
    for (;;) {
        long n = tz_sys(SYS_getdents64, dir, buf, sizeof buf);
        if (n <= 0) {
            if (n < 0)
                listed = told = (int)n;
            break;
        }
        for (long at = 0; at < n;) {
            uint16_t length;
            memcpy(&length, buf + at + LENGTH_AT, sizeof length);
            const char *name = buf + at + NAME_AT;
            if (name[0] != '.') {
                listed++;
                helpers += is_kernel_helper(dir, name);
            }
            at += length;
        }
    }
    tz_sys_close(dir);
    return (told > 0 ? told : listed) - helpers;
}
