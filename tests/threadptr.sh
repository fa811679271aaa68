#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# threadptr.sh BUILD: no function of the runtime uses the address of
# its thread's variables after a call before which it found it.
#
# A call may switch, and come back on another thread; to the compiler the
# thread's pointer is the same all along. On x86-64 it is a segment register,
# and each access names that. On aarch64 it is read into an ordinary one
# (mrs xN, tpidr_el0), which may be kept. So each function of the objects is
# followed through its branches: what is made of that register by moves and
# sums, and is in a register that calls preserve, or on the stack, must not be
# used behind a call.
#
# Functions whose calls in between can't come back elsewhere are listed below,
# each with the reason; it is the compiler's choice which of them it shows in.
#
# ctest: all | not debug asan tsan clang | timeout 120
set -eu
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/check.py" <<'PYTHON'
"""check.py OBJDUMP FILE [NAME...]: prints each fault found in FILE's functions but those named; exit code 1 if
there was one."""
import re
import subprocess
import sys

objdump, path, allowed = sys.argv[1], sys.argv[2], set(sys.argv[3:])
text = subprocess.run([objdump, "-dr", "--no-show-raw-insn", path], check=True, capture_output=True, text=True).stdout

functions = []  # (name, {address: [mnemonic, operands, its relocation or ""]})
for line in text.splitlines():
    if m := re.match(r"([0-9a-f]+) <(.+)>:$", line):
        functions.append((m[2], {}))
    elif m := re.match(r"\s+[0-9a-f]+: (R_\w+)\s", line):
        functions[-1][1][at][2] = m[1]
    elif m := re.match(r"\s*([0-9a-f]+):\s+(\S+)\s*(.*?)\s*(?://.*)?$", line):
        at = int(m[1], 16)
        functions[-1][1][at] = [m[2], m[3], ""]

FRESH, STALE = 1, 2  # it was found since the last call; before it
KEPT = {f"x{n}" for n in range(19, 30)}
COPIES = ("mov", "add", "sub")

def registers(operands):
    """The general registers named, as x0 to x30 and sp."""
    return ["x" + r[1:] if r[0] == "w" else r for r in re.findall(r"\b([xw]\d+|sp)\b", operands)]

def slots(mnemonic, operands):
    """The stack's slots that a load or store by sp or the frame's pointer names, one for each register."""
    m = re.search(r"\[(sp|x29)(?:, #(-?\d+))?\](!|, #)?", operands)
    if not m or m[3]:
        return []
    return [(m[1], int(m[2] or 0) + 8 * i) for i in range(2 if mnemonic.endswith("p") else 1)]

def step(mnemonic, operands, relocation, state):
    """(the state behind the instruction, whether it uses what is stale)."""
    after = dict(state)
    if mnemonic in ("bl", "blr"):
        stale = mnemonic == "blr" and state.get(operands) == STALE
        if relocation == "R_AARCH64_TLSDESC_CALL":  # preserves all but its result
            after.pop("x0", None)
            return after, stale
        return {w: STALE for w in state if w in KEPT or isinstance(w, tuple)}, stale
    named = registers(operands)
    if mnemonic == "mrs":
        after.pop(named[0], None)
        if "tpidr_el0" in operands:
            after[named[0]] = FRESH
        return after, False
    places = slots(mnemonic, operands)
    values = named[:len(places)]
    if mnemonic.startswith("st"):
        if places:  # a save: used when it is read back
            for place, value in zip(places, values):
                after.pop(place, None)
                if value in state:
                    after[place] = state[value]
            return after, False
        return after, any(state.get(r) == STALE for r in named)
    if mnemonic.startswith("ld") and places:
        for place, value in zip(places, values):
            after.pop(value, None)
            if place in state:
                after[value] = state[place]
        return after, False
    if not named or mnemonic in ("cmp", "tst", "cbz", "cbnz", "tbz", "tbnz", "br", "ret", "ccmp"):
        return after, any(state.get(r) == STALE for r in named)
    targets = 2 if mnemonic in ("ldp", "ldxp") else 1
    used = [state[r] for r in named[targets:] if r in state]
    for r in named[:targets]:
        after.pop(r, None)
    if mnemonic == "mov" and used:
        after[named[0]] = max(used)
        return after, False
    if mnemonic in COPIES and used:
        after[named[0]] = max(used)
    return after, STALE in used

