#!/usr/bin/env python3
"""Holds docs/licences.md, the list of what we hand on to others, against what cargo links.

    licences.py [--write]

The list has each package that becomes part of the shared library or of a program that an operator
installs, with its licence. A package whose licence is not among those that the page names as
accepted is an error, whether it is listed or not. `--write` makes the list anew.

Exit status: 0 it is so; 1 it is not.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = "docs/licences.md"
BEGIN, END = "<!-- licences:begin -->", "<!-- licences:end -->"
# What is installed, by package. Macros and build scripts run in the compiler and are not linked.
PRODUCTS = {"mesos-command-modules": "library", "mesos-command": "tool"}
# Licences under which everybody may use, change and pass on what we build, without more than a
# notice. Of a choice one is enough; of what is joined by AND all must be here.
ACCEPTED = {
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}


def linked(package: str) -> dict[str, str]:
    """The packages of others that a package of ours links, and their licences."""
    words = f"tree --locked -p {package} -e normal,no-proc-macro --prefix none --format"
    tree = subprocess.run(
        [os.environ.get("CARGO", "cargo"), *words.split(), "{p}|{l}|{r}"],
        cwd=ROOT,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    )
    found = {}
    for line in tree.stdout.splitlines():
        name, licence, _ = line.removesuffix(" (*)").split("|")
        if f"({ROOT}" not in name:
            found[name.split()[0]] = licence
    return found


def is_accepted(expression: str) -> bool:
    """Whether an SPDX expression, also of the old form with a slash, leaves an accepted choice."""
    text = re.sub(r"\s*/\s*| or ", " OR ", expression)
    while inner := re.search(r"\(([^()]*)\)", text):
        name = "Apache-2.0" if is_accepted(inner[1]) else "unknown"
        text = text[: inner.start()] + name + text[inner.end() :]
    return any(
        all(part.strip() in ACCEPTED for part in choice.split(" AND "))
        for choice in text.split(" OR ")
    )


def rows() -> list[str]:
    """The table as it has to be."""
    parts: dict[str, set[str]] = {}
    licences: dict[str, str] = {}
    for package, product in PRODUCTS.items():
        for name, licence in linked(package).items():
            parts.setdefault(name, set()).add(product)
            licences[name] = licence
    lines = ["| package | licence | part of |", "|---|---|---|"]
    for name in sorted(parts):
        lines.append(f"| {name} | {licences[name] or 'none'} | {', '.join(sorted(parts[name]))} |")
    return lines


def refused(lines: list[str]) -> list[str]:
    """What a table has under a licence that is not accepted."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return [f"{row[0]} has the licence {row[1]}" for row in cells if not is_accepted(row[1])]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="makes the list anew")
    arguments = parser.parse_args()
    page = ROOT / PAGE
    text = page.read_text()
    before, rest = text.split(BEGIN)
    old, after = rest.split(END)
    lines = rows()
    wrong = refused(lines)
    for problem in wrong:
        print(f"{problem}: accepted are {', '.join(sorted(ACCEPTED))}")
    if arguments.write:
        page.write_text("\n".join([before + BEGIN, *lines, END + after]))
    elif old.strip().splitlines() != lines:
        listed = set(old.strip().splitlines())
        for line in sorted(set(lines) ^ listed):
            print(f"{PAGE} {'has not' if line in lines else 'has still'}: {line}")
        print(f"make the list anew: {sys.executable} tests/licences.py --write")
        wrong.append(PAGE)
    print(f"{len(lines) - 2} packages of others, {len(wrong)} problems")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
