#!/usr/bin/env python3
"""A modules file that is reloaded while usage is called at a pace, in a real libmesos.

    reload_load.py HOST RELEASE [--rate CALLS] [--seconds SECONDS] [--within SECONDS]

Each version of the file has a command and a timeout of its own. The command answers with the
numbers of both: its own from its name, that of the timeout from its deadline. So an answer with two
numbers that differ is a mix of two versions, and one that is older than the call is late.

Rounds are played until the seconds are over, one at least: a file with a mistake, a reload, half of
a file, and some reloads at once. What is refused changes nothing. In the end each call was counted
by the module in one outcome, ok, and answered. Times are printed; with --within the new version has
to be answered, and no older one any more, within so many seconds of being asked for, at one reload
at least: a machine may be busy, but a late product is late each time.
"""

import argparse
import json
import pathlib
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import live
import verdicts
from files import Json, modules_file

MODULE = "loaded"
SYMBOL = "com_criteo_mesos_CommandIsolator"
CONTAINERS = 200
# Of version N is the timeout N times this, in seconds. No run takes so long, nor does a test.
STEP = 10_000
# The numbers of version 3 are 3 and 3.
FIELDS = "mem_rss_bytes,mem_limit_bytes"
USAGE = """#!/bin/sh
printf '{"mem_rss_bytes":%s,"mem_limit_bytes":%s}' \\
  "${0##*[!0-9]}" $(((MESOS_COMMAND_DEADLINE - BEGAN) / STEP)) >"$2"
"""
# Values live for longer than a new version may take to be seen.
LIFE = 5
AT_ONCE = 3
# No reload may put this one in place.
REFUSED = 999


class Reload(NamedTuple):
    """A reload that was answered. Times are those of CLOCK_MONOTONIC."""

    version: int
    asked: float
    returned: float


class Times(NamedTuple):
    """What a reload took, in seconds since it was asked for."""

    version: int
    # Until the tool has said so.
    returned: float
    # Until its version was answered for the first time.
    first: float
    # Until the last call began that was answered by an older one.
    last: float


class Answered(NamedTuple):
    """The answers of a version."""

    answers: int
    first: float
    last_begun: float


class Load:
    """`mesos-host load` with the first version; a context manager."""

    def __init__(self, arguments: argparse.Namespace, root: pathlib.Path) -> None:
        self.root, self.said, self.log = root, root / "said", root / "log"
        self.metrics = f"127.0.0.1:{live.free_port()}"
        (root / "calls").mkdir()
        # The wall clock may be set back a little meanwhile.
        began = int(time.time()) - STEP // 2
        self._script = USAGE.replace("BEGAN", str(began)).replace("STEP", str(STEP))
        self.write(self.version(1))
        self._command: list[str | pathlib.Path] = [arguments.host, "load", "--json", "--quiet"]
        self._command += ["--mesos", arguments.release, "--modules", self.modules]
        self._command += ["--rate", str(arguments.rate), "--containers", str(CONTAINERS)]
        # It is ended when everything was done.
        self._command += ["--fields", FIELDS, "--until-input-ends", "--duration", "3600s"]
        self._command += ["--log", self.log]

    @property
    def modules(self) -> pathlib.Path:
        return self.root / "modules.json"

    def version(self, number: int, **more: str) -> Json:
        """The modules file of a version, whose script is there then."""
        script = self.root / f"usage-{number}"
        script.write_text(self._script)
        script.chmod(0o755)
        pairs = {
            "module_name": MODULE,
            "state_dir": str(self.root / "contexts"),
            "temp_dir": str(self.root / "calls"),
            "control_socket": str(self.root / "control.sock"),
            "metrics_address": self.metrics,
            "reload_from": str(self.modules),
            "isolator_usage_cache_ttl": str(LIFE),
            "isolator_usage_command": str(script),
            "isolator_usage_timeout": str(STEP * number),
            **more,
        }
        return modules_file([(SYMBOL, pairs)])

    def write(self, file: Json | str) -> None:
        """Replaces the modules file in one step."""
        new = self.modules.with_suffix(".new")
        new.write_text(file if isinstance(file, str) else json.dumps(file))
        new.rename(self.modules)

    def __enter__(self) -> Self:
        with self.said.open("w") as output:
            self.process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def lines(self) -> list[Json]:
        """What it has said; a line that is not whole yet comes later."""
        lines = self.said.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def has_answered(self, version: int) -> bool:
        if self.process.poll() is not None:
            raise SystemExit(f"mesos-host load has ended too early:\n{self.said.read_text()}")
        return any(line.get("numbers") == [version, version] for line in self.lines())

    def end(self) -> tuple[int, list[Json]]:
        """Lets it end; its exit status, and all that it has said."""
        self.process.communicate(timeout=live.PATIENCE)
        return self.process.returncode, self.lines()