def check(code):
    """Whether a use of what is stale can be reached."""
    addresses = sorted(code)
    following = dict(zip(addresses, addresses[1:]))
    states = {addresses[0]: {}}
    todo = [addresses[0]]
    while todo:
        at = todo.pop()
        mnemonic, operands, relocation = code[at]
        after, fault = step(mnemonic, operands, relocation, states[at])
        if fault:
            return f"{mnemonic} {operands}"
        on = []
        if mnemonic not in ("b", "br", "ret", "brk", "udf"):
            on.append(following.get(at))
        if mnemonic == "br" and not relocation:  # a switch statement's: anywhere
            on += addresses
        if mnemonic in ("b", "cbz", "cbnz", "tbz", "tbnz") or mnemonic.startswith("b."):
            on.append(int(re.search(r"\b([0-9a-f]+)(?: <|$)", operands)[1], 16))
        for n in on:
            if n not in code:
                continue
            had = states.get(n)
            new = dict(had or {})
            for where, what in after.items():
                new[where] = max(what, new.get(where, 0))
            if had is None or new != had:
                states[n] = new
                todo.append(n)
    return ""

faults, looked = {}, 0
for name, code in functions:
    if any(c[0] == "mrs" and "tpidr_el0" in c[1] for c in code.values()):
        looked += 1
        if fault := check(code):
            faults[re.sub(r"\..*", "", name)] = fault
for name in sorted(set(faults) - allowed):
    print(f"{path}: {name}: keeps the thread's pointer across a call: {faults[name]}")
if not looked:
    print(f"{path}: no function reads tpidr_el0")
sys.exit(bool(set(faults) - allowed or not looked))
PYTHON

objdump=aarch64-linux-gnu-objdump
command -v "$objdump" > /dev/null || objdump=objdump
if ! "$objdump" -f "$build/libtuza.a" 2> /dev/null | grep -q aarch64; then
    echo "not objects of aarch64"
    exit 77
fi

# expect CODE TEXT NAME...: the checker on assembly from the standard input, whose faults are known.
failed=0
expect() {
    local code=$1 wanted=$2 got=0
    shift 2
    "${objdump%objdump}gcc" -x assembler -c - -o "$work/case.o"
    python3 "$work/check.py" "$objdump" "$work/case.o" "$@" > "$work/out" || got=$?
    if [ "$got" != "$code" ] || { [ -n "$wanted" ] && ! grep -q "$wanted" "$work/out"; }; then
        echo "the checker itself: exit code $got, expected $code and \"$wanted\":"
        cat "$work/out"
        failed=1
    fi
}
expect 0 '' << 'S'
again:
    mrs x0, tpidr_el0
    ldr x19, [x0, #16]
    bl other
    mrs x0, tpidr_el0
    str x19, [x0, #16]
    ldr x20, [x19]
    ret
S
expect 1 'kept: keeps the .*: ldr x0, \[x19, #16\]' << 'S'
kept:
    mrs x19, tpidr_el0
    ldr x0, [x19, #16]
    bl other
    ldr x0, [x19, #16]
    ret
S
expect 1 'summed: keeps the .*: str w0, \[x20\]' << 'S'
summed:
    mrs x1, tpidr_el0
    add x1, x1, x2
    mov x20, x1
    cbz x0, 1f
    blr x0
1:  str w0, [x20]
    ret
S
expect 1 'spilt: keeps the .*: ldr x0, \[x3\]' << 'S'
spilt:
    mrs x1, tpidr_el0
    stp x2, x1, [sp, #32]
    bl other
    ldr x3, [sp, #40]
    ldr x0, [x3]
    ret
S
expect 1 'looped: keeps the .*: ldr x0, \[x19\]' << 'S'
looped:
    mrs x19, tpidr_el0
1:  ldr x0, [x19]
    bl other
    b 1b
S
expect 0 '' listed << 'S'
listed:
    mrs x19, tpidr_el0
    bl other
    ldr x0, [x19]
    ret
S
expect 1 'no function reads' << 'S'
none:
    ret
S

# end_in_libc       a goroutine in it is locked to its thread (exit.c, `bypassed`)
# tz_asked_print_registers, tz_print
#                   part of a report, whose thread does nothing else
# tz_sched_run      on its thread's own stack, which is none of a goroutine
# tz_sched_stop     refuses goroutines at its beginning; other threads stay what they are
python3 "$work/check.py" "$objdump" "$build/libtuza.a" \
    end_in_libc tz_asked_print_registers tz_print tz_sched_run tz_sched_stop || failed=1
[ "$failed" = 0 ] && echo "no thread's pointer is kept across a call"
exit "$failed"
