# SPDX-License-Identifier: BSD-3-Clause
#
# cfi.sh BUILD SOURCE: what gdb makes of goroutines.
#
#  - A backtrace from a goroutine ends at tz_arch_entry because that is the
#    outermost frame, without a complaint about the stack.
#  - So it does at every instruction of a switch from one goroutine to another.
#  - tools/gdb/tuza-gdb.py lists the goroutines and shows the parked ones.
#
# The same is tried on assembly with its unwind lines spoilt, which must fail.
#
# ctest: all | not asan tsan arm64 | timeout 300
set -eu
build=$1
source=$2
if ! command -v gdb > /dev/null ||
    ! gdb -nx -batch -ex 'python print("has " + "python")' 2>&1 | grep -q 'has python'; then
    echo "no gdb with python here"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'int main(void) { return 0; }\n' > "$work/none.c"
cc=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
cc=${cc:-cc}
"$cc" -o "$work/none" "$work/none.c"
if ! gdb -nx -batch -ex run "$work/none" 2>&1 | grep -q 'exited normally'; then
    echo "gdb may not run programs here"
    exit 77
fi

cat > "$work/program.c" <<'C'
#include <tuza.h>

#define STAY() __asm__ volatile("" ::: "memory")
#define NOINLINE __attribute__((noinline))

static tuza_chan *never;
static int element;

NOINLINE void wait_deep(int n)
{
    if (n)
        wait_deep(n - 1);
    else
        tuza_chan_recv(never, &element);
    STAY();
}

NOINLINE void receiver(void *arg)
{
    (void)arg;
    wait_deep(3);
    STAY();
}

NOINLINE void sender(void *arg)
{
    tuza_chan_send(arg, &element);
    STAY();
}

NOINLINE void sleeper(void *arg)
{
    (void)arg;
    tuza_sleep(3600 * INT64_C(1000000000));
    STAY();
}

NOINLINE void step_from(void) { STAY(); }
NOINLINE void step_to(void) { STAY(); }

NOINLINE void yielder(void *arg)
{
    for (int i = 0; i < 3; i++) {
        if (arg && i == 2)
            step_from();
        tuza_gosched();
        if (!arg && i == 2)
            step_to();
    }
    STAY();
}

NOINLINE void unborn(void *arg) { (void)arg; }

NOINLINE void all_parked(void) { STAY(); }
NOINLINE void went_on(void) { STAY(); }

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    never = tuza_chan_make(sizeof element, 0);
    int bad = tuza_go(receiver, 0) | tuza_go(sender, tuza_chan_make(sizeof element, 0));
    bad |= tuza_go_with(&(tuza_go_options){.name = "lazy"}, sleeper, 0);
    for (int i = 0; i < 3; i++)
        tuza_gosched();
    bad |= tuza_go(yielder, 0) | tuza_go(yielder, &element);
    for (int i = 0; i < 10; i++)
        tuza_gosched();
    bad |= tuza_go(unborn, 0) | tuza_go(unborn, 0);
    all_parked();
    tuza_sleep(1);
    if (!bad)
        went_on();
    return bad;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
C

# One P, and from the first stop on only its thread runs: sysmon, whose clock goes on while gdb works, can't interfere,
# and the order of events is the program's.
cat > "$work/check.py" <<'PYTHON'
import os
import gdb

def fail(text):
    print("FAILED: " + text)
    gdb.execute("quit 1")

def walk(between_stacks=False):
    """The functions of the selected thread's frames, innermost first; the walk must be complete, or end in the switch
    where that has no stack to speak of."""
    frame, names = gdb.newest_frame(), []
    while True:
        names.append(frame.name() or "?")
        older = frame.older()
        if older is None or len(names) == 100:
            break
        frame = older
    ends = ("tz_arch_entry", "tz_arch_final") if between_stacks else ("tz_arch_entry",)
    if names[-1] not in ends or frame.unwind_stop_reason() != gdb.FRAME_UNWIND_OUTERMOST:
        reason = gdb.frame_stop_reason_string(frame.unwind_stop_reason())
        fail(f"at {gdb.newest_frame().pc():#x} the walk ends so: {' < '.join(names)}: {reason}")
    text = gdb.execute("bt", to_string=True)
    if "stopped" in text or "corrupt" in text:
        fail("bt complains:\n" + text)
    return names

def expect(names, wanted):
    """wanted in this order, perhaps with others between (at -O0, and tail calls not made)."""
    rest = iter(names)
    if not all(name in rest for name in wanted):
        fail(f"{' < '.join(wanted)} not in {' < '.join(names)}")

def go_on(at):
    point = gdb.Breakpoint(at, temporary=True)
    gdb.execute("continue", to_string=True)
    name = gdb.newest_frame().name()
    if name != at:
        fail(f"not stopped in {at} but in {name}")
    return walk()

gdb.execute("set pagination off")
gdb.execute("set confirm off")
gdb.execute("set debuginfod enabled off")
gdb.execute("set env GOMAXPROCS=1")
gdb.execute("unset env TUZA_CHAOS")

