#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ctest: release-only | timeout 600
#
# Typed channels, and those of <tuza.hpp>. What must not compile is refused by gcc and clang, as C11 and
# as C++17, with a message that says what the matter is. What does compile is
# the code of the plain calls. And under -DTUZA_CHECK the plain calls panic
# where they are given an element of another size.
#
# usage: typed.sh BUILD_DIR SOURCE_DIR
set -u
build=$(realpath "$1") source=$(realpath "$2")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
tried=0 failed=0

fail() {
    failed=$((failed + 1))
    echo "FAIL $*"
}

compile() { # compiler, further words
    local compiler=$1
    shift
    case $compiler in
    *++) "$compiler" -x c++ -std=c++17 -I "$source/include" "$@" ;;
    *) "$compiler" -x c -std=c11 -I "$source/include" "$@" ;;
    esac
}

compilers=(gcc clang g++ clang++) header=tuza.h

# refused "part of the message" 'statements'; c is a channel of int.
refused() {
    local compiler
    printf '#include <stddef.h>\n#include <%s>\nstruct point { int x, y; };\n' "$header" >refused.c
    printf 'void f(TUZA_CHAN(int) c, tuza_chan *raw);\n' >>refused.c
    printf 'void f(TUZA_CHAN(int) c, tuza_chan *raw)\n{\n    (void)c, (void)raw;\n    %s\n}\n' "$2" >>refused.c
    for compiler in "${compilers[@]}"; do
        tried=$((tried + 1))
        if compile "$compiler" -fsyntax-only refused.c >log 2>&1; then
            fail "$compiler takes: $2"
        elif ! grep 'error:' log | grep -qF -- "$1"; then
            fail "$compiler refuses, and does not say '$1': $2"
            cat log
        fi
    done
}

value="the value is not of the element type of the channel"
source_of="the source does not point to the element type of the channel"
target="the target does not point to the element type of the channel"
untyped="an untyped channel"

refused "$value" 'TUZA_CHAN_SEND(c, 1.5);'
refused "$value" 'long wide = 1; TUZA_CHAN_SEND(c, wide);'
refused "$value" 'TUZA_CHAN_SEND(c, "text");'
refused "$value" 'int n = 0; TUZA_CHAN_SEND(c, &n);'
refused "$value" 'struct point p = {1, 2}; TUZA_CHAN_SEND(c, p);'
refused "$value" 'TUZA_CHAN(struct point) d = NULL; TUZA_CHAN_SEND(d, 1);'
refused "$value" 'TUZA_CHAN(int *) d = NULL; double x = 0; TUZA_CHAN_SEND(d, &x);'
refused "$value" 'TUZA_CHAN(int *) d = NULL; const int x = 0; TUZA_CHAN_SEND(d, &x);'
refused "$value" 'TUZA_CHAN(int *) d = NULL; void *p = NULL; TUZA_CHAN_SEND(d, p);'
refused "$value" 'TUZA_CHAN(TUZA_CHAN(long)) d = NULL; TUZA_CHAN_SEND(d, c);'
refused "$value" 'if (TUZA_CHAN_TRY_SEND(c, 1.5)) { }'
refused "$source_of" 'double x = 0; TUZA_CHAN_SEND_AT(c, &x);'
refused "$source_of" 'void *p = NULL; if (TUZA_CHAN_TRY_SEND_AT(c, p)) { }'
refused "$target" 'long n; TUZA_CHAN_RECV(c, &n);'
refused "$target" 'unsigned n; TUZA_CHAN_RECV(c, &n);'
refused "$target" 'void *p = NULL; TUZA_CHAN_RECV(c, p);'
refused "$target" 'const int n = 0; TUZA_CHAN_RECV(c, &n);'
refused "$target" 'short n; if (TUZA_CHAN_TRY_RECV(c, &n, NULL)) { }'
refused "$value" 'if (TUZA_CHAN_SEND_CONTEXT(c, 1.5, NULL)) { }'
refused "$source_of" 'long n = 0; tuza_case s = TUZA_SEND_TO(c, &n); (void)s;'
refused "$target" 'long n = 0; tuza_case s = TUZA_RECV_FROM(c, &n); (void)s;'
refused "$target" 'long n; if (TUZA_CHAN_RECV_CONTEXT(c, &n, NULL)) { }'
refused "$untyped" 'TUZA_CHAN_CLOSE(raw);'
refused "$untyped" 'if (TUZA_CHAN_LEN(raw)) { }'

compilers=(g++ clang++) header=tuza.hpp
refused "elements must be objects that can be moved" 'tuza::chan<const int> d;'
refused "elements must be objects that can be moved" 'tuza::chan<tuza::runtime> d;'
refused "a callable without arguments" 'tuza::go([](int) {});'
refused "C's channels have bytes" 'tuza::chan<std::unique_ptr<int>>::adopt(raw);'
refused "not copied as bytes; tuza::chan" \
    'TUZA_CHAN(std::unique_ptr<int>) d = nullptr; std::unique_ptr<int> p; TUZA_CHAN_SEND(d, p);'
compilers=(gcc clang g++ clang++) header=tuza.h

