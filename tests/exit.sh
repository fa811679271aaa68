#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ctest: timeout 600
#
# How exit() is found: programs linked in each way, and libraries that know
# nothing of tuza, whose calls of exit() must come to ours (XH-30). What they
# print says in which order things happened.
#
# usage: exit.sh BUILD_DIR SOURCE_DIR
set -eu
build=$1 source=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

# expect NAME CODE "WORD WORD ..." COMMAND...: what it prints, a word a line.
expect() {
    local name=$1 code=$2 words=$3 got=0 out
    shift 3
    out=$(timeout 60 "$@" 2>"$tmp/err" | tr '\n' ' ') || got=$?
    if [[ $got != "$code" || ${out% } != "$words" || -s $tmp/err ]]; then
        failed=1
        echo "FAIL $name: exit code $got, not $code; prints '${out% }', not '$words'"
        head -c 1000 "$tmp/err"
    else
        echo "ok   $name"
    fi
}
set -o pipefail

# A library of others: its reference to exit() has libc's version.
cat >"$tmp/other.c" <<'END'
#include <stdlib.h>
void other_exit(int code) { exit(code); }
END
cat >"$tmp/main.c" <<'END'
#include <tuza.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void other_exit(int code);
static const char *mode;

static void hook(void *arg) { puts("hook"); tuza_sleep(TUZA_MILLISECOND); (void)arg; }
static void handler(void) { puts("handler"); }
static void leave(void *arg)
{
    (void)arg;
    if (strcmp(mode, "other") == 0)
        other_exit(3);
    exit(3);
}
static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    atexit(handler);
    if (tuza_exit_hook_add(hook, NULL, true) < 0)
        return 98;
    if (strcmp(mode, "tuza") == 0)
        tuza_exit(3);
    if (strcmp(mode, "return") == 0)
        return 3;
    if (tuza_go(leave, NULL) < 0)
        return 99;
    tuza_chan_recv(NULL, NULL);
    return 97;
}
static void plain_hook(void *arg) { puts(arg); }
int main(int argc, char **argv)
{
    mode = argv[1];
    if (strcmp(mode, "norun") == 0) { /* no goroutine at all, and C's main returns */
        tuza_exit_hook_add(plain_hook, "failure", true);
        tuza_exit_hook_add(plain_hook, "success", false);
        return atoi(argv[2]);
    }
    if (strcmp(mode, "norun-exit") == 0) {
        tuza_exit_hook_add(plain_hook, "hook", true);
        atexit(handler);
        exit(3);
    }
    return 100 - tuza_run(app, argc, argv);
}
END
flags="-O1 -I$source/include"
# shellcheck disable=SC2086 # several words
{
    cc $flags -shared -fPIC -o "$tmp/libother.so" "$tmp/other.c"
    cc $flags -o "$tmp/shared" "$tmp/main.c" -L"$build" -ltuza -L"$tmp" -lother -Wl,-rpath,"$build:$tmp"
    cc $flags -o "$tmp/archive" "$tmp/main.c" "$build/libtuza.a" -L"$tmp" -lother -Wl,-rpath,"$tmp" -pthread
}
for how in shared archive; do
    for mode in tuza return exit other; do
        expect "$how $mode" 3 "hook handler" "$tmp/$how" "$mode"
    done
    expect "$how norun 0" 0 "success failure" "$tmp/$how" norun 0
    expect "$how norun 5" 5 "failure" "$tmp/$how" norun 5
    expect "$how norun-exit" 3 "hook handler" "$tmp/$how" norun-exit
done

# Linked statically as a whole exit() is libc's: the handler has to do, after those registered later.
# shellcheck disable=SC2086
if cc $flags -static -o "$tmp/static" "$tmp/main.c" "$tmp/other.c" "$build/libtuza.a" -pthread 2>"$tmp/err"; then
    for mode in tuza return; do
        expect "static $mode" 3 "hook handler" "$tmp/static" "$mode"
    done
    for mode in exit other; do
        expect "static $mode" 3 "handler hook" "$tmp/static" "$mode"
    done
    expect "static norun 5" 5 "failure" "$tmp/static" norun 5
else
    echo "skip static: $(head -1 "$tmp/err")"
fi

# A plugin linked against tuza, in a host that is not: libc's exit() is found first.
cat >"$tmp/plugin.c" <<'END'
#include <tuza.h>

#include <stdio.h>

static void hook(void *arg) { puts(arg); }
int plugin(void) { return tuza_exit_hook_add(hook, "hook", true); }
END
cat >"$tmp/host.c" <<'END'
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void handler(void) { puts("handler"); }
int main(int argc, char **argv)
{
    void *h = dlopen(argv[1], RTLD_NOW);
    int (*plugin)(void) = h ? (int (*)(void))dlsym(h, "plugin") : NULL;
    if (!plugin || plugin() != 0)
        return 99;
    atexit(handler);
    if (argc == 3)
        exit(4);
    return 5;
}
END
# shellcheck disable=SC2086
{
    cc $flags -shared -fPIC -o "$tmp/plugin.so" "$tmp/plugin.c" -L"$build" -ltuza -Wl,-rpath,"$build"
    cc $flags -o "$tmp/host" "$tmp/host.c" -ldl
}
expect "dlopen return" 5 "handler hook" "$tmp/host" "$tmp/plugin.so"
expect "dlopen exit" 4 "handler hook" "$tmp/host" "$tmp/plugin.so" exit

# C++: hooks, then the destructors of static objects, then stdio's flush.
cat >"$tmp/main.cc" <<'END'
#include <tuza.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

struct Static {
    const char *name;
    explicit Static(const char *n) : name(n) {}
    ~Static() { std::puts(name); }
};
static Static before("~before");
static void hook(void *arg) { std::puts(static_cast<const char *>(arg)); }
static void throws(void *) { throw 1; }
static int app(int, char **argv)
{
    static Static inside("~inside");
    tuza_exit_hook_add(hook, const_cast<char *>("hook"), false);
    std::printf("buffered\n");
    if (std::strcmp(argv[1], "throw") == 0) {
        std::fflush(stdout);
        tuza_exit_hook_add(throws, nullptr, true);
        try {
            tuza_exit(0);
        } catch (int) {
            std::puts("caught");
        }
        return 3;
    }
    if (std::strcmp(argv[1], "exit") == 0)
        std::exit(0);
    return 0;
}
int main(int argc, char **argv) { return 100 - tuza_run(app, argc, argv); }
END
if command -v c++ >/dev/null; then
    # shellcheck disable=SC2086
    c++ $flags -o "$tmp/cxx" "$tmp/main.cc" -L"$build" -ltuza -Wl,-rpath,"$build"
    for mode in return exit; do
        expect "c++ $mode" 0 "buffered hook ~inside ~before" "$tmp/cxx" "$mode"
    done
    # No exception leaves a hook: std::terminate, which aborts.
    ulimit -c 0
    expect "c++ throw" 134 "buffered" sh -c "'$tmp/cxx' throw 2>/dev/null"
fi
exit $failed
