#!/usr/bin/env python3
"""How long usage calls take at rising rates inside Mesos, with refreshes ahead and without.

The two sides alternate at each rate, in three rounds of which the medians count. Values live for a
second and are never served stale, so that without refreshes ahead a call that finds its value
expired waits for the command. Latency counts from when a call was due, and so has in it what the
program that makes the calls is late, on both sides.

Prints a table in Markdown, and draws docs/latency.svg.
"""

import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import svg

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PICTURE = ROOT / "docs/latency.svg"
MODULES = HERE / "misses.modules.json"
SIDES = {"ahead": "auto", "not ahead": "off"}
QUANTILES = {"p50": "p50_us", "p99": "p99_us", "p99.9": "p99.9_us"}
COLOURS = {"ahead": "#4477aa", "not ahead": "#cc6677"}
DASHES = {"p50": "", "p99": "7 4", "p99.9": "2 3"}
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 790, 420, 70, 180, 40, 50


class Point(NamedTuple):
    """One side at one rate."""

    side: str
    rate: int


# Microseconds, by quantile.
Found = Mapping[Point, Mapping[str, float]]


def measure(host: pathlib.Path, point: Point, seconds: int, containers: int) -> dict[str, float]:
    """Latencies of one run, in microseconds."""
    command = [host, "load", "--modules", MODULES, "--set", f"AHEAD={SIDES[point.side]}"]
    command += ["--rate", point.rate, "--containers", containers, "--duration", f"{seconds}s"]
    command += ["--warm-up", "5s", "--quiet", "--json", "--log", os.devnull]
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}")
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    latencies: dict[str, Any] = next(line for line in lines if "latencies" in line)["latencies"]
    return {name: latencies["all calls"][key] for name, key in QUANTILES.items()}


def table(rates: Iterable[int], found: Found) -> list[str]:
    lines = ["| calls a second | side | p50, µs | p99, µs | p99.9, µs |", "|---|---|---|---|---|"]
    for rate in rates:
        for side in SIDES:
            row = found[Point(side, rate)]
            numbers = " | ".join(f"{row[name]:.0f}" for name in QUANTILES)
            lines.append(f"| {rate:,} | {side} | {numbers} |")
    return lines


def draw(rates: list[int], found: Found) -> str:
    """The picture: both axes logarithmic."""
    decades = range(1 + math.ceil(math.log10(max(max(it.values()) for it in found.values()))))

    def across(rate: float) -> float:
        share = math.log(rate / rates[0]) / math.log(rates[-1] / rates[0])
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def up(micros: float) -> float:
        share = math.log10(max(micros, 1.0)) / decades[-1]
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    middle = (LEFT + WIDTH - RIGHT) / 2
    title = "Latency of a usage call, from when it was due"
    parts = [
        f'<text x="10" y="22" font-weight="bold">{title}</text>',
        f'<text x="{middle:.0f}" y="{HEIGHT - 12}" text-anchor="middle">calls a second</text>',
    ]
    for decade in decades:
        y, value = up(10**decade), 10**decade
        label = f"{value} µs" if value < 1000 else f"{value // 1000} ms"
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
        ends = f'x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"'
        parts.append(f'<line {ends} stroke="#dddddd"/>')
    for rate in rates:
        y = HEIGHT - BOTTOM + 18
        parts.append(f'<text x="{across(rate):.1f}" y="{y}" text-anchor="middle">{rate:,}</text>')
    place = TOP
    for side, colour in COLOURS.items():
        for name, dash in DASHES.items():
            rows = [(across(rate), up(found[Point(side, rate)][name])) for rate in rates]
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in rows)
            style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'
            parts.append(f'<polyline points="{points}" {style}/>')
            ends = f'x1="{WIDTH - RIGHT + 12}" y1="{place}" x2="{WIDTH - RIGHT + 40}" y2="{place}"'
            parts.append(f"<line {ends} {style}/>")
            parts.append(f'<text x="{WIDTH - RIGHT + 46}" y="{place + 4}">{side}, {name}</text>')
            place += 20
    return svg.document(WIDTH, HEIGHT, parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--host", type=pathlib.Path, default=ROOT / "target/release/mesos-host")
    parser.add_argument("--rates", type=int, nargs="+", default=[500, 1000, 2000, 4000, 8000])
    parser.add_argument("--containers", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=pathlib.Path, default=PICTURE)
    arguments = parser.parse_args()
    rates = sorted(arguments.rates)
    rounds: dict[Point, list[dict[str, float]]] = {}
    for number in range(arguments.rounds):
        for rate in rates:
            sides = [*SIDES][number % 2 :] + [*SIDES][: number % 2]
            for point in (Point(side, rate) for side in sides):
                row = measure(arguments.host, point, arguments.seconds, arguments.containers)
                rounds.setdefault(point, []).append(row)
                print(f"{point.rate}/s, {point.side}: {row}", file=sys.stderr, flush=True)
    found = {
        point: {name: statistics.median(row[name] for row in rows) for name in QUANTILES}
        for point, rows in rounds.items()
    }
    print("\n".join(table(rates, found)))
    arguments.out.write_text(draw(rates, found))


if __name__ == "__main__":
    main()
