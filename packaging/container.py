#!/usr/bin/env python3
"""Proves the Dockerfile: builds the packages with it, in a Docker of its own.

    container.py [--work DIR] [--out DIR]

No registry of images is needed: the base is a fresh Debian (debootstrap) with the Rust toolchain of
this machine, which reaches Debian and crates.io as this machine does. The commit that is checked
out is the context, so that nothing of this checkout's build comes in. Each kind of package must
come out, with the sums that are told of it.

Needs root, Debian's docker.io and debootstrap, some 15 GB in DIR, and a network. Exit status: 0 the
packages were built; 1 not.
"""

import argparse
import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from layout import ROOT
from proof import SUITE, Wrong, clone, run, step, sums_of

sys.path.insert(0, str(ROOT / "tests/mesos"))
from docker import CannotStartError, Docker

BASE = "mesos-command-base"
# What a package is known by.
KINDS = (".deb", ".rpm", ".tar.gz", ".json", "SHA256SUMS")
# Of a toolchain: the pages and the source of the library are for people.
NO_NEED = ("share/doc", "lib/rustlib/src", "share/man")


def toolchain(root: pathlib.Path) -> None:
    """The Rust toolchain of this machine, in /usr/local."""
    sysroot = pathlib.Path(run("rustc", "--print", "sysroot").strip())
    host = next(
        line.split()[1] for line in run("rustc", "-vV").splitlines() if line.startswith("host:")
    )

    def left_out(directory: str, names: list[str]) -> set[str]:
        place = pathlib.Path(directory).relative_to(sysroot)
        targets = {name for name in names if "-linux-" in name and name != host}
        unwanted = {name for name in names if str(place / name) in NO_NEED}
        return unwanted | (targets if str(place) == "lib/rustlib" else set())

    shutil.copytree(sysroot, root / "usr/local", symlinks=True, ignore=left_out, dirs_exist_ok=True)


def base(root: pathlib.Path) -> None:
    """A Debian with that toolchain."""
    if (root / "usr/local/bin/cargo").exists():
        return
    shutil.rmtree(root, ignore_errors=True)
    run("debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE, root)
    # The ways of this machine to the network.
    for place in ("etc/apt/apt.conf.d", "etc/ssl/certs"):
        shutil.rmtree(root / place, ignore_errors=True)
        shutil.copytree(f"/{place}", root / place, symlinks=True)
    for trusted in pathlib.Path("/usr/local/share/ca-certificates").glob("*.crt"):
        shutil.copy(trusted, root / "usr/local/share/ca-certificates")
    toolchain(root)


def client() -> str:
    """A client that can write the result of a build to a directory."""
    directories = [*os.get_exec_path(), "/usr/bin"]
    found = [shutil.which("docker", path=directory) for directory in directories]
    for program in filter(None, found):
        # One without BuildKit says so and fails.
        with contextlib.suppress(Wrong):
            if "--output" in run(program, "build", "--help", DOCKER_BUILDKIT="1"):
                return program
    raise Wrong("no docker here has BuildKit (Debian's docker.io has it)")


def packages(docker: Docker, work: pathlib.Path, out: pathlib.Path) -> None:
    """Runs the Dockerfile."""
    with step("a fresh Debian with this machine's Rust"):
        base(work / "base")
        with subprocess.Popen(
            ["tar", "-C", work / "base", "-c", "."], stdout=subprocess.PIPE
        ) as tar:
            command = docker.words("import", "-", BASE)
            subprocess.run(command, stdin=tar.stdout, stdout=subprocess.DEVNULL, check=True)
    source = clone(work, "source")
    with step("docker build -f packaging/Dockerfile"):
        run(
            *docker.words("build", "--network=host", "--progress=plain"),
            f"--build-arg=BASE={BASE}",
            f"--file={source / 'packaging/Dockerfile'}",
            f"--output=type=local,dest={out}",
            source,
            DOCKER_BUILDKIT="1",
        )


def check(out: pathlib.Path) -> None:
    """Holds what came out against the list of sums that came with it."""
    names = sorted(path.name for path in out.iterdir())
    for kind in KINDS:
        if not any(name.endswith(kind) for name in names):
            raise Wrong(f"no {kind} among {names}")
    sums = sums_of(out)
    for name in names:
        found = hashlib.sha256((out / name).read_bytes()).hexdigest()
        if name != "SHA256SUMS" and sums.get(name) != found:
            raise Wrong(f"{name}: {found}, not {sums.get(name)}")
        print(f"    {found}  {name}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--work", type=pathlib.Path, help="keeps the base and the images for the next time"
    )
    parser.add_argument("--out", type=pathlib.Path, help="where the packages are kept")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mesos-command-dockerfile-") as scratch:
        work = (arguments.work or pathlib.Path(scratch)).resolve()
        out = (arguments.out or pathlib.Path(scratch) / "packages").resolve()
        work.mkdir(parents=True, exist_ok=True)
        docker = Docker(work)
        try:
            docker.client = client()
            with docker.running():
                packages(docker, work, out)
            check(out)
        except (Wrong, CannotStartError, subprocess.CalledProcessError) as error:
            print(f"FAILED: {error}")
            return 1
    print("the Dockerfile makes the packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
