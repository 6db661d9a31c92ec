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
2 a command failed; 3 something could not be measured (with ALLOW_OFFLINE=1 that is only said).
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOUNDS = ROOT / "benches/bounds.json"
TOOLS = ROOT / "target/tools"  # shared by every tree that is measured
GUNGRAUN = "0.20.0"
BIG = {
    "2 GiB touched": ["--touch-memory", str(2 << 30)],
    "10,000 descriptors": ["--open-fds", "10000"],
}


class Unavailable(Exception):
    """Something this machine cannot measure, and why."""


class Table:
    """Figures as they come in."""

    def __init__(self, cargo: str, tree: pathlib.Path) -> None:
        self.cargo, self.tree = cargo, tree
        self.figures: dict[str, tuple[float, str]] = {}
        self.commands: list[str] = []
        self.missing: list[tuple[str, Unavailable]] = []

    def add(self, name: str, value: float, unit: str) -> None:
        self.figures[name] = (value, unit)

    def run(
        self, command: Sequence[str | pathlib.Path], environment: Mapping[str, str] | None = None
    ) -> str:
        shown = " ".join(str(word).replace(f"{self.tree}/", "") for word in command)
        if shown not in self.commands:
            self.commands.append(shown)
        print(f"$ {shown}", file=sys.stderr, flush=True)
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.tree,
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

    def criterion(self, group: str, name: str) -> float:
        """The median of a criterion benchmark, in nanoseconds."""
        parts = [part.replace("/", "_") for part in (group, name)]
        path = self.tree.joinpath("target/criterion", *parts, "new/estimates.json")
        return float(json.loads(path.read_text())["median"]["point_estimate"])


def spawn(table: Table) -> None:
    row = re.compile(r"^(\S.*?)\s+(\d+)\s+(\d+)\s+([\d.]+)\s+([\d.]+)$", re.MULTILINE)
    for name, p50, _, p50_x, p99_x in row.findall(table.bench("spawn", "31", "60")):
        if name.startswith("bare"):
            table.add("spawn: bare posix_spawn p50", float(p50), "us")
        else:
            table.add(f"spawn: {name} p50", float(p50_x), "x bare")
            table.add(f"spawn: {name} p99", float(p99_x), "x bare")


SHORT = ("--warm-up-time", "0.5", "--measurement-time", "2", "--noplot")


def cache(table: Table) -> None:
    table.bench("cache", *SHORT)
    times = {
        (threads, containers): table.criterion("cache/hit", f"{threads}/{containers}")
        for threads in ("1_thread", "2_threads")
        for containers in (10, 100, 1000, 10000)
    }
    for (threads, containers), time in times.items():
        table.add(f"cache: hit, {threads}, {containers} containers", time, "ns")
    table.add(
        "cache: hit, 2_threads, 10,000 to 10 containers",
        times["2_threads", 10000] / times["2_threads", 10],
        "x",
    )
    scale = re.compile(r"^(\S.*?)\s+10000\s+\d+\s+([\d.]+)$", re.MULTILINE)
    for order, ratio in scale.findall(table.bench("scale", "41")):
        table.add(f"cache: hit, {order}, 10,000 to 10 containers", float(ratio), "x")
    miss = table.criterion("cache", "miss")
    table.add("cache: a miss", miss / 1e3, "us")
    stampede = table.criterion("cache", "stampede/100_calls")
    table.add("cache: 100 callers of one container to one miss", stampede / miss, "x")
    for containers in (10, 1000):
        batch = table.criterion("batch", f"{containers}_containers")
        table.add(
            f"batch: {containers:,} containers in one run to as many misses",
            batch / (miss * containers),
            "x",
        )


def metrics(table: Table) -> None:
    table.bench("metrics", *SHORT)
    times = {
        name: table.criterion("metrics", name)
        for name in ("bare_atomic_add", "cached_call/1_thread", "call_with_run")
    }
    table.add("metrics: a cached call", times["cached_call/1_thread"], "ns")
    table.add("metrics: a call with a run", times["call_with_run"], "ns")


