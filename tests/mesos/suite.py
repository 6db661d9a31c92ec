#!/usr/bin/env python3
"""The module inside real Mesos libraries, release by release, with a table at the end.

hosts.py says which release gets every scenario, and which those of the core alone; --whole plays
everything everywhere, --only NAME one scenario (several with more of them), in the newest release
unless others are named.

Exit status: 0 all ran and passed; 1 something failed; 2 there is no such scenario; 3 a library
could not be had (with ALLOW_OFFLINE=1 such releases are skipped, with the reason, and do not count
as a failure).
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping

import answers
import contract
import cookbook
import faults
import foreign
import hosts
import kernels
import methods
import refusals
import stand_ins
import verdicts
from files import Json

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import skips

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FETCH = ROOT / "cpp/host/real-mesos/fetch.py"
REAL = pathlib.Path(os.environ.get("REAL_MESOS_DIR", ROOT / "target/real-mesos"))
# How often a scenario is played whose answers came late.
ATTEMPTS = 3
# The exit status of a scenario that this machine cannot play, with the reason as its last line.
CANNOT = 77
# Where the files of calls lie as a rule. A disk that others keep busy may not answer for seconds,
# which is what the cluster's scenarios have to live with.
MEMORY = "/dev/shm"
# Scenarios whose files are beside this one: (scenario, modules).
WRITTEN = [
    ("examples", "examples"),
    ("all-events", "record"),
    ("conditions", "conditions"),
    ("failing", "failing"),
    ("in-flight", "in-flight"),
    ("no-name", "no-name"),
    ("bad-parameter", "bad-parameter"),
]
OLD_KERNEL_PLAYS = WRITTEN[:5]


# What is wrong after a program that ended well; called when it has ended.
Complaints = Callable[[], list[str]]
Command = list[str | pathlib.Path]


class Suite:
    """One release's run, or a stand-in's."""

    def __init__(
        self, host: pathlib.Path, release: str, whole: bool, scratch: pathlib.Path
    ) -> None:
        self.host, self.release, self.scratch = host, release, scratch
        is_stand_in = release in stand_ins.STRINGS
        self.root = stand_ins.ROOT if is_stand_in else REAL
        # What it says it is.
        self.version = stand_ins.RELEASE if is_stand_in else release
        table = hosts.RELEASES.get(release, hosts.Release(whole=True))
        self.whole, self.lacks = whole or table.whole, table.lacks
        self.passed: list[str] = []
        self.failed: list[str] = []
        # What this machine cannot do, which it said when it was played.
        self.skipped: list[str] = []
        # What runs the host program.
        self.under: Command = []
        # The only scenarios that are played, all without one, and those that were not, for that.
        self.only: list[str] = []
        self.others: list[str] = []

    @property
    def played(self) -> list[str]:
        return [*self.passed, *self.failed, *self.skipped]

    def plays(self, name: str) -> bool:
        """Whether a scenario is played in this release."""
        return self.whole or hosts.in_core(name)

    def play(
        self,
        name: str,
        command: Command,
        complaints: Complaints = list,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Plays a command; its output."""
        if self.only and name not in self.only:
            self.others.append(name)
            return ""
        log = self.scratch / f"{name}.log"
        started = time.monotonic()
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=600,
            check=False,
            env={**os.environ, **(environment or {})},
        )
        took = time.monotonic() - started
        wrong = complaints() if done.returncode == 0 else []
        good = done.returncode == 0 and not wrong
        summary = done.stdout.strip().splitlines()[-1:] or ["no output"]
        if done.returncode == CANNOT:
            self.skipped.append(name)
            print(f"SKIPPED {name} in Mesos {self.release}: {summary[0]}", flush=True)
            return done.stdout
        (self.passed if good else self.failed).append(name)
        print(
            f"{self.release:8} {name:24} {'ok' if good else 'FAILED':8} {took:6.1f} s  "
            f"{summary[0]}",
            flush=True,
        )
        if not good:
            print(done.stdout, *wrong, sep="\n")
            print(f"exit status {done.returncode}; the log ends with:")
            if log.exists():
                print("\n".join(log.read_text(errors="replace").splitlines()[-30:]), flush=True)
        return done.stdout

    def run(
        self,
        name: str,
        modules: pathlib.Path,
        scenario: pathlib.Path,
        *,
        complaints: Complaints = list,
        environment: Mapping[str, str] | None = None,
        **variables: object,
    ) -> None:
        """Plays a scenario, in whose files the variables are filled in.

        One in which nothing is wrong but that answers came late is played again, as something else
        may have held up the machine. Where the machine itself was late each time, nobody can judge,
        which is said and no failure.
        """
        command: Command = [*self.under, self.host, "run", "--mesos", self.release]
        command += ["--mesos-dir", self.root, "--modules", modules, "--scenario", scenario]
        command += ["--log", self.scratch / f"{name}.log"]
        for variable, value in variables.items():
            command += ["--set", f"{variable}={value}"]
        seen = []
        for attempt in range(1, ATTEMPTS + 1):
            places = {"TMPDIR": MEMORY, **(environment or {})}
            times = verdicts.late(self.play(name, command, complaints, places))
            if self.failed[-1:] != [name] or not times:
                return
            seen += times
            if attempt < ATTEMPTS:
                self.failed.pop()
                print(f"{self.release:8} {name} is played again", flush=True)
        if all(time.startswith("NOT JUDGED") for time in seen):
            self.passed.append(self.failed.pop())
            print(f"NOT JUDGED {name} in Mesos {self.release}: {'; '.join(seen)}", flush=True)

    def generated(
        self,
        name: str,
        modules: Json,
        scenario: Json,
        *,
        complaints: Complaints = list,
        **variables: object,
    ) -> None:
        """A scenario that a table makes; ${HERE} in its modules file is this directory."""
        path = self.scratch / f"{name}.modules.json"
        path.write_text(json.dumps(modules).replace("${HERE}", str(HERE)))
        played = self.scratch / f"{name}.scenario.json"
        played.write_text(json.dumps(hosts.without(scenario, self.lacks)))
        self.run(name, path, played, complaints=complaints, environment=None, **variables)

    @property
    def mesos(self) -> pathlib.Path:
        return self.root / self.release

    def all(self) -> None:
        library = self.host.with_name("libmesos_command_modules.so")
        newest = self.release == hosts.NEWEST
        libraries = stand_ins.libraries(self.mesos)
        self.play("symbols", [ROOT / "cpp/tests/symbols.sh", library, libraries])
        if self.release in stand_ins.STRINGS:
            stand_ins.drive(self)
        for scenario, modules in WRITTEN:
            self.written(scenario, modules)
        self.contract()
        if self.whole:
            cookbook.play(self)
            self.tables()
        refusals.run(self, self.mesos / "libmesos.so")
        # The CLI beside the host program, on this release, and once on what is none.
        inspect: Command = [sys.executable, HERE / "inspection.py", "--programs", self.host.parent]
        inspect += ["--mesos", self.mesos, "--release", self.version]
        inspect += ["--strings", stand_ins.STRINGS.get(self.release, "cxx11")]
        self.play("inspect", [*inspect, *(["--all"] if newest else [])])
        if self.release in stand_ins.STRINGS or not self.whole:
            return
        if newest:
            for name, program, *more in hosts.PROGRAMS:
                own = HERE / program
                self.play(name, [sys.executable, own, self.host, self.release, *more])
            kernels.play(self, OLD_KERNEL_PLAYS)
            descriptors = HERE / "descriptors.sh"
            self.play("descriptors", ["sh", descriptors, self.host, self.release, "1.8.1"])
        self.cluster("cluster", "record", "--records", "--tasks", "50", "--restart", "kill")
        if newest:
            self.burst()
            self.soak()
            self.docker()
            for name in ("neighbours", "beginner", "swap"):
                self.play(name, [sys.executable, HERE / f"{name}.py", "--host", self.host])
            deploy: Command = [sys.executable, HERE / "deploy.py", "--programs", self.host.parent]
            self.play("deploy", [*deploy, "--mesos", self.mesos])
        self.cluster("limited", "limited", "--limited", "--tasks", "3")

    def written(self, name: str, modules: str) -> None:
        """A scenario whose files are beside this one."""
        if not self.plays(name):
            return
        path = HERE / f"{name}.scenario.json"
        if self.lacks:
            scenario: Json = json.loads(path.read_text())
            more = scenario.pop("inputs_from", None)
            inputs = json.loads((HERE / more).read_text()) if more else {}
            scenario["inputs"] = {**inputs, **scenario.get("inputs", {})}
            path = self.scratch / path.name
            path.write_text(json.dumps(hosts.without(scenario, self.lacks)))
        self.run(name, HERE / f"{modules}.modules.json", path)

    def contract(self) -> None:
        """The original's contract."""
        state = self.scratch / "state"
        contract.write_state(state)
        self.generated(
            "contract",
            contract.modules(),
            contract.scenario(),
            complaints=lambda: contract.check_state(state),
            STATE=state,
            DIRECTORY=pathlib.Path.cwd(),
            USER_ID=os.getuid(),
        )

    def tables(self) -> None:
        """The scenarios that tables make, and the one whose commands must not outlive the host."""
        pids = self.scratch / "end.pids"
        # In memory: elsewhere the removal is begun but not waited for.
        with tempfile.TemporaryDirectory(prefix="mesos-suite-", dir=MEMORY) as calls:
            self.run(
                "end",
                HERE / "end.modules.json",
                HERE / "end.scenario.json",
                complaints=lambda: [
                    *verdicts.outlived(pids),
                    *(f"{left.name} is left" for left in pathlib.Path(calls).iterdir()),
                ],
                PIDS=pids,
                CALLS=calls,
            )
        self.generated("faults", faults.modules(), faults.scenario())
        answers.load_rules(self.host.with_name("mesos-command"))
        given = self.scratch / "answers"
        answers.write_answers(given)
        self.generated(
            "methods",
            methods.modules(),
            methods.scenario(),
            complaints=lambda: methods.complaints(self.scratch / "methods.log", self.lacks),
            ANSWERS=given,
        )
        self.generated(
            "foreign",
            foreign.modules(),
            foreign.scenario(),
            complaints=lambda: foreign.complaints(self.scratch / "foreign.log"),
        )

    def cluster(self, name: str, modules: str, *more: str, **environment: str) -> None:
        """A master and an agent that run tasks."""
        command: Command = [self.host, "cluster", "--mesos", self.release]
        command += ["--modules", HERE / f"{modules}.modules.json", *more]
        self.play(name, command, environment=environment)

    def burst(self) -> None:
        """Tasks whose commands wait for each other for longer than the timeout of each.

        `make burst` does it with 100 tasks and the default timeout.
        """
        for event in ("isolator_prepare", "isolator_isolate"):
            name = f"burst-{event.split('_')[1]}"
            self.cluster(name, "burst-short", "--tasks", "15", "--patience", "120", BURST=event)

    def docker(self) -> None:
        """The hooks of the Docker containerizer, as `make demo-docker` plays them."""
        command: Command = [sys.executable, HERE / "docker.py", "--host", self.host]
        self.play("docker", [*command, "--mesos", self.release])

    def soak(self) -> None:
        """Half a minute of what `make soak` plays for half an hour, with every kind of harm."""
        soak = HERE.parent / "soak/soak.py"
        command: Command = [sys.executable, soak, "--host", self.host, "--mesos", self.release]
        self.play("soak", [*command, "--minutes", "0.5", "--out", self.scratch / "soak"])


