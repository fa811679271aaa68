#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# ctest: release-only
"""Compares the three lists of what the library offers: the symbols that
libtuza.so exports, those that tuza.map names, and the functions that the
public headers declare with TUZA_API. Also looks at what loaders see: soname,
no executable stack, never unloaded, at most 64 bytes of static TLS.

usage: abi.py BUILD_DIR SOURCE_DIR
"""
import glob
import os
import re
import subprocess
import sys

STATIC_TLS_MAX = 64
INTERPOSED = {"exit", "__cxa_get_globals", "__cxa_get_globals_fast"}  # over libc's
SANITIZER = re.compile(r"__(asan|tsan|ubsan|sanitizer|odr|start|stop|sancov)|_edata$|_end$|__bss_start$")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def without_comments(path):
    with open(path, encoding="utf-8") as file:
        return re.sub(r"/\*.*?\*/|//[^\n]*", "", file.read(), flags=re.S)


def exported(library):
    """{symbol: version}, the version's own symbol left out."""
    found = {}
    for line in run("readelf", "--dyn-syms", "-W", library).splitlines():
        fields = line.split()  # number, value, size, type, binding, visibility, section, name
        if len(fields) < 8 or fields[4] not in ("GLOBAL", "WEAK", "UNIQUE") or fields[6] in ("UND", "ABS"):
            continue
        name, _, version = fields[7].partition("@")
        if not SANITIZER.match(name):
            found[name] = version.lstrip("@")
    return found


def mapped(path):
    found = {}
    for node, body in re.findall(r"(\w[\w.]*)\s*\{(.*?)\}", without_comments(path), flags=re.S):
        for name in re.findall(r"([^\s;:{}]+)\s*;", re.sub(r"local:.*", "", body, flags=re.S)):
            found[name] = node
    return found


def declared(root):
    found = set()
    for path in [os.path.join(root, "include", "tuza.h")] + glob.glob(os.path.join(root, "include", "tuza", "*.h")):
        text = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", "", without_comments(path), flags=re.M)
        for statement in re.findall(r"\bTUZA_API\b([^;{]*)", text):
            statement = re.sub(r"\bTUZA_[A-Z_]+(?:\([^()]*\))?", "", statement)
            match = re.search(r"(\w+)\s*(?:\(|\[|$)", statement.strip())
            found.add(match.group(1))
    return found


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    build, root = sys.argv[1:]
    library = os.path.join(build, "libtuza.so")
    problems = []
    exports, versions, declarations = exported(library), mapped(os.path.join(root, "tuza.map")), declared(root)
    for name in sorted(INTERPOSED):
        if exports.pop(name, None) != "":
            problems.append(f"{name}: is to be exported without a version, over that of libc or the C++ runtime")
    if not declarations:
        problems.append("no function is declared TUZA_API: is this the source folder?")
    for a, b, text in [
            (declarations, versions, "declared, not in tuza.map"),
            (versions, declarations, "in tuza.map, not declared with TUZA_API"),
            (versions, exports, "in tuza.map, not in libtuza.so"),
            (exports, versions, "exported by libtuza.so, not in tuza.map")]:
        problems += [f"{name}: {text}" for name in sorted(set(a) - set(b))]
    problems += [f"{name}: version {exports[name]}, tuza.map says {versions[name]}"
                 for name in sorted(set(exports) & set(versions)) if exports[name] != versions[name]]
    problems += [f"{name}: not a tuza_ name" for name in sorted(declarations) if not name.startswith("tuza_")]

    dynamic, segments = run("readelf", "-dW", library), run("readelf", "-lW", library)
    if "[libtuza.so.0]" not in dynamic:
        problems.append("the soname is not libtuza.so.0")
    if "NODELETE" not in dynamic:
        problems.append("not marked NODELETE")
    if re.search(r"GNU_STACK.* RWE ", segments) or "GNU_STACK" not in segments:
        problems.append("asks for an executable stack")
    if "SHSTK" in run("readelf", "-nW", library):
        problems.append("claims shadow stacks (SHSTK)")
    match = re.search(r"^\s*TLS\s+\S+\s+\S+\s+\S+\s+\S+\s+(0x[0-9a-f]+)", segments, flags=re.M)
    if match and int(match.group(1), 16) > STATIC_TLS_MAX:
        problems.append(f"{int(match.group(1), 16)} bytes of static TLS, more than {STATIC_TLS_MAX}")

    for problem in problems:
        print(problem)
    print(f"{len(declarations)} functions, {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
