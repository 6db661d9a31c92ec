#!/usr/bin/env python3
"""Circles among the files of one folder of the engine, by their imports.

    tests/circles.py                  the circles of all folders
    tests/circles.py src/run          of some

A file uses another of its folder when it names something that is defined there, directly
(`super::lane::Permit`) or through what the folder's mod.rs passes on (`super::Permit`,
`crate::run::Permit`). Test code does not count.

Exit status: 0 no circle has more than two files in the folders of CHECKED; 1 one has.
"""

import pathlib
import re
import sys
from collections.abc import Iterator, Mapping

import architecture

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Where it is a rule.
CHECKED = [
    "src/call",
    "src/cli/check",
    "src/config",
    "src/metrics",
    "src/reactor",
    "src/run",
    "src/staging",
    "src/sys",
    "src/worker",
]
MOST = 2

Uses = dict[str, set[str]]


def names(tree: str, prefix: str = "") -> Iterator[str]:
    """The paths of a use tree: `a::{b, c::D}` is `a::b` and `a::c::D`."""
    tree = tree.strip()
    if not tree.endswith("}"):
        yield prefix + tree.split(" as ")[0].strip()
        return
    head, body = tree[:-1].split("{", 1)
    depth, begin = 0, 0
    for index, letter in enumerate(body + ","):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            if part := (body + ",")[begin:index].strip():
                yield from names(part, prefix + head)
            begin = index + 1


def code(file: pathlib.Path) -> str:
    return "\n".join(line for _, line in architecture.without_tests(file.read_text()))


def imported(text: str) -> Iterator[str]:
    """All paths that code imports or names in place."""
    use = re.compile(r"\b(?:pub(?:\([^)]*\))? )?use ([^;]+);")
    for tree in use.findall(text):
        yield from names(" ".join(tree.split()))
    yield from re.findall(r"\b(?:super|crate::\w+)(?:::\w+)+", use.sub("", text))


def uses(folder: pathlib.Path) -> Uses:
    """For each file of a folder those that it uses."""
    skipped = architecture.test_files(folder)
    files = {file.stem: file for file in folder.glob("*.rs") if file not in skipped}
    root = files.pop("mod", None)
    passed_on = {}
    for path in imported(code(root)) if root else []:
        parts = path.removeprefix("self::").split("::")
        if parts[0] in files:
            passed_on[parts[-1]] = parts[0]
    found: Uses = {name: set() for name in files}
    for name, file in files.items():
        for path in imported(code(file)):
            parts = path.split("::")
            if parts[0] == "super":
                parts = parts[1:]
            elif parts[:2] == ["crate", folder.name]:
                parts = parts[2:]
            else:
                continue
            first = parts[0] if parts else ""
            used = first if first in files else passed_on.get(first)
            if used and used != name:
                found[name].add(used)
    return found


def circles(found: Mapping[str, set[str]]) -> list[list[str]]:
    """The groups of files each of which reaches all others, of two files or more."""
    reach = {name: set(used) for name, used in found.items()}
    for middle, beyond in reach.items():
        for reached in reach.values():
            if middle in reached:
                reached.update(beyond)
    groups = {
        tuple(sorted(other for other in reach if other in reach[name] and name in reach[other]))
        for name in reach
    }
    return sorted(list(group) for group in groups if len(group) > 1)


def problems(root: pathlib.Path) -> list[str]:
    """Circles that are too long where that is a rule."""
    return [
        f"{folder}: a circle of {len(circle)} files: {', '.join(circle)}"
        for folder in CHECKED
        for circle in circles(uses(root / folder))
        if len(circle) > MOST
    ]


def main() -> None:
    folders = [pathlib.Path(argument) for argument in sys.argv[1:]]
    for folder in folders or sorted({file.parent for file in (ROOT / "src").rglob("mod.rs")}):
        for circle in circles(uses(folder)):
            print(f"{folder}: {len(circle)} files: {', '.join(circle)}")
    wrong = problems(ROOT)
    for line in wrong:
        print(f"FAILED: {line}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
