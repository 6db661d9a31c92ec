#!/usr/bin/env python3
"""Plays the parts of `make test`, goes on after a failure, and ends with one line of totals.

    run.py [PART ...]

Without a part: all of them, in their order. What failed, what was skipped and what a busy machine
could not judge is listed at the end, and the last line is `N passed, N failed`.

Exit status: 0 nothing failed; 1 something did; 2 usage.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
CARGO = os.environ.get("CARGO", "cargo")
HOST = ROOT / "target/release/mesos-host"
# What the programs say of themselves: (pattern, passed, failed), by names of groups.
TOTALS = [
    # cargo test, once for each test program
    re.compile(r"^test result: \w+\. (?P<passed>\d+) passed; (?P<failed>\d+) failed;"),
    # suite.py, observe.py
    re.compile(r"^(?P<passed>\d+) passed, (?P<failed>\d+) failed$"),
    # unittest
    re.compile(r"^Ran (?P<passed>\d+) tests? in "),
    re.compile(r"^FAILED \((?:failures=(?P<failed>\d+))?(?:, )?(?:errors=(?P<errors>\d+))?"),
]
# Lines of programs that have no notes of their own to write.
NOTE = re.compile(r"^(SKIPPED|NOT JUDGED) ")


class Step:
    """One command of a part. One that `prepares` is no test; when it fails, its part ends there."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | pathlib.Path],
        prepares: bool = False,
        **environment: str,
    ) -> None:
        self.name, self.command, self.prepares = name, command, prepares
        self.environment = environment


def python(*words: str | pathlib.Path) -> list[str | pathlib.Path]:
    return [sys.executable, *words]


def build() -> Step:
    return Step("release build", [CARGO, "build", "--release", "--workspace"], prepares=True)


PARTS = {
    "setup": [Step("tools", [ROOT / ".ci/setup", "test"], prepares=True)],
    "lint": [
        Step("rustfmt", [CARGO, "fmt", "--all", "--check"]),
        Step("clippy", [CARGO, "clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        Step(
            "rustdoc",
            [CARGO, "doc", "--workspace", "--no-deps", "--document-private-items"],
            RUSTDOCFLAGS="-D warnings",
        ),
        Step("architecture", python("tests/architecture.py")),
        Step("documents", python("tests/documents.py")),
        Step("circles", python("tests/circles.py")),
        Step("regressions", python("tests/regressions.py", "--quiet")),
        Step("catalogue", python("tests/catalogue.py")),
        Step("licences", python("tests/licences.py")),
        Step("ruff", python("tests/lint.py", "ruff")),
        Step("mypy", python("tests/lint.py", "mypy")),
        Step("clang-format", python("tests/lint.py", "clang-format")),
        Step("codespell", python("tests/lint.py", "codespell")),
    ],
    "unit": [
        Step("cargo test", [CARGO, "test", "--workspace", "--no-fail-fast"]),
        # The same tests once more, with the other way to start commands. It gives none another
        # identity, which is refused when an instance is created.
        Step(
            "posix_spawn: runner",
            [
                *[CARGO, "test", "--workspace", "--no-fail-fast", "--test", "runner"],
                *["--", "--skip", "identity", "--skip", "so_is_one_of_another_user"],
            ],
            MESOS_COMMAND_SPAWN="posix_spawn",
        ),
        Step(
            "posix_spawn: lanes",
            [CARGO, "test", "--workspace", "--no-fail-fast", "--test", "engine", "lanes"],
            MESOS_COMMAND_SPAWN="posix_spawn",
        ),
        Step("real-mesos", python("-m", "unittest", "discover", "-q", "cpp/host/real-mesos")),
        Step("runner of the parts", python("-m", "unittest", "discover", "-q", "tests")),
        Step("packaging", python("-m", "unittest", "discover", "-q", "packaging")),
    ],
    # The runner where every system call that is newer than Linux 3.10 fails.
    "old-kernel": [
        Step(
            "runner",
            [CARGO, "test", "--workspace", "--no-fail-fast", "--test", "runner"],
            # The test program alone: cargo itself wants calls that are newer.
            CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=(
                f"{sys.executable} {ROOT / 'tests/old_kernel.py'}"
            ),
        ),
    ],
    # Whether all of it compiles for aarch64; `make aarch64` plays the tests.
    "aarch64": [Step("cargo check", python("tests/aarch64.py", "--check"))],
    # The module inside real Mesos libraries; ends with the table of releases.
    "in-mesos": [
        build(),
        Step("interface", python("cpp/tests/interface.py")),
        Step("suite", python("tests/mesos/suite.py", "--host", HOST)),
    ],
    # The metrics inside a real Mesos, before a real Prometheus.
    "observe": [
        build(),
        Step("observe", python("tests/observe/observe.py", "--host", HOST)),
    ],
}


class Totals:
    """What the output of a step says about its tests."""

    def __init__(self) -> None:
        self.passed = self.failed = 0
        self.notes: list[str] = []

    def line(self, text: str) -> None:
        if NOTE.match(text):
            self.notes.append(text.rstrip())
        for pattern in TOTALS:
            if match := pattern.match(text):
                found = {name: int(number or 0) for name, number in match.groupdict().items()}
                bad = found.get("failed", 0) + found.get("errors", 0)
                # unittest's first line counts the bad ones too.
                self.passed += found.get("passed", -bad)
                self.failed += bad

    def end(self, status: int, is_test: bool = True) -> None:
        """A test that counts nothing is one; what fails without a count has failed."""
        if status and not self.failed:
            self.failed = 1
        if is_test and not status and not self.passed:
            self.passed = 1


def play(step: Step) -> tuple[int, Totals]:
    """Runs a step and shows what it prints; (exit status, Totals)."""
    totals = Totals()
    try:
        process = subprocess.Popen(
            step.command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **step.environment},
        )
    except OSError as error:
        print(f"{step.command[0]}: {error}")
        status = 127
    else:
        assert process.stdout is not None  # It is a pipe.
        with process:
            for text in process.stdout:
                print(text, end="", flush=True)
                totals.line(text)
        status = process.returncode
    totals.end(status, not step.prepares)
    return status, totals


