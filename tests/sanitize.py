#!/usr/bin/env python3
"""Plays tests of the engine with the address sanitizer, and ends with a table.

    sanitize.py [--tests NAME ...]

Builds the engine's unit tests with `-Zsanitizer=address`, an option of nightly compilers, to which
RUSTC_BOOTSTRAP=1 makes any other, and plays them. The leak sanitizer looks at the end.
target/sanitize has the build and what was said.

Exit status: 0 nothing was found; 1 something was, or a test failed; 2 usage; 3 it cannot be built.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
PLACE = ROOT / "target/sanitize"
TARGET = "x86_64-unknown-linux-gnu"
# A child that is started shares our memory, and with it what the sanitizer knows of stacks: frames
# of the child would be taken for frames of ours that have ended.
OPTIONS = "detect_stack_use_after_return=0"
# What a child reads is left to it for good when its start is dropped too early, as some tests do.
LEFT_TO_A_CHILD = "leak:mesos_command::sys::spawn::spawn_by_clone\nleak:tests::shell\n"
FOUND = re.compile(r"^(?:==\d+==\s*ERROR|SUMMARY): (\w+Sanitizer: .*)", re.MULTILINE)
PASSED = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed;", re.MULTILINE)


class Row(NamedTuple):
    """What came of a step."""

    step: str
    passed: int
    failed: int
    findings: list[str]
    status: int

    def is_good(self) -> bool:
        return self.status == 0 and self.passed > 0 and not self.failed and not self.findings


def read(step: str, output: str, status: int) -> Row:
    """What the tests and the sanitizers said."""
    counts = PASSED.findall(output)
    passed, failed = (sum(int(count[at]) for count in counts) for at in (0, 1))
    return Row(step, passed, failed, list(dict.fromkeys(FOUND.findall(output))), status)


def cargo(*words: str) -> list[str]:
    return [os.environ.get("CARGO", "cargo"), *words, "--target", TARGET]


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "CARGO_TARGET_DIR": str(PLACE / "address"),
        # Lines are enough for the reports, and whole debug information takes half of the build.
        "CARGO_PROFILE_DEV_DEBUG": "line-tables-only",
        "RUSTC_BOOTSTRAP": "1",
        "RUSTFLAGS": "-Zsanitizer=address",
        "ASAN_OPTIONS": OPTIONS,
        "LSAN_OPTIONS": f"suppressions={PLACE / 'left'}",
    }


def play(step: str, tests: list[str]) -> Row:
    """Plays the unit tests, with what they say shown and kept."""
    print(f"== {step}", flush=True)
    command = cargo("test", "-p", "mesos-command-engine", "--lib")
    done = subprocess.run(
        [*command, "--", *tests],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    print(done.stdout, end="")
    (PLACE / "address.log").write_text(done.stdout)
    return read(step, done.stdout, done.returncode)


def report(rows: list[Row]) -> str:
    lines = [f"{'step':16} {'result':8} {'passed':>6} {'failed':>6} {'findings':>8}"]
    for row in rows:
        result = "ok" if row.is_good() else "FAILED"
        numbers = f"{row.passed:6} {row.failed:6} {len(row.findings):8}"
        lines.append(f"{row.step:16} {result:8} {numbers}")
    lines += [f"FAILED: {row.step}: {finding}" for row in rows for finding in row.findings]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tests", nargs="+", default=[], metavar="NAME", help="only these")
    arguments = parser.parse_args()
    PLACE.mkdir(parents=True, exist_ok=True)
    (PLACE / "left").write_text(LEFT_TO_A_CHILD)
    build = cargo("test", "-p", "mesos-command-engine", "--lib", "--no-run")
    if subprocess.run(build, cwd=ROOT, env=environment(), check=False).returncode:
        print("FAILED: the tests could not be built with the address sanitizer")
        return 3
    rows = [play("address: units", arguments.tests)]
    print(report(rows))
    return 0 if all(row.is_good() for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
