#!/usr/bin/env python3
"""Figures of two commits side by side, measured in turn on this machine.

    benches/compare.py 12d5f5e                       every group, three rounds
    benches/compare.py HEAD~1 --only worker --rounds 9

The other commit is built in a work tree of its own (target/compare/<commit>). In each round every
group is measured once in both trees, another tree first each time. A figure that has a bound is
judged: it is WORSE when its median moved to the bad side by more than the other commit's own runs
differ from their median, and by more than one percent. Figures without a bound are shown only.

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

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOUNDS = ROOT / "benches/bounds.json"
# What is measured by counting needs no rounds.
GROUPS = ["spawn", "cache", "metrics", "codec", "worker", "memory", "instructions", "inside", "big"]
# Differences below this are not told from noise on any machine, however few rounds were made.
LEAST = 0.01

# What table.py --json writes: {name: [value, unit]}.
Figures = dict[str, tuple[float, str]]
Bound = dict[str, float]


def work_tree(commit: str) -> tuple[pathlib.Path, str]:
    """A work tree of `commit` below target/, made on first use."""
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
    return tree, name[:12]


def measure(tree: pathlib.Path, group: str) -> Figures:
    """One run of a group in `tree`, by this tree's table.py: its figures by name."""
    real = os.environ.get("REAL_MESOS_DIR", ROOT / "target/real-mesos")
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [
            sys.executable,
            ROOT / "benches/table.py",
            "--tree",
            tree,
            "--only",
            group,
            "--json",
            out.name,
        ]
        done = subprocess.run(
            [str(word) for word in command],
            text=True,
            capture_output=True,
            check=False,
            env={**os.environ, "REAL_MESOS_DIR": str(real)},
        )
        if done.returncode != 0:
            print(done.stdout[-2000:], done.stderr[-4000:], sep="\n", file=sys.stderr)
            sys.exit(2)
        figures: Figures = json.loads(pathlib.Path(out.name).read_text())
        return figures


def verdict(bound: Bound | None, here: list[float], there: list[float]) -> str:
    """Whether the figures `here` are worse than those `there`, in a word; "" without a bound."""
    if bound is None:
        return ""
    mine, other = statistics.median(here), statistics.median(there)
    change = mine / other - 1 if other else 0.0
    noise = max((abs(value / other - 1) for value in there), default=0.0) if other else 0.0
    bad = -change if "least" in bound else change
    return "WORSE" if bad > max(noise, LEAST) else "as good" if bad > -noise else "better"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit", help="what to compare with")
    parser.add_argument(
        "--only", action="append", choices=GROUPS, help="one group; may be repeated"
    )
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    tree, name = work_tree(arguments.commit)
    sides = {"here": ROOT, name: tree}
    found: dict[str, dict[tuple[str, str], list[float]]] = {side: {} for side in sides}
    for turn in range(arguments.rounds):
        order = list(sides) if turn % 2 == 0 else list(sides)[::-1]
        for group in arguments.only or GROUPS:
            for side in order:
                print(f"round {turn + 1}: {group} of {side}", file=sys.stderr, flush=True)
                for figure, (value, unit) in measure(sides[side], group).items():
                    found[side].setdefault((figure, unit), []).append(value)
    bounds = json.loads(BOUNDS.read_text())
    width = max((len(figure) for figure, _ in found["here"]), default=0)
    print(f"{'figure':{width}}  {name:>12} {'here':>12} {'ratio':>7}  of {arguments.rounds} rounds")
    worse = 0
    for (figure, unit), here in found["here"].items():
        there = found[name].get((figure, unit))
        if there is None:
            print(f"{figure:{width}}  {'-':>12} {statistics.median(here):12.3f}          new")
            continue
        word = verdict(bounds.get(figure), here, there)
        worse += word == "WORSE"
        mine, other = statistics.median(here), statistics.median(there)
        ratio = mine / other if other else float("nan")
        spread = f"{min(there):.3f} to {max(there):.3f}"
        print(
            f"{figure:{width}}  {other:12.3f} {mine:12.3f} {ratio:7.3f}  {word:8} "
            f"({name}: {spread} {unit})"
        )
    for figure, unit in found[name].keys() - found["here"].keys():
        print(
            f"{figure:{width}}  {statistics.median(found[name][figure, unit]):12.3f} {'-':>12}"
            "          gone"
        )
    print(f"{worse} figures are worse than at {name}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
