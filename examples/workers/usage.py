#!/usr/bin/env python3
"""isolator_usage_command with isolator_usage_mode=worker: a container's memory, from its cgroup."""

import os
from typing import Any, Dict

import mesos_worker

CGROUPS = os.environ.get("CGROUPS", "/sys/fs/cgroup/mesos")


def usage(request: Dict[str, Any]) -> Dict[str, int]:
    container = request["container_id"]
    if "parent" in container:  # A nested container has no cgroup of its own.
        return {}
    with open(os.path.join(CGROUPS, container["value"], "memory.current")) as file:
        return {"mem_rss_bytes": int(file.read())}


if __name__ == "__main__":
    mesos_worker.main(usage)
