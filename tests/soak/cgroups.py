"""The cgroups of the host's commands: those in directories that bear the host's number.

No other is ever touched. A process that is ending is shown in the root of its hierarchy, where all
processes of the machine may be.
"""

import os
import pathlib
import signal
import time

import processes

# How long a cgroup may take to become empty.
PATIENCE = 1.0


def mounts() -> dict[str, pathlib.Path]:
    """Mount points of cgroup hierarchies: by a controller's name, the unified one by ''."""
    found: dict[str, pathlib.Path] = {}
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()[:3]
        place = pathlib.Path(before.split()[4])
        if kind == "cgroup2":
            found[""] = place
        elif kind == "cgroup":
            found |= dict.fromkeys(options.split(","), place)
    return found


def memberships(pid: int) -> dict[str, str]:
    """The cgroups of a process: controllers, as `/proc/PID/cgroup` spells them, to paths."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return {}
    fields = [line.split(":", 2) for line in lines]
    return {controllers: path for _, controllers, path in fields}


def own(host: int) -> set[pathlib.Path]:
    """The directories that the host has made for cgroups, of those that its commands are in."""
    place, found = mounts(), set()
    for pid, _ in processes.commands(host):
        for controllers, path in memberships(pid).items():
            mount = place.get(controllers.split(",")[0])
            top = tree(path, host)
            if mount and top:
                found.add(mount / top)
    return found


def tree(path: str, host: int) -> pathlib.Path | None:
    """The part of a cgroup's path that ends with `HOST.START`, relative to its mount."""
    parts = pathlib.PurePosixPath(path).parts
    own = [at for at, part in enumerate(parts) if part.startswith(f"{host}.")]
    return pathlib.Path(*parts[1 : own[0] + 1]) if own else None


def remove(top: pathlib.Path) -> bool:
    """Ends what is in a cgroup and those below it, and removes them, as a careless script might.

    Whether that was possible: new ones may be made meanwhile.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            for directory, _, _ in os.walk(top, topdown=False):
                empty(pathlib.Path(directory))
                pathlib.Path(directory).rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            time.sleep(0.01)
        else:
            return True
    return False


def empty(directory: pathlib.Path) -> None:
    for pid in (directory / "cgroup.procs").read_text().split():
        os.kill(int(pid), signal.SIGKILL)
