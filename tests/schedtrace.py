#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# ctest: all | not arm64
"""Reads what GODEBUG=schedtrace=N,scheddetail=1 prints of the programs in
crash/schedtrace.c, as what reads Go's would (GM-14 to GM-17).

usage: schedtrace.py BUILD_DIR SOURCE_DIR
"""
import os
import re
import subprocess
import sys

BOUND = 120
HEAD = (r"SCHED (?P<ms>\d+)ms: gomaxprocs=(?P<procs>\d+) idleprocs=(?P<idle>\d+) threads=(?P<threads>\d+) "
        r"spinningthreads=\d+ needspinning=\d+ idlethreads=\d+ runqueue=\d+")
SHORT = re.compile(HEAD + r" \[ (?P<queues>[\d ]+) \] schedticks=\[ (?P<ticks>[\d ]+) \]")
LONG = re.compile(HEAD + r" gcwaiting=(true|false) nmidlelocked=(?P<midlelocked>\d+) stopwait=\d+ "
                  r"sysmonwait=(?P<sysmonwait>true|false)")
P_LINE = re.compile(r"  P(?P<id>\d+): status=(?P<status>[0-4]) schedtick=\d+ syscalltick=\d+ m=(?P<m>\d+|nil) "
                    r"runqsize=\d+ gfreecnt=\d+ timerslen=(?P<timers>\d+)")
M_LINE = re.compile(r"  M(?P<id>\d+): p=(?P<p>\d+|nil) curg=(?P<curg>\d+|nil) mallocing=0 throwing=0 preemptoff= "
                    r"locks=0 dying=0 spinning=(true|false) blocked=(?P<blocked>true|false) "
                    r"lockedg=(?P<lockedg>\d+|nil)")
G_LINE = re.compile(r"  G(?P<id>\d+): status=(?P<status>[124])\((?P<reason>[a-z ()]*)\) m=(?P<m>\d+|nil) "
                    r"lockedm=(?P<lockedm>\d+|nil)")


def check(condition, text):
    if not condition:
        sys.exit(f"FAIL: {text}")


def start(build, case, settings, procs, **more):
    env = dict(os.environ, GOMAXPROCS=str(procs), **settings)
    return subprocess.Popen([os.path.join(build, "tests", "crash", "schedtrace"), case], env=env, text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, **more)


def lines_of(build, case, settings, procs, enough):
    """What it prints until enough(lines) holds and its input has been closed; it must end with 0."""
    child = start(build, case, settings, procs, stderr=subprocess.PIPE)
    lines = []
    while not enough(lines):
        line = child.stderr.readline()
        check(line, f"{case}: ends early, after {lines[-3:]}")
        lines.append(line.rstrip("\n"))
    child.stdin.close()
    child.stdin = None
    rest = child.communicate(timeout=BOUND)[1]
    check(child.returncode == 0, f"{case}: exit code {child.returncode}\n{rest[-1000:]}")
    return lines


def parse(pattern, line):
    match = pattern.fullmatch(line)
    check(match, f"not of the form {pattern.pattern}:\n{line}")
    return match


def short_lines(build):
    """GM-14; and GM-17: they go on while everything sleeps."""
    for procs in (1, 3):
        lines = lines_of(build, "idle", {"GODEBUG": "schedtrace=20"}, procs, lambda l: len(l) >= 6)
        before = None
        for line in lines:
            trace = parse(SHORT, line)
            check(int(trace["procs"]) == procs, line)
            check(len(trace["queues"].split()) == procs and len(trace["ticks"].split()) == procs, line)
            now = int(trace["ms"])
            check(before is None or now >= before + 19, f"{now} ms, after {before}")
            before = now
        check(int(parse(SHORT, lines[0])["ms"]) < 20, lines[0])


