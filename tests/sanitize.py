#!/usr/bin/env python3
"""Plays the engine and the module with sanitizers and in valgrind, and ends with a table.

    sanitize.py [STEP ...] [--tests NAME ...]

The steps, all without one:

    address-units    the engine's unit tests with the address and the leak sanitizer
    address-engine   what is tested of the engine from outside, with the address sanitizer
    thread-units     the unit tests with the thread sanitizer
    thread-engine    the tests from outside with the same
    valgrind         tests from outside in valgrind, which counts descriptors too
    address-module   the shared library, its C++ layer too, and its host in a real libmesos, with
                     the address and the leak sanitizer
    address-end      the same, where the process ends with calls on their way

`-Zsanitizer` is an option of nightly compilers, to which RUSTC_BOOTSTRAP=1 makes any other. The
thread sanitizer wants a standard library that is built with it, for which the source of that
library must be there (`rustup component add rust-src`). Commands are started by posix_spawn, and
the tests of the usual way left out: by that way a child shares our memory, and code that sanitizers
have changed tells them of a thread that goes on elsewhere. target/sanitize has the builds and what
was said.

Exit status: 0 nothing was found; 1 something was, or a test failed; 2 usage; 3 something cannot be
built or fetched.
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
    r"|^==\d+== (Invalid (?:read|write) .*|Conditional jump .*)"
    r"|^==\d+== *(definitely lost: [1-9].*)",
    re.MULTILINE,
)
# A descriptor that is open at the end, and where it was opened.
OPEN = re.compile(r"^==\d+== (Open file descriptor \d+:.*)\n((?:==\d+==    .*\n)*)", re.MULTILINE)
# Reactors, the runtime, the listener's and the call log's thread are the process's, for good.
KEPT_OPEN = re.compile(
    r"reactor::epoll::Reactor>::start|run::services::|exporter::Service>::start"
    r"|line_file::Writer>|<inherited from parent>"
)
PASSED = re.compile(r"^(?:test result: \w+\. )?(\d+) passed[;,] (\d+) failed", re.MULTILINE)


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
# Tests of what the other start does not give: another identity, a bound of its own, an end of what
# hangs while it starts, and the end of a busy worker with its host.
USUAL_START = (
    "dead_storage::",
    "identity",
    "one_of_another_user",
    "so_does_one_that_is_busy",
    "many_strays_have_few_descriptors",
    "more_than_the_kernel_gives_is_refused",
)
# Valgrind has no pidfds, and makes of vfork a fork, whose child cannot tell why it ended.
NOT_IN_VALGRIND = (
    "the_end_of_a_child_that_was_dropped_is_not_reported",
    "descriptors_of_the_host_are_closed_and_standard_ones_inherited",
    "candidates_are_tried_and_their_errors_explained_as_execvp_does",
)
# And of cgroups, in which only the usual start begins.
OUTSIDE_LEFT_OUT = (
    *USUAL_START,
    "what_prepare_left_running_ends",
    "until_a_lost_containers_cleanup",
)
# The thread sanitizer keeps a signal from a program that sleeps, as the commands of tests are; and
# a page of all that hundreds of tests have counted takes seconds there, forty more than a minute.
TOO_LATE = (
    "exiting_with_0_after_term_is_a_timeout_all_the_same",
    "clients_that_read_nothing_keep_nobody_from_the_page",
)
# A child that is started the usual way shares what the sanitizer knows of stacks: frames of the
# child would be taken for frames of ours that have ended, and those that a child had when it became
# a program for frames of the next child on its stack.
ADDRESS = {
    "RUSTFLAGS": "-Zsanitizer=address",
    "ASAN_OPTIONS": "detect_stack_use_after_return=0",
    "LSAN_OPTIONS": f"suppressions={PLACE / 'left'}",
}
# Tests of an instance's end leave answers that nobody may be given, and one has a process that
# cannot have another, which a search for leaks needs.
NO_LEAKS = {**ADDRESS, "ASAN_OPTIONS": f"{ADDRESS['ASAN_OPTIONS']}:detect_leaks=0"}
THREAD = {"RUSTFLAGS": "-Zsanitizer=thread", "TSAN_OPTIONS": "history_size=4"}
BY_PROGRAM = {"MESOS_COMMAND_SPAWN": "posix_spawn"}
VALGRIND = "valgrind --quiet --track-fds=yes --leak-check=full --child-silent-after-fork=yes"

MODULE = "address-module"
# Of tests/mesos/suite.py, which counts its scenarios as cargo does tests. What is on its way when a
# process ends is kept on purpose, as nobody may be left whom it could be told: no leaks there.
SCENARIOS = {
    "address-module": [
        *("all-events", "examples", "failing", "conditions", "contract"),
        *("faults", "methods", "foreign"),
    ],
    "address-end": ["in-flight", "end"],
}
REPORTS = PLACE / MODULE / "reports"


def in_libmesos(detect_leaks: int) -> dict[str, str]:
    """The runtime of the sanitizer is the host program's.

    Its reports are read, and a scenario is judged by what it did: libmesos, which is built without
    one, keeps much until its end.
    """
    options = {
        "detect_leaks": detect_leaks,
        "detect_stack_use_after_return": 0,
        "exitcode": 0,
        "log_path": REPORTS / "report",
        # Libstdc++ has no frame pointers, and each line has to name its library.
        "fast_unwind_on_malloc": 0,
        "stack_trace_format": '"    #%n %f %S (%m)"',
    }
    return {
        "RUSTFLAGS": "-Zsanitizer=address -Clink-arg=-rdynamic",
        "CXXFLAGS": "-fsanitize=address -fno-omit-frame-pointer",
        "ASAN_OPTIONS": ":".join(f"{name}={value}" for name, value in options.items()),
        **BY_PROGRAM,
    }


PROGRAMS = ["-p", "mesos-command-modules", "-p", "mesos-host", "-p", "mesos-command"]
LIBRARY = "libmesos_command_modules.so"

STEPS = [
    Step(
        "address-units", "address", UNITS, {**ADDRESS, **BY_PROGRAM}, (*SHARES_MEMORY, *USUAL_START)
    ),
    Step("address-engine", "address", OUTSIDE, {**NO_LEAKS, **BY_PROGRAM}, OUTSIDE_LEFT_OUT),
    Step("thread-units", "thread", UNITS, {**THREAD, **BY_PROGRAM}, (*SHARES_MEMORY, *USUAL_START)),
    Step(
        "thread-engine",
        "thread",
        OUTSIDE,
        {**THREAD, **BY_PROGRAM},
        (*OUTSIDE_LEFT_OUT, *TOO_LATE),
    ),
    Step(
        "valgrind",
        "plain",
        UNITS,
        {"CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER": VALGRIND, **BY_PROGRAM},
        (*SHARES_MEMORY, *USUAL_START, *NOT_IN_VALGRIND),
    ),
    Step("address-module", MODULE, PROGRAMS, in_libmesos(detect_leaks=1)),
    Step("address-end", MODULE, PROGRAMS, in_libmesos(detect_leaks=0)),
]


def read(step: str, output: str, status: int) -> Row:
    """What the tests and the tools said."""
    counts = PASSED.findall(output)
    passed, failed = (sum(int(count[at]) for count in counts) for at in (0, 1))
    found = ["".join(parts) for parts in FOUND.findall(output)]
    found += [what for what, where in OPEN.findall(output) if not KEPT_OPEN.search(where)]
    return Row(step, passed, failed, list(dict.fromkeys(found)), status)


def leaks(report: str) -> list[str]:
    """What the module's code allocated and nobody reaches any more: sizes and places."""
    found = []
    for block in re.findall(r"^Direct leak of .*(?:\n    #.*)+", report, re.MULTILINE):
        ours = [line.strip() for line in block.splitlines() if f"/{LIBRARY})" in line]
        if ours:
            found.append(f"{block.splitlines()[0].split(' allocated')[0]}: {ours[0]}")
    return found