class Operator:
    """One who reloads the file again and again."""

    def __init__(self, load: Load, tool: live.Tool) -> None:
        self.load, self.tool = load, tool
        self.reloads: list[Reload] = []
        self.refused = 0
        self.wrong: list[str] = []

    @property
    def latest(self) -> int:
        return self.reloads[-1].version if self.reloads else 1

    def holds(self) -> dict[str, str]:
        """The parameters that hold."""
        [instance] = self.tool.json("status")["instances"]
        return {one["key"]: one["value"] for one in instance["parameters"]}

    def counted(self, metric: str) -> list[str]:
        """The lines of a metric."""
        lines = live.get(f"http://{self.load.metrics}/metrics").splitlines()
        return [line for line in lines if line.startswith(f"{metric}{{")]

    def reload(self) -> None:
        """Puts the next version in place."""
        version = self.latest + 1
        self.load.write(self.load.version(version))
        asked = time.monotonic()
        done = self.tool.run("reload")
        self.reloads.append(Reload(version, asked, time.monotonic()))
        now = self.holds()
        expected = {
            "isolator_usage_command": str(self.load.root / f"usage-{version}"),
            "isolator_usage_timeout": str(STEP * version),
        }
        for key, value in expected.items():
            if done.returncode or f"{key} = {value} (was " not in done.stdout:
                self.wrong.append(f"reload to {version} does not name {key}: {done}")
            if now[key] != value:
                self.wrong.append(f"after the reload {key} is {now[key]}, not {value}")

    def refuse(self, file: Json | str, reason: str) -> None:
        """Tries a file that cannot be used."""
        before = self.holds(), self.counted("mesos_command_config_info")
        self.load.write(file)
        done = self.tool.run("reload")
        self.refused += 1
        if done.returncode != 1 or reason not in done.stderr:
            self.wrong.append(f"a file with a mistake ({reason}): {done}")
        if (self.holds(), self.counted("mesos_command_config_info")) != before:
            self.wrong.append(f"a file with a mistake ({reason}) has changed parameters")

    def round(self) -> None:
        bad = self.load.version(REFUSED, isolator_usage_timeout="soon")
        self.refuse(bad, "isolator_usage_timeout")
        self.reload()
        live.wait_for("the new version", lambda: self.load.has_answered(self.latest))
        good = json.dumps(self.load.version(REFUSED))
        self.refuse(good[: len(good) // 2], "modules.json")
        for _ in range(AT_ONCE):
            self.reload()
        live.wait_for("the last version", lambda: self.load.has_answered(self.latest))


def answered(values: Sequence[Json]) -> tuple[dict[int, Answered], list[str]]:
    """The answers by version, and what is wrong with others."""
    by_version, wrong = {}, []
    for one in values:
        first, second = one["numbers"]
        if first == second and first is not None:
            by_version[int(first)] = Answered(one["answers"], one["first"], one["last_begun"])
        else:
            wrong.append(f"{one['answers']} answers with {first} and {second}: a mix, or empty")
    return by_version, wrong


def wrong_counts(report: Json, by_version: Mapping[int, Answered]) -> list[str]:
    """Calls that were lost, or counted otherwise."""
    wrong = [f"mesos-host: {problem}" for problem in report["problems"]]
    made, looked_at = report["made"], sum(it.answers for it in by_version.values())
    if report["outcomes"] != {"ok": made}:
        wrong.append(f"of {made} calls the module counts {report['outcomes']}")
    if not made == report["answers"] == looked_at:
        wrong.append(f"{made} calls, {report['answers']} answers, {looked_at} of one version")
    return wrong


def wrong_versions(
    by_version: Mapping[int, Answered], reloads: Sequence[Reload], stale: int
) -> list[str]:
    """Versions that there must not be, or that were answered for too long."""
    known = {1, *(reload.version for reload in reloads)}
    wrong = [f"version {version} was answered" for version in by_version if version not in known]
    # An older value is only for those whose refresh has taken longer than a second, and counted.
    for reload in reloads if stale == 0 else []:
        before = by_version.get(reload.version - 1)
        if before and before.last_begun > reload.returned:
            late = before.last_begun - reload.returned
            wrong.append(f"a call {late:.3f} s after the reload to {reload.version} got what was")
    return wrong


def times(by_version: Mapping[int, Answered], reloads: Sequence[Reload]) -> list[Times]:
    """What each reload took whose version was seen."""
    found = []
    for version, asked, returned in reloads:
        if version in by_version:
            old = max(it.last_begun for one, it in by_version.items() if one < version)
            first = by_version[version].first
            found.append(Times(version, returned - asked, first - asked, old - asked))
    return found


def told(report: Json, operator: Operator, taken: Sequence[Times]) -> str:
    """What was seen, in a line."""
    stale = report["cache"].get("stale", 0)
    return (
        f"{report['made']} calls at {report['rate']:.0f}/s over {len(operator.reloads)} reloads "
        f"and {operator.refused} refused, each of one version and counted once, {stale} stale; the "
        f"new one answered after {max(it.first for it in taken):.3f} s at the most, an older one "
        f"a call of {max(it.last for it in taken):.3f} s after"
    )


def play(arguments: argparse.Namespace, root: pathlib.Path) -> tuple[list[str], str]:
    """What is wrong, and what was seen."""
    with Load(arguments, root) as load:
        operator = Operator(load, live.Tool(arguments.host, root / "control.sock"))
        live.wait_for("the first answer", lambda: load.has_answered(1))
        end = time.monotonic() + arguments.seconds
        while not operator.reloads or time.monotonic() < end:
            operator.round()
        failures = operator.counted("mesos_command_reload_failures_total")
        status, lines = load.end()
    wrong = operator.wrong
    if status:
        return [*wrong, f"exit status {status}", load.said.read_text()], ""
    if [float(line.rpartition(" ")[2]) for line in failures] != [operator.refused]:
        wrong.append(f"of {operator.refused} that were refused are counted {failures}")
    [values] = [line["values"] for line in lines if "values" in line]
    [report] = [line for line in lines if "made" in line]
    by_version, strange = answered(values)
    wrong += strange + wrong_counts(report, by_version)
    wrong += wrong_versions(by_version, operator.reloads, report["cache"].get("stale", 0))
    taken = times(by_version, operator.reloads)
    print("seconds after a reload was asked for:\nversion  returned  first new  last old")
    for version, returned, first, last in taken:
        print(f"{version:7}  {returned:8.3f}  {first:9.3f}  {last:8.3f}")
    if arguments.within:
        in_time = [it for it in taken if max(it.returned, it.first, it.last) <= arguments.within]
        print(f"{len(in_time)} of {len(taken)} within {arguments.within} s")
        wrong += [] if in_time else ["no reload was in time"]
    log = load.log.read_text(errors="replace")
    if "all parameters stay as they are" not in log or f"'{MODULE}' is reloaded" not in log:
        wrong.append("the log does not say what was reloaded, and what not")
    return wrong, told(report, operator, taken)


def main() -> None:
    parser = verdicts.parser(__doc__)
    parser.add_argument("--rate", type=int, default=4000, help="calls per second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--within", type=float, help="seconds that one reload at least is to take")
    arguments = parser.parse_args()
    verdicts.judged(lambda root: play(arguments, root))


if __name__ == "__main__":
    main()
