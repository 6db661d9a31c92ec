#!/usr/bin/env python3
"""The module inside real Mesos libraries: every scenario in every release, and a table at the end.

Exit status: 0 all ran and passed; 1 something failed; 3 a library could not be had (with
ALLOW_OFFLINE=1 such releases are skipped, with the reason, and do not count as a failure).
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import contract
import faults
import foreign
import methods
import refusals

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import skips

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FETCH = ROOT / "cpp/host/real-mesos/fetch.py"
REAL = pathlib.Path(os.environ.get("REAL_MESOS_DIR", ROOT / "target/real-mesos"))
RELEASES = ["1.8.1", "1.9.0", "1.10.0", "1.11.0"]
# How often a scenario is played whose answers came late.
ATTEMPTS = 3
# Scenarios whose files are beside this one: (scenario, modules).
WRITTEN = [
    ("examples", "examples"),
    ("all-events", "record"),
    ("failing", "failing"),
    ("in-flight", "in-flight"),
    ("no-name", "no-name"),
    ("bad-parameter", "bad-parameter"),
]


def late(output):
    """What mesos-host complains about in its output if it is of times alone, else nothing."""
    complaints = [line[4:] for line in output.splitlines() if line.startswith("    ")]
    complaints = [line for line in complaints if not line.startswith("the answer was: ")]
    times = [line for line in complaints if line.startswith(("LATE: ", "NOT JUDGED: "))]
    return times if times == complaints else []


class Suite:
    """One release's run."""

    def __init__(self, host, release, scratch):
        self.host, self.release, self.scratch = host, release, scratch
        self.passed, self.failed = [], []

    def play(self, name, command, complaints=lambda: [], environment=None):
        """Plays a command; its output."""
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
            env={**os.environ, **(environment or {})},
        )
        took = time.monotonic() - started
        wrong = complaints() if done.returncode == 0 else []
        good = done.returncode == 0 and not wrong
        (self.passed if good else self.failed).append(name)
        summary = done.stdout.strip().splitlines()[-1:] or ["no output"]
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

    def run(self, name, modules, scenario, *more, complaints=lambda: [], environment=None):
        """Plays a scenario. One in which nothing is wrong but that answers came late is played
        again, as something else may have held up the machine. Where the machine itself was late
        each time, nobody can judge, which is said and no failure."""
        command = [
            self.host,
            "run",
            "--mesos",
            self.release,
            "--modules",
            modules,
            "--scenario",
            scenario,
            "--log",
            self.scratch / f"{name}.log",
            *more,
        ]
        seen = []
        for attempt in range(1, ATTEMPTS + 1):
            times = late(self.play(name, command, complaints, environment))
            if self.failed[-1:] != [name] or not times:
                return
            seen += times
            if attempt < ATTEMPTS:
                self.failed.pop()
                print(f"{self.release:8} {name} is played again", flush=True)
        if all(time.startswith("NOT JUDGED") for time in seen):
            self.passed.append(self.failed.pop())
            print(f"NOT JUDGED {name} in Mesos {self.release}: {'; '.join(seen)}", flush=True)

    def generated(self, name, source, *more, complaints=lambda: []):
        """A scenario that a table makes; ${HERE} in its modules file is this directory."""
        modules = self.scratch / f"{name}.modules.json"
        modules.write_text(json.dumps(source.modules()).replace("${HERE}", str(HERE)))
        scenario = self.scratch / f"{name}.scenario.json"
        scenario.write_text(json.dumps(source.scenario()))
        self.run(name, modules, scenario, *more, complaints=complaints)

    def all(self):
        library = self.host.with_name("libmesos_command_modules.so")
        mesos = REAL / self.release / "libmesos.so"
        self.play("symbols", [ROOT / "cpp/tests/symbols.sh", library, mesos])
        for scenario, modules in WRITTEN:
            self.run(scenario, HERE / f"{modules}.modules.json", HERE / f"{scenario}.scenario.json")
        state = self.scratch / "state"
        contract.write_state(state)
        self.generated(
            "contract",
            contract,
            "--set",
            f"STATE={state}",
            "--set",
            f"DIRECTORY={os.getcwd()}",
            "--set",
            f"USER_ID={os.getuid()}",
            complaints=lambda: contract.check_state(state),
        )
        pids = self.scratch / "end.pids"
        # In memory: elsewhere the removal is begun but not waited for.
        with tempfile.TemporaryDirectory(prefix="mesos-suite-", dir="/dev/shm") as calls:
            self.run(
                "end",
                HERE / "end.modules.json",
                HERE / "end.scenario.json",
                "--set",
                f"PIDS={pids}",
                "--set",
                f"CALLS={calls}",
                complaints=lambda: [
                    *outlived(pids),
                    *(f"{left} is left" for left in os.listdir(calls)),
                ],
            )
        self.generated("faults", faults)
        methods.load_rules(self.host.with_name("mesos-command"))
        answers = self.scratch / "answers"
        methods.write_answers(answers)
        self.generated(
            "methods",
            methods,
            "--set",
            f"ANSWERS={answers}",
            complaints=lambda: methods.complaints(self.scratch / "methods.log"),
        )
        self.generated(
            "foreign", foreign, complaints=lambda: foreign.complaints(self.scratch / "foreign.log")
        )
        refusals.run(self, REAL / self.release / "libmesos.so")
        self.inspection()
        if self.release == RELEASES[-1]:
            self.play(
                "shared-state", [sys.executable, HERE / "shared_state.py", self.host, self.release]
            )
            self.play(
                "descriptors", ["sh", HERE / "descriptors.sh", self.host, self.release, "1.8.1"]
            )
        self.cluster()
        if self.release == RELEASES[-1]:
            self.burst()
        self.play(
            "limited",
            [
                self.host,
                "cluster",
                "--mesos",
                self.release,
                "--modules",
                HERE / "limited.modules.json",
                "--limited",
                "--tasks",
                "3",
            ],
        )

    def inspection(self):
        """The CLI beside the host program, on this release, and once on what is none."""
        self.play(
            "inspect",
            [
                sys.executable,
                HERE / "inspection.py",
                "--programs",
                self.host.parent,
                "--mesos",
                REAL / self.release,
                *(["--all"] if self.release == RELEASES[-1] else []),
            ],
        )

    def burst(self):
        """Tasks whose commands wait for each other for longer than the timeout of each; `make burst`
        does it with 100 tasks and the default timeout."""
        for event in ("isolator_prepare", "isolator_isolate"):
            self.play(
                f"burst-{event.split('_')[1]}",
                [
                    self.host,
                    "cluster",
                    "--mesos",
                    self.release,
                    "--modules",
                    HERE / "burst-short.modules.json",
                    "--tasks",
                    "15",
                    "--patience",
                    "120",
                ],
                environment={"BURST": event},
            )

    def cluster(self):
        self.play(
            "cluster",
            [
                self.host,
                "cluster",
                "--mesos",
                self.release,
                "--modules",
                HERE / "record.modules.json",
                "--records",
                "--tasks",
                "50",
                "--restart",
                "kill",
            ],
        )


