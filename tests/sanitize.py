#!/usr/bin/env python3
"""Plays tests of the engine with sanitizers and in valgrind, and ends with a table.

    sanitize.py [STEP ...] [--tests NAME ...]

The steps, all without one:

    address-units    the engine's unit tests with the address and the leak sanitizer
    address-engine   what is tested of the engine from outside, with the same
    thread-units     the unit tests with the thread sanitizer
    thread-engine    the tests from outside with the same
    valgrind         tests from outside in valgrind, which counts descriptors too

`-Zsanitizer` is an option of nightly compilers, to which RUSTC_BOOTSTRAP=1 makes any other. The
thread sanitizer wants a standard library that is built with it, for which the source of that
library must be there (`rustup component add rust-src`). Tests from outside start commands by
posix_spawn: by the usual way a child shares our memory, and code that sanitizers have changed tells
them of a thread that goes on elsewhere. target/sanitize has the builds and what was said.

Exit status: 0 nothing was found; 1 something was, or a test failed; 2 usage; 3 something cannot be
built.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
PLACE = ROOT / "target/sanitize"
TARGET = "x86_64-unknown-linux-gnu"
UNITS = ["-p", "mesos-command-engine", "--lib"]
OUTSIDE = ["-p", "integration-tests", "--test", "engine", "--test", "worker", "--test", "runner"]
# What a child reads is left to it for good when its start is dropped too early, as some tests do.
LEFT_TO_A_CHILD = "leak:mesos_command::sys::spawn::spawn_by_clone\n"
FOUND = re.compile(
    r"^(?:==\d+==\s*ERROR: |SUMMARY: |WARNING: )(\w+Sanitizer: .*)"
    r"|^==\d+== (Open file descriptor \d+: .*|Invalid (?:read|write) .*|Conditional jump .*)"
    r"|^==\d+== *(definitely lost: [1-9].*)",
    re.MULTILINE,
)
PASSED = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed;", re.MULTILINE)


class Step(NamedTuple):
    """What is built how, and played."""

    name: str
    # The directory of the build, which steps of one tool share.
    build: str
    words: list[str]
    environment: dict[str, str]
    # Names of tests that are left out, each with its reason beside it.
    left_out: Sequence[str] = ()


class Row(NamedTuple):
    """What came of a step."""

    step: str
    passed: int
    failed: int
    findings: list[str]
    status: int

    def is_good(self) -> bool:
        return self.status == 0 and self.passed > 0 and not self.failed and not self.findings


# Tests of what a child does in our memory, which they start by the usual way themselves.
SHARES_MEMORY = ("sys::spawn::", "sys::clone::", "sys::fs_helper::", "reactor::fs_helpers::")
# Tests of what the other start does not give: another identity, and a bound of its own.
USUAL_START = ("identity", "so_is_one_of_another_user", "many_strays_have_few_descriptors")
# A child that is started the usual way shares what the sanitizer knows of stacks: frames of the
# child would be taken for frames of ours that have ended.
ADDRESS = {
    "RUSTFLAGS": "-Zsanitizer=address",
    "ASAN_OPTIONS": "detect_stack_use_after_return=0",
    "LSAN_OPTIONS": f"suppressions={PLACE / 'left'}",
}
THREAD = {"RUSTFLAGS": "-Zsanitizer=thread", "TSAN_OPTIONS": "history_size=4"}
BY_PROGRAM = {"MESOS_COMMAND_SPAWN": "posix_spawn"}
VALGRIND = "valgrind --quiet --track-fds=yes --leak-check=full --child-silent-after-fork=yes"

STEPS = [
    Step("address-units", "address", UNITS, ADDRESS),
    Step("address-engine", "address", OUTSIDE, {**ADDRESS, **BY_PROGRAM}, USUAL_START),
    Step("thread-units", "thread", UNITS, {**THREAD, **BY_PROGRAM}, (*SHARES_MEMORY, *USUAL_START)),
    Step("thread-engine", "thread", OUTSIDE, {**THREAD, **BY_PROGRAM}, USUAL_START),
    Step(
        "valgrind",
        "plain",
        UNITS,
        {"CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER": VALGRIND, **BY_PROGRAM},
        (*SHARES_MEMORY, *USUAL_START),
    ),
]


def read(step: str, output: str, status: int) -> Row:
    """What the tests and the tools said."""
    counts = PASSED.findall(output)
    passed, failed = (sum(int(count[at]) for count in counts) for at in (0, 1))
    found = ["".join(parts) for parts in FOUND.findall(output)]
    return Row(step, passed, failed, list(dict.fromkeys(found)), status)


def command(step: Step, *words: str) -> list[str]:
    # The thread sanitizer refuses a standard library that is built without it.
    whole = ["-Zbuild-std"] if step.build == "thread" else []
    cargo = os.environ.get("CARGO", "cargo")
    return [cargo, "test", *whole, "--target", TARGET, "--no-fail-fast", *step.words, *words]


def environment(step: Step) -> dict[str, str]:
    return {
        **os.environ,
        "CARGO_TARGET_DIR": str(PLACE / step.build),
        # Lines are enough for the reports, and whole debug information takes half of the build.
        "CARGO_PROFILE_DEV_DEBUG": "line-tables-only",
        "RUSTC_BOOTSTRAP": "1",
        **step.environment,
    }


def missing(step: Step) -> str:
    """What must be installed first, in words; nothing when it can be played."""
    if step.name == "valgrind" and not shutil.which("valgrind"):
        return "valgrind is not installed (Debian's package valgrind)"
    if step.build == "thread":
        rustc = [os.environ.get("RUSTC", "rustc"), "--print", "sysroot"]
        root = subprocess.run(rustc, capture_output=True, text=True, check=True).stdout.strip()
        if not (pathlib.Path(root) / "lib/rustlib/src/rust/library/std").is_dir():
            return "the source of the standard library is not there (rustup component add rust-src)"
    return ""


def play(step: Step, tests: list[str]) -> Row:
    """Plays the tests of a step, with what they say shown and kept."""
    print(f"== {step.name}", flush=True)
    left_out = [word for name in step.left_out for word in ("--skip", name)]
    log = PLACE / f"{step.name}.log"
    with log.open("w") as kept:
        done = subprocess.Popen(
            command(step, "--", *left_out, *tests),
            cwd=ROOT,
            env=environment(step),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert done.stdout is not None
        for line in done.stdout:
            print(line, end="", flush=True)
            kept.write(line)
        status = done.wait()
    return read(step.name, log.read_text(), status)


def report(rows: list[Row]) -> str:
    lines = [f"{'step':16} {'result':8} {'passed':>6} {'failed':>6} {'findings':>8}"]
    for row in rows:
        result = "ok" if row.is_good() else "FAILED"
        numbers = f"{row.passed:6} {row.failed:6} {len(row.findings):8}"
        lines.append(f"{row.step:16} {result:8} {numbers}")
    lines += [f"FAILED: {row.step}: {finding}" for row in rows for finding in row.findings]
    lines += [
        f"left out in {step.name}: {', '.join(step.left_out)}"
        for step in STEPS
        if step.left_out and any(row.step == step.name for row in rows)
    ]
    return "\n".join(lines)


def main() -> int:
    names = [step.name for step in STEPS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help="all without one")
    parser.add_argument("--tests", nargs="+", default=[], metavar="NAME", help="only these")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.steps if name not in names]:
        parser.error(f"no step {', '.join(unknown)}; there are: {', '.join(names)}")
    PLACE.mkdir(parents=True, exist_ok=True)
    (PLACE / "left").write_text(LEFT_TO_A_CHILD)
    steps = [step for step in STEPS if not arguments.steps or step.name in arguments.steps]
    if lacks := {step.name: why for step in steps if (why := missing(step))}:
        for name, why in lacks.items():
            print(f"FAILED: {name} cannot be played: {why}")
        return 3
    rows = []
    for step in steps:
        if subprocess.run(
            command(step, "--no-run"), cwd=ROOT, env=environment(step), check=False
        ).returncode:
            print(f"FAILED: the tests of {step.name} could not be built")
            return 3
        rows.append(play(step, arguments.tests))
    print(report(rows))
    return 0 if all(row.is_good() for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
