#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ctest: all | not arm64 | timeout 600
#
# Runs the programs of this folder that must die, or end in a way of their
# own, and compares exit code, standard error and standard output with what
# their sources say:
#
#   //! NAME [exit N] [env VAR=VALUE]... [procs N]...
#                       one case: the program is run with the argument NAME;
#                       it must end with N (2 where not said). Each is run with
#                       GOMAXPROCS=1 and 4, or with the numbers given
#   //> TEXT            standard error begins with these lines, each ended by a
#                       newline; @N@ stands for a number
#   //1 TEXT            standard output is these lines, no more, no less
#
# usage: run.sh BUILD_DIR SOURCE_DIR [PROGRAM [CASE]]
set -u
shopt -s extglob
build=$1 source=$2 only_program=${3-} only_case=${4-}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
ulimit -c 0
export TSAN_OPTIONS="${TSAN_OPTIONS-} report_thread_leaks=0"

emulator=()
if grep -q '^CMAKE_TOOLCHAIN_FILE.*arm64' "$build/CMakeCache.txt" && [[ $(uname -m) != aarch64 ]]; then
    emulator=(qemu-aarch64 -L /usr/aarch64-linux-gnu)
fi

ran=0 failed=0

# One run: what is expected is in $name, $code, $envs, $err, $out.
run_case() {
    local n=$1 got pattern
    ran=$((ran + 1))
    env GOMAXPROCS="$n" "${envs[@]}" timeout 120 "${emulator[@]}" "$build/tests/crash/$program" "$name" \
        >"$tmp/out" 2>"$tmp/err" </dev/null
    got=$?
    local text
    text=$(cat "$tmp/err"; echo x)
    pattern=${err//@N@/+([0-9])}
    local bad=
    [[ $got == "$code" ]] || bad="exit code $got, not $code"
    # shellcheck disable=SC2053 # a pattern is meant
    [[ $text == $pattern* ]] || bad="$bad; standard error differs"
    [[ $err || $text == x ]] || bad="$bad; standard error is not empty"
    [[ $(cat "$tmp/out"; echo x) == "${out}x" ]] || bad="$bad; standard output differs"
    if [[ $bad ]]; then
        failed=$((failed + 1))
        echo "FAIL $program $name GOMAXPROCS=$n ${envs[*]}: ${bad#; }"
        echo "--- standard error should begin"
        printf '%s' "$err"
        echo "--- and is"
        head -c 3000 "$tmp/err"
        echo "--- standard output should be"
        printf '%s' "$out"
        echo "--- and is"
        head -c 1000 "$tmp/out"
        echo "---"
    else
        echo "ok   $program $name GOMAXPROCS=$n ${envs[*]}"
    fi
}

finish_case() {
    [[ $name ]] || return 0
    [[ -z $only_case || $only_case == "$name" ]] || return 0
    local n
    for n in "${procs[@]}"; do
        run_case "$n"
    done
}

# Text is matched as it stands: what a pattern would read as special is quoted.
quote() {
    sed 's/[][\*?()|!+@]/\\&/g; s/\\@N\\@/@N@/g' <<<"$1"
}

for file in "$source"/tests/crash/*.c; do
    program=$(basename "$file" .c)
    [[ -z $only_program || $only_program == "$program" ]] || continue
    name=
    while IFS= read -r line; do
        case $line in
        '//! '*)
            finish_case
            read -ra words <<<"${line#//! }"
            name=${words[0]} code=2 envs=(TZ_CRASH=1) procs=() err='' out=''
            for ((i = 1; i < ${#words[@]}; i += 2)); do
                case ${words[i]} in
                exit) code=${words[i + 1]} ;;
                env) envs+=("${words[i + 1]}") ;;
                procs) procs+=("${words[i + 1]}") ;;
                *) echo "$file: what is '${words[i]}'?" && exit 1 ;;
                esac
            done
            ((${#procs[@]})) || procs=(1 4)
            ;;
        '//>'*) err+=$(quote "${line##//>?( )}")$'\n' ;;
        '//1'*) out+=${line##//1?( )}$'\n' ;;
        esac
    done <"$file"
    finish_case
done
echo "$ran runs, $failed failed"
((failed == 0 && ran > 0))
