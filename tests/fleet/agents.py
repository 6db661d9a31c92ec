"""Simulated agents: the series of a real exposition, with numbers that a plan gives.

The exposition is what the tool serves while it runs commands, so that names, labels and buckets
are the module's own. Every call takes the same time; what is wrong with some agents is known
beforehand, so that a dashboard can be judged by whom it names.
"""

import functools
import re
from typing import NamedTuple

# Calls of each event of each agent, a second.
RATE = 2.0
# Of the failing agents' calls this share fails.
FAILED = 0.25
# Seconds that a call takes, and a slow one.
QUICK, SLOW = 0.02, 8.0
QUEUED, HANGING = 25, 2
SAMPLE = re.compile(r"^(?P<name>[a-z0-9_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
# What an agent's own Prometheus would tell apart by.
NEW, OTHER_HASH = "9.9.9", "feedfacefeedface"


class Fault(NamedTuple):
    """What is wrong with an agent."""

    failing: bool = False
    slow: bool = False
    queued: bool = False
    hanging: bool = False
    odd: bool = False
    new: bool = False


class Planned(NamedTuple):
    """Which agents have which fault."""

    failing: frozenset[int]
    slow: frozenset[int]
    queued: frozenset[int]
    hanging: frozenset[int]
    odd: frozenset[int]
    new: frozenset[int]

    def fault(self, agent: int) -> Fault:
        return Fault(*(agent in these for these in self))


def plan(agents: int) -> Planned:
    """Twelve of each kind at the most, spread over all agents; an eighth has another version."""
    few = min(12, agents // 20)

    def spread(first: int) -> frozenset[int]:
        step = agents // few
        return frozenset(first + step * index for index in range(few))

    return Planned(
        failing=spread(0),
        slow=spread(1),
        queued=spread(2),
        hanging=spread(3),
        odd=spread(4),
        new=frozenset(range(5, agents, 8)),
    )


class Sample(NamedTuple):
    """A series of the exposition."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float

    def label(self, name: str) -> str:
        return dict(self.labels).get(name, "")


def samples(exposition: str) -> list[Sample]:
    found = []
    for line in exposition.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        match = SAMPLE.match(line)
        if not match:
            raise ValueError(f"no sample: {line}")
        labels = tuple(LABEL.findall(match["labels"] or ""))
        found.append(Sample(match["name"], labels, float(match["value"])))
    return found


class Agents:
    """What each of them serves at a time."""

    def __init__(self, exposition: str, agents: int) -> None:
        self.samples = samples(exposition)
        self.types = [line for line in exposition.splitlines() if line.startswith("# TYPE ")]
        self.planned = plan(agents)

    def serve(self, agent: int, seconds: float) -> str:
        """An agent's exposition, so long after the start of all."""
        # They were not all started at the same moment. What is alike is made once.
        return self.page(self.planned.fault(agent), int(seconds) + agent % 16)

    @functools.lru_cache(maxsize=512)  # noqa: B019 # there is one, as long as the process lives
    def page(self, fault: Fault, seconds: int) -> str:
        lines = list(self.types)
        for sample in self.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in altered(sample, fault))
            shown = f"{{{labels}}}" if labels else ""
            lines.append(f"{sample.name}{shown} {number(sample, fault, seconds):g}")
        return "\n".join(lines) + "\n"


def altered(sample: Sample, fault: Fault) -> list[tuple[str, str]]:
    def value(name: str, old: str) -> str:
        if fault.new and sample.name == "mesos_command_build_info" and name == "version":
            return NEW
        if fault.odd and sample.name == "mesos_command_config_info" and name == "hash":
            return OTHER_HASH
        return old

    return [(name, value(name, old)) for name, old in sample.labels]


def number(sample: Sample, fault: Fault, seconds: int) -> float:
    """The value of a series."""
    name, calls = sample.name, RATE * seconds
    failed = calls * FAILED if fault.failing else 0.0
    took = SLOW if fault.slow else QUICK
    values = {
        "mesos_command_failures_total": failed if sample.label("reason") == "exit" else 0.0,
        "mesos_command_queued": float(QUEUED * fault.queued),
        "mesos_command_quarantined": float(HANGING * fault.hanging),
        "mesos_command_usage_cache_requests_total": calls,
    }
    outcomes = {"ok": calls - failed, "exit": failed}
    for ended in ("mesos_command_calls_total", "mesos_command_runs_total"):
        values[ended] = outcomes.get(sample.label("outcome"), 0.0)
    bound = float(sample.label("le") or 0)
    endings = {
        "_seconds_bucket": calls if bound >= took else 0.0,
        "_seconds_count": calls,
        "_seconds_sum": calls * took,
        "_total": 0.0,
    }
    if name in values:
        return values[name]
    return next((it for end, it in endings.items() if name.endswith(end)), sample.value)
