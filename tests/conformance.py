#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# ctest: release-only
"""docs/conformance.md is what scripts/conformance.py makes of the statements,
the tests and docs/go-differences.md as they are; every number that is named is
a statement; and every statement has a test or a difference.

usage: conformance.py BUILD_DIR SOURCE_DIR
"""
import difflib
import importlib.util
import os
import sys

root = sys.argv[2]
spec = importlib.util.spec_from_file_location("made", os.path.join(root, "scripts", "conformance.py"))
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)

# A table in which something is missing must be found out.
assert list(made.problems(root, "| CH-01 | x | open |  |  |")), "does not see a statement without a test"

table = "\n".join(made.table(root)) + "\n"
problems = list(made.problems(root, table))
committed = made.read(root, "docs", "conformance.md")
if committed != table:
    problems.append("docs/conformance.md is out of date: make conformance")
    problems += difflib.unified_diff(committed.splitlines(), table.splitlines(), "committed", "made", "", "", 0, "")
print("\n".join(problems))
print(f"{table.count('| held |')} held, {table.count('| differs |')} differ, {table.count('| open |')} open, "
      f"{len(problems)} problems")
sys.exit(1 if problems or "| held |" not in table else 0)
