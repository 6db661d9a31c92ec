"""The module's metrics, as its listener gives them."""

import re
import urllib.request
from collections import Counter
from collections.abc import Mapping

LINE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

# A series: its name, and its labels in order.
Series = tuple[str, tuple[tuple[str, str], ...]]


def parse(text: str) -> dict[Series, float]:
    """The values of an exposition."""
    found = {}
    for line in text.splitlines():
        if match := LINE.match(line):
            labels = tuple(sorted(LABEL.findall(match[2] or "")))
            found[match[1], labels] = float(match[3])
    return found


def get(port: int, patience: float) -> dict[Series, float]:
    url = f"http://127.0.0.1:{port}/metrics"
    with urllib.request.urlopen(url, timeout=patience) as answer:
        return parse(answer.read().decode())


def total(series: Mapping[Series, float], name: str, *by: str) -> Counter[tuple[str, ...]]:
    """Sums of a metric, by the values of these labels."""
    sums: Counter[tuple[str, ...]] = Counter()
    for (its, labels), value in series.items():
        if its == f"mesos_command_{name}":
            of = dict(labels)
            sums[tuple(of.get(label, "") for label in by)] += int(value)
    return sums
