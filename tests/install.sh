#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ctest: timeout 600
#
# Installs into a folder, moves it elsewhere, and builds and runs a consumer
# against it: by pkg-config and by find_package, with the shared and the
# static library, in C and in C++. Nothing of the source tree is on its paths.
#
# usage: install.sh BUILD_DIR SOURCE_DIR
set -eu
build=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
step() { echo "--- $*"; }

step "install"
DESTDIR="$tmp/staging" cmake --install "$build" --prefix /opt/tuza >"$tmp/log" || {
    cat "$tmp/log"
    exit 1
}
mv "$tmp/staging/opt/tuza" "$tmp/moved"
lib=$(dirname "$(find "$tmp/moved" -name 'libtuza.so')")
for file in include/tuza.h include/tuza.hpp include/tuza/go.h share/man/man3/tuza_chan_send.3 \
    "${lib#"$tmp"/moved/}"/{libtuza.a,libtuza.so,libtuza.so.0}; do
    [[ -e $tmp/moved/$file ]] || {
        echo "not installed: $file"
        exit 1
    }
done

mkdir "$tmp/consumer"
cat >"$tmp/consumer/main.c" <<'END'
#include <tuza.h>

#include <stdio.h>

static void hello(void *arg)
{
    tuza_chan *c = *(tuza_chan **)arg;
    int n = 42;
    tuza_chan_send(c, &n);
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    tuza_chan *c = tuza_chan_make(sizeof(int), 0);
    int n = 0;
    if (tuza_version() != TUZA_VERSION || tuza_go_copy(hello, &c, sizeof c) < 0)
        return 1;
    if (!tuza_chan_recv(c, &n) || n != 42)
        return 2;
    tuza_chan_unref(c);
    puts("consumer ok");
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv) < 0 ? 3 : 4;
}
END
cp "$tmp/consumer/main.c" "$tmp/consumer/main.cc"
cat >"$tmp/consumer/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.16)
project(consumer C CXX)
find_package(tuza 0.1 REQUIRED)
foreach(language c cc)
    add_executable(shared_${language} main.${language})
    target_link_libraries(shared_${language} PRIVATE tuza::tuza)
    add_executable(static_${language} main.${language})
    target_link_libraries(static_${language} PRIVATE tuza::tuza_static)
endforeach()
END

run() { # program, "shared" or "static"
    local needed out
    needed=$(readelf -d "$1" | grep -c 'NEEDED.*libtuza[.]so[.]0' || true)
    if [[ $2 == shared && $needed != 1 ]] || [[ $2 == static && $needed != 0 ]]; then
        echo "$1 is not linked as $2"
        exit 1
    fi
    out=$(LD_LIBRARY_PATH=$lib timeout 60 "$1")
    [[ $out == "consumer ok" ]] || {
        echo "$1 printed: $out"
        exit 1
    }
}

export PKG_CONFIG_PATH=$lib/pkgconfig
for compiler in "gcc main.c" "g++ -std=c++17 main.cc"; do
    read -ra words <<<"$compiler"
    cd "$tmp/consumer"
    step "pkg-config, shared: $compiler"
    # shellcheck disable=SC2046 # lists of flags
    "${words[@]}" -Wall -Wextra -Werror $(pkg-config --cflags tuza) -o pc_shared $(pkg-config --libs tuza)
    run ./pc_shared shared
    step "pkg-config, static: $compiler"
    # The archive by name: -ltuza would find the shared library beside it.
    # shellcheck disable=SC2046
    "${words[@]}" -Wall -Wextra -Werror $(pkg-config --cflags tuza) -o pc_static \
        $(pkg-config --libs --static tuza | sed 's/-ltuza/-l:libtuza.a/')
    run ./pc_static static
done

step "find_package"
if ! cmake -S "$tmp/consumer" -B "$tmp/consumer/build" -DCMAKE_PREFIX_PATH="$tmp/moved" >"$tmp/log" 2>&1 ||
    ! cmake --build "$tmp/consumer/build" >>"$tmp/log" 2>&1; then
    cat "$tmp/log"
    exit 1
fi
for kind in shared static; do
    for language in c cc; do
        step "find_package, $kind, $language"
        run "$tmp/consumer/build/${kind}_$language" "$kind"
    done
done
echo "install ok"
