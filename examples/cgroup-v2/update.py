#!/usr/bin/env python3
"""isolator_update: a soft limit of memory and a share of the disks, in a container's cgroup v2.

Called as: update.py INPUT OUTPUT ERROR, when the tasks of an executor change, and by clusterd's
call UPDATE_CONTAINER_MEMORY_LIMIT, which names `mem` and nothing else. So a resource that is not
there is not zero: it stays what it was. `resource_limits` has what the tasks may take at most
(since Mesos 1.10.0, and empty when they set none), `resource_requests` what they are promised.
"""

import json
import math
import os
import pathlib
import sys
from typing import Any, Dict, Optional

MEBIBYTE = 1 << 20
# Of the memory that is the hard limit: from here on the kernel takes pages back and slows down.
SOFT = 0.9


def request(resources: Dict[str, Any], name: str) -> Optional[float]:
    """What is promised of a scalar resource in all roles; None if it is not named."""
    named = [it for it in resources.get("resource_requests", []) if it.get("name") == name]
    return sum(it["scalar"]["value"] for it in named) if named else None


def limit(resources: Dict[str, Any], name: str) -> Optional[float]:
    """The limit of a resource, else what is promised of it; None if it is not named."""
    entry = resources.get("resource_limits", {}).get(name)
    # Infinity is a text in Mesos's JSON.
    return float(entry["value"]) if entry else request(resources, name)


def update(resources: Dict[str, Any], cgroup: pathlib.Path) -> None:
    memory = limit(resources, "mem")
    if memory is not None:
        soft = "max" if math.isinf(memory) else str(int(memory * MEBIBYTE * SOFT))
        (cgroup / "memory.high").write_text(soft)
    cpus = request(resources, "cpus")
    if cpus is not None:
        (cgroup / "io.weight").write_text(f"default {min(10000, max(1, round(cpus * 100)))}")


def main(input_path: str, _output_path: str, error_path: str) -> int:
    state = pathlib.Path(os.environ.get("EXAMPLE_STATE", "/var/lib/mesos-command-examples"))
    root = os.environ.get("EXAMPLE_CGROUPS", "/sys/fs/cgroup")
    with open(input_path, encoding="utf-8", errors="replace") as file:
        resources = json.load(file)
    note = state / "cgroups" / os.environ["MESOS_CONTAINER_ID"].replace("/", "_")
    if not note.exists():
        # A container that is older than the module.
        return 0
    try:
        update(resources, pathlib.Path(root + note.read_text().rstrip("\n")))
    except OSError as error:
        pathlib.Path(error_path).write_text(f"a limit was not set: {error}", encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
