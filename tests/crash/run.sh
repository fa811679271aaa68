#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ctest: all | not arm64 | timeout 1800 | plain | args --loop
#
# Runs the programs of this folder that must die, or end in a way of their
# own, and compares exit code, standard error and standard output with what
# their sources say:
#
#   //! NAME [exit N | signal N] [env VAR=VALUE]... [procs N]... [loop N] [not PRESET]...
#                       one case: the program is run with the argument NAME;
#                       it must end with N (2 where not said), or by the signal
#                       N, or with 77 where it can't be run here. Each is run
#                       with GOMAXPROCS=1 and 4, or with the numbers given;
#                       with --loop those that have one N times with
#                       GOMAXPROCS=1, 2 and 8 in turn, or the numbers given,
#                       each with another chaos; and not in the presets named
#   //> TEXT            standard error begins with these lines, each ended by a
#                       newline; @N@ stands for a number, @X@ for one like
#                       0x1f, @P@ for where a function stands in a traceback:
#                       a tab, a path, a line, maybe an offset, and the rest; @T@ for a
#                       tab
#   //+ TEXT            and has this line somewhere behind them, one after the
#                       other
#   //- TEXT            and has this nowhere
#   //1 TEXT            standard output is these lines, no more, no less
#
# Prints what failed; with a program named, each run.
#
# usage: run.sh BUILD_DIR SOURCE_DIR [--loop [--seed N]] [PROGRAM [CASE]]
set -u
shopt -s extglob
build=$1 source=$2
shift 2
loop='' seed=1
[[ ${1-} == --loop ]] && loop=1 && shift
[[ ${1-} == --seed ]] && seed=$2 && shift 2
only_program=${1-} only_case=${2-}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
ulimit -c 0
export TSAN_OPTIONS="${TSAN_OPTIONS-} report_thread_leaks=0 atexit_sleep_ms=0"
# What the programs die of is the subject here, not what a sanitizer makes of it.
for sanitizer in ASAN TSAN; do
    declare -x "${sanitizer}_OPTIONS+= handle_segv=0 handle_sigbus=0 handle_sigfpe=0 handle_sigill=0 handle_abort=0"
done

emulator=()
if grep -q '^CMAKE_TOOLCHAIN_FILE.*arm64' "$build/CMakeCache.txt" && [[ $(uname -m) != aarch64 ]]; then
    emulator=(qemu-aarch64 -L /usr/aarch64-linux-gnu)
fi

# How much of a loop is run: sanitizers are slow.
share=1
case $(sed -n 's/^TUZA_SANITIZE:STRING=//p' "$build/CMakeCache.txt") in
*thread*) share=20 ;;
*address*) share=10 ;;
esac

variant=$(sed -n 's/^TUZA_VARIANT:STRING=//p' "$build/CMakeCache.txt")
ran=0 failed=0 skipped=0

# The patterns for the variable parts, in what is quoted otherwise.
fill() {
    filled=${1//@N@/?(-)+([0-9])}
    filled=${filled//@X@/0x+([0-9a-f])}
    filled=${filled//@T@/$'\t'}
    filled=${filled//@P@/$'\t'+([!$'\n':]):+([0-9])*([!$'\n'])}
}

# One run: what is expected is in $name, $code, $envs, $err, $more, @lacks,
# $out; the chaos that a run of a loop has in $chaos, which the runtime repeats first.
run_case() {
    local n=$1 chaos=${2-} got text pattern=$err bad='' said lack
    ran=$((ran + 1))
    [[ $chaos ]] && pattern="TUZA_CHAOS=@N@"$'\n'$pattern
    env GOMAXPROCS="$n" ${chaos:+"TUZA_CHAOS=$chaos"} "${envs[@]}" timeout 120 "${emulator[@]}" \
        "$build/tests/crash/$program" "$name" >"$tmp/out" 2>"$tmp/err" </dev/null
    got=$?
    said="$program $name GOMAXPROCS=$n${chaos:+ TUZA_CHAOS=$chaos} ${envs[*]}"
    if [[ $got == 77 ]]; then
        skipped=$((skipped + 1))
        echo "skip $said: $(<"$tmp/out")"
        return
    fi
    text=$(cat "$tmp/err"; echo x)
    [[ $got == "$code" ]] || bad="exit code $got, not $code"
    fill "$pattern"
    # shellcheck disable=SC2053 # a pattern is meant
    [[ $text == $filled* ]] || bad="$bad; standard error differs"
    # shellcheck disable=SC2053
    [[ $err || $more || $text == ${filled}x ]] || bad="$bad; standard error is not empty"
    fill "$more"
    # shellcheck disable=SC2053
    [[ -z $more || $text == *$'\n'$filled* ]] || bad="$bad; standard error lacks a line"
    for lack in "${lacks[@]}"; do
        [[ $text != *"$lack"* ]] || bad="$bad; standard error has '$lack'"
    done
    [[ $(cat "$tmp/out"; echo x) == "${out}x" ]] || bad="$bad; standard output differs"
    if [[ $bad ]]; then
        failed=$((failed + 1))
        echo "FAIL $said: ${bad#; }"
        echo "--- standard error should begin"
        printf '%s' "$pattern"
        [[ $more ]] && echo "--- and have" && printf '%s\n' "$more"
        echo "--- and is"
        head -c 3000 "$tmp/err"
        echo "--- standard output should be"
        printf '%s' "$out"
        echo "--- and is"
        head -c 1000 "$tmp/out"
        echo "---"
    elif [[ ! $chaos && $only_program ]]; then
        echo "ok   $said"
    fi
}

finish_case() {
    [[ $name ]] || return 0
    [[ -z $only_case || $only_case == "$name" ]] || return 0
    [[ $not != *" $variant "* ]] || return 0
    local i n
    if [[ ! $loop ]]; then
        ((${#procs[@]})) || procs=(1 4)
        for n in "${procs[@]}"; do
            run_case "$n"
        done
    elif ((times > 0)); then
        ((${#procs[@]})) || procs=(1 2 8)
        n=$(((times + share - 1) / share))
        local before=$failed
        for ((i = 0; i < n && failed < before + 3; i++)); do
            run_case "${procs[i % ${#procs[@]}]}" $((seed + i))
        done
        echo "     $program $name: $i times"
    fi
}

# Text is matched as it stands: what a pattern would read as special is quoted.
quote() {
    sed 's/[][\*?()|!+@]/\\&/g; s/\\@\([NXPT]\)\\@/@\1@/g' <<<"$1"
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
            name=${words[0]} code=2 times=0 not=' ' envs=(TZ_CRASH=1) procs=() err='' more='' lacks=() out=''
            for ((i = 1; i < ${#words[@]}; i += 2)); do
                case ${words[i]} in
                exit) code=${words[i + 1]} ;;
                signal) code=$((128 + words[i + 1])) ;;
                env) envs+=("${words[i + 1]}") ;;
                procs) procs+=("${words[i + 1]}") ;;
                loop) times=${words[i + 1]} ;;
                not) not+="${words[i + 1]} " ;;
                *) echo "$file: what is '${words[i]}'?" && exit 1 ;;
                esac
            done
            ;;
        '//>'*) err+=$(quote "${line##//>?( )}")$'\n' ;;
        '//+'*) more+=${more:+?(*$'\n')}$(quote "${line##//+?( )}")$'\n' ;;
        '//-'*) lacks+=("${line##//-?( )}") ;;
        '//1'*) out+=${line##//1?( )}$'\n' ;;
        esac
    done <"$file"
    finish_case
done
echo "$ran runs, $failed failed, $skipped skipped"
((failed == 0 && ran > 0))