def codec(table: Table) -> None:
    table.bench("codec", *SHORT)
    table.add(
        "codec: write a container's config",
        table.criterion("codec/write_json", "container_config"),
        "ns",
    )
    for name in ("usage", "usage_normalised", "container_config"):
        table.add(f"codec: read {name}", table.criterion("codec/read_json", name), "ns")


def worker(table: Table) -> None:
    first = re.compile(r"^(\S.*?)\s{2,}([\d.]+)\s+([\d.]+)$", re.MULTILINE)
    for name, micros, ratio in first.findall(table.bench("worker", "9")):
        if float(ratio) == 1.0 and not name.startswith(("pool", "worker")):
            table.add(f"worker: {name}", float(micros), "us")
        else:
            table.add(f"worker: {name}", float(ratio), "x rate")


def memory(table: Table) -> None:
    found = json.loads(table.bench("memory").strip().splitlines()[-1])
    table.add(
        "memory: a container beyond its configuration text", found["bytes_per_container"], "bytes"
    )
    table.add("memory: descriptors of 10,000 containers", found["descriptors"], "")


def instructions(table: Table) -> None:
    if shutil.which("valgrind") is None:
        raise Unavailable("valgrind is not installed")
    runner = TOOLS / "bin/gungraun-runner"
    if not runner.is_file():
        table.run(
            [
                table.cargo,
                "install",
                "gungraun-runner",
                "--version",
                GUNGRAUN,
                "--root",
                TOOLS,
                "--locked",
            ]
        )
    out = table.bench(
        "instructions",
        "--nocapture=false",
        environment={"GUNGRAUN_RUNNER": str(runner), "NO_COLOR": "1"},
    )
    name = None
    for line in out.splitlines():
        found = re.match(r"instructions::paths::(\S+)", line)
        name = found.group(1) if found else name
        count = re.match(r"\s+Instructions:\s+(\d+)\|", line)
        if count and name:
            table.add(f"instructions: {name}", int(count.group(1)), "")
            name = None


def host(table: Table) -> pathlib.Path:
    """The host program with a real libmesos beside it."""
    root = pathlib.Path(os.environ.get("REAL_MESOS_DIR", ROOT / "target/real-mesos"))
    if not (root / "1.11.0/complete").is_file():
        raise Unavailable(f"Mesos 1.11.0 is not in {root}: cpp/host/real-mesos/fetch.py 1.11.0")
    table.run(
        [
            table.cargo,
            "build",
            "--quiet",
            "--release",
            "-p",
            "mesos-command-modules",
            "-p",
            "mesos-host",
        ]
    )
    return table.tree / "target/release/mesos-host"


def json_lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def ratio(table: Table, program: pathlib.Path, *more: str) -> dict[str, Any]:
    out = table.run(
        [
            program,
            "ratio",
            "--modules",
            "benches/uncached.modules.json",
            "--json",
            "--log",
            "target/ratio.log",
            *more,
        ]
    )
    return {line["compared"]: line for line in json_lines(out) if "compared" in line}


def inside(table: Table) -> None:
    program = host(table)
    for name, line in ratio(table, program).items():
        table.add(f"inside: {name}", line["ratio"], "x bare")
    out = table.run(
        [
            program,
            "run",
            "--modules",
            "tests/mesos/examples.modules.json",
            "--scenario",
            "tests/mesos/usage-rate.scenario.json",
            "--json",
            "--log",
            "target/usage-rate.log",
        ]
    )
    for line in json_lines(out):
        if line.get("step") == "usage called in a row":
            table.add("inside: cached usage, one thread", line["per_second"], "calls/s")
            table.add("inside: cached usage to a constant answer", line["ratio"], "x rate")


