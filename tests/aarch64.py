#!/usr/bin/env python3
"""Builds the workspace for aarch64, and plays its tests in an emulator.

    aarch64.py [--only STEP ...]
    aarch64.py --check             only `cargo check`; where compilers are missing it says SKIPPED

* build: everything, the shared library and its C++ with it. There is no libmesos for aarch64, so
  that nothing shows what the library does inside one.
* user: unit tests and codec, each program emulated by itself (qemu-user). Left out is what starts
  commands, which takes flags of clone that this emulator refuses.
* guest: the unit tests on an emulated machine with a kernel of Debian's for aarch64, where they
  start commands. Left out are the tests of the runner,
  of which few end within their time in an emulator.

Ends with a table. Exit status: 0 nothing failed; 1 something did; 3 what it needs is not there.
With ALLOW_OFFLINE=1 a guest that cannot be downloaded is skipped.
"""

import argparse
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import NamedTuple

import aarch64_guest
import skips

ROOT = pathlib.Path(__file__).resolve().parent.parent
PLACE = ROOT / "target/aarch64"
CARGO = os.environ.get("CARGO", "cargo")
TARGET = "aarch64-unknown-linux-gnu"
COMPILERS = {"CC": "gcc", "CXX": "g++", "AR": "ar"}
# Where Debian's cross compiler has the C library.
SYSTEM = pathlib.Path("/usr/aarch64-linux-gnu")
# For apt-get, if it is there; see .ci/setup.
PACKAGES = "gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user qemu-system-arm"
STEPS = ["build", "user", "guest"]
# Tests of the module and of the command line tool are built, and played where there is a libmesos.
PACKAGES_OF_TESTS = ["-p", "mesos-command-engine", "-p", "integration-tests"]
# The target of each, by what it is called here.
TESTS = {"units": "mesos_command", "codec": "codec"}
# What qemu-user cannot do, and the tests that need it: of which program, and a part of the names.
LEFT_OUT_BY_USER = {
    "a child that shares memory, which it answers EINVAL": [
        "units isolator::store::by_child::tests::a_child_leaves",
        "units isolator::store::by_child::tests::what_cannot_be_written",
        "units reactor::child::tests::an_end_is_reported",
        "units reactor::child::tests::the_end_of_a_child_that_was_dropped",
        "units reactor::fs_helpers::tests::a_child_writes",
        "units reactor::fs_helpers::tests::after_a_failure",
        "units reactor::fs_helpers::tests::more_than_may_be",
        "units reactor::fs_helpers::tests::one_that_hangs",
        "units reactor::fs_helpers::tests::what_is_undone",
        "units reactor::fs_helpers::tests::what_is_written_in_part",
        "units run::tree::tests::a_look_ends_in_time",
        "units run::tree::tests::many_strays",
        "units run::tree::tests::strays_are_found",
        "units sys::spawn::tests::a_child_that_has_ended_has_left",
        "units sys::spawn::tests::a_signal_that_dumps_core",
        "units sys::spawn::tests::an_open_that_hangs",
        "units sys::spawn::tests::the_program_has_the_default",
    ],
    "whether children may open a memfd, which such a child finds out": [
        "units staging::capture::tests::it_is_known_when_no_other_process",
        "units staging::files::tests::memfd_answers",
        "units staging::reserved::tests::a_number_stays_reserved",
        "units staging::sealed::tests::its_bytes_are_readable_by_path",
    ],
    "the error of an execve in a posix_spawn, whose child is a copy there": [
        "units sys::posix_spawn::tests::candidates_are_tried",
    ],
}
# What the guest cannot do.
LEFT_OUT_BY_GUEST = {
    "what an emulator is too slow for": [
        "units run::tree::tests::many_strays",
        "units staging::running::tests::a_note_names_a_process",
    ],
}
TOTALS = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed;")
# Of the guest, in MiB.
MEMORY = 2048
# Seconds after which the guest is taken for dead.
PATIENCE = 5400


class Missing(Exception):
    """What is not installed."""


