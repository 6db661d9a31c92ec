"""What is installed, and where: the one table that packages, tarball and `make install` follow."""

import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The names of the packages: what goes into an agent, and the program for people.
MODULE, TOOL = "mesos-command-modules", "mesos-command"
LIBRARY = "libmesos_command_modules.so"
# Beside the program, what it says of itself.
GENERATED = "generated"
SUMMARIES = {
    MODULE: "run commands for the hook and isolator events of Apache Mesos",
    TOOL: "check and try a configuration of the Mesos command modules",
}
DESCRIPTIONS = {
    MODULE: [
        "A module library for agents and masters of Apache Mesos and clusterd. Each",
        "event of a hook or an isolator runs a command of the operator's, in any",
        "language, and hands its answer back to Mesos. It takes the configuration, the",
        "scripts and the state of criteo's mesos-command-modules.",
        "",
        "Installing it changes no agent: its modules file names the library.",
    ],
    TOOL: [
        "Checks a modules file as an agent reads it, explains events and parameters,",
        "runs commands as an agent would, and tells whether the module library fits a",
        "libmesos.",
    ],
}


class Places(NamedTuple):
    """Directories of an installation, all absolute."""

    modules: str
    programs: str
    manual: str
    documents: str
    data: str
    # Where each shell looks for what packages bring.
    bash: str
    zsh: str
    fish: str


def under(prefix: str, modules: str | None = None) -> Places:
    """The places below a prefix; `modules` is where Mesos looks for libraries on a host."""
    return Places(
        modules=modules or f"{prefix}/lib/mesos/modules",
        programs=f"{prefix}/bin",
        manual=f"{prefix}/share/man",
        documents=f"{prefix}/share/doc",
        data=f"{prefix}/share",
        bash=f"{prefix}/share/bash-completion/completions",
        zsh=f"{prefix}/share/zsh/site-functions",
        fish=f"{prefix}/share/fish/vendor_completions.d",
    )


# Where each kind of package puts things: the module directories are those of the packages of Mesos
# for these systems.
DEBIAN = under("/usr")._replace(zsh="/usr/share/zsh/vendor-completions")
RPM = under("/usr", "/usr/lib64/mesos/modules")


class File(NamedTuple):
    """One file of an installation."""

    package: str
    source: pathlib.Path
    target: str
    mode: int


def files(build: pathlib.Path, places: Places) -> list[File]:
    """Everything that is installed, sorted by its place.

    `build` has library and program, and in `generated` what the program prints of itself.
    """
    documents = f"{places.documents}/{MODULE}"
    found = [
        File(MODULE, build / LIBRARY, f"{places.modules}/{LIBRARY}", 0o644),
        File(TOOL, build / TOOL, f"{places.programs}/{TOOL}", 0o755),
    ]
    found += [
        File(MODULE, page, f"{places.manual}/man7/{page.name}", 0o644)
        for page in sorted((ROOT / "docs").glob("*.7"))
    ]
    own = build / GENERATED
    found += [
        File(TOOL, page, f"{places.manual}/man1/{page.name}", 0o644)
        for page in sorted(own.glob("*.1"))
    ]
    completions = {"bash": places.bash, "zsh": places.zsh, "fish": places.fish}
    found += [
        File(TOOL, own / shell, f"{directory}/{completion(shell)}", 0o644)
        for shell, directory in completions.items()
        if (own / shell).is_file()
    ]
    pages = [*ROOT.glob("*.md"), ROOT / "LICENSE"]
    found += [File(MODULE, page, f"{documents}/{page.name}", 0o644) for page in pages]
    found += copies(ROOT / "docs", f"{documents}/docs", leave={".7"})
    found += copies(ROOT / "examples", f"{documents}/examples")
    dashboards = f"{places.data}/{MODULE}/dashboards"
    found += copies(ROOT / "dashboards/rules", f"{dashboards}/rules")
    found += [
        File(MODULE, path, f"{dashboards}/{path.name}", 0o644)
        for path in (ROOT / "dashboards").glob("*.json")
    ]
    return sorted(found, key=lambda file: file.target)


def completion(shell: str) -> str:
    """What a file of completions is called."""
    return {"bash": TOOL, "zsh": f"_{TOOL}", "fish": f"{TOOL}.fish"}[shell]


def generate(build: pathlib.Path) -> None:
    """Has the tool write its manual pages and completions, beside itself."""
    own = build / GENERATED
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    tool = build / TOOL
    subprocess.run(
        [tool, "generate", "man", "--output", own], check=True, stdout=subprocess.DEVNULL
    )
    for shell in ("bash", "zsh", "fish"):
        done = subprocess.run(
            [tool, "generate", "completions", shell], check=True, stdout=subprocess.PIPE
        )
        (own / shell).write_bytes(done.stdout)


def copies(directory: pathlib.Path, target: str, leave: set[str] | None = None) -> Iterator[File]:
    """A directory with all that is in it, programs as programs."""
    for path in sorted(directory.rglob("*")):
        if (
            path.is_file()
            and "__pycache__" not in path.parts
            and path.suffix not in (leave or set())
        ):
            mode = 0o755 if os.access(path, os.X_OK) else 0o644
            yield File(MODULE, path, f"{target}/{path.relative_to(directory)}", mode)
