#!/usr/bin/env python3
"""A prepare command that hangs, in a real libmesos, and an operator with the tool.

`mesos-command calls` names script, container, task, framework, process and age; `kill` ends the
command, and its launch fails with that reason. The one that waited for its turn is killed before it
starts. Nothing is left.
"""

import json
import pathlib

import live
import verdicts
from files import Json, call, modules_file
from live import PATIENCE

HANGS = """#!/bin/sh
echo "waits for a lock" >&2
exec sleep 600
"""
FAILS = "was killed by an operator"
CONTAINERS = ["one", "two"]


def scenario() -> Json:
    steps = []
    for name in CONTAINERS:
        framework = {"value": "framework-7"}
        executor = {
            "executor_id": {"value": "e"},
            "framework_id": framework,
            "command": {"value": "x"},
        }
        task = {
            "name": "t",
            "task_id": {"value": f"{name}.task"},
            "slave_id": {"value": "s"},
        }
        config = {
            "command_info": {"value": "x"},
            "directory": "/sandbox",
            "executor_info": executor,
            "task_info": task,
        }
        inputs = {"container_config": config}
        steps.append({**call("isolator_prepare", name, None, inputs=inputs), "name": name})
    for name in CONTAINERS:
        # The text is told by the real library: the launch's future has failed with it.
        expect = {"answer": "failure", "text": FAILS, "at_most_ms": PATIENCE * 1000}
        wait = {"do": "await", "name": name, "timeout_ms": PATIENCE * 1000, "expect": expect}
        steps.append(wait)
    steps.append({"do": "leftovers", "threads": 64, "fds": 64, "directories": 4})
    return {"about": "an operator ends what hangs", "steps": steps}


def wrong_with(found: list[Json], script: pathlib.Path, table: str) -> list[str]:
    """What `calls` gets wrong."""
    # Which of them comes first depends on when its context was written.
    names = [one["container"] for one in found]
    wrong = [] if sorted(names) == CONTAINERS else [f"the containers are {names}"]
    for one, name, state in zip(found, names, ["running", "queued"], strict=True):
        expected = {
            "command": str(script),
            "task": f"{name}.task",
            "framework": "framework-7",
            "event": "isolator_prepare",
            "state": state,
        }
        wrong += live.wrong_call(one, expected)
    words = [str(found[0]["pid"]), str(script), f"{names[0]}.task"]
    return wrong + [f"the table does not show {word}" for word in words if word not in table]


def play(host: pathlib.Path, release: str, root: pathlib.Path) -> list[str]:
    """Plays it; what is wrong."""
    script, socket = root / "prepare.sh", root / "control.sock"
    script.write_text(HANGS)
    script.chmod(0o755)
    pairs = {
        "module_name": "operator",
        "state_dir": "${SCRATCH}/contexts",
        "temp_dir": "${SCRATCH}/tmp",
        "control_socket": str(socket),
        "keep_failures": "0",
        "kill_grace": "0",
        "isolator_prepare_command": str(script),
    }
    modules = root / "modules.json"
    modules.write_text(json.dumps(modules_file([("com_criteo_mesos_CommandIsolator", pairs)])))
    played = root / "scenario.json"
    played.write_text(json.dumps(scenario()))
    command: list[str | pathlib.Path] = [host, "run", "--mesos", release, "--modules", modules]
    command += ["--scenario", played, "--log", root / "log"]
    process = live.start(command)
    try:
        tool = live.Tool(host, socket)
        found = tool.calls(len(CONTAINERS), process)
        wrong = wrong_with(found, script, tool.text("calls"))
        pid = found[0]["pid"]
        # The younger one first: else its turn would come.
        for one in reversed(found):
            tool.text("kill", str(one["id"]))
        failures = tool.json("failures")
        output, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    if process.returncode:
        return [*wrong, f"exit status {process.returncode}", output]
    reasons = [failure["reason"] for failure in failures["failures"]]
    if not set(reasons) <= {"killed"}:
        wrong.append(f"the failures' reasons are {reasons}")
    if pathlib.Path(f"/proc/{pid}").exists():
        wrong.append(f"process {pid} lives on")
    if socket.exists():
        wrong.append("the socket is left")
    log = (root / "log").read_text(errors="replace")
    if FAILS not in log or "waits for a lock" not in log:
        wrong.append("the log does not say who ended it, or what it printed")
    return wrong


def main() -> None:
    seen = "a hung prepare and one that waits were found and killed"
    verdicts.played(__doc__, lambda *given: (play(*given), seen))


if __name__ == "__main__":
    main()
