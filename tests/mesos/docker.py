#!/usr/bin/env python3
"""The hooks of Mesos's Docker containerizer, on a whole agent with a real Docker.

Starts a Docker daemon of its own (root, without networks and without a line in iptables), gives it
an image with a shell, lets `mesos-host cluster --docker` run tasks in it, and ends it.

Exit status: 0 all as expected; 1 not; 77 Docker cannot be started here, with the reason.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REAL = pathlib.Path(os.environ.get("REAL_MESOS_DIR", ROOT / "target/real-mesos"))
CANNOT = 77
PATIENCE = 60  # seconds
IMAGE = "mesos-command-test"
APPLETS = ("sh", "env", "sleep", "echo", "cat")


class CannotStartError(Exception):
    """Why Docker cannot be had on this machine."""


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    if not found:
        raise CannotStartError(f"there is no {name} (Debian's {package})")
    return found


def loaded_by(binary: pathlib.Path) -> list[pathlib.Path]:
    """The libraries that a program needs; none for a static one."""
    listed = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout
    words = [word for line in listed.splitlines() for word in line.split()]
    return [pathlib.Path(word) for word in words if word.startswith("/")]


def image(scratch: pathlib.Path) -> pathlib.Path:
    """A root file system for `docker import`: a shell and what the tasks use."""
    busybox = pathlib.Path(program("busybox", "busybox"))
    path = scratch / "image.tar"
    with tarfile.open(path, "w", dereference=True) as tar:
        tar.add(busybox, "bin/busybox")
        for library in loaded_by(busybox):
            tar.add(library, str(library).lstrip("/"))
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return path


class Docker:
    """A daemon and the client that talks to it."""

    def __init__(self, scratch: pathlib.Path) -> None:
        self.client = program("docker", "docker.io")
        self.socket = scratch / "docker.sock"
        self.log = scratch / "dockerd.log"
        self.command = [
            program("dockerd", "docker.io"),
            "--iptables=false",
            "--ip6tables=false",
            "--bridge=none",
            "--storage-driver=vfs",
            f"--host=unix://{self.socket}",
            f"--data-root={scratch / 'data'}",
            f"--exec-root={scratch / 'exec'}",
            f"--pidfile={scratch / 'pid'}",
        ]

    def words(self, *words: str | pathlib.Path) -> list[str | pathlib.Path]:
        """A command line for this daemon."""
        return [self.client, "-H", f"unix://{self.socket}", *words]

    def ask(self, *words: str | pathlib.Path, check: bool = True) -> str:
        done = subprocess.run(self.words(*words), capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise CannotStartError(f"docker {words[0]}: {done.stderr.strip()}")
        return done.stdout

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        if os.geteuid() != 0:
            raise CannotStartError("only root can start it")
        with self.log.open("w") as log:
            daemon = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self.await_answer(daemon)
            yield
        finally:
            daemon.terminate()
            try:
                daemon.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def await_answer(self, daemon: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + PATIENCE
        while not self.ask("info", "--format", "{{.ServerVersion}}", check=False).strip():
            if daemon.poll() is not None or time.monotonic() > end:
                last = self.log.read_text(errors="replace").strip().splitlines()[-1:]
                raise CannotStartError(f"dockerd does not answer: {' '.join(last)}")
            time.sleep(0.1)


def play(docker: Docker, host: pathlib.Path, release: str, extra: list[str]) -> int:
    """Runs the cluster; afterwards no container of it may run."""
    command: list[str | pathlib.Path] = [
        host,
        "cluster",
        f"--mesos={release}",
        f"--mesos-dir={REAL}",
        f"--modules={HERE / 'docker.modules.json'}",
        f"--docker={docker.socket}",
        f"--image={IMAGE}",
        *extra,
    ]
    status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    left = docker.ask("ps", "--format", "{{.Names}} {{.Status}}").strip()
    if left:
        print(f"FAILED: containers still run: {left}")
    return status or bool(left)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", type=pathlib.Path, default=ROOT / "target/release/mesos-host")
    parser.add_argument("--mesos", default="1.11.0", metavar="RELEASE")
    parser.add_argument("--json", action="store_true", help="mesos-host prints JSON lines")
    arguments = parser.parse_args()
    # Below /tmp: a daemon's socket has a short path, and its data belong on a disk.
    with tempfile.TemporaryDirectory(prefix="mesos-docker-", ignore_cleanup_errors=True) as name:
        scratch = pathlib.Path(name)
        try:
            docker = Docker(scratch)
            with docker.running():
                docker.ask("import", image(scratch), IMAGE)
                docker.ask("run", "--rm", "--network", "none", IMAGE, "/bin/sh", "-c", "exit 0")
                extra = ["--json"] if arguments.json else []
                return play(docker, arguments.host, arguments.mesos, extra)
        except CannotStartError as reason:
            print(f"Docker cannot be started here: {reason}")
            return CANNOT


if __name__ == "__main__":
    sys.exit(main())