def blocks(lines):
    """[(head, ps, ms, gs)] of the whole blocks, the last one left out."""
    found = []
    for line in lines:
        if line.startswith("SCHED"):
            found.append((parse(LONG, line), [], [], []))
        else:
            kind = " PMG".index(line[2])
            found[-1][kind].append(parse((P_LINE, M_LINE, G_LINE)[kind - 1], line))
    return found[:-1]


def is_settled(lines):
    """A whole block has all five goroutines at rest, main in its read."""
    return any(len(gs) == 5 and all(g["status"] == ("2" if g["id"] == "1" else g["status"]) != "1" for g in gs) and
               int(head["midlelocked"]) == 1 for head, _, _, gs in blocks(lines))


def long_blocks(build):
    """GM-15, GM-17."""
    lines = lines_of(build, "some", {"TUZA_DEBUG": "schedtrace=10,scheddetail=1", "GODEBUG": "schedtrace=0"}, 2,
                     is_settled)
    for head, ps, ms, _ in blocks(lines):
        check(len(ps) == int(head["procs"]) == 2, "a line for each P")
        check(head["sysmonwait"] == "false", "sysmon is in deep sleep")
        check(len({m["id"] for m in ms}) == len(ms) <= int(head["threads"]), "a line for each M")
    head, ps, ms, gs = blocks(lines)[-1]
    reasons = sorted(g["reason"] for g in gs)
    check(reasons == ["", "", "chan receive", "chan receive", "sleep"], f"reasons: {reasons}")
    check("1" in {g["id"] for g in gs}, "main")
    by_id = {m["id"]: m for m in ms}
    for g in gs:
        running = g["status"] == "2"
        check(running == (g["reason"] == "") == (g["m"] != "nil"), g[0])
        check(not running or by_id[g["m"]]["curg"] == g["id"], g[0])
    locked = [g for g in gs if g["lockedm"] != "nil"]
    check(len(locked) == 1, "one is locked")
    check(by_id[locked[0]["lockedm"]]["lockedg"] == locked[0]["id"], locked[0][0])
    check(by_id[locked[0]["lockedm"]]["blocked"] == "true", locked[0][0])
    check(sum(int(p["timers"]) for p in ps) == 1, "one timer")


def ends(build):
    child = start(build, "unread", {"GODEBUG": "schedtrace=1,scheddetail=1"}, 2, stderr=subprocess.PIPE)
    child.stdin.close()
    try:  # standard error is not read before it has ended
        child.wait(timeout=BOUND)
    except subprocess.TimeoutExpired:
        child.kill()
        sys.exit("FAIL: hangs where nobody reads standard error")
    check((child.returncode, child.stdout.read()) == (0, "done\n"), f"unread: exit code {child.returncode}")
    check(len(child.stderr.read()) >= 4096, "the pipe was not full")

    # GM-16: before the first line of a report, one block. Tracing keeps no deadlock from being noticed.
    for settings, case, first in (("schedtrace=5", "deadlock", "fatal error: "), ("scheddetail=1", "panics", "panic: "),
                                  ("schedtrace=1000,scheddetail=0", "panics", "panic: ")):
        child = start(build, case, {"GODEBUG": settings}, 2, stderr=subprocess.PIPE)
        errors = child.communicate(timeout=BOUND)[1]
        check(child.returncode == 2 and first in errors, f"{case}: {child.returncode} {errors}")
        report = errors.split(first)[0].splitlines()
        while len(report) > 1 and SHORT.fullmatch(report[0]):
            report.pop(0)
        check(LONG.fullmatch(report[0]) and not any(line.startswith("SCHED") for line in report[1:]), errors)

    child = start(build, "embedded", {"GODEBUG": "schedtrace=5"}, 2, stderr=subprocess.PIPE)
    out, errors = child.communicate(timeout=BOUND)
    check(out == "threads left: 0\n", f"embedded: {out} {errors}")
    for line in errors.splitlines():
        parse(SHORT, line)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    build = sys.argv[1]
    short_lines(build)
    long_blocks(build)
    ends(build)
    print("PASS")


main()