class Row(NamedTuple):
    """What came of the tests of one program."""

    step: str
    tests: str
    passed: int
    failed: int
    left_out: int
    status: int


def toolchain(install: bool) -> None:
    """Sees to it that what is built can be."""
    for program in ("aarch64-linux-gnu-gcc", "aarch64-linux-gnu-g++"):
        find(program)
    if has_target():
        return
    if install and shutil.which("rustup"):
        subprocess.run(["rustup", "target", "add", TARGET], check=False)
    if not has_target():
        raise Missing(f"Rust has no standard library for it: rustup target add {TARGET}")


def find(program: str) -> None:
    if not shutil.which(program):
        raise Missing(f"{program} is not there; Debian's packages: {PACKAGES}")


def has_target() -> bool:
    command = ["rustc", "--print", "target-libdir", "--target", TARGET]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    directory = pathlib.Path(done.stdout.strip())
    return done.returncode == 0 and any(directory.glob("libstd-*"))


def check() -> int:
    """Whether it compiles, as far as that can be told here."""
    try:
        toolchain(install=False)
    except Missing as missing:
        print(f"SKIPPED aarch64: {missing}")
        return 0
    return cargo("check", "--workspace", "--quiet").returncode


def environment() -> dict[str, str]:
    upper, lower = TARGET.upper().replace("-", "_"), TARGET.replace("-", "_")
    compilers = {
        f"{variable}_{lower}": f"aarch64-linux-gnu-{program}"
        for variable, program in COMPILERS.items()
    }
    return {
        **os.environ,
        "CARGO_TARGET_DIR": str(PLACE / "build"),
        # Lines of a panic are in its message.
        "CARGO_PROFILE_DEV_DEBUG": "0",
        f"CARGO_TARGET_{upper}_LINKER": "aarch64-linux-gnu-gcc",
        **compilers,
    }


def cargo(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CARGO, *words, "--target", TARGET],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )


def build() -> Row:
    """Everything that is installed, and the host program."""
    print("== build", flush=True)
    status = cargo("build", "--workspace").returncode
    return Row("build", "all", int(status == 0), int(status != 0), 0, status)


def programs() -> dict[str, pathlib.Path]:
    """The programs of the tests."""
    done = cargo(
        *["test", "--no-run", "--message-format=json-render-diagnostics", *PACKAGES_OF_TESTS],
        *["--lib", "--test", TESTS["codec"]],
    )
    if done.returncode:
        raise Missing("the tests could not be built")
    names = {target: name for name, target in TESTS.items()}
    found: dict[str, pathlib.Path] = {}
    for line in done.stdout.splitlines():
        message = json.loads(line)
        name = names.get(message.get("target", {}).get("name"))
        if name and message.get("executable") and message["profile"]["test"]:
            found[name] = pathlib.Path(message["executable"])
    return found


