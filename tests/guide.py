#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# ctest: release-only | timeout 900
"""Every example of docs/guide.md and of README.md: compiled by gcc and clang
without a warning, run, and its output compared.

A block of ```c or ```cpp is a program, the ```text block behind it what that
prints, on standard output and error together; a line "..." there stands for
any lines. "```text exit 2" is its exit code where that is not 0, and
"```c env NAME=VALUE" what it needs in its environment. Where an example has
no main or no #include, those of the guide's first one are put around it.

usage: guide.py BUILD_DIR SOURCE_DIR
"""
import os
import re
import subprocess
import sys
import tempfile

BUILD, ROOT = map(os.path.abspath, sys.argv[1:3])
HEAD = {"c": "#include <stdio.h>\n#include <string.h>\n#include <tuza.h>\n", "cpp": "#include <tuza.hpp>\n"}
MAIN = """
int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv) < 0;
}
"""
COMPILERS = {"c": (["gcc", "-std=c11"], ["clang", "-std=c11"]),
             "cpp": (["g++", "-std=c++17"], ["clang++", "-std=c++17"])}
FLAGS = ["-O1", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-D_GNU_SOURCE"]


def examples(path):
    """(line, language, [NAME=VALUE], program, exit code, output); output None where none is given."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    blocks = [(text[:m.start()].count("\n") + 1, m[1].split(), m[2])
              for m in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, flags=re.M | re.S)]
    for number, (line, info, body) in enumerate(blocks):
        if not info or info[0] not in HEAD:
            continue
        behind = blocks[number + 1] if number + 1 < len(blocks) else (0, [], "")
        code, out = 0, None
        if behind[1][:1] == ["text"]:
            out = behind[2]
            code = int(behind[1][2]) if behind[1][1:2] == ["exit"] else 0
        yield line, info[0], info[2:] if info[1:2] == ["env"] else [], body, code, out


def whole(language, body):
    if "#include <tuza" not in body:
        body = HEAD[language] + body
    return body if re.search(r"\bmain\(", body) else body + MAIN


def same(expected, got):
    parts = [re.escape(part) for part in re.split(r"^\.\.\.\n", expected, flags=re.M)]
    return re.fullmatch("(?:.*\n)*".join(parts), got) is not None


def run(program, variables):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("TUZA_", "GO"))}
    env.update(word.split("=", 1) for word in variables)
    try:
        done = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, env=env,
                              stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired as error:
        return "timeout", (error.stdout or b"").decode(errors="replace")
    return done.returncode, done.stdout.decode(errors="replace")


def check(folder, example):
    """What is wrong with it."""
    _, language, variables, body, code, out = example
    if out is None:
        yield "no output is given"
        return
    source, program = os.path.join(folder, "example." + language), os.path.join(folder, "example")
    with open(source, "w", encoding="utf-8") as file:
        file.write(whole(language, body))
    for compiler in COMPILERS[language]:
        built = subprocess.run([*compiler, *FLAGS, "-I", os.path.join(ROOT, "include"), source, "-o", program,
                                os.path.join(BUILD, "libtuza.a"), "-pthread", "-ldl"], capture_output=True, text=True,
                               check=False)
        if built.returncode:
            yield f"{compiler[0]}: {built.stderr}"
            continue
        exited, printed = run(program, variables)
        if exited != code or not same(out, printed):
            yield f"{compiler[0]}: exit code {exited}, not {code}; prints\n{printed}instead of\n{out}"


def main():
    assert same("a\n...\nb\n", "a\n1\n2\nb\n") and not same("a\n", "a\nb\n") and not same("a.\n", "ab\n")
    only = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    count = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in ("README.md", "docs/guide.md"):
            for example in examples(os.path.join(ROOT, name)):
                if only and example[0] != only:
                    continue
                count += 1
                for problem in check(folder, example):
                    failed += 1
                    print(f"{name}:{example[0]}: {problem}")
    print(f"{count} examples, {failed} problems")
    sys.exit(1 if failed or count == 0 else 0)


main()
