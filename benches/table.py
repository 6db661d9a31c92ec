#!/usr/bin/env python3
"""All measurements as one table of ratios, and their check against benches/bounds.json.

    benches/table.py                   everything, with the commands that were run
    benches/table.py --only cache      one group (several: --only cache --only spawn)
    benches/table.py --check           also fail when a figure leaves its bound
    benches/table.py --check --only instructions
    benches/table.py --record          write the instruction counts found into the bounds
    benches/table.py --json FILE       also write the figures to FILE: {"name": [value, "unit"]}

Ratios are taken within one run, between sides that alternate; absolute times of a shared machine
mean little and are shown for orientation. Exit status: 0 all within bounds; 1 a figure is outside;
2 a command failed, or a figure and bounds.json do not belong together; 3 something could not be
measured (with ALLOW_OFFLINE=1 that is only said).
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import figures
from figures import GROUPS, Bound, Figure, WrongFigures

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOLS = ROOT / "target/tools"
GUNGRAUN = "0.20.0"
# What mesos-host compares, and the figures of its ratios.
INSIDE = {
    "one call, p50": "inside: one call, p50",
    "one call, p99": "inside: one call, p99",
    "8 calls at once": "inside: 8 calls at once",
    "200 calls at once": "inside: 200 calls at once",
}
# What containment by cgroup, which `auto` takes where it can be had, is compared in.
CONTAINED = {
    "one call, p50": "inside: one call, p50, in cgroups to groups",
    "8 calls at once": "inside: 8 calls at once, in cgroups to groups",
    "200 calls at once": "inside: 200 calls at once, in cgroups to groups",
}
# Large hosts next to a small one.
BIG = {
    "big: 2 GiB touched, to a small one": ["--touch-memory", str(2 << 30)],
    "big: 10,000 descriptors, to a small one": ["--open-fds", "10000"],
}
# Of criterion: figures are medians, which take no minutes to settle.
SHORT = ("--warm-up-time", "0.5", "--measurement-time", "2", "--noplot")


class Unavailable(Exception):
    """Something this machine cannot measure, and why."""


class Commands:
    """Runs what measures, and keeps what was run."""

    def __init__(self, cargo: str) -> None:
        self.cargo = cargo
        self.shown: list[str] = []

    def run(
        self, command: Sequence[str | pathlib.Path], environment: Mapping[str, str] | None = None
    ) -> str:
        """What a command prints; ends this program when it fails."""
        shown = " ".join(str(word).replace(f"{ROOT}/", "") for word in command)
        if shown not in self.shown:
            self.shown.append(shown)
        print(f"$ {shown}", file=sys.stderr, flush=True)
        done = subprocess.run(
            [str(word) for word in command],
            cwd=ROOT,
            text=True,
            capture_output=True,
            check=False,
            env={**os.environ, **(environment or {})},
        )
        if done.returncode != 0:
            print(done.stdout[-4000:], done.stderr[-4000:], sep="\n", file=sys.stderr)
            print(f"exit status {done.returncode}: {shown}", file=sys.stderr)
            sys.exit(2)
        return done.stdout

    def bench(
        self, name: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> str:
        command = [self.cargo, "bench", "--quiet", "--bench", name, "--", *arguments]
        return self.run(command, environment)

    def host(self) -> pathlib.Path:
        """The host program with a real libmesos beside it."""
        root = pathlib.Path(os.environ.get("REAL_MESOS_DIR", ROOT / "target/real-mesos"))
        if not (root / "1.11.0/complete").is_file():
            raise Unavailable(f"Mesos 1.11.0 is not in {root}: cpp/host/real-mesos/fetch.py 1.11.0")
        packages = ["-p", "mesos-command-modules", "-p", "mesos-host"]
        self.run([self.cargo, "build", "--quiet", "--release", *packages])
        return ROOT / "target/release/mesos-host"


def bench(*benches: tuple[str, ...]) -> Callable[[Commands], list[Figure]]:
    """A group that benches of cargo measure: each with its arguments."""

    def measure(commands: Commands) -> list[Figure]:
        return [figure for each in benches for figure in figures.read(commands.bench(*each))]

    return measure


def instructions(commands: Commands) -> list[Figure]:
    if shutil.which("valgrind") is None:
        raise Unavailable("valgrind is not installed")
    runner = TOOLS / "bin/gungraun-runner"
    if not runner.is_file():
        install = [commands.cargo, "install", "gungraun-runner", "--version", GUNGRAUN]
        commands.run([*install, "--root", TOOLS, "--locked"])
    out = commands.bench(
        "instructions",
        "--output-format=json",
        environment={"GUNGRAUN_RUNNER": str(runner), "NO_COLOR": "1"},
    )
    names = {
        "cache_hit": "instructions: cache_hit",
        "slot_decision": "instructions: slot_decision",
        "codec_write": "instructions: codec_write",
        "codec_read": "instructions: codec_read",
        "metrics": "instructions: metrics",
        "config_parse": "instructions: config_parse",
    }
    found = []
    for line in figures.objects(out):
        [callgrind] = line["profiles"]
        executed = callgrind["data"]["total"]["metrics"]["Ir"]["values"]["new"]
        name = line["function_name"]
        found.append(Figure(names.get(name, name), executed, ""))
    return found


def ratio(
    commands: Commands, program: pathlib.Path, *more: str, level: str = "group"
) -> dict[str, Any]:
    """What mesos-host compares at a level of containment, by its name."""
    files = ["--modules", "benches/uncached.modules.json", "--log", "target/ratio.log"]
    files += ["--set", f"CONTAINMENT={level}"]
    out = commands.run([program, "ratio", *files, "--json", *more])
    return {line["compared"]: line for line in figures.objects(out) if "compared" in line}


def inside(commands: Commands) -> list[Figure]:
    program = commands.host()
    # Each is a ratio to bare starts of its own run; the runs alternate, too.
    ratios: dict[str, dict[str, list[float]]] = {"group": {}, "auto": {}}
    for level in ("group", "auto", "auto", "group", "group", "auto"):
        for name, line in ratio(commands, program, level=level).items():
            ratios[level].setdefault(name, []).append(line["ratio"])
    medians = {
        level: {name: statistics.median(all_) for name, all_ in of.items()}
        for level, of in ratios.items()
    }
    found = [
        Figure(INSIDE.get(name, name), value, "x bare") for name, value in medians["group"].items()
    ]
    found += [
        Figure(CONTAINED[name], medians["auto"][name] / value, "x")
        for name, value in medians["group"].items()
        if name in CONTAINED
    ]
    scenario = "tests/mesos/usage-rate.scenario.json"
    files = ["--modules", "tests/mesos/examples.modules.json", "--scenario", scenario]
    out = commands.run([program, "run", *files, "--json", "--log", "target/usage-rate.log"])
    for line in figures.objects(out):
        if line.get("step") == "usage called in a row":
            rate, constant = line["per_second"], line["ratio"]
            found.append(Figure("inside: cached usage, one thread", rate, "calls/s"))
            found.append(Figure("inside: cached usage to a constant answer", constant, "x rate"))
    return found


def big(commands: Commands) -> list[Figure]:
    """Spawning from a large host next to a small one; whole hosts alternate."""
    program = commands.host()
    few = ("--at-once", "1", "--rounds", "9", "--calls", "20")
    small: list[str] = []
    hosts = [("small", small), *BIG.items()]
    times: dict[str, list[float]] = {name: [] for name, _ in hosts}
    for turn in range(15):
        # Another one first each time, as within a run.
        first = turn % len(hosts)
        for name, arguments in hosts[first:] + hosts[:first]:
            found = ratio(commands, program, *few, *arguments)
            times[name].append(found["one call, p50"]["own"])
    pairs = {name: zip(times[name], times["small"], strict=True) for name in BIG}
    return [
        Figure(name, statistics.median(large / small for large, small in pairs[name]), "x")
        for name in BIG
    ]


MEASURES: dict[str, Callable[[Commands], list[Figure]]] = {
    "spawn": bench(("spawn", "31", "60")),
    "cache": bench(("cache", *SHORT), ("scale", "41")),
    "metrics": bench(("metrics", *SHORT)),
    "codec": bench(("codec", *SHORT)),
    "warm": bench(("warm", "9")),
    "worker": bench(("worker", "9")),
    "multiplex": bench(("multiplex", "9")),
    "memory": bench(("memory",)),
    "instructions": instructions,
    "inside": inside,
    "big": big,
}


def show(found: Sequence[Figure], bounds: Mapping[str, Bound]) -> list[str]:
    """Prints the table; the names of figures outside their bounds."""
    outside = []
    width = max((len(figure.name) for figure in found), default=0)
    for figure in found:
        verdict = figures.judge(bounds[figure.name], figure.value)
        word = "" if verdict.within else "OUTSIDE"
        print(f"{figure.name:{width}}  {figure}  {verdict.bound:18} {word}")
        if not verdict.within:
            outside.append(figure.name)
    return outside


def record(found: Sequence[Figure], bounds: dict[str, Bound]) -> None:
    """Writes the counts of instructions into the bounds."""
    for figure in found:
        if figures.group(figure.name) == "instructions":
            bounds[figure.name]["instructions"] = int(figure.value)
    figures.BOUNDS.write_text(json.dumps(bounds, indent=2, ensure_ascii=False) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=GROUPS)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--cargo", default=os.environ.get("CARGO", "cargo"))
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    commands = Commands(arguments.cargo)
    found: list[Figure] = []
    missing: dict[str, Unavailable] = {}
    try:
        bounds = figures.bounds()
        for group in arguments.only or GROUPS:
            try:
                measured = MEASURES[group](commands)
            except Unavailable as why:
                missing[group] = why
                continue
            figures.check(group, measured, bounds)
            found += measured
    except WrongFigures as wrong:
        print(f"FAILED: {wrong}", file=sys.stderr)
        return 2
    if arguments.record:
        record(found, bounds)
    if arguments.json:
        listed = {figure.name: [figure.value, figure.unit] for figure in found}
        arguments.json.write_text(json.dumps(listed, indent=1) + "\n")
    outside = show(found, bounds)
    print("\nwith the commands:", *commands.shown, sep="\n  ")
    for group, reason in missing.items():
        print(f"NOT MEASURED: {group}: {reason}")
    if not arguments.check:
        return 0
    if outside:
        print(f"{len(outside)} figures outside their bounds")
        return 1
    if missing and os.environ.get("ALLOW_OFFLINE") != "1":
        return 3
    print("all figures are within their bounds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
