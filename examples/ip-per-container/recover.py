#!/usr/bin/env python3
"""isolator_recover: gives back the addresses of containers that no longer are.

Called as: recover.py INPUT OUTPUT ERROR, once when the agent comes back, before Mesos destroys
what it does not know (`orphans`, whose cleanup commands run afterwards). A container that is
neither among them nor among those that live on (`states`) has no cleanup any more: its address is
free.
"""

import json
import os
import pathlib
import sys
from typing import Any, Dict


def name(container: Dict[str, Any]) -> str:
    """A container's ID as MESOS_CONTAINER_ID has it: `parent.child`."""
    parent = container.get("parent")
    return f"{name(parent)}.{container['value']}" if parent else str(container["value"])


def main(input_path: str, _output_path: str, error_path: str) -> int:
    with open(input_path, encoding="utf-8", errors="replace") as file:
        given = json.load(file)
    known = {name(state["container_id"]) for state in given.get("states", [])}
    known |= {name(orphan) for orphan in given.get("orphans", [])}
    state = pathlib.Path(os.environ.get("EXAMPLE_STATE", "/var/lib/mesos-command-examples"))
    try:
        for link in (state / "addresses").glob("*"):
            if os.readlink(link) not in known:
                link.unlink()
    except OSError as error:
        pathlib.Path(error_path).write_text(f"an address is not free: {error}", encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
