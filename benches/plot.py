#!/usr/bin/env python3
"""Draws docs/performance.svg: the ratios of the table "What was found" in README.md, as bars.

    plot.py          writes the picture
    plot.py --check  says whether it is what the table says (tests/test_plot.py does that too)

Exit status: 0 done, or it is so; 1 it is not.
"""

import argparse
import pathlib
import re
import sys
from typing import NamedTuple
from xml.sax.saxutils import escape

import svg

HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE / "README.md"
PICTURE = HERE.parent / "docs/performance.svg"
WIDTH, BAR, STEP, LEFT, RIGHT = 760, 16, 24, 330, 60


class Bar(NamedTuple):
    """A row of the table, by how it begins, which of its numbers, and what the bar is called."""

    row: str
    number: int
    label: str


TIMES = [
    Bar("one trivial call inside libmesos", 0, "a script, called inside Mesos"),
    Bar("through the runner, p50", 0, "a script of the launch path"),
    Bar("through the runner, p50", 1, "a script of a hook"),
    Bar("through the runner, p50", 2, "a script of usage"),
    Bar("`std::process::Command`", 0, "Rust's own Command, with temporary files"),
]
RATES = [
    Bar("usage without cache, 8 at once", 0, "8 scripts at once"),
    Bar("usage without cache, 200 at once", 0, "200 scripts at once"),
    Bar("cached usage inside", 1, "usage out of the cache"),
    Bar("C worker", 0, "a C worker, to a bare pipe"),
]
PANELS = [
    ("Time of a call; the bare command is 1, less is better", TIMES),
    ("Calls a second; the bare loop is 1, more is better", RATES),
]


def found(text: str, bar: Bar) -> float:
    """A number of the table: the figures of its column "found", without those in brackets."""
    section = text.split("## What was found", 1)[1]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0].startswith(bar.row):
            numbers = re.findall(r"\d+(?:\.\d+)?", re.sub(r"\([^)]*\)", "", cells[1]))
            return float(numbers[bar.number])
    raise LookupError(f"{TABLE.name} has no row that begins with: {bar.row}")


def draw(text: str) -> str:
    """The picture."""
    values = [[found(text, bar) for bar in bars] for _, bars in PANELS]
    scale = (WIDTH - LEFT - RIGHT) / max(max(each) for each in values)
    parts, y = [], 10
    for (title, bars), numbers in zip(PANELS, values, strict=True):
        parts.append(f'<text x="10" y="{y + 14}" font-weight="bold">{escape(title)}</text>')
        y += 26
        top = y
        for bar, number in zip(bars, numbers, strict=True):
            width = f"{number * scale:.1f}"
            parts += [
                f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(bar.label)}</text>',
                f'<rect x="{LEFT}" y="{y}" width="{width}" height="{BAR}" fill="#4477aa"/>',
                f'<text x="{LEFT + number * scale + 6:.1f}" y="{y + 13}">{number:.2f}</text>',
            ]
            y += STEP
        one = f"{LEFT + scale:.1f}"
        parts.append(
            f'<line x1="{one}" y1="{top - 4}" x2="{one}" y2="{y - 4}" stroke="#222222" '
            f'stroke-dasharray="4 3"/>'
        )
        y += 12
    return svg.document(WIDTH, y, parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    wanted = draw(TABLE.read_text())
    if not arguments.check:
        PICTURE.write_text(wanted)
    elif PICTURE.read_text() != wanted:
        print(f"{PICTURE.name} is not what {TABLE.name} says; {sys.argv[0]} draws it")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