class Row(NamedTuple):
    """What came of a step."""

    part: str
    step: str
    result: str
    passed: int
    failed: int
    seconds: float


class Run:
    """Parts that were played, and what came of them."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self.passed = self.failed = 0

    def part(self, name: str) -> None:
        for index, step in enumerate(PARTS[name]):
            print(f"== {name}: {step.name}", flush=True)
            began = time.monotonic()
            status, totals = play(step)
            self.notes += totals.notes
            self.count(
                name, step.name, totals, "FAILED" if status else "ok", time.monotonic() - began
            )
            if status and step.prepares:
                for other in PARTS[name][index + 1 :]:
                    lost = Totals()
                    lost.end(status)
                    self.count(name, other.name, lost, "NOT RUN", 0)
                return

    def count(self, part: str, step: str, totals: Totals, result: str, seconds: float) -> None:
        self.passed += totals.passed
        self.failed += totals.failed
        self.rows.append(Row(part, step, result, totals.passed, totals.failed, seconds))

    def summary(self, file: pathlib.Path) -> int:
        """The end of the output; `file` has notes that tests wrote past their captured output."""
        print(f"\n{'part':9} {'step':20} {'result':8} {'passed':>6} {'failed':>6} {'seconds':>8}")
        for part, step, result, passed, failed, seconds in self.rows:
            print(f"{part:9} {step:20} {result:8} {passed:6} {failed:6} {seconds:8.0f}")
        written = file.read_text(errors="replace").splitlines() if file.exists() else []
        for note in dict.fromkeys(written + self.notes):
            print(note)
        bad = list(dict.fromkeys(row.part for row in self.rows if row.result != "ok"))
        if bad:
            print(f"failed parts: {', '.join(bad)}")
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or bad else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"default: all of {', '.join(PARTS)}"
    )
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory(prefix="mesos-test-") as directory:
        notes = pathlib.Path(directory) / "notes"
        os.environ["TEST_NOTES"] = str(notes)
        run = Run()
        for part in arguments.parts or PARTS:
            run.part(part)
        sys.exit(run.summary(notes))


if __name__ == "__main__":
    main()