def untouched():
    """Whether sysmon has left the M alone up to here, as it has but for a start that took 10 ms."""
    m, clean = gdb.parse_and_eval("tz_sched.allm"), True
    while int(m):
        clean = clean and int(m["retake"]) & 3 == 0
        m = m["alllink"]
    return clean

for attempt in range(100):
    gdb.Breakpoint("app", temporary=True)
    gdb.execute("run", to_string=True)
    if untouched():
        break
else:
    fail("sysmon meddles with every start")
gdb.execute("set scheduler-locking on")
expect(walk(), ["app"])

# The goroutines, whichever comes first: in what order goroutines run is not this test's business.
at = {
    "wait_deep": ["wait_deep", "receiver"],
    "sender": ["sender"],
    "sleeper": ["sleeper"],
    "yielder": ["yielder"],
}
for name in at:
    gdb.Breakpoint(name, temporary=True)
while at:
    gdb.execute("continue", to_string=True)
    names = walk()
    if names[0] not in at:
        fail(f"stopped in {names[0]}, still to come: {', '.join(at)}")
    expect(names, at.pop(names[0]))

# The switch, by single instructions: from one goroutine's step_from to another's step_to.
go_on("step_from")
seen, steps, whole = set(), 0, 0
while "step_to" not in seen:
    gdb.execute("stepi", to_string=True)
    steps += 1
    names = walk(between_stacks=True)
    seen.add(names[0])
    whole += names[0] == "tz_arch_final" and names[-1] == "tz_arch_entry"
    if steps > 20000:
        fail("no switch after so many instructions")
for name in ("tuza_gosched", "tz_arch_final"):
    if name not in seen:
        fail(f"the way to step_to did not go through {name} but {sorted(seen)}")
if whole < 10:
    fail("a switch has no frames below it")
print(f"{steps} instructions walked from")

go_on("all_parked")
gdb.execute("source " + os.environ["TUZA_GDB"])
before = gdb.execute("info registers", to_string=True)
listing = gdb.execute("info goroutines", to_string=True)
lines = listing.splitlines()
def listed(*words):
    found = [line for line in lines if all(word in line for word in words)]
    if len(found) != 1:
        fail(f"{words} not in one line of the listing:\n{listing}")
    return found[0].replace("*", " ").split()[0]
listed("*", "running", "all_parked")
receiver = listed("chan receive", "wait_deep")
listed("chan send", "sender")
listed("sleep", "lazy", "sleeper")
if sum("runnable" in line and "unborn" in line and "(not begun)" in line for line in lines) != 2 or len(lines) != 6:
    fail("others than those there are:\n" + listing)
trace = gdb.execute(f"goroutine {receiver} bt", to_string=True)
if trace.count("wait_deep") != 4 or " receiver " not in trace or "tz_arch_entry" not in trace or "stopped" in trace:
    fail("goroutine bt:\n" + trace)
trace = gdb.execute("goroutine all bt", to_string=True)
for name in ("sleeper", "sender", "receiver", "all_parked"):
    if name not in trace:
        fail(f"{name} not in goroutine all bt:\n" + trace)
try:
    gdb.execute("goroutine 4711 bt", to_string=True)
    fail("a goroutine that there is not")
except gdb.error:
    pass
if gdb.execute("info registers", to_string=True) != before:
    fail("looking at goroutines changed the registers")
gdb.execute("set scheduler-locking off")
go_on("went_on")
gdb.execute("kill", to_string=True)
print("PASSED")
PYTHON

# run PROGRAM: the checks in gdb.
run() {
    TUZA_GDB=$source/tools/gdb/tuza-gdb.py timeout 100 gdb -nx -batch -x "$work/check.py" "$1" > "$work/out" 2>&1 &&
        grep -q '^PASSED$' "$work/out"
}

# link PROGRAM [OBJECT]: an object given stands for the library's own assembly.
link() {
    local program=$1
    shift
    "$cc" -std=gnu11 -O2 -g -I"$source/include" -o "$program" "$work/program.c" "$@" "$build/libtuza.a" -pthread
}

failed=0
link "$work/program"
if run "$work/program"; then
    grep 'walked from' "$work/out"
else
    echo "the library:"
    tail -n 40 "$work/out"
    failed=1
fi

case $(uname -m) in
x86_64) asm=$source/src/arch/amd64.S ;;
aarch64) asm=$source/src/arch/arm64.S ;;
esac
for spoil in cfi_undefined cfi_adjust_cfa_offset; do
    sed "/$spoil/d" "$asm" > "$work/spoilt.S"
    "$cc" -I"$source/src" -c "$work/spoilt.S" -o "$work/spoilt.o"
    link "$work/spoilt" "$work/spoilt.o"
    if run "$work/spoilt" || ! grep -q '^FAILED: ' "$work/out"; then
        echo "without $spoil the checks should have failed:"
        tail -n 20 "$work/out"
        failed=1
    fi
done
exit "$failed"