def big(table: Table) -> None:
    """Spawning from a large host next to a small one; whole hosts alternate."""
    program = host(table)
    few = ("--at-once", "1", "--rounds", "9", "--calls", "20")
    hosts = [("small", []), *BIG.items()]
    times: dict[str, list[float]] = {name: [] for name, _ in hosts}
    for turn in range(15):
        # Another one first each time, as within a run.
        first = turn % len(hosts)
        for name, arguments in hosts[first:] + hosts[:first]:
            found = ratio(table, program, *few, *arguments)
            times[name].append(found["one call, p50"]["own"])
    for name in BIG:
        pairs = [large / small for large, small in zip(times[name], times["small"], strict=True)]
        table.add(f"big: {name}, to a small one", statistics.median(pairs), "x")


GROUPS = {
    "spawn": spawn,
    "cache": cache,
    "metrics": metrics,
    "codec": codec,
    "worker": worker,
    "memory": memory,
    "instructions": instructions,
    "inside": inside,
    "big": big,
}


def verdict(bound: Mapping[str, float] | None, value: float) -> tuple[str, bool]:
    """What a bound says about a value: a word, and whether it is within."""
    if bound is None:
        return "", True
    if "instructions" in bound:
        least, most = (bound["instructions"] * (1 + sign * bound["slack"]) for sign in (-1, 1))
        text = f"{bound['instructions']} ± {bound['slack']:.0%}"
    else:
        least, most = bound.get("least", float("-inf")), bound.get("most", float("inf"))
        text = f">= {least:g}" if "least" in bound else f"<= {most:g}"
    return text, least <= value <= most


def show(table: Table, bounds: Mapping[str, dict[str, float]]) -> list[str]:
    outside = []
    width = max(map(len, table.figures), default=0)
    for name, (value, unit) in table.figures.items():
        text, within = verdict(bounds.get(name), value)
        number = f"{value:.3f}" if "x" in unit.split() else f"{value:,.0f}"
        print(f"{name:{width}}  {number:>12} {unit:8}  {text:18} {'' if within else 'OUTSIDE'}")
        if not within:
            outside.append(name)
    print("\nwith the commands:")
    for command in table.commands:
        print(f"  {command}")
    for group, reason in table.missing:
        print(f"NOT MEASURED: {group}: {reason}")
    return outside


def record(table: Table, bounds: dict[str, dict[str, float]]) -> None:
    for name, (value, _) in table.figures.items():
        if name.startswith("instructions: "):
            bounds.setdefault(name, {"slack": 0.03})["instructions"] = value
    BOUNDS.write_text(json.dumps(bounds, indent=2, ensure_ascii=False) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=GROUPS)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument(
        "--tree",
        type=pathlib.Path,
        default=ROOT,
        help="the tree that is measured (default: this one)",
    )
    parser.add_argument("--cargo", default=os.environ.get("CARGO", "cargo"))
    arguments = parser.parse_args()
    bounds = json.loads(BOUNDS.read_text())
    table = Table(arguments.cargo, arguments.tree.resolve())
    for group in arguments.only or GROUPS:
        try:
            GROUPS[group](table)
        except Unavailable as reason:
            table.missing.append((group, reason))
    if arguments.record:
        record(table, bounds)
    if arguments.json:
        arguments.json.write_text(json.dumps(table.figures, indent=1) + "\n")
    outside = show(table, bounds)
    if not arguments.check:
        return 0
    measured = tuple(f"{group}:" for group in arguments.only or ())
    absent = [
        name
        for name in bounds
        if name not in table.figures
        and not table.missing
        and (not measured or name.startswith(measured))
    ]
    for name in absent:
        print(f"NOT FOUND: {name} has a bound, but nothing measured it")
    if outside or absent:
        print(f"{len(outside)} figures outside their bounds, {len(absent)} not found")
        return 1
    if table.missing and os.environ.get("ALLOW_OFFLINE") != "1":
        return 3
    print("all figures are within their bounds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
