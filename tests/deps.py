#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# ctest: release-only
"""Holds the layer rules of src/deps.rules.

Three ways to reach into another folder are looked at: #include lines, the
symbols that objects leave undefined (which finds hand-written externs too),
and, for what belongs to one place only (atomics, system calls, assembly), the
text without its comments and the libc functions that objects call.

First the test feeds itself rules and trees that are wrong, each in one way,
and fails where it does not notice.

usage: deps.py BUILD_DIR SOURCE_DIR
"""
import os
import re
import subprocess
import sys
import tempfile

# libc functions that enter the kernel for something other than memory of the
# caller's: all of these belong to os/.
SYSTEM_CALLS = set("""
    syscall mmap mmap64 munmap mprotect madvise process_madvise mincore mremap mlock munlock
    open open64 openat openat64 close read pread pread64 readv write pwrite pwrite64 writev lseek lseek64 ioctl fcntl
    fcntl64 epoll_create1 epoll_ctl epoll_wait epoll_pwait poll ppoll select pselect eventfd timerfd_create pipe pipe2
    socket accept accept4 connect listen bind recv recvfrom send sendto sendmsg recvmsg
    clock_gettime clock_nanosleep nanosleep usleep sleep gettimeofday time
    fork vfork clone kill tgkill raise sigaction sigaltstack sigprocmask pthread_sigmask signal prctl
    sched_yield sched_getaffinity sched_setaffinity getrlimit getrlimit64 setrlimit sysconf getpid gettid getrandom
    _exit getenv secure_getenv getauxval fopen fopen64 fread fgets opendir readdir readdir64
""".split())

# (what, pattern in the text without comments and strings, places where it may be)
ONLY_IN = [
    ("atomics", r"\b__atomic_\w+|\b__sync_\w+|\bmemory_order_\w+|\b_Atomic\b|\b__ATOMIC_\w+|<stdatomic\.h>",
     ["base/atomic.h"]),
    ("system calls and pthreads", r"\bsyscall\s*\(|\bpthread_\w+|<pthread\.h>|<sys/syscall\.h>|<threads\.h>",
     ["os/"]),
    ("inline assembly", r"\b(?:__asm__|__asm|asm)\b", ["arch/"]),
    ("sched/gmp.h", r'#\s*include\s*"(?:sched/)?gmp\.h"', ["sched/"]),
]


class Refused(Exception):
    """The rules themselves are wrong."""


def parse_rules(text):
    """Returns {name: set of all names it may use}."""
    text = re.sub(r"#.*", "", text)
    uses, defined, negative = {"NONE": set()}, {"NONE"}, []
    for statement in text.split(";"):
        if not statement.strip():
            continue
        parts = re.split(r"(!?<)", statement)
        lists = [[name.strip() for name in part.split(",")] for part in parts[0::2]]
        for names in lists:
            for name in names:
                if not re.fullmatch(r"\w+", name):
                    raise Refused(f"cannot read: {' '.join(statement.split())}")
        if len(lists) < 2:
            raise Refused(f"no '<' in: {' '.join(statement.split())}")
        for low, operator, high in zip(lists, parts[1::2], lists[1:]):
            if operator == "!<":
                negative += [(a, b) for a in low for b in high]
                continue
            for name in high:
                if name in defined:
                    raise Refused(f"{name} is defined twice")
                defined.add(name)
                uses[name] = set(low)
    for name, used in list(uses.items()):
        for other in used - defined:
            raise Refused(f"{name} uses {other}, which no rule defines")
    closed = {}

    def close(name, path):
        if name in path:
            raise Refused("a cycle: " + " < ".join(reversed(path[path.index(name):] + [name])))
        if name not in closed:
            result = set(uses[name])
            for other in uses[name]:
                result |= close(other, path + [name])
            closed[name] = result
        return closed[name]

    for name in uses:
        close(name, [])
    for a, b in negative:
        if a not in closed or b not in closed:
            raise Refused(f"{a} !< {b}: no such name")
        if a in closed[b]:
            raise Refused(f"{a} !< {b}, but other rules allow it")
    return closed


