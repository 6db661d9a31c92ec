#!/usr/bin/env python3
"""Holds Python to its style and types, C and C++ to their layout, and all texts to their spelling.

    lint.py                  every check
    lint.py ruff mypy        some of them
    lint.py --fix            writes the layout that is wanted, and mends what ruff can mend

pyproject.toml says what is wanted of Python and which words are meant so, .clang-format what of C
and C++. The tools come from PyPI,
in the versions of lint.txt, into a virtual environment of their own (target/lint), which is made
anew when that file changes.

Exit status: 0 all is well; 1 something is not; 3 the tools could not be had (with ALLOW_OFFLINE=1
that is reported as skipped, with status 0).
"""

import argparse
import difflib
import fcntl
import hashlib
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import skips

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
TOOLS = HERE / "lint.txt"
PLACE = ROOT / "target/lint"
# Directories that hold nothing of ours.
FOREIGN = {"target", "node_modules", "__pycache__"}
# Two programs of one name cannot be checked in one run of mypy.
APART = ["examples/usage.py", "examples/workers/usage.py"]


class MissingTools(Exception):
    """The tools are not here and could not be installed; why."""


def tools(place: pathlib.Path, versions: pathlib.Path | None = None) -> pathlib.Path:
    """The directory of pinned tools' programs, installed below `place` when they are not.

    They are those of lint.txt, or of another file that names versions.
    """
    versions = versions or TOOLS
    wanted = hashlib.sha256(versions.read_bytes() + sys.version.encode()).hexdigest()
    marker, environment = place / "complete", place / "environment"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        # Checks may run side by side; the second one waits and finds the work done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.is_file() or marker.read_text() != wanted:
            marker.unlink(missing_ok=True)
            shutil.rmtree(environment, ignore_errors=True)
            install(environment, versions)
            marker.write_text(wanted)
    return environment / "bin"


def install(environment: pathlib.Path, versions: pathlib.Path) -> None:
    """Makes a virtual environment with the tools. Debian may have either of ensurepip and pip."""
    named = versions.relative_to(ROOT)
    print(f"installing the tools of {named}", flush=True)
    has_pip = importlib.util.find_spec("ensurepip") is not None
    make = [sys.executable, "-m", "venv", *([] if has_pip else ["--without-pip"]), str(environment)]
    pip = [str(environment / "bin/python"), "-m", "pip"]
    if not has_pip:
        pip = [sys.executable, "-m", "pip", "--python", str(environment)]
    fetch = [*pip, "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    for command in (make, [*fetch, "--only-binary", ":all:", "--no-deps", "-r", str(versions)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise MissingTools(
                f"the tools of {named} could not be installed from PyPI: "
                f"{lines[-1] if lines else done.returncode}"
            )


def sources(*suffixes: str) -> list[pathlib.Path]:
    """Our files with these suffixes, below the root; a link's target is a file of its own."""

    def walk() -> Iterator[pathlib.Path]:
        for directory, below, names in os.walk(ROOT):
            below[:] = [it for it in below if it not in FOREIGN and not it.startswith(".")]
            yield from (pathlib.Path(directory, name) for name in names)

    found = (path for path in walk() if path.suffix in suffixes and not path.is_symlink())
    return sorted(path.relative_to(ROOT) for path in found)


def run(*command: str | pathlib.Path) -> bool:
    """Whether a program that prints what is wrong finds nothing."""
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def ruff(programs: pathlib.Path, fix: bool) -> bool:
    """Layout of Python, and what is likely to be a mistake."""
    program = programs / "ruff"
    mistakes = run(program, "check", "--quiet", *(["--fix"] if fix else []))
    layout = run(program, "format", "--quiet", *([] if fix else ["--diff"]))
    return mistakes and layout


def mypy(programs: pathlib.Path, _fix: bool) -> bool:
    """Types of Python."""
    files = sources(".py")
    together = [path for path in files if str(path) not in APART]
    runs = [together, *([path] for path in files if path not in together)]
    return all(run(programs / "mypy", "--no-error-summary", *each) for each in runs)


def clang_format(programs: pathlib.Path, fix: bool) -> bool:
    """Layout of C and C++."""
    good = True
    for path in sources(".c", ".cpp", ".h", ".hpp"):
        file = ROOT / path
        command = [programs / "clang-format", file]
        wanted = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
        found = file.read_bytes()
        if wanted != found and fix:
            file.write_bytes(wanted)
        elif wanted != found:
            old, new = (text.decode(errors="replace").splitlines() for text in (found, wanted))
            print(*difflib.unified_diff(old, new, str(path), "as wanted", lineterm=""), sep="\n")
            good = False
    return good


def codespell(programs: pathlib.Path, _fix: bool) -> bool:
    """Spelling of the documents, and of what is written in the code."""
    texts = sources(".md", ".7", ".rs", ".py", ".sh", ".c", ".cpp", ".hpp", ".yml", ".toml")
    return run(programs / "codespell", *texts)


CHECKS: dict[str, Callable[[pathlib.Path, bool], bool]] = {
    "ruff": ruff,
    "mypy": mypy,
    "clang-format": clang_format,
    "codespell": codespell,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"of {', '.join(CHECKS)}")
    parser.add_argument("--fix", action="store_true", help="write instead of complaining")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.checks if name not in CHECKS]
    if unknown:
        parser.error(f"no such check: {', '.join(unknown)}; there are {', '.join(CHECKS)}")
    try:
        programs = tools(PLACE)
    except MissingTools as reason:
        if skips.allowed_offline():
            print(f"SKIPPED the style of Python and C++, and spelling: {reason}")
            return 0
        print(f"FAILED: {reason} (ALLOW_OFFLINE=1 skips this)")
        return 3
    names = arguments.checks or CHECKS
    failed = [name for name in names if not CHECKS[name](programs, arguments.fix)]
    for name in failed:
        print(f"FAILED: {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