def listed(program: pathlib.Path) -> list[str]:
    """The names of a program's tests."""
    done = subprocess.run(
        ["qemu-aarch64", "-L", SYSTEM, program, "--list", "--format", "terse"],
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    return [line.removesuffix(": test") for line in done.stdout.splitlines()]


def left_out(
    step: str, tests: str, program: pathlib.Path, table: Mapping[str, list[str]]
) -> tuple[list[str], int]:
    """The options that leave tests out, and how many they are; each is printed."""
    names, options, count = listed(program), [], 0
    for reason, beginnings in table.items():
        for beginning in beginnings:
            suite, _, test = beginning.partition(" ")
            if suite != tests:
                continue
            hit = [name for name in names if test in name]
            if not hit:
                raise Missing(f"no test has the name '{test}' any more, which is to be left out")
            options += ["--skip", test]
            count += len(hit)
            print(f"LEFT OUT {step} {tests} {test} ({len(hit)}): {reason}")
    return options, count


class Counts:
    """What the output of a test program says."""

    def __init__(self, step: str) -> None:
        self.step = step
        self.rows: list[Row] = []
        self.name, self.left_out, self.passed, self.failed = "", 0, 0, 0

    def begin(self, name: str, omitted: int) -> None:
        self.name, self.left_out, self.passed, self.failed = name, omitted, 0, 0

    def line(self, text: str) -> None:
        print(text, flush=True)
        if match := TOTALS.match(text):
            self.passed, self.failed = int(match[1]), int(match[2])

    def end(self, status: int) -> None:
        row = Row(self.step, self.name, self.passed, self.failed, self.left_out, status)
        self.rows.append(row)


def by_user(found: Mapping[str, pathlib.Path]) -> list[Row]:
    """Unit tests and codec, emulated program by program."""
    counts = Counts("user")
    for name in ("units", "codec"):
        print(f"== user: {name}", flush=True)
        options, omitted = left_out("user", name, found[name], LEFT_OUT_BY_USER)
        counts.begin(name, omitted)
        command: list[str | pathlib.Path] = ["qemu-aarch64", "-L", SYSTEM, found[name], *options]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as tests:
            assert tests.stdout is not None  # It is a pipe.
            for text in tests.stdout:
                counts.line(text.rstrip())
        counts.end(tests.returncode)
    return counts.rows


def in_guest(found: Mapping[str, pathlib.Path]) -> list[Row]:
    """Tests on a machine of their own."""
    print("== guest", flush=True)
    guest = aarch64_guest.Guest(PLACE)
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    guest.add(ROOT / name for name in os.fsdecode(files.stdout).split("\0") if name)
    guest.add(found.values())
    counts, lines, omissions = Counts("guest"), [f"cd {shlex.quote(str(ROOT))}"], {}
    for name, program in found.items():
        options, omissions[name] = left_out("guest", name, program, LEFT_OUT_BY_GUEST)
        lines += [
            f"echo '{aarch64_guest.BEGIN}: {name}'",
            shlex.join([str(program), *options]),
            f'echo "{aarch64_guest.END}: $?"',
        ]

    def line(text: str) -> None:
        text = text.strip("\r")
        if text.startswith(f"{aarch64_guest.BEGIN}: "):
            name = text.rpartition(" ")[2]
            counts.begin(name, omissions[name])
        elif text.startswith(f"{aarch64_guest.END}: ") and not text.endswith("all"):
            counts.end(int(text.rpartition(" ")[2]))
        else:
            counts.line(text)

    if not guest.play("\n".join(lines) + "\n", MEMORY, line, PATIENCE):
        print("FAILED: the guest did not come to its end")
        played = {row.tests for row in counts.rows}
        counts.rows += [Row("guest", name, 0, 1, 0, 1) for name in found if name not in played]
    return counts.rows


def report(rows: list[Row]) -> bool:
    """Prints the table; whether all is well."""
    good = True
    print(f"\n{'step':8} {'tests':8} {'result':8} {'passed':>6} {'failed':>6} {'left out':>8}")
    for row in rows:
        well = row.status == 0 and row.passed > 0 and not row.failed
        good = good and well
        numbers = f"{row.passed:6} {row.failed:6} {row.left_out:8}"
        print(f"{row.step:8} {row.tests:8} {'ok' if well else 'FAILED':8} {numbers}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=STEPS, default=STEPS, metavar="STEP")
    parser.add_argument("--check", action="store_true", help="compile, and play nothing")
    arguments = parser.parse_args()
    if arguments.check:
        return check()
    steps: list[str] = arguments.only
    PLACE.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    try:
        toolchain(install=True)
        if "build" in steps:
            rows.append(build())
        if steps != ["build"]:
            find("qemu-aarch64")
            found = programs()
        if "user" in steps:
            rows += by_user(found)
        if "guest" in steps:
            find(aarch64_guest.PROGRAM)
            rows += in_guest({"units": found["units"]})
    except Missing as missing:
        print(f"FAILED: {missing}")
        return 3
    except aarch64_guest.CannotBeHad as why:
        if not skips.allowed_offline():
            print(f"FAILED: no guest: {why}")
            return 3
        print(f"SKIPPED aarch64 in a guest: {why}")
    return 0 if report(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
