#!/usr/bin/env python3
"""A worker that keeps 1 MiB more with each request, for benches/leak.modules.json."""

import pathlib
import sys
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "examples/workers"))
import mesos_worker

KEPT: list[bytes] = []


def usage(_request: dict[str, Any]) -> dict[str, int]:
    KEPT.append(b"\1" * (1 << 20))
    return {"mem_rss_bytes": len(KEPT) << 20}


if __name__ == "__main__":
    mesos_worker.main(usage)
