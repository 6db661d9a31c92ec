#!/usr/bin/env python3
"""`mesos-command inspect` on a real libmesos, on what is none, and on libraries that misbehave.

The misbehaving ones are made here: shared libraries with the exports that the module needs, whose
initialisers crash, hang, exit or print without end, or that lack something.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import fitting
import refusals
from files import Json

MODULE = "libmesos_command_modules.so"
MANAGER = "_ZN5mesos7modules13ModuleManager"
TABLE = f"{MANAGER}13kindToVersionB5cxx11E"
STRING = "NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
# What the program itself takes the sizes for; the module is told by refusals.simulate().
SIZES = "MESOS_COMMAND_INSPECT_TEST_SIZES"
FITS, NOT, UNUSABLE, UNKNOWN = 0, 1, 2, 3


class Inspection:
    """Counts checks and what failed of them."""

    def __init__(self, programs: pathlib.Path, mesos: pathlib.Path, scratch: pathlib.Path) -> None:
        self.program, self.module = programs / "mesos-command", programs / MODULE
        self.library, self.scratch = mesos / "libmesos.so", scratch
        stubs = mesos / "stubs"
        # Sonames that no longer exist are found in the stubs; nobody needs Python's symbols by
        # soname.
        self.stubs = {
            "LD_LIBRARY_PATH": str(stubs),
            "LD_PRELOAD": " ".join(str(path) for path in sorted(stubs.glob("*python*.so"))),
        }
        self.checks, self.failed = 0, 0

    def check(
        self,
        what: str,
        library: pathlib.Path,
        status: int,
        *words: str,
        more: Sequence[str | pathlib.Path] = (),
        environment: Mapping[str, str] | None = None,
        verb: str = "inspect",
    ) -> str:
        """Runs the program; every one of the words must be in its output."""
        command = [self.program, verb, library, *more]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, **(environment or {})},
        )
        wrong = [f"{word!r} is not in the output" for word in words if word not in done.stdout]
        if done.returncode != status:
            wrong.append(f"exit status {done.returncode} instead of {status}")
        self.checks += 1
        if wrong:
            self.failed += 1
            print(f"FAILED: {what}", *wrong, done.stdout, sep="\n  ")
        return done.stdout

    def json(
        self,
        what: str,
        library: pathlib.Path,
        status: int,
        outcome: str,
        environment: Mapping[str, str] | None = None,
    ) -> Json:
        """The same with --json; its outcome must be this one. Returns what was read."""
        text = self.check(what, library, status, more=["--json"], environment=environment)
        try:
            report: Json = json.loads(text)
        except ValueError:
            report = {"outcome": "no JSON"}
        self.expect(report["outcome"] == outcome, f"{what}: {report}")
        return report

    def expect(self, good: bool, what: str) -> None:
        self.checks += 1
        if not good:
            self.failed += 1
            print(f"FAILED: {what}")

    # A real libmesos.

    def real(self, release: str, strings: str) -> None:
        report = self.json("a real libmesos", self.library, FITS, "fits", environment=self.stubs)
        self.expect(report.get("release") == release, "the release")
        self.expect(report.get("tested") is True, "that it is tested")
        self.expect(report.get("string_abi") == strings, "the string ABI")
        self.expect(report.get("accepted") is True, "the module's own check")
        self.expect(len(report.get("sizes", [])) > 10, "sizes")
        self.expect(all(it["size"] in it["known"] for it in report.get("sizes", [])), "known sizes")
        symbols = report.get("symbols", {})
        self.expect(symbols.get("required", 0) > 40, "symbols")
        self.expect(symbols.get("missing") == [] and symbols.get("weak") == [], "missing symbols")
        self.check(
            "as text",
            self.library,
            FITS,
            f"release:      {release} (tested)",
            "own check:    accepts it",
            "The module fits this library.",
            environment=self.stubs,
        )
        simulated = refusals.with_simulation(self.stubs, self.library, self.scratch)
        # Both tables, ours and the module's, know the same: each refuses on its own.
        for name in ["mesos.Labels", "mesos.ResourceStatistics"]:
            self.check(
                f"a size of {name}",
                self.library,
                NOT,
                f"problem:      {name} takes 56 bytes in it, but the module knows",
                f"refuses to run in this Mesos {release}: {name} takes 56 bytes in it",
                environment={**simulated, SIZES: f"{name}=56", "SIMULATED_SIZES": f"{name}=56"},
            )
        self.check(
            "what only the module checks",
            self.library,
            NOT,
            "has a layout in it",
            environment={**simulated, "SIMULATED_LAYOUT": "resources"},
        )
        fitting.configuration(self, simulated)
        self.alone()
        every = ",".join(f"{it['type']}=1" for it in report.get("sizes", []))
        report = self.json(
            "every size",
            self.library,
            NOT,
            "does_not_fit",
            environment={**simulated, SIZES: every, "SIMULATED_SIZES": every},
        )
        for it in report.get("sizes", []):
            self.expect(
                any(
                    problem.startswith(f"{it['type']} takes 1 bytes")
                    for problem in report["problems"]
                ),
                f"{it['type']} is compared",
            )

    def alone(self) -> None:
        """A libmesos of several libraries, on a machine that has only one of them."""
        others = [path for path in self.library.parent.glob("lib*.so") if path != self.library]
        if not others:
            return
        library = self.scratch / self.library.name
        shutil.copyfile(self.library, library)
        names = [path.name for path in others]
        report = self.json("a libmesos alone", library, UNKNOWN, "unknown", environment=self.stubs)
        self.expect(sorted(report["missing_libraries"]) == sorted(names), f"missing: {report}")
        self.expect(len(report["symbols"]["unknown"]) > 40, f"symbols: {report}")
        path = {"LD_LIBRARY_PATH": str(self.library.parent)}
        self.check("with the others by a variable", library, FITS, "fits", environment=path)
        library.unlink()

    def truncated(self) -> None:
        whole = self.library.stat().st_size
        for length in [0, 4, 20, 64, 4096, whole // 2, whole - 1]:
            path = self.scratch / "truncated.so"
            # A sparse copy: what is cut off does not need to be right before the cut either.
            with self.library.open("rb") as real, path.open("wb") as copy:
                copy.write(real.read(min(length, 1 << 16)))
                copy.truncate(length)
            words = ["ELF"] if length < 64 else ["is truncated: it has"]
            self.check(f"{length} bytes of a libmesos", path, UNUSABLE, *words)

    # What is no libmesos.

    def foreign(self) -> None:
        text = self.scratch / "text"
        text.write_text("no library\n")
        for what, library, words in [
            ("a text file", text, "is not an ELF file"),
            ("a shell", pathlib.Path("/bin/sh"), "is a shared library, but no libmesos"),
            ("the module", self.module, "is the module library, not a libmesos"),
            ("a directory", self.scratch, "is not a regular file"),
            ("nothing", self.scratch / "nothing", "cannot be opened"),
            ("an endless device", pathlib.Path("/dev/zero"), "is not a regular file"),
        ]:
            output = self.check(what, library, UNUSABLE, words)
            self.expect(output.count("\n") == 1, f"{what}: one line, not {output!r}")
        self.json("JSON of a text file", text, UNUSABLE, "unusable")
        for what, module, words in [
            ("a libmesos as module", self.library, "is not the module library"),
            ("a text file as module", text, "is not an ELF file"),
            ("no module", self.scratch / "nothing", "cannot be opened"),
        ]:
            self.check(what, self.library, UNUSABLE, words, more=["--module", module])

    # Libraries that misbehave.

    def required(self) -> list[str]:
        listed = subprocess.run(
            ["nm", "-D", "--undefined-only", self.module],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.split("\n")
        pairs = [pair for line in listed if len(pair := line.split()) == 2 and "@" not in pair[1]]
        # Of the names that both string ABIs have, which are weak, those of C++11.
        of_strings = [name for kind, name in pairs if kind == "w" and STRING in name]
        self.expect(len(of_strings) == 2, f"names with strings: {of_strings}")
        return [name for kind, name in pairs if kind == "U"] + of_strings

    def make(
        self,
        name: str,
        names: Sequence[str],
        *,
        weak: Sequence[str] = (),
        body: str = "",
        table: str = TABLE,
        link: Sequence[str | pathlib.Path] = (),
    ) -> pathlib.Path:
        """A library that exports these names, and does `body` when it is loaded."""
        source = self.scratch / f"{name}.c"
        lines = []
        for index, it in enumerate([*names, f"{MANAGER}10initializeEv"]):
            attribute = "__attribute__((weak)) " if it in weak else ""
            lines += [
                f'{attribute}long f{index}(void) __asm__("{it}");',
                f"long f{index}(void) {{ return 0; }}",
            ]
        lines += [
            "#include <stdlib.h>",
            "#include <string.h>",
            "#include <unistd.h>",
            f'void* table[7] __asm__("{table}");',
            f"__attribute__((constructor)) static void start(void) {{ {body} }}",
        ]
        source.write_text("\n".join(lines))
        library = self.scratch / f"{name}.so"
        subprocess.run(
            ["cc", "-w", "-shared", "-fPIC", "-o", library, source, "-Wl,--no-as-needed", *link],
            check=True,
        )
        return library

    def misbehaving(self) -> None:
        names = self.required()
        quick = ["--timeout", "1"]
        for name, body, words in [
            ("aborts", "abort();", "crashed (SIGABRT) while loading the library"),
            ("faults", "*(volatile int*)8 = 0;", "crashed (SIGSEGV) while loading the library"),
            ("hangs", "for (;;) pause();", "took longer than 1s while loading the library"),
            ("exits", "_exit(3);", "ended with exit code 3 while loading the library"),
            ("leaves", "exit(0);", "ended with exit code 0 while loading the library"),
            (
                "prints",
                "static char b[1 << 16]; memset(b, 'x', sizeof b); for (;;) write(1, b, sizeof b);",
                "crashed (SIGXFSZ)",
            ),
        ]:
            library = self.make(name, names, body=body)
            self.check(
                f"a library that {name}",
                library,
                UNKNOWN,
                words,
                "is unknown",
                more=quick if name == "hangs" else ["--timeout", "60"],
            )
        self.check(
            "a lacking symbol",
            self.make("lacks", names[1:]),
            NOT,
            f"missing: {names[0]}",
            "lacks 1 symbols",
        )
        self.check(
            "a weak symbol",
            self.make("weak", names, weak=names[:1]),
            NOT,
            f"weak only: {names[0]}",
            "has only weakly 1 symbols",
        )
        old = self.make("old", names, table=TABLE.replace("B5cxx11", ""))
        self.check(
            "the names of another string ABI",
            old,
            NOT,
            "string ABI:   old",
            "missing: _ZNK6google8protobuf11MessageLite21AppendPartialToStringEPSs",
            "lacks 2 symbols",
        )
        self.split(names)

    def split(self, names: Sequence[str]) -> None:
        """What the module needs may be in libraries that the library needs in its turn."""
        directory = self.scratch / "neighbours"
        directory.mkdir()

        def neighbour(name: str, names: Sequence[str], **more: Any) -> pathlib.Path:
            link = [f"-Wl,-soname,lib{name}.so", *more.pop("link", [])]
            made = self.make(name, names, link=link, **more)
            return made.rename(directory / f"lib{name}.so")

        here, there = names[10:], names[:10]
        beside = ["-Wl,-rpath,$ORIGIN/neighbours"]
        every = f"symbols:      {len(names)} of {len(names)} that the module needs"
        library = self.make("split", here, link=[neighbour("there", there)])
        unknown = [
            f"symbols:      {len(here)} of {len(names)} that the module needs",
            "10 may be in the libraries that were not found",
            "it needs libthere.so, which were not found in ",
            "LD_LIBRARY_PATH=DIR mesos-command inspect",
            "is unknown",
        ]
        self.check("neighbours that are not found", library, UNKNOWN, *unknown)
        report = self.json("the same as JSON", library, UNKNOWN, "unknown")
        self.expect(report["missing_libraries"] == ["libthere.so"], f"what is missing: {report}")
        self.expect(sorted(report["symbols"]["unknown"]) == sorted(there), f"unknown: {report}")
        # They are stubs, whose messages take no bytes; all that counts is that they are found.
        path = {"LD_LIBRARY_PATH": str(directory)}
        self.check("neighbours by LD_LIBRARY_PATH", library, NOT, every, environment=path)
        library = self.make("beside", here, link=[directory / "libthere.so", *beside])
        self.check("neighbours by RUNPATH", library, NOT, every)
        library = self.make("elsewhere", here, link=[directory / "libthere.so", "-Wl,-rpath,/none"])
        self.check("where they were looked for", library, UNKNOWN, "in /none (RUNPATH), ")

        deep = neighbour("deep", there)
        library = self.make("deeper", here, link=[neighbour("over", [], link=[deep]), *beside])
        deep.unlink()
        self.check("a neighbour's neighbour", library, UNKNOWN, "it needs libdeep.so, which")
        library = self.make("less", here, link=[neighbour("less", there[1:]), *beside])
        self.check("a symbol that nobody has", library, NOT, f"missing: {there[0]}", "lacks 1 ")
        library = self.make(
            "weaker", here, link=[neighbour("weak", there, weak=there[:1]), *beside]
        )
        self.check("a neighbour's weak symbol", library, NOT, f"weak only: {there[0]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--programs",
        type=pathlib.Path,
        required=True,
        help="directory of mesos-command and the module library",
    )
    parser.add_argument(
        "--mesos",
        type=pathlib.Path,
        required=True,
        help="directory of one release, as fetch.py makes it",
    )
    parser.add_argument("--release", help="what it is [default: the directory's name]")
    parser.add_argument(
        "--strings", default="cxx11", choices=["cxx11", "old"], help="its ABI of std::string"
    )
    parser.add_argument(
        "--all", action="store_true", help="also what does not depend on the release"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mesos-inspect-") as scratch:
        it = Inspection(
            arguments.programs.resolve(), arguments.mesos.resolve(), pathlib.Path(scratch)
        )
        it.real(arguments.release or arguments.mesos.name, arguments.strings)
        if arguments.all:
            it.truncated()
            it.foreign()
            it.misbehaving()
    print(f"{it.checks} checks, {it.failed} failed")
    sys.exit(1 if it.failed or not it.checks else 0)


if __name__ == "__main__":
    main()
