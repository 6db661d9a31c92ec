#!/usr/bin/env python3
"""Draws dashboards/overview.png: what the panels show while commands fail in every way.

The data are those of tests/observe/observe.py, from a real Prometheus; the queries, titles, units
and legends are the dashboard's. Grafana itself is not needed. Needs matplotlib, which brings
Pillow.
"""

import argparse
import io
import math
import pathlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import FuncFormatter
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/observe"))
import observe  # noqa: E402
import prometheus  # noqa: E402

# For $__rate_interval: short, because the run is.
INTERVAL = "15s"
COLUMNS = 3
# Series that a legend names; the others are drawn and counted.
NAMED = 7


class Series(NamedTuple):
    """One line of a panel; times are seconds since the run began."""

    legend: str
    times: Sequence[float]
    values: Sequence[float]


def plain(value: float, digits: int = 3) -> str:
    return "0" if value == 0 else f"{value:.{digits}g}"


def scaled(value: float, units: Sequence[tuple[float, str]]) -> str:
    """With the largest unit that is not above the value."""
    factor, unit = next((it for it in units if abs(value) >= it[0]), units[-1])
    return "0" if value == 0 else f"{plain(value / factor)}{unit}"


UNITS: dict[str, Callable[[float], str]] = {
    "s": lambda value: scaled(value, [(1, " s"), (1e-3, " ms"), (1e-6, " µs")]),
    "reqps": lambda value: scaled(value, [(1000, "k req/s"), (1, " req/s")]),
    "ops": lambda value: scaled(value, [(1000, "k ops/s"), (1, " ops/s")]),
    "Bps": lambda value: scaled(value, [(1e6, " MB/s"), (1e3, " kB/s"), (1, " B/s")]),
    "percentunit": lambda value: f"{plain(100 * value)} %",
    "short": plain,
    "none": plain,
}


def legend(template: str, labels: prometheus.Labels) -> str:
    for name, value in labels.items():
        template = template.replace("{{" + name + "}}", value)
    # Shorter than Grafana's, which has more room.
    return template.replace("isolator_", "").replace("hook_slave_", "")


class Recording(NamedTuple):
    """What Prometheus has of a run."""

    server: prometheus.Server
    begin: float
    end: float

    def series(self, panel: prometheus.Panel) -> list[Series]:
        """The series of a panel, largest first."""
        found = []
        span = {"start": self.begin, "end": self.end, "step": 1}
        for expression, template in panel.targets:
            sent = prometheus.as_sent(expression, INTERVAL)
            for one in self.server.api("query_range", query=sent, **span)["result"]:
                points = [(float(when) - self.begin, float(value)) for when, value in one["values"]]
                points = [point for point in points if math.isfinite(point[1])]
                if points:
                    times, values = zip(*points, strict=True)
                    name = legend(template, one["metric"]) or panel.title
                    found.append(Series(name, times, values))
        return sorted(found, key=lambda it: -max(it.values))


def draw_lines(axes: Axes, panel: prometheus.Panel, found: Sequence[Series]) -> None:
    log, unit = panel.defaults.get("custom", {}).get("scaleDistribution", {}), panel.unit
    shown = [it for it in found if any(it.values)] or found[:1]
    for name, times, values in shown:
        axes.plot(times, values, linewidth=1.1, label=name)
    if log.get("type") == "log" or unit == "s":
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    handles, labels = axes.get_legend_handles_labels()
    more = len(handles) - NAMED
    if more > 0:
        handles, labels = (
            handles[:NAMED],
            [*labels[: NAMED - 1], f"{labels[NAMED - 1]} (and {more} more)"],
        )
    axes.legend(
        handles,
        labels,
        fontsize=6,
        loc="upper center",
        ncols=2,
        frameon=False,
        bbox_to_anchor=(0.5, -0.13),
        borderaxespad=0,
    )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: unit_text(unit, value)))
    axes.yaxis.set_minor_formatter("")


