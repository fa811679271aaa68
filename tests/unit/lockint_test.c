/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ends the process where the runtime's own count of locks to a thread is
 * misused. Nobody outside can do that, so it is done here, in programs of
 * their own: this one with an argument.
 *
 * ctest: not arm64
 */
#include <tuza.h>

#include "sched/sched.h"
#include "tz_test.h"

static int unlock_unlocked(int argc, char **argv)
{
    (void)argc, (void)argv;
    tz_m *m = tz_enter();
    tz_unlockosthread_internal(m);
    tz_leave(m);
    return 0;
}

static int exit_locked(int argc, char **argv)
{
    (void)argc, (void)argv;
    tz_m *m = tz_enter();
    tz_lockosthread_internal(m);
    tz_leave(m);
    tuza_goexit();
}

/* Over and over: a wake that comes before the last sleep says nothing. */
static void wake_first(void *arg)
{
    for (;;) {
        tz_note_wake(arg);
        tuza_sleep(TUZA_MILLISECOND);
    }
}

/* Parks the first thread for good, and wakes it all the same. */
static int wake_parked(int argc, char **argv)
{
    (void)argc, (void)argv;
    tuza_lock_os_thread();
    tz_m *first = tz_enter();
    tz_leave(first);
    if (tuza_go(wake_first, &first->park) < 0)
        return 1;
    tuza_goexit();
}

/* Runs this program with an argument; what it printed, in a static buffer, and its exit code. */
static const char *child(const char *arg, int *code)
{
    static char out[20000];
    char exe[1000], command[1100];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    CHECK(n > 0);
    exe[n] = 0;
    snprintf(command, sizeof command, "%s %s 2>&1", exe, arg);
    FILE *f = popen(command, "r");
    CHECK(f != NULL);
    out[fread(out, 1, sizeof out - 1, f)] = 0;
    *code = pclose(f) >> 8;
    return out;
}

/* LK-04 */
TEST(unlock_without_lock)
{
    int code;
    const char *out = child("unlock", &code);
    CHECK_EQ(code, 2);
    CHECK(strstr(out, "fatal error: runtime: internal error: misuse of lockOSThread/unlockOSThread\n") !=
          NULL);
}

/* LK-16 */
TEST(exit_while_locked)
{
    int code;
    const char *out = child("exit", &code);
    CHECK_EQ(code, 2);
    CHECK(strstr(out, "runtime: mp.lockedInt = 1\n"
                      "fatal error: exited a goroutine internally locked to the OS thread\n") != NULL);
}

/* LK-29: where main has ended, locked, the process's first thread is not to be woken. */
TEST(first_thread_woken)
{
    int code;
    const char *out = child("wake", &code);
    CHECK_EQ(code, 2);
    CHECK(strstr(out, "fatal error: locked m0 woke up\n") != NULL);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "wake") == 0) {
        tuza_lock_os_thread(); /* main stays on this thread */
        return tuza_run(wake_parked, argc, argv);
    }
    if (argc > 1 && strcmp(argv[1], "unlock") == 0)
        return tuza_run(unlock_unlocked, argc, argv);
    if (argc > 1 && strcmp(argv[1], "exit") == 0)
        return tuza_run(exit_locked, argc, argv);
    return tz_test_main(argc, argv);
}
