/* SPDX-License-Identifier: BSD-3-Clause */
/* What os/net.h promises of reads and writes, on kernels that do not know preadv2 and pwritev2: in a child,
 * which is forbidden them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/net.h"
#include "tz_test.h"

/* From here on they are -ENOSYS; false where there are no filters (emulators). */
static bool forbid(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_preadv2, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwritev2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof code[0], code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

/* Runs fn without these calls in a child, whose checks end it with 1. */
static void without(void (*fn)(void))
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (!forbid())
            _exit(77);
        fn();
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        SKIP("no system call can be forbidden");
    CHECK_EQ(status, 0);
}

static void nothing_to_write(void)
{
    int fd[2];
    char big[1 << 16] = {0}, c;
    struct iovec all = {big, sizeof big};
    CHECK_EQ(pipe(fd), 0);
    for (int signal = 0; signal < 2; signal++) {
        CHECK_EQ(tz_os_writev_now(fd[1], NULL, 0, signal), 0);
        CHECK_EQ(tz_os_writev_now(fd[1], &(struct iovec){NULL, 0}, 1, signal), 0);
    }
    CHECK_EQ(tz_os_readv_now(fd[0], &(struct iovec){&c, 1}, 1), -EAGAIN);
    long n;
    while ((n = tz_os_writev_now(fd[1], &all, 1, false)) > 0)
        ;
    CHECK_EQ(n, -EAGAIN);
    CHECK_EQ(tz_os_readv_now(fd[0], &all, 1), sizeof big);
    CHECK_EQ(close(fd[1]), 0);
    CHECK_EQ(tz_os_writev_now(fd[1], NULL, 0, false), -EBADF);
}

/* Without a vector there is nothing to look at, and nothing is written. */
TEST(empty_vectors)
{
    without(nothing_to_write);
}

TEST_MAIN()