def outlived(pids):
    """Which of the commands of the `end` scenario outlived their host; there must be five of them,
    one for each call that was not queued and does not end by itself."""
    started = pids.read_text().split()
    wrong = [] if len(started) == 5 else [f"{len(started)} commands were started instead of 5"]
    for pid in started:
        stat = pathlib.Path("/proc", pid, "stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
            wrong.append(f"command {pid} outlived its host")
    return wrong


def fetch(release):
    """0: there; 3: PyPI cannot be reached; anything else: broken."""
    return subprocess.run([sys.executable, FETCH, release], check=False).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", type=pathlib.Path, default=ROOT / "target/release/mesos-host")
    parser.add_argument(
        "releases",
        nargs="*",
        metavar="RELEASE",
        default=RELEASES,
        help=f"default: {' '.join(RELEASES)}",
    )
    arguments = parser.parse_args()
    table, passed, failed, missing = [], 0, 0, 0
    for release in arguments.releases:
        status = fetch(release)
        if status:
            why = "PyPI cannot be reached" if status == 3 else f"fetch.py ended with {status}"
            skipped = status == 3 and skips.allowed_offline()
            missing += not skipped
            table.append((release, "skipped" if skipped else "FAILED", why))
            if skipped:
                print(f"SKIPPED all scenarios in Mesos {release}: {why}")
            continue
        with tempfile.TemporaryDirectory(prefix="mesos-suite-") as scratch:
            suite = Suite(arguments.host, release, pathlib.Path(scratch))
            suite.all()
        passed, failed = passed + len(suite.passed), failed + len(suite.failed)
        if suite.failed:
            table.append((release, "FAILED", ", ".join(suite.failed)))
        else:
            table.append((release, "ran", f"{len(suite.passed)} scenarios"))
    print("\nMesos    result   ")
    for release, result, why in table:
        print(f"{release:8} {result:8} {why}")
    print(f"{passed} passed, {failed + missing} failed")
    sys.exit(1 if failed else 3 if missing else 0)


if __name__ == "__main__":
    main()
