#!/usr/bin/env python3
"""Installs the module and the tool, and makes packages of them.

    package.py install [--destdir DIR] [--prefix DIR] [--modules DIR]
    package.py uninstall (the same options)
    package.py all [--out DIR]          tarball, .deb, .rpm, SBOM, sums
    package.py tarball|deb|rpm|sbom [--out DIR]

`install` takes what `cargo build --release` made. The others build for themselves, so that two
builds of one commit are the same bytes, wherever they are made. Nothing restarts an agent.

Exit status: 0 done; 1 something could not be made; 2 usage.
"""

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import archives
import building
import sbom
from layout import LIBRARY, MODULE, ROOT, TOOL, File, Places, completion, files, generate, under

import staging

OUT = ROOT / "target/packages"
# What makes a kind of package, and Debian's package that has it.
MAKERS = {"deb": ("dpkg-shlibdeps", "dpkg-dev"), "rpm": ("rpmbuild", "rpm")}


def places(arguments: argparse.Namespace) -> Places:
    return under(arguments.prefix.rstrip("/"), arguments.modules)


def built() -> pathlib.Path:
    release = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    missing = [name for name in (LIBRARY, TOOL) if not (release / name).is_file()]
    if missing:
        sys.exit(f"{release} has no {' and no '.join(missing)}: run `make build` first")
    return release


def install(arguments: argparse.Namespace) -> None:
    destination = pathlib.Path(arguments.destdir or "/")
    build = built()
    generate(build)
    wanted = files(build, places(arguments))
    try:
        done = staging.install(wanted, destination)
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}; choose another --prefix, or be root")
    print(f"{len(done)} files installed; the library is", end=" ")
    print(staging.place(destination, f"{places(arguments).modules}/{LIBRARY}"))
    print("An agent takes it when its modules file names it and it is restarted.")


def uninstall(arguments: argparse.Namespace) -> None:
    # What was built need not be there any more; pages of the tool are those that are found.
    there, destination = places(arguments), pathlib.Path(arguments.destdir or "/")
    wanted = files(OUT, there)
    manual = staging.place(destination, f"{there.manual}/man1")
    for page in manual.glob(f"{TOOL}*.1"):
        wanted.append(File(TOOL, page, f"{there.manual}/man1/{page.name}", 0o644))
    for shell, directory in (("bash", there.bash), ("zsh", there.zsh), ("fish", there.fish)):
        path = f"{directory}/{completion(shell)}"
        wanted.append(File(TOOL, destination, path, 0o644))
    done = staging.uninstall(wanted, destination)
    print(f"{len(done)} files removed")


def make(kind: str, build: pathlib.Path, out: pathlib.Path) -> list[pathlib.Path]:
    if kind == "tarball":
        return [archives.tarball(build, out)]
    if kind == "sbom":
        path = out / f"{MODULE}-{building.version()}.cdx.json"
        path.write_text(json.dumps(sbom.document(), indent=2) + "\n")
        return [path]
    maker = archives.deb if kind == "deb" else archives.rpm
    return [maker(package, build, out) for package in (MODULE, TOOL)]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in [("install", "install what was built"), ("uninstall", "remove it again")]:
        command = commands.add_parser(name, help=what)
        command.add_argument("--destdir", default="", help="a root to install below")
        command.add_argument("--prefix", default="/usr/local")
        command.add_argument("--modules", help="the directory of Mesos's module libraries")
        command.set_defaults(run=install if name == "install" else uninstall)
    kinds = ["tarball", "deb", "rpm", "sbom"]
    for name in ["all", *kinds]:
        command = commands.add_parser(name, help="all of them" if name == "all" else None)
        command.add_argument("--out", type=pathlib.Path, default=OUT)
    arguments = parser.parse_args()
    if "run" in arguments:
        arguments.run(arguments)
        return 0
    wanted = kinds if arguments.command == "all" else [arguments.command]
    for kind in wanted:
        program, package = MAKERS.get(kind, ("cargo", "cargo"))
        if not shutil.which(program):
            print(f"{kind}: there is no {program} (Debian's {package})", file=sys.stderr)
            return 1
    arguments.out.mkdir(parents=True, exist_ok=True)
    try:
        build = building.build(arguments.out)
        made = [path for kind in wanted for path in make(kind, build, arguments.out)]
    except subprocess.CalledProcessError as error:
        print(f"{error.cmd[0]} ended with {error.returncode}", file=sys.stderr)
        return 1
    sums = [(hashlib.sha256(path.read_bytes()).hexdigest(), path.name) for path in made]
    (arguments.out / "SHA256SUMS").write_text("".join(f"{sum_}  {name}\n" for sum_, name in sums))
    for sum_, name in sums:
        print(f"{sum_}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
