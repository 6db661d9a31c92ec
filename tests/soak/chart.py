#!/usr/bin/env python3
"""Draws the report of a soak: what the process had, what was called, and when harm was done.

    chart.py REPORT.jsonl CHART.png

Needs matplotlib; soak.py starts this with the one that chart.txt names.
"""

import itertools
import json
import pathlib
import sys
from collections.abc import Iterable
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

Json = dict[str, Any]
# What is done to the process as a whole is marked across all panels.
BROAD = {"full": "tab:orange", "descriptors": "tab:red", "cgroups": "tab:brown"}


def rates(samples: list[Json], of: str | None = None) -> tuple[list[float], list[float]]:
    """Times, and calls per second since the look before; of an outcome, or of all."""

    def count(sample: Json) -> int:
        return sum(sample["outcomes"].values()) if of is None else sample["outcomes"].get(of, 0)

    answered = [sample for sample in samples if sample["outcomes"]]
    times, values = [], []
    for before, after in itertools.pairwise(answered):
        times.append(after["at"])
        values.append((count(after) - count(before)) / (after["at"] - before["at"]))
    return times, values


def mark(axes: Iterable[Axes], actions: list[Json]) -> None:
    for action in actions:
        if action["possible"] and (colour := BROAD.get(action["kind"])):
            for each in axes:
                each.axvspan(
                    action["began"], action["ended"], color=colour, alpha=0.25, linewidth=0
                )


def draw(lines: list[Json]) -> plt.Figure:
    run = next(line for line in lines if line["record"] == "run")
    samples = [line for line in lines if line["record"] == "second"]
    actions = [line for line in lines if line["record"] == "action"]
    kinds = sorted({action["kind"] for action in actions})
    times = [sample["at"] for sample in samples]
    figure, axes = plt.subplots(
        6, 1, figsize=(14, 17), sharex=True, height_ratios=[1.2, 1, 1, 1, 1.6, 2]
    )
    memory, descriptors, threads, calls, outcomes, harm = axes
    memory.plot(times, [sample["rss"] / 2**20 for sample in samples], color="black")
    memory.set_ylabel("resident memory, MiB")
    descriptors.plot(times, [sample["descriptors"] for sample in samples], color="tab:blue")
    descriptors.set_ylabel("descriptors")
    threads.plot(times, [sample["threads"] for sample in samples], label="threads")
    threads.plot(times, [sample["children"] for sample in samples], label="children", alpha=0.6)
    threads.set_ylabel("threads, children")
    threads.legend(loc="upper right")
    calls.plot(*rates(samples), color="tab:green")
    calls.set_ylabel("calls/s, all modules")
    # A load that was held up makes up for it.
    calls.set_ylim(0, 3 * run["rate"])
    found = sorted({outcome for sample in samples for outcome in sample["outcomes"]})
    for outcome in found:
        where, values = rates(samples, outcome)
        if outcome != "ok" and any(values):
            outcomes.plot(where, values, label=outcome)
    outcomes.set_ylabel("other outcomes than ok, 1/s")
    outcomes.set_yscale("symlog", linthresh=1)
    outcomes.set_ylim(bottom=0)
    if outcomes.get_legend_handles_labels()[0]:
        outcomes.legend(loc="upper right", ncols=3)
    for action in actions:
        place = kinds.index(action["kind"])
        width = max(action["ended"] - action["began"], run["seconds"] / 400)
        colour = BROAD.get(action["kind"], "tab:blue") if action["possible"] else "lightgrey"
        harm.barh(place, width, left=action["began"], height=0.7, color=colour)
    harm.set_yticks(range(len(kinds)), kinds)
    harm.set_ylabel("harm (grey: not possible here)")
    harm.set_xlabel("seconds after the first call")
    mark(axes[:5], actions)
    for each in axes[:5]:
        each.grid(alpha=0.3)
    for each in (memory, descriptors, threads):
        each.set_ylim(0, each.get_ylim()[1] * 1.1)
    verdict = "FAILED" if any(line.get("wrong") for line in lines) else "all held"
    figure.suptitle(
        f"{run['seconds'] / 60:.1f} minutes at {run['rate']} calls/s inside Mesos {run['mesos']}, "
        f"seed {run['seed']}: {verdict}"
    )
    figure.tight_layout(rect=(0, 0, 1, 0.985))
    return figure


def main() -> None:
    report, picture = map(pathlib.Path, sys.argv[1:3])
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    draw(lines).savefig(picture, dpi=80)


if __name__ == "__main__":
    main()