def provide(host: pathlib.Path, release: str) -> int:
    """0: there; 3: PyPI cannot be reached; anything else: broken."""
    if release in stand_ins.STRINGS:
        # Its messages are those of a real release.
        return provide(host, stand_ins.RELEASE) or stand_ins.build(host, release)
    return subprocess.run([sys.executable, FETCH, release], check=False).returncode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", type=pathlib.Path, default=ROOT / "target/release/mesos-host")
    every = [*hosts.RELEASES, *stand_ins.STRINGS]
    parser.add_argument(
        "releases",
        nargs="*",
        metavar="RELEASE",
        default=every,
        help=f"default: {' '.join(every)}",
    )
    parser.add_argument("--whole", action="store_true", help="play everything in each of them")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="play this scenario alone"
    )
    arguments = parser.parse_args()
    if arguments.only and arguments.releases == every:
        arguments.releases = [hosts.NEWEST]
    table: list[tuple[str, str, str]] = []
    passed = failed = missing = 0
    for release in arguments.releases:
        began = time.monotonic()
        status = provide(arguments.host, release)
        took = time.monotonic() - began
        if status:
            why = "PyPI cannot be reached" if status == 3 else f"its recipe ended with {status}"
            skipped = status == 3 and skips.allowed_offline()
            missing += not skipped
            table.append((release, "skipped" if skipped else "FAILED", why))
            if skipped:
                print(f"SKIPPED all scenarios in Mesos {release}: {why}")
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="mesos-suite-") as scratch:
            suite = Suite(arguments.host, release, arguments.whole, pathlib.Path(scratch))
            suite.only = arguments.only
            suite.all()
            if unknown := [name for name in arguments.only if name not in suite.played]:
                known = ", ".join(sorted(set(suite.others)))
                parser.error(f"{release} plays no {', '.join(unknown)}; there are {known}")
        passed, failed = passed + len(suite.passed), failed + len(suite.failed)
        if suite.failed:
            table.append((release, "FAILED", ", ".join(suite.failed)))
        else:
            made = f", made in {took:.0f} s" if release in stand_ins.STRINGS else ""
            core = "" if suite.whole else " of the core"
            lacks = f", without {', '.join(suite.lacks)}" if suite.lacks else ""
            ran = f"in {time.monotonic() - began:.0f} s"
            passed_over = f", skipped {', '.join(suite.skipped)}" if suite.skipped else ""
            told = f"{len(suite.passed)} scenarios{core} {ran}{made}{lacks}{passed_over}"
            table.append((release, "ran", told))
    print("\nMesos    result   ")
    for release, result, why in table:
        print(f"{release:8} {result:8} {why}")
    print(f"{passed} passed, {failed + missing} failed")
    sys.exit(1 if failed else 3 if missing else 0)


if __name__ == "__main__":
    main()
