#!/usr/bin/env python3
"""Misbehaves as its container's name says: as a worker, and as a plain command while none is up."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

USAGE = {"cpus_user_time_secs": 1.5, "mem_rss_bytes": 1048576}


def work() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "mesos_command_worker" in request:
            answer: dict[str, Any] = {"ready": 1}
        else:
            answer = {"id": request["id"]}
            fault = request["input"]["container_id"]["value"].rsplit("-", 1)[0]
            if fault == "crashes":
                sys.exit(3)
            if fault == "babbles":
                print("this is no answer", flush=True)
            if fault == "sleeps":
                time.sleep(600)
            if fault == "complains":
                answer["error"] = "the worker's reason"
            else:
                answer["output"] = USAGE
        print(json.dumps(answer), flush=True)


if "never-ready" in sys.argv[0] and "MESOS_COMMAND_WORKER" in os.environ:
    sys.exit("this worker is never ready")
if "MESOS_COMMAND_WORKER" in os.environ:
    work()
else:
    Path(sys.argv[2]).write_text(json.dumps(USAGE))
