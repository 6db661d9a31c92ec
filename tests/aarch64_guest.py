"""A Linux of aarch64 for tests, emulated whole: qemu with a kernel and programs of Debian's.

qemu's emulation of single programs (qemu-user) knows few of the flags of clone, no pidfds and no
cgroups of its own, which is what starting commands takes. In a guest the kernel is a real one.

What it consists of comes from Debian by apt, with an index of its own below `place`, so that the
system's packages stay as they are. The guest has no disk and no network: its files are unpacked
into its memory, its output is its serial console.
"""

import os
import pathlib
import re
import shlex
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping

PROGRAM = "qemu-system-aarch64"
KERNEL = "linux-image-arm64"
# What tests and their scripts call, and what starts the guest.
PROGRAMS = [
    *["bash", "base-passwd", "busybox-static", "coreutils", "dash", "diffutils", "findutils"],
    *["gawk", "grep", "mount", "procps", "sed", "util-linux"],
]
# Of the kernel's modules: a file system of tests.
MODULE = "kernel/fs/fuse/fuse.ko"
# A line of the guest's before and after each program, which nothing else prints.
BEGIN, END = "@@ begin", "@@ end"
INIT = f"""#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t devtmpfs dev /dev
exec </dev/null >/dev/console 2>&1
mkdir -p /dev/shm /dev/pts
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t cgroup2 cgroup /sys/fs/cgroup
mkdir /freezer
mount -t cgroup -o freezer freezer /freezer
for place in /run /dev/shm; do mount -t tmpfs -o mode=1777 tmpfs $place; done
chmod 1777 /tmp
chmod 755 /
busybox ip link set lo up
busybox insmod /lib/modules/fuse.ko
. /play
echo "{END}: all"
busybox poweroff -f
"""


class CannotBeHad(Exception):
    """Why there is no guest: nothing could be downloaded."""


def run(command: list[str | pathlib.Path], **more: str) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, **more},
    )
    if done.returncode:
        words = shlex.join(str(word) for word in command)
        raise CannotBeHad(f"{words}: {done.stdout.strip()[-500:]}")
    return done.stdout


def unpacked(place: pathlib.Path) -> pathlib.Path:
    """The directory with Debian's packages unpacked, made on first use."""
    root = place / "root"
    if root.is_dir():
        return root
    lists, cache, packages = place / "apt/lists", place / "apt/cache", place / "packages"
    for directory in (lists / "partial", cache / "archives/partial", packages):
        directory.mkdir(parents=True, exist_ok=True)
    (place / "apt/status").touch()
    configuration = place / "apt/apt.conf"
    configuration.write_text(
        'APT::Architecture "arm64";\nAPT::Architectures { "arm64"; };\nAcquire::Languages "none";\n'
        f'APT::Sandbox::User "";\nDir::State "{place}/apt";\nDir::State::Lists "{lists}";\n'
        f'Dir::State::status "{place}/apt/status";\nDir::Cache "{cache}";\n'
    )
    apt = {"APT_CONFIG": str(configuration)}
    run(["apt-get", "update"], **apt)
    kernel = re.search(r"Depends: (linux-image-\S+)", run(["apt-cache", "depends", KERNEL], **apt))
    if not kernel:
        raise CannotBeHad(f"{KERNEL} names no kernel")
    wanted = run(
        ["apt-get", "install", "--print-uris", "-qq", "--no-install-recommends", *PROGRAMS], **apt
    )
    names = [line.split()[1].split("_")[0] for line in wanted.splitlines()]
    command: list[str | pathlib.Path] = ["apt-get", "download", "-qq", kernel[1], *names]
    done = subprocess.run(command, cwd=packages, check=False, env={**os.environ, **apt})
    if done.returncode:
        raise CannotBeHad("Debian's packages for arm64 could not be downloaded")
    made = place / "root.new"
    for package in sorted(packages.iterdir()):
        run(["dpkg-deb", "-x", package, made])
    master = made / "usr/share/base-passwd"
    for name in ("passwd", "group"):
        (made / "etc" / name).write_bytes((master / f"{name}.master").read_bytes())
    return made.rename(root)


def entry(name: str, mode: int, content: bytes) -> bytes:
    """A file in the format `newc` of cpio (Documentation/driver-api/early-userspace)."""
    fields = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


def entries(files: Mapping[str, pathlib.Path]) -> Iterator[bytes]:
    """Files by their names in the guest, with the directories that lead to them."""
    made: set[str] = set()
    for name, path in files.items():
        parents = [str(parent) for parent in pathlib.PurePath(name).parents][-2::-1]
        for parent in parents:
            if parent not in made and parent not in files:
                yield entry(parent, stat.S_IFDIR | 0o755, b"")
                made.add(parent)
        if path.is_symlink():
            yield entry(name, stat.S_IFLNK | 0o777, os.fsencode(path.readlink()))
        elif path.is_dir():
            yield entry(name, stat.S_IFDIR | 0o755, b"")
            made.add(name)
        else:
            yield entry(name, stat.S_IFREG | path.stat().st_mode & 0o777, path.read_bytes())


def tree(root: pathlib.Path, within: str = "") -> dict[str, pathlib.Path]:
    """All files below a directory, by their names in the guest."""
    found = sorted(path for path in root.rglob("*"))
    return {str(pathlib.PurePath(within, path.relative_to(root))): path for path in found}


class Guest:
    """A guest with these files beside Debian's, which plays one shell script."""

    def __init__(self, place: pathlib.Path) -> None:
        self.place, self.root = place, unpacked(place)
        # Their names in the guest have no slash in front.
        self.files: dict[str, pathlib.Path] = {}

    def add(self, paths: Iterable[pathlib.Path]) -> None:
        """Files that have the same names in the guest as here."""
        self.files.update({str(path.absolute()).lstrip("/"): path for path in paths})

    def image(self, script: str) -> pathlib.Path:
        """The guest's files as the kernel takes them."""
        base = tree(self.root)
        module = next(path for name, path in base.items() if name.endswith(MODULE))
        left_out = ("boot/", "lib/modules/", "usr/share/doc/", "usr/share/man/")
        files = {name: path for name, path in base.items() if not name.startswith(left_out)}
        files["lib/modules/fuse.ko"] = module
        image = self.place / "initrd"
        with image.open("wb") as out:
            out.writelines(entries({**files, **self.files}))
            for name, text in (("init", INIT), ("play", script)):
                out.write(entry(name, stat.S_IFREG | 0o755, text.encode()))
            for name in ("dev", "proc", "sys", "run", "tmp", "root"):
                if name not in files:
                    out.write(entry(name, stat.S_IFDIR | 0o755, b""))
            out.write(entry("TRAILER!!!", 0, b""))
        return image

    def play(self, script: str, memory: int, line: Callable[[str], None], patience: int) -> bool:
        """Starts the guest and gives each line that it prints; whether it came to its end."""
        kernel = next((self.root / "boot").glob("vmlinuz-*"))
        command: list[str | pathlib.Path] = [PROGRAM, "-machine", "virt", "-cpu", "neoverse-n1"]
        command += ["-accel", "tcg,thread=multi", "-smp", "2", "-m", f"{memory}M"]
        command += ["-kernel", kernel, "-initrd", self.image(script), "-nographic", "-no-reboot"]
        command += ["-nic", "none", "-append", "console=ttyAMA0 quiet panic=-1"]
        whole = False
        with subprocess.Popen(
            ["timeout", str(patience), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as guest:
            assert guest.stdout is not None  # It is a pipe.
            for text in guest.stdout:
                whole = whole or text.strip() == f"{END}: all"
                line(text.rstrip())
        return whole