def reported(directory: pathlib.Path) -> list[str]:
    """What the sanitizer wrote of the processes of the module's step."""
    found = []
    for path in sorted(directory.glob("report.*")):
        text = path.read_text(errors="replace")
        found += [f"{name} ({path})" for name in re.findall(r"ERROR: (AddressSanitizer.*)", text)]
        found += leaks(text)
    return list(dict.fromkeys(found))


def cargo(step: Step, *words: str) -> list[str]:
    # The thread sanitizer refuses a standard library that is built without it.
    whole = ["-Zbuild-std"] if step.build == "thread" else []
    program = os.environ.get("CARGO", "cargo")
    return [program, words[0], *whole, "--target", TARGET, *step.words, *words[1:]]


def build(step: Step) -> list[str]:
    return cargo(step, "build") if step.build == MODULE else cargo(step, "test", "--no-run")


def tests_of(step: Step, names: Sequence[str]) -> list[str]:
    """What plays those with these names, or all."""
    if step.build == MODULE:
        host = PLACE / step.build / TARGET / "debug/mesos-host"
        only = [word for name in names or SCENARIOS[step.name] for word in ("--only", name)]
        return [sys.executable, str(ROOT / "tests/mesos/suite.py"), "--host", str(host), *only]
    left_out = [word for name in step.left_out for word in ("--skip", name)]
    return cargo(step, "test", "--no-fail-fast", "--", *left_out, *names)


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
    log = PLACE / f"{step.name}.log"
    if step.build == MODULE:
        shutil.rmtree(REPORTS, ignore_errors=True)
        REPORTS.mkdir(parents=True)
    with log.open("w") as kept:
        done = subprocess.Popen(
            tests_of(step, tests),
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
    row = read(step.name, log.read_text(), status)
    return row._replace(findings=reported(REPORTS)) if step.build == MODULE else row


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
        if subprocess.run(build(step), cwd=ROOT, env=environment(step), check=False).returncode:
            print(f"FAILED: what {step.name} plays could not be built")
            return 3
        rows.append(play(step, arguments.tests))
    print(report(rows))
    return 0 if all(row.is_good() for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
