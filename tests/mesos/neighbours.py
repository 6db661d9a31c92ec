#!/usr/bin/env python3
"""The command modules between modules of others, in a whole agent.

Two copies of the library of neighbours.cpp stand around ours in --hooks and --isolation. Looked at
is what they and our commands record: the order in which Mesos calls all of them, what each is given
of the others' answers, and that a neighbour that holds the thread on which our answer arrives holds
up no other container.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from files import Json

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REAL = pathlib.Path(os.environ.get("REAL_MESOS_DIR", ROOT / "target/real-mesos"))
# The sizes in neighbours.cpp are those of this release.
RELEASE = "1.11.0"
TASKS = 9
# The order of cleanup. An agent that is killed at it does it again when it is back; our command is
# not run again for a container whose context is gone.
CLEANUP = re.compile(r"(after (ours (before )?)?)?after ours before|after ours before after before")
# Which labels our hooks find: at the master that of the hook before ours; at the agent both,
# which hooks of the master put there.
SEEN = {
    "hook_master_launch_task_label_decorator": ("neighbour-before",),
    "hook_slave_run_task_label_decorator": ("neighbour-after", "neighbour-before"),
}


def build(name: str, scratch: pathlib.Path) -> pathlib.Path:
    library = scratch / f"libneighbour_{name}.so"
    command = ["g++", "-std=c++14", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    command += ["-fvisibility=hidden", "-fno-strict-aliasing", f"-I{ROOT / 'cpp/abi'}"]
    command += [f'-DNEIGHBOUR="{name}"', f'-DNEIGHBOUR_MESOS="{RELEASE}"']
    command += [f"-DNEIGHBOUR_HOOK=nobody_NeighbourHook_{name}"]
    command += [f"-DNEIGHBOUR_ISOLATOR=nobody_NeighbourIsolator_{name}"]
    command += [str(HERE / "neighbours.cpp"), "-o", str(library), "-pthread"]
    subprocess.run(command, check=True)
    return library


def modules(scratch: pathlib.Path) -> Json:
    """record.modules.json with neighbours.sh for record.sh, between the neighbours."""
    text = (HERE / "record.modules.json").read_text()
    ours = json.loads(text.replace("${HERE}/record.sh", str(HERE / "neighbours.sh")))
    for module in ours["libraries"][0]["modules"]:
        if module["name"].endswith("Isolator"):
            module["parameters"].append({"key": "lifecycle_parallel", "value": "8"})

    def neighbour(name: str) -> Json:
        names = [f"nobody_Neighbour{kind}_{name}" for kind in ("Hook", "Isolator")]
        return {"file": str(build(name, scratch)), "modules": [{"name": it} for it in names]}

    return {"libraries": [neighbour("before"), *ours["libraries"], neighbour("after")]}


def calls(records: list[list[str]], method: str) -> dict[str, list[str]]:
    """Who was called for each container, in order."""
    found: dict[str, list[str]] = collections.defaultdict(list)
    for words in records:
        if words[0] == "NEIGHBOUR" and words[2] == method:
            found[words[3]].append(words[1])
        elif words[0] == "OURS" and words[1] == method:
            found[words[2]].append("ours")
    return found


def complaints(records: list[list[str]]) -> Iterator[str]:
    prepared = calls(records, "prepare")
    if len(prepared) != TASKS:
        yield f"{len(prepared)} containers were prepared instead of {TASKS}"
    for container, order in prepared.items():
        if order != ["before", "ours", "after"]:
            yield f"{container}: prepare went to {order}"
    for container, order in calls(records, "cleanup").items():
        if not CLEANUP.fullmatch(" ".join(order)):
            yield f"{container}: cleanup went to {order}"
    missing = sorted(prepared.keys() - calls(records, "cleanup").keys())
    if missing:
        yield f"prepared and never cleaned up: {missing}"
    isolated = calls(records, "isolate")
    if any(sorted(order) != ["after", "before"] for order in isolated.values()) or not isolated:
        yield f"isolate went to {dict(isolated)}"
    for event, wanted in SEEN.items():
        seen = {tuple(words[2:]) for words in records if words[:2] == ["SEEN", event]}
        if seen != {wanted}:
            yield f"{event}: of the neighbours' labels our hook saw {seen}"
    yield from threads(records)


def threads(records: list[list[str]]) -> Iterator[str]:
    """Mesos goes on where our answer arrives: on a thread of ours, not on one and the same."""
    began = [words for words in records if words[:3] == ["NEIGHBOUR", "after", "prepare"]]
    ours = {words[4] for words in began if words[4].startswith("mcmd-")}
    if not ours:
        yield f"no neighbour was called on a thread of ours: {began}"
    held = most = 0
    for words in records:
        if words[:2] == ["NEIGHBOUR", "after"] and words[2] in ("prepare", "prepared"):
            held += 1 if words[2] == "prepare" else -1
            most = max(most, held)
    print(f"the neighbour behind us held up to {most} threads of {len(began)} calls, {ours}")
    if most < 2:
        yield "a neighbour that holds a thread held up every other container"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", type=pathlib.Path, default=ROOT / "target/release/mesos-host")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mesos-neighbours-") as name:
        scratch = pathlib.Path(name)
        path = scratch / "modules.json"
        path.write_text(json.dumps(modules(scratch)))
        command = [arguments.host, "cluster", f"--mesos={RELEASE}", f"--mesos-dir={REAL}"]
        command += [f"--modules={path}", f"--work-dir={scratch / 'work'}", "--records"]
        command += [f"--tasks={TASKS}", "--restart=kill"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
        records = (scratch / "work/records").read_text().splitlines()
        wrong = list(complaints([line.split() for line in records]))
    for line in wrong:
        print(f"    {line}")
    print(f"{len(wrong)} complaints of {len(records)} records")
    return 1 if wrong or done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
