#!/usr/bin/env python3
"""Holds ARCHITECTURE.md and the other pages about the code against the code.

What fails:

* an import from one folder of the engine to another (or from another package to the engine or the
  load generator) that the table of ARCHITECTURE.md does not have, or that it has and the code has
  not;
* an arrow from a row of the table to a row that stands below it;
* a crate of a command line program among those that the shared library links;
* a program of tests that no package has: Cargo does not look for them in tests/ by itself;
* a thread that the code names and ARCHITECTURE.md does not, or the other way round;
* a function, type or parameter that a page names and that the code does not have;
* a file over 400 lines, a Rust function over 60, a line of a Rust comment over 100 columns.

What is printed besides: the arrows with their numbers. Test code does not count as an import.

Exit status: 0 it is so; 1 it is not.
"""

import argparse
import collections
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = "ARCHITECTURE.md"
PAGES = [PAGE, "CONTRIBUTING.md", "SECURITY.md"]
# The packages that use the engine from outside, only through `mesos_command::`.
OUTSIDE = ["src/load", "src/cli", "cpp/src", "cpp/host/src"]
# Those of them that others use, by the names of their crates.
LIBRARIES = {"load_generator": "src/load"}
MODULE = "mesos-command-modules"
# What only command line programs and tests may link. An agent must not carry it.
PROGRAMS_ONLY = [
    "anyhow",
    "clap",
    "clap_builder",
    "criterion",
    "hdrhistogram",
    "load-generator",
    "object",
    "proptest",
    "tempfile",
    "test-support",
    "tracing-subscriber",
]
MOST_LINES, MOST_FUNCTION_LINES = 400, 60
# rustfmt wraps code, and leaves comments as they are. Rows of tables cannot be wrapped.
MOST_COLUMNS = 100
SOURCES = [".rs", ".cpp", ".hpp", ".h", ".py", ".sh", ".c"]
# Directories with code and documents.
PLACES = ("src", "cpp", "tests", "benches", "docs", "examples", "dashboards", ".ci")

# The rows of the page's table: what a folder may use, and what it uses still.
Rows = dict[str, list[str]]


class Arrow(NamedTuple):
    """That one folder uses another."""

    user: str
    used: str


def without_tests(text: str) -> Iterator[tuple[int, str]]:
    """Rust code without comments and without the items under `#[cfg(test)]`, as (number, line)."""
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        if line.strip() == "#[cfg(test)]":
            skip_item(lines, len(line) - len(line.lstrip()))
        elif not line.lstrip().startswith("//"):
            yield number, line


def skip_item(lines: Iterator[tuple[int, str]], indent: int) -> None:
    """Skips one item, which rustfmt has ended with a line of its own indentation."""
    for _, line in lines:
        text = line.strip()
        if text.startswith(("#[", "//")) or len(line) - len(line.lstrip()) != indent:
            continue
        if text.startswith("}") or text.endswith((";", "}")):
            return


def test_files(root: pathlib.Path) -> set[pathlib.Path]:
    """Files that are modules of tests as a whole."""
    found = set()
    declared = re.compile(r'#\[cfg\(test\)\]\s*(?:#\[path = "(\S+)"\]\s*)?mod (\w+);')
    for file in root.rglob("*.rs"):
        for path, name in declared.findall(file.read_text()):
            beside = file.parent if file.name in ("mod.rs", "lib.rs") else file.with_suffix("")
            found.add(file.parent / path if path else beside / f"{name}.rs")
    return found


def modules(line: str, crate: str) -> Iterator[str]:
    """The modules of a crate that a line of code names."""
    for match in re.finditer(rf"\b{crate}::(?:\{{([^}}]*)|(\w+))", line):
        if match[1] is None:
            yield match[2]
        else:
            # `{metrics, schema::{self, Schema}}`: the names that begin an element.
            yield from re.findall(r"(?:^|,)\s*(\w+)", re.sub(r"\{[^}]*\}?", "", match[1]))


def package(path: pathlib.PurePath) -> str | None:
    """The package outside the engine that a path inside the repository belongs to, or nothing."""
    return next((place for place in OUTSIDE if path.is_relative_to(place)), None)


