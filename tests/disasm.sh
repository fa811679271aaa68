# SPDX-License-Identifier: BSD-3-Clause
#
# disasm.sh BUILD SOURCE: reads what the compiler made of the paths whose
# speed the design rests on.
#
#  - A hot entry reaches tz_arch_final by a jump, never by a call: a C frame
#    of ours that returns after the switch is mispredicted each time.
#  - What a hot entry calls is the runtime's own, or memcpy and memset for
#    elements of odd sizes: nothing of libc, nothing through a library's stub.
#    That holds for a select as well, which comes back and so ends in no jump.
#  - The short ways of a mutex (leaf:NAME below) call nothing at all, and so
#    need no stack frame.
#  - The switch has no return instruction, but for aarch64's `ret xN`, and no
#    atomic read-modify-write.
#
# Objects are read, with their relocations, since they name every callee. The
# checker is tried on objects with each of these faults first.
#
# ctest: plain | timeout 120
set -eu
build=$1
source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/check.py" <<'PYTHON'
"""check.py OBJDUMP FILE ENTRY... [-- FUNCTION...]: prints each fault found; exit code 1 if there was one.
Of the functions only whom they call by name is looked at."""
import re
import subprocess
import sys

objdump, path, entries, functions_too = sys.argv[1], sys.argv[2], sys.argv[3:], []
if "--" in entries:
    functions_too = entries[entries.index("--") + 1:]
    entries = entries[:entries.index("--")]
text = subprocess.run([objdump, "-dr", "--no-show-raw-insn", path], check=True, capture_output=True, text=True).stdout
arm = "aarch64" in text

PREFIXES = ("notrack", "bnd", "addr32", "data16", "lock", "rep", "repz", "cs", "ds", "xacquire", "xrelease")
ATOMIC = re.compile(r"xchg|mfence|dmb|dsb|ldxr|ldaxr|stxr|stlxr|cas|swp|ld(add|set|clr)")
functions = {}  # name: [[mnemonic, operands, relocation's symbol or ""]]
for line in text.splitlines():
    if m := re.match(r"[0-9a-f]+ <(.+)>:$", line):
        code = functions.setdefault(m[1], [])
    elif m := re.match(r"\s+[0-9a-f]+: R_\w+\s+(\S+?)(?:[-+]0x[0-9a-f]+)?$", line):
        code[-1][2] = m[1]
    elif m := re.match(r"\s*[0-9a-f]+:\s+(\S+)\s*(.*)$", line):
        words = (m[1] + " " + m[2]).split()
        prefixes = []
        while words[0] in PREFIXES and words[1:]:
            prefixes.append(words.pop(0))
        code.append([words[0], " ".join(words[1:]), "", prefixes])

def parts(name):
    """The function and what the compiler split off it."""
    return [f for f in functions if f == name or f.startswith(name + ".")]

def transfers(name):
    """(is a call, target) for each call, and each jump to another function; "" is a target unknown."""
    own = parts(name)
    for part in own:
        held = {}  # aarch64: the symbol whose address a register was loaded with
        for mnemonic, operands, symbol, _ in functions[part]:
            inside = re.search(r"<([^>+]+)", operands)
            target = symbol or (inside[1] if inside else "")
            if arm and mnemonic == "ldr" and symbol:
                held[operands.split(",")[0]] = symbol
            elif mnemonic in ("call", "callq", "bl"):
                yield True, target
            elif mnemonic == "blr":
                yield True, held.get(operands, "")
            elif mnemonic == "br":
                yield False, held.get(operands, "")
            elif mnemonic[0] == "j" or mnemonic == "b" or mnemonic.startswith("b."):
                if target not in own:
                    yield False, target

def ends_in_final(target, visited=()):
    """Whether it is tz_arch_final, or a function that ends there; tz_enter_slow is none: it comes back;
    nor is a panic, which goes elsewhere."""
    if target == "tz_arch_final":
        return True
    if target in visited or target.startswith(("tz_enter", "tz_panic")) or not parts(target):
        return False
    return any(ends_in_final(t, (*visited, target)) for _, t in transfers(target))

def follow(name, visited):
    """Looks at the ways from name to tz_arch_final, helpers included; the number of those that are jumps."""
    visited.add(name)
    jumps = 0
    for is_call, target in transfers(name):
        if not ends_in_final(target):
            continue
        if is_call:
            faults.append(f"{name}: calls {target}")
        elif target == "tz_arch_final":
            jumps += 1
        elif target not in visited:
            jumps += follow(target, visited)
    return jumps

def look_at_leaf(name):
    """No call in the function itself, but of the atomics that aarch64 keeps out of line; jumps go to the runtime's."""
    for mnemonic, operands, symbol, _ in functions.get(name, []):
        target = symbol or operands
        if mnemonic in ("call", "callq", "bl", "blr") and not target.startswith("__aarch64_"):
            faults.append(f"{name}: calls {target}")
        elif not arm and mnemonic in ("push", "pushq"):
            faults.append(f"{name}: has a stack frame")
    if name not in functions:
        faults.append(f"{name}: not found")

