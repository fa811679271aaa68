#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# ctest: release-only
"""The chart of the benchmarks: it draws what the data says, and the one in
docs/ is of the data beside it.

usage: bench_chart.py BUILD_DIR SOURCE_DIR
"""
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

root = sys.argv[2]
script = os.path.join(root, "bench", "chart.py")


def draw(path):
    return subprocess.run([sys.executable, script, path], capture_output=True, text=True, check=False)


def row(work, figure, procs, **peers):
    return {"work": work, "figure": figure, "unit": "ns", "procs": procs, **peers}


def drawn(rows):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"note": "a <machine> & more", "rows": rows}, file)
        file.flush()
        return draw(file.name)


done = drawn([row("fast", "fast", 1, tuza=10, go=100), row("fast", "fast", 2, tuza=10, go=10),
              row("fast", "fast_memory", 1, tuza=1, go=1), row("slow", "slow", 1, tuza=20, go=10),
              row("alone", "alone", 1, tuza=5)])
assert done.returncode == 0, done.stderr
tree = ET.fromstring(done.stdout)
ns = "{http://www.w3.org/2000/svg}"
texts = [t.text for t in tree.iter(ns + "text")]
bars = [r for r in tree.iter(ns + "rect") if r.get("class") == "bar"]
assert len(bars) == 3, len(bars)
assert {"fast", "slow", "10", "1", "0.5", "a <machine> & more"} <= set(texts) and "alone" not in texts, texts
widths = [float(b.get("width")) for b in bars]
assert widths[0] > 3 * widths[2] > 3 * widths[1], widths  # log 10, log 2, log 1
assert float(bars[2].get("x")) < float(bars[0].get("x")), "what is slower is not to the left"
assert drawn([row("alone", "alone", 1, tuza=5)]).returncode != 0, "draws nothing at all"

data, svg = (os.path.join(root, "docs", "bench." + kind) for kind in ("json", "svg"))
if os.path.exists(data):
    with open(svg, encoding="utf-8") as file:
        assert file.read() == draw(data).stdout, "docs/bench.svg is not of docs/bench.json: bench/chart.py"
print("ok")