def folder(path: pathlib.PurePath) -> str:
    """The folder of src/ that a path belongs to; a single file is one by itself."""
    return path.parts[1].removesuffix(".rs")


def arrows(root: pathlib.Path) -> dict[Arrow, list[str]]:
    """Each arrow of the code with its places."""
    found = collections.defaultdict(list)
    skipped = test_files(root)
    files = sorted({file for place in ["src", *OUTSIDE] for file in (root / place).rglob("*.rs")})
    paths = {file: file.relative_to(root) for file in files}
    names = {folder(path) for path in paths.values() if not package(path)}
    for file, path in paths.items():
        if file in skipped or path == pathlib.Path("src/lib.rs"):
            continue
        outside = package(path)
        user, crate = (outside, "mesos_command") if outside else (folder(path), "crate")
        # An import of several lines is one line here.
        code = re.sub(
            r"\{\n[^;]*?\};",
            lambda it: it[0].replace("\n", " "),
            "\n".join(line for _, line in without_tests(file.read_text())),
        )
        for line in code.splitlines():
            for used in modules(line, crate):
                if used != user and used in names:
                    found[Arrow(user, used)].append(f"{path}: {line.strip()[:90]}")
            for name, used in LIBRARIES.items():
                if used != user and re.search(rf"\b{name}::", line):
                    found[Arrow(user, used)].append(f"{path}: {line.strip()[:90]}")
    return found


def table(text: str) -> Rows | None:
    """The rows of the page: folder, and what it may use."""
    begin, end = "<!-- imports:begin -->", "<!-- imports:end -->"
    if begin not in text or end not in text:
        return None
    rows = {}
    for line in text.split(begin, 1)[1].split(end, 1)[0].splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        names = re.findall(r"`([^`]+)`", cells[0])
        if len(cells) == 2 and names:
            rows[names[0].rstrip("/")] = re.findall(r"`([\w/]+)`", cells[1])
    return rows


def import_problems(rows: Rows, found: Mapping[Arrow, Sequence[str]]) -> list[str]:
    """What the code and the table say differently."""
    users = {arrow.user for arrow in found}
    wrong = [f"{PAGE} has no row for {user}" for user in sorted(users - rows.keys())]
    order = {name: place for place, name in enumerate(rows)}
    listed = {Arrow(user, used) for user, allowed in rows.items() for used in allowed}
    wrong += [
        f"{arrow.user} must not use {arrow.used}: {places[0]}"
        for arrow, places in sorted(found.items())
        if arrow.user in rows and arrow not in listed
    ]
    wrong += [
        f"{PAGE}: {arrow.user} does not use {arrow.used} any more: take it out"
        for arrow in sorted(listed - found.keys())
    ]
    wrong += [
        f"{PAGE}: {user} uses {used}, whose row must stand above it"
        for user, allowed in rows.items()
        for used in allowed
        if order.get(used, -1) >= order[user]
    ]
    return wrong


def linked() -> set[str]:
    """The packages that become part of the shared library: all but macros and build scripts."""
    words = f"tree --locked -p {MODULE} -e normal,no-proc-macro --prefix none --format {{p}}"
    tree = subprocess.run(
        [os.environ.get("CARGO", "cargo"), *words.split()],
        cwd=ROOT,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    )
    return {line.split()[0] for line in tree.stdout.splitlines()}


def link_problems(packages: set[str]) -> list[str]:
    """Packages of command line programs that the shared library links."""
    if MODULE not in packages:
        return [f"cargo tree does not name {MODULE}"]
    return [
        f"{MODULE} links {name}, which only command line programs and tests may"
        for name in sorted(packages.intersection(PROGRAMS_ONLY))
    ]


