#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ctest: release-only | timeout 600
#
# The example programs against independent answers: grep's output, messages
# and exit code must be those of GNU `LC_ALL=C grep -rn`, byte by byte and in
# its order, over a made-up tree of some 3,000 files of every awkward kind and
# over /usr/include, with any number of processors and of open files; the
# sieve's primes must be those that awk finds by division.
#
# usage: grep_test.sh BUILD_DIR SOURCE_DIR
set -u
export LC_ALL=C
unset GOMAXPROCS TUZA_MAXPROCS GREP_COLORS GREP_COLOR
build=$(cd "$1" && pwd) || exit 1
ours=$build/examples/grep
sieve=$build/examples/sieve
gnu="grep" # by this name: its messages begin with it
case $("$gnu" --version) in
*GNU*) ;;
*) echo "grep here is not GNU grep: nothing to compare with" && exit 77 ;;
esac
for program in "$ours" "$sieve"; do
    [ -x "$program" ] || { echo "$program has not been built" && exit 1; }
done
tmp=$(mktemp -d)
trap 'chmod -R u+rwx "$tmp"; rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
passed=0 failed=0
deadline=(timeout -k 5 120) # for what must not hang; nothing here takes a second
configurations=("" "-j1" "GOMAXPROCS=1" "GOMAXPROCS=4 -j1" "GOMAXPROCS=4" "GOMAXPROCS=1 -j1")
turn=0

