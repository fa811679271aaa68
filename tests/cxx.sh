#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ctest: release-only | timeout 900
#
# C++ exceptions across switches, however the program and the C++ runtime came
# together: go/exception_test.cc is linked in each way in which the dynamic
# linker finds another __cxa_get_globals first, and run with one P and with
# several. src/panic/exceptions.c has what is to be found.
#
# usage: cxx.sh BUILD_DIR SOURCE_DIR
set -u
build=$(realpath "$1") source=$(realpath "$2")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
test=$source/tests/go/exception_test.cc
flags=(-std=c++17 -O2 -D_GNU_SOURCE -I"$source/tests" -I"$source/include" -pthread)
shared=(-L"$build" -ltuza -Wl,-rpath,"$build")
failed=0 ran=0

run() { # name; the program is $tmp/program
    local p
    for p in 1 4; do
        ran=$((ran + 1))
        if (cd "$tmp" && GOMAXPROCS=$p timeout 300 ./program >log 2>&1) && grep -q '^PASS' "$tmp/log"; then
            echo "ok   $1 GOMAXPROCS=$p"
        else
            failed=$((failed + 1))
            echo "FAIL $1 GOMAXPROCS=$p"
            tail -n 20 "$tmp/log"
        fi
    done
}

build() { # name, command words
    local name=$1
    shift
    if "$@" >"$tmp/log" 2>&1; then
        run "$name"
    else
        failed=$((failed + 1))
        echo "FAIL $name: does not link"
        cat "$tmp/log"
    fi
}

for cxx in g++ clang++; do
    compile=("$cxx" "${flags[@]}" "$test" -o "$tmp/program")
    build "$cxx, static library" "${compile[@]}" "$build/libtuza.a"
    build "$cxx, shared library" "${compile[@]}" "${shared[@]}"
    build "$cxx, shared library behind the C++ runtime" \
        "${compile[@]}" -Wl,--no-as-needed -lstdc++ "${shared[@]}"
    build "$cxx, static C++ runtime, static library" "${compile[@]}" -static-libstdc++ "$build/libtuza.a"
    build "$cxx, static C++ runtime, shared library" "${compile[@]}" -static-libstdc++ "${shared[@]}"
    build "$cxx, all static" "${compile[@]}" -static "$build/libtuza.a"
done

# A plugin's tuza in a program in C++, whose runtime is there before; and a plugin in C++ in a program in C that
# has tuza.
cat >"$tmp/host.c" <<'END'
#include <dlfcn.h>
#include <stdio.h>
#ifdef HOST_HAS_TUZA
#include <tuza.h>
#endif
int main(int argc, char **argv)
{
#ifdef HOST_HAS_TUZA
    tuza_chan_unref(tuza_chan_make(1, 1));
#endif
    void *plugin = dlopen("./plugin.so", RTLD_NOW | RTLD_LOCAL);
    if (!plugin)
        return puts(dlerror()), 1;
    int (*run)(int, char **);
    *(void **)&run = dlsym(plugin, "_Z11plugin_mainiPPc");
    return run(argc, argv);
}
END
plugin() { # options of the linker
    g++ "${flags[@]}" -fPIC -shared -Dmain='__attribute__((visibility("default"))) plugin_main' "$test" \
        -o "$tmp/plugin.so" "$@" || failed=$((failed + 1))
}

plugin "${shared[@]}"
build "plugin with tuza, program in C++" g++ -x c++ "$tmp/host.c" -x none -Wl,--no-as-needed -lstdc++ \
    -o "$tmp/program"
build "plugin in C++, program in C with tuza" gcc -DHOST_HAS_TUZA -I"$source/include" "$tmp/host.c" \
    -o "$tmp/program" "${shared[@]}"
plugin
build "plugin in C++, program in C with tuza's static library" gcc -DHOST_HAS_TUZA -I"$source/include" \
    "$tmp/host.c" -Wl,--whole-archive "$build/libtuza.a" -Wl,--no-whole-archive -rdynamic -pthread \
    -o "$tmp/program"

echo "$ran runs, $failed failed"
((failed == 0 && ran > 0))
