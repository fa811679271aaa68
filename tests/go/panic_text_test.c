/* SPDX-License-Identifier: BSD-3-Clause */
/* What a panic prints, to the last byte: texts of any length and content, reports that come together. */
// ctest: not arm64
#include <sys/wait.h>

#include "go/help.h"

static char *output; /* of the last child's standard error, NUL-terminated */

/* Runs fn as the main goroutine of a child; its exit code. */
static int child(int (*fn)(int, char **))
{
    int fd[2];
    CHECK_EQ(pipe(fd), 0);
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(fd[1], 2);
        close(fd[0]);
        close(fd[1]);
        _exit(100 - tuza_run(fn, 0, NULL));
    }
    close(fd[1]);
    size_t n = 0, room = 1 << 20;
    free(output);
    output = malloc(room);
    for (ssize_t got; (got = read(fd[0], output + n, room - n - 1)) > 0;) {
        n += (size_t)got;
        if (room - n < 2)
            output = realloc(output, room *= 2);
    }
    output[n] = 0;
    close(fd[0]);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static char *text;
static size_t text_size;

static int panics(int argc, char **argv)
{
    (void)argc, (void)argv;
    tuza_panic("%s", text);
}

static int throws(int argc, char **argv)
{
    (void)argc, (void)argv;
    tuza_throw("%s", text);
}

/* The output is kind, the text with a tab behind each newline, and what is said of goroutine 1. */
static void check_output(const char *kind)
{
    const char *p = output;
    CHECK(strncmp(p, kind, strlen(kind)) == 0);
    p += strlen(kind);
    for (const char *t = text; *t; t++) {
        CHECK_EQ(*p, *t);
        p++;
        if (*t == '\n')
            CHECK_EQ(*p++, '\t');
    }
    CHECK(strncmp(p, "\n\ngoroutine 1 ", 14) == 0);
}

/* PN-22: long, and every byte there is. */
TEST(any_text)
{
    static const size_t size[] = {0, 1, 254, 255, 256, 511, 512, 513, 5000, 1000000};
    text = malloc(1000001);
    for (size_t i = 0; i < sizeof size / sizeof size[0]; i++) {
        text_size = size[i];
        for (size_t k = 0; k < text_size; k++)
            text[k] = (char)(1 + (k + i) % 255);
        text[text_size] = 0;
        CHECK_EQ(child(panics), 2);
        check_output("panic: ");
        CHECK_EQ(child(throws), 2);
        check_output("fatal error: ");
    }
    free(text);
}

static int go_now, n_ready;

static void panic_together(void *unused)
{
    (void)unused;
    flag_add(&n_ready, 1);
    SPIN_UNTIL(flag_get(&go_now));
    tuza_panic("all\nof them");
}

#define TOGETHER 4
static int concurrent(int argc, char **argv)
{
    (void)argc, (void)argv;
    tuza_gomaxprocs(TOGETHER + 1);
    for (int i = 0; i < TOGETHER; i++)
        GO(panic_together, NULL);
    EVENTUALLY(flag_get(&n_ready) == TOGETHER);
    flag_set(&go_now, 1);
    tuza_chan_recv(NULL, NULL);
    return 0;
}

/* PN-25: one after the other, each whole; exit code 2, at the end of the last one. */
TEST(reports_do_not_mix)
{
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(child(concurrent), 2);
        int n = 0;
        for (const char *p = output; (p = strstr(p, "panic: ")); n++) {
            static const char whole[] = "panic: all\n\tof them\n\ngoroutine ";
            CHECK(strncmp(p, whole, sizeof whole - 1) == 0);
            p += sizeof whole - 1;
        }
        CHECK(n >= 1 && n <= TOGETHER);
    }
}

TEST_MAIN()