def draw_heatmap(axes: Axes, found: Sequence[Series]) -> None:
    """Buckets are cumulative; the colour is how many calls fell into each."""
    rows = sorted(
        ((float(name), times, values) for name, times, values in found if name != "+Inf"),
        key=lambda row: row[0],
    )
    length = max(len(times) for _, times, _ in rows)
    cells: list[list[float]] = []
    below = [0.0] * length
    for _, _, values in rows:
        padded = [0.0] * (length - len(values)) + list(values)
        pairs = zip(padded, below, strict=True)
        cells.append([max(0.0, own - under) or math.nan for own, under in pairs])
        below = padded
    last = max(times[-1] for _, times, _ in rows)
    axes.imshow(
        cells,
        aspect="auto",
        origin="lower",
        cmap="viridis",
        interpolation="nearest",
        extent=(last - length, last, 0, len(rows)),
        norm="log",
    )
    ticks = range(2, len(rows), 3)
    axes.set_yticks([tick + 1 for tick in ticks], [unit_text("s", rows[tick][0]) for tick in ticks])
    axes.text(
        0.5,
        -0.2,
        "a bucket's upper bound; brighter: more calls",
        fontsize=6,
        ha="center",
        transform=axes.transAxes,
    )


def unit_text(unit: str, value: float) -> str:
    return UNITS.get(unit, plain)(value)


def draw_table(axes: Axes, panel: prometheus.Panel, recording: Recording) -> None:
    axes.axis("off")
    rows = []
    for expression, _ in panel.targets:
        sent = prometheus.as_sent(expression, INTERVAL)
        for labels, _ in recording.server.vector(sent, recording.end):
            rows.append([labels[name] for name in ("instance", "version", "mesos_version")])
    table = axes.table(rows, colLabels=["instance", "module", "Mesos"], loc="upper center")
    table.set_fontsize(8)


def draw_stats(
    figure: Figure, grid: SubplotSpec, stats: Sequence[prometheus.Panel], recording: Recording
) -> None:
    row = grid.subgridspec(1, len(stats))
    for place, panel in enumerate(stats):
        axes = figure.add_subplot(row[place])
        found = recording.series(panel)
        axes.set_title(panel.title, fontsize=9)
        axes.axis("off")
        if found:
            _, times, values = found[0]
            # Half way: at the end nobody calls any more.
            middle = values[len(values) // 2]
            axes.text(
                0.5,
                0.72,
                unit_text(panel.unit, middle),
                fontsize=17,
                ha="center",
                va="center",
                transform=axes.transAxes,
                color="#1f60c4",
            )
            small = axes.inset_axes((0.1, 0.0, 0.8, 0.42))
            small.fill_between(times, values, alpha=0.3)
            small.axis("off")


def draw(path: pathlib.Path, recording: Recording) -> None:
    every = list(prometheus.panels())
    stats = [panel for panel in every if panel.kind == "stat"]
    others = [panel for panel in every if panel.kind != "stat"]
    rows = math.ceil(len(others) / COLUMNS)
    figure = plt.figure(figsize=(16, 1.7 + 2.75 * rows))
    grid = figure.add_gridspec(
        rows + 1,
        COLUMNS,
        height_ratios=[0.42] + [1] * rows,
        hspace=0.78,
        wspace=0.22,
        left=0.06,
        right=0.985,
        top=0.955,
        bottom=0.03,
    )
    draw_stats(figure, grid[0, :], stats, recording)
    for place, panel in enumerate(others):
        axes = figure.add_subplot(grid[1 + place // COLUMNS, place % COLUMNS])
        axes.set_title(panel.title, fontsize=10, loc="left", weight="bold")
        axes.tick_params(labelsize=7)
        if panel.kind == "table":
            draw_table(axes, panel, recording)
            continue
        found = recording.series(panel)
        if panel.kind == "heatmap":
            draw_heatmap(axes, found)
        else:
            draw_lines(axes, panel, found)
            axes.grid(alpha=0.25)
        axes.set_xlim(0, recording.end - recording.begin)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} s"))
    figure.suptitle(
        "Mesos command modules: what the dashboard shows while commands fail on "
        "purpose, inside libmesos 1.11.0",
        fontsize=13,
    )
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=90)
    # A palette is a third of the size, and there are few colours.
    Image.open(drawn).convert("RGB").quantize(96).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--host", type=pathlib.Path, default=prometheus.ROOT / "target/release/mesos-host"
    )
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "overview.png")
    arguments = parser.parse_args()
    why = observe.missing_tool() or observe.missing_library("1.11.0")
    if why:
        sys.exit(why)
    with tempfile.TemporaryDirectory(prefix="mesos-observe-") as directory:
        checks = observe.observe(
            arguments.host,
            "1.11.0",
            arguments.rounds,
            pathlib.Path(directory),
            lambda *recorded: draw(arguments.out, Recording(*recorded)),
        )
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
