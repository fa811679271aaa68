#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ctest: release-only | timeout 120
#
# core.sh BUILD SOURCE: how faults look from outside.
#
#  - A core file is left, and its innermost frame is the one that faulted, with what the kernel said of it.
#  - The first process of a container, which the kernel spares, ends with 128 and the signal's number, and with 2
#    after SIGQUIT (SG-02).
set -u
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
crash=$build/tests/crash
failed=0 looked=0

fail() {
    echo "FAIL $*"
    failed=1
}

if [[ $(cat /proc/sys/kernel/core_pattern) != "|"* ]] && command -v gdb >/dev/null && ulimit -c unlimited; then
    fault=$(realpath "$crash/fault")
    (cd "$work" && "$fault" segv_in_goroutine >/dev/null 2>&1)
    code=$?
    core=$(find "$work" -name '*core*' -type f | head -n 1)
    if [[ $core ]]; then
        looked=1
        ((code == 139)) || fail "exit code $code with a core"
        # shellcheck disable=SC2016 # a variable of gdb's
        text=$(gdb -nx -batch -ex 'bt 3' -ex 'p $_siginfo._sifields._sigfault.si_addr' "$fault" "$core" 2>&1)
        [[ $text == *"#0 "*write_nowhere* ]] || fail "the core is not of the place that faulted: $text"
        [[ $text == *0x10* ]] || fail "the core does not have the address: $text"
    fi
fi

if unshare -Urpf true 2>/dev/null; then
    looked=1
    for run in "fault segv 139" "fault aborts 134" "quit quit 2"; do
        read -r program name want <<<"$run"
        text=$(unshare -Urpf "$crash/$program" "$name" 2>&1)
        code=$?
        ((code == want)) || fail "as process 1 $program $name ends with $code, not $want: $text"
    done
fi

((looked)) || {
    echo "no core files here, and no containers"
    exit 77
}
exit "$failed"
