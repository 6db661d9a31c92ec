#!/usr/bin/python3
"""A worker that keeps 1 MiB more with each request, for benches/leak.modules.json."""

import pathlib
import sys
from typing import Any, Dict, List

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "examples/workers"))
import mesos_worker

KEPT: List[bytes] = []


def usage(_request: Dict[str, Any]) -> Dict[str, int]:
    KEPT.append(b"\1" * (1 << 20))
    return {"mem_rss_bytes": len(KEPT) << 20}


if __name__ == "__main__":
    mesos_worker.main(usage)