def forgotten_tests(root: pathlib.Path) -> list[str]:
    """Programs of tests that stand in no manifest, and so are never built."""
    packages = [root / "tests", root / "tests/models", root / "src/cli"]
    named = {
        (package / path).resolve()
        for package in packages
        if (package / "Cargo.toml").is_file()
        for path in re.findall(
            r'^path = "(\S+)"', (package / "Cargo.toml").read_text(), re.MULTILINE
        )
    }
    programs = sorted([*(root / "tests").glob("*.rs"), *(root / "tests").glob("*/main.rs")])
    return [
        f"{file.relative_to(root)} is no [[test]] of a package"
        for file in programs
        if file.resolve() not in named
    ]


def thread_problems(root: pathlib.Path, page: str) -> list[str]:
    """Threads that only one of the code and the page knows."""
    started = re.compile(r'"(mcmd-[a-z-]+)"')
    code = {
        name
        for file in (root / "src").rglob("*.rs")
        for _, line in without_tests(file.read_text())
        for name in started.findall(line)
    }
    # The page writes `mcmd-done-0` and `mcmd-done-N`.
    listed = {name.rstrip("-") for name in re.findall(r"`(mcmd-[a-z-]+)", page)}
    return [f"{PAGE} does not name the thread {name}" for name in sorted(code - listed)] + [
        f"{PAGE} names the thread {name}, which nothing starts" for name in sorted(listed - code)
    ]


def name_problems(root: pathlib.Path, pages: Mapping[str, str]) -> list[str]:
    """Functions, types and parameters of the pages that no code has."""
    words = {
        word
        for place in PLACES
        for file in (root / place).rglob("*")
        if file.suffix in SOURCES
        for word in re.findall(r"\w+", file.read_text())
    }
    return [
        f"{page}: there is no {name} in the code"
        for page, text in pages.items()
        for name in dict.fromkeys(re.findall(r"`([A-Za-z_]\w*(?:::\w+)*)`", text))
        if not set(name.split("::")) <= words
    ]


def long_things(root: pathlib.Path) -> Iterator[str]:
    """Files and functions that are too long."""
    function = re.compile(
        r"^( *)(?:pub(?:\([^)]+\))? )?(?:(?:async|const|unsafe|extern \"C\") )*"
        r"fn (\w+)"
    )
    for file in sorted(path for place in PLACES for path in (root / place).rglob("*")):
        if file.suffix not in SOURCES or "node_modules" in file.parts:
            continue
        lines = file.read_text(errors="replace").splitlines()
        path = file.relative_to(root)
        if len(lines) > MOST_LINES:
            yield f"{path} has {len(lines)} lines, more than {MOST_LINES}"
        begins = None
        for number, line in enumerate(lines, 1) if file.suffix == ".rs" else []:
            if len(line) > MOST_COLUMNS and re.match(r" *//(?![/!]? \|)", line):
                yield f"{path}:{number}: the comment has {len(line)} columns"
            if match := function.match(line):
                begins = (number, match[1], match[2])
            elif begins and line == begins[1] + "}":
                length = number - begins[0] + 1
                if length > MOST_FUNCTION_LINES:
                    place = f"{path}:{begins[0]}: {begins[2]}"
                    yield f"{place} has {length} lines, more than {MOST_FUNCTION_LINES}"
                begins = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quiet", action="store_true", help="print only what is wrong")
    arguments = parser.parse_args()
    pages = {name: (ROOT / name).read_text() for name in PAGES}
    found, rows = arrows(ROOT), table(pages[PAGE])
    if not arguments.quiet:
        for user in dict.fromkeys(arrow.user for arrow in sorted(found)):
            uses = [
                f"{arrow.used} {len(places)}"
                for arrow, places in sorted(found.items())
                if arrow.user == user
            ]
            print(f"{user:14} -> {', '.join(uses)}")
    if rows is None:
        wrong = [f"{PAGE} has no table between the markers imports:begin and imports:end"]
    else:
        wrong = import_problems(rows, found)
    wrong += link_problems(linked()) + forgotten_tests(ROOT)
    wrong += thread_problems(ROOT, pages[PAGE]) + name_problems(ROOT, pages)
    wrong += long_things(ROOT)
    for line in wrong:
        print(f"FAILED: {line}")
    print(f"{len(found)} arrows, {len(wrong)} problems")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
