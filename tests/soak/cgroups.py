"""The cgroups of the host's commands, wherever the module makes them."""

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
    """Directories of cgroups in which commands of the host are, and the host is not."""
    place, of_host = mounts(), memberships(host)
    found = set()
    for pid, _ in processes.commands(host):
        for controllers, path in memberships(pid).items():
            name = controllers.split(",")[0].removeprefix("name=")
            mount = place.get(controllers.split(",")[0], place.get(f"name={name}"))
            if mount and path != of_host.get(controllers):
                found.add(mount / path.lstrip("/"))
    return found


def remove(directory: pathlib.Path) -> bool:
    """Ends what is in a cgroup, and removes it, as an administrator's script might."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            for pid in (directory / "cgroup.procs").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
            directory.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        else:
            return True