def strip_comments(text):
    """The text with comments and the insides of strings blanked, lines kept; include lines as they are."""
    pattern = re.compile(
        r'^[ \t]*#[ \t]*include[^\n]*|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S | re.M)

    def blank(match):
        found = match.group(0)
        if found.lstrip().startswith("#"):
            return found
        if found[0] in "\"'":
            return found[0] * 2
        return "\n" * found.count("\n")

    return pattern.sub(blank, text)


def files_under(root, folder):
    for path, folders, names in os.walk(os.path.join(root, folder)):
        folders.sort()
        for name in sorted(names):
            if name.endswith((".c", ".h", ".S", ".cc")):
                yield os.path.relpath(os.path.join(path, name), root)


def node_of(path):
    """src/chan/x.c -> chan; include/tuza/chan.h -> include; tests/unit/x.c -> tests."""
    parts = path.split(os.sep)
    return parts[1] if parts[0] == "src" and len(parts) > 2 else parts[0]


def resolve(root, path, included):
    """The file of the tree an include names, or None for one from outside."""
    for folder in (os.path.dirname(path), "include", "src", "tests", "bench"):
        candidate = os.path.normpath(os.path.join(folder, included))
        if os.path.isfile(os.path.join(root, candidate)):
            return candidate
    return None


def check_text(root, rules):
    problems = []
    for folder in ("src", "include", "examples", "tests", "bench"):
        for path in files_under(root, folder):
            node = node_of(path)
            if node not in rules:
                problems.append(f"{path}: folder {node} is not in src/deps.rules")
                continue
            with open(os.path.join(root, path), encoding="utf-8") as file:
                lines = strip_comments(file.read()).split("\n")
            for number, line in enumerate(lines, 1):
                where = f"{path}:{number}"
                match = re.match(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', line)
                if match:
                    target = resolve(root, path, match.group(1) or match.group(2))
                    if target is None and match.group(1):
                        problems.append(f'{where}: "{match.group(1)}" is not in the tree')
                    elif target and node_of(target) != node and node_of(target) not in rules[node]:
                        problems.append(f"{where}: {node} includes {target}")
                if folder != "src":
                    continue
                place = path[len("src/"):]
                for what, pattern, allowed in ONLY_IN:
                    if re.search(pattern, line) and not place.startswith(tuple(allowed)):
                        problems.append(f"{where}: {what} only in {', '.join(allowed)}")
    return problems


def symbols(path):
    """(defined, undefined) names of an object."""
    out = subprocess.run(["nm", "-P", path], check=True, capture_output=True, text=True).stdout
    defined, undefined = set(), set()
    for line in out.splitlines():
        fields = line.split()
        if len(fields) < 2:
            continue
        name, kind = fields[0], fields[1]
        if kind in "Uwv":
            undefined.add(name.split("@")[0])
        elif kind.isupper():
            defined.add(name)
    return defined, undefined


def check_objects(objects, rules):
    """objects: {path: folder}."""
    problems, owner, wanted = [], {}, []
    for path, node in sorted(objects.items()):
        defined, undefined = symbols(path)
        for name in defined:
            owner.setdefault(name, node)
        wanted.append((os.path.basename(path), node, sorted(undefined)))
    for label, node, names in wanted:
        for name in names:
            if node != "os" and (name in SYSTEM_CALLS or name.startswith("pthread_")):
                problems.append(f"{node}/{label}: calls {name}, which belongs to os/")
            if not name.startswith(("tz_", "tuza_")):
                continue
            if name not in owner:
                problems.append(f"{node}/{label}: {name} is defined nowhere")
            elif owner[name] != node and owner[name] not in rules[node]:
                problems.append(f"{node}/{label}: {node} uses {name} of {owner[name]}")
    return problems


def objects_of(build):
    found = {}
    top = os.path.join(build, "CMakeFiles", "tuza_objects.dir", "src")
    for path, _, names in os.walk(top):
        for name in names:
            if name.endswith(".o"):
                found[os.path.join(path, name)] = os.path.relpath(path, top).split(os.sep)[0]
    return found


def check_folders(root, rules):
    listed = {name for name in os.listdir(os.path.join(root, "src")) if os.path.isdir(os.path.join(root, "src", name))}
    return [f"src/{name} is not in src/deps.rules" for name in sorted(listed - set(rules))]


# --- the test of this test -------------------------------------------------

GOOD_RULES = "NONE < include, base; base < os; include, os < chan; include !< base; chan < tests; # end\n"
BAD_RULES = {
    "a cycle": "NONE < z; b < a; a < b;",
    "defined twice": "NONE < a, b; a < b;",
    "no rule defines": "NONE < a; x < b;",
    "other rules allow it": "NONE < a; a < b; b < c; a !< c;",
    "cannot read": "NONE < a b;",
    "no '<'": "NONE;",
    "no such name": "NONE < a; a !< q;",
}
GOOD_TREE = {
    "include/tuza.h": "int tuza_f(void);\n",
    "src/base/base.h": '/* "chan/chan.h", pthread_create, __atomic_x */\n',
    "src/base/atomic.h": "#define tz_l(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)\n",
    "src/base/a.c": 'int tz_a(void);\nint tz_a(void)\n{\n    return "asm"[0];\n}\n',
    "src/os/a.c": "#include <pthread.h>\n#include \"base/base.h\"\nint tz_o(void);\nint tz_o(void)\n{\n"
                  "    return (int)pthread_self();\n}\n",
    "src/chan/c.c": '#include "tuza.h"\nextern int tz_o(void);\nint tuza_f(void)\n{\n    return tz_o();\n}\n',
}
BAD_FILES = {
    "base includes include/tuza.h": ("src/base/b.c", '#include "tuza.h"\n'),
    "include includes src/base/base.h": ("include/t.h", '#include "base/base.h"\n'),
    "is not in the tree": ("src/os/b.c", '#include "nothing.h"\n'),
    "folder extra is not in": ("src/extra/b.c", "int x;\n"),
    "atomics only in": ("src/chan/b.c", "#define tz_x(p) __sync_synchronize()\n"),
    "system calls and pthreads only in": ("src/chan/b.c", "#include <pthread.h>\n"),
    "calls raise, which belongs to os/": ("src/chan/b.c", "int raise(int);\nvoid f(void)\n{\n    raise(1);\n}\n"),
    "inline assembly only in": ("src/chan/b.c", 'void f(void)\n{\n    __asm__("nop");\n}\n'),
    "sched/gmp.h only in": ("src/chan/b.c", '#include "sched/gmp.h"\n'),
    "os uses tuza_f of chan": ("src/os/b.c", "int tuza_f(void);\nint g(void)\n{\n    return tuza_f();\n}\n"),
    "tz_none is defined nowhere": ("src/chan/b.c", "int tz_none(void);\nint g(void)\n{\n    return tz_none();\n}\n"),
}


def problems_of_tree(files):
    with tempfile.TemporaryDirectory() as root:
        objects = {}
        for name, text in files.items():
            path = os.path.join(root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        rules = parse_rules(GOOD_RULES)
        problems = check_folders(root, rules) + check_text(root, rules)
        for name in files:
            if not name.endswith(".c") or node_of(name) not in rules:
                continue
            path = os.path.join(root, name)
            done = subprocess.run(["cc", "-c", "-I", os.path.join(root, "include"), "-I", os.path.join(root, "src"),
                                   path, "-o", path + ".o"], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                objects[path + ".o"] = node_of(name)
        return problems + check_objects(objects, rules)


def self_test():
    found = problems_of_tree(GOOD_TREE)
    assert not found, f"finds fault with a good tree: {found}"
    for expected, text in BAD_RULES.items():
        try:
            parse_rules(text)
        except Refused as refused:
            assert expected in str(refused), f"wants '{expected}', says '{refused}'"
        else:
            raise AssertionError(f"accepts the rules: {text}")
    for expected, (name, text) in BAD_FILES.items():
        found = problems_of_tree({**GOOD_TREE, name: text})
        assert any(expected in problem for problem in found), f"does not see '{expected}': {found}"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    build, root = sys.argv[1:]
    self_test()
    with open(os.path.join(root, "src", "deps.rules"), encoding="utf-8") as file:
        rules = parse_rules(file.read())
    objects = objects_of(build)
    if not objects:
        sys.exit(f"no objects in {build}: build it first")
    problems = check_folders(root, rules) + check_text(root, rules) + check_objects(objects, rules)
    for problem in problems:
        print(problem)
    print(f"{len(objects)} objects, {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
