#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# ctest: release-only
"""The form of the sources: line length, leftovers, size of files and
functions, and clang-format's opinion where the version we use is installed.

usage: tidy.py BUILD_DIR SOURCE_DIR
"""
import os
import re
import shutil
import subprocess
import sys

LINE_MAX = 110
SCRIPT_LINE_MAX = 120
FUNCTION_MAX = 90
FILE_MAX = 600
CLANG_FORMAT = "14."  # others lay out some lines differently
FOLDERS = ["src", "include", "tests", "examples", "bench", "cmake", "scripts", "docs", "tools", ".ci"]
TOP = ["CMakeLists.txt", "CMakePresets.json", "Makefile", "tuza.map", "README.md", "ARCHITECTURE.md", "HACKING.md"]
C_FILES = (".c", ".h", ".cc", ".hpp")
SOURCES = C_FILES + (".S",)
TEXTS = SOURCES + (".py", ".sh", ".txt", ".cmake", ".in", ".json", ".rules", ".map", ".md", ".pml", ".go", "Makefile",
                   "scripts/setup", "scripts/test", ".ci/run", "bench/run")
# Spelled so that this file does not find itself.
LEFTOVER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


def texts(root):
    paths = [name for name in TOP if os.path.isfile(os.path.join(root, name))]
    for folder in FOLDERS:
        for path, _, names in os.walk(os.path.join(root, folder)):
            paths += [os.path.relpath(os.path.join(path, name), root) for name in names]
    return sorted(path for path in paths if path.endswith(TEXTS) and path != "docs/bench.json")  # a program's output


def functions(lines):
    """(line, name, length) of each function with its braces in column 0."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            name = "?"
            for above in range(start - 2, -1, -1):
                match = re.match(r"[\w].*?(\w+)\(", lines[above])
                if match:
                    name = match.group(1)
                    break
                if not lines[above].startswith((" ", "\t")):
                    break
            if name != "?":  # a class, in C++
                yield start, name, number - start + 1
            start = None


def check(path, text):
    lines = text.split("\n")
    limit = LINE_MAX if path.endswith(SOURCES) else SCRIPT_LINE_MAX
    if not text.endswith("\n"):
        yield f"{path}: the last line has no end"
    elif text.endswith("\n\n"):
        yield f"{path}: empty lines at the end"
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        if len(line) > limit and not path.endswith(".md"):
            yield f"{where}: {len(line)} columns, more than {limit}"
        if LEFTOVER.search(line):
            yield f"{where}: a leftover note: {line.strip()}"
        if line != line.rstrip():
            yield f"{where}: blanks at the end"
        if "\t" in line and path.endswith(C_FILES):
            yield f"{where}: a tab"
    if path.endswith(SOURCES):
        if "SPDX-License-Identifier: BSD-3-Clause" not in lines[0] + (lines[1] if len(lines) > 1 else ""):
            yield f"{path}: the licence line is missing"
        if len(lines) - 1 > FILE_MAX:
            yield f"{path}: {len(lines) - 1} lines, more than {FILE_MAX}"
    if path.endswith(C_FILES):
        for number, name, length in functions(lines):
            if length > FUNCTION_MAX:
                yield f"{path}:{number}: {name} has {length} lines, more than {FUNCTION_MAX}"


def self_test():
    head = "/* SPDX-License-Identifier: BSD-3-Clause */\n"
    good = head + "int f(void)\n{\n    return 0;\n}\n"
    assert not list(check("src/a.c", good)), list(check("src/a.c", good))
    for expected, text in {
            "columns": head + "// " + "x" * LINE_MAX + "\n",
            "leftover": head + "/* TO" "DO: this */\n",
            "no end": head + "int x;",
            "empty lines": head + "\n",
            "blanks": head + "int x; \n",
            "a tab": head + "\tint x;\n",
            "licence": "int x;\n",
            f"more than {FILE_MAX}": head + "int x;\n" * FILE_MAX,
            "f has": head + "int f(void)\n{\n" + "    g();\n" * FUNCTION_MAX + "}\n"}.items():
        found = list(check("src/a.c", text))
        assert any(expected in problem for problem in found), f"does not see '{expected}': {found}"


def format_problems(root, paths):
    tool = shutil.which("clang-format")
    if not tool:
        return []
    version = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
    if f"version {CLANG_FORMAT}" not in version:
        print(f"not asked: {version.strip()}")
        return []
    done = subprocess.run([tool, "--dry-run", "-Werror", "--style=file", *paths], cwd=root, capture_output=True,
                          text=True, check=False)
    problems = [line for line in done.stderr.splitlines() if "error:" in line]
    return problems or ([done.stderr.strip()] if done.returncode else [])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    root = sys.argv[2]
    self_test()
    problems = []
    paths = texts(root)
    for path in paths:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            problems += check(path, file.read())
    problems += format_problems(root, [path for path in paths if path.endswith(C_FILES)])
    for problem in problems:
        print(problem)
    print(f"{len(paths)} files, {len(problems)} problems")
    sys.exit(1 if problems or not paths else 0)


main()