result() { # whether it is good (0), what was tested
    if [ "$1" = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $2"
    fi
}

# --- The tree: the same bytes on each run ---

make_files() { # folder: 3,000 text files of eight kinds in folders of three depths
    (cd "$1" && mkdir -p d{0..9}/e{0..4}/"f "{0,1} && awk 'BEGIN {
        for (i = 0; i < 3000; i++) {
            name = "d" i % 10 "/"
            if (i % 3 > 0) name = name "e" i % 5 "/"
            if (i % 3 > 1) name = name "f " i % 2 "/"
            name = name "file" i
            kind = int(i / 10) % 8
            lines = kind == 1 ? 1 : i % 29
            eol = kind == 2 ? "\r\n" : "\n"
            printf "" > name                              # where there are no lines: an empty file
            for (n = 1; n <= lines; n++) {
                text = kind == 3 && n % 2 ? "" : "line " n " of file " i
                if ((i * 7 + n * 13) % 41 == 0) text = text " a needle lies here"
                if ((i + n) % 97 == 0) text = "Needle[" n "].* \\ ^$ " text
                if (kind == 4) text = text " \377\376 \303\244"
                if (kind == 5) text = "\tint x" i "(char *a, ...);"
                if (kind == 6) text = text " abab" n " aa"
                printf "%s%s", text, (kind == 7 && n == lines ? "" : eol) > name
            }
            close(name)
        }
    }')
}

repeat() { # text, how often: as one long string
    awk -v text="$1" -v n="$2" 'BEGIN { for (i = 0; i < n; i++) printf "%s", text }'
}

make_odd_files() { # in the current folder
    printf '' >empty
    printf '\n' >newline
    printf '\n\n\n' >newlines
    printf 'needle' >unfinished
    printf 'x\nneedle\0tail\nneedle\n' >nul-early
    printf 'one\0needle\n' >nul-before-match
    printf 'x\0y\n' >nul-without-match
    printf '\0' >nul-alone
    { repeat $'a needle in plain sight\n' 6000; printf '\0needle\n'; } >nul-late
    { repeat $'nothing\n' 20000; printf 'needle\n'; repeat $'nothing\n' 20000; printf '\0\nneedle\n'; } >nul-later
    { printf 'needle\n'; repeat $'nothing at all\n' 20000; printf '\0\n'; } >nul-without-match-late
    { repeat 'long ' 60000; printf 'needle\nshort needle\n'; repeat 'needle ' 40000; } >long-lines
    { repeat '123456789abcdef ' 6143; printf '0123456789abcd\nneedle at the edge of a read\n'; } >edge
    { repeat '123456789abcdef ' 6143; printf '0123456789a needle across the edge\n'; } >across
    { repeat 'x' 98303; printf '\nneedle\n'; } >edge-at-newline
    { repeat 'x' 98304; printf '\nneedle'; } >edge-before-newline
    repeat $'needle\n' 30000 >many
    repeat $'\n' 100000 >many-empty
    printf 'needle\n' >sparse && truncate -s 300000 sparse
    { repeat $'x needle\n' 12000; } >sparse-late && truncate -s 1000000 sparse-late
    printf 'needle\r\nneedle\r' >cr
    printf '\357\273\277needle \200\n' >bom
    for name in '-dash' ' blank ' 'co:lon' $'new\nline' \
        $'tab\t' 'ba\ck' '*' '[a]' $'\303\244' $'\377' '.hidden' '...'; do
        printf 'needle in an odd name\n' >"./$name"
    done
    mkdir .hidden-folder 'empty folder' && printf 'needle\n' >.hidden-folder/.x
    ln -s many link-to-file && ln -s ../d0 link-to-folder && ln -s nowhere dangling && ln -s . loop && ln -s self self
    mkfifo fifo
    (for _ in {1..300}; do mkdir n && cd n || exit 1; done; echo 'needle at 300' >deep)
    long=$(repeat 'folder' 40) # 18 of them are longer than PATH_MAX
    (for _ in {1..18}; do mkdir "$long" && cd -P "./$long" || exit 1; echo "needle below" >"file"; done)
}

tree=$tmp/tree
mkdir -p "$tree/odd" "$tmp/wide"
make_files "$tree" && (cd "$tree/odd" && make_odd_files) || exit 1
# More than 10,000 entries: from there on GNU grep's order is another.
(cd "$tmp/wide" && awk 'BEGIN {
    for (i = 0; i < 10100; i++) { f = "w" i * 7919 % 10103; print i " needle" > f; close(f) }
}')

# --- grep ---

run_gnu() { # arguments
    "${deadline[@]}" "${as[@]}" "$gnu" -rn --color=never "$@" >"$tmp/gnu.out" 2>"$tmp/gnu.err" </dev/null
    gnu_code=$?
}

run_ours() { # configuration, arguments
    local words env=() flags=() word
    read -ra words <<<"$1"
    shift
    for word in "${words[@]}"; do
        case $word in *=*) env+=("$word") ;; *) flags+=("$word") ;; esac
    done
    "${deadline[@]}" "${as[@]}" env "${env[@]}" "$ours" "${flags[@]}" "$@" >"$tmp/our.out" 2>"$tmp/our.err" </dev/null
    our_code=$?
}

same() { # what was tested
    local good=0
    cmp -s "$tmp/gnu.out" "$tmp/our.out" && cmp -s "$tmp/gnu.err" "$tmp/our.err" && [ "$gnu_code" = "$our_code" ] ||
        good=1
    result "$good" "$1"
    [ "$good" = 0 ] && return
    echo "    exit codes: GNU $gnu_code, ours $our_code"
    diff -a "$tmp/gnu.out" "$tmp/our.out" | head -n 5 | cut -c 1-150
    diff -a "$tmp/gnu.err" "$tmp/our.err" | head -n 5 | cut -c 1-150
}

