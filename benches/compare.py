#!/usr/bin/env python3
"""Figures of two commits side by side, measured in turn on this machine.

    benches/compare.py 12d5f5e                       every group, three rounds
    benches/compare.py HEAD~1 --only worker --rounds 9

The other commit is built in a work tree of its own (target/compare/<commit>). In each round every
group is measured once in both trees, each by its own table.py, another tree first each time. A
figure that has a bound is judged: it is WORSE when its median moved to the bad side by more than
the other commit's own runs differ from their median, and by more than one percent. Figures without
a bound are shown only.

Exit status: 0 nothing is worse; 1 something is; 2 a command failed.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

import figures
from figures import Bound, Figure

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOLS = ROOT / "target/tools"
# Differences below this are not told from noise on any machine, however few rounds were made.
LEAST = 0.01

# Each figure's values in all rounds, by its name and unit.
Runs = dict[tuple[str, str], list[float]]


def work_tree(commit: str) -> tuple[pathlib.Path, str]:
    """A work tree of `commit` below target/, made on first use, and its short name."""
    name = subprocess.run(
        ["git", "rev-parse", "--verify", f"{commit}^{{commit}}"],
        cwd=ROOT,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    ).stdout.strip()
    tree = ROOT / "target/compare" / name[:12]
    if not (tree / "Cargo.toml").is_file():
        tree.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "--quiet", "--no-checkout", ROOT, tree], check=True)
        subprocess.run(["git", "checkout", "--quiet", name], cwd=tree, check=True)
        # Tools are built once for all trees.
        TOOLS.mkdir(parents=True, exist_ok=True)
        (tree / "target").mkdir(exist_ok=True)
        (tree / "target/tools").symlink_to(TOOLS)
    return tree, name[:12]


def measure(tree: pathlib.Path, group: str) -> list[Figure]:
    """One run of a group in `tree`."""
    real = os.environ.get("REAL_MESOS_DIR", ROOT / "target/real-mesos")
    environment = {**os.environ, "REAL_MESOS_DIR": str(real)}
    # The trees must not share what is built.
    environment.pop("CARGO_TARGET_DIR", None)
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        done = subprocess.run(
            [sys.executable, tree / "benches/table.py", "--only", group, "--json", out.name],
            text=True,
            capture_output=True,
            check=False,
            env=environment,
        )
        if done.returncode != 0:
            print(done.stdout[-2000:], done.stderr[-4000:], sep="\n", file=sys.stderr)
            sys.exit(2)
        found = json.loads(pathlib.Path(out.name).read_text())
    return [Figure(name, value, unit) for name, (value, unit) in found.items()]


def verdict(bound: Mapping[str, float], here: Sequence[float], there: Sequence[float]) -> str:
    """Whether the figures `here` are worse than those `there`, in a word; "" without a bound."""
    if not bound:
        return ""
    mine, other = statistics.median(here), statistics.median(there)
    change = mine / other - 1 if other else 0.0
    noise = max((abs(value / other - 1) for value in there), default=0.0) if other else 0.0
    bad = -change if "least" in bound else change
    return "WORSE" if bad > max(noise, LEAST) else "as good" if bad > -noise else "better"


def show(name: str, here: Runs, there: Runs, bounds: Mapping[str, Bound]) -> int:
    """Prints both sides; how many figures are worse than those of the commit `name`."""
    width = max((len(figure) for figure, _ in here), default=0)
    rounds = max((len(values) for values in here.values()), default=0)
    print(f"{'figure':{width}}  {name:>12} {'here':>12} {'ratio':>7}  of {rounds} rounds")
    worse = 0
    for (figure, unit), own in here.items():
        mine, others = statistics.median(own), there.get((figure, unit))
        if others is None:
            print(f"{figure:{width}}  {'-':>12} {mine:12.3f}          new")
            continue
        word = verdict(bounds.get(figure, {}), own, others)
        worse += word == "WORSE"
        other = statistics.median(others)
        ratio = mine / other if other else float("nan")
        spread = f"{min(others):.3f} to {max(others):.3f}"
        print(
            f"{figure:{width}}  {other:12.3f} {mine:12.3f} {ratio:7.3f}  {word:8} "
            f"({name}: {spread} {unit})"
        )
    for (figure, unit), others in there.items():
        if (figure, unit) not in here:
            other = statistics.median(others)
            print(f"{figure:{width}}  {other:12.3f} {'-':>12}          gone")
    return worse


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit", help="what to compare with")
    parser.add_argument(
        "--only", action="append", choices=figures.GROUPS, help="one group; may be repeated"
    )
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    try:
        bounds = figures.bounds()
    except figures.WrongFigures as wrong:
        print(f"FAILED: {wrong}", file=sys.stderr)
        return 2
    tree, name = work_tree(arguments.commit)
    sides = {"here": ROOT, name: tree}
    found: dict[str, Runs] = {side: {} for side in sides}
    for turn in range(arguments.rounds):
        order = list(sides) if turn % 2 == 0 else list(sides)[::-1]
        for group in arguments.only or figures.GROUPS:
            for side in order:
                print(f"round {turn + 1}: {group} of {side}", file=sys.stderr, flush=True)
                for figure in measure(sides[side], group):
                    values = found[side].setdefault((figure.name, figure.unit), [])
                    values.append(figure.value)
    worse = show(name, found["here"], found[name], bounds)
    print(f"{worse} figures are worse than at {name}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
