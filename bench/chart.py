#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Draws how many times as much Go needs as tuza, for the first figure of each
work, from the data that `bench/run --data` has written: an SVG on standard
output.

usage: chart.py DATA
"""
import json
import math
import sys
from html import escape

LEFT, RIGHT, TOP, BAR, GAP = 130, 70, 64, 9, 7  # pixels
WIDTH = 760
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
COLOURS = {1: "#2a6fb0", 2: "#7fb2de"}  # by P
SLOWER = "#c8553d"


def ratios(data):
    """{name: {P: ratio}} of the first figure of each work that has both peers."""
    first, found = {}, {}
    for row in data["rows"]:
        if row["figure"] != first.setdefault(row["work"], row["figure"]):
            continue
        if row.get("tuza", 0) > 0 and row.get("go", 0) > 0:
            found.setdefault(row["figure"], {})[row["procs"]] = row["go"] / row["tuza"]
    return found


def number(value):
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def text(x, y, what, anchor="start", size=12, colour="#444"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">'
            f"{escape(what)}</text>")


def chart(data):
    works = ratios(data)
    if not works:
        sys.exit("chart.py: no work with figures of tuza and of Go")
    values = [r for by_procs in works.values() for r in by_procs.values()]
    low = max((t for t in TICKS if t <= min(1, *values)), default=TICKS[0])
    high = min((t for t in TICKS if t >= max(1, *values)), default=TICKS[-1])
    high = high if high > low else 2

    def at(ratio):
        share = math.log(min(max(ratio, low), high) / low) / math.log(high / low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    height = TOP + sum(len(by_procs) * BAR + GAP for by_procs in works.values()) + 12
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
           f'font-family="sans-serif">', f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
           text(12, 20, "Go / tuza: how many times as much Go needs", size=15, colour="#111"),
           text(12, 37, data["note"], size=10)]
    for place, procs in enumerate(sorted({procs for by_procs in works.values() for procs in by_procs})):
        x = WIDTH - 190 + place * 95
        out.append(f'<rect x="{x}" y="11" width="10" height="10" fill="{COLOURS.get(procs, COLOURS[2])}"/>')
        out.append(text(x + 14, 20, f"P = {procs}"))
    for tick in TICKS:
        if low <= tick <= high:
            x = at(tick)
            out.append(f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 8}" '
                       f'stroke="{"#666" if tick == 1 else "#ddd"}"/>')
            out.append(text(x, TOP - 10, f"{tick:g}", "middle", 10))
    y = TOP
    for name, by_procs in works.items():
        out.append(text(LEFT - 8, y + len(by_procs) * BAR / 2 + 4, name, "end"))
        for procs, ratio in sorted(by_procs.items()):
            left, right = sorted((at(1), at(ratio)))
            colour = COLOURS.get(procs, COLOURS[2]) if ratio >= 1 else SLOWER
            out.append(f'<rect class="bar" x="{left:.1f}" y="{y}" width="{max(right - left, 1):.1f}" '
                       f'height="{BAR - 1}" fill="{colour}"/>')
            out.append(text(max(right, at(1)) + 5, y + BAR - 1, number(ratio), size=9))
            y += BAR
        y += GAP
    return "\n".join([*out, "</svg>"]) + "\n"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        print(chart(json.load(file)), end="")


if __name__ == "__main__":
    main()