as=()
compare_in() { # how many configurations, arguments: in the configurations whose turn it is
    local count=$1 c
    shift
    run_gnu "$@"
    while [ "$count" -gt 0 ]; do
        c=${configurations[turn++ % ${#configurations[@]}]}
        run_ours "$c" "$@"
        same "$c grep $* in $PWD"
        count=$((count - 1))
    done
}

compare() {
    compare_in 2 "$@"
}

together() { # arguments: with both streams in one file, where messages stand among the lines
    "$gnu" -rn "$@" >"$tmp/gnu.out" 2>&1
    gnu_code=$?
    "${deadline[@]}" "$ours" "$@" >"$tmp/our.out" 2>&1
    our_code=$?
    : | tee "$tmp/gnu.err" >"$tmp/our.err"
    same "grep $* with 2>&1"
}

cd "$tree" || exit 1
compare_in 6 needle .
for pattern in 'no such text' '' '^' '$' '^$' '.' 'l.*e' '[Nn]eedle' 'x[0-9]*(' '\(ab\)\1[0-9]' 'a\{2\}$' '^line 1' \
    '\<of\>' 'file 1\|here$' '[^a-z ]$' $'\r$' '\*' '\.\*' 'needle$' $'\377' $'file 12\nneedle' $'abab\n^Needle' \
    '[[:space:]]x'; do
    compare -- "$pattern" .
done
for pattern in needle '.*' 'needle[' '' '\' '^$' $'Needle[\nlies' ' ^$ '; do
    compare -F -- "$pattern" .
done
for pattern in NEEDLE 'LINE 2.* OF' 'n[E]EDLE'; do
    compare -i "$pattern" .
done
compare -i -F 'NEEDLE[' .
compare -F -i $'.* \\ ^$ LINE\nzzz' .
for wrong in 'a\(' '[a' '\(a\)\2' 'a\{1' 'a\{2,1\}' '[[:none:]]' 'x\' '[b-a]'; do
    compare_in 1 "$wrong" .
done
together needle .
together -i LINE odd d3

# How files are named, on the command line and in the output.
compare needle
compare needle odd/many
compare needle odd/many odd/unfinished
compare needle d1 d2/ d3// ./d4 "$tree/d5"
compare needle odd/link-to-file odd/link-to-folder odd/loop
compare needle nowhere
compare needle d1 nowhere odd/dangling odd/self d2
compare needle '' odd/empty
compare needle odd/many/x
compare needle 'odd/empty folder'
compare needle /dev/null
compare --color=never needle d7 -i
(cd odd && cd n/n/n && pwd >/dev/null && compare needle ../../..)
compare needle "$tmp/wide"

# Permissions mean nothing to root.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    cp "$ours" "$tmp/grep" && chmod 755 "$tmp/grep"
    as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
mkdir "$tmp/closed" && cd "$tmp/closed" && mkdir folder no-search &&
    echo needle | tee a b folder/x no-search/y >/dev/null
chmod 000 a folder && chmod 644 no-search && chmod 755 .
if "${as[@]}" cat a 2>/dev/null; then
    echo "not tested: unreadable files (root, and no setpriv)"
else
    ours_before=$ours
    [ "${#as[@]}" = 0 ] || ours=$tmp/grep
    compare needle .
    compare needle a folder b
    compare nothing .
    ours=$ours_before
fi
as=()
cd "$tree" || exit 1

# Standard output is one of the files.
mkdir "$tmp/self" && echo needle >"$tmp/self/a"
for program in gnu our; do
    rm -f "$tmp/self/out"
    if [ $program = gnu ]; then
        "$gnu" -rn needle "$tmp/self" >"$tmp/self/out" 2>"$tmp/gnu.err"
        gnu_code=$?
    else
        "${deadline[@]}" "$ours" needle "$tmp/self" >"$tmp/self/out" 2>"$tmp/our.err"
        our_code=$?
    fi
    cp "$tmp/self/out" "$tmp/$program.out"
done
same "grep into a file of the tree that is searched"

# A reader that goes away; a full device.
"${deadline[@]}" "$ours" '' . 2>"$tmp/our.err" | head -n 1 >"$tmp/our.out"
our_code=${PIPESTATUS[0]}
"$gnu" -rn '' . 2>/dev/null | head -n 1 >"$tmp/gnu.out"
gnu_code=2
"$gnu" -v 'binary file matches' "$tmp/our.err" >"$tmp/gnu.err"
: >"$tmp/our.err"
same "grep | head ends quietly, with 2"
if [ -c /dev/full ]; then
    "$gnu" -rn needle odd/many >/dev/full 2>"$tmp/gnu.err"
    gnu_code=$?
    "${deadline[@]}" "$ours" needle odd/many >/dev/full 2>"$tmp/our.err"
    our_code=$?
    : | tee "$tmp/gnu.out" >"$tmp/our.out"
    same "grep to a full device"
fi

# Fewer descriptors than -j would use.
run_gnu needle .
(ulimit -n 24 && run_ours "" needle . && exit "$our_code")
our_code=$?
same "grep with 24 descriptors"

for wrong in '-j 0 x' '-j -1 x' '-j 1x x' '-j 99999999999999999999 x' '-j' '--color=always x' '-Q x' ''; do
    read -ra words <<<"$wrong"
    "${deadline[@]}" "$ours" "${words[@]}" >"$tmp/our.out" 2>"$tmp/our.err"
    [ $? = 2 ] && [ -s "$tmp/our.err" ] && ! [ -s "$tmp/our.out" ]
    result $? "grep $wrong: refused"
done

# The progress line: seen on a terminal while a file makes the search wait, and gone at the end.
if command -v script >/dev/null; then
    mkfifo "$tmp/slow"
    : >"$tmp/typescript"
    { # opens the fifo, and writes to it when the line has been seen
        exec 3>"$tmp/slow"
        for _ in {1..1200}; do
            "$gnu" -q '[0-9]* files, [0-9]* matches, [0-9]* goroutines' "$tmp/typescript" && break
            sleep 0.05
        done
        echo 'a late needle' >&3
    } &
    "${deadline[@]}" script -qefc "'$ours' needle odd/unfinished '$tmp/slow'" "$tmp/typescript" >/dev/null </dev/null
    code=$?
    wait $!
    tr -d '\r' <"$tmp/typescript" >"$tmp/our.out"
    [ $code = 0 ] && "$gnu" -q '[1-9][0-9]* goroutines' "$tmp/our.out"
    result $? "progress is shown on a terminal"
    # The last drawn line is followed by its erasure, then the match; no part of it comes after that.
    awk '/goroutines/ { drawn = 1 } { last = $0 } END { exit !(drawn && last !~ /goroutines$/) }' <(
        "$gnu" -v '^Script done' "$tmp/our.out" | sed -e 's/\x1b\[K/\n/g')
    result $? "progress is erased at the end"
    "$gnu" -q "slow:1:a late needle" "$tmp/our.out"
    result $? "the match is on the terminal too"
else
    echo "not tested: progress (no script command)"
fi

# A large tree of real files.
if [ -d /usr/include ]; then
    configurations=("" "GOMAXPROCS=1" "GOMAXPROCS=4")
    compare_in 3 include /usr/include
    compare_in 3 -i 'struct [a-z_]*_t *{' /usr/include
fi

# --- The sieve ---

awk 'BEGIN {
    for (n = 2; found < 2500; n++) {
        prime = 1
        for (d = 2; d * d <= n; d++) if (n % d == 0) { prime = 0; break }
        if (prime) { print n; found++ }
    }
}' >"$tmp/primes"
for procs in "" GOMAXPROCS=1 GOMAXPROCS=4; do
    for count in "" 0 1 100; do
        head -n "${count:-2500}" "$tmp/primes" >"$tmp/gnu.out"
        gnu_code=0
        # shellcheck disable=SC2086
        "${deadline[@]}" env $procs "$sieve" $count >"$tmp/our.out" 2>"$tmp/our.err"
        our_code=$?
        : >"$tmp/gnu.err"
        same "$procs sieve $count"
    done
done
for wrong in x -1 '1 2' 3x; do
    # shellcheck disable=SC2086
    "${deadline[@]}" "$sieve" $wrong >"$tmp/our.out" 2>"$tmp/our.err"
    [ $? = 2 ] && [ -s "$tmp/our.err" ] && ! [ -s "$tmp/our.out" ]
    result $? "sieve $wrong: refused"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
