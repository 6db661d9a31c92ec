#!/usr/bin/env python3
"""How long a read of an agent's statistics takes at a pace, with the module and without, in turn.

A real master and agent run so many containers, and one reader or two read the statistics of all of
them. Three sides take turns: the agent without modules, with the module and refreshes ahead, and
with `isolator_usage_refresh_ahead=off`. From the third read of each reader on, the median of its
reads counts; the ratio to that without modules is made within each round, and the median of the
rounds is printed, as a table in Markdown. Beside it stand the age of the oldest value when the
whole answer was there, the runs of a container for each read, and how many values were older than a
second when they were served (by the metric, which looks at each at its first use).
"""

import argparse
import collections
import json
import pathlib
import statistics
import subprocess
import sys
from typing import NamedTuple

import live

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "soak"))
import scrape

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MODULES = HERE / "ahead.modules.json"
SIDES = {"without modules": None, "ahead": "auto", "not ahead": "off"}
# Reads that a pace is learned from.
LEARNED = 2
# How long the metrics may take, in seconds.
PATIENCE = 30.0


class Phase(NamedTuple):
    """Reads of one reader: its period in seconds, and how many read at the same time."""

    period: float
    readers: int


class Seen(NamedTuple):
    """What one side was seen to do."""

    # Seconds that the reads took, from the third on.
    took: dict[Phase, list[float]]
    # The ages of the oldest values of these reads, in seconds.
    oldest: dict[Phase, list[float]]
    # Runs of a container for each read.
    runs: float
    # Values that were served, and those of them that were older than a second.
    served: int
    old: int


class Counted(NamedTuple):
    """What the module has counted."""

    # Usage commands that have ended.
    runs: int = 0
    # Values that were served, and those of them that were not older than a second.
    served: int = 0
    young: int = 0


def counted(port: int) -> Counted:
    series = scrape.get(port, PATIENCE)
    age = "usage_value_age_seconds"
    return Counted(
        runs=scrape.total(series, "runs_total").total(),
        served=scrape.total(series, f"{age}_count").total(),
        young=scrape.total(series, f"{age}_bucket", "le")["1",],
    )


def play(arguments: argparse.Namespace, ahead: str | None) -> Seen:
    """One agent, with all phases one after the other."""
    command = [arguments.host, "cluster", "--mesos", arguments.mesos, "--json"]
    command += ["--tasks", str(arguments.tasks), "--patience", "300"]
    for readers in arguments.readers:
        command += ["--readers", readers]
    port = live.free_port()
    if ahead:
        command += ["--modules", MODULES, "--set", f"METRICS=127.0.0.1:{port}"]
        command += ["--set", f"AHEAD={ahead}"]
    took: dict[Phase, list[float]] = collections.defaultdict(list)
    oldest: dict[Phase, list[float]] = collections.defaultdict(list)
    reads, found = 0, Counted()
    with subprocess.Popen([str(it) for it in command], stdout=subprocess.PIPE, text=True) as host:
        for line in host.stdout or []:
            fields = json.loads(line) if line.startswith("{") else {}
            if "read" not in fields:
                continue
            reads += 1
            if ahead:
                # The tasks live on until all reads were told.
                found = counted(port)
            if fields["read"] >= LEARNED:
                phase = Phase(fields["period"], int(fields["readers"]))
                took[phase].append(fields["seconds"])
                oldest[phase].append(fields.get("oldest", 0.0))
    if host.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed with {host.returncode}")
    runs = found.runs / reads / arguments.tasks
    return Seen(took, oldest, runs, found.served, found.served - found.young)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", type=pathlib.Path, default=ROOT / "target/release/mesos-host")
    parser.add_argument("--mesos", default="1.11.0")
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--readers", action="append", help="as of mesos-host: 2x15, 10x6, 2x30,10x6"
    )
    arguments = parser.parse_args()
    arguments.readers = arguments.readers or ["2x15", "10x6", "2x30,10x6"]
    rounds: list[dict[str, Seen]] = []
    for number in range(arguments.rounds):
        order = list(SIDES)[number % 3 :] + list(SIDES)[: number % 3]
        rounds.append({side: play(arguments, SIDES[side]) for side in order})
        for side, seen in rounds[-1].items():
            medians = {phase: statistics.median(took) for phase, took in seen.took.items()}
            text = ", ".join(
                f"every {phase.period:g} s ({phase.readers}): {median * 1e3:.1f} ms"
                for phase, median in medians.items()
            )
            print(f"round {number + 1}, {side}: {text}", file=sys.stderr, flush=True)
    print("| reader | side | median of a read, ms | to without modules | oldest value, s |")
    print("|---|---|---|---|---|")
    for phase in rounds[0]["without modules"].took:
        for side, ahead in SIDES.items():
            reads = [statistics.median(seen[side].took[phase]) for seen in rounds]
            bare = [statistics.median(seen["without modules"].took[phase]) for seen in rounds]
            ratio = statistics.median(a / b for a, b in zip(reads, bare, strict=True))
            oldest = max(max(seen[side].oldest[phase]) for seen in rounds)
            who = "alone" if phase.readers == 1 else f"one of {phase.readers}"
            age = f"{oldest:.2f}" if ahead else "-"
            print(
                f"| every {phase.period:g} s, {who} | {side} "
                f"| {statistics.median(reads) * 1e3:.1f} | {ratio:.2f} | {age} |"
            )
    for side, ahead in SIDES.items():
        if ahead:
            runs = statistics.median(seen[side].runs for seen in rounds)
            served = sum(seen[side].served for seen in rounds)
            old = sum(seen[side].old for seen in rounds)
            print(
                f"\nRuns of a container for each read, {side}: {runs:.2f}. "
                f"Older than a second when they were served: {old} of {served} values."
            )


if __name__ == "__main__":
    main()
