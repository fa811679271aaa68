/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * traceback [goroutines]: a panic with GOTRACEBACK=all and so many goroutines
 * parked five frames deep, standard error into a file. Milliseconds from the
 * panic to the process's end, and the size of what was printed.
 *
 * The program runs itself for that. The child says the time right before the
 * panic; the report must have every goroutine and every frame.
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_tuza.h"

#define FRAMES 5

static tuza_chan *never;
static volatile int64_t parked;

#define STAY() __asm__ volatile("" ::: "memory")

/* Five functions of their own, as a program has them. */
__attribute__((noinline)) static void wait_in_fifth(void)
{
    __atomic_fetch_add(&parked, 1, __ATOMIC_RELAXED);
    tuza_chan_recv(never, NULL);
    STAY();
}

__attribute__((noinline)) static void call_fourth(void)
{
    wait_in_fifth();
    STAY();
}

__attribute__((noinline)) static void call_third(void)
{
    call_fourth();
    STAY();
}

__attribute__((noinline)) static void call_second(void)
{
    call_third();
    STAY();
}

static void first(void *arg)
{
    (void)arg;
    call_second();
    STAY();
}

static int crash(int argc, char **argv)
{
    int64_t count = bench_arg(argc, argv, 1, 10000, 1);
    never = tuza_chan_make(0, 0);
    for (int64_t i = 0; i < count; i++)
        bench_go(first, NULL);
    while (parked < count)
        tuza_gosched();
    int64_t now = bench_now();
    if (write(1, &now, sizeof now) != sizeof now)
        return 1;
    tuza_chan_close(NULL);
    return 0;
}

/* How often the word is in the text. */
static int64_t occurrences(const char *text, const char *word)
{
    int64_t n = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        n++;
    return n;
}

static void check(int fd, int64_t count)
{
    int64_t size = lseek(fd, 0, SEEK_END);
    char *text = bench_alloc((size_t)size + 1, 1);
    if (pread(fd, text, (size_t)size, 0) != size)
        bench_die("the report can't be read");
    static const char *const functions[] = {"\nfirst(", "\ncall_second(", "\ncall_third(", "\ncall_fourth(",
                                            "\nwait_in_fifth("};
    if (occurrences(text, "\ngoroutine ") != count + 1)
        bench_die("%" PRId64 " goroutines in the report", occurrences(text, "\ngoroutine "));
    for (int i = 0; i < FRAMES; i++)
        if (occurrences(text, functions[i]) != count)
            bench_die("%s is there %" PRId64 " times", functions[i] + 1, occurrences(text, functions[i]));
    if (occurrences(text, "/traceback.c:") < FRAMES * count)
        bench_die("lines are missing: is there libdw?");
    bench_print("traceback_size", (double)size / 1048576, "MiB");
    free(text);
}

int main(int argc, char **argv)
{
    if (getenv("TRACEBACK_CHILD"))
        return 100 - tuza_run(crash, argc, argv);
    int64_t count = bench_arg(argc, argv, 1, 10000, 1);
    int told[2];
    char name[] = "/tmp/traceback-XXXXXX";
    int fd = mkstemp(name);
    if (fd < 0 || pipe(told) != 0)
        bench_die("no file, or no pipe");
    unlink(name);
    setenv("TRACEBACK_CHILD", "1", 1);
    setenv("GOTRACEBACK", "all", 1);
    pid_t child = fork();
    if (child == 0) {
        if (dup2(told[1], 1) == 1 && dup2(fd, 2) == 2)
            execv("/proc/self/exe", argv);
        _exit(90);
    }
    int status;
    int64_t start;
    if (child < 0 || waitpid(child, &status, 0) != child)
        bench_die("no child");
    int64_t end = bench_now();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 2 || read(told[0], &start, sizeof start) != sizeof start)
        bench_die("the child ended with status %#x", (unsigned)status);
    bench_print("traceback", (double)(end - start) / 1e6, "ms");
    check(fd, count);
    return 0;
}
