#!/usr/bin/env python3
"""What a scraper costs the calls: 4,000 usage calls/s with and without one, in turns.

One `mesos-host load` runs all the time; slices with a scrape a second and slices without alternate.
The p99 of each second comes from the load generator's own progress lines; a slice's figure is the
median of its seconds, without the first, and what counts is the median ratio of neighbouring
slices. Other work on the machine meets both sides alike.

Exit status: 0 the median ratio of p99 is at most --at-most; 1 it is not; 2 the load failed.
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import prometheus
from inside import parser as host_parser

HERE = pathlib.Path(__file__).resolve().parent
WARM_UP = 4
LINE = re.compile(r"^ *(\d+) s +(\d+) calls .* p50 +(\d+) us +p99 +(\d+) us")

# Of each slice: whether it was scraped, and (p50, p99) of each of its seconds.
Slices = list[tuple[bool, list[tuple[int, int]]]]


class Scraper:
    """Asks once a second while it is switched on."""

    def __init__(self, url: str) -> None:
        self.url, self.on, self.scrapes, self.bytes = url, False, 0, 0
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            if self.on:
                try:
                    self.bytes = len(prometheus.get(self.url))
                    self.scrapes += 1
                except OSError:
                    pass  # Before the listener is there, or after the end.
            time.sleep(1)


def modules(target: str) -> str:
    """benches/load.modules.json with an address for metrics."""
    text = (prometheus.ROOT / "benches/load.modules.json").read_text()
    filled = json.loads(text.replace("${HERE}", str(prometheus.ROOT / "benches")))
    filled["libraries"][0]["modules"][0]["parameters"].append(
        {"key": "metrics_address", "value": target}
    )
    return json.dumps(filled)


def measure(arguments: argparse.Namespace, directory: pathlib.Path) -> tuple[Slices, Scraper]:
    """Runs the load; the slices, and the scraper with what it counted."""
    target = f"127.0.0.1:{prometheus.free_port()}"
    path = directory / "modules.json"
    path.write_text(modules(target))
    slices = 2 * arguments.pairs
    seconds = WARM_UP + slices * arguments.seconds
    command = [arguments.host, "load", "--mesos", arguments.mesos, "--modules", path]
    command += ["--rate", str(arguments.rate), "--containers", str(arguments.containers)]
    command += ["--warm-up", f"{WARM_UP}s", "--duration", f"{seconds - WARM_UP}s"]
    # Off, on, on, off: what only changes with time meets both sides.
    found: Slices = [(index % 4 in (1, 2), []) for index in range(slices)]
    scraper = Scraper(f"http://{target}/metrics")
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as load:
        assert load.stderr is not None and load.stdout is not None  # They are pipes.
        for line in load.stderr:
            match = LINE.match(line)
            if not match:
                continue
            second = int(match[1]) - WARM_UP  # The line is about the second that has just ended.
            place, inside = divmod(second - 1, arguments.seconds)
            if 0 <= place < slices and inside > 0:
                found[place][1].append((int(match[3]), int(match[4])))
            following = second // arguments.seconds
            scraper.on = second >= 0 and following < slices and found[following][0]
        report = load.stdout.read()
    if load.returncode:
        sys.exit(f"mesos-host load ended with {load.returncode}:\n{report}")
    print(report)
    return found, scraper


def main() -> None:
    parser = host_parser(__doc__)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=5, help="of a slice")
    parser.add_argument("--rate", type=int, default=4000)
    parser.add_argument("--containers", type=int, default=200)
    parser.add_argument("--at-most", type=float, default=1.2)
    arguments = parser.parse_args()
    if arguments.seconds < 2:
        parser.error("the first second of a slice is not counted: --seconds 2 at least")
    with tempfile.TemporaryDirectory(prefix="mesos-scraper-") as directory:
        found, scraper = measure(arguments, pathlib.Path(directory))
    medians = [
        (scraped, [statistics.median(values) for values in zip(*seconds, strict=True)])
        for scraped, seconds in found
    ]
    # The slice without a scraper first: False sorts before True.
    couples = [sorted(couple) for couple in zip(medians[::2], medians[1::2], strict=True)]
    print(f"{scraper.scrapes} scrapes of {scraper.bytes} bytes")
    verdict = 0
    for index, name in enumerate(["p50", "p99"]):
        pairs = [(bare[index], scraped[index]) for (_, bare), (_, scraped) in couples]
        ratios = sorted(scraped / max(bare, 1) for bare, scraped in pairs)
        ratio = statistics.median(ratios)
        bare, scraped = (statistics.median(side) for side in zip(*pairs, strict=True))
        print(
            f"{name}: {bare:.0f} us without, {scraped:.0f} us with a scraper; median ratio of "
            f"{len(ratios)} pairs {ratio:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )
        if name == "p99":
            verdict = int(ratio > arguments.at_most)
    sys.exit(verdict)


if __name__ == "__main__":
    main()
