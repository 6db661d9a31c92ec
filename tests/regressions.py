#!/usr/bin/env python3
"""The table of faults that were mended, and of the tests that hold the mends.

Reads regressions.json, where each row has an `entry`, `what` is right since then, and either a
`test` (or a list) or a reason why it `stays` as it was. A test is `path::function` for Rust, and
`path#name` for a scenario or a script, where the name is a word of the file or a scenario of
suite.py. Every test that is named must exist, and every entry must have a row.

Exit status: 0 it is so; 1 it is not.
"""

import argparse
import json
import pathlib
import re
import sys
from collections.abc import Sequence
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
TABLE = HERE / "regressions.json"
SUITE = HERE / "mesos/suite.py"
# What it plays stands in both.
SCENARIOS = [SUITE, SUITE.with_name("hosts.py")]
ENTRIES = (
    [str(number) for number in range(1, 21)]
    + [f"D{number}" for number in range(1, 10)]
    + [f"V{number}" for number in range(1, 21)]
)

# Of the table.
Row = dict[str, Any]


def declared(path: pathlib.Path) -> bool:
    """Whether a Rust file is part of a program: an entry file, or declared as a module."""
    if path.name in ("main.rs", "lib.rs") or path.parent in (ROOT / "tests", ROOT / "cpp/tests"):
        return True
    name, directory = (
        (path.parent.name, path.parent.parent)
        if path.name == "mod.rs"
        else (path.stem, path.parent)
    )
    parents = [
        directory / "main.rs",
        directory / "lib.rs",
        directory / "mod.rs",
        directory.with_suffix(".rs"),
    ]
    if any(
        re.search(rf"^\s*(pub(\([a-z]+\))? )?mod {name};", parent.read_text(), re.MULTILINE)
        for parent in parents
        if parent.is_file()
    ):
        return True
    mounted = re.compile(rf'path = "(\S+/)?{re.escape(path.name)}"\]\s*mod ')
    return any(
        mounted.search(parent.read_text())
        for place in (directory, directory.parent)
        for parent in place.glob("*.rs")
    )


def rust(path: pathlib.Path, function: str) -> str | None:
    """What is wrong with a Rust test."""
    if not declared(path):
        return "no module declares the file"
    found = re.search(
        rf"((?:^[ \t]*(?:#\[.*|//.*)\n)*)^[ \t]*"
        rf"(?:pub )?fn {re.escape(function)}\b",
        path.read_text(),
        re.MULTILINE,
    )
    if not found:
        return f"there is no function {function}"
    if "#[test]" not in found[1]:
        return f"{function} is no #[test]"
    if "#[ignore" in found[1]:
        return f"{function} is ignored"
    return None


def named(path: pathlib.Path, name: str) -> str | None:
    """What is wrong with a scenario or a part of a script."""
    is_played = path.parent == SUITE.parent
    scenarios = "".join(it.read_text() for it in SCENARIOS) if is_played else ""
    if name in path.read_text() or f'"{name}"' in scenarios:
        return None
    return f"{name!r} stands neither in it nor in {SUITE.name}"


def problem(test: str) -> str | None:
    """What is wrong with a test of the table, or nothing."""
    kind = rust if "::" in test else named
    path, separator, name = test.partition("::" if kind is rust else "#")
    if not separator or not name:
        return f"{test}: is neither path::function nor path#name"
    if not (ROOT / path).is_file():
        return f"{test}: there is no such file"
    wrong = kind(ROOT / path, name)
    return f"{test}: {wrong}" if wrong else None


def tests(row: Row) -> list[str]:
    """The tests that a row names."""
    found = row.get("test", [])
    return [found] if isinstance(found, str) else found


def problems(rows: Sequence[Row]) -> list[str]:
    """Everything that is wrong with the table."""
    wrong = []
    for row in rows:
        entry = row.get("entry")
        if entry not in ENTRIES:
            wrong.append(f"{entry!r} is no entry")
        surplus = row.keys() - {"entry", "what", "test", "stays"}
        if surplus or not row.get("what"):
            wrong.append(f"{entry}: a row has entry, what, and either test or stays: {row}")
        if bool(tests(row)) == bool(row.get("stays")):
            wrong.append(f"{entry}: needs either a test or a reason why it stays")
        wrong += [f"{entry}: {found}" for found in map(problem, tests(row)) if found]
    missing = [entry for entry in ENTRIES if not any(row.get("entry") == entry for row in rows)]
    if missing:
        wrong.append(f"no row for {', '.join(missing)}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quiet", action="store_true", help="print no table, only what is wrong")
    arguments = parser.parse_args()
    rows = json.loads(TABLE.read_text())
    known = {entry: place for place, entry in enumerate(ENTRIES)}
    rows.sort(key=lambda row: known.get(row.get("entry"), len(known)))
    if not arguments.quiet:
        for row in rows:
            print(f"{row.get('entry'):4} {row.get('what')}")
            for test in tests(row):
                print(f"       {test}")
            if row.get("stays"):
                print(f"       stays: {row['stays']}")
    wrong = problems(rows)
    for line in wrong:
        print(f"FAILED: {line}")
    print(f"{len(rows)} rows, {sum(len(tests(row)) for row in rows)} tests, {len(wrong)} problems")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