faults = []
for entry in entries + functions_too:
    if entry.startswith("leaf:"):
        look_at_leaf(entry[5:])
        continue
    if not parts(entry):
        faults.append(f"{entry}: not found")
        continue
    found = list(transfers(entry))
    if entry in entries and not follow(entry, set()):
        faults.append(f"{entry}: no jump to tz_arch_final")
    for _, target in found:
        known = target.startswith(("tz_", "tuza_", ".text", "__aarch64_")) or target in ("memcpy", "memset")
        if not target and entry in functions_too:
            continue
        if not known and not parts(target):
            faults.append(f"{entry}: goes to {target or 'an unknown place'}")

for name in ("tz_arch_final", "tz_arch_switch"):
    if name not in functions:
        if not entries or "tuza_gosched" in entries:
            faults.append(f"{name}: not found")
        continue
    jumps = 0
    for mnemonic, operands, _, prefixes in functions[name]:
        if mnemonic.startswith("ret") and not (arm and re.match(r"x([0-9]|1[0-8])$", operands)):
            faults.append(f"{name}: returns")
        elif mnemonic == "ret" or (mnemonic.startswith("jmp") and operands.startswith("*")):
            jumps += 1
        if "lock" in prefixes or ATOMIC.match(mnemonic):
            if not (mnemonic == "xchg" and "(" not in operands):
                faults.append(f"{name}: {' '.join(prefixes + [mnemonic])}")
    if not jumps:
        faults.append(f"{name}: does not leave by an indirect jump")

for fault in faults:
    print(f"{path}: {fault}")
sys.exit(1 if faults else 0)
PYTHON

entries="tuza_gosched tuza_sleep tuza_chan_send tuza_chan_recv
leaf:tuza_mutex_lock leaf:tuza_mutex_unlock leaf:tuza_rwmutex_rlock leaf:tuza_rwmutex_runlock
leaf:tuza_rwmutex_lock leaf:tuza_rwmutex_unlock leaf:tuza_waitgroup_add leaf:tuza_local_get
     -- tuza_select tuza_try_select tz_select_peek tz_select_do tz_select_lock tz_select_do_locked tz_select_park"
failed=0

# expect CODE TEXT FILE ENTRY...: the checker on a file whose faults are known.
expect() {
    local code=$1 wanted=$2 got=0
    shift 2
    python3 "$work/check.py" objdump "$@" > "$work/out" || got=$?
    if [ "$got" != "$code" ] || { [ -n "$wanted" ] && ! grep -q "$wanted" "$work/out"; }; then
        echo "the checker itself, on $1: exit code $got, expected $code and \"$wanted\":"
        cat "$work/out"
        failed=1
    fi
}

cc=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
compile() {
    "${cc:-cc}" -std=gnu11 -D_GNU_SOURCE -fPIC -O2 -I"$source/include" -I"$source/src" "$@"
}
compile -foptimize-sibling-calls -c "$source/src/chan/chan.c" -o "$work/good.o"
compile -fno-optimize-sibling-calls -c "$source/src/chan/chan.c" -o "$work/calls.o"
expect 0 '' "$work/good.o" tuza_chan_send tuza_chan_recv
expect 1 'tuza_chan_send: calls ' "$work/calls.o" tuza_chan_send tuza_chan_recv
expect 1 'tuza_chan_recv: no jump to tz_arch_final' "$work/calls.o" tuza_chan_send tuza_chan_recv
cat > "$work/libc.c" <<'C'
#include <stdlib.h>
unsigned long tz_arch_final(void *m, void *slow, void *a, void *b);
void tuza_slow_one(void *p);
void tuza_slow_one(void *p)
{
    free(p);
    tz_arch_final(p, 0, 0, 0);
}
C
compile -c "$work/libc.c" -o "$work/libc.o"
expect 1 'tuza_slow_one: goes to free' "$work/libc.o" tuza_slow_one
expect 1 'tuza_slow_one: calls free' "$work/libc.o" leaf:tuza_slow_one
expect 1 'tuza_gone: not found' "$work/libc.o" leaf:tuza_gone
expect 1 'tuza_slow_one: goes to free' "$work/libc.o" -- tuza_slow_one
printf '.globl tz_arch_final\n.type tz_arch_final,@function\ntz_arch_final:\nlock incl (%%rdi)\nret\n' > "$work/ret.s"
if [ "$(uname -m)" = x86_64 ]; then
    compile -c "$work/ret.s" -o "$work/ret.o"
    expect 1 'tz_arch_final: returns' "$work/ret.o"
    expect 1 'tz_arch_final: lock incl' "$work/ret.o"
fi

# shellcheck disable=SC2086
python3 "$work/check.py" objdump "$build/libtuza.a" $entries || failed=1

# The other port, where it has been built beside this one from the same sources.
other=$(dirname "$build")/arm64/libtuza.a
if [ -f "$other" ] && command -v aarch64-linux-gnu-objdump > /dev/null; then
    if [ -n "$(find "$source/src" "$source/include" -newer "$other" -type f | head -n 1)" ]; then
        echo "$other: older than the sources, not looked at"
    else
        # shellcheck disable=SC2086
        python3 "$work/check.py" aarch64-linux-gnu-objdump "$other" $entries || failed=1
    fi
fi
[ "$failed" = 0 ] && echo "the hot entries end in jumps, the short ways have no calls"
exit "$failed"
