#!/usr/bin/env python3
"""Holds the catalogue of faults, tests/faults.md, against the tests that it names.

Its table has a row for each of the 80 cases: the fault, its tests or `none: REASON`, and the
guarantee that it is about. Every test that is named must exist (see regressions.py for the
spelling), every case must have a row, and no fewer cases may have a test than LEAST.

Exit status: 0 it is so; 1 it is not.
"""

import pathlib
import re
import sys
from typing import NamedTuple

import regressions

PAGE = pathlib.Path(__file__).resolve().parent / "faults.md"
BEGIN, END = "<!-- catalogue:begin -->", "<!-- catalogue:end -->"
CASES = 80
# It only ever rises.
LEAST = 75


class Case(NamedTuple):
    """A row of the table."""

    number: int
    fault: str
    tests: list[str]
    reason: str
    guarantee: str


def read(text: str) -> list[Case]:
    """The cases of the page."""
    cases = []
    for line in text.split(BEGIN, 1)[1].split(END, 1)[0].splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if len(cells) == 4 and cells[0].isdigit():
            tests = re.findall(r"`([^`]+)`", cells[2])
            reason = cells[2].removeprefix("none: ") if cells[2].startswith("none: ") else ""
            cases.append(Case(int(cells[0]), cells[1], [] if reason else tests, reason, cells[3]))
    return cases


def problems(cases: list[Case]) -> list[str]:
    """Everything that is wrong with the table."""
    numbers = [case.number for case in cases]
    wrong = [
        f"case {n} has {numbers.count(n)} rows"
        for n in range(1, CASES + 1)
        if n not in numbers or numbers.count(n) > 1
    ]
    wrong += [f"there is no case {n}" for n in numbers if not 1 <= n <= CASES]
    for case in cases:
        if bool(case.tests) == bool(case.reason):
            wrong.append(f"case {case.number}: needs either tests or a reason")
        if not re.match(r"G\d", case.guarantee):
            wrong.append(f"case {case.number}: {case.guarantee!r} is no guarantee")
        found = map(regressions.problem, case.tests)
        wrong += [f"case {case.number}: {text}" for text in found if text]
    tested = sum(bool(case.tests) for case in cases)
    if tested < LEAST:
        wrong.append(f"{tested} cases have a test, fewer than {LEAST}")
    return wrong


def main() -> int:
    cases = read(PAGE.read_text())
    wrong = problems(cases)
    for line in wrong:
        print(f"FAILED: {line}")
    without = [f"{case.number} ({case.reason})" for case in cases if case.reason]
    print(
        f"{len(cases) - len(without)} of {CASES} cases have a test; without: {', '.join(without)}"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
