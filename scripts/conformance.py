#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Prints docs/conformance.md: each statement of docs/conformance/statements.txt
with the tests that name it, and, from docs/go-differences.md, in what tuza is
not as it says, and why.

usage: conformance.py [SOURCE_DIR]
"""
import os
import re
import sys

HEAD = """<!-- SPDX-License-Identifier: BSD-3-Clause -->
<!-- Made by scripts/conformance.py (make conformance) of the statements, the tests and go-differences.md. -->
# Statement by statement

What Go 1.27 does, in numbered statements ([in short](conformance/statements.txt)); for each of them the tests under
`tests/` that name it, with the test functions or crash cases in brackets, and whether it is held. Where tuza differs
the last column has what it does instead, and why, as [go-differences.md](go-differences.md) tells in full.

"""
NUMBER = re.compile(r"\b([A-Z]{2})-(\d\d)\b(?: to (?:\1-)?(\d\d)\b)?")


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def numbers(text):
    """The statements named in it, ranges (GM-14 to GM-17) spelled out."""
    found = []
    for group, first, last in NUMBER.findall(text):
        found += [f"{group}-{n:02}" for n in range(int(first), int(last or first) + 1)]
    return found


def statements(root):
    """[(group, title, [(number, text)])]."""
    groups = []
    for line in read(root, "docs", "conformance", "statements.txt").splitlines():
        if match := re.match(r"([A-Z]{2})-\d\d ", line):
            groups[-1][2].append((line[:5], line[6:]))
        elif match := re.match(r"([A-Z]{2}) (.+)", line):
            groups.append((match[1], match[2], []))
        elif line and not line.startswith("#"):
            sys.exit(f"statements.txt: {line}")
    return groups


def head_end(lines):
    """Where the comment at the top of a C file ends, which speaks for all of it."""
    for at, line in enumerate(lines):
        if line and not line.startswith(("/*", " *", "//")):
            return at
    return len(lines)


def test_functions(lines):
    """For each line the TEST() it is in, or that comes next; "" before the first code and behind the last."""
    owner, at = [""] * len(lines), head_end(lines)
    for number, line in enumerate(lines):
        if match := re.match(r"TEST\((\w+)\)", line):
            end = next(i for i in range(number, len(lines)) if lines[i].startswith("}"))
            owner[at:end + 1] = [match[1]] * (end + 1 - at)
            at = end + 1
    return owner


def crash_cases(lines):
    """The same for the cases of a crash program, which begin with //! lines; several for one function are one."""
    owner, at, end = [""] * len(lines), head_end(lines), 0
    while at < len(lines):
        start = next((i for i in range(at, len(lines)) if lines[i].startswith("//! ")), None)
        if start is None:
            break
        end = next((i for i in range(start, len(lines)) if lines[i].startswith("}")), len(lines) - 1)
        names = [line.split()[1] for line in lines[start:end] if line.startswith("//! ")]
        owner[at:end + 1] = [", ".join(names)] * (end + 1 - at)
        at = end + 1
    return owner


def tests(root):
    """{number: {file: [function]}}, in the order of the files."""
    found = {}
    for folder, folders, names in os.walk(os.path.join(root, "tests")):
        folders.sort()
        for name in sorted(names):
            if not name.endswith((".c", ".cc", ".sh", ".py")):
                continue
            lines = read(folder, name).splitlines()
            owner = [""] * len(lines)
            if name.endswith((".c", ".cc")):
                owner = crash_cases(lines) if os.path.basename(folder) == "crash" else test_functions(lines)
            path = os.path.relpath(os.path.join(folder, name), os.path.join(root, "tests"))
            path = re.sub(r"\.(c|cc)$", "", path)
            for line, function in zip(lines, owner):
                for number in numbers(line):
                    functions = found.setdefault(number, {}).setdefault(path, [])
                    if function and function not in functions:
                        functions.append(function)
    return found


def differences(root):
    """{number: [text]}: what is different, and why, of the rows that name it."""
    found = {}
    for line in read(root, "docs", "go-differences.md").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) != 3 or cells[0] in ("what", "---"):
            continue
        what, why = (re.sub(r"\s*\((?=[^()]*\b[A-Z]{2}-\d\d\b)[^()]*\)", "", cell.replace("**", ""))
                     for cell in cells[:2])
        what = re.split(r"(?<=[a-z)`])\. (?=[A-Z`])", what)[0].rstrip(".")
        for number in dict.fromkeys(numbers(cells[0] + " " + cells[1])):
            found.setdefault(number, []).append(f"{what} ({why})" if why else what)
    return found


def problems(root, table):
    """What is wrong with the statements, the tests and the differences, given the table."""
    known = {number for _, _, rows in statements(root) for number, _ in rows}
    for number in sorted((tests(root).keys() | differences(root).keys()) - known):
        yield f"{number} is named, and is no statement"
    for number in re.findall(r"^\| (\S+) \| [^|]* \| open \|", table, flags=re.M):
        yield f"{number} has neither a test nor a difference"


def table(root):
    named, differ = tests(root), differences(root)
    yield HEAD.rstrip("\n")
    for group, title, rows in statements(root):
        yield f"\n## {group}: {title}\n"
        yield "| | statement | | tests | instead, and why |"
        yield "| --- | --- | --- | --- | --- |"
        for number, text in rows:
            files = [path + (f" [{', '.join(functions)}]" if functions else "")
                     for path, functions in named.get(number, {}).items()]
            state = "differs" if number in differ else "held" if files else "open"
            yield f"| {number} | {text} | {state} | {'; '.join(files)} | {'; '.join(differ.get(number, []))} |"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    print("\n".join(table(root)))


if __name__ == "__main__":
    main()