# The same code: each typed_NAME beside its plain_NAME.
cat >same.c <<'END'
#include <tuza.h>
typedef struct big {
    long a[6];
} big;
#ifdef __cplusplus
extern "C" {
#endif
void typed_send(TUZA_CHAN(long) c, long v);
void plain_send(tuza_chan *c, long v);
bool typed_recv(TUZA_CHAN(big) c, big *v);
bool plain_recv(tuza_chan *c, big *v);
bool typed_try(TUZA_CHAN(big) c, const big *v);
bool plain_try(tuza_chan *c, const big *v);
long typed_loop(TUZA_CHAN(long) c);
long plain_loop(tuza_chan *c);
void typed_send(TUZA_CHAN(long) c, long v)
{
    TUZA_CHAN_SEND(c, v * v);
}
void plain_send(tuza_chan *c, long v)
{
    long elem = v * v;
    tuza_chan_send(c, &elem);
}
bool typed_recv(TUZA_CHAN(big) c, big *v)
{
    return TUZA_CHAN_RECV(c, v);
}
bool plain_recv(tuza_chan *c, big *v)
{
    return tuza_chan_recv(c, v);
}
bool typed_try(TUZA_CHAN(big) c, const big *v)
{
    return TUZA_CHAN_TRY_SEND_AT(c, v);
}
bool plain_try(tuza_chan *c, const big *v)
{
    return tuza_chan_try_send(c, v);
}
long typed_loop(TUZA_CHAN(long) c)
{
    long sum = 0;
    for (long v; TUZA_CHAN_RECV(c, &v);)
        sum += v;
    TUZA_CHAN_CLOSE(c);
    return sum;
}
long plain_loop(tuza_chan *c)
{
    long sum = 0;
    for (long v; tuza_chan_recv(c, &v);)
        sum += v;
    tuza_chan_close(c);
    return sum;
}
#ifdef __cplusplus
}
#endif
END
code() { # function: its instructions and whom it calls, without addresses
    objdump -dr --no-show-raw-insn --disassemble="$1" same.o |
        sed -nE "s/<$1\+0x[0-9a-f]+>/HERE/; s/^ +[0-9a-f]+:[[:space:]]+//p" |
        sed -E 's/^(j[a-z]+|call) +[0-9a-f]+ /\1 /; s/^[0-9a-f]+: (R_)/\1/; /^(nop|xchg +%ax,%ax|cs nopw|data16)/d'
}
for compiler in gcc clang g++ clang++; do
    tried=$((tried + 1))
    if ! compile "$compiler" -O2 -Wall -Wextra -Wconversion -Werror -c same.c -o same.o; then
        fail "$compiler: same.c"
        continue
    fi
    for name in send recv try loop; do
        tried=$((tried + 1))
        code "typed_$name" >typed.txt
        code "plain_$name" >plain.txt
        [[ -s plain.txt ]] || fail "$compiler: no code of $name was found"
        diff typed.txt plain.txt || fail "$compiler: $name is other code when it is typed"
    done
done

# TUZA_CHECK: what fits passes; what does not panics, with both sizes.
cat >check.c <<'END'
#include <stdio.h>
#include <string.h>
#include <tuza.h>
static int app(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    tuza_chan *c = tuza_chan_make(sizeof(long), 3);
    TUZA_CHAN(int) t = TUZA_CHAN_MAKE(int, 1);
    long n = 1, pair[2] = {1, 2};
    int small = 0;
    void *any = &small; /* says nothing of a size */
    unsigned char bytes[sizeof n] = {0};
    bool ok;
    tuza_case one = TUZA_RECV(c, &n);
    tuza_chan_send(c, &n);
    tuza_chan_send(c, pair);
    tuza_chan_send(c, bytes);
    if (tuza_chan_try_send(c, any) || !tuza_chan_recv(c, NULL) || !tuza_chan_recv(c, bytes) ||
        !tuza_chan_try_recv(c, &n, &ok))
        return 1;
    TUZA_CHAN_SEND(t, 3);
    if (!TUZA_CHAN_RECV(t, &small) || small != 3)
        return 1;
    if (strcmp(what, "send") == 0)
        tuza_chan_send(c, &small);
    else if (strcmp(what, "try_send") == 0)
        tuza_chan_try_send(c, &small);
    else if (strcmp(what, "recv") == 0)
        tuza_chan_recv(c, &small);
    else if (strcmp(what, "try_recv") == 0)
        tuza_chan_try_recv(c, &small, NULL);
    else if (strcmp(what, "select") == 0)
        one = TUZA_RECV(c, &small), tuza_try_select(&one, 1);
    else if (strcmp(what, "context") == 0)
        (void)tuza_chan_send_context(c, &small, tuza_context_background());
    TUZA_CHAN_UNREF(t);
    tuza_chan_unref(c);
    puts("through");
    return 0;
}
int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
END
for compiler in gcc clang g++ clang++; do
    if ! compile "$compiler" -DTUZA_CHECK -Wall -Wextra -Wpedantic -Werror -c check.c -o check.o ||
        ! "$compiler" check.o "$build/libtuza.a" -pthread -ldl -o check; then
        fail "$compiler: check.c"
        continue
    fi
    tried=$((tried + 1))
    [[ $(timeout 60 ./check 2>&1) == through ]] || fail "$compiler: a check finds what is not there"
    for what in send try_send recv try_recv select context; do
        tried=$((tried + 1))
        timeout 60 ./check "$what" >log 2>&1
        [[ $? == 2 ]] && grep -q '^panic: tuza: an element of 4 bytes for a channel of 8$' log ||
            fail "$compiler: $what is not found out"
    done
done

echo "$tried tried, $failed failed"
((failed == 0 && tried > 0))
