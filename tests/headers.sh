#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Compiles each public header alone, as C11, C17 and C++17, by gcc and clang,
# without a warning; those for C++ as C++17 and C++20. Twice in one file: the guard is tested with it.
#
# usage: headers.sh BUILD_DIR SOURCE_DIR
set -u
root=$(cd "$2" && pwd) || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Werror)
compiled=0 failed=0

try() { # command words; the header under test is in $header
    compiled=$((compiled + 1))
    if ! "$@" "${warnings[@]}" -I "$root/include" -fsyntax-only "$tmp/alone.c" >"$tmp/log" 2>&1; then
        failed=$((failed + 1))
        echo "$header: $*"
        sed 's/^/    /' "$tmp/log"
    fi
}

cd "$root/include" || exit 1
for header in tuza.h tuza/*.h; do
    # A declaration of its own: an empty translation unit is a warning in itself.
    printf '#include "%s"\n#include "%s"\nextern int tz_alone;\n' "$header" "$header" >"$tmp/alone.c"
    for cc in gcc clang; do
        for std in c11 c17; do
            try "$cc" -x c -std="$std" -Wstrict-prototypes
        done
    done
    for cxx in g++ clang++; do
        try "$cxx" -x c++ -std=c++17
    done
done
for header in tuza.hpp tuza/*.hpp; do
    printf '#include "%s"\n#include "%s"\nextern int tz_alone;\n' "$header" "$header" >"$tmp/alone.c"
    for cxx in g++ clang++; do
        for std in c++17 c++20; do
            try "$cxx" -x c++ -std=$std
        done
    done
done
echo "$compiled compilations, $failed failed"
((failed == 0 && compiled > 0))
