"""Looking at processes: those of the host, what they are for, and what they have."""

import contextlib
import os
import pathlib
import re
import signal
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

PROC = pathlib.Path("/proc")
# The file in which a host notes commands that have no cgroup: see src/staging/running.rs. It is
# made when it is needed first, and open and there from then on.
NOTES = "running"


class Process(NamedTuple):
    """A process as `/proc/PID/stat` has it."""

    pid: int
    parent: int
    state: str


def read(pid: int) -> Process | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The name before the last parenthesis may hold anything.
    fields = text.rpartition(") ")[2].split()
    return Process(pid, int(fields[1]), fields[0])


def every() -> Iterator[Process]:
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (found := read(int(entry.name))):
            yield found


def children(parent: int) -> list[Process]:
    return [process for process in every() if process.parent == parent]


def environment(pid: int) -> dict[str, str]:
    """Empty for a process that is gone, or not ours to look at."""
    try:
        text = (PROC / str(pid) / "environ").read_bytes().decode(errors="replace")
    except OSError:
        return {}
    return dict(pair.split("=", 1) for pair in text.split("\0") if "=" in pair)


def commands(host: int) -> Iterator[tuple[int, dict[str, str]]]:
    """The host's commands and workers, with their environments.

    One that is about to be executed still has the host's environment, and is left out.
    """
    for child in children(host):
        found = environment(child.pid)
        if "MESOS_COMMAND_EVENT" in found or "MESOS_COMMAND_WORKER" in found:
            yield child.pid, found


def send(pid: int, number: signal.Signals, expected: dict[str, str]) -> bool:
    """Sends a signal to the process that has this environment, and to no other of its number."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        # Looked at once the number cannot be another's any more.
        if environment(pid) != expected:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def marked(name: str, value: str) -> list[int]:
    """Processes that have this in their environment, but zombies, which have none."""
    return [process.pid for process in every() if environment(process.pid).get(name) == value]


class Sample(NamedTuple):
    """What a process has."""

    rss: int
    # What descriptors are of, without numbers, and how many there are of each kind.
    opened: Counter[str]
    threads: int
    children: int
    zombies: list[int]

    @property
    def descriptors(self) -> int:
        return self.opened.total()


def opened(pid: int) -> Counter[str]:
    """What the descriptors of a process are of: `socket:[]` is any socket.

    The one of the file of notes does not count.
    """
    kinds: Counter[str] = Counter()
    for entry in (PROC / str(pid) / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            kinds[re.sub(r"\d+", "", str(entry.readlink()))] += 1
    notes = Counter(kind for kind in kinds if kind.endswith(f"/{NOTES}"))
    return kinds - notes


def sample(pid: int) -> Sample:
    """Of a process that lives."""
    pages = int((PROC / str(pid) / "statm").read_text().split()[1])
    below = children(pid)
    return Sample(
        rss=pages * os.sysconf("SC_PAGE_SIZE"),
        opened=opened(pid),
        threads=sum(1 for _ in (PROC / str(pid) / "task").iterdir()),
        children=len(below),
        zombies=[child.pid for child in below if child.state == "Z"],
    )
