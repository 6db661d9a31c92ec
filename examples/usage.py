#!/usr/bin/env python3
"""isolator_usage in Python: disk usage and number of files of a container's sandbox.

Called as: usage.py INPUT OUTPUT ERROR. Starting Python costs more than the work itself, which the
cache makes bearable; on a busy agent prefer a worker (isolator_usage_mode=worker).
"""

import json
import os
import sys
from typing import Dict


def usage(directory: str) -> Dict[str, int]:
    """A ResourceStatistics object for the files below a directory."""
    blocks = 0
    for place, _, names in os.walk(directory):
        for name in names:
            try:
                blocks += os.lstat(os.path.join(place, name)).st_blocks
            except FileNotFoundError:
                # Containers delete files while we look.
                continue
    space = os.statvfs(directory)
    return {
        "disk_used_bytes": blocks * 512,
        "disk_limit_bytes": space.f_blocks * space.f_frsize,
    }


def main(input_path: str, output_path: str, error_path: str) -> int:
    with open(input_path, encoding="utf-8", errors="replace") as file:
        config = json.load(file).get("container_config", {})
    try:
        answer = usage(config["directory"])
    except (KeyError, OSError) as error:
        with open(error_path, "w", encoding="utf-8") as file:
            file.write(f"no sandbox to look at: {error!r}")
        return 1
    with open(output_path, "w", encoding="utf-8") as file:
        json.dump(answer, file)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
