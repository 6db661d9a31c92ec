#!/usr/bin/env python3
"""isolator_usage_command with isolator_usage_mode=worker: a container's processor time, asked for
from a service on this machine that speaks lines of JSON over a socket.

What takes the time is the wait for the service, so one process waits for 16 containers at a time.
"""

import asyncio
import json
import os
from typing import Any, Dict, Optional

import mesos_worker

SERVICE = os.environ.get("SERVICE", "/run/accounting.sock")


async def usage(request: Dict[str, Any]) -> Optional[Dict[str, float]]:
    container = request["container_id"]
    if "parent" in container:  # The service knows no nested containers.
        return None
    reader, writer = await asyncio.open_unix_connection(SERVICE)
    try:
        writer.write(json.dumps({"container": container["value"]}).encode() + b"\n")
        told = json.loads((await reader.readline()).decode())
        return {"cpus_user_time_secs": float(told["seconds"])}
    finally:
        # Also when the request is cancelled: the connection is not left behind.
        writer.close()


if __name__ == "__main__":
    mesos_worker.main_async(usage, multiplex=16)
