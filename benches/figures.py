"""The figures of the benches: their names, their bounds, and the lines that benches print.

bounds.json lists every figure. A bench prints one object on a line for each:
{"figure": "spawn: launch, files p50", "value": 1.07, "unit": "x bare"}. README.md has more.
"""

import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

BENCHES = pathlib.Path(__file__).resolve().parent
BOUNDS = BENCHES / "bounds.json"
# What is measured by counting needs no rounds.
GROUPS = [
    "spawn",
    "cache",
    "metrics",
    "codec",
    "warm",
    "worker",
    "multiplex",
    "memory",
    "instructions",
    "inside",
    "big",
]

# Empty for a figure that is only shown; else `least`, `most`, or `instructions` with a `slack`.
Bound = dict[str, float]


class WrongFigures(Exception):
    """The list and what is measured do not agree; how."""


class Figure(NamedTuple):
    """One figure of a run."""

    name: str
    value: float
    unit: str

    def __str__(self) -> str:
        number = f"{self.value:.3f}" if self.unit.startswith("x") else f"{self.value:,.0f}"
        return f"{number:>12} {self.unit:8}"


class Verdict(NamedTuple):
    """What a bound says about a figure."""

    # The bound in words.
    bound: str
    within: bool


def bounds() -> dict[str, Bound]:
    """The bounds of all figures; one that nothing prints is an error before any measurement."""
    listed: dict[str, Bound] = json.loads(BOUNDS.read_text())
    problems = name_problems(listed, BENCHES)
    if problems:
        raise WrongFigures("; ".join(problems))
    return listed


def name_problems(listed: Iterable[str], benches: pathlib.Path) -> list[str]:
    """Figures that stand in the list alone. A bench with one that it lacks does not compile.

    Names are spelt out in the sources, so that they can be looked for there.
    """
    sources = [path.read_text() for end in ("rs", "py") for path in benches.glob(f"*.{end}")]
    printed = [name for name in listed if any(f'"{name}"' in text for text in sources)]
    wrong = [f"{name}: nothing prints it" for name in listed if name not in printed]
    return wrong + [f"{name}: no such group" for name in listed if group(name) not in GROUPS]


def group(name: str) -> str:
    """The group of a figure, which its name begins with."""
    return name.partition(":")[0]


def objects(text: str) -> list[dict[str, Any]]:
    """The objects that stand alone on a line of a program's output."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def read(text: str) -> list[Figure]:
    """The figures in a bench's output."""
    return [
        Figure(line["figure"], float(line["value"]), line["unit"])
        for line in objects(text)
        if "figure" in line
    ]


def check(measured: str, found: Iterable[Figure], listed: Iterable[str]) -> None:
    """A group that was measured has each of its figures once, and no other."""
    names = [figure.name for figure in found]
    wanted = {name for name in listed if group(name) == measured}
    wrong = [
        f"{name}: has a place in the list, but was not measured"
        for name in sorted(wanted - set(names))
    ]
    wrong += [f"{name}: is not in {BOUNDS.name}" for name in sorted(set(names) - wanted)]
    wrong += [f"{name}: was printed twice" for name in set(names) if names.count(name) > 1]
    if wrong:
        raise WrongFigures("; ".join(wrong))


def judge(bound: Mapping[str, float], value: float) -> Verdict:
    """Whether a value is within its bound."""
    if not bound:
        return Verdict("", True)
    if "instructions" in bound:
        least, most = (bound["instructions"] * (1 + sign * bound["slack"]) for sign in (-1, 1))
        return Verdict(f"{bound['instructions']} ± {bound['slack']:.0%}", least <= value <= most)
    least, most = bound.get("least", float("-inf")), bound.get("most", float("inf"))
    return Verdict(f">= {least:g}" if "least" in bound else f"<= {most:g}", least <= value <= most)
