/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * exit [goroutines [processes]]: processes in which so many goroutines exit
 * at once, with 7; the median of a whole process's time, from fork to wait.
 * One that ends otherwise, or prints something, is a wrong result.
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_tuza.h"

static void leave(void *arg)
{
    (void)arg;
    tuza_exit(7);
}

static int child(int argc, char **argv)
{
    int64_t goroutines = bench_arg(argc, argv, 2, 1000, 1);
    for (int64_t i = 0; i < goroutines; i++)
        bench_go(leave, NULL);
    tuza_chan_recv(NULL, NULL);
    return 1;
}

static int64_t one(char *goroutines)
{
    int out[2], status;
    char c;
    if (pipe2(out, O_CLOEXEC) != 0)
        bench_die("exit: no pipe");
    int64_t start = bench_now();
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], 1);
        dup2(out[1], 2);
        execl("/proc/self/exe", "exit", "child", goroutines, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    ssize_t printed = read(out[0], &c, 1);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        bench_die("exit: no process");
    int64_t took = bench_now() - start;
    close(out[0]);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 7 || printed != 0)
        bench_die("exit: a process ended with status %#x, after %zd bytes of output", (unsigned)status,
                  printed);
    return took;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "child") == 0)
        return tuza_run(child, argc, argv);
    char goroutines[24];
    snprintf(goroutines, sizeof goroutines, "%" PRId64, bench_arg(argc, argv, 1, 1000, 1));
    int64_t processes = bench_arg(argc, argv, 2, 50, 1);
    int64_t *took = bench_alloc((size_t)processes, sizeof took[0]);
    for (int64_t i = 0; i < processes; i++)
        took[i] = one(goroutines);
    qsort(took, (size_t)processes, sizeof took[0], bench_compare);
    bench_print("exit", (double)took[processes / 2] / 1e6, "ms");
    free(took);
    return 0;
}
