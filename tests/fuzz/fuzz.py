#!/usr/bin/env python3
"""Fuzzes everything that reads what others write, and ends with a table.

    fuzz.py [--seconds N] [--jobs N] [--address | --fast] [TARGET ...]

Builds the targets with cargo-fuzz, which is installed into target/tools when it is not there, and
runs each for so many seconds, `--jobs` of them at a time. A target starts from its committed corpus
and regressions, and from what earlier runs found worth keeping (target/fuzz/corpus). With
`--address`, the address sanitizer looks too, at a fifth of the speed. With `--fast`, the fuzzer is
not told what is compared with what: it learns less of each input, but a target that mostly compares
(parameters) runs several times as many.

Exit status: 0 nothing was found; 1 something was, and the end says where the input lies and how it
is played again; 2 usage; 3 the targets could not be built or run.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TOOLS = ROOT / "target/tools"
PLACE = ROOT / "target/fuzz"
CARGO_FUZZ = "0.13.2"
# What no target takes is longer: outputs of a mebibyte are read as those of a page are.
LONGEST_INPUT = 4096
# For one input, in seconds: nothing is read for that long, four endless loops beside it.
SLOW = 20
MEMORY_MIB = 2048

# How targets are built, and the options of cargo-fuzz for it.
KINDS = {
    "none": ["-s", "none"],
    "address": ["-s", "address"],
    "fast": ["-s", "none", "--no-trace-compares"],
}

EXECUTED = re.compile(r"^stat::number_of_executed_units:\s*(\d+)", re.MULTILINE)
CORPUS = re.compile(r" corp: (\d+)/")
WRITTEN = re.compile(r"Test unit written to (\S+)")


class Unavailable(Exception):
    """The targets cannot be built; why."""


class Row(NamedTuple):
    """What came of a target."""

    target: str
    executions: int
    seconds: float
    corpus: int
    # The inputs that were found, and the target's own exit status.
    findings: list[str]
    status: int

    def is_good(self) -> bool:
        return self.status == 0 and not self.findings


def targets() -> list[str]:
    return sorted(path.stem for path in (HERE / "bin").glob("*.rs"))


def read(target: str, log: str, seconds: float, status: int) -> Row:
    """What libFuzzer said."""
    executed, corpus = EXECUTED.findall(log), CORPUS.findall(log)
    return Row(
        target,
        int(executed[-1]) if executed else 0,
        seconds,
        int(corpus[-1]) if corpus else 0,
        WRITTEN.findall(log),
        status,
    )


def cargo(*words: str | pathlib.Path, **environment: str) -> None:
    command = [os.environ.get("CARGO", "cargo"), *words]
    path = f"{TOOLS / 'bin'}{os.pathsep}{os.environ['PATH']}"
    try:
        subprocess.run(
            command, cwd=ROOT, check=True, env={**os.environ, "PATH": path, **environment}
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(f"{' '.join(map(str, command))}: {error}") from error


def build(names: Iterable[str], kind: str) -> pathlib.Path:
    """The directory of the targets' programs; `kind` is one of KINDS."""
    program = TOOLS / "bin/cargo-fuzz"
    if not program.is_file():
        version = ["--version", CARGO_FUZZ, "--locked"]
        cargo("install", "cargo-fuzz", *version, "--root", TOOLS)
    place = PLACE / kind
    # The sanitizer is an option of nightly compilers, to which this makes any other.
    environment = {"RUSTC_BOOTSTRAP": "1"} if kind == "address" else {}
    options: list[str | pathlib.Path] = ["--fuzz-dir", HERE, "--target-dir", place]
    for name in names:
        cargo("fuzz", "build", *options, *KINDS[kind], name, **environment)
    [programs] = place.glob("*/release")
    return programs


def run(program: pathlib.Path, seconds: int) -> Row:
    """Runs one target, with its output in a file."""
    target = program.name
    corpus, findings, log = (PLACE / kind / target for kind in ("corpus", "findings", "log"))
    for directory in (corpus, findings, log.parent):
        directory.mkdir(parents=True, exist_ok=True)
    committed = [HERE / "corpus" / target, HERE / "regressions" / target]
    options: dict[str, object] = {
        "max_total_time": seconds,
        "dict": HERE / f"dictionaries/{target}.dict",
        "artifact_prefix": f"{findings}/",
        "max_len": LONGEST_INPUT,
        "timeout": SLOW,
        "rss_limit_mb": MEMORY_MIB,
        "print_final_stats": 1,
    }
    command: list[str | pathlib.Path] = [
        program,
        *(f"-{name}={value}" for name, value in options.items()),
        corpus,
    ]
    began = time.monotonic()
    # What a target keeps in memory file systems, it leaves there when it is killed.
    memory = tempfile.TemporaryDirectory(prefix="mesos-command-fuzz-", dir="/dev/shm")
    with log.open("wb") as output, memory as place:
        status = subprocess.run(
            [*command, *(path for path in committed if path.is_dir())],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            env={**os.environ, "FUZZ_MEMORY": place},
        ).returncode
    return read(target, log.read_text(errors="replace"), time.monotonic() - began, status)


def report(rows: Sequence[Row]) -> str:
    """The table, and what is to be done about each finding."""
    lines = [f"{'target':14} {'executions':>12} {'seconds':>8} {'corpus':>7} {'findings':>8}"]
    for row in rows:
        count = max(len(row.findings), 0 if row.is_good() else 1)
        numbers = f"{row.executions:12,} {row.seconds:8.0f} {row.corpus:7} {count:8}"
        lines.append(f"{row.target:14} {numbers}")
    for row in rows:
        for path in row.findings:
            keep = f"tests/fuzz/regressions/{row.target}/"
            lines += [
                f"FAILED: {row.target}: {path}",
                f"  what is wrong: target/fuzz/log/{row.target}, or",
                f"  again:         FUZZ_INPUT={path} cargo test --test fuzz {row.target}",
                f"  when mended:   cp it to {keep}<what it was>, which `make test` plays",
            ]
        if row.status and not row.findings:
            where = f"target/fuzz/log/{row.target}"
            lines.append(f"FAILED: {row.target} ended with {row.status}: see {where}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="for each target; default: 60")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time; default: 1")
    kind = parser.add_mutually_exclusive_group()
    parser.set_defaults(kind="none")
    kind.add_argument(
        "--address",
        dest="kind",
        action="store_const",
        const="address",
        help="with the address sanitizer",
    )
    kind.add_argument(
        "--fast",
        dest="kind",
        action="store_const",
        const="fast",
        help="without following comparisons",
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(targets()))
    arguments = parser.parse_args()
    names = arguments.targets or targets()
    unknown = [name for name in names if name not in targets()]
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(targets())}")
    if arguments.seconds < 1 or arguments.jobs < 1:
        parser.error("--seconds and --jobs are whole numbers from 1")
    try:
        programs = build(names, arguments.kind)
    except Unavailable as reason:
        print(f"FAILED: {reason}")
        return 3
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        rows = list(pool.map(lambda name: run(programs / name, arguments.seconds), names))
    print(report(rows))
    return 0 if all(row.is_good() for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
