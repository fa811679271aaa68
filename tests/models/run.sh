#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# ctest: timeout 1500
#
# run.sh [workdir]: checks the models of this folder with Spin. Each variant of a model must be searched completely
# without an error; each mutant (a barrier or a check taken out) must be refuted by an assertion or a deadlock, else
# the model proves nothing. README.md says what each of them shows. One line for each; exit status 0, 1 where one
# failed, 77 where Spin or a C compiler is not installed.
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 1
for tool in spin "${CC:-gcc}"; do
    command -v "$tool" >/dev/null 2>&1 || { echo "models: $tool is not installed"; exit 77; }
done
if [ $# -gt 0 ]; then
    work=$1
    mkdir -p "$work" && work=$(cd "$work" && pwd) || exit 1
else
    work=$(mktemp -d) || exit 1
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
fi
passed=0
failed=0

verdict() { # ok|FAIL text
    if [ "$1" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    printf '%-4s %s\n' "$1" "$2"
}

# check pass|mutant optimization model define...
check() {
    want=$1 opt=$2 model=$3
    shift 3
    name="$want $model${*:+ $*}"
    dir="$work/$(printf '%s' "$name" | tr ' =' '__')"
    defines=
    for d in "$@"; do
        # A name that the model does not know would change nothing, and a "variant" would pass by that.
        grep -q "\\b${d%%=*}\\b" "$here/$model.pml" || { verdict FAIL "$name: $model.pml does not know $d"; return; }
        defines="$defines -D$d"
    done
    mkdir -p "$dir" && cd "$dir" || { verdict FAIL "$name: cannot use $dir"; return; }
    rm -f pan pan.* ./*.trail out
    # shellcheck disable=SC2086
    if ! spin -a $defines "$here/$model.pml" >spin.log 2>&1 ||
        ! "${CC:-gcc}" "$opt" -w -DSAFETY -DMEMLIM=3500 -o pan pan.c >cc.log 2>&1; then
        verdict FAIL "$name: does not build, see $dir"
        return
    fi
    ./pan -m100000 >out 2>&1
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' out)
    memory=$(sed -n 's/^ *\([0-9.]*\).*total actual memory usage.*/\1/p' out)
    if grep -q 'max search depth too small' out; then
        verdict FAIL "$name: the search was cut at its greatest depth"
    elif [ "$want" = pass ]; then
        if grep -q 'errors: 0$' out &&
            ! grep -qi -e 'search not completed' -e 'out of memory' -e 'memory limit' out; then
            verdict ok "$name: no error in ${states:-?} states, ${memory:-?} MB"
        else
            verdict FAIL "$name: $(grep -m 1 -e '^pan:' -e 'not completed' out || echo 'no result'), see $dir"
        fi
    elif grep -q 'errors: [1-9]' out && why=$(grep -m 1 -e 'assertion violated' -e 'invalid end state' out); then
        verdict ok "$name: refuted, ${why#pan:1: }"
    else
        verdict FAIL "$name: not refuted, see $dir"
    fi
    rm -f pan pan.[bchmpt]
}

check pass -O2 retake
check pass -O2 retake FENCE
check pass -O2 retake ENTRIES=3 SIGNALS=0
for m in NO_MEMBARRIER NO_TICKET READ_AFTER NO_RELEASE BLIND_ANSWER BLIND_WITHDRAW NESTED_ENTERS NO_SEQ_CHECK; do
    check mutant -O0 retake $m
done
check mutant -O0 retake FENCE NO_M_FENCE
check mutant -O0 retake FENCE NO_R_FENCE

check pass -O2 solo
check pass -O2 solo FENCE
for m in NO_SEQ_CHECK NO_MEMBARRIER KEEP_ALONE CLEAR_EARLY CLEAR_LATE CLEAR_PLAIN BLIND_RETURN BEGIN_UNLOCKED \
    BEGIN_UNCHECKED NO_RELEASE; do
    check mutant -O0 solo $m
done
check mutant -O0 solo FENCE NO_M_FENCE

check pass -O2 wakeup
check pass -O2 wakeup SHORT=0 LONG=2 SPAWNS=2
check pass -O2 wakeup LONG=0 POLLERS=1
check pass -O2 wakeup SHORT=0 LONG=0 POLLERS=1 OVERFLOWS=1
check pass -O2 wakeup SHORT=0 LONG=0 BLOCKERS=1 SLEEPS=1
check pass -O2 wakeup HANDED_OFF NM=4 SHORT=0
for m in NO_PUT_LOOK NO_LAST_LOOK NO_REQUEUE_IDLE 'NO_YIELD_WAKE LONG=0 POLLERS=1'; do
    # shellcheck disable=SC2086
    check pass -O2 wakeup $m
done
for m in NO_REST_LOOK NO_REQUEUE_LOOK PUT_BLIND 'NO_POP_WAKE SPAWNS=2' 'DEEP_UNLOCKED SPAWNS=2' \
    'NO_WANTED LONG=0 POLLERS=1 OVERFLOWS=1' 'NO_DEBT_LOOK LONG=0 POLLERS=1' \
    'NO_GLOBAL_LOOK LONG=0 POLLERS=1 OVERFLOWS=1' 'NO_ROB SHORT=0 LONG=2 SPAWNS=2' \
    'NO_NEW_M SHORT=0 LONG=2 SPAWNS=2' 'POLLER_OLD SHORT=0 LONG=0 BLOCKERS=1 SLEEPS=1' \
    'NO_NEXT_M HANDED_OFF NM=4 SHORT=0'; do
    # shellcheck disable=SC2086
    check mutant -O1 wakeup $m
done

check pass -O2 netpoll
check pass -O2 netpoll FEEDS=1 DEADLINES=2
check pass -O2 netpoll FEEDS=1 WAITS=1 STOPS=1
check pass -O2 netpoll FEEDS=1 WAITS=1 RENEWALS=1
check pass -O2 netpoll DEADLINES=0 POLLERS=2 FEEDS=3 WAITS=3
check pass -O2 netpoll BOTH
for m in NO_COMMIT_FENCE NO_DEADLINE_FENCE NO_FIRE_FENCE NO_TAKE_FENCE NO_SETTLED NO_REARM NO_LATCH \
    'ARM_LATER DEADLINES=2 FEEDS=1' 'NO_STOP_FENCE STOPS=1' 'NO_RENEW_FENCE RENEWALS=1' 'NO_GENERATION RENEWALS=1' \
    'NO_BOTH_LOCK BOTH' 'NO_BOTH_SETTLED BOTH'; do
    # shellcheck disable=SC2086
    check mutant -O0 netpoll $m
done

check pass -O2 select
check pass -O2 select SENDS=3
check pass -O2 select REPORTS=3
for m in NO_S_FENCE NO_R_FENCE UNLOCK_FIRST NO_COMMIT_LOOK NO_RECHECK NO_RELOCK BLIND_CLAIM REPORT_UNLOCKED; do
    check mutant -O0 select $m
done

check pass -O2 stop
for m in NO_WORLD LOOK_FIRST COUNT_LATE HAD_LATE TIMERS STUBBORN NO_FLUSH; do
    check mutant -O0 stop $m
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
