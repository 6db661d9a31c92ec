#!/usr/bin/env python3
"""isolator_usage_command with isolator_usage_mode=worker: a container's memory, from its cgroup."""

import json
import os
import sys
from typing import Any, Dict

CGROUPS = os.environ.get("CGROUPS", "/sys/fs/cgroup/mesos")


def usage(request: Dict[str, Any]) -> Dict[str, int]:
    container = request["container_id"]
    if "parent" in container:  # A nested container has no cgroup of its own.
        return {}
    with open(os.path.join(CGROUPS, container["value"], "memory.current")) as file:
        return {"mem_rss_bytes": int(file.read())}


def work() -> None:
    # Bytes, because the lines are UTF-8 whatever the agent's locale is.
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "mesos_command_worker" in request:
            answer = {"ready": 1}  # type: Dict[str, Any]
        else:
            answer = {"id": request["id"]}
            try:
                answer["output"] = usage(request["input"])
            except Exception as error:  # noqa: BLE001 (a worker answers whatever happens)
                answer["error"] = repr(error)
        # stdout belongs to the protocol: print anything else to stderr.
        print(json.dumps(answer), flush=True)


if "MESOS_COMMAND_WORKER" in os.environ:
    work()
else:  # No worker is up: an ordinary call.
    # The input holds what frameworks wrote, which need not be UTF-8.
    with open(sys.argv[1], "rb") as file:
        request = json.loads(file.read().decode("utf-8", "replace"))
    with open(sys.argv[2], "w") as output:
        json.dump(usage(request), output)
