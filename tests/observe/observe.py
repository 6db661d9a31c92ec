#!/usr/bin/env python3
"""Metrics, dashboard and alerts, inside a real libmesos and before a real Prometheus.

Commands that fail in every way are called inside libmesos; then every query of the dashboard and
every rule must have an answer, and what is counted must be what was called.

Exit status: 0 all is well; 1 something is not; 3 the library or a tool could not be had (with
ALLOW_OFFLINE=1 that is reported as skipped, with status 0).
"""

import collections
import concurrent.futures
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

import inside
import prometheus
import workload

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import skips

FETCH = prometheus.ROOT / "cpp/host/real-mesos/fetch.py"
# Stands for $__rate_interval: everything that was called.
INTERVAL = "2m"


class Checks:
    """What was looked at, and what was wrong."""

    def __init__(self, server: prometheus.Server, target: str, when: float) -> None:
        self.server, self.target, self.when = server, target, when
        self.passed = self.failed = 0

    def done(self, name: str, count: object, wrong: Sequence[str]) -> None:
        print(f"{'FAILED' if wrong else 'ok':8} {name}: {count}")
        for line in wrong:
            print(f"         {line}")
        self.failed += bool(wrong)
        self.passed += not wrong

    def exposition(self) -> None:
        text = prometheus.get(f"http://{self.target}/metrics")
        linted = subprocess.run(
            ["promtool", "check", "metrics"],
            input=text,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        wrong = linted.stdout.strip().splitlines()
        if linted.returncode:
            wrong.append(f"promtool ended with {linted.returncode}")
        self.done("promtool check metrics", f"{len(text.splitlines())} lines", wrong)

    def answers(self, expression: str) -> str | None:
        """Whether promtool finds a number; no series, or NaN alone, shows nobody anything."""
        asked = subprocess.run(
            [
                "promtool",
                "query",
                "instant",
                f"--time={self.when:.3f}",
                self.server.url,
                expression,
            ],
            text=True,
            capture_output=True,
            check=False,
        )
        if asked.returncode:
            return f"promtool: {asked.stderr.strip()}: {expression}"
        # {labels} => value @[time]
        lines = [line for line in asked.stdout.splitlines() if line]
        strange = [line for line in lines if "=>" not in line]
        if strange:
            return f"promtool answers {strange[0]!r}: {expression}"
        values = [line.rsplit("=>", 1)[1].split("@")[0] for line in lines]
        if not any(math.isfinite(float(value)) for value in values):
            return f"{'NaN' if values else 'no data'}: {expression}"
        return None

    def queries(self, name: str, expressions: Sequence[str]) -> None:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            wrong = [it for it in pool.map(self.answers, expressions) if it]
        self.done(name, f"{len(expressions)} expressions", wrong)

    def dashboard(self) -> None:
        self.queries(
            "every query of the dashboard has data",
            [
                prometheus.as_sent(expression, INTERVAL)
                for panel in prometheus.panels()
                for expression, _ in panel.targets
            ],
        )

    def rules(self) -> None:
        rules = self.server.rules()
        recording = [rule for rule in rules if rule["type"] == "recording"]
        alerts = [rule for rule in rules if rule["type"] == "alerting"]
        # One agent differs from no others.
        some = [rule for rule in recording if not rule["name"].endswith(":odd")]
        self.queries(
            "every recording rule has data",
            [rule["query"] for rule in some] + [rule["name"] for rule in some],
        )
        self.queries(
            "what every alert compares has data",
            [part for rule in alerts for part in prometheus.ingredients(rule["query"])],
        )
        sick = [
            f"{rule['name']}: {rule.get('lastError')}" for rule in rules if rule["health"] != "ok"
        ]
        self.done("every rule is evaluated", f"{len(rules)} rules", sick)
        active = {alert["labels"]["alertname"] for alert in self.server.api("alerts")["alerts"]}
        wrong = [f"{name} should be pending or firing" for name in workload.ALERTS - active]
        wrong += [f"{name} should be silent" for name in active - workload.ALERTS]
        self.done(
            "the alerts that these faults call for, and no other",
            f"{len(active)} active",
            sorted(wrong),
        )

    def counted(
        self, name: str, metric: str, label: str, expected: Mapping[workload.Counted, int]
    ) -> int:
        series = self.server.vector(metric, self.when)
        found = {
            (it["module"], it["event"], it[label]): int(value) for it, value in series if value
        }
        wrong = [
            f"{' '.join(key)}: {found.get(key, 0)} counted, {expected.get(key, 0)} made"
            for key in sorted(found.keys() | expected.keys())
            if found.get(key, 0) != expected.get(key, 0)
        ]
        self.done(name, f"{sum(found.values())} in {len(found)} series", wrong)
        return sum(found.values())

    def counts(self, work: workload.Workload, made: int) -> None:
        expected = workload.calls(work.expected)
        total = self.counted(
            "mesos_command_calls_total is what was called, by outcome",
            "mesos_command_calls_total",
            "outcome",
            expected,
        )
        outcomes: collections.Counter[str] = collections.Counter()
        for (_, _, outcome), count in expected.items():
            outcomes[outcome] += count
        print("         " + ", ".join(f"{name} {count}" for name, count in outcomes.most_common()))
        # Beside the tally: what mesos-host says that it did. Named calls have no line of their own.
        named = sum(step.get("name") is not None for step in work.steps)
        unhandled = sum(work.expected.values()) - sum(expected.values())
        wrong = (
            []
            if made + named - unhandled == total
            else [f"mesos-host made {made + named} calls, {unhandled} of them of no command"]
        )
        self.done("sum(mesos_command_calls_total) is the number of calls made", total, wrong)
        # Watches fail as often as they run, which is a matter of time.
        self.counted(
            "mesos_command_failures_total is what failed, by reason",
            'mesos_command_failures_total{event!="isolator_watch"}',
            "reason",
            work.failures,
        )
        timeouts = sum(count for key, count in expected.items() if key[2] == "timeout")
        self.equal("sum(mesos_command_timeouts_total)", timeouts)
        self.equal("sum(mesos_command_running) + sum(mesos_command_queued)", 0)
        self.equal("mesos_command_panics_total", 0)

    def equal(self, expression: str, expected: float) -> None:
        values = [value for _, value in self.server.vector(expression, self.when)]
        wrong = [] if values == [expected] else [f"is {values}, not {expected}"]
        self.done(expression, expected, wrong)


def missing_tool() -> str | None:
    """Why this cannot run, if it cannot."""
    for tool in ["prometheus", "promtool"]:
        if not shutil.which(tool):
            return f"{tool} is not installed (Debian's package prometheus has it)"
    return None


def missing_library(release: str) -> str | None:
    status = subprocess.run([sys.executable, FETCH, release], check=False).returncode
    if status == 3:
        return "PyPI cannot be reached"
    if status:
        sys.exit(f"fetch.py ended with {status}")
    return None


def skip(why: str) -> NoReturn:
    if skips.allowed_offline():
        print(f"SKIPPED the metrics inside a real Mesos: {why}")
        sys.exit(0)
    print(f"FAILED: {why} (ALLOW_OFFLINE=1 skips this)")
    sys.exit(3)


def observe(
    host: pathlib.Path,
    release: str,
    rounds: int,
    directory: pathlib.Path,
    then: Callable[[prometheus.Server, float, float], None] | None = None,
) -> Checks:
    """Plays and checks; `then(server, begin, end)` may look at the data. The checks."""
    target = f"127.0.0.1:{prometheus.free_port()}"
    work = workload.Workload(rounds, target)
    with prometheus.Server(directory, target) as server:
        begin = time.time()
        with inside.Inside(host, release, directory, target, work) as played:
            made = played.play()
            checks = Checks(server, target, server.settled(time.time()))
            checks.exposition()
            checks.counts(work, made)
            checks.dashboard()
            checks.rules()
            if then:
                then(server, begin, checks.when)
            status = played.end()
            checks.done(
                "mesos-host ends well",
                f"exit status {status}",
                played.tail().splitlines() if status else [],
            )
    return checks


def main() -> None:
    parser = inside.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    why = missing_tool() or missing_library(arguments.mesos)
    if why:
        skip(why)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mesos-observe-") as directory:
        checks = observe(arguments.host, arguments.mesos, arguments.rounds, pathlib.Path(directory))
    print(f"after {time.monotonic() - started:.0f} s")
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
